import { describe, expect, test } from 'vitest';
import { churnFailures } from '../bench/scenarios/churn/index.ts';
import { churnCharts, churnFigures } from '../bench/scenarios/churn/report.ts';
import { CHURN, CHURN_ARMS, type ChurnResult, STEADY_ROLES } from '../bench/scenarios/churn/shape.ts';
import type { BenchReport } from '../bench/schema.ts';
import { problemsOf } from '../bench/shape.ts';
import { churnResult as found } from './support/churn.ts';

const reportOf = (churn: ChurnResult | null) => ({ churn }) as BenchReport;

test('what is found has the shape that the report is checked for', () => {
  expect(problemsOf(found(), CHURN, 'churn')).toEqual([]);
});

describe('what fails a run', () => {
  test('nothing: truth, nothing left behind, and a control that lies', () => {
    expect(churnFailures(found(), false)).toEqual([]);
    expect(churnFailures(null, false)).toEqual([]);
  });

  test.each([
    ['steadyTruth', 'that stays'],
    ['workersTruth', 'comes and goes'],
    ['left', 'had gone'],
  ] as const)('a lie in %s, also of a run that was stopped', (truth, message) => {
    const lied = found({ [truth]: { checked: 9, lies: 1 } });
    expect(churnFailures(lied, true)).toEqual([expect.stringContaining(message)]);
  });

  test.each(['owners', 'readPins', 'writePins', 'writebacks', 'orphans'] as const)(
    '%s left behind',
    (what) => {
      const leaks = { ...found().leaks, [what]: 2 };
      expect(churnFailures(found({ leaks }), false)).toEqual([
        `workers that have gone left 2 ${what} behind`,
      ]);
    },
  );

  test('a control that was never seen to lie, and workers that all ended by themselves, unless a signal cut it short', () => {
    const blind = found({
      skip: { checked: 9, lies: 0 },
      workers: { ...found().workers, terminated: 0 },
    });
    expect(churnFailures(blind, false)).toEqual([
      expect.stringContaining('no worker was terminated'),
      expect.stringContaining('check of churn is broken'),
    ]);
    expect(churnFailures(blind, true)).toEqual([]);
  });
});

test('figures are ratios with the A/A control beside them, under names of their own', () => {
  const figures = churnFigures(reportOf(found()));
  const names = figures.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const fsync = figures.find(({ name }) => name === 'worker churn, fsync, p50 in churn ÷ calm');
  expect(fsync?.value).toBeCloseTo(2, 1);
  expect(fsync?.control).toBeCloseTo(4, 1);
});

test('there is a chart for each thread that stays, with a curve for each arm', () => {
  const charts = churnCharts(reportOf(found()));
  expect(charts).toHaveLength(STEADY_ROLES.length);
  for (const chart of charts)
    expect(chart.kind === 'percentiles' && chart.series).toHaveLength(CHURN_ARMS.length);
  expect(churnCharts(reportOf(null))).toEqual([]);
});
