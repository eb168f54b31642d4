// stats().timings: how long fsyncs, flushes, fills and throttles took, over all threads.
import { describe, expect, test } from 'vitest';
import { newTimings, Recorder, timingsOf } from '../src/timings.ts';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { fileOf } from './support/directory.ts';
import { ioRefusal } from './support/refusal.ts';
import { inThread } from './support/thread.ts';

const PAGE = 4096;
const EIO = 5;
const THREADS = 4;
const EACH = 20_000;

describe('a histogram', () => {
  test('has each duration in a bucket that is an eighth wide at the most, and counts them', () => {
    const shared = newTimings();
    const recorder = new Recorder(shared, 0);
    const durations = Array.from({ length: 400 }, (_, n) => 1.06 ** n / 1000); // 1 µs to some hours
    for (const ms of durations) recorder.record('fsync', ms);
    const { count, buckets, maxMs } = timingsOf(shared).fsync;
    expect(count).toBe(durations.length);
    expect(buckets.reduce((sum, [, n]) => sum + n, 0)).toBe(count);
    let before = 0;
    let seen = 0;
    for (const [belowMs, n] of buckets) {
      expect(belowMs).toBeGreaterThan(before);
      before = belowMs;
      seen += n;
      if (belowMs * 1000 >= 2 ** 32) continue; // all that is longer
      expect(durations.filter((ms) => Math.floor(ms * 1000) < Math.round(belowMs * 1000))).toHaveLength(seen);
    }
    expect(maxMs).toBe((2 ** 32 - 1) / 1000);
    for (const us of [0, 1, 7, 8, 9, 15, 16, 1000, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1]) {
      const one = newTimings();
      new Recorder(one, 3).record('flush', us / 1000);
      const { buckets, p50Ms, sumMs } = timingsOf(one).flush;
      expect(buckets).toHaveLength(1);
      const below = Math.round(buckets[0]![0] * 1000);
      expect(below).toBeGreaterThan(us);
      expect(below - us).toBeLessThanOrEqual(Math.max(1, us / 8));
      expect(p50Ms).toBe(us / 1000);
      expect(sumMs).toBe(us / 1000);
    }
  });

  test('tells percentiles, of one kind alone', () => {
    const shared = newTimings();
    for (let n = 1; n <= 1000; n++) new Recorder(shared, n).record('fill', n / 1000);
    const { fill, fsync } = timingsOf(shared);
    expect(fsync).toEqual({
      count: 0,
      sumMs: 0,
      maxMs: 0,
      p50Ms: 0,
      p90Ms: 0,
      p99Ms: 0,
      p999Ms: 0,
      buckets: [],
    });
    expect(fill.count).toBe(1000);
    expect(fill.sumMs).toBeCloseTo(500.5, 9);
    for (const [told, exact] of [
      [fill.p50Ms, 0.5],
      [fill.p90Ms, 0.9],
      [fill.p99Ms, 0.99],
      [fill.p999Ms, 0.999],
    ] as const) {
      expect(told).toBeGreaterThanOrEqual(exact);
      expect(told).toBeLessThanOrEqual(exact * 1.126);
    }
    expect(fill.maxMs).toBe(1);
  });

  test('loses nothing though threads record at once, and some are ended', async () => {
    const { cache } = await startCache(SMALL);
    const { timings } = cache.handle as unknown as { timings: SharedArrayBuffer };
    const path = fileOf(PAGE);
    const before = cache.stats().timings.fsync;
    // Threads whose rows share stripes or not: each makes as many fsyncs with nothing to do.
    const counts = await Promise.all(
      Array.from({ length: THREADS }, () =>
        inThread(cache.handle, { path, each: EACH / 100 }, (attached, { path, each }) => {
          const file = attached.openSync(path);
          for (let n = 0; n < each; n++) file.fsyncSync();
          return each;
        }),
      ),
    );
    const after = timingsOf(timings).fsync;
    expect(after.count - before.count).toBe(counts.reduce((sum, n) => sum + n, 0));
  });
});

describe('stats().timings', () => {
  test('times fsyncs, sync and async, and the flushes under them', async () => {
    const { cache, file } = await startWithFile(4, SMALL);
    const started = performance.now();
    for (let n = 0; n < 5; n++) {
      file.writeSync(Uint8Array.of(n), 0);
      if (n % 2) await file.fsync();
      else file.fsyncSync();
    }
    const took = performance.now() - started;
    const { fsync, flush } = cache.stats().timings;
    expect(fsync.count).toBe(5);
    expect(flush.count).toBe(cache.stats().flushes);
    expect(flush.count).toBeGreaterThanOrEqual(5);
    expect(fsync.sumMs).toBeGreaterThanOrEqual(flush.sumMs * 0.5);
    expect(fsync.sumMs).toBeLessThanOrEqual(took);
    expect(fsync.maxMs).toBeLessThanOrEqual(fsync.sumMs);
    expect(structuredClone(cache.stats())).toEqual(cache.stats());
  });

  test('times fsyncs that fail', async () => {
    const { cache, file, fail, heal } = await startWithFile(4, SMALL);
    file.writeSync(Uint8Array.of(1), 0);
    fail({ call: 'flush', errno: EIO });
    expect(() => file.fsyncSync()).toThrow(ioRefusal('EIO'));
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    heal();
    expect(cache.stats().timings.fsync.count).toBe(2);
  });

  test('times the fills that somebody waits for, and not the hits', async () => {
    const { cache, file } = await startWithFile(20, SMALL, { access: 'random' });
    file.viewSync(3, () => 0);
    file.pinSync(5).unpin();
    (await file.pin(7)).unpin();
    await file.view(9, () => 0);
    expect(cache.stats().timings.fill.count).toBe(4);
    for (const index of [3, 5, 7, 9]) {
      file.viewSync(index, () => 0);
      await file.view(index, () => 0);
    }
    expect(cache.stats().timings.fill.count).toBe(4);
    await file.prefetch(10, 2); // one run
    expect(cache.stats().timings.fill.count).toBe(5);
  });

  test('times what holds writers up', async () => {
    const { cache, file } = await startWithFile(60, {
      ...SMALL,
      dirtyBackgroundRatio: 0.05,
      dirtyRatio: 0.05,
    });
    for (let n = 0; n < 200; n++) file.writeSync(new Uint8Array(PAGE), (n % 60) * PAGE);
    const { timings, throttles } = cache.stats();
    expect(throttles).toBeGreaterThan(0);
    expect(timings.throttle.count).toBeGreaterThan(0);
    expect(timings.throttle.count).toBeLessThanOrEqual(throttles);
    await file.fsync();
  });
});
