// truncate between the steps of other protocols: writebacks, fills, extending writes, rounds, other truncates. Two or
// three threads' protocols are interleaved by hand; a disk knows the file's length.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import type { Protocol } from '../../src/protocol/effects.ts';
import { acquire } from '../../src/protocol/fill.ts';
import { fsyncRound } from '../../src/protocol/fsync.ts';
import { truncateByService } from '../../src/protocol/truncate.ts';
import { beginUpdate } from '../../src/protocol/update.ts';
import { dirtyPages, writeBack } from '../../src/protocol/writeback.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { install, Memory, type Thread } from './pool.ts';

const PAGE = 4096;
const PAGES = 8;
const EIO = 5;

let memory: Memory;
let disk: Disk;
let file: FileId;
let user: Thread;
let flusher: Thread;
let cutter: Thread;

beforeEach(() => {
  memory = new Memory({ memory: 256 * 1024, pinnedDirty: 'redirty' });
  disk = new Disk(PAGE);
  file = memory.file(PAGES * PAGE);
  [user, flusher, cutter] = [memory.thread(), memory.thread(), memory.thread()];
  // What is in the file before anything is in the cache: each page full of its index + 1.
  for (let index = 0; index < PAGES; index++) disk.write(new Uint8Array(PAGE).fill(index + 1), index * PAGE);
});

const task = <T>(thread: Thread, protocol: Protocol<T>) => new Task(thread, disk, inPlace(protocol));
const run = <T>(thread: Thread, protocol: Protocol<T>) => task(thread, protocol).runTo().value;
const cut = (size: number, thread = cutter, timeoutMs = 10_000) =>
  task(thread, truncateByService(thread, file, size, 'a file', timeoutMs));
const fsync = (thread = user) => task(thread, fsyncRound(thread, file));
const flusherPass = () => task(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1));
const size = () => user.kernel.size(file);
const cached = (index: number) => user.control.lookup(file, index | 0);
const stateOf = (frame: number) => user.kernel.frameWord(frame as FrameId, L.FRAME_STATE);

/** Goes on with a protocol for a while: it must not end, and only look again and sleep. */
function expectWaiting(waiting: Task<unknown>, steps = 30): void {
  for (let n = 0; n < steps; n++) {
    if (waiting.done || waiting.effect !== 'wait') break;
    waiting.step();
  }
  expect(waiting.done ? 'ended' : waiting.effect).toBe('wait');
}

/** The page's bytes as a view would see them. */
function bytesOf(index: number, thread = user): Uint8Array {
  const slot = run(thread, acquire(thread, file, index, 'read'));
  const bytes = thread.bytes.of(thread.kernel.frameOfPin(slot)).slice();
  thread.control.unpin(slot, 0);
  return bytes;
}

/** A byte stored under a write pin: the page is dirty. */
function store(index: number, value: number, thread = user, offset = 0): void {
  const slot = run(thread, acquire(thread, file, index, 'write'));
  thread.bytes.of(thread.kernel.frameOfPin(slot))[offset] = value;
  thread.control.unpin(slot, 1);
}

/** An update begun, and published, that fills its page and would make the file `to` bytes long: 1, or 0 if refused. */
function* extending(thread: Thread, index: number, value: number, to: number): Protocol<number> {
  const level = yield* beginUpdate(thread, file, index, 10_000, true);
  const frame = thread.kernel.frameOfUpdate(level);
  const undo = thread.control.undoFrame(level);
  thread.bytes.copyRange(frame, undo, 0, PAGE);
  thread.control.updatePublish(PAGE - 1, to | 0, Math.floor(to / 2 ** 32));
  thread.bytes.of(frame).fill(value);
  yield { kind: 'wait', at: 0, seq: -1, timeoutMs: 0 }; // somewhere to be interrupted
  const status = thread.control.updateCommit();
  if (status === 1) return status;
  thread.bytes.copyRange(undo, frame, 0, PAGE);
  thread.control.updateAbort();
  return status;
}

/** Every frame is free or holds a page of the table, none an orphan, none in anybody's hands; no lock is held. */
function expectQuiet(): void {
  const { kernel } = user;
  for (let n = 0; n < memory.geometry.frames; n++) {
    const state = stateOf(n);
    expect(state & (L.ORPHAN | L.UPDATING | L.WRITEBACK | L.READ_MASK | L.WRITE_MASK)).toBe(0);
    const owner = kernel.frameWord(n as FrameId, L.FRAME_FILE);
    if (state & L.VALID) expect(cached(kernel.frameWord(n as FrameId, L.FRAME_INDEX))).toBe(n);
    else expect(owner).toBe(-1);
  }
  expect(kernel.load(L.HEADER_ORPHANS)).toBe(0);
  expect([kernel.fileWord(file, L.FILE_CUT_LOCK), kernel.fileWord(file, L.FILE_CUT_SEQ) & 1]).toEqual([0, 0]);
}

/** The disk has the file as the cache has it, once an fsync said yes. */
function expectSynced(): void {
  expect(fsync().runTo().value[0]).toBe(0);
  expect(disk.length).toBe(size());
  for (let index = 0; index * PAGE < size(); index++) {
    const there = new Uint8Array(PAGE);
    disk.read(there, index * PAGE);
    const length = Math.min(PAGE, size() - index * PAGE);
    expect(there.subarray(0, length)).toEqual(bytesOf(index).subarray(0, length));
  }
  expectQuiet();
}

describe('a writeback that has begun before the size is published', () => {
  test.each([
    [0, 'of a page that goes'],
    [3 * PAGE + 10, 'of the page that is cut in two'],
    [3 * PAGE, 'of the first page that goes'],
  ])('(cut to %i, %s) is waited for: its write does not make the file longer again', (to) => {
    store(3, 0x33);
    store(4, 0x44);
    const late = flusherPass().runTo('write');
    const cutting = cut(to);
    expectWaiting(cutting);
    expect(size()).toBe(to); // published
    expect(disk.length).toBe(PAGES * PAGE);
    late.runTo();
    cutting.runTo();
    expect(disk.length).toBe(to);
    expectSynced();
  });

  test('of pages before the new end is not waited for', () => {
    store(1, 0x11);
    const late = flusherPass().runTo('write');
    cut(2 * PAGE).runTo();
    late.runTo();
    expect(disk.length).toBe(2 * PAGE);
    expectSynced();
    expect(bytesOf(1)[0]).toBe(0x11);
  });

  test('that fails leaves nothing behind', () => {
    store(6, 0x66);
    const late = flusherPass().runTo('write');
    const cutting = cut(PAGE);
    expectWaiting(cutting);
    disk.failNextWrites = 1;
    late.runTo();
    cutting.runTo();
    expect(cached(6)).toBe(L.MISS);
    expectSynced();
  });
});

describe('a writeback that begins after the size is published', () => {
  test('writes nothing beyond it', () => {
    store(2, 0x22);
    store(3, 0x33);
    store(4, 0x44);
    const cutting = cut(3 * PAGE + 10).runTo('resize');
    const late = flusherPass().runTo('write');
    cutting.step(); // the system has cut, nothing else is done yet
    late.runTo();
    expect(disk.length).toBe(3 * PAGE + 10);
    cutting.runTo();
    expect(disk.length).toBe(3 * PAGE + 10);
    expectSynced();
  });

  test('and still runs when its page is cut off: the page goes with its end, and is not dirty', () => {
    store(3, 0x33);
    const frame = cached(3);
    const cutting = cut(PAGE).runTo('resize');
    expect(flusher.control.startWriteback(frame, file, 0, 0)).toBe(0);
    cutting.runTo();
    expect(stateOf(frame) & (L.ORPHAN | L.WRITEBACK | L.DIRTY)).toBe(L.ORPHAN | L.WRITEBACK);
    flusher.control.giveBack(0);
    expect(stateOf(frame)).toBe(0);
    expect(dirtyPages(user, file)).toEqual([]);
    expectSynced();
  });

  test('and ends as written', () => {
    store(3, 0x33);
    const frame = cached(3);
    const cutting = cut(PAGE).runTo('resize');
    flusher.control.startWriteback(frame, file, 0, 0);
    cutting.runTo();
    flusher.control.endWriteback(0, flusher.kernel.fileWord(file, L.FILE_FAIL_SEQ));
    expect(stateOf(frame)).toBe(0);
    expectSynced();
  });
});

test('a writeback of an orphan is not begun', () => {
  const slot = run(user, acquire(user, file, 5, 'write'));
  const frame = user.kernel.frameOfPin(slot);
  cut(PAGE).runTo();
  // A scan from before the cut may still have it on its list, and a failed flush may come over it.
  Atomics.or(memory.words, (user.kernel.frameAt(frame) + L.FRAME_STATE) >> 2, L.DIRTY);
  expect(flusher.control.startWriteback(frame, file, 0, 0)).toBe(L.CLEAN);
  Atomics.and(memory.words, (user.kernel.frameAt(frame) + L.FRAME_STATE) >> 2, ~L.DIRTY);
  user.control.unpin(slot, 1);
  expect(stateOf(frame)).toBe(0);
  expectSynced();
});

describe('a page that is just being brought in', () => {
  test.each([0, 3 * PAGE])('and is cut off (to %i): who waits for it does not get its old bytes', (to) => {
    const filling = task(user, acquire(user, file, 5, 'read')).runTo('read');
    filling.step(); // the bytes are there
    cut(to).runTo();
    expect(cached(5)).toBe(L.MISS);
    expect(() => filling.runTo()).toThrow('page index 5');
    expectQuiet();
    run(cutter, extending(cutter, 6, 0x77, 7 * PAGE));
    expect(bytesOf(5)).toEqual(new Uint8Array(PAGE));
    expectSynced();
  });

  // Found by the explorer: the cut had found the fill, and had not marked it yet, when it ended with nothing but zeros.
  test('and is read when the system has cut it off already: it never comes as zeros', () => {
    const filling = task(user, acquire(user, file, 5, 'read')).runTo('read');
    const cutting = cut(2 * PAGE).runTo('resize');
    cutting.step();
    filling.step();
    filling.step();
    expectWaiting(filling);
    cutting.runTo();
    expect(() => filling.runTo()).toThrow('page index 5');
    expectQuiet();
    expectSynced();
  });

  test('and is read beside a cut that the system refuses: it is whole', () => {
    const filling = task(user, acquire(user, file, 5, 'read')).runTo('read');
    disk.failNextResizes = 1;
    const cutting = cut(2 * PAGE).runTo('resize');
    filling.step();
    cutting.step();
    expect(() => cutting.runTo()).toThrow();
    user.control.unpin(filling.runTo().value, 0);
    expect(bytesOf(5)).toEqual(new Uint8Array(PAGE).fill(6));
    expectSynced();
  });

  test('and is cut off, for a write that extends the file: it gets zeros', () => {
    const filling = task(user, extending(user, 5, 0x55, 6 * PAGE)).runTo('read');
    filling.step();
    cut(PAGE).runTo();
    expect(filling.runTo().value).toBe(1);
    expect(size()).toBe(6 * PAGE);
    expect(bytesOf(4)).toEqual(new Uint8Array(PAGE));
    expect(bytesOf(5)).toEqual(new Uint8Array(PAGE).fill(0x55));
    expectSynced();
  });

  test('and fails to be read: the frame is free', () => {
    const filling = task(user, acquire(user, file, 5, 'read')).runTo('read');
    const frame = cached(5);
    cut(PAGE).runTo();
    expect(stateOf(frame) & L.ORPHAN).toBe(L.ORPHAN);
    user.control.abandonClaim();
    expect(stateOf(frame)).toBe(0);
    expect(filling.done).toBe(false);
    expectQuiet();
  });

  test('beyond a published size waits for the end of the cut, which may be refused', () => {
    const cutting = cut(2 * PAGE).runTo('resize');
    const filling = task(user, acquire(user, file, 5, 'read'));
    expectWaiting(filling);
    disk.failNextResizes = 1;
    expect(() => cutting.runTo()).toThrow('could not be cut');
    const slot = filling.runTo().value;
    expect(user.bytes.of(user.kernel.frameOfPin(slot))[7]).toBe(6);
    user.control.unpin(slot, 0);
    expect(size()).toBe(PAGES * PAGE);
    expectSynced();
  });
});

describe('a write that extends the file', () => {
  test('and began before the size was published is refused while the cut is under way, and done again', () => {
    const late = task(user, extending(user, 9, 0x77, 10 * PAGE)).runTo('wait');
    const cutting = cut(2 * PAGE).runTo('resize');
    expect(late.runTo().value).toBe(0);
    expect(size()).toBe(2 * PAGE);
    cutting.runTo();
    expect(size()).toBe(2 * PAGE);
    expect(run(user, extending(user, 9, 0x77, 10 * PAGE))).toBe(1);
    expect(size()).toBe(10 * PAGE);
    expect(bytesOf(9)[0]).toBe(0x77);
    expect(bytesOf(6)).toEqual(new Uint8Array(PAGE));
    expectSynced();
  });

  test('and began before the size was published is refused when the cut is done: its page is no more', () => {
    const late = task(user, extending(user, 7, 0x77, 8 * PAGE)).runTo('wait');
    const frame = cached(7);
    cut(2 * PAGE).runTo();
    expect(stateOf(frame) & L.ORPHAN).toBe(L.ORPHAN);
    expect(late.runTo().value).toBe(0);
    expect(stateOf(frame)).toBe(0);
    expect(size()).toBe(2 * PAGE);
    expectSynced();
  });

  test('and began while the cut was under way is refused as well', () => {
    const cutting = cut(2 * PAGE).runTo('resize');
    const beside = task(user, extending(user, 1, 0x77, 3 * PAGE)).runTo('wait');
    expect(beside.runTo().value).toBe(0);
    cutting.runTo();
    expect(bytesOf(1)[0]).toBe(2);
    expectSynced();
  });

  test('to no more than the new size goes through, beside the cut', () => {
    const cutting = cut(2 * PAGE).runTo('resize');
    expect(run(user, extending(user, 0, 0x70, PAGE))).toBe(1);
    cutting.runTo();
    expect(bytesOf(0)[0]).toBe(0x70);
    expectSynced();
  });

  test('in the new last page waits until that is zeroed behind the end', () => {
    store(2, 0xee, user, 100); // beyond the end, in a moment
    const cutting = cut(2 * PAGE + 50).runTo('resize');
    const beside = task(user, beginUpdate(user, file, 2, 10_000));
    expectWaiting(beside);
    cutting.runTo();
    const level = beside.runTo().value;
    const bytes = user.bytes.of(user.kernel.frameOfUpdate(level));
    expect([bytes[49], bytes[50], bytes[100]]).toEqual([3, 0, 0]);
    user.control.updateAbort();
    expectSynced();
  });

  test('a page of it is in the cache, its size is not yet raised: nobody may store into it, and fsync says yes', () => {
    const late = task(user, extending(user, 9, 0x99, 10 * PAGE)).runTo('wait');
    expect(cached(9)).toBeGreaterThanOrEqual(0);
    expect(() => store(9, 0x98, flusher)).toThrow(/the file ends before it/);
    expect(fsync(cutter).runTo().value[0]).toBe(0);
    expect(disk.length).toBe(PAGES * PAGE);
    expect(late.runTo().value).toBe(1);
    expectSynced();
    expect(bytesOf(9)[1]).toBe(0x99);
  });
});

describe('an fsync', () => {
  test('that comes while a cut is under way waits for its end', () => {
    store(6, 0x66);
    store(1, 0x11);
    const cutting = cut(2 * PAGE).runTo('resize');
    const syncing = fsync();
    expectWaiting(syncing);
    cutting.runTo();
    expect(syncing.runTo().value).toEqual([0, 1, 0, 1]);
    expect(disk.stable.get(1)?.[0]).toBe(0x11);
    expectSynced();
  });

  test.each([1, 40])(
    'under which %i cuts begin that are refused: all that it had passed over is written',
    (cuts) => {
      store(1, 0x11);
      store(6, 0x66);
      const areas: number[] = [];
      const claimAreas = () => {
        for (let area = 0; area >= 0; area = flusher.control.claimStaging(0)) areas.push(area);
      };
      claimAreas();
      const syncing = fsync();
      for (let n = 0; n < cuts; n++) {
        // The leader stands between its look at the cut and its first write: it wants a staging area.
        syncing.runTo('wait');
        const cutting = cut(2 * PAGE).runTo('resize');
        for (const area of areas.splice(0)) flusher.control.releaseStaging(area);
        for (let k = 0; k < 10; k++) syncing.step();
        expect(disk.stable.get(6)).toBeUndefined();
        expect(syncing.done).toBe(false);
        claimAreas();
        disk.failNextResizes = 1;
        expect(() => cutting.runTo()).toThrow('could not be cut');
        store(1, 0x11);
        for (let k = 0; k < 10; k++) syncing.step();
      }
      for (const area of areas) flusher.control.releaseStaging(area);
      expect(syncing.runTo().value[0]).toBe(0);
      expect([disk.stable.get(1)?.[0], disk.stable.get(6)?.[0]]).toEqual([0x11, 0x66]);
      expectSynced();
    },
  );

  test('of nothing but a cut flushes', () => {
    expect(fsync().runTo().value[0]).toBe(0);
    const before = fsync().runTo().value;
    expect(before).toEqual([0, 0, 0, 0]);
    cut(3 * PAGE).runTo();
    expect(fsync().runTo().value).toEqual([0, 0, 0, 1]);
  });
});

describe('two truncates', () => {
  test('of one file come one after the other', () => {
    const first = cut(5 * PAGE).runTo('resize');
    const second = cut(2 * PAGE, flusher);
    expectWaiting(second);
    expect(size()).toBe(5 * PAGE);
    first.runTo();
    second.runTo();
    expect([size(), disk.length]).toEqual([2 * PAGE, 2 * PAGE]);
    expectSynced();
  });

  test('of which the first goes further: the second does nothing', () => {
    const first = cut(2 * PAGE).runTo('resize');
    const second = cut(5 * PAGE + 9, flusher);
    expectWaiting(second);
    first.runTo();
    second.runTo();
    expect([size(), disk.length]).toEqual([2 * PAGE, 2 * PAGE]);
    expectSynced();
  });

  test('of which the first is refused: the second cuts', () => {
    store(3, 0x33);
    const first = cut(2 * PAGE).runTo('resize');
    const second = cut(5 * PAGE + 9, flusher);
    expectWaiting(second);
    disk.failNextResizes = 1;
    expect(() => first.runTo()).toThrow('could not be cut');
    second.runTo();
    expect([size(), disk.length]).toEqual([5 * PAGE + 9, 5 * PAGE + 9]);
    expect(bytesOf(3)[0]).toBe(0x33);
    expectSynced();
  });
});

describe('an update of the new last page that lasts', () => {
  test('is waited for with no lock held: its thread may cut the file itself', () => {
    const level = run(user, beginUpdate(user, file, 3, 10_000));
    expect(level).toBe(0);
    const waiting = cut(3 * PAGE + 5);
    expectWaiting(waiting);
    expect(user.kernel.fileWord(file, L.FILE_CUT_LOCK)).toBe(0);
    cut(4 * PAGE, user).runTo();
    expect(size()).toBe(4 * PAGE);
    user.control.updateAbort();
    waiting.runTo();
    expect(size()).toBe(3 * PAGE + 5);
    expectSynced();
  });

  test('ends the wait by an error that says so', () => {
    run(user, beginUpdate(user, file, 3, 10_000));
    const code = { code: 'ERR_PINFOLD_UPDATE_TIMEOUT' };
    expect(() => cut(3 * PAGE + 5, cutter, 0).runTo()).toThrow(expect.objectContaining(code));
    expect(size()).toBe(PAGES * PAGE);
    user.control.updateAbort();
    cut(3 * PAGE + 5).runTo();
    expectSynced();
  });
});

test('a refused cut leaves every byte, those of the page that it would have cut in two as well', () => {
  store(2, 0x22, user, PAGE - 1);
  store(6, 0x66);
  disk.failNextResizes = 1;
  expect(() => cut(2 * PAGE + 1).runTo()).toThrow(expect.objectContaining({ code: 'ERR_PINFOLD_IO' }));
  expect(bytesOf(2)[PAGE - 2]).toBe(3);
  expect(bytesOf(2)[PAGE - 1]).toBe(0x22);
  expectSynced();
  expect(disk.stable.get(6)?.[0]).toBe(0x66);
  expect(EIO).toBe(5);
});

describe('orphans', () => {
  test.each(['read', 'write'] as const)('pinned to %s are free at the last unpin, not before', (mode) => {
    const first = run(user, acquire(user, file, 5, mode));
    const second = run(flusher, acquire(flusher, file, 5, 'read'));
    const frame = user.kernel.frameOfPin(first);
    cut(PAGE).runTo();
    user.control.unpin(first, 1);
    expect(stateOf(frame) & (L.ORPHAN | L.DIRTY)).toBe(L.ORPHAN);
    flusher.control.unpin(second, 0);
    expect(stateOf(frame)).toBe(0);
    expect(user.kernel.fileWord(file, L.FILE_RESIDENT)).toBe(0);
    expectSynced();
  });

  test('are not to be had: neither by a write pin nor by an update of who has looked them up before', () => {
    const slot = run(user, acquire(user, file, 5, 'read'));
    cut(PAGE).runTo();
    expect(user.control.makeWritePin(slot)).toBe(L.GONE);
    expect(user.control.updateBegin(slot)).toBe(L.GONE);
    expect(user.control.pin(file, 5)).toBe(L.MISS);
    expect(user.control.viewOpen(file, 5)).toBe(L.MISS);
    user.control.unpin(slot, 0);
    expectSynced();
  });

  test('a view over the cut does not count', () => {
    install(user, file, 5);
    expect(user.control.viewOpen(file, 5)).toBe(cached(5));
    const slot = run(flusher, acquire(flusher, file, 5, 'read'));
    cut(PAGE).runTo();
    expect(user.control.viewClose()).toBe(0);
    flusher.control.unpin(slot, 0);
    expectSynced();
  });

  test('are not dirty after a writeback that gave them back, or an update that ended: while others have them pinned', () => {
    store(5, 0x55);
    store(6, 0x66);
    const pins = [5, 6].map((index) => run(user, acquire(user, file, index, 'read')));
    const [given, updated] = pins.map((slot) => user.kernel.frameOfPin(slot)) as [FrameId, FrameId];
    const late = task(cutter, extending(cutter, 6, 0x77, 0)).runTo('wait');
    flusher.control.startWriteback(given, file, 0, 0);
    const cutting = cut(PAGE, flusher);
    expectWaiting(cutting);
    flusher.control.giveBack(0);
    cutting.runTo('resize');
    flusher.control.startWriteback(given, file, 0, 0);
    cutting.runTo();
    flusher.control.giveBack(0);
    expect(late.runTo().value).toBe(1);
    for (const frame of [given, updated]) expect(stateOf(frame) & (L.ORPHAN | L.DIRTY)).toBe(L.ORPHAN);
    expect(user.control.cleanable()).toBe(0);
    expect(fsync().runTo().value.slice(0, 2)).toEqual([0, 0]);
    for (const slot of pins) user.control.unpin(slot, 0);
    expectSynced();
  });

  test('are left alone by a failed flush', () => {
    store(5, 0x55);
    const slot = run(user, acquire(user, file, 5, 'read'));
    run(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1));
    cut(PAGE).runTo();
    disk.failNextFlushes = 1;
    expect(fsync().runTo().value[0]).toBe(EIO);
    expect(stateOf(user.kernel.frameOfPin(slot)) & L.DIRTY).toBe(0);
    user.control.unpin(slot, 0);
    expectSynced();
  });

  test('a sweep frees one whose last holder could not', () => {
    const slot = run(user, acquire(user, file, 5, 'read'));
    const frame = user.kernel.frameOfPin(slot);
    cut(PAGE).runTo();
    // It died between its CAS and what follows it.
    Atomics.sub(memory.words, (user.kernel.frameAt(frame) + L.FRAME_STATE) >> 2, L.READ_ONE);
    flusher.control.freeOrphans();
    expect(stateOf(frame)).toBe(0);
  });
});
