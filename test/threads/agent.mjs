// A thread that does what a test tells it to: functions come as source and get this thread's cache, its file and a
// place to keep things in.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { attachHarness, engineOf, fsyncSyncWith, layout } from '#harness';

const { handle, path, shared } = workerData;
const cache = attachHarness(handle);
const context = {
  cache,
  file: path === undefined ? undefined : cache.openSync(path),
  path,
  shared: new Int32Array(shared),
  keep: {},
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
