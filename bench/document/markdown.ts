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

/** Marks of a place in a document that a command fills. */
export interface Marks {
  begin: string;
  end: string;
}

const FIGURES: Marks = {
  begin: '<!-- figures: made by npm run figures -->',
  end: '<!-- end of figures -->',
};

/** `document` with `figures` in the place of what stood between two marks. Throws if it has not exactly one such place. */
export function withFigures(document: string, figures: string, { begin, end }: Marks = FIGURES): string {
  const [before, inside, after] = [document.split(begin), document.split(end), document.indexOf(end)];
  if (before.length !== 2 || inside.length !== 2 || after < document.indexOf(begin)) {
    throw new Error(`the document needs one place for figures, from '${begin}' to '${end}'`);
  }
  return `${before[0]}${begin}\n\n${figures.trim()}\n\n${end}${inside[1]}`;
}
