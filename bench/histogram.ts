import type { RecordableHistogram } from 'node:perf_hooks';
import { NS_PER_US } from './clock';
import { fields, list, nullable } from './shape';

/** Points of a latency distribution: percentiles, ascending, and the µs that so many took at most. */
export interface Curve {
  percentiles: number[];
  us: number[];
}

/** Percentiles; null where nothing was recorded. */
export interface Latency {
  count: number;
  p50Us: number | null;
  p90Us: number | null;
  p99Us: number | null;
  p999Us: number | null;
  maxUs: number | null;
  curve: Curve;
}

export const LATENCY = fields({
  count: 'number',
  p50Us: nullable('number'),
  p90Us: nullable('number'),
  p99Us: nullable('number'),
  p999Us: nullable('number'),
  maxUs: nullable('number'),
  curve: fields({ percentiles: list('number'), us: list('number') }),
});

/** Percentiles of a histogram of nanoseconds, in µs; null where nothing was recorded. */
export function latencyOf(histogram: RecordableHistogram): Latency {
  const { count } = histogram;
  const at = (percentile: number) => (count === 0 ? null : histogram.percentile(percentile) / NS_PER_US);
  return {
    count,
    p50Us: at(50),
    p90Us: at(90),
    p99Us: at(99),
    p999Us: at(99.9),
    maxUs: count === 0 ? null : histogram.max / NS_PER_US,
    curve: curveOf(histogram),
  };
}

/** Points of a curve each time that what lies above a percentile halves. */
const POINTS_PER_HALF = 4;
/** The histogram has three digits; more would only make the report longer. */
const CURVE_DIGITS = 4;

/** The nearer to 100, the closer the points, as far as there are values to tell them apart; the last is the maximum. */
function curveOf(histogram: RecordableHistogram): Curve {
  const curve: Curve = { percentiles: [], us: [] };
  if (histogram.count === 0) return curve;
  const add = (percentile: number, ns: number): void => {
    curve.percentiles.push(percentile);
    curve.us.push(Number((ns / NS_PER_US).toPrecision(CURVE_DIGITS)));
  };
  const points = Math.floor(Math.log2(histogram.count) * POINTS_PER_HALF);
  // 0 is no percentile for the histogram.
  for (let point = 1; point <= points; point++) {
    const percentile = 100 * (1 - 2 ** (-point / POINTS_PER_HALF));
    add(percentile, histogram.percentile(percentile));
  }
  add(100, histogram.max);
  return curve;
}
