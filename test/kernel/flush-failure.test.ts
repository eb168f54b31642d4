// What a failed flush costs: nothing. Two or three threads' protocols are interleaved by hand over a disk that forgets
// what a failed flush did not write.
import { describe, expect, test } from 'vitest';
import type { FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { acquire } from '../../src/protocol/fill.ts';
import { flush } from '../../src/protocol/flush.ts';
import { fsyncRound } from '../../src/protocol/fsync.ts';
import { dirtyPages, writeBack } from '../../src/protocol/writeback.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { Memory, type Thread } from './pool.ts';

const PAGE = 4096;

function setUp(pinnedDirty: 'keep' | 'redirty') {
  const memory = new Memory({ memory: 256 * 1024, pinnedDirty });
  const disk = new Disk(PAGE);
  const file = memory.file(64 * PAGE);
  const threads = [memory.thread(), memory.thread(), memory.thread()] as const;
  const run = <T>(thread: Thread, protocol: ReturnType<typeof inPlace<T>>) =>
    new Task(thread, disk, inPlace(protocol)).runTo().value;
  const task = <T>(thread: Thread, protocol: ReturnType<typeof inPlace<T>>) =>
    new Task(thread, disk, inPlace(protocol));
  const write = (thread: Thread, index: number, value: number) => {
    const slot = run(thread, acquire(thread, file, index, 'write'));
    thread.bytes.of(thread.kernel.frameOfPin(slot))[0] = value;
    thread.control.unpin(slot, 1);
  };
  return { memory, disk, file, threads, run, task, write };
}

describe.each(['keep', 'redirty'] as const)('%s', (pinnedDirty) => {
  test('a page whose writeback was under way when a flush failed is written by the next fsync', () => {
    const { disk, file, threads, run, task, write } = setUp(pinnedDirty);
    const [user, flusher, other] = threads;
    write(user, 1, 11);
    // A flusher has written the page and is about to say so.
    const late = task(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1)).runTo('write');
    late.step();
    expect(disk.current.get(1)?.[0]).toBe(11);
    // Another page's flush fails meanwhile: the disk has forgotten both.
    write(user, 2, 22);
    run(other, writeBack(other, file, dirtyPages(other, file), 'skip', 0));
    disk.failNextFlushes = 1;
    expect(run(other, flush(other, file))).toBe(5);
    // An fsync begins after that, comes to the end of the writeback, and must not say yes before page 1 is written anew.
    const fsync = task(user, fsyncRound(user, file));
    for (let n = 0; n < 20 && !fsync.done && !fsync.asleep; n++) fsync.step();
    late.runTo();
    const [errno] = fsync.runTo().value;
    if (errno === 0) expect([disk.stable.get(1)?.[0], disk.stable.get(2)?.[0]]).toEqual([11, 22]);
    expect(run(user, fsyncRound(user, file))[0]).toBe(0);
    expect([disk.stable.get(1)?.[0], disk.stable.get(2)?.[0]]).toEqual([11, 22]);
    expect(errno).toBe(0);
    expect(user.kernel.fileWord(file, L.FILE_FLUSH_LOCK)).toBe(0);
  });

  test('no round begins while a failed flush is making pages dirty again', () => {
    const { memory, disk, file, threads, run, task, write } = setUp(pinnedDirty);
    const [user, flusher, other] = threads;
    write(user, 1, 11);
    run(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1));
    // A sweep has the page claimed and has not looked yet whether it is stable.
    const at = (user.kernel.frameAt(user.control.lookup(file, 1)) + L.FRAME_STATE) >> 2;
    const state = Atomics.or(memory.words, at, L.CLAIMED);
    disk.failNextFlushes = 1;
    const failing = task(other, flush(other, file)).runTo('wait');
    expect(user.kernel.fileWord(file, L.FILE_FAIL_SEQ) & 1).toBe(1);
    const fsync = task(user, fsyncRound(user, file));
    for (let n = 0; n < 50; n++) fsync.step();
    expect(fsync.done).toBe(false);
    Atomics.store(memory.words, at, state);
    expect(failing.runTo().value).toBe(5);
    expect(fsync.runTo().value).toEqual([0, 1, 0, 1]);
    expect(disk.stable.get(1)?.[0]).toBe(11);
  });
});

describe('the last steps of a writeback', () => {
  const count = (memory: Memory, thread: Thread, frame: FrameId, by: number) =>
    Atomics.add(memory.words, (thread.kernel.frameAt(frame) + L.FRAME_WRITEBACKS) >> 2, by);

  test('its count has moved, it still holds the page: an fsync goes on waiting, and writes what came after its copy', () => {
    const { memory, disk, file, threads, task, write } = setUp('redirty');
    const [user, flusher] = threads;
    write(user, 1, 1);
    const late = task(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1)).runTo('write');
    late.step();
    write(user, 1, 2);
    const frame = user.control.lookup(file, 1);
    const fsync = task(user, fsyncRound(user, file)).runTo('wait');
    // The flusher is interrupted between the count and the CAS that drops WRITEBACK; the fsync's sleep is sliced.
    count(memory, user, frame, 1);
    for (let n = 0; n < 20; n++) fsync.step();
    expect(fsync.done).toBe(false);
    count(memory, user, frame, -1); // it counts for itself now
    late.runTo();
    expect(fsync.runTo().value[0]).toBe(0);
    expect(disk.stable.get(1)?.[0]).toBe(2);
  });

  test('it gives the page back, the bit is set and DIRTY is not yet: an fsync that begins just then writes it', () => {
    const { memory, disk, file, threads, task, write } = setUp('redirty');
    const [user, flusher] = threads;
    write(user, 1, 1);
    const frame = user.control.lookup(file, 1);
    expect(flusher.control.startWriteback(frame, file, 0, 0)).toBe(0);
    const word = (byte: number) => byte >> 2;
    const { words } = memory;
    Atomics.or(words, word(words[L.HEADER_AT_DIRTY >> 2]! + (frame >>> 5) * 4), 1 << (frame & 31));
    Atomics.add(words, word(user.kernel.fileAt(file) + L.FILE_WB_FAIL), 1);
    count(memory, user, frame, 1);
    const fsync = task(user, fsyncRound(user, file));
    for (let n = 0; n < 20; n++) fsync.step();
    expect(fsync.done).toBe(false);
    // The CAS that drops WRITEBACK and sets DIRTY, and what follows it.
    Atomics.and(words, word(user.kernel.frameAt(frame) + L.FRAME_STATE), ~(L.WRITEBACK | L.WAITERS));
    Atomics.or(words, word(user.kernel.frameAt(frame) + L.FRAME_STATE), L.DIRTY);
    Atomics.store(words, word(user.kernel.rowAt(flusher.kernel.owner) + L.ROW_WRITEBACKS), 0);
    expect(fsync.runTo().value[0]).toBe(0);
    expect(disk.stable.get(1)?.[0]).toBe(1);
  });
});
