// How often fsync may be called on this machine without a queue building up.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { isStopped, NS_PER_US } from '../clock';
import type { Crew } from '../crew';
import type { Run } from '../run';
import type { Calibration } from '../schema';

/** Of one try. */
export const CALIBRATION_MS = 200;
/** Share of the time that bare writes would keep the caller busy: well below saturation, so that queueing is not what is measured. */
const LOAD = 0.2;
const RATE_MIN = 5;
const RATE_MAX = 1_000;
const GRACE_MS = 20_000;

/** A try is better than the best so far if it takes less than this share of its time. */
const BETTER = 0.9;
/** A disk that other work keeps busy, or that still writes what was written before, is given so many tries. */
const TRIES_MAX = 20;

/**
 * The best try, when `tries` in a row have been no better: what else the machine does at this moment must not set the rate of the whole
 * run.
 */
export async function calibrate(
  run: Run,
  crew: Crew,
  pagesPerFsync: number,
  tries: number,
): Promise<Calibration> {
  let best: RecordableHistogram | undefined;
  let inVain = 0;
  for (let n = 0; n < TRIES_MAX && inVain < tries && !isStopped(run.stop); n++) {
    const histogram = createHistogram();
    const path = run.files.paths.bare;
    const task = { stop: run.stop, path, pages: pagesPerFsync, durationMs: CALIBRATION_MS, histogram };
    await crew.play('bareFloor', task, GRACE_MS);
    const before = best?.percentile(25) ?? Number.POSITIVE_INFINITY;
    const now = histogram.percentile(25);
    inVain = now < BETTER * before ? 0 : inVain + 1;
    if (now < before) best = histogram;
  }
  const us = (percentile: number) => (best?.percentile(percentile) ?? Number.NaN) / NS_PER_US;
  return {
    pagesPerFsync,
    bareP50Us: us(50),
    bareP99Us: us(99),
    ratePerSecond: Math.min(RATE_MAX, Math.max(RATE_MIN, (LOAD * 1e6) / us(25))),
  };
}

/** Of the calibrated rate, where other threads want the cores. */
const SHARE_BESIDE_OTHERS = 0.25;
const BESIDE_OTHERS_MIN = 5;
const BESIDE_OTHERS_MAX = 100;

/** How often a thread may call fsync, a second, in a scenario in which many others work. */
export function rateBesideOthers({ ratePerSecond }: Calibration): number {
  return Math.min(BESIDE_OTHERS_MAX, Math.max(BESIDE_OTHERS_MIN, ratePerSecond * SHARE_BESIDE_OTHERS));
}
