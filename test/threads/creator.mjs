// A thread that creates a cache, opens a file, and lives on until it is told otherwise.
import { parentPort, workerData } from 'node:worker_threads';
import { createHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { cache } = await createHarness({ memory: 1 << 20, writebackIntervalMs: 60_000 });
const file = cache.openSync(workerData.path);
parentPort.on('message', (how) => {
  if (how === 'exit') process.exit(0);
  else parentPort.close(); // its event loop is empty then
});
file.writeSync(new Uint8Array(10).fill(9), 0);
parentPort.postMessage(cache.handle);
