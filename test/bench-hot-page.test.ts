import { describe, expect, test } from 'vitest';
import { hotPageFailures } from '../bench/scenarios/hot-page/index.ts';
import { hotPageCharts, hotPageFigures } from '../bench/scenarios/hot-page/report.ts';
import {
  HOT_OPERATIONS,
  HOT_PAGE,
  type HotPageResult,
  type HotPageTruth,
} from '../bench/scenarios/hot-page/shape.ts';
import { hotPageRow } from '../bench/scenarios/micro-rows.ts';
import type { BenchReport } from '../bench/schema.ts';
import { problemsOf } from '../bench/shape.ts';

const truth = (seen: Partial<HotPageTruth> = {}): HotPageTruth => ({
  changes: 9,
  views: 90,
  torn: 0,
  older: 0,
  ...seen,
});

const found = (updates = truth(), stores = truth({ torn: 3 })): HotPageResult => ({
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

const reportOf = (hotPage: HotPageResult | null) => ({ hotPage }) as BenchReport;

test('what is found has the shape that the report is checked for', () => {
  expect(problemsOf(found(), HOT_PAGE, 'hotPage')).toEqual([]);
});

describe('what fails a run', () => {
  test('nothing: whole views, and a control that shows halves', () => {
    expect(hotPageFailures(found(), false)).toEqual([]);
    expect(hotPageFailures(null, false)).toEqual([]);
  });

  test.each([
    ['torn', 'half an update'],
    ['older', 'missed an update'],
  ] as const)('a view that is %s', (figure, message) => {
    const bad = found(truth({ [figure]: 1 }));
    expect(hotPageFailures(bad, true)).toEqual([expect.stringContaining(message)]);
  });

  test('a control that showed nothing, and views beside nothing, unless a signal cut them short', () => {
    const blind = found(truth({ changes: 0 }), truth());
    expect(hotPageFailures(blind, false)).toEqual([
      expect.stringContaining('no view met'),
      expect.stringContaining('check of hot pages is broken'),
    ]);
    expect(hotPageFailures(blind, true)).toEqual([]);
  });
});

test('figures have names of their own, ratios but for one thread', () => {
  const names = hotPageFigures(reportOf(found())).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(HOT_OPERATIONS.length * 3);
});

test('charts begin with one thread', () => {
  const [relative, absolute] = hotPageCharts(reportOf(found()));
  for (const chart of [relative, absolute]) expect(chart).toMatchObject({ x: { values: [1, 2] } });
  expect(relative).toMatchObject({ series: HOT_OPERATIONS.map(() => ({ values: [1, 1.95] })) });
  expect(hotPageCharts(reportOf(null))).toEqual([]);
});

test('the bar in the table of micro-benchmarks is of this scenario', () => {
  expect(hotPageRow(found())).toMatchObject({ value: 1.95, bar: 1.9, verdict: 'ok' });
  expect(hotPageRow(null)).toMatchObject({ value: null, verdict: 'not measured' });
});
