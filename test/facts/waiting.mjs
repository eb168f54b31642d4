// Atomics.wait and waitAsync: a sleeper can be terminated, a sleeping thread can have a worker started, and what waits
// by waitAsync keeps no event loop alive.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fact } from './support/fact.mjs';
import { sharedWords, sourceOf, startThread, until } from './support/thread.mjs';

const SLEEPERS = 8;
const STARTS = 5;
/** Generous: it is a matter of milliseconds. */
const LIMIT_MS = 10_000;

function sleepForEver({ words }) {
  Atomics.store(words, 0, 1);
  Atomics.wait(words, 1, 0);
}

await fact('terminate() ends a thread that sleeps in Atomics.wait', async () => {
  let longest_ms = 0;
  for (let n = 0; n < SLEEPERS; n++) {
    const words = sharedWords(2);
    const worker = startThread(sleepForEver, { words });
    await until('the thread runs', () => Atomics.load(words, 0) === 1);
    await new Promise((resolve) => setTimeout(resolve, 5)); // to be asleep
    const started = performance.now();
    await worker.terminate();
    longest_ms = Math.max(longest_ms, performance.now() - started);
    assert.equal(Atomics.notify(words, 1), 0, 'it still sleeps');
  }
  return `${SLEEPERS} sleepers, at most ${longest_ms.toFixed(1)} ms each`;
});

function wake({ words }) {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

/** Makes a worker, and sleeps until that one wakes it. */
function makeAndSleep({ words, told, source, limitMs }, require) {
  const { Worker } = require('node:worker_threads');
  new Worker(source, { eval: true, workerData: { words } });
  const woken = Atomics.wait(words, 0, 0, limitMs);
  Atomics.store(told, 0, woken === 'timed-out' ? 2 : 1);
}

await fact('a new worker runs while its creator sleeps: the main thread', async () => {
  const workers = [];
  for (let n = 0; n < STARTS; n++) {
    const words = sharedWords(1);
    workers.push(once(startThread(wake, { words }), 'exit'));
    assert.notEqual(Atomics.wait(words, 0, 0, LIMIT_MS), 'timed-out', 'the worker did not start');
  }
  await Promise.all(workers);
  return `${STARTS} workers`;
});

await fact('a new worker runs while its creator sleeps: a worker', async () => {
  for (let n = 0; n < STARTS; n++) {
    const told = sharedWords(1);
    const data = { words: sharedWords(1), told, source: sourceOf(wake), limitMs: LIMIT_MS };
    await once(startThread(makeAndSleep, data), 'exit');
    assert.equal(told[0], 1, 'the worker did not start');
  }
  return `${STARTS} workers`;
});

/** Runs a program in a process of its own, which must end by itself: what it printed. */
function run(code) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', code], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  assert.equal(signal, null, `it did not end within ${LIMIT_MS} ms`);
  assert.equal(status, 0, stderr);
  return stdout;
}

const waitAsync = (timeout) => `
  const words = new Int32Array(new SharedArrayBuffer(4));
  const { async, value } = Atomics.waitAsync(words, 0, 0${timeout});
  if (!async) throw new Error('it did not begin to wait');
  value.then((woken) => console.log(woken));`;

await fact('a pending waitAsync keeps no process alive', () => {
  for (const timeout of ['', ', 60_000']) assert.equal(run(waitAsync(timeout)), '');
  return 'without a timeout, with one of 60 s';
});

await fact('a pending waitAsync keeps no worker alive', async () => {
  const pend = () => {
    Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  };
  assert.deepEqual(await once(startThread(pend), 'exit'), [0]);
});

await fact('control: waitAsync is woken while something keeps the process alive', () => {
  assert.equal(run(`${waitAsync('')} setTimeout(() => Atomics.notify(words, 0), 20);`), 'ok\n');
});
