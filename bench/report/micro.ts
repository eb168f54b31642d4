import type { BenchReport, MicroRow } from '../schema';
import { type Block, type Cell, doubtful, heading, reading, table } from './blocks';
import { controlCell } from './control';
import { digits, ratio } from './format';
import { verdictCell } from './verdict';

export function microTable({ micro }: BenchReport): Block[] {
  if (micro.length === 0) return [];
  const columns = [
    { head: 'ratio', words: true },
    { head: 'value' },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'bar' },
    { head: 'reached', words: true },
  ];
  const rows = micro.map((row) => [
    row.name,
    ratio(row.value),
    row.q1 === null ? ratio(null) : `${ratio(row.q1)}–${ratio(row.q3)}`,
    controlCell(row.control),
    `${row.direction === 'at most' ? '≤' : '≥'} ${row.bar}`,
    reached(row),
  ]);
  const parts = micro.filter((row) => madeOf(row) !== '').map((row) => [row.name, madeOf(row)]);
  return [
    heading('micro'),
    table(columns, rows),
    table(
      [
        { head: 'ratio', words: true },
        { head: 'made of', words: true },
      ],
      parts,
    ),
    reading(
      'What stands before ÷ is divided by what stands behind it: the median, and the quartiles, of ratios of neighbours in time.',
      'A/A is the same ratio between two identical arms; where it is off by more than 5% there is no verdict, nor where a figure is nearer to its bar than it is exact.',
      'Bars are the targets of the design, here seen by one process: "short" is information, not a failure.',
    ),
  ];
}

const reached = ({ verdict }: MicroRow): Cell =>
  verdict === 'not measured' ? doubtful(verdict) : verdictCell(verdict);

function madeOf({ parts, note }: MicroRow): string {
  const figures = parts.map(({ label, value, unit }) => `${label} ${digits(value)} ${unit}`).join(', ');
  return [figures, note].filter(Boolean).join('; ');
}
