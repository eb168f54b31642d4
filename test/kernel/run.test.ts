// Pages that are read together: what comes into the cache, and what does not because something came between the read and
// the frames. Threads are interleaved by hand.
import { describe, expect, test } from 'vitest';
import type { FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { acquire } from '../../src/protocol/fill.ts';
import { fsyncRound } from '../../src/protocol/fsync.ts';
import { fillRun, longestRun, packRun, type Run, runOf } from '../../src/protocol/run.ts';
import { cut } from '../../src/protocol/truncate.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { dirty, install, Memory, type Thread } from './pool.ts';

const PAGE = 4096;
const PAGES = 40;

/** 128 MiB: areas of 64 pages; or a small pool, with areas of two. */
function setUp({ memory: bytes = 16 << 20, size = PAGES * PAGE, flags = 0 } = {}) {
  const memory = new Memory({ memory: bytes });
  const disk = new Disk(PAGE);
  const file = memory.file(size, flags);
  const stored = Uint8Array.from({ length: size }, (_, at) => (Math.floor(at / PAGE) + 1) & 0xff);
  disk.write(stored, 0);
  const [reader, other] = [memory.thread(), memory.thread()];
  const task = (thread: Thread, protocol: ReturnType<typeof inPlace>) => new Task(thread, disk, protocol);
  const start = (run: Partial<Run>) =>
    new Task(
      reader,
      disk,
      inPlace(fillRun(reader, file, { first: 0, count: 8, stride: 1, demanded: 8, once: false, ...run })),
    );
  const firstByte = (index: number) => {
    const frame = other.control.lookup(file, index);
    return frame < 0 ? undefined : other.bytes.of(frame)[0];
  };
  const here = () =>
    Array.from({ length: PAGES + 8 }, (_, n) => n).filter((n) => other.control.lookup(file, n) >= 0);
  return { memory, disk, file, reader, other, task, start, firstByte, here };
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

test('a run comes in by one read', () => {
  const { start, here, firstByte, memory, reader } = setUp();
  const run = start({ first: 3, count: 9 });
  let reads = 0;
  for (; !run.done; run.step()) if (run.effect === 'read') reads++;
  expect(reads).toBe(2); // its two halves
  expect(run.value[1]).toBe(9);
  expect(here()).toEqual(upTo(9, 3));
  for (const index of here()) expect(firstByte(index)).toBe(index + 1);
  expect(memory.words[L.HEADER_STAGING >> 2]).toBe(0);
  expect(reader.kernel.rowWord(reader.kernel.owner, L.ROW_CLAIM)).toBe(0);
});

test('of pages that are apart only those come in', () => {
  const { start, here, firstByte } = setUp();
  expect(start({ first: 2, count: 5, stride: 3 }).runTo().value[1]).toBe(5);
  expect(here()).toEqual([2, 5, 8, 11, 14]);
  for (const index of here()) expect(firstByte(index)).toBe(index + 1);
});

test('pages far apart come in one by one', () => {
  const { start, here } = setUp();
  const run = start({ first: 0, count: 3, stride: 13 });
  let reads = 0;
  for (; !run.done; run.step()) if (run.effect === 'read') reads++;
  expect(reads).toBe(6);
  expect(here()).toEqual([0, 13, 26]);
});

test('pages that are there are neither read nor changed', () => {
  const { start, here, other, file, firstByte } = setUp();
  for (const index of [0, 1, 4, 7]) {
    const frame = install(other, file, index) as FrameId;
    other.bytes.of(frame)[0] = 200;
  }
  const run = start({});
  expect(run.runTo().value[1]).toBe(4);
  expect(here()).toEqual(upTo(8));
  expect(upTo(8).map(firstByte)).toEqual([200, 200, 3, 4, 200, 6, 7, 200]);
});

test('a page that came in while it was read is left alone', () => {
  const { start, other, file, firstByte } = setUp();
  const run = start({});
  run.step(); // the read is done
  other.bytes.of(install(other, file, 5) as FrameId)[0] = 200;
  expect(run.runTo().value[1]).toBe(7);
  expect(upTo(8).map(firstByte)).toEqual([1, 2, 3, 4, 5, 200, 7, 8]);
});

test('after a write to the file, pages are read again, one by one', () => {
  const { start, other, file, task, disk, firstByte } = setUp();
  const run = start({});
  run.step();
  const slot = task(other, inPlace(acquire(other, file, 5, 'write'))).runTo().value as never;
  other.bytes.of(other.kernel.frameOfPin(slot))[0] = 200;
  other.control.unpin(slot, 1);
  task(other, inPlace(fsyncRound(other, file))).runTo();
  expect(disk.current.get(5)?.[0]).toBe(200);
  expect(other.control.evict(other.control.lookup(file, 5))).toBe(1);
  let reads = 0;
  for (; !run.done; run.step()) if (run.effect === 'read') reads++;
  expect(reads).toBeGreaterThan(8);
  expect(upTo(8).map(firstByte)).toEqual([1, 2, 3, 4, 5, 200, 7, 8]);
});

test('what is cut off after it was read comes as zeros, if the file is extended again', () => {
  const { start, other, file, task, memory, firstByte } = setUp();
  const run = start({});
  run.step();
  task(other, inPlace(cut(other, file, 4 * PAGE))).runTo();
  // Extended by a hole: the size alone.
  const at = other.kernel.fileAt(file);
  memory.words[(at + L.FILE_SIZE_LO) >> 2] = PAGES * PAGE;
  run.runTo();
  expect(upTo(8).map(firstByte)).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
});

test('no page past the end comes in', () => {
  const { start, here } = setUp({ size: 5 * PAGE + 10 });
  const run = start({ count: 8 });
  expect(run.runTo().value[1]).toBe(6);
  expect(here()).toEqual(upTo(6));
});

test('behind the end of the store, and of the file, there are zeros', () => {
  const { start, other, file, disk } = setUp({ size: 5 * PAGE + 10 });
  disk.length = 4 * PAGE + 20; // extended, and not written yet
  start({ count: 6 }).runTo();
  const page = (index: number) => other.bytes.of(other.control.lookup(file, index));
  expect([...page(4).subarray(18, 22)]).toEqual([5, 5, 0, 0]);
  expect(page(5).every((byte) => byte === 0)).toBe(true);
});

test('a read that fails brings nothing in, and throws nothing', () => {
  const { start, here, disk, memory } = setUp();
  disk.read = () => -5;
  expect(start({}).runTo().value).toEqual([0, 0, 0, 0]);
  expect(here()).toEqual([]);
  expect(
    memory.words
      .subarray(L.HEADER_STAGING >> 2, (L.HEADER_STAGING >> 2) + L.MAX_STAGING)
      .every((w) => w === 0),
  ).toBe(true);
});

test('a page that does not match its checksum ends the run before it', () => {
  const { start, here, disk } = setUp({ flags: L.FLAG_CHECKSUM });
  disk.current.delete(0); // a hole, which is good at any index
  disk.current.delete(1);
  expect(start({}).runTo().value[1]).toBe(2);
  expect(here()).toEqual([0, 1]);
});

describe('it takes nothing that others wait for', () => {
  test('the first staging area is kept for fsync: without another pages are read one by one', () => {
    const { start, other, memory, here } = setUp();
    while (other.control.claimStaging(1) >= 0);
    const run = start({});
    let reads = 0;
    for (; !run.done; run.step()) {
      if (run.effect === 'read') reads++;
      expect(memory.words[L.HEADER_STAGING >> 2]).toBe(0);
    }
    expect(reads).toBe(16);
    expect(here()).toEqual(upTo(8));
  });

  test('no dirty page is cleaned for it: without a frame it stops', () => {
    const { start, other, file, memory, here } = setUp({ memory: 256 * 1024 });
    const others = memory.file(1000 * PAGE);
    for (let index = 0; index < memory.geometry.frames; index++) {
      expect(install(other, others, index)).toBeGreaterThanOrEqual(0);
      dirty(other, others, index);
    }
    const run = start({ count: 2 });
    const effects = new Set<string>();
    for (; !run.done; run.step()) effects.add(run.effect!);
    expect([...effects]).toEqual(['read']);
    expect(run.value[1]).toBe(0);
    expect(other.control.lookup(file, 0)).toBe(L.MISS);
    expect(here()).toEqual([]);
  });

  test('nothing comes into a cache that is being closed', () => {
    const { start, other, here } = setUp();
    const run = start({});
    run.step();
    other.control.setLife(L.LIFE_CLOSING);
    expect(run.runTo().value[1]).toBe(0);
    expect(here()).toEqual([]);
  });
});

test('what nobody waits for is counted', () => {
  const { start, reader } = setUp();
  start({ demanded: 3 }).runTo();
  expect(reader.kernel.rowWord(reader.kernel.owner, L.COUNT_READAHEAD)).toBe(5);
});

test('a run travels in two words', () => {
  for (const run of [
    { first: 0, count: 1, stride: 1, demanded: 0, once: false },
    { first: 2 ** 32 - 64, count: 64, stride: 4096, demanded: 64, once: true },
    { first: 2 ** 31, count: 16, stride: 9, demanded: 1, once: false },
  ]) {
    expect(runOf(run.first | 0, packRun(run.count, run.stride, run.demanded, run.once))).toEqual(run);
  }
});

test('a run is no longer than a staging area', () => {
  const { reader } = setUp();
  const { stagingPages } = reader.geometry;
  for (const stride of [1, 2, 8, 9, 4096]) {
    const longest = longestRun(reader, stride);
    expect(longest).toBeGreaterThanOrEqual(1);
    expect(stride > 8 || (longest - 1) * stride < stagingPages).toBe(true);
  }
  const small = setUp({ memory: 256 * 1024 });
  expect(longestRun(small.reader, 1)).toBe(2);
});
