import { createHistogram } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { latencyOf } from '../bench/histogram.ts';
import { churnFailures } from '../bench/scenarios/churn/index.ts';
import { churnCharts, churnFigures } from '../bench/scenarios/churn/report.ts';
import {
  CHURN,
  CHURN_ARMS,
  type ChurnArm,
  type ChurnResult,
  STEADY_ROLES,
} from '../bench/scenarios/churn/shape.ts';
import type { BenchReport } from '../bench/schema.ts';
import { problemsOf } from '../bench/shape.ts';

/** Of operations that all took as long, in µs. */
function latency(us: number) {
  const histogram = createHistogram();
  for (let n = 0; n < 100; n++) histogram.record(us * 1_000);
  return latencyOf(histogram);
}

const LATENCY = Object.fromEntries(CHURN_ARMS.map((arm, n) => [arm, latency(100 * (n + 1))])) as Record<
  ChurnArm,
  ReturnType<typeof latencyOf>
>;

const found = (other: Partial<ChurnResult> = {}): ChurnResult => ({
  blockMs: 400,
  blocks: 3,
  steady: STEADY_ROLES.map((role) => ({ role, duePerSecond: 100, latency: LATENCY, givenUp: 0 })),
  workers: { started: 9, perSecond: 8, terminated: 4, ended: 5, commits: 90, firstHit: latency(30_000) },
  steadyTruth: { checked: 50, lies: 0 },
  workersTruth: { checked: 90, lies: 0 },
  left: { checked: 20, lies: 0 },
  skip: { checked: 30, lies: 30 },
  leaks: { owners: 0, readPins: 0, writePins: 0, writebacks: 0, orphans: 0 },
  ...other,
});

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
  const fsync = figures.find(({ name }) => name === 'churn, fsync, p50 in churn ÷ calm');
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
