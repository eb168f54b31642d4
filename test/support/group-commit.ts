// What the scenario group-commit finds, as a report has it, without having measured anything.
import { createHistogram } from 'node:perf_hooks';
import { latencyOf } from '../../bench/histogram.ts';
import type { GroupCommitCell, GroupCommitResult } from '../../bench/scenarios/group-commit/shape.ts';

/** Of a hundred commits, around `us`. */
function latency(us: number) {
  const histogram = createHistogram();
  for (let n = 0; n < 100; n++) histogram.record(Math.round(us * (900 + 2 * n)));
  return latencyOf(histogram);
}

export const groupCommitCell = (threads: number, callers: number, lies = 0): GroupCommitCell => ({
  threads,
  callers,
  commitsPerSecond: 100 * callers,
  latency: latency(150 + callers),
  flushesPerCommit: 1 / callers,
  ratio: callers === 1 ? null : { median: callers, q1: callers - 1, q3: callers + 1 },
  bar: callers === 8 ? 4 : null,
  verdict: callers === 8 ? 'ok' : 'none',
  truth: { checked: 9, lies },
});

export const groupCommitResult = (cells: GroupCommitCell[], skipLies = 5): GroupCommitResult => ({
  windowMs: 50,
  rounds: 6,
  cells,
  control: 1.01,
  floor: { commitsPerSecond: 120, latency: latency(140) },
  skip: { checked: 5, lies: skipLies },
});
