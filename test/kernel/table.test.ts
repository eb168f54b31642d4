// The lookup table and the frames behind it, against a Map.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { dirty, flushNow, install, Memory, SWEEP_ALL, type Thread, writeBackFrame } from './pool.ts';

/** The bucket that a page belongs in, found by putting it into the (empty) table. */
function bucketOf(memory: Memory, thread: Thread, file: FileId, index: number): number {
  const { kernel } = thread;
  const frame = install(thread, file, index) as FrameId;
  const mask = 2 ** kernel.load(L.HEADER_FRAME_BITS) - 1;
  for (let bucket = 0; bucket <= memory.words[L.HEADER_BUCKET_MASK >> 2]!; bucket++) {
    const at = kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS + bucket * L.BUCKET_BYTES + L.BUCKET_ENTRIES;
    for (let entry = 0; entry < L.ENTRIES; entry++) {
      if ((kernel.load(at + entry * 4) & mask) !== frame + 1) continue;
      kernel.control.evict(frame);
      return bucket;
    }
  }
  throw new Error(`page ${index} is in no bucket`);
}

/** Indexes whose pages all belong in one bucket. */
function colliding(memory: Memory, thread: Thread, file: FileId, bucket: number, count: number): number[] {
  const found: number[] = [];
  for (let index = 0; found.length < count; index++) {
    if (bucketOf(memory, thread, file, index) === bucket) found.push(index);
  }
  return found;
}

function chainLength({ kernel }: Thread, bucket: number): number {
  const at = kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS + bucket * L.BUCKET_BYTES;
  let length = 0;
  for (let link = kernel.load(at + L.BUCKET_OVERFLOW); link !== 0; length++) {
    link = kernel.frameWord((link - 1) as FrameId, L.FRAME_LINK);
  }
  return length;
}

let seed = 1;
const random = (n: number) => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >>> 8) % n;
};

let memory: Memory;
let thread: Thread;
let file: FileId;
beforeEach(() => {
  seed = 20260101;
  memory = new Memory({ memory: 256 * 1024 }, { withPages: false });
  thread = memory.thread();
  file = memory.file(2 ** 40);
});

const lookup = (of: FileId, index: number) => thread.control.lookup(of, index | 0);

describe('the table', () => {
  test('a bucket with more pages than entries: a chain, found and unlinked anywhere in it', () => {
    const { frames } = memory.geometry;
    const [pages, absent] = [0, frames].map((from) =>
      colliding(memory, thread, file, 3, 2 * frames).slice(from, from + frames),
    ) as [number[], number[]];
    const frameOf = new Map<number, number>();
    for (const index of pages) frameOf.set(index, install(thread, file, index));
    expect(new Set(frameOf.values()).size).toBe(frames);
    expect(chainLength(thread, 3)).toBe(frames - L.ENTRIES);
    for (const [index, frame] of frameOf) expect(lookup(file, index)).toBe(frame);
    for (const index of absent) expect(lookup(file, index)).toBe(L.MISS);
    // Out of the chain and out of entries, in any order.
    while (frameOf.size > 0) {
      const keys = [...frameOf.keys()];
      const index = keys[random(keys.length)]!;
      expect(thread.control.evict(frameOf.get(index)! as FrameId)).toBe(1);
      frameOf.delete(index);
      expect(lookup(file, index)).toBe(L.MISS);
      for (const [other, frame] of frameOf) expect(lookup(file, other)).toBe(frame);
    }
    expect(chainLength(thread, 3)).toBe(0);
  });

  test.each(['spread', 'colliding'] as const)(
    'thousands of installs and evictions against a Map (%s)',
    (which) => {
      const other = memory.file(2 ** 40);
      const spread = Array.from({ length: 300 }, (_, n) => (n % 3 === 0 ? 2 ** 32 - 1 - n : n * 7));
      const indexes = which === 'spread' ? spread : colliding(memory, thread, file, 5, 300);
      const model = new Map<string, number>();
      const byFrame = new Map<number, string>();
      let [existing, reclaimed] = [0, 0];
      for (let n = 0; n < 6000; n++) {
        const of = random(4) === 0 ? other : file;
        const index = indexes[random(indexes.length)]!;
        const key = `${of}:${index}`;
        if (random(5) === 0 && model.has(key)) {
          expect(thread.control.evict(model.get(key)! as FrameId)).toBe(1);
          byFrame.delete(model.get(key)!);
          model.delete(key);
          continue;
        }
        if (model.has(key)) {
          // An install of a page that has a frame says so; here without a sweep that might take that very frame.
          expect(lookup(of, index)).toBe(model.get(key));
          const claimed = thread.control.reclaim(SWEEP_ALL, -1, 0);
          const lost = byFrame.get(claimed);
          if (lost !== undefined) model.delete(lost);
          byFrame.delete(claimed);
          const status = thread.control.install(of, index | 0, 0);
          expect(status).toBe(model.has(key) ? L.EXISTS : 0);
          if (status === L.EXISTS) {
            existing++;
            expect(thread.kernel.out(0)).toBe(model.get(key));
            thread.control.abandonClaim();
          } else {
            thread.control.fillDone();
            model.set(key, claimed);
            byFrame.set(claimed, key);
          }
          continue;
        }
        const frame = install(thread, of, index);
        expect(frame).toBeGreaterThanOrEqual(0);
        const lost = byFrame.get(frame);
        if (lost !== undefined) {
          reclaimed++;
          model.delete(lost);
        }
        model.set(key, frame);
        byFrame.set(frame, key);
        if (n % 50 === 0) for (const [k, f] of model) expect(lookup(...page(k))).toBe(f);
      }
      expect(existing).toBeGreaterThan(100);
      expect(reclaimed).toBeGreaterThan(1000);
      for (const of of [file, other]) {
        const resident = [...model.keys()].filter((key) => key.startsWith(`${of}:`)).length;
        expect(thread.kernel.fileWord(of, L.FILE_RESIDENT)).toBe(resident);
      }
      expect(thread.kernel.rowWord(thread.kernel.owner, L.GAUGE_RESIDENT)).toBe(model.size);
    },
  );

  test('a claimed page is found, and pins of it are told to wait for its frame', () => {
    const reader = memory.thread();
    const frame = thread.control.reclaim(SWEEP_ALL, -1, 0);
    expect(thread.control.install(file, 9, 0)).toBe(0);
    expect(reader.control.lookup(file, 9)).toBe(frame);
    expect(reader.control.pin(file, 9)).toBe(L.BUSY);
    expect(reader.kernel.out(0)).toBe(frame);
    expect(reader.control.viewOpen(file, 9)).toBe(L.BUSY);
    expect(reader.control.prepareWait(frame, L.CLAIMED)).toBe(1);
    const wake = reader.kernel.out(0);
    const version = reader.kernel.frameWord(frame, L.FRAME_VERSION);
    thread.control.fillDone();
    expect(reader.kernel.frameWord(frame, L.FRAME_WAKE)).toBe(wake + 1);
    expect(reader.kernel.frameWord(frame, L.FRAME_VERSION)).toBe(version + 1);
    expect(reader.kernel.frameWord(frame, L.FRAME_STATE) & L.WAITERS).toBe(0);
    expect(reader.control.prepareWait(frame, L.CLAIMED)).toBe(0);
    expect(reader.control.pin(file, 9)).toBeGreaterThanOrEqual(0);
  });

  test('a fill given up leaves a free frame, and the page absent', () => {
    const frame = thread.control.reclaim(SWEEP_ALL, -1, 0);
    thread.control.install(file, 9, 0);
    thread.control.abandonClaim();
    expect(lookup(file, 9)).toBe(L.MISS);
    expect(thread.kernel.frameWord(frame, L.FRAME_STATE)).toBe(0);
    expect(thread.kernel.fileWord(file, L.FILE_RESIDENT)).toBe(0);
  });

  test('two threads install one page: the second is told of the first', () => {
    const other = memory.thread();
    const frame = thread.control.reclaim(SWEEP_ALL, -1, 0);
    other.control.reclaim(SWEEP_ALL, -1, 0);
    expect(thread.control.install(file, 4, 0)).toBe(0);
    expect(other.control.install(file, 4, 0)).toBe(L.EXISTS);
    expect(other.kernel.out(0)).toBe(frame);
    other.control.abandonClaim();
    thread.control.fillDone();
  });
});

const page = (key: string) => key.split(':').map(Number) as [FileId, number];

describe('the sweep', () => {
  const touch = (index: number) => {
    thread.control.viewOpen(file, index);
    thread.control.viewClose();
  };
  const uses = (frame: number) =>
    (thread.kernel.frameWord(frame as FrameId, L.FRAME_STATE) & L.USE_MASK) / L.USE_ONE;

  test('use counts grow with touches up to two, and the most used page goes last', () => {
    const { frames } = memory.geometry;
    const frameOf = Array.from({ length: frames }, (_, index) => install(thread, file, index));
    expect(frameOf.map(uses)).toEqual(frameOf.map(() => 1));
    for (let n = 1; n <= 5; n++) {
      touch(7);
      expect(uses(frameOf[7]!)).toBe(Math.min(2, 1 + n));
    }
    const slot = thread.control.pin(file, 8);
    thread.control.unpin(slot, 0);
    expect(uses(frameOf[8]!)).toBe(2);
    // The others go first.
    for (let n = 0; n < frames - 2; n++) {
      install(thread, file, 1000 + n);
      expect(lookup(file, 7), `after ${n} misses`).toBe(frameOf[7]);
    }
  });

  test('pinned frames are passed over; with nothing else it says why', () => {
    const { frames } = memory.geometry;
    for (let index = 0; index < frames; index++) install(thread, file, index);
    const slots = Array.from({ length: frames - 1 }, (_, index) => thread.control.pin(file, index));
    const free = lookup(file, frames - 1);
    for (let n = 0; n < 5; n++) expect(install(thread, file, 5000 + n)).toBe(free);
    slots.push(thread.control.pin(file, 5004));
    expect(thread.control.reclaim(SWEEP_ALL, -1, 0)).toBe(L.NO_FRAME);
    const [pinned, isDirty, unstable, busy] = [0, 1, 2, 3].map((word) => thread.kernel.out(word));
    expect(pinned).toBeGreaterThanOrEqual(frames);
    expect([isDirty, unstable, busy]).toEqual([0, 0, 0]);
    thread.control.unpin(slots[11]! as never, 0);
    expect(install(thread, file, 6000)).toBe(11);
  });

  test('dirty and unstable pages are never taken, and told of', () => {
    const { frames } = memory.geometry;
    for (let index = 0; index < frames; index++) install(thread, file, index);
    for (let index = 0; index < frames; index++) dirty(thread, file, index);
    expect(thread.control.reclaim(SWEEP_ALL, -1, 0)).toBe(L.NO_FRAME);
    expect([0, 2, 3, 4].map((word) => thread.kernel.out(word))).toEqual([0, 0, 0, file]);
    expect(thread.kernel.out(1)).toBeGreaterThanOrEqual(frames);
    for (let frame = 0; frame < frames; frame++) writeBackFrame(thread, file, frame as FrameId);
    expect(thread.control.reclaim(SWEEP_ALL, -1, 0)).toBe(L.NO_FRAME);
    expect([0, 1, 3, 5].map((word) => thread.kernel.out(word))).toEqual([0, 0, 0, file]);
    expect(thread.kernel.out(2)).toBeGreaterThanOrEqual(frames);
    expect(thread.control.countUnstable()).toBe(frames);
    for (let frame = 0; frame < frames; frame++) expect(thread.control.evict(frame as FrameId)).toBe(0);
    flushNow(thread, file);
    expect(thread.control.countUnstable()).toBe(0);
    expect(install(thread, file, 7000)).toBeGreaterThanOrEqual(0);
  });

  test('the hand goes on over the end of 32 bits', () => {
    const { frames } = memory.geometry;
    for (const hand of [2 ** 31 - 20, -20]) {
      Atomics.store(memory.words, L.HEADER_HAND >> 2, hand);
      const taken = new Set(
        Array.from({ length: frames }, (_, n) => install(thread, file, hand + 40_000 + n)),
      );
      expect(taken.size).toBeGreaterThan(frames / 2);
      expect([...taken].every((frame) => frame >= 0 && frame < frames)).toBe(true);
    }
  });
});
