// node:diagnostics_channel: who subscribes hears of fsyncs, fills, writes, reclaims and errors, wherever they happen.
import diagnostics from 'node:diagnostics_channel';
import type { ErrorEvent, FillEvent, FsyncEvent, ReclaimEvent, WritebackEvent } from 'pinfold';
import { afterEach, describe, expect, test } from 'vitest';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { fileOf } from './support/directory.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const EIO = 5;
const LATE_MS = 5000;

interface Heard<E> {
  readonly phase: string;
  readonly event: E;
}

const subscribed: (() => void)[] = [];
afterEach(() => {
  for (const end of subscribed.splice(0)) end();
});

/** What is published on a tracing channel from now on, in order. */
function hear<E extends object>(name: string): Heard<E>[] {
  const heard: Heard<E>[] = [];
  const channel = diagnostics.tracingChannel(name);
  const handler = (phase: string) => (event: object) => {
    heard.push({ phase, event: { ...event } as E });
  };
  const handlers = {
    start: handler('start'),
    end: handler('end'),
    asyncStart: handler('asyncStart'),
    asyncEnd: handler('asyncEnd'),
    error: handler('error'),
  };
  channel.subscribe(handlers);
  subscribed.push(() => channel.unsubscribe(handlers));
  return heard;
}

function hearErrors(): ErrorEvent[] {
  const heard: ErrorEvent[] = [];
  const handler = (event: unknown) => {
    heard.push(event as ErrorEvent);
  };
  diagnostics.subscribe('pinfold:error', handler);
  subscribed.push(() => diagnostics.unsubscribe('pinfold:error', handler));
  return heard;
}

const phases = (heard: readonly Heard<unknown>[]) => heard.map(({ phase }) => phase);

function expectTimes(
  { startTime, durationMs }: { startTime: number; durationMs?: number },
  began: number,
): void {
  const now = performance.timeOrigin + performance.now();
  expect(startTime).toBeGreaterThanOrEqual(performance.timeOrigin + began - 1);
  expect(durationMs).toBeGreaterThanOrEqual(0);
  expect(startTime + durationMs!).toBeLessThanOrEqual(now + 1);
}

describe('pinfold:fsync', () => {
  test('tells of calls of either form, with their reports', async () => {
    const { file, path } = await startWithFile(4, SMALL);
    const heard = hear<FsyncEvent>('pinfold:fsync');
    const began = performance.now();
    file.writeSync(Uint8Array.of(1), 0);
    const report = file.fsyncSync();
    expect(phases(heard)).toEqual(['start', 'end']);
    expect(heard[0]!.event).toMatchObject({ file: path, policy: 'bounce' });
    expect(heard[0]!.event.thread).toMatch(/^thread 0/);
    expect(heard[1]!.event.result).toEqual(report);
    expectTimes(heard[1]!.event, began);
    heard.length = 0;
    file.writeSync(Uint8Array.of(2), 0);
    const second = await file.fsync({ policy: 'block' });
    expect(phases(heard)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(heard[3]!.event).toMatchObject({ file: path, policy: 'block', result: second });
  });

  test('tells of failures', async () => {
    const { file, fail, heal } = await startWithFile(4, SMALL);
    const heard = hear<FsyncEvent>('pinfold:fsync');
    file.writeSync(Uint8Array.of(1), 0);
    fail({ call: 'flush', errno: EIO });
    expect(() => file.fsyncSync()).toThrow(ioRefusal('EIO'));
    expect(phases(heard)).toEqual(['start', 'error', 'end']);
    expect(heard[1]!.event.error).toEqual(ioRefusal('EIO'));
    heard.length = 0;
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    expect(phases(heard)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    heal();
  });

  test('tells of calls that are aborted', async () => {
    const { file } = await startWithFile(4, SMALL);
    const heard = hear<FsyncEvent>('pinfold:fsync');
    file.writeSync(Uint8Array.of(1), 0);
    const controller = new AbortController();
    const waiting = file.fsync({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow(refusal('ERR_PINFOLD_ABORTED'));
    expect(heard.at(-1)!.event.error).toEqual(refusal('ERR_PINFOLD_ABORTED'));
  });
});

describe('pinfold:fill', () => {
  test('tells what calls wait for, and not of hits', async () => {
    const { file, path } = await startWithFile(40, SMALL, { access: 'random' });
    const heard = hear<FillEvent>('pinfold:fill');
    const began = performance.now();
    file.viewSync(3, () => 0);
    expect(phases(heard)).toEqual(['start', 'end']);
    expect(heard[1]!.event).toMatchObject({ file: path, page: 3, pages: 1 });
    expectTimes(heard[1]!.event, began);
    file.viewSync(3, () => 0);
    (await file.pin(3)).unpin();
    expect(heard).toHaveLength(2);
    heard.length = 0;
    await file.prefetch(10, 2);
    expect(phases(heard)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(heard[3]!.event).toMatchObject({ page: 10, pages: 2 });
  });

  test('tells of failures, and pinfold:error of pages that are not what was written', async () => {
    const { file, fail, heal, cache, path } = await startWithFile(4, SMALL, { access: 'random' });
    const heard = hear<FillEvent>('pinfold:fill');
    fail({ call: 'read', errno: EIO });
    expect(() => file.viewSync(0, () => 0)).toThrow(ioRefusal('EIO'));
    expect(phases(heard)).toEqual(['start', 'error', 'end']);
    expect(heard[1]!.event.error).toEqual(ioRefusal('EIO'));
    await expect(file.view(1, () => 0)).rejects.toThrow(ioRefusal('EIO'));
    expect(phases(heard).slice(3)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    heal();
    const sums = await cache.open(`${path}-sums`, { create: true, checksum: 'crc32c' });
    await sums.write(new Uint8Array(3 * sums.pageSize).fill(7), 0);
    await sums.fsync();
    await sums.close();
    const torn = fileOf(0, 'torn');
    const fs = await import('node:fs');
    const bytes = fs.readFileSync(`${path}-sums`);
    bytes[PAGE + 9]! ^= 1;
    fs.writeFileSync(torn, bytes);
    const errors = hearErrors();
    const bad = await cache.open(torn, { checksum: 'crc32c' });
    expect(() => bad.viewSync(1, () => 0)).toThrow(refusal('ERR_PINFOLD_CHECKSUM'));
    expect(errors).toMatchObject([{ operation: 'verify', file: torn, page: 1 }]);
    expect(errors[0]!.error).toEqual(refusal('ERR_PINFOLD_CHECKSUM', 'page 1'));
  });
});

describe('pinfold:writeback', () => {
  test('tells of the writes and flushes of a thread’s own fsync, within it', async () => {
    const { file, path } = await startWithFile(8, SMALL);
    const fsyncs = hear<FsyncEvent>('pinfold:fsync');
    const heard = hear<WritebackEvent>('pinfold:writeback');
    file.writeSync(new Uint8Array(2 * PAGE), PAGE);
    file.writeSync(new Uint8Array(PAGE), 6 * PAGE);
    file.fsyncSync();
    const ends = heard.filter(({ phase }) => phase === 'end').map(({ event }) => event);
    expect(ends).toMatchObject([
      { operation: 'write', file: path, position: PAGE, bytes: 2 * PAGE },
      { operation: 'write', file: path, position: 6 * PAGE, bytes: PAGE },
      { operation: 'flush', file: path, position: 0, bytes: 0 },
    ]);
    const { startTime, durationMs } = fsyncs[1]!.event;
    for (const event of ends) {
      expect(event.startTime).toBeGreaterThanOrEqual(startTime - 1);
      expect(event.startTime + event.durationMs!).toBeLessThanOrEqual(startTime + durationMs! + 1);
    }
  });

  test('tells the creator of what flushers do', async () => {
    const heard = hear<WritebackEvent>('pinfold:writeback');
    const { file, path } = await startWithFile(8, SMALL);
    const began = performance.now();
    await file.write(new Uint8Array(PAGE), 3 * PAGE);
    await file.fsync(); // a flusher's round
    await until(
      'its events have come',
      () => heard.some(({ event }) => event.operation === 'flush'),
      LATE_MS,
    );
    const own = heard.filter(({ event }) => event.file === path);
    expect(phases(own)).toEqual(['start', 'end', 'start', 'end']);
    expect(own[1]!.event).toMatchObject({ operation: 'write', position: 3 * PAGE, bytes: PAGE });
    expect(own[1]!.event.thread).toMatch(/^flusher /);
    expectTimes(own[1]!.event, began);
  });

  test('who subscribes later hears of flushers within a while, and no more once it has unsubscribed', async () => {
    const { file } = await startWithFile(8, SMALL);
    const write = async () => {
      await file.write(new Uint8Array(PAGE), 0);
      await file.fsync();
    };
    await write();
    const heard = hear<WritebackEvent>('pinfold:writeback');
    await write(); // a call of fsync looks who listens
    await until('events come', () => heard.length > 0, LATE_MS);
    subscribed.splice(0)[0]!();
    const before = heard.length;
    await write();
    expect(heard).toHaveLength(before);
  });
});

test('pinfold:reclaim tells when a frame could not be had at once', async () => {
  const { cache, file } = await startWithFile(200, { ...SMALL, dirtyBackgroundRatio: 1, dirtyRatio: 1 });
  const heard = hear<ReclaimEvent>('pinfold:reclaim');
  const { frames } = cache.stats();
  for (let n = 0; n < frames; n++) file.viewSync(n % 200, () => 0);
  expect(heard.filter(({ event }) => event.freed === false)).toEqual([]);
  heard.length = 0;
  for (let n = 0; n < 200; n++) file.updateSync(n, (bytes) => bytes.fill(1)); // more than there are frames
  expect(heard.length).toBeGreaterThan(0);
  expect(phases(heard).slice(0, 2)).toEqual(['start', 'end']);
  expect(heard[1]!.event).toMatchObject({ freed: true });
  expect(heard[1]!.event.durationMs).toBeGreaterThanOrEqual(0);
  await file.fsync();
});

describe('pinfold:error', () => {
  test('tells of calls of the system that fail, in this thread and in flushers', async () => {
    const errors = hearErrors();
    const { file, path, fail, heal } = await startWithFile(4, SMALL);
    file.writeSync(Uint8Array.of(1), 0);
    fail({ call: 'write', errno: EIO });
    expect(() => file.fsyncSync()).toThrow(ioRefusal('EIO'));
    expect(errors).toMatchObject([{ operation: 'write', file: path }]);
    expect(errors[0]!.error).toMatchObject({ code: 'EIO', syscall: 'write' });
    expect(errors[0]!.thread).toMatch(/^thread 0/);
    errors.length = 0;
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    await until('the flusher’s error has come', () => errors.length > 0, LATE_MS);
    expect(errors[0]).toMatchObject({ operation: 'write', file: path });
    expect(errors[0]!.error).toBeInstanceOf(Error);
    expect(errors[0]!.thread).toMatch(/^flusher /);
    heal();
  });

  test('tells of errors in the background, which nobody has called for', async () => {
    const errors = hearErrors();
    const { file, path, fail, heal } = await startWithFile(4, {
      ...SMALL,
      dirtyExpireMs: 0,
      writebackIntervalMs: 5,
    });
    fail({ call: 'write', errno: EIO, times: 1 });
    file.writeSync(Uint8Array.of(1), 0);
    await until('the error has come', () => errors.length > 0, LATE_MS);
    expect(errors[0]).toMatchObject({ operation: 'write', file: path });
    heal();
    await file.fsync().catch(() => {}); // hears of it, once
    await file.fsync();
  });
});

test('a thread hears of its own calls, and not of others’', async () => {
  const { cache } = await startCache(SMALL);
  const path = fileOf(2 * PAGE);
  const mine = hear<FsyncEvent>('pinfold:fsync');
  const others = await inThread(cache.handle, path, async (attached, path) => {
    const { tracingChannel } = process.getBuiltinModule('node:diagnostics_channel');
    let heard = 0;
    tracingChannel('pinfold:fsync').subscribe({
      start: () => heard++,
      end: () => {},
      asyncStart: () => {},
      asyncEnd: () => {},
      error: () => {},
    });
    const file = attached.openSync(path);
    file.fsyncSync();
    await file.fsync();
    return heard;
  });
  expect(others).toBe(2);
  expect(mine).toEqual([]);
});
