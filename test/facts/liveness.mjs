// Who lives is known without an event loop. A thread that sleeps in Atomics.wait hears no exit event; /proc tells it all
// the same that another thread is gone, also one that a third thread made. And no thread outlives the one that made it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { factOfProc } from './support/fact.mjs';
import { sharedWords, sourceOf, startThread, startTimeOf, until, untilBlocked } from './support/thread.mjs';

const TIMES = 5;
/** How long the event loop stands still after the thread has gone. */
const ASLEEP_MS = 50;

// Words: who they are, once they run; what they are told.
const [PARENT, CHILD, END_PARENT, END_CHILD] = [0, 1, 2, 3];

/** Sleeps until it is told to end. */
function sleeper({ words, self, end }, _require, osThread) {
  Atomics.store(words, self, osThread());
  while (Atomics.load(words, end) === 0) Atomics.wait(words, end, 0, 1000);
}

/** Makes a thread of its own and sleeps: it hears nothing of that one's end. */
function parent({ words, self, end, source, child }, require, osThread) {
  const { Worker } = require('node:worker_threads');
  new Worker(source, { eval: true, workerData: child });
  Atomics.store(words, self, osThread());
  while (Atomics.load(words, end) === 0) Atomics.wait(words, end, 0, 1000);
  process.exit(); // else it would stay for its child
}

/** A thread of this process: alive until the OS says otherwise. */
function identify(tid) {
  const started = startTimeOf(tid);
  assert(started !== undefined, `no thread ${tid} in /proc`);
  return { isAlive: () => startTimeOf(tid) === started };
}

async function startSleeper() {
  const words = sharedWords(4);
  const worker = startThread(sleeper, { words, self: CHILD, end: END_CHILD });
  await until('the thread runs', () => Atomics.load(words, CHILD) > 0);
  return { worker, words, thread: identify(words[CHILD]) };
}

/** A thread, and one that it made. */
async function startFamily() {
  const words = sharedWords(4);
  const child = { words, self: CHILD, end: END_CHILD };
  const data = { words, self: PARENT, end: END_PARENT, source: sourceOf(sleeper), child };
  const worker = startThread(parent, data);
  await until('both threads run', () => Atomics.load(words, PARENT) > 0 && Atomics.load(words, CHILD) > 0);
  return { worker, words, parent: identify(words[PARENT]), child: identify(words[CHILD]) };
}

function tell(words, word) {
  Atomics.store(words, word, 1);
  Atomics.notify(words, word);
}

function sleepFor(ms) {
  Atomics.wait(sharedWords(1), 0, 0, ms);
}

for (const way of ['by itself', 'by terminate()']) {
  await factOfProc(
    `a thread that ends ${way} is seen by one that sleeps: in /proc, not by exit`,
    async () => {
      for (let n = 0; n < TIMES; n++) {
        const { worker, words, thread } = await startSleeper();
        let heard = false;
        worker.once('exit', () => {
          heard = true;
        });
        const ended = once(worker, 'exit');
        assert(thread.isAlive());
        if (way === 'by itself') tell(words, END_CHILD);
        else worker.terminate();
        untilBlocked('the OS thread ends', () => !thread.isAlive());
        sleepFor(ASLEEP_MS);
        assert.equal(heard, false, 'exit came while this thread slept');
        await ended;
        assert.equal(heard, true);
      }
      return `${TIMES} threads`;
    },
  );
}

await factOfProc('a thread that another thread made is seen to end while both sleep', async () => {
  for (let n = 0; n < TIMES; n++) {
    const { worker, words, parent, child } = await startFamily();
    const ended = once(worker, 'exit');
    tell(words, END_CHILD);
    untilBlocked('the OS thread ends', () => !child.isAlive());
    assert(parent.isAlive());
    await worker.terminate();
    await ended;
  }
  return `${TIMES} threads`;
});

for (const way of ['terminate()', 'process.exit()']) {
  await factOfProc(`${way} of a thread ends the threads that it made`, async () => {
    for (let n = 0; n < TIMES; n++) {
      const { worker, words, parent, child } = await startFamily();
      const ended = once(worker, 'exit');
      assert(child.isAlive());
      if (way === 'terminate()') worker.terminate();
      else tell(words, END_PARENT);
      await ended;
      await until('the OS threads end', () => !parent.isAlive() && !child.isAlive());
    }
    return `${TIMES} threads`;
  });
}
