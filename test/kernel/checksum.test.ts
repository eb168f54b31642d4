// Files with checksums between the steps of protocols: what the store has at each moment is what a process finds that opens
// the file after this one was killed, so each page of it must be good and nothing of what was synced may be missing.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { Patience, type Protocol } from '../../src/protocol/effects.ts';
import { acquire, bringIn } from '../../src/protocol/fill.ts';
import { fsyncRound } from '../../src/protocol/fsync.ts';
import { recover } from '../../src/protocol/recovery.ts';
import { truncateByService } from '../../src/protocol/truncate.ts';
import { isEndGood, prepareUpdate } from '../../src/protocol/update.ts';
import { dirtyPages, writeBack } from '../../src/protocol/writeback.ts';
import { contentIn, PAGE, PAYLOAD, sealed } from '../support/checksum.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { Memory, type Thread } from './pool.ts';

const PAGES = 6;
const SIZE = (PAGES - 1) * PAYLOAD + 200;
const content = Buffer.from(
  Uint8Array.from({ length: SIZE }, (_, n) => (n * 7 + Math.floor(n / PAYLOAD)) % 251),
);

let memory: Memory;
let disk: Disk;
let file: FileId;
let user: Thread;
let flusher: Thread;
let cutter: Thread;

/** A pool, its threads and a file with that content on a disk. */
function begin(): void {
  memory = new Memory({ memory: 256 * 1024, pinnedDirty: 'redirty' });
  disk = new Disk(PAGE);
  file = memory.file(SIZE, L.FLAG_CHECKSUM);
  [user, flusher, cutter] = [memory.thread(), memory.thread(), memory.thread()];
  for (let index = 0; index < PAGES; index++) {
    disk.write(sealed(index, content.subarray(index * PAYLOAD, (index + 1) * PAYLOAD)), index * PAGE);
  }
}

beforeEach(begin);

const task = <T>(thread: Thread, protocol: Protocol<T>) => new Task(thread, disk, inPlace(protocol));
const cut = (size: number) => task(cutter, truncateByService(cutter, file, size, 'a file', 10_000));
const fsync = () => task(user, fsyncRound(user, file));
const flusherPass = () => task(flusher, writeBack(flusher, file, dirtyPages(flusher, file), 'skip', 1));

/** The file as a process finds it that opens it now. */
function found(): Buffer {
  const stored = Buffer.alloc(disk.length);
  disk.read(stored, 0);
  return contentIn(stored);
}

/** A byte stored into a page that keeps its value: the page is dirty. */
function touch(index: number): void {
  const slot = task(user, acquire(user, file, index, 'write')).runTo().value;
  user.control.unpin(slot, 1);
}

function expectSynced(size: number): void {
  expect(fsync().runTo().value[0]).toBe(0);
  expect(user.kernel.size(file)).toBe(size);
  expect(disk.length).toBe(Math.ceil(size / PAYLOAD) * PAGE);
  expect(found().equals(content.subarray(0, size))).toBe(true);
}

const ENDS = [2 * PAYLOAD + 10, 3 * PAYLOAD, PAYLOAD - 1, 5 * PAYLOAD + 100, 0];

describe.each(ENDS)('a truncate to %i', (size) => {
  const rounded = Math.ceil(size / PAYLOAD) * PAYLOAD;

  /** What may be found while it is under way: a file that has lost nothing within its new end. */
  function expectSomething(): void {
    const there = found();
    expect([SIZE, rounded, size]).toContain(there.length);
    expect(there.equals(content.subarray(0, there.length))).toBe(true);
  }

  test.each([false, true])('can be interrupted at each step (refused by the system: %s)', (refused) => {
    // How many steps it has, with a flusher's pass after the first, the second, …
    for (let at = 0; ; at++) {
      for (let index = 0; index < PAGES; index++) touch(index);
      const cutting = cut(size);
      disk.failNextResizes = refused ? 1 : 0;
      let ended = false;
      const step = () => {
        try {
          cutting.step();
        } catch (error) {
          expect(error).toHaveProperty('code', 'ERR_PINFOLD_IO');
          ended = true;
        }
      };
      for (let n = 0; n < at && !cutting.done && !ended; n++) {
        step();
        expectSomething();
      }
      const late = cutting.done || ended;
      flusherPass().runTo();
      expectSomething();
      while (!cutting.done && !ended) {
        step();
        expectSomething();
      }
      expectSynced(refused ? SIZE : size);
      if (late) return;
      begin();
    }
  });

  test('waits for a writeback that had begun with the old end', () => {
    touch(Math.floor(size / PAYLOAD)); // the page of the new end, or the first that goes
    const late = flusherPass().runTo('write');
    const cutting = cut(size);
    for (let n = 0; n < 30 && cutting.effect !== 'resize'; n++) cutting.step();
    expect(cutting.effect).toBe('wait');
    late.runTo();
    expectSomething();
    cutting.runTo();
    expectSynced(size);
  });
});

test('a fill that reads half of a page which a truncate drops is no page that was changed', () => {
  const fill = task(user, bringIn(user, file, 4)).runTo('read');
  const { read } = disk;
  // The system had given half of the page when the file was cut.
  disk.read = function half(bytes, position) {
    const n = read.call(this, bytes, position);
    bytes.fill(0, PAGE / 2);
    disk.read = read;
    cut(PAYLOAD).runTo();
    return n;
  };
  fill.runTo();
  expect(user.control.lookup(file, 4)).toBe(L.MISS);
  expect(() => task(user, acquire(user, file, 4, 'read')).runTo()).toThrow(
    expect.objectContaining({ code: 'ERR_PINFOLD_RANGE' }),
  );
  expectSynced(PAYLOAD);
});

test('without a truncate it is', () => {
  disk.write(sealed(4, Buffer.from('torn')).fill(0, 2, 3), 4 * PAGE);
  const fill = task(user, bringIn(user, file, 4));
  expect(() => fill.runTo()).toThrow(expect.objectContaining({ code: 'ERR_PINFOLD_CHECKSUM', page: 4 }));
  expect(user.kernel.rowWord(user.kernel.owner, L.ROW_CLAIM)).toBe(0);
  expect(user.control.lookup(file, 4)).toBe(L.MISS);
});

describe('before pages are put behind a torn end', () => {
  const REFUSED = expect.objectContaining({ code: 'ERR_PINFOLD_CHECKSUM', page: PAGES - 1 });
  const look = (index: number) => task(user, isEndGood(user, file, index, new Patience(user, 'a truncate')));

  beforeEach(() => {
    file = memory.file(PAGES * PAYLOAD, L.FLAG_CHECKSUM | L.FLAG_TORN);
    disk.resize(PAGES * PAGE - 512);
  });

  test('it is looked at, but for pages of the file', () => {
    for (const index of [PAGES, PAGES + 7]) expect(() => look(index).runTo()).toThrow(REFUSED);
    for (const index of [0, PAGES - 1]) expect(look(index).runTo().value).toBe(false);
    cut((PAGES - 1) * PAYLOAD).runTo();
    for (const index of [PAGES - 1, PAGES]) expect(look(index).runTo().value).toBe(true);
    cut(0).runTo();
    expect(look(0).runTo().value).toBe(true);
  });

  test('a truncate under way is waited for: done, the end is good; refused, it is not', () => {
    for (const refused of [true, false]) {
      disk.failNextResizes = refused ? 1 : 0;
      const cutting = cut(2 * PAYLOAD).runTo('resize');
      const looking = look(PAGES);
      expect([looking.effect, looking.asleep]).toEqual(['wait', true]);
      if (refused) expect(() => cutting.runTo()).toThrow(expect.objectContaining({ code: 'ERR_PINFOLD_IO' }));
      else cutting.runTo();
      if (refused) expect(() => looking.runTo()).toThrow(REFUSED);
      else expect(looking.runTo().value).toBe(true);
    }
    expectSynced(2 * PAYLOAD);
  });

  test('a truncate that comes while it is read is what counts', () => {
    const looking = look(PAGES).runTo('read');
    cut(2 * PAYLOAD).runTo();
    expect(looking.runTo().value).toBe(true);
  });
});

test('the pages that a dead thread brought in past the end go, those just before it stay', () => {
  // So far that the pages before the end are more, of whole pages, than the file has bytes.
  const pages = PAGE / 8 + 20;
  const long = memory.file(pages * PAYLOAD, L.FLAG_CHECKSUM);
  const dead = memory.thread();
  dead.references.retain(long);
  const bring = (index: number) => task(dead, bringIn(dead, long, index, true)).runTo();
  for (const index of [pages - 1, pages, pages + 1]) bring(index);
  const { owner } = dead.kernel;
  const status = dead.kernel.rowWord(owner, L.ROW_STATUS);
  expect(user.control.declareDead(owner, status)).toBe(1);
  expect(user.control.recoverBegin(owner, dead.kernel.rowWord(owner, L.ROW_STATUS), 0)).toBe(1);
  expect(task(user, recover(user, owner)).runTo().value).toBe(true);
  expect([pages - 1, pages, pages + 1].map((index) => user.control.lookup(long, index) >= 0)).toEqual([
    true,
    false,
    false,
  ]);
});

test('a page whose end moves while it is written is dirty, and has the later end in time', () => {
  touch(PAGES - 1);
  const frame = user.control.lookup(file, PAGES - 1);
  const late = flusherPass().runTo('write'); // sealed with the end as it was
  const more = SIZE + 300;
  const slot = task(user, prepareUpdate(user, file, PAGES - 1, true)).runTo().value;
  expect(user.control.updateBegin(slot)).toBe(0);
  user.bytes.copyRange(frame, user.control.undoFrame(0), 0, PAYLOAD);
  user.control.updatePublish(PAYLOAD - 1, more, 0);
  user.bytes.of(frame).fill(0xee, SIZE % PAYLOAD, more % PAYLOAD);
  expect(user.control.updateCommit()).toBe(1);
  late.runTo();
  expect(found().equals(content)).toBe(true);
  expect(fsync().runTo().value[0]).toBe(0);
  expect(found().equals(Buffer.concat([content, Buffer.alloc(300, 0xee)]))).toBe(true);
});

test('a page that tells of an end from before tells of the new one after a truncate to its end', () => {
  const short = content.subarray(2 * PAYLOAD, 2 * PAYLOAD + 100);
  disk.write(sealed(2, short), 2 * PAGE);
  expect(cut(3 * PAYLOAD).runTo().done).toBe(true);
  expect(fsync().runTo().value[0]).toBe(0);
  const zeros = Buffer.alloc(PAYLOAD - 100);
  expect(found().equals(Buffer.concat([content.subarray(0, 2 * PAYLOAD + 100), zeros]))).toBe(true);
});
