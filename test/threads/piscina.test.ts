// The handle goes to other threads by every way there is; they come and go, and leave nothing behind.
import Piscina from 'piscina';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { violationsWhenQuiet } from './invariants.ts';
import { onFile, until, World, within } from './support.ts';

const PAGE = 4096;

let world: World;
let pool: Piscina | undefined;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await pool?.destroy();
  pool = undefined;
  await world.end();
});

describe('the handle', () => {
  test.each(['sync', 'async'] as const)('goes through piscina tasks (%s)', async (form) => {
    const { cache } = await world.harness({ memory: 4 << 20 });
    const tasks = 24;
    const path = world.create(tasks * PAGE);
    const file = cache.openSync(path);
    const { owners } = cache.stats();
    pool = new Piscina({
      filename: new URL('./piscina-task.mjs', import.meta.url).href,
      minThreads: 3,
      maxThreads: 3,
    });
    const threads: number[] = await within(
      Promise.all(
        Array.from({ length: tasks }, (_, page) =>
          pool!.run({ handle: cache.handle, path, page, value: 1 + page, form }),
        ),
      ),
      'the tasks',
    );
    expect(new Set(threads).size).toBeGreaterThan(1);
    for (let page = 0; page < tasks; page++) {
      expect(new Set(onFile(path, page * PAGE, PAGE)), `page ${page}`).toEqual(new Set([1 + page]));
    }
    expect(cache.stats()).toMatchObject({ owners, writePins: 0, dirty: 0, fsyncs: tasks });
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test.each(['workerData', 'postMessage'] as const)('goes by %s', async (way) => {
    const { cache } = await world.harness({ memory: 4 << 20 });
    const path = world.create(4 * PAGE);
    const file = cache.openSync(path);
    const { owners } = cache.stats();
    const guest = { path, page: 1, value: 3, end: 'detach' };
    const worker = world.worker(
      './guest.mjs',
      way === 'workerData' ? { ...guest, handle: cache.handle } : guest,
    );
    const told = new Promise((resolve) => worker.once('message', resolve));
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    if (way === 'postMessage') worker.postMessage(cache.handle);
    // It is refused to detach with live pins, and does it without.
    expect(await within(told, 'the thread')).toEqual({ code: 'ERR_PINFOLD_BUSY', owners: owners + 1 });
    await within(ended, 'the thread to end');
    expect(cache.stats()).toMatchObject({ owners, readPins: 0, writePins: 0 });
    expect(file.viewSync(1, (bytes) => [bytes[0], bytes[64]])).toEqual([3, 3]);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test.each(['idle', 'exit', 'throw'] as const)(
    'a thread that ends without detach (%s) gives up its pins',
    async (end) => {
      const { cache } = await world.harness({ memory: 4 << 20, maxThreads: 3, pinnedDirty: 'redirty' });
      const path = world.create(4 * PAGE);
      const file = cache.openSync(path);
      const { owners } = cache.stats();
      // More often than there are rows: each of them comes back.
      for (let n = 1; n <= 6; n++) {
        const worker = world.worker('./guest.mjs', { handle: cache.handle, path, page: 1, value: n, end });
        const told = new Promise((resolve) => worker.once('message', resolve));
        const ended = new Promise((resolve) => worker.once('exit', resolve));
        worker.on('error', () => {});
        expect(await within(told, 'the thread')).toEqual({ owners: owners + 1 });
        await within(ended, 'the thread to end');
        await until(() => cache.stats().owners === owners, 'its row to be free');
        expect(cache.stats()).toMatchObject({ owners, readPins: 0, writePins: 0 });
        await file.fsync();
        expect([...onFile(path, PAGE, 128)]).toEqual(Array(128).fill(n)); // what the pin's holder stored is dirty
      }
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );
});
