// What the scenario churn finds, as a report has it, without having measured anything.
import { createHistogram } from 'node:perf_hooks';
import { latencyOf } from '../../bench/histogram.ts';
import {
  CHURN_ARMS,
  type ChurnArm,
  type ChurnResult,
  STEADY_ROLES,
} from '../../bench/scenarios/churn/shape.ts';

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

export const churnResult = (other: Partial<ChurnResult> = {}): ChurnResult => ({
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
