// The lock table of the SQLite example: SQLite's rules, and what becomes of the locks of threads that are gone.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type Connection, type LockLevel, LockTable, lockLevel } from '../../examples/sqlite/vfs/locks.ts';

const { none, shared, reserved, exclusive } = lockLevel;
/** Where the slots begin in the table's memory, in bytes. */
const SLOTS_AT = 32;

/** A thread that has ended, as slots name threads. */
let gone: bigint;
let memory: SharedArrayBuffer;
let locks: LockTable;

beforeAll(async () => {
  const identity = `
    const fs = require('node:fs');
    const tid = fs.readlinkSync('/proc/thread-self').split('/').at(-1);
    const stat = fs.readFileSync('/proc/self/task/' + tid + '/stat', 'latin1');
    const started = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    require('node:worker_threads').parentPort.postMessage((BigInt(tid) << 32n) | BigInt.asUintN(32, started));`;
  const worker = new Worker(identity, { eval: true });
  [gone] = await once(worker, 'message');
  await once(worker, 'exit');
});

beforeEach(() => {
  memory = LockTable.create(false);
  locks = new LockTable(memory);
});

function connect(): Connection {
  const connection = locks.connect();
  if (connection === undefined) throw new Error('no place');
  return connection;
}

const take = (connection: Connection, level: LockLevel) => locks.acquire(connection, level, 0);

/** As if the connection's thread had ended without a word. */
function die(connection: Connection): void {
  new BigInt64Array(memory, SLOTS_AT)[connection] = gone;
}

test('readers share, one of them may reserve, and only the last one left may write', () => {
  const [a, b, c] = [connect(), connect(), connect()];
  expect([take(a, shared), take(b, shared), take(c, shared)]).toEqual([true, true, true]);
  expect(take(a, reserved)).toBe(true);
  expect(take(b, reserved)).toBe(false);
  expect(locks.isReserved()).toBe(true);
  expect(take(a, exclusive)).toBe(false);
  locks.release(b, none);
  expect(take(b, shared)).toBe(false); // the writer waits: PENDING
  expect(take(b, none)).toBe(true);
  locks.release(c, none);
  expect(take(a, exclusive)).toBe(true);
  locks.release(a, shared);
  expect([take(b, shared), take(c, shared), locks.isReserved()]).toEqual([true, true, false]);
});

test('a reader takes EXCLUSIVE without RESERVED, as a rollback does; another is refused at once', () => {
  const [a, b] = [connect(), connect()];
  take(a, shared);
  take(b, shared);
  expect(take(a, exclusive)).toBe(false);
  const started = performance.now();
  expect(locks.acquire(b, exclusive, 60_000)).toBe(false);
  expect(performance.now() - started).toBeLessThan(30_000);
  locks.release(b, none);
  expect(take(a, exclusive)).toBe(true);
});

test.each([shared, reserved, exclusive] as const)('level %i of a dead connection is given back', (level) => {
  const dead = connect();
  take(dead, shared);
  take(dead, level);
  die(dead);
  expect(locks.isReserved()).toBe(false);
  const next = connect();
  expect(take(next, shared)).toBe(true);
  expect(take(next, reserved)).toBe(true);
  expect(take(next, exclusive)).toBe(true);
  const { none: nothing, ...held } = locks.cleanUpAfterAll();
  expect(nothing + Object.values(held).reduce((sum, n) => sum + n)).toBe(1);
});

test('PENDING of a dead connection keeps nobody out', () => {
  const [dead, reader, next] = [connect(), connect(), connect()];
  take(dead, shared);
  take(reader, shared);
  take(dead, reserved);
  expect(take(dead, exclusive)).toBe(false);
  expect(take(next, shared)).toBe(false);
  die(dead);
  expect(take(next, shared)).toBe(true);
  expect(locks.cleanUpAfterAll().pending).toBe(1);
});

test('a thread that dies while it cleans up is cleaned up after', () => {
  const [dead, next] = [connect(), connect()];
  take(dead, shared);
  take(dead, exclusive);
  new BigInt64Array(memory, SLOTS_AT)[dead] = gone | (1n << 62n); // whoever had begun to clean is gone, too
  expect(locks.isReserved()).toBe(false);
  expect(take(next, shared)).toBe(true);
});

test('while another thread cleans up, the lock is refused, but the dead is no writer any more', () => {
  const [dead, next] = [connect(), connect()];
  take(dead, shared);
  take(dead, exclusive);
  const slots = new BigInt64Array(memory, SLOTS_AT);
  slots[dead] = (slots[dead] ?? 0n) | (1n << 62n); // this thread lives
  expect(locks.isReserved()).toBe(false);
  expect(take(next, shared)).toBe(false);
});

test('places are given again: those that were left, then those of the dead', () => {
  const all: Connection[] = [];
  for (let place = locks.connect(); place !== undefined; place = locks.connect()) all.push(place);
  expect(all).toHaveLength(24);
  locks.disconnect(all[5] as Connection);
  expect(locks.connect()).toBe(5);
  die(all[7] as Connection);
  expect(locks.connect()).toBe(7);
  expect(locks.connect()).toBeUndefined();
});

test('what is waited for ends with its timeout', () => {
  const [a, b] = [connect(), connect()];
  take(a, shared);
  take(a, exclusive);
  const started = performance.now();
  expect(locks.acquire(b, shared, 50)).toBe(false);
  expect(performance.now() - started).toBeGreaterThanOrEqual(50);
});

test('whether a journal may be there is unknown until one is known to be gone', () => {
  expect(locks.mayHaveJournal).toBe(false);
  locks.journalComes();
  expect(new LockTable(memory).mayHaveJournal).toBe(true);
  locks.journalGone();
  expect(locks.mayHaveJournal).toBe(false);
  expect(new LockTable(LockTable.create(true)).mayHaveJournal).toBe(true);
});
