// A piscina task that uses a cache by its handle.
import { threadId } from 'node:worker_threads';
import { attachHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

export default async function task({ handle, path, page, value, form, during, shared }) {
  const cache = attachHarness(handle);
  if (during !== undefined) stayIn(during, cache.openSync(path), page, value, shared);
  try {
    const file = form === 'sync' ? cache.openSync(path) : await cache.open(path);
    const pin = form === 'sync' ? file.pinSync(page, 'write') : await file.pin(page, 'write');
    pin.bytes.fill(value);
    pin.unpin();
    if (form === 'sync') file.fsyncSync();
    else await file.fsync();
    await file.close();
  } finally {
    cache.detach();
  }
  return threadId;
}

/** Until the task is aborted. */
function stayIn(during, file, page, value, shared) {
  const stay = (bytes) => {
    bytes.fill(value);
    Atomics.store(shared, 0, 1);
    for (;;) Atomics.wait(shared, 1, 0);
  };
  if (during === 'update') file.updateSync(page, stay);
  else stay(file.pinSync(page, 'write').bytes);
}
