// Pages behind a full bucket, in its overflow chain: every operation finds them there, and only them.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId, PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { flushNow, install, Memory, SWEEP_ALL, scan, type Thread, writeBackFrame } from './pool.ts';

let memory: Memory;
let thread: Thread;
let other: Thread;
let file: FileId;
let second: FileId;
/** Pages of the two files that share one bucket, with their frames: more than it has entries. */
let pages: { file: FileId; index: number; frame: FrameId }[];
/** Pages that would be in that bucket, of the same indexes as others that are, or of none. */
let absent: { file: FileId; index: number }[];

const COUNT = L.ENTRIES + 12;

/** The kernel's own hash, so that the pages can be chosen. */
function hash(of: number, index: number): number {
  const h = Math.imul(index ^ Math.imul(of, 0x85ebca6b), 0x9e3779b1);
  return h ^ (h >>> 16);
}

/** Pages of a file that belong in bucket 0, from `from` on. `tag`: only those whose hash has the same high bits. */
function* colliding(of: FileId, from = 0): Generator<number, undefined> {
  const mask = memory.words[L.HEADER_BUCKET_MASK >> 2]!;
  for (let index = from; ; index++) if ((hash(of, index) & mask) === 0) yield index;
}

beforeEach(() => {
  memory = new Memory({ memory: 512 * 1024 }, { withPages: false });
  [thread, other] = [memory.thread(), memory.thread()];
  [file, second] = [memory.file(2 ** 40), memory.file(2 ** 40)];
  pages = [];
  absent = [];
  const indexes = colliding(file);
  for (let n = 0; n < COUNT; n++) {
    const index = indexes.next().value as number;
    pages.push({ file, index, frame: install(thread, file, index) as FrameId });
  }
  for (let n = 0; n < COUNT; n++) absent.push({ file, index: indexes.next().value as number });
  const seconds = colliding(second);
  for (let n = 0; n < 4; n++) absent.push({ file: second, index: seconds.next().value as number });
});

test('the bucket is full, and a chain hangs on it', () => {
  const at = thread.kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS;
  expect(thread.kernel.load(at + L.BUCKET_OVERFLOW)).not.toBe(0);
  for (const page of pages) expect(thread.control.lookup(page.file, page.index)).toBe(page.frame);
  for (const page of absent) expect(thread.control.lookup(page.file, page.index)).toBe(L.MISS);
});

test('pins, views', () => {
  for (const page of pages) {
    const slot = thread.control.pin(page.file, page.index);
    expect(slot).toBeGreaterThanOrEqual(0);
    expect(thread.kernel.frameOfPin(slot)).toBe(page.frame);
    thread.control.unpin(slot, 0);
    expect(thread.control.viewOpen(page.file, page.index)).toBe(page.frame);
    expect(thread.control.viewClose()).toBe(1);
  }
  for (const page of absent) {
    expect(thread.control.pin(page.file, page.index)).toBe(L.MISS);
    expect(thread.control.viewOpen(page.file, page.index)).toBe(L.MISS);
  }
});

test('updates, by the short way', () => {
  expect(thread.control.updateOpen(file, pages[0]!.index)).toBe(L.MISS); // there is no undo frame yet
  expect(thread.control.reclaim(SWEEP_ALL)).toBeGreaterThanOrEqual(0);
  thread.control.keepUndoFrame(0);
  for (const page of pages) {
    expect(thread.control.updateOpen(page.file, page.index)).toBe(page.frame);
    expect(other.control.updateOpen(page.file, page.index)).toBe(L.MISS);
    thread.control.updatePublish(0, 0, 0);
    expect(thread.control.updateCommit()).toBe(1);
  }
  for (const page of absent) expect(thread.control.updateOpen(page.file, page.index)).toBe(L.MISS);
});

test('who brings in a page that is there hears so', () => {
  for (const page of pages) {
    expect(other.control.reclaim(SWEEP_ALL)).toBeGreaterThanOrEqual(0);
    expect(other.control.install(page.file, page.index)).toBe(L.EXISTS);
    other.control.abandonClaim();
  }
});

describe('cutting off', () => {
  const stateOf = (frame: FrameId) => thread.kernel.frameWord(frame, L.FRAME_STATE);

  test('each of them, from the last on', () => {
    for (const page of absent) expect(thread.control.cutOff(page.file, page.index)).toBe(L.MISS);
    for (const page of [...pages].reverse()) {
      expect(thread.control.cutOff(page.file, page.index)).toBe(page.frame);
      expect(stateOf(page.frame)).toBe(0);
      expect(thread.control.lookup(page.file, page.index)).toBe(L.MISS);
    }
  });

  test('out of the middle, while others stay', () => {
    for (const page of pages.filter((_, n) => n % 3 === 1)) {
      expect(thread.control.cutOff(page.file, page.index)).toBe(page.frame);
    }
    for (const [n, page] of pages.entries()) {
      expect(thread.control.lookup(page.file, page.index)).toBe(n % 3 === 1 ? L.MISS : page.frame);
    }
  });

  test('a page that is pinned is an orphan until the last pin drops; what made it dirty goes with it', () => {
    const { index, frame } = pages.at(-1)!;
    const [read, write] = [0, 1].map(() => other.control.pin(file, index)) as [PinSlot, PinSlot];
    other.control.makeWritePin(write);
    expect(thread.control.prepareWait(frame, L.WRITE_MASK)).toBe(1);
    expect(thread.control.cutOff(file, index)).toBe(frame);
    expect(stateOf(frame) & L.ORPHAN).toBe(L.ORPHAN);
    expect(other.control.unpin(write, 1)).toBe(0);
    expect(stateOf(frame) & L.ORPHAN).toBe(L.ORPHAN);
    other.control.unpin(read, 0);
    expect(stateOf(frame)).toBe(0);
    expect(thread.kernel.load(L.HEADER_ORPHANS)).toBe(0);
  });

  test('a page that is dirty, or was written and not flushed', () => {
    const [dirty, written] = [pages.at(-1)!, pages.at(-2)!];
    for (const { index } of [dirty, written]) {
      const slot = thread.control.pin(file, index);
      thread.control.makeWritePin(slot);
      thread.control.unpin(slot, 1);
    }
    expect(writeBackFrame(thread, file, written.frame)).toBeGreaterThanOrEqual(0);
    for (const { index, frame } of [dirty, written]) expect(thread.control.cutOff(file, index)).toBe(frame);
    flushNow(thread, file);
    expect([stateOf(dirty.frame), stateOf(written.frame)]).toEqual([0, 0]);
    expect(scan(thread, file)).toEqual([]);
  });
});
