// Requests of threads that are gone, and of service threads that are: in each state that they can be left in.
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId, OwnerId } from '../../src/kernel/kernel.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { install, Memory, type Thread } from './pool.ts';

const FLUSHERS = 0;
const FILES = 1;
const FILL = 1;

let memory: Memory;
let asker: Thread;
let server: Kernel;
let file: FileId;

/** A service thread: in the rows that are kept for those. */
function service(kind: number): Kernel {
  const kernel = new Kernel(memory.module, memory.control);
  expect(kernel.attach(0, memory.geometry.serviceRows, kind, { tid: 0, start: 0n }, 50)).toBe(true);
  return kernel;
}

beforeEach(() => {
  memory = new Memory({ memory: 256 * 1024 }, { withPages: false });
  file = memory.file(4096);
  asker = memory.thread();
  server = service(L.KIND_FLUSHER);
});

const stateOf = (slot: number, owner = asker.kernel.owner) =>
  server.rowWord(owner, L.REQUEST_STATE + slot * L.REQUEST_BYTES);
const references = () => server.fileWord(file, L.FILE_REFS);

/** The owner's thread is gone; somebody recovers its requests: whether all are settled. */
function recover(owner: OwnerId, by: Kernel): number {
  const status = by.rowWord(owner, L.ROW_STATUS);
  expect(by.control.declareDead(owner, status)).toBe(1);
  const dead = by.rowWord(owner, L.ROW_STATUS);
  expect(by.control.recoverBegin(owner, dead, by.rowWord(owner, L.ROW_RECOVERER))).toBe(1);
  return by.control.recoverRequests(owner);
}

test('one that waits is forgotten with its thread', () => {
  const slot = asker.control.post(FLUSHERS, FILL, file, 0, 0);
  expect(server.control.anyEnding()).toBe(0);
  expect(recover(asker.kernel.owner, server)).toBe(1);
  expect(server.control.anyEnding()).toBe(1);
  expect(stateOf(slot)).toBe(L.REQUEST_FREE);
  expect(server.control.take(FLUSHERS, 0)).toBe(0);
});

test('one that is being served keeps the row until it is answered', () => {
  const slot = asker.control.post(FLUSHERS, FILL, file, 0, 0);
  expect(server.control.take(FLUSHERS, 0)).toBe(1);
  expect(recover(asker.kernel.owner, server)).toBe(0);
  server.control.answer(asker.kernel.owner, slot, 0, 0, 0, 0);
  expect(server.control.recoverRequests(asker.kernel.owner)).toBe(1);
  expect(stateOf(slot)).toBe(L.REQUEST_FREE);
});

test.each([0, 2])(
  'an answer that nobody hears (errno %i): the reference that it carries is dropped, with the path',
  (errno) => {
    const area = asker.control.claimPath();
    expect(area).toBeGreaterThanOrEqual(0);
    const slot = asker.control.post(FILES, L.OPEN_REQUEST, 0, area, 0);
    const worker = service(L.KIND_FILES);
    expect(worker.control.take(FILES, 0)).toBe(1);
    const before = references();
    if (errno === 0) expect(worker.control.fileRetainForRequest(file)).toBe(1);
    worker.control.answer(asker.kernel.owner, slot, errno, file, 0, 0);
    expect(references()).toBe(before + (errno === 0 ? 1 : 0));
    expect(recover(asker.kernel.owner, server)).toBe(1);
    expect(references()).toBe(before);
    expect(server.load(L.HEADER_PATHS + area * 4)).toBe(0);
  },
);

test('a dead service thread has its requests served anew, and drops what it had taken for them', () => {
  const worker = service(L.KIND_FILES);
  const area = asker.control.claimPath();
  const slots = [
    asker.control.post(FILES, L.OPEN_REQUEST, 0, area, 0),
    asker.control.post(FILES, FILL, file, 0, 0),
    asker.control.post(FLUSHERS, FILL, file, 0, 0),
  ];
  for (let n = 0; n < 2; n++) expect(worker.control.take(FILES, 0)).toBe(1);
  expect(server.control.take(FLUSHERS, 0)).toBe(1);
  const before = references();
  expect(worker.control.fileRetainForRequest(file)).toBe(1);
  expect(recover(worker.owner, server)).toBe(1);
  expect(references()).toBe(before);
  expect(slots.map((slot) => stateOf(slot))).toEqual([
    L.REQUEST_PENDING + 4 * FILES,
    L.REQUEST_PENDING + 4 * FILES,
    L.REQUEST_RUNNING, // another's
  ]);
  const next = service(L.KIND_FILES);
  expect(next.control.take(FILES, 0)).toBe(1);
});

test('a dead service thread whose asker is gone too: nobody serves it again', () => {
  const slot = asker.control.post(FLUSHERS, FILL, file, 0, 0);
  const owner = asker.kernel.owner;
  expect(server.control.take(FLUSHERS, 0)).toBe(1);
  asker.control.detach();
  const other = service(L.KIND_FLUSHER);
  expect(recover(server.owner, other)).toBe(1);
  expect(stateOf(slot, owner)).toBe(L.REQUEST_FREE);
  expect(other.control.take(FLUSHERS, 0)).toBe(0);
});

test('a row with requests under way is not given to another thread; one with settled ones is, and forgets them', () => {
  const { serviceRows } = memory.geometry;
  const row = asker.kernel.owner;
  const attach = () => {
    const kernel = new Kernel(memory.module, memory.control);
    return kernel.attach(row, row + 1, L.KIND_USER, { tid: 0, start: 0n }, 60) ? kernel : undefined;
  };
  expect(row).toBeGreaterThanOrEqual(serviceRows);
  const area = asker.control.claimPath();
  const [running, waiting, done] = [0, 1, 2].map((n) => asker.control.post(FILES, L.OPEN_REQUEST, 0, n, 0));
  const worker = service(L.KIND_FILES);
  expect(worker.control.take(FILES, 0)).toBe(1);
  const before = references();
  worker.control.take(FILES, 0);
  worker.control.fileRetainForRequest(file);
  worker.control.answer(row, waiting!, 0, file, 0, 0);
  asker.control.detach();
  expect(attach()).toBeUndefined();
  worker.control.answer(row, running!, 2, 0, 0, 0);
  const kernel = attach();
  expect(kernel?.owner).toBe(row);
  expect([running, waiting, done].map((slot) => stateOf(slot!))).toEqual([0, 0, 0]);
  expect(references()).toBe(before);
  expect(kernel!.load(L.HEADER_PATHS + area * 4)).toBe(0);
});

test('one that is answered at once is collected; one that is taken back is not served, if it was not taken', () => {
  const first = asker.control.post(FLUSHERS, FILL, file, 0, 0);
  expect(asker.control.collect(first)).toBe(0);
  server.control.take(FLUSHERS, 0);
  expect(asker.control.withdraw(first, FLUSHERS)).toBe(0);
  server.control.answer(asker.kernel.owner, first, 7, 1, 2, 3);
  expect(asker.control.collect(first)).toBe(1);
  expect([0, 1, 2, 3].map((word) => asker.kernel.out(word))).toEqual([7, 1, 2, 3]);
  const second = asker.control.post(FLUSHERS, FILL, file, 0, 0);
  expect(asker.control.withdraw(second, FLUSHERS)).toBe(1);
  expect(server.control.take(FLUSHERS, 0)).toBe(0);
});

const ASKED = L.REQUESTS - L.AHEAD_REQUESTS;

test('all slots taken: no more can be asked', () => {
  for (let n = 0; n < ASKED; n++) expect(asker.control.post(FLUSHERS, FILL, file, n, 0)).toBe(n);
  expect(asker.control.post(FLUSHERS, FILL, file, 99, 0)).toBe(-1);
});

describe('what nobody waits for', () => {
  const post = (n: number) => asker.control.post(FILES, L.AHEAD_REQUEST, file, n, n);

  test('has slots of its own: what is waited for takes none of them, nor the other way round', () => {
    for (let n = 0; n < L.AHEAD_REQUESTS; n++) expect(post(n)).toBe(ASKED + n);
    expect(post(9)).toBe(-1);
    for (let n = 0; n < ASKED; n++) expect(asker.control.post(FILES, FILL, file, n, 0)).toBe(n);
    expect(asker.control.post(FILES, FILL, file, 99, 0)).toBe(-1);
  });

  test('is free again when it is done, and its owner woken', () => {
    const worker = service(L.KIND_FILES);
    const slot = post(7);
    const woken = asker.kernel.rowWord(asker.kernel.owner, L.ROW_WAKE);
    expect(worker.control.take(FILES, 0)).toBe(1);
    expect([worker.out(1), worker.out(2), worker.out(4)]).toEqual([slot, L.AHEAD_REQUEST, 7]);
    expect(stateOf(slot)).toBe(L.REQUEST_RUNNING);
    expect(asker.control.withdraw(slot, FILES)).toBe(0);
    worker.control.answer(asker.kernel.owner, slot, 0, 3, 0, 0);
    expect(stateOf(slot)).toBe(L.REQUEST_FREE);
    expect(asker.kernel.rowWord(asker.kernel.owner, L.ROW_WAKE)).toBe(woken + 1);
    expect(asker.control.collect(slot)).toBe(0);
    expect(post(8)).toBe(slot);
  });

  test('can be taken back as long as nobody has begun it', () => {
    const slot = post(7);
    expect(asker.control.withdraw(slot, FILES)).toBe(1);
    expect(stateOf(slot)).toBe(L.REQUEST_FREE);
    expect(service(L.KIND_FILES).control.take(FILES, 0)).toBe(0);
  });

  test('is forgotten with its owner, and done anew if who does it dies', () => {
    const worker = service(L.KIND_FILES);
    const slot = post(7);
    expect(worker.control.take(FILES, 0)).toBe(1);
    expect(recover(worker.owner, server)).toBe(1);
    const successor = service(L.KIND_FILES);
    expect(successor.control.take(FILES, 0)).toBe(1);
    expect(successor.out(1)).toBe(slot);
    successor.control.answer(asker.kernel.owner, slot, 0, 0, 0, 0);
    post(8);
    expect(recover(asker.kernel.owner, server)).toBe(1);
    expect(successor.control.take(FILES, 0)).toBe(0);
  });
});

test('a file that is closed gives no reference for a request', () => {
  const worker = service(L.KIND_FILES);
  memory.words[(worker.fileAt(file) + L.FILE_REFS) >> 2] = -1;
  expect(worker.control.fileRetainForRequest(file)).toBe(0);
});

test('a path that a thread had claimed, and asked for nothing with, is given back', () => {
  const area = asker.control.claimPath();
  expect(recover(asker.kernel.owner, server)).toBe(1);
  expect(server.load(L.HEADER_PATHS + area * 4)).toBe(0);
});

test('an open that is taken back gives its path back', () => {
  const area = asker.control.claimPath();
  const slot = asker.control.post(FILES, L.OPEN_REQUEST, 0, area, 0);
  expect(asker.control.withdraw(slot, FILES)).toBe(1);
  expect(server.load(L.HEADER_PATHS + area * 4)).toBe(0);
});

test('files opened twice by a thread: it has one reference', () => {
  const worker = service(L.KIND_FILES);
  const before = references();
  for (let n = 0; n < 2; n++) {
    const slot = asker.control.post(FILES, L.OPEN_REQUEST, 0, 0, 0);
    expect(worker.control.take(FILES, 0)).toBe(1);
    expect(worker.control.fileRetainForRequest(file)).toBe(1);
    worker.control.answer(asker.kernel.owner, slot, 0, file, 0, 0);
    expect(asker.control.collect(slot)).toBe(1);
    expect(references()).toBe(before + 1);
  }
});

test('a closed cache stays closed', () => {
  server.control.setLife(L.LIFE_CLOSED);
  server.control.setLife(L.LIFE_OPEN);
  expect(server.load(L.HEADER_LIFE)).toBe(L.LIFE_CLOSED);
});

test('a service thread is started for a row once in a while only', () => {
  const row = server.owner;
  expect(asker.control.startTry(row, 100, 5000)).toBe(1);
  expect(asker.control.startTry(row, 100, 5050)).toBe(0);
  expect(asker.control.startTry(row, 100, 5100)).toBe(1);
});

test('no page is past the end of a file that is as large as files can be', () => {
  const huge = memory.file(2 ** 44 + 4096);
  expect(asker.control.fileRetain(huge)).toBe(1);
  expect(install(asker, huge, -1)).toBeGreaterThanOrEqual(0);
  expect(server.control.nextPageBeyond(asker.kernel.owner, 0 as FrameId, 12)).toBe(-1);
});
