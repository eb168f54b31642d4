// A thread that is gone writes into memory no more: `exit` comes, and the OS thread goes, only after what it had asked
// libuv to read has landed. So whoever sees the one or the other may give the thread's frames to others.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fact, factOfProc } from './support/fact.mjs';
import { sharedWords, startThread, startTimeOf, until, untilBlocked } from './support/thread.mjs';

const ROUNDS = 10;
const BYTES = 4096; // a pipe takes and gives so many at once
/** How long the first round withholds the bytes; the others wait up to a fraction of it. */
const HOLD_MS = 200;
const SHORT_MS = 12;

const [TID, READING] = [0, 1];

/** Starts a read that waits for bytes. A second call's end shows that libuv has begun with the first: no cancelling. */
function read({ words, bytes, fd }, require, osThread) {
  const fs = require('node:fs');
  Atomics.store(words, 0, osThread());
  fs.read(fd, bytes, 0, bytes.length, null, () => {});
  fs.stat('.', () => Atomics.store(words, 1, 1));
}

async function startReader(fd) {
  const words = sharedWords(2);
  const bytes = new Uint8Array(new SharedArrayBuffer(BYTES));
  const worker = startThread(read, { words, bytes, fd });
  await until('the read is under way', () => Atomics.load(words, READING) === 1);
  return { worker, bytes, words };
}

const whole = (bytes, value) => bytes.every((byte) => byte === value);

/** Whether what is written now stays in the pipe for others. */
function assertNobodyReads(fd, bytes, value) {
  fs.writeSync(fd, Buffer.alloc(BYTES, value + 100));
  const left = Buffer.alloc(BYTES);
  assert.equal(fs.readSync(fd, left), BYTES, 'something reads on behalf of a thread that is gone');
  assert(whole(left, value + 100));
  assert(whole(bytes, value), 'bytes landed after the end of the thread');
}

const holdOf = (round) => (round === 1 ? HOLD_MS : Math.random() * SHORT_MS);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

if (process.platform === 'win32') {
  console.log('skip what is read lands before the end of a thread: no FIFO on win32');
} else {
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-facts-'));
  const path = join(directory, 'fifo');
  assert.equal(spawnSync('mkfifo', [path]).status, 0, 'mkfifo');
  const fd = fs.openSync(path, 'r+'); // both ends: opening waits for nobody

  await fact('exit comes after the reads of a terminated thread have landed', async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const { worker, bytes } = await startReader(fd);
      let atExit;
      worker.once('exit', () => {
        atExit = whole(bytes, round);
      });
      const ended = once(worker, 'exit');
      worker.terminate();
      await pause(holdOf(round));
      assert.equal(atExit, undefined, 'exit came while a read was under way');
      fs.writeSync(fd, Buffer.alloc(BYTES, round));
      await ended;
      assert.equal(atExit, true, `bytes were missing when exit came (round ${round})`);
      assertNobodyReads(fd, bytes, round);
    }
    return `${ROUNDS} reads; one held exit back for ${HOLD_MS} ms`;
  });

  await factOfProc('the OS thread is gone after the reads of a terminated thread have landed', async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const { worker, bytes, words } = await startReader(fd);
      const ended = once(worker, 'exit');
      const tid = words[TID];
      const started = startTimeOf(tid);
      assert(started !== undefined);
      worker.terminate();
      // From here on the event loop stands still: what is seen is the OS's word.
      const end = performance.now() + holdOf(round);
      do {
        assert.equal(startTimeOf(tid), started, 'the OS thread went while a read was under way');
      } while (performance.now() < end);
      fs.writeSync(fd, Buffer.alloc(BYTES, round));
      let atEnd;
      untilBlocked('the OS thread ends', () => {
        if (startTimeOf(tid) === started) return false;
        atEnd = whole(bytes, round);
        return true;
      });
      assert(atEnd, `bytes were missing when the thread was gone (round ${round})`);
      assertNobodyReads(fd, bytes, round);
      await ended;
    }
    return `${ROUNDS} reads; one held the thread for ${HOLD_MS} ms`;
  });

  fs.closeSync(fd);
  fs.rmSync(directory, { recursive: true, force: true });
}
