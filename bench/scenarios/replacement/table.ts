// Hit ratios, a table a size; several threads; and what the queues did.

import { type Block, bad, good, heading, reading, table } from '../../report/blocks';
import { count } from '../../report/format';
import type { BenchReport } from '../../schema';
import { AIM, AIM_SIZE } from './aim';
import { PEER_NAMES } from './policies';
import type { ReplacementCell, ReplacementThreads } from './result';

export function replacementTables({ replacement }: BenchReport): Block[] {
  if (replacement === null || replacement.cells.length === 0) return [];
  const { cells, threads, control, seed } = replacement;
  const sizes = [...new Set(cells.map(({ size }) => size))].sort((a, b) => a - b);
  const first = cells[0]!;
  const parts = [
    heading('replacement'),
    reading(
      `Hits in percent of ${count(first.accesses)} accesses (seed ${seed}), without the first ${count(first.warmup)}, which fill the caches. The kernel is the real one, over a store in memory; the others are reference implementations. The best of those is green.`,
    ),
  ];
  for (const size of sizes) {
    parts.push(sizeTable(cells.filter((cell) => cell.size === size)));
  }
  parts.push(
    reading(
      `Differences are percentage points. "ok": no more than ${AIM * 100} below LRU and, at ${AIM_SIZE * 100}%, below the best.`,
      'One-touch pages are not part of the footprint.',
    ),
  );
  if (threads.length > 0) {
    parts.push(
      threadsTable(threads),
      reading('The threads play one trace together, each the next few accesses of it; the warm-up counts.'),
    );
  }
  for (const { trace, handAlone, queues } of control) {
    parts.push(
      reading(
        `Control: the kernel's hand without its queues hits ${percent(handAlone)}% of '${trace}' in ${AIM_SIZE * 100}%, with them ${percent(queues)}%.`,
      ),
    );
  }
  return parts;
}

function sizeTable(cells: ReplacementCell[]): Block {
  const first = cells[0]!;
  const columns = [
    { head: `${first.size * 100}% (${count(first.frames)} pages)`, words: true },
    ...PEER_NAMES.map((head) => ({ head })),
    { head: 'Pinfold' },
    { head: 'to the best' },
    { head: 'to LRU' },
    { head: 'aim', words: true },
    { head: 'by ghost' },
  ];
  const rows = cells.map((cell) => {
    const best = Math.max(...PEER_NAMES.map((name) => cell.peers[name]));
    return [
      cell.trace,
      ...PEER_NAMES.map((name) => {
        const figure = percent(cell.peers[name]);
        return cell.peers[name] === best && best > 0 ? good(figure) : figure;
      }),
      percent(cell.pinfold),
      points(cell.toBest),
      points(cell.toLru),
      cell.verdict === 'ok' ? good('ok') : bad('short'),
      percent((cell.queues.fills - cell.queues.admitted) / cell.queues.fills),
    ];
  });
  return table(columns, rows);
}

function threadsTable(threads: ReplacementThreads[]): Block {
  const columns = [
    { head: 'trace', words: true },
    { head: 'frames' },
    { head: 'threads' },
    { head: 'hits' },
    { head: 'to 1 thread' },
    { head: 'views made again' },
  ];
  const rows = threads.map(({ trace, frames, threads: by, ratio, toOne, again }) => [
    trace,
    count(frames),
    count(by),
    percent(ratio),
    by === 1 ? '' : points(toOne),
    count(again),
  ]);
  return table(columns, rows);
}

function percent(ratio: number): string {
  return (ratio * 100).toFixed(1);
}

/** With its sign. */
function points(difference: number): string {
  const figure = (difference * 100).toFixed(1);
  return difference >= 0 ? `+${figure}` : figure;
}
