import { type Cell, type Column, textOf } from '../report/blocks';

/** The table of a report as Markdown: words to the left, figures to the right. */
export function markdownTable(columns: Column[], rows: Cell[][]): string {
  const line = (cells: Cell[]) =>
    `| ${cells.map((cell) => textOf(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(columns.map(({ head }) => head)),
    `|${columns.map(({ words }) => (words ? '---|' : '---:|')).join('')}`,
    ...rows.map(line),
  ].join('\n');
}

const BEGIN = '<!-- figures: made by npm run figures -->';
const END = '<!-- end of figures -->';

/** `document` with `figures` in the place of what stood between its two marks. Throws if it has not exactly one such place. */
export function withFigures(document: string, figures: string): string {
  const [before, inside, after] = [document.split(BEGIN), document.split(END), document.indexOf(END)];
  if (before.length !== 2 || inside.length !== 2 || after < document.indexOf(BEGIN)) {
    throw new Error(`the document needs one place for figures, from '${BEGIN}' to '${END}'`);
  }
  return `${before[0]}${BEGIN}\n\n${figures.trim()}\n\n${END}${inside[1]}`;
}
