// What a thread hears of the workers that it makes, and what of theirs stays.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fact } from './support/fact.mjs';
import { sharedWords, sourceOf, startThread, until } from './support/thread.mjs';

function idle() {}

/** Makes a worker of its own; tells how many 'worker' events it heard. */
function make({ heard, source }, require) {
  const { Worker } = require('node:worker_threads');
  process.on('worker', () => Atomics.add(heard, 0, 1));
  new Worker(source, { eval: true });
}

const nextTick = () => new Promise((resolve) => process.nextTick(resolve));

await fact(
  "process.on('worker') tells, in the next tick, of each worker that this thread makes",
  async () => {
    const heard = [];
    const listener = (worker) => heard.push(worker);
    const before = startThread(idle);
    const ends = [once(before, 'exit')];
    await nextTick(); // the event of a worker made in the same tick would still come
    process.on('worker', listener);
    const inMaker = sharedWords(1);
    const made = [startThread(idle), startThread(make, { heard: inMaker, source: sourceOf(idle) })];
    ends.push(...made.map((worker) => once(worker, 'exit')));
    await nextTick();
    assert.equal(heard.length, made.length);
    assert(made.every((worker) => heard.includes(worker)));
    await Promise.all(ends);
    process.off('worker', listener);
    assert.equal(heard.length, made.length, 'this thread heard of a worker that another made');
    assert.equal(inMaker[0], 1, 'a worker hears of those that it makes');
    return `${heard.length} after the listener came, none of those made before it or by another thread`;
  },
);

await fact('threadId is -1 in the exit event', async () => {
  const worker = startThread(idle);
  const before = worker.threadId;
  assert(before > 0);
  const ids = [];
  worker.once('exit', () => ids.push(worker.threadId));
  await once(worker, 'exit');
  assert.deepEqual(ids, [-1]);
  return `${before} before`;
});

function open({ fds, path }, require) {
  Atomics.store(fds, 0, require('node:fs').openSync(path, 'r'));
}

function statOf(fd) {
  try {
    return fs.fstatSync(fd);
  } catch (error) {
    if (error.code === 'EBADF') return undefined;
    throw error;
  }
}

const path = fileURLToPath(import.meta.url);

for (const [options, how] of [
  [{ trackUnmanagedFds: false }, 'survives with trackUnmanagedFds: false'],
  [{}, 'is closed by default'],
]) {
  await fact(`at a worker's end, a descriptor that it opened ${how}`, async () => {
    for (const end of ['its end', 'terminate()']) {
      const fds = sharedWords(1);
      const body =
        end === 'its end' ? open : `(...args) => { (${open})(...args); setInterval(() => {}, 1000); }`;
      const worker = startThread(body, { fds, path }, options);
      const ended = once(worker, 'exit');
      await until('the file is open', () => Atomics.load(fds, 0) > 0);
      if (end === 'terminate()') worker.terminate();
      await ended;
      const fd = fds[0];
      // Closed, or something else's by now.
      const isOpen = statOf(fd)?.ino === fs.statSync(path).ino;
      assert.equal(isOpen, options.trackUnmanagedFds === false, `after ${end}`);
      if (isOpen) fs.closeSync(fd);
    }
    return 'after its own end, after terminate()';
  });
}
