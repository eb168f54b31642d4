import type { RecordableHistogram } from 'node:perf_hooks';
import { NS_PER_US } from './clock';
import { fields, nullable } from './shape';

/** Percentiles; null where nothing was recorded. */
export interface Latency {
  count: number;
  p50Us: number | null;
  p90Us: number | null;
  p99Us: number | null;
  p999Us: number | null;
  maxUs: number | null;
}

export const LATENCY = fields({
  count: 'number',
  p50Us: nullable('number'),
  p90Us: nullable('number'),
  p99Us: nullable('number'),
  p999Us: nullable('number'),
  maxUs: nullable('number'),
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
  };
}
