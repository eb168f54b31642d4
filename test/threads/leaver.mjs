// A thread that ends with requests under way.
import { workerData } from 'node:worker_threads';
import { attachHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { handle, path, value, end } = workerData;
const cache = attachHarness(handle);
const file = cache.openSync(path);
file.writeSync(new Uint8Array(64).fill(value), 0);
file.fsync().catch(() => {});
file.prefetch(10, 40).catch(() => {});
if (end === 'exit') process.exit(0);
