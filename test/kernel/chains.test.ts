// Pages behind a full bucket, in its overflow chain: every operation finds them there, and only them.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId, PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { dirty, flushNow, install, Memory, SWEEP_ALL, scan, type Thread, writeBackFrame } from './pool.ts';

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

/** The index of the same file whose hash differs in bits that are neither the bucket's nor the tag's. */
function twin(index: number): number {
  const other = hash(file, index) ^ (1 << (thread.kernel.load(L.HEADER_FRAME_BITS) - 1));
  const product = other ^ (other >>> 16);
  let inverse = 0x9e3779b1;
  for (let n = 0; n < 5; n++) inverse = Math.imul(inverse, 2 - Math.imul(inverse, 0x9e3779b1));
  return (Math.imul(product, inverse) ^ Math.imul(file, 0x85ebca6b)) | 0;
}

test('two pages with one tag in one bucket are not taken for one another', () => {
  const { control } = thread;
  const index = twin(pages[0]!.index);
  expect(index).not.toBe(pages[0]!.index);
  expect(control.reclaim(SWEEP_ALL, -1, 0)).toBeGreaterThanOrEqual(0);
  control.keepUndoFrame(0);
  expect(control.lookup(file, index)).toBe(L.MISS);
  expect(control.pin(file, index)).toBe(L.MISS);
  expect(control.viewOpen(file, index)).toBe(L.MISS);
  expect(control.updateOpen(file, index)).toBe(L.MISS);
  expect(control.cutOff(file, index)).toBe(L.MISS);
  const frame = install(thread, file, index);
  expect(control.lookup(file, index)).toBe(frame);
  expect(control.lookup(file, pages[0]!.index)).toBe(pages[0]!.frame);
});

test('pages of two files with one index in one chain are not taken for one another', () => {
  const mask = memory.words[L.HEADER_BUCKET_MASK >> 2]!;
  const { control } = thread;
  let index = pages.at(-1)!.index + 1;
  while ((hash(file, index) & mask) !== 0 || (hash(second, index) & mask) !== 0) index++;
  expect(control.reclaim(SWEEP_ALL, -1, 0)).toBeGreaterThanOrEqual(0);
  control.keepUndoFrame(0);
  const frame = install(thread, file, index);
  expect(control.lookup(second, index)).toBe(L.MISS);
  expect(control.pin(second, index)).toBe(L.MISS);
  expect(control.viewOpen(second, index)).toBe(L.MISS);
  expect(control.updateOpen(second, index)).toBe(L.MISS);
  expect(control.cutOff(second, index)).toBe(L.MISS);
  const other = install(thread, second, index);
  expect([control.lookup(file, index), control.lookup(second, index)]).toEqual([frame, other]);
});

test('updates nest so deep, on different pages, and no deeper', () => {
  const { control } = thread;
  for (let level = 0; level < L.UPDATES; level++) {
    expect(control.reclaim(SWEEP_ALL, -1, 0)).toBeGreaterThanOrEqual(0);
    control.keepUndoFrame(level);
  }
  for (let level = 0; level < L.UPDATES; level++) {
    expect(control.updateOpen(file, pages[level]!.index)).toBe(pages[level]!.frame);
    expect(control.updates(pages[level]!.frame)).toBe(1);
    expect(control.updates(pages[level + 1]!.frame)).toBe(0);
    if (level === 1) {
      const again = control.pin(file, pages[0]!.index);
      expect(control.updateBegin(again)).toBe(L.REENTRANT);
      control.unpin(again, 0);
    }
  }
  expect(control.updateOpen(file, pages[L.UPDATES]!.index)).toBe(L.MISS);
  const slot = control.pin(file, pages[L.UPDATES]!.index);
  expect(control.updateBegin(slot)).toBe(L.TOO_DEEP);
  control.unpin(slot, 0);
  for (let level = 0; level < L.UPDATES; level++) control.updateAbort();
  expect(control.updateDepth()).toBe(0);
});

test('what was written of one file is not taken for what was of another', () => {
  const { control, kernel } = thread;
  const index = colliding(second).next().value as number;
  const theirs = install(thread, second, index) as FrameId;
  const ours = pages[0]!;
  for (const page of [ours, { file: second, index }]) dirty(thread, page.file, page.index);
  expect(control.startWriteback(ours.frame, file, 0, 0)).toBeGreaterThanOrEqual(0);
  expect(control.writebackOf(kernel.owner, second, 0)).toBe(-1);
  expect(control.writebackOf(kernel.owner, file, 0)).toBe(ours.frame);
  control.endWriteback(0, kernel.fileWord(file, L.FILE_FAIL_SEQ));
  expect(writeBackFrame(thread, second, theirs)).toBeGreaterThanOrEqual(0);
  expect(control.countUnstable()).toBe(2);
  expect(control.flushTry(file)).toBe(1);
  control.flushBegin(file);
  control.flushFailing(file, 5);
  expect(control.redirtyUnstable(file, 0)).toBe(-1);
  control.flushFailed(file, kernel.owner);
  expect(kernel.frameWord(ours.frame, L.FRAME_STATE) & L.DIRTY).toBe(L.DIRTY);
  expect(kernel.frameWord(theirs, L.FRAME_STATE) & L.DIRTY).toBe(0);
  flushNow(thread, second);
  expect(control.countUnstable()).toBe(1);
});

test('updates, by the short way', () => {
  expect(thread.control.updateOpen(file, pages[0]!.index)).toBe(L.MISS); // there is no undo frame yet
  expect(thread.control.reclaim(SWEEP_ALL, -1, 0)).toBeGreaterThanOrEqual(0);
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
    expect(other.control.reclaim(SWEEP_ALL, -1, 0)).toBeGreaterThanOrEqual(0);
    expect(other.control.install(page.file, page.index, 0)).toBe(L.EXISTS);
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
    const wake = thread.kernel.frameWord(frame, L.FRAME_WAKE);
    expect(thread.control.prepareWait(frame, L.ORPHAN)).toBe(1);
    other.control.unpin(read, 0);
    expect(thread.kernel.frameWord(frame, L.FRAME_WAKE)).not.toBe(wake);
    expect(stateOf(frame)).toBe(0);
    expect(thread.kernel.load(L.HEADER_ORPHANS)).toBe(0);
  });

  test('a page that is dirty, or was written and not flushed', () => {
    const [changed, written] = [pages.at(-1)!, pages.at(-2)!];
    for (const { index } of [changed, written]) dirty(thread, file, index);
    expect(writeBackFrame(thread, file, written.frame)).toBeGreaterThanOrEqual(0);
    for (const { index, frame } of [changed, written]) expect(thread.control.cutOff(file, index)).toBe(frame);
    flushNow(thread, file);
    expect([stateOf(changed.frame), stateOf(written.frame)]).toEqual([0, 0]);
    expect(scan(thread, file)).toEqual([]);
  });
});
