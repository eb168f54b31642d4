// Pins in the state word: exact counts, the journal in the row, and what they keep from happening.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId, PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { install, Memory, scan, type Thread, writeBackFrame } from './pool.ts';

let memory: Memory;
let thread: Thread;
let file: FileId;
let frame: FrameId;

function setUp(pinnedDirty: 'keep' | 'redirty') {
  memory = new Memory({ memory: 256 * 1024, pinnedDirty, maxPinsPerThread: 4096 }, { withPages: false });
  thread = memory.thread();
  file = memory.file(2 ** 30);
  frame = install(thread, file, 3) as FrameId;
}

const state = () => thread.kernel.frameWord(frame, L.FRAME_STATE);
const gauge = (of: Thread, field: number) => of.kernel.rowWord(of.kernel.owner, field);

function pinWrite(of: Thread): PinSlot {
  const slot = of.control.pin(file, 3);
  expect(of.control.makeWritePin(slot)).toBe(0);
  return slot;
}

beforeEach(() => setUp('redirty'));

describe('pin counters', () => {
  test('4,095 read pins, and not one more: the write count beside them is untouched', () => {
    const write = pinWrite(thread);
    const slots = Array.from({ length: 4095 }, () => thread.control.pin(file, 3));
    expect(new Set(slots).size).toBe(4095);
    expect(state() >>> 20).toBe(4095);
    expect(memory.thread().control.pin(file, 3)).toBe(L.PIN_COUNT_FULL);
    expect((state() & L.WRITE_MASK) >>> 10).toBe(1);
    thread.control.unpin(write, 0);
    for (const slot of slots) expect(thread.control.unpin(slot, 0)).toBe(0);
    expect(state() & L.PIN_MASK).toBe(0);
    expect(thread.control.pin(file, 3)).toBeGreaterThanOrEqual(0);
  });

  test('1,023 write pins, and not one more: the read pin stays one', () => {
    const slots = Array.from({ length: 1023 }, () => pinWrite(thread));
    const read = thread.control.pin(file, 3);
    expect(thread.control.makeWritePin(read)).toBe(L.PIN_COUNT_FULL);
    expect((state() & L.WRITE_MASK) >>> 10).toBe(1023);
    expect(state() >>> 20).toBe(1);
    thread.control.unpin(read, 0);
    for (const slot of slots) thread.control.unpin(slot, 1);
    expect(state() & L.PIN_MASK).toBe(0);
    expect(state() & L.DIRTY).toBe(L.DIRTY);
  });

  test('every slot of the row, then none; a slot given back is taken again; twice is told', () => {
    const slots = Array.from({ length: 4095 }, () => thread.control.pin(file, 3));
    install(thread, file, 4);
    slots.push(thread.control.pin(file, 4));
    expect(thread.control.pin(file, 4)).toBe(L.NO_PIN_SLOT);
    expect(thread.control.unpin(slots[100]!, 0)).toBe(0);
    expect(thread.control.unpin(slots[100]!, 0)).toBe(L.NOT_PINNED);
    expect(thread.control.pin(file, 4)).toBe(slots[100]);
    expect([...thread.kernel.pinsOf(thread.kernel.owner)].length).toBe(4096);
    for (const slot of slots) thread.control.unpin(slot, 0);
    expect([...thread.kernel.pinsOf(thread.kernel.owner)]).toEqual([]);
    expect(state() & L.PIN_MASK).toBe(0);
  });

  test('a pin of either mode keeps the frame: no sweep takes it', () => {
    for (const mode of ['read', 'write'] as const) {
      const slot = thread.control.pin(file, 3);
      if (mode === 'write') thread.control.makeWritePin(slot);
      for (let n = 0; n < 3 * memory.geometry.frames; n++) install(thread, file, 100 + n);
      expect(thread.control.lookup(file, 3)).toBe(frame);
      expect(thread.control.evict(frame)).toBe(0);
      thread.control.unpin(slot, 0);
    }
  });
});

describe('write pins and dirty', () => {
  test("'keep': dirty from the pin on, through every bounce; the gauges follow", () => {
    setUp('keep');
    const other = memory.thread();
    const slot = pinWrite(thread);
    expect(state() & L.DIRTY).toBe(L.DIRTY);
    expect(gauge(thread, L.GAUGE_PINNED_DIRTY)).toBe(1);
    expect(writeBackFrame(other, file, frame)).toBe(1);
    expect(state() & (L.DIRTY | L.WRITEBACK)).toBe(L.DIRTY);
    expect(scan(other, file)).toEqual([frame]);
    thread.control.unpin(slot, 0);
    expect(state() & L.DIRTY).toBe(L.DIRTY);
    expect(gauge(thread, L.GAUGE_PINNED_DIRTY) + gauge(other, L.GAUGE_PINNED_DIRTY)).toBe(0);
    expect(writeBackFrame(other, file, frame)).toBe(0);
    expect(state() & L.DIRTY).toBe(0);
    expect(gauge(thread, L.GAUGE_DIRTY) + gauge(other, L.GAUGE_DIRTY)).toBe(0);
  });

  test("'redirty': clean until the unpin; a bounce cleans, the unpin dirties again", () => {
    const other = memory.thread();
    const [first, second] = [pinWrite(thread), pinWrite(other)];
    expect(state() & L.DIRTY).toBe(0);
    expect(other.control.startWriteback(frame, file, 0, 0)).toBe(L.CLEAN);
    thread.control.unpin(first, 1);
    expect(state() & L.DIRTY).toBe(L.DIRTY);
    expect(gauge(thread, L.GAUGE_PINNED_DIRTY)).toBe(1); // the other one's pin is live
    expect(other.control.startWriteback(frame, file, 0, 1)).toBe(L.PINNED);
    expect(writeBackFrame(thread, file, frame)).toBe(1);
    expect(state() & L.DIRTY).toBe(0);
    expect(scan(thread, file)).toEqual([]);
    other.control.unpin(second, 1);
    expect(scan(thread, file)).toEqual([frame]);
    expect(gauge(thread, L.GAUGE_PINNED_DIRTY) + gauge(other, L.GAUGE_PINNED_DIRTY)).toBe(0);
    expect(gauge(thread, L.GAUGE_DIRTY) + gauge(other, L.GAUGE_DIRTY)).toBe(1);
  });

  test('a write pin that drops during a writeback dirties the page again, and its bit', () => {
    const slot = pinWrite(thread);
    const second = pinWrite(thread);
    thread.control.unpin(second, 1);
    const other = memory.thread();
    expect(other.control.startWriteback(frame, file, 0, 0)).toBe(1);
    expect(scan(thread, file)).toEqual([]);
    thread.control.unpin(slot, 1);
    expect(state() & (L.DIRTY | L.WRITEBACK)).toBe(L.DIRTY | L.WRITEBACK);
    expect(scan(thread, file)).toEqual([frame]);
    expect(thread.control.startWriteback(frame, file, 0, 0)).toBe(L.BUSY);
    expect(thread.kernel.out(0)).toBe(frame);
    other.control.endWriteback(0, 0);
    expect(scan(thread, file)).toEqual([frame]);
    expect(writeBackFrame(thread, file, frame)).toBe(0);
    expect(scan(thread, file)).toEqual([]);
  });

  test('an unpin wakes who waits for write pins, and moves the version before', () => {
    const slot = pinWrite(thread);
    const other = memory.thread();
    expect(other.control.prepareWait(frame, L.WRITE_MASK)).toBe(1);
    const seq = other.kernel.out(0);
    const version = thread.kernel.frameWord(frame, L.FRAME_VERSION);
    other.control.viewOpen(file, 3);
    thread.control.unpin(slot, 0);
    expect(other.control.viewClose()).toBe(0);
    expect(thread.kernel.frameWord(frame, L.FRAME_WAKE)).toBe(seq + 1);
    expect(thread.kernel.frameWord(frame, L.FRAME_VERSION)).toBe(version + 1);
    expect(state() & L.WAITERS).toBe(0);
  });
});

describe('views', () => {
  test('nest to a depth, close innermost first, and see a claim of their frame', () => {
    for (let n = 0; n < L.VIEW_DEPTH; n++) expect(thread.control.viewOpen(file, 3)).toBe(frame);
    expect(thread.control.viewOpen(file, 3)).toBe(L.TOO_DEEP);
    for (let n = 0; n < L.VIEW_DEPTH; n++) expect(thread.control.viewClose()).toBe(1);
    thread.control.viewOpen(file, 3);
    const other = memory.thread();
    expect(other.control.evict(frame)).toBe(1);
    expect(thread.control.viewClose()).toBe(0);
    // The frame gets its page back: still not what the view saw.
    install(thread, file, 3);
    const again = thread.control.viewOpen(file, 3);
    for (let n = 0; n < 5; n++) other.control.evict(again as FrameId);
    for (let n = 0; n < memory.geometry.frames && other.control.lookup(file, 3) < 0; n++)
      install(other, file, 3);
    expect(thread.control.viewClose()).toBe(0);
  });
});
