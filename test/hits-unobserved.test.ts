// What is measured and told costs hits nothing, because they do not come by it: a hit asks neither the observer nor a driver.
import { expect, test } from 'vitest';
import { engineOf } from '#harness';
import { startWithFile } from './support/cache.ts';

const PAGE = 4096;
const PAGES = 8;

test('hits of every kind touch no observer and no driver', async () => {
  const { cache, file } = await startWithFile(PAGES, { memory: 1 << 20 }, { access: 'random' });
  for (let index = 0; index < PAGES; index++) file.updateSync(index, (bytes) => bytes.fill(1)); // undo frames are had then
  await file.fsync();
  const { attachment } = engineOf(file);
  const before = cache.stats();
  const { observer, sync } = attachment;
  const forbid = (name: 'observer' | 'sync') =>
    Object.defineProperty(attachment, name, {
      configurable: true,
      get: () => {
        throw new Error(`a hit has come to the ${name}`);
      },
    });
  const give = (name: 'observer' | 'sync', value: unknown) =>
    Object.defineProperty(attachment, name, { configurable: true, writable: true, value });
  forbid('observer');
  forbid('sync');
  try {
    const target = new Uint8Array(PAGE);
    for (let index = 0; index < PAGES; index++) {
      expect(file.viewSync(index, (bytes) => bytes[0])).toBe(1);
      expect(await file.view(index, (bytes) => bytes[0])).toBe(1);
      file.pinSync(index).unpin();
      file.pinSync(index, 'write').unpin({ dirty: false });
      (await file.pin(index)).unpin();
      file.tryPin(index)!.unpin();
      expect(file.readSync(target, index * PAGE)).toBe(PAGE);
      file.updateSync(index, (bytes) => bytes.fill(2, 0, 1));
      file.updateSync(index, (bytes) => bytes.fill(1, 0, 1));
    }
    expect(() => file.viewSync(PAGES - 1, () => attachment.observer)).toThrow(
      'a hit has come to the observer',
    );
  } finally {
    give('observer', observer);
    give('sync', sync);
  }
  const { timings, misses } = cache.stats();
  expect(timings).toEqual(before.timings);
  expect(misses).toBe(before.misses);
  await file.fsync();
});
