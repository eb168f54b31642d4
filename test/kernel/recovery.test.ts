// Who is dead, who may recover whom, and what looking around does about it.
import { beforeEach, describe, expect, test } from 'vitest';
import { Attachment } from '../../src/attachment.ts';
import { type FileId, Kernel, type OwnerId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { deadOwners, declareDead, osThread } from '../../src/liveness.ts';
import type { Store } from '../../src/store/store.ts';
import { Memory, SWEEP_ALL } from './pool.ts';

const nothing: Store = {
  read: () => 0,
  write: (_, bytes) => bytes.length,
  flush: () => 0,
  resize: () => 0,
  identity: () => undefined,
  syncDirectory: () => 0,
};
/** No system has a thread of this number. */
const NO_THREAD = { tid: 2 ** 30, start: 0n };
const LOOK_MS = 1000;

let memory: Memory;
let looker: Attachment;
beforeEach(() => {
  memory = new Memory({ memory: 256 * 1024, maxThreads: 8 });
  looker = new Attachment(memory.handle, nothing, 'user');
});

/** A row taken for a thread that the system knows, or not. */
function owner(identity: { tid: number; start: bigint }, thread = 7): Kernel {
  const kernel = new Kernel(memory.module, memory.control);
  const { serviceRows, rows } = memory.geometry;
  if (!kernel.attach(serviceRows, rows, L.KIND_USER, identity, thread)) throw new Error('no row is free');
  return kernel;
}

function setStatus(kernel: Kernel, status: number): void {
  const at = (kernel.rowAt(kernel.owner) + L.ROW_STATUS) >> 2;
  memory.words[at] = (memory.words[at]! & ~L.STATUS_MASK) | status;
}

const found = () => [...deadOwners(looker.kernel)].map((dead) => dead.owner as number);
const statusOf = (id: number) => looker.kernel.status(id);

describe('whether an owner is dead', () => {
  test.each([L.ROW_LIVE, L.ROW_STARTING, L.ROW_LEAVING])('status %i: by its thread', (status) => {
    const [alive, gone] = [owner(osThread()), owner(NO_THREAD)];
    for (const kernel of [alive, gone]) setStatus(kernel, status);
    expect(found()).toEqual([gone.owner]);
  });

  test('a thread with the same number that started at another time is another thread', () => {
    const { tid, start } = osThread();
    const earlier = owner({ tid, start: start - 1n });
    expect(found()).toEqual([earlier.owner]);
  });

  test('a thread that the system does not tell of lives until it is declared dead, or says that it leaves', () => {
    const unknown = { tid: 0, start: 0n };
    const [starting, live, leaving, dead] = [1, 2, 3, 4].map((n) => owner(unknown, n)) as [
      Kernel,
      Kernel,
      Kernel,
      Kernel,
    ];
    setStatus(starting, L.ROW_STARTING);
    leaving.control.leave();
    expect(found()).toEqual([leaving.owner]);
    expect(declareDead(looker.kernel, 4)).toBe(true);
    expect(found()).toEqual([leaving.owner, dead.owner]);
    expect(statusOf(live.owner)).toBe(L.ROW_LIVE);
  });

  test('a free row names no thread, whoever had it and however it became free', () => {
    const [left, died] = [owner(osThread(), 5), owner(NO_THREAD, 5)];
    left.control.detach();
    looker.look(LOOK_MS);
    for (const { owner: id } of [left, died]) {
      expect(statusOf(id)).toBe(L.ROW_FREE);
      expect(looker.kernel.rowWord(id, L.ROW_TID)).toBe(0);
      expect(looker.kernel.rowWord(id, L.ROW_THREAD)).toBe(-1);
    }
    expect(declareDead(looker.kernel, 5)).toBe(false);
    expect(declareDead(looker.kernel, -1)).toBe(false);
    expect(found()).toEqual([]);
  });

  test('declared dead are all rows of the thread that are not free or under recovery', () => {
    const kernels = [L.ROW_LIVE, L.ROW_STARTING, L.ROW_LEAVING, L.ROW_RECOVERING].map((status) => {
      const kernel = owner(osThread(), 9);
      setStatus(kernel, status);
      return kernel;
    });
    owner(osThread(), 8);
    expect(declareDead(looker.kernel, 9)).toBe(true);
    const [live, starting, leaving, recovering] = kernels.map((kernel) => statusOf(kernel.owner));
    expect([live, starting, leaving, recovering]).toEqual([
      L.ROW_DEAD,
      L.ROW_DEAD,
      L.ROW_DEAD,
      L.ROW_RECOVERING,
    ]);
  });
});

describe('a row under recovery', () => {
  /** A dead owner that `recoverer` has taken over. */
  function takenBy(recoverer: Kernel): OwnerId {
    const id = owner(NO_THREAD, 3).owner;
    const status = recoverer.rowWord(id, L.ROW_STATUS);
    expect(recoverer.control.recoverBegin(id, status, 0)).toBe(1);
    return id;
  }

  test('is left alone while its recoverer lives', () => {
    const recoverer = owner(osThread());
    const id = takenBy(recoverer);
    expect(found()).toEqual([]);
    looker.look(LOOK_MS);
    expect(statusOf(id)).toBe(L.ROW_RECOVERING);
    // Nor can it be had by one who saw it before.
    const status = looker.kernel.rowWord(id, L.ROW_STATUS);
    const seen = (status & ~L.STATUS_MASK) | L.ROW_LIVE;
    expect(looker.kernel.control.recoverBegin(id, seen, 0)).toBe(0);
    expect(looker.kernel.control.recoverBegin(id, status, 0)).toBe(0);
  });

  test('is taken over when its recoverer is dead, by one', () => {
    const recoverer = owner(osThread(), 4);
    const id = takenBy(recoverer);
    declareDead(looker.kernel, 4);
    const [first] = [...deadOwners(looker.kernel)].filter((dead) => dead.owner === id);
    const other = owner(osThread());
    expect(other.control.recoverBegin(id, first!.status, first!.recoverer)).toBe(1);
    expect(looker.kernel.control.recoverBegin(id, first!.status, first!.recoverer)).toBe(0);
  });

  test("a recoverer's row that another thread has by now counts for nothing", () => {
    const recoverer = owner(osThread());
    const id = takenBy(recoverer);
    recoverer.control.detach();
    expect(found()).toEqual([id]);
    const successor = owner(osThread());
    expect(successor.owner).toBe(recoverer.owner);
    expect(found()).toEqual([id]);
    looker.look(LOOK_MS);
    expect(statusOf(id)).toBe(L.ROW_FREE);
  });

  test('that was let go of is to be had by all', () => {
    const recoverer = owner(osThread());
    const id = takenBy(recoverer);
    recoverer.control.recoverPause(id);
    expect(found()).toEqual([id]);
  });
});

describe('looking around', () => {
  const noCreator = () => looker.kernel.control.beCreator();

  test('recovers the dead, and once in a while only', () => {
    noCreator();
    const first = owner(NO_THREAD).owner;
    looker.look(LOOK_MS);
    expect(statusOf(first)).toBe(L.ROW_FREE);
    const second = owner(NO_THREAD).owner;
    looker.look(2 ** 30);
    expect(statusOf(second)).toBe(L.ROW_LIVE);
    looker.look(0);
    expect(statusOf(second)).toBe(L.ROW_FREE);
  });

  test('finds the creator gone, and the cache with it', () => {
    const creator = owner(NO_THREAD);
    creator.control.beCreator();
    looker.look(LOOK_MS);
    expect(looker.kernel.load(L.HEADER_LIFE)).toBe(L.LIFE_GONE);
  });

  test("a recovery that fails is no caller's error, and left to the next look", () => {
    const file = memory.file(4096);
    const dead = owner(NO_THREAD);
    dead.control.fileRetain(file);
    const { control } = looker.kernel;
    const failing = {
      ...control,
      recoverPins: () => {
        throw new Error('it fails');
      },
    };
    Object.assign(looker.kernel, { control: failing });
    looker.look(0);
    expect(statusOf(dead.owner)).toBe(L.ROW_RECOVERING);
    expect(found()).toEqual([dead.owner]);
    Object.assign(looker.kernel, { control });
    looker.look(0);
    expect(statusOf(dead.owner)).toBe(L.ROW_FREE);
    expect(looker.kernel.fileWord(file, L.FILE_REFS)).toBe(1);
  });
});

describe('a page past the end of its file, brought in by a write that was to extend it', () => {
  const bringIn = (kernel: Kernel, file: FileId) => {
    kernel.control.fileRetain(file);
    kernel.control.reclaim(SWEEP_ALL, -1, 0);
    kernel.control.install(file, 3, 0);
    kernel.control.fillDone();
  };

  test('is gone with the writer, though nothing says that it was his', () => {
    const file = memory.file(4096);
    bringIn(owner(NO_THREAD), file);
    looker.look(0);
    expect(looker.kernel.control.lookup(file, 3)).toBe(L.MISS);
  });

  test('is gone if a recoverer died that was about to drop it', () => {
    const file = memory.file(4096);
    const writer = owner(osThread());
    bringIn(writer, file);
    const recoverer = owner(NO_THREAD);
    // What `evict` stores first.
    const frame = looker.kernel.control.lookup(file, 3);
    const word = (at: number) => at >> 2;
    Atomics.or(memory.words, word(looker.kernel.frameAt(frame) + L.FRAME_STATE), L.CLAIMED);
    const row = recoverer.rowAt(recoverer.owner);
    memory.words[word(row + L.ROW_CLAIM)] = frame + 1;
    memory.words[word(row + L.ROW_CLAIM_STAGE)] = L.STAGE_TAKEN;
    looker.look(0);
    expect(looker.kernel.control.lookup(file, 3)).toBe(L.MISS);
  });
});
