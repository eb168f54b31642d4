// What a writer cleans when it has to: which pages, of which file, and that it is held up for a moment where flushes are behind.
import { expect, test } from 'vitest';
import type { FileId, FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import type { Effect, Protocol } from '../../src/protocol/effects.ts';
import { cleanForWriter, isPressed, throttle, unflushed } from '../../src/protocol/throttle.ts';
import { cleanablePages } from '../../src/protocol/writeback.ts';
import { dirty, flushNow, install, Memory, type Thread, writeBackFrame } from './pool.ts';

const SIZE = 2 ** 32;

/** 247 frames, staging areas of 8 pages; writers are throttled above 49 pages. */
function setUp(files = 1) {
  const memory = new Memory({ memory: 2 ** 20, maxFiles: 2000 });
  const thread = memory.thread();
  const ids = Array.from({ length: files }, () => memory.file(SIZE));
  return { memory, thread, ids, file: ids[0]! };
}

function dirtied(thread: Thread, file: FileId, index: number): FrameId {
  const frame = install(thread, file, index) as FrameId;
  dirty(thread, file, index);
  return frame;
}

/** Runs a protocol in place, as the synchronous driver does; what it asked the store for, and how long it slept. */
function run<T>(protocol: Protocol<T>): { result: T; effects: Effect[] } {
  const effects: Effect[] = [];
  let step = protocol.next();
  while (!step.done) {
    effects.push(step.value);
    const asked = step.value;
    if (asked.kind === 'ask') {
      const inner = run(asked.here());
      effects.push(...inner.effects);
      step = protocol.next(inner.result as number & typeof inner.result);
    } else step = protocol.next(0 as number & [number, number, number, number]);
  }
  return { result: step.value, effects };
}

const kinds = (effects: Effect[]) => effects.map(({ kind }) => kind).filter((kind) => kind !== 'ask');

test('a batch is of pages that lie close together, whatever frames they are in: one write', () => {
  const { thread, file, memory } = setUp();
  const { stagingPages } = memory.geometry;
  expect(stagingPages).toBe(8);
  // Single pages, and between them in the pool's order eight neighbours.
  for (let n = 0; n < 24; n++) {
    dirtied(thread, file, 1000 * (n + 1));
    if (n % 3 === 1) dirtied(thread, file, 7004 + Math.floor(n / 3));
  }
  const batch = cleanablePages(thread, file, stagingPages).map(({ index }) => index);
  expect(batch).toEqual([7004, 7005, 7006, 7007, 7008, 7009, 7010, 7011]);
  const { result, effects } = run(cleanForWriter(thread, file));
  expect(result[0]).toBe(1);
  expect(kinds(effects)).toEqual(['write']);
});

test('the last pages are a batch too, and fewer than a batch are all of it', () => {
  const { thread, file } = setUp();
  for (const index of [5, 90, 91, 92]) dirtied(thread, file, index);
  expect(cleanablePages(thread, file, 3).map(({ index }) => index)).toEqual([90, 91, 92]);
  expect(cleanablePages(thread, file, 8).map(({ index }) => index)).toEqual([5, 90, 91, 92]);
});

test('a writer whose own file has nothing to clean cleans another, whichever it is among many', () => {
  const { thread, ids } = setUp(1500);
  for (const other of [1499, 3, 700]) {
    const frame = dirtied(thread, ids[other]!, 12);
    const { result, effects } = run(cleanForWriter(thread, ids[0]!));
    expect(result[0]).toBe(1);
    expect(effects).toMatchObject([{ kind: 'write', file: ids[other] }]);
    expect(thread.kernel.frameWord(frame, L.FRAME_STATE) & L.DIRTY).toBe(0);
    // And it is where it looks first the next time.
    dirtied(thread, ids[other]!, 13);
    expect(run(cleanForWriter(thread, ids[0]!)).result[0]).toBe(1);
    expect(run(cleanForWriter(thread, ids[0]!)).result[0]).toBe(0);
  }
});

test('nextBusyFile finds each open file with dirty pages, or with something to flush if that is asked for', () => {
  const { thread, ids } = setUp(70);
  const { control } = thread;
  const busy = (flushes: number) => {
    const found: number[] = [];
    for (let from = 0; ; ) {
      const file = control.nextBusyFile(from, 2000, flushes);
      if (file < 0) return found;
      found.push(file);
      from = file + 1;
    }
  };
  const frames = [2, 33, 69].map((n) => dirtied(thread, ids[n]!, n));
  expect(busy(0)).toEqual([2, 33, 69].map((n) => ids[n]));
  expect(busy(1)).toEqual(busy(0));
  expect(writeBackFrame(thread, ids[33]!, frames[1]!)).toBe(0);
  expect(busy(1)).toEqual([2, 33, 69].map((n) => ids[n]));
  flushNow(thread, ids[33]!);
  cleanablePages(thread, ids[33]!, 1); // a scan forgets what is not dirty any more
  expect(busy(1)).toEqual([2, 69].map((n) => ids[n]));
});

test('pages that were written and not flushed count for a writer’s limit, and slow it down for a moment: no I/O', () => {
  const { thread, file, memory } = setUp();
  const limit = memory.options.dirtyRatio * memory.geometry.frames;
  for (let index = 0; index <= limit; index++) {
    writeBackFrame(thread, file, dirtied(thread, file, index));
    expect(unflushed(thread, file)).toBe(index + 1);
  }
  expect(thread.control.cleanable()).toBe(0);
  expect(isPressed(thread, file, memory.options.dirtyRatio)).toBe(true);
  const { result, effects } = run(throttle(thread, file));
  expect(result).toBe(true);
  expect(effects).toMatchObject([{ kind: 'wait', at: thread.kernel.fileAt(file) + L.FILE_WAKE }]);
  expect((effects[0] as { timeoutMs: number }).timeoutMs).toBeLessThanOrEqual(1);
  // A flusher has been asked, and takes the wish once.
  expect(thread.control.takeFlushAsked()).toBe(file);
  expect(thread.control.takeFlushAsked()).toBe(-1);
  flushNow(thread, file);
  expect(isPressed(thread, file, 0.01)).toBe(false);
});

test('above the limit by dirty pages a writer cleans, whatever waits for a flush', () => {
  const { thread, file, memory } = setUp();
  const limit = memory.options.dirtyRatio * memory.geometry.frames;
  for (let index = 0; index <= 2 * limit; index++) {
    const frame = dirtied(thread, file, index);
    if (index <= limit) writeBackFrame(thread, file, frame);
  }
  const { effects } = run(throttle(thread, file));
  expect(kinds(effects)).toEqual(['write']);
});
