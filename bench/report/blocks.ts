// What a scenario has to say, as data: the terminal and the HTML report show the same.

/** Good news, bad news, and news that should not be relied upon. */
export type Tone = 'good' | 'bad' | 'doubtful';

export interface Toned {
  text: string;
  tone: Tone;
}

export type Cell = string | Toned;

/** A column's head, and whether its cells are words (to the left) or figures (to the right). */
export interface Column {
  head: string;
  words?: boolean;
}

export interface TableBlock {
  kind: 'table';
  /** Shown above it; empty: none. */
  title: string;
  columns: Column[];
  rows: Cell[][];
}

export type Block = { kind: 'heading'; text: string } | { kind: 'text'; text: string } | TableBlock;

export const heading = (text: string): Block => ({ kind: 'heading', text });

/** The sentences beside a table that say what it shows. */
export const reading = (...sentences: string[]): Block => ({ kind: 'text', text: sentences.join(' ') });

export const table = (columns: Column[], rows: Cell[][], title = ''): TableBlock => ({
  kind: 'table',
  title,
  columns,
  rows,
});

export const good = (text: string): Toned => ({ text, tone: 'good' });
export const bad = (text: string): Toned => ({ text, tone: 'bad' });
export const doubtful = (text: string): Toned => ({ text, tone: 'doubtful' });

export const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text);
