// Tables, headings and the sentences under them.
import Table from 'cli-table3';
import pc from 'picocolors';

const WIDTH = 118;
const INDENT = '  ';

/** A table without a frame: it survives a copy into an issue, and a screen reader. */
const FRAMELESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** A column's head, and whether its cells are words (to the left) or figures (to the right). */
export interface Column {
  head: string;
  words?: boolean;
}

export function table(columns: Column[], rows: string[][]): string {
  const out = new Table({
    head: columns.map(({ head }) => pc.bold(head)),
    colAligns: columns.map(({ words }) => (words ? 'left' : 'right')),
    chars: FRAMELESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  out.push(...rows);
  return out
    .toString()
    .split('\n')
    .map((line) => INDENT + line.trimEnd())
    .join('\n');
}

export function heading(title: string): string {
  return `\n${pc.bold(pc.cyan(title))}`;
}

/** The sentences under a table that say what it shows. */
export function reading(...sentences: string[]): string {
  return pc.dim(wrapped(sentences.join(' ')));
}

export const good = pc.green;
export const bad = pc.red;
export const doubtful = pc.yellow;

function wrapped(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= WIDTH - INDENT.length) {
      line = longer;
    } else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  return lines.map((each) => INDENT + each).join('\n');
}
