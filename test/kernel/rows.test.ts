// Rows: who owns one, requests to service threads, staging and path areas; and the file rows' sizes and flush numbers.
import { beforeEach, describe, expect, test } from 'vitest';
import { type FileId, type FrameId, Kernel } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { dirty, flushNow, install, Memory, type Thread, writeBackFrame } from './pool.ts';

let memory: Memory;
let thread: Thread;
let service: Thread;
beforeEach(() => {
  memory = new Memory({ memory: 256 * 1024, maxThreads: 4 }, { withPages: false });
  thread = memory.thread();
  service = memory.thread();
});

const outs = (of: Thread, count: number) => Array.from({ length: count }, (_, n) => of.kernel.out(n));

describe('requests', () => {
  test('are taken once, by their class, answered, collected once', () => {
    const slot = thread.control.post(0, 2, 5, 6, 7);
    expect(service.control.take(1, 0)).toBe(0);
    expect(thread.control.collect(slot)).toBe(0);
    expect(service.control.take(0, 0)).toBe(1);
    expect(outs(service, 6)).toEqual([thread.kernel.owner, slot, 2, 5, 6, 7]);
    expect(service.control.take(0, 0)).toBe(0);
    expect(thread.control.collect(slot)).toBe(0);
    const wake = thread.kernel.rowWord(thread.kernel.owner, L.ROW_WAKE);
    service.control.answer(thread.kernel.owner, slot, -5, 11, 12, 13);
    expect(thread.kernel.rowWord(thread.kernel.owner, L.ROW_WAKE)).toBe(wake + 1);
    expect(thread.control.collect(slot)).toBe(1);
    expect(outs(thread, 4)).toEqual([-5, 11, 12, 13]);
    expect(thread.control.collect(slot)).toBe(0);
  });

  const ASKED = L.REQUESTS - L.AHEAD_REQUESTS;

  test('as many as there are slots; then none, until one is collected', () => {
    const bell = thread.kernel.load(L.HEADER_BELL_FILES);
    const slots = Array.from({ length: ASKED }, (_, n) => thread.control.post(1, 1, n, n, 0));
    expect(slots).toEqual(Array.from({ length: ASKED }, (_, n) => n));
    expect(thread.kernel.load(L.HEADER_BELL_FILES)).toBe(bell + ASKED);
    expect(thread.control.post(0, 1, 0, 0, 0)).toBe(-1);
    for (let n = 0; n < ASKED; n++) {
      expect(service.control.take(1, thread.kernel.owner)).toBe(1);
      const [owner, slot, , file] = outs(service, 4);
      expect(file).toBe(slot);
      service.control.answer(owner!, slot!, slot!, 0, 0, 0);
    }
    expect(thread.kernel.rowWord(thread.kernel.owner, L.ROW_PENDING_FILES)).toBe(0);
    expect(thread.control.collect(9)).toBe(1);
    expect(thread.control.post(0, 1, 0, 0, 0)).toBe(9);
    expect(service.control.take(1, 0)).toBe(0);
    expect(service.control.take(0, 0)).toBe(1);
  });

  test('no row starves: the next look begins behind the row that was served', () => {
    for (const each of [thread, service]) for (let n = 0; n < 3; n++) each.control.post(0, 1, n, 0, 0);
    const server = memory.thread();
    const served: number[] = [];
    for (
      let turn = 0;
      server.control.take(0, turn) === 1;
      turn = (served.at(-1)! + 1) % memory.geometry.rows
    ) {
      served.push(server.kernel.out(0));
    }
    const [a, b] = [thread.kernel.owner, service.kernel.owner];
    expect(served).toEqual([a, b, a, b, a, b]);
  });

  test("requests of an owner that left are nobody's: neither in their slots nor in their bits", () => {
    const { owner } = thread.kernel;
    const [left, running] = [thread.control.post(0, 2, 0, 0, 0), thread.control.post(0, 2, 0, 0, 0)];
    expect([left, running]).toEqual([0, 1]);
    thread.control.detach();
    const next = memory.thread();
    expect(next.kernel.owner).toBe(owner);
    // The next owner's request for the file worker, in the same slot, must not look like one for flushers.
    expect(next.control.post(1, 3, 0, 42, 0)).toBe(0);
    expect(service.control.take(0, 0)).toBe(0);
    expect(service.control.take(1, 0)).toBe(1);
    expect(outs(service, 5)).toEqual([owner, 0, 3, 0, 42]);
  });
});

describe('rows', () => {
  test('as many owners as rows, then none; one that leaves makes room, its counters stay', () => {
    const { serviceRows, rows } = memory.geometry;
    expect(rows - serviceRows).toBe(4);
    const others = [memory.thread(), memory.thread()];
    expect(() => memory.thread()).toThrow('no row');
    thread.control.bump(L.COUNT_FSYNCS);
    const status = thread.kernel.rowWord(thread.kernel.owner, L.ROW_STATUS);
    thread.control.detach();
    const next = memory.thread();
    expect(next.kernel.owner).toBe(thread.kernel.owner);
    expect(next.kernel.rowWord(next.kernel.owner, L.ROW_STATUS)).toBe(status + L.GENERATION_ONE); // another generation
    expect(next.kernel.rowWord(next.kernel.owner, L.COUNT_FSYNCS)).toBe(1);
    expect([...next.kernel.owners()]).toEqual([thread, service, ...others].map(({ kernel }) => kernel.owner));
  });

  test('a counter carries into its second word', () => {
    const at = (thread.kernel.rowAt(thread.kernel.owner) + L.COUNT_FSYNCS) >> 2;
    const read = () => new DataView(memory.words.buffer).getBigUint64(at * 4, true);
    new DataView(memory.words.buffer).setBigUint64(at * 4, 0xffff_ffffn, true);
    thread.control.bump(L.COUNT_FSYNCS);
    expect(read()).toBe(0x1_0000_0000n);
    thread.control.bump(L.COUNT_FSYNCS);
    expect(read()).toBe(0x1_0000_0001n);
  });

  test('staging: each area once, the first only for who may have it; path areas likewise', () => {
    const areas = memory.geometry.stagingAreas;
    const flusher = Array.from({ length: areas }, () => thread.control.claimStaging(1));
    expect(new Set(flusher)).toEqual(new Set([...Array.from({ length: areas - 1 }, (_, n) => n + 1), -1]));
    expect(service.control.claimStaging(0)).toBe(0);
    expect(service.control.claimStaging(0)).toBe(-1);
    const wake = thread.kernel.load(L.HEADER_STAGING_WAKE);
    service.control.releaseStaging(0);
    expect(thread.kernel.load(L.HEADER_STAGING_WAKE)).toBe(wake + 1);
    expect(thread.control.claimStaging(1)).toBe(-1);
    expect(thread.control.claimStaging(0)).toBe(0);
    const paths = Array.from({ length: L.PATH_AREAS + 1 }, () => thread.control.claimPath());
    expect(paths).toEqual([0, 1, 2, 3, 4, 5, 6, 7, -1]);
    thread.control.releasePath(5);
    expect(service.control.claimPath()).toBe(5);
  });

  test('a kernel over a memory with no free row says so and takes nothing', () => {
    for (const each of [memory.thread(), memory.thread()])
      expect(each.kernel.owner).toBeGreaterThanOrEqual(0);
    const kernel = new Kernel(memory.module, memory.control);
    expect(kernel.attach(0, 0, L.KIND_USER, { tid: 0, start: 0n }, 0)).toBe(false);
  });
});

describe('files', () => {
  test.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 12_345, 2 ** 44])(
    'a size of %d bytes is read back',
    (size) => {
      expect(thread.kernel.size(memory.file(size))).toBe(size);
    },
  );

  test('references: no row is retired with one, or with a page; none is retained once it is', () => {
    const file = memory.file(4096); // with a reference of the request that it was opened for
    const { control, kernel } = thread;
    expect(control.fileRetire(file)).toBe(0);
    install(thread, file, 0);
    expect(control.fileRetain(file)).toBe(1);
    expect([...kernel.filesOf(kernel.owner)]).toEqual([file]);
    expect(control.fileRelease(file, kernel.owner)).toBe(1);
    expect([...kernel.filesOf(kernel.owner)]).toEqual([]);
    Atomics.sub(memory.words, (kernel.fileAt(file) + L.FILE_REFS) >> 2, 1);
    expect(control.fileRetire(file)).toBe(0);
    expect(control.evict(control.lookup(file, 0))).toBe(1);
    expect(control.fileRetire(file)).toBe(1);
    expect(control.fileRetain(file)).toBe(0);
    expect(memory.file(1)).toBe(file); // and its row is used again
  });
});

describe('flush numbers', () => {
  const set = (file: FileId, field: number, value: number) =>
    Atomics.store(memory.words, (thread.kernel.fileAt(file) + field) >> 2, value);

  test.each([0, 2 ** 31 - 3, -3])(
    'cover, stable and unstable over the end of 32 bits (flush %d begun)',
    (begun) => {
      const file = memory.file(2 ** 30);
      set(file, L.FILE_BEGUN, begun);
      set(file, L.FILE_FLUSHED, begun);
      const frame = install(thread, file, 1) as FrameId;
      for (let n = 0; n < 8; n++) {
        dirty(thread, file, 1);
        expect(writeBackFrame(thread, file, frame)).toBe(0);
        const cover = thread.kernel.frameWord(frame, L.FRAME_COVER);
        expect(cover).not.toBe(0);
        expect([
          thread.control.countUnstable(),
          thread.control.needsFlush(file),
          thread.control.evict(frame),
        ]).toEqual([1, 1, 0]);
        const number = flushNow(thread, file);
        expect(number).toBe(cover);
        expect([thread.control.countUnstable(), thread.control.needsFlush(file)]).toEqual([0, 0]);
      }
      expect(thread.control.evict(frame)).toBe(1);
    },
  );

  test('a page written while a flush runs is not covered by it', () => {
    const file = memory.file(2 ** 30);
    const [first, second] = [install(thread, file, 1), install(thread, file, 2)] as [FrameId, FrameId];
    dirty(thread, file, 1);
    dirty(thread, file, 2);
    writeBackFrame(thread, file, first);
    expect(service.control.flushTry(file)).toBe(1);
    expect(thread.control.flushTry(file)).toBe(0);
    const number = service.control.flushBegin(file);
    const writes = service.kernel.out(0);
    writeBackFrame(thread, file, second);
    service.control.flushDone(file, number, writes);
    expect(thread.control.needsFlush(file)).toBe(1);
    expect([thread.control.evict(first), thread.control.evict(second)]).toEqual([1, 0]);
    flushNow(thread, file);
    expect(thread.control.evict(second)).toBe(1);
  });

  test.each([0, 2 ** 31 - 2, -2])(
    'a failed flush (failSeq %d) dirties what is unstable, and what ends after it',
    (failSeq) => {
      const file = memory.file(2 ** 30);
      set(file, L.FILE_FAIL_SEQ, failSeq);
      const frames = [0, 1, 2, 3].map((index) => install(thread, file, index) as FrameId);
      for (const index of [0, 1, 2]) dirty(thread, file, index);
      writeBackFrame(thread, file, frames[0]!); // unstable
      const pinned = thread.control.pin(file, 0);
      expect(thread.control.startWriteback(frames[1]!, file, 1, 0)).toBe(0); // begun before the failure, ends after it
      const seen = thread.kernel.fileWord(file, L.FILE_FAIL_SEQ);
      expect(service.control.flushTry(file)).toBe(1);
      service.control.flushBegin(file);
      service.control.flushFailing(file, 5);
      expect(thread.kernel.fileWord(file, L.FILE_FAIL_SEQ) & 1).toBe(1);
      expect(service.control.redirtyUnstable(file, 0)).toBe(-1); // through the read pin
      service.control.flushFailed(file, service.kernel.owner);
      expect(thread.kernel.fileWord(file, L.FILE_FAIL_SEQ)).toBe((failSeq + 2) | 0);
      const failures = thread.kernel.fileWord(file, L.FILE_WB_FAIL);
      thread.control.endWriteback(1, seen);
      expect(thread.kernel.fileWord(file, L.FILE_WB_FAIL), 'a round that waited for it scans again').not.toBe(
        failures,
      );
      const isDirty = (frame: FrameId) => (thread.kernel.frameWord(frame, L.FRAME_STATE) & L.DIRTY) !== 0;
      expect(frames.map(isDirty)).toEqual([true, true, true, false]);
      thread.control.unpin(pinned, 0);
    },
  );

  test('the scan after a failed flush waits for a claimed page', () => {
    const file = memory.file(2 ** 30);
    const frame = install(thread, file, 0) as FrameId;
    dirty(thread, file, 0);
    writeBackFrame(thread, file, frame);
    // As a sweep does it between its CAS and its look at the flush numbers.
    const at = (thread.kernel.frameAt(frame) + L.FRAME_STATE) >> 2;
    const state = Atomics.or(memory.words, at, L.CLAIMED);
    service.control.flushTry(file);
    service.control.flushBegin(file);
    service.control.flushFailing(file, 5);
    expect(service.control.redirtyUnstable(file, 0)).toBe(frame >>> 5);
    expect(service.kernel.out(0)).toBe(frame);
    Atomics.store(memory.words, at, state);
    expect(service.control.redirtyUnstable(file, frame >>> 5)).toBe(-1);
    expect(thread.kernel.frameWord(frame, L.FRAME_STATE) & L.DIRTY).toBe(L.DIRTY);
    service.control.flushFailed(file, service.kernel.owner);
  });
});
