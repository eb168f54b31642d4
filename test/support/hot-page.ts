// What the scenario hot-page finds, as a report has it, without having measured anything.
import {
  HOT_OPERATIONS,
  type HotPageResult,
  type HotPageTruth,
} from '../../bench/scenarios/hot-page/shape.ts';

export const hotPageTruth = (seen: Partial<HotPageTruth> = {}): HotPageTruth => ({
  changes: 9,
  views: 90,
  torn: 0,
  older: 0,
  ...seen,
});

export const hotPageResult = (
  updates = hotPageTruth(),
  stores = hotPageTruth({ torn: 3 }),
): HotPageResult => ({
  cores: 2,
  windowMs: 40,
  rounds: 7,
  cells: HOT_OPERATIONS.flatMap((operation) =>
    [1, 2].map((threads) => ({
      operation,
      threads,
      millionsPerSecond: 10 * threads,
      ratio: threads === 1 ? null : { median: 1.95, q1: 1.9, q3: 2 },
      control: 1,
      bar: threads === 2 && operation === 'view' ? 1.9 : null,
      verdict: threads === 2 && operation === 'view' ? ('ok' as const) : ('none' as const),
    })),
  ),
  updates,
  stores,
});
