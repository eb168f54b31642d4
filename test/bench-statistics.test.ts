// The harness's statistics against data whose answers are known, or exactly computed.
import { createHistogram } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { blockMedians, pairedRatio, ratioValue } from '../bench/arms.ts';
import { latencyOf } from '../bench/histogram.ts';
import { createRandom } from '../bench/random.ts';
import { median, spreadOf } from '../bench/statistics.ts';

describe('median and quartiles', () => {
  // As R (type 7) and NumPy (`linear`) have them.
  test.each([
    [[1, 2, 3, 4], { median: 2.5, q1: 1.75, q3: 3.25, count: 4 }],
    [[7, 15, 36, 39, 40, 41], { median: 37.5, q1: 20.25, q3: 39.75, count: 6 }],
    [[6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49], { median: 40, q1: 25.5, q3: 42.5, count: 11 }],
    [[5], { median: 5, q1: 5, q3: 5, count: 1 }],
    [[2, 1], { median: 1.5, q1: 1.25, q3: 1.75, count: 2 }],
    [[-1, 1e9, 0], { median: 0, q1: -0.5, q3: 5e8, count: 3 }],
  ])('of %j', (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
    expect(spreadOf([...values].reverse())).toEqual(spread);
  });

  test('sort by number, not by text, and leave the list as it was', () => {
    const values = [10, 9, 100, 1];
    expect(median(values)).toBe(9.5);
    expect(values).toEqual([10, 9, 100, 1]);
  });

  test('of nothing are not a number', () => {
    expect(median([])).toBeNaN();
    expect(spreadOf([])).toMatchObject({ count: 0, median: Number.NaN });
  });

  test('of 1,001 values from 0 to 1,000 are the values themselves', () => {
    const random = createRandom(3);
    const values = Array.from({ length: 1_001 }, (_, i) => i).sort(() => random() - 0.5);
    expect(spreadOf(values)).toEqual({ median: 500, q1: 250, q3: 750, count: 1_001 });
  });
});

describe('paired ratios', () => {
  test('are of blocks in the same triple, whatever their order', () => {
    const over = [3, 1, 2].map((triple) => ({ triple, value: triple * 10 }));
    const under = [1, 2, 3].map((triple) => ({ triple, value: triple === 2 ? 4 : triple * 5 }));
    // 10/5, 20/4, 30/15
    expect(pairedRatio(over, under)).toEqual({ median: 2, q1: 2, q3: 3.5, count: 3 });
  });

  test('give the ratio of two arms back, where arms without pairs would be off by the machine', () => {
    // A machine that becomes slower and slower, and an arm that is 1.1 times slower than the other.
    const random = createRandom(11);
    const noise = () => 1 + (random() - 0.5) * 0.02;
    const triples = Array.from({ length: 300 }, (_, triple) => ({ triple, base: 100 * 1.01 ** triple }));
    const under = triples.map(({ triple, base }) => ({ triple, value: base * noise() }));
    const over = triples.map(({ triple, base }) => ({ triple, value: 1.1 * base * noise() }));
    const again = triples.map(({ triple, base }) => ({ triple, value: base * noise() }));
    expect(Math.abs(pairedRatio(over, under)!.median - 1.1)).toBeLessThan(0.01);
    expect(Math.abs(pairedRatio(again, under)!.median - 1)).toBeLessThan(0.01);
    const [q1, q3] = [pairedRatio(over, under)!.q1, pairedRatio(over, under)!.q3];
    expect(q1).toBeGreaterThan(1.08);
    expect(q3).toBeLessThan(1.12);
    // Late blocks of one arm over early blocks of the other.
    const apart =
      median(over.slice(150).map(({ value }) => value)) /
      median(under.slice(0, 150).map(({ value }) => value));
    expect(apart).toBeGreaterThan(2);
  });

  test('of blocks are those of their medians', () => {
    const latencies = new Map([
      [4, [3, 1, 2]],
      [5, [10, 20]],
    ]);
    expect(blockMedians(latencies, (block) => Math.floor(block / 3))).toEqual([
      { triple: 1, value: 2 },
      { triple: 1, value: 15 },
    ]);
  });

  test('stand before pooled ones, which stand alone where there are none', () => {
    expect(ratioValue({ paired: spreadOf([1, 2, 3]), pooled: 9 })).toBe(2);
    expect(ratioValue({ paired: null, pooled: 9 })).toBe(9);
  });
});

describe('latencies', () => {
  /** The value that so many percent are no greater than; lists are so long that this is a whole number of values. */
  const exact = (sorted: readonly number[], percentile: number) =>
    sorted[Math.round((percentile / 100) * sorted.length) - 1];

  const recorded = (valuesNs: readonly number[]) => {
    const histogram = createHistogram();
    for (const ns of valuesNs) histogram.record(ns);
    return latencyOf(histogram);
  };

  /** Three significant digits: what the histogram keeps. */
  const DIGITS = 1e-3;
  const near = (us: number | null, ns: number) =>
    expect(Math.abs((us ?? Number.NaN) * 1e3 - ns) / ns).toBeLessThanOrEqual(DIGITS);

  const random = createRandom(17);
  const spreads: [string, number[]][] = [
    ['of 1 to 10,000 µs', Array.from({ length: 10_000 }, (_, i) => (i + 1) * 1_000)],
    ['exponential', Array.from({ length: 20_000 }, () => Math.ceil(-250_000 * Math.log(1 - random())))],
    ['heavy-tailed', Array.from({ length: 20_000 }, () => Math.ceil(50_000 / (1 - random()) ** 0.7))],
    ['of two modes', Array.from({ length: 5_000 }, (_, i) => (i % 100 === 0 ? 90_000_000 : 120_000 + i))],
  ];

  test.each(spreads)('%s are those of the sorted values', (_, values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const latency = recorded(values);
    expect(latency.count).toBe(values.length);
    near(latency.p50Us, exact(sorted, 50));
    near(latency.p90Us, exact(sorted, 90));
    near(latency.p99Us, exact(sorted, 99));
    near(latency.p999Us, exact(sorted, 99.9));
    near(latency.maxUs, sorted[sorted.length - 1]);
  });

  test.each(spreads)('%s have a curve through the sorted values', (_, values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const { percentiles, us } = recorded(values).curve;
    expect(us).toHaveLength(percentiles.length);
    expect(percentiles.at(-1)).toBe(100);
    // Points as near to 100 as there are values to tell them apart, and no nearer.
    expect(percentiles.at(-2)).toBeLessThanOrEqual(100 * (1 - 1 / values.length));
    expect(percentiles.at(-2)).toBeGreaterThan(100 * (1 - 2 / values.length));
    percentiles.forEach((percentile, i) => {
      if (i > 0) {
        expect(percentile).toBeGreaterThan(percentiles[i - 1]);
        expect(us[i]).toBeGreaterThanOrEqual(us[i - 1]);
      }
      // Rounding of the percentile may fall on either side of a value.
      const rank = (percentile / 100) * sorted.length;
      const [low, high] = [Math.floor(rank) - 1, Math.ceil(rank)].map(
        (at) => sorted[Math.min(sorted.length - 1, Math.max(0, at))],
      );
      expect(us[i] * 1e3).toBeGreaterThanOrEqual(low * (1 - 2 * DIGITS));
      expect(us[i] * 1e3).toBeLessThanOrEqual(high * (1 + 2 * DIGITS));
    });
  });

  test('of threads that record into one histogram are those of all values', () => {
    const one = createHistogram();
    const other = createHistogram();
    for (let ns = 1_000; ns <= 100_000; ns += 1_000) (ns % 2_000 === 0 ? one : other).record(ns);
    one.add(other);
    const { count, p50Us, maxUs } = latencyOf(one);
    expect(count).toBe(100);
    near(p50Us, 50_000);
    near(maxUs, 100_000);
  });

  test('of nothing are null', () => {
    expect(recorded([])).toEqual({
      count: 0,
      p50Us: null,
      p90Us: null,
      p99Us: null,
      p999Us: null,
      maxUs: null,
      curve: { percentiles: [], us: [] },
    });
  });

  test('of one value are that value', () => {
    const latency = recorded([123_456]);
    for (const us of [latency.p50Us, latency.p999Us, latency.maxUs]) near(us, 123_456);
    expect(latency.curve.percentiles).toEqual([100]);
  });
});
