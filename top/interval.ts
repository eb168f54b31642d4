// What happened between two snapshots.
import type { Histogram } from 'pinfold';
import type { Snapshot } from 'pinfold/top';

const COUNTERS = [
  'hits',
  'misses',
  'fills',
  'reclaims',
  'dirtied',
  'writtenPages',
  'flushes',
  'fsyncs',
  'throttles',
  'errors',
] as const;
type Counter = (typeof COUNTERS)[number];
const TIMED = ['fsync', 'flush', 'fill', 'throttle'] as const;
type Timed = (typeof TIMED)[number];

export interface Interval {
  readonly seconds: number;
  /** Of each counter: so many a second. */
  readonly rates: Readonly<Record<Counter, number>>;
  /** What was timed in between. */
  readonly latencies: Readonly<Record<Timed, Latency>>;
}

/** Of durations, in ms. */
export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The bound of the longest's bucket. */
  readonly maxMs: number;
}

export function intervalBetween(before: Snapshot, after: Snapshot): Interval {
  const seconds = Math.max(0.001, (after.time - before.time) / 1000);
  const rate = (name: Counter) => Math.max(0, after.stats[name] - before.stats[name]) / seconds;
  const latency = (name: Timed) => latencyBetween(before.stats.timings[name], after.stats.timings[name]);
  return {
    seconds,
    rates: Object.fromEntries(COUNTERS.map((name) => [name, rate(name)])) as Record<Counter, number>,
    latencies: Object.fromEntries(TIMED.map((name) => [name, latency(name)])) as Record<Timed, Latency>,
  };
}

function latencyBetween(before: Histogram, after: Histogram): Latency {
  const had = new Map(before.buckets);
  const buckets = after.buckets
    .map(([belowMs, count]) => [belowMs, count - (had.get(belowMs) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  const count = buckets.reduce((sum, [, n]) => sum + n, 0);
  const percentile = (share: number) => {
    let left = Math.ceil(share * count);
    for (const [belowMs, n] of buckets) {
      left -= n;
      if (left <= 0) return Math.min(belowMs, after.maxMs);
    }
    return 0;
  };
  return { count, p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: percentile(1) };
}
