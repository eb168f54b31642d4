// A thread that gets its handle by workerData or by a message, and ends in the way that it is told.
import { parentPort, workerData } from 'node:worker_threads';
import { attachHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { path, page, value, end } = workerData;
const handle = workerData.handle ?? (await new Promise((resolve) => parentPort.once('message', resolve)));
const cache = attachHarness(handle);
const file = cache.openSync(path);
file.writeSync(new Uint8Array(64).fill(value), page * file.pageSize);
const pins = [file.pinSync(page, 'write'), file.pinSync(page, 'read'), file.pinSync(page + 1)];
pins[0].bytes.fill(value, 64, 128);
const stats = cache.stats();
if (end === 'detach') {
  let code;
  try {
    cache.detach();
  } catch (error) {
    code = error.code;
  }
  for (const pin of pins) pin.unpin();
  cache.detach();
  parentPort.postMessage({ code, owners: stats.owners });
} else {
  parentPort.postMessage({ owners: stats.owners });
  if (end === 'exit') setImmediate(() => process.exit(0));
  if (end === 'throw') {
    setImmediate(() => {
      throw new Error('as told');
    });
  }
}
