// The table of the pressure scenario.

import { type Block, bad, good, heading, reading, table } from '../../report/blocks';
import { count, digits, ms, rate, ratio } from '../../report/format';
import { verdictCell } from '../../report/verdict';
import type { BenchReport } from '../../schema';

export function pressureTable({ pressure }: BenchReport): Block[] {
  if (pressure.length === 0) return [];
  const columns = [
    { head: 'cell', words: true },
    { head: 'pinned' },
    { head: 'due/s' },
    { head: 'done/s' },
    { head: 'p50 µs' },
    { head: 'p99' },
    { head: 'p99.9 ms' },
    { head: 'max' },
    { head: 'with waits for a core' },
    { head: 'batch p50 ms' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'longer' },
    { head: 'A/A' },
    { head: 'bar', words: true },
    { head: 'lies' },
  ];
  const rows = pressure.map((cell) => [
    cell.name,
    `${Math.round(100 * (cell.pinnedMedian ?? cell.pinnedShare))}%`,
    rate(Math.round(cell.duePerSecond)),
    rate(Math.round(cell.donePerSecond)),
    digits(cell.own.p50Us),
    digits(cell.own.p99Us),
    ms(cell.own.p999Us),
    ms(cell.own.maxUs),
    ms(cell.service.maxUs),
    ms(cell.batch.p50Us),
    ms(cell.batch.p99Us),
    ms(cell.batch.maxUs),
    `${cell.longer} of ${count(cell.service.count)}`,
    ratio(cell.control),
    verdictCell(cell.verdict),
    cell.lies === 0 ? good('0') : bad(count(cell.lies)),
  ]);
  const [{ diskPagesPerSecond, fromDue }] = pressure;
  return [
    heading('pressure'),
    table(columns, rows),
    reading(
      `Two writers dirty five times more pages than the disk takes one after the other (${rate(Math.round(diskPagesPerSecond))} a second at first). Each write of a page is timed from its own start, without the time in which its thread had no core; from when it was due it waits longer and longer, as in any queue that is overrun (up to ${ms(fromDue.maxUs)} ms here).`,
      '"Batch": 64 pages by one bare write and an fdatasync, alone, in blocks of time between the writers\'. "Longer": writes that took longer than the longest such batch. A/A: the longest of every second batch ÷ the longest of the others; where the longest write and the longest batch differ by no more than that, there is no verdict. Few dirty: writers are throttled above 4% of the pool, so that 95% of all dirty pages can be pinned.',
    ),
  ];
}
