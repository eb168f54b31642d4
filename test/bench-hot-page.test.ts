import { describe, expect, test } from 'vitest';
import { hotPageFailures } from '../bench/scenarios/hot-page/index.ts';
import { hotPageCharts, hotPageFigures } from '../bench/scenarios/hot-page/report.ts';
import { HOT_OPERATIONS, HOT_PAGE, type HotPageResult } from '../bench/scenarios/hot-page/shape.ts';
import { hotPageRow } from '../bench/scenarios/micro-rows.ts';
import type { BenchReport } from '../bench/schema.ts';
import { problemsOf } from '../bench/shape.ts';
import { hotPageResult as found, hotPageTruth as truth } from './support/hot-page.ts';

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
