// A piscina task that uses a cache by its handle.
import { threadId } from 'node:worker_threads';
import { attachHarness } from '#harness';

export default async function task({ handle, path, page, value, form }) {
  const cache = attachHarness(handle);
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
