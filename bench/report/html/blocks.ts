// What a scenario says, as HTML: the same as in the terminal.
import type { Block, Cell, TableBlock, Tone } from '../blocks';
import { textOf } from '../blocks';
import { html, type Markup } from './markup';

/** A tone is told by a sign and, to who can't see it, by a word; the colour comes on top. */
const TONES: Record<Tone, { sign: string; word: string }> = {
  good: { sign: '✓', word: 'good' },
  bad: { sign: '✗', word: 'bad' },
  doubtful: { sign: '?', word: 'doubtful' },
};

export function toned(cell: Cell): Markup {
  if (typeof cell === 'string') return html`${cell}`;
  const { sign, word } = TONES[cell.tone];
  return html`<span class="tone ${cell.tone}"><span class="sign" aria-hidden="true">${sign}</span>${cell.text}<span class="unseen"> (${word})</span></span>`;
}

export function signOf(tone: Tone): string {
  return TONES[tone].sign;
}

/** `of`: what the tables belong to. */
export function blocksAsHtml(blocks: readonly Block[], of: string): Markup {
  return html`${blocks.map((block, n) => {
    if (block.kind === 'heading') return html`<h3>${block.text}</h3>`;
    if (block.kind === 'text') return html`<p class="reading">${block.text}</p>`;
    return scrolledTable(block, block.title === '' ? `${of}, table ${n + 1}` : `${of}, ${block.title}`);
  })}`;
}

/** A table that scrolls inside its own box, also by the keyboard. */
export function scrolledTable(block: TableBlock, name: string): Markup {
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table>${
    block.title !== '' && html`<caption>${block.title}</caption>`
  }<thead><tr>${block.columns.map(
    ({ head, words }) => html`<th scope="col"${wordsClass(words)}>${head}</th>`,
  )}</tr></thead>${bodies(block)}</table></div>`;
}

const wordsClass = (words: boolean | undefined): Markup | false => words === true && html` class="words"`;

/** Rows whose first cell is empty belong to the one above: a body, and one cell in front of it, for each such group. */
function bodies({ columns, rows }: TableBlock): Markup[] {
  const grouped = rows.some(([first], n) => n > 0 && textOf(first) === '') && textOf(rows[0][0]) !== '';
  if (!grouped) return [html`<tbody>${rows.map((row) => rowOf(row, columns, headerOf(columns, 0)))}</tbody>`];
  const groups: Cell[][][] = [];
  for (const row of rows) {
    if (textOf(row[0]) === '') groups.at(-1)?.push(row);
    else groups.push([row]);
  }
  const header = headerOf(columns, 1);
  return groups.map((group) => {
    const first = html`<th scope="rowgroup" rowspan="${group.length}"${wordsClass(columns[0].words)}>${toned(group[0][0])}</th>`;
    return html`<tbody class="group">${group.map((row, n) => rowOf(row, columns, header, n === 0 ? first : html``))}</tbody>`;
  });
}

/** The column that names the row: the first of words. */
function headerOf(columns: TableBlock['columns'], from: number): number {
  const at = columns.findIndex(({ words }, n) => n >= from && words === true);
  return at < 0 ? from : at;
}

function rowOf(row: Cell[], columns: TableBlock['columns'], header: number, first?: Markup): Markup {
  return html`<tr>${row.map((cell, n) => {
    if (n === 0 && first !== undefined) return first;
    const words = wordsClass(columns[n]?.words);
    return n === header
      ? html`<th scope="row"${words}>${toned(cell)}</th>`
      : html`<td${words}>${toned(cell)}</td>`;
  })}</tr>`;
}
