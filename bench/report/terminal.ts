// Blocks as lines of text for a terminal, a file or a pipe.
import Table from 'cli-table3';
import pc from 'picocolors';
import type { Block, Cell, TableBlock, Tone } from './blocks';

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

const COLOURS: Record<Tone, (text: string) => string> = {
  good: pc.green,
  bad: pc.red,
  doubtful: pc.yellow,
};

export function coloured(cell: Cell): string {
  return typeof cell === 'string' ? cell : COLOURS[cell.tone](cell.text);
}

export function inTerminal(blocks: readonly Block[]): string {
  return blocks.map((block, n) => lines(block, blocks[n - 1])).join('\n');
}

/** A table has an empty line before it, unless it follows its heading. */
function lines(block: Block, before: Block | undefined): string {
  if (block.kind === 'heading') return `\n${pc.bold(pc.cyan(block.text))}`;
  if (block.kind === 'text') return pc.dim(wrapped(block.text));
  return (before?.kind === 'heading' ? '' : '\n') + tableLines(block);
}

function tableLines({ title, columns, rows }: TableBlock): string {
  const out = new Table({
    head: columns.map(({ head }) => pc.bold(head)),
    colAligns: columns.map(({ words }) => (words ? 'left' : 'right')),
    chars: FRAMELESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  out.push(...rows.map((row) => row.map(coloured)));
  const lines = out.toString().split('\n');
  return [...(title === '' ? [] : [title]), ...lines].map((line) => INDENT + line.trimEnd()).join('\n');
}

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
