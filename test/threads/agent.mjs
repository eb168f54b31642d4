// A thread that does what a test tells it to: functions come as source and get this thread's cache, its file and a
// place to keep things in.
import fs from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { attachHarness, engineOf, fsyncSyncWith, layout } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { handle, path } = workerData;
const shared = new Int32Array(workerData.shared);
const cache = attachHarness(handle);

/** Every worker that this thread has started and that runs. */
const workers = new Set();
process.on('worker', (worker) => {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

/** Tells that it has come so far, and stays there until the thread is ended. */
function hold() {
  Atomics.store(shared, shared.length - 1, 1);
  for (;;) Atomics.wait(shared, shared.length - 2, 0);
}

/**
 * From now on `before(name, n)` is called before each call of the kernel, the nth, by files opened after this and by what
 * protocols do.
 */
function intercept(before) {
  const kernel = engineOf(context.file).attachment.kernel;
  let n = 0;
  const calls = Object.entries(kernel.control).map(([name, call]) => [
    name,
    typeof call !== 'function'
      ? call
      : (...parameters) => {
          before(name, n++);
          return call(...parameters);
        },
  ]);
  kernel.control = Object.fromEntries(calls);
}

const context = {
  cache,
  file: path === undefined ? undefined : cache.openSync(path),
  path,
  shared,
  keep: {},
  hold,
  intercept,
  Worker,
  workers,
  script: new URL(import.meta.url),
  fs,
  engineOf,
  fsyncSyncWith,
  layout,
};

parentPort.on('message', async ({ id, source, argument }) => {
  try {
    // biome-ignore lint/security/noGlobalEval: functions of the test itself, which can't be posted
    const result = await globalThis.eval(`(${source})`)(context, argument);
    parentPort.postMessage({ id, result });
  } catch (error) {
    const { message, code, stack, cause } = error;
    parentPort.postMessage({ id, error: { message, code, stack, cause: cause?.code } });
  }
});
parentPort.postMessage({ id: 0 });
