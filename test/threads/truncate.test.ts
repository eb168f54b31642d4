// Threads that write, update, pin, read and sync a file while others cut and extend it, over a pool smaller than the file.
import fs from 'node:fs';

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HarnessOptions } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { World, within } from './support.ts';

const PAGE = 4096;
const PAGES = 150;
const THREADS = 3;
/** Stores by write pins; the others store by writes and updates. */
const DEVICE = 2;
/** For a longer look: PINFOLD_STRESS_MS=20000; a failure tells its PINFOLD_SEED. */
const RUN_MS = Number(process.env.PINFOLD_STRESS_MS ?? 2000);

const variants: { name: string; options: HarnessOptions }[] = [
  { name: 'keep, one flusher', options: { memory: 256 * 1024, pinnedDirty: 'keep' } },
  { name: 'redirty, two flushers', options: { memory: 512 * 1024, pinnedDirty: 'redirty', flushers: 2 } },
];

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

test.each(variants)(
  '$name: what was cut off is gone',
  { timeout: 30_000 + 2 * RUN_MS },
  async ({ options }) => {
    const { cache } = await world.harness({ ...options, writebackIntervalMs: 5, dirtyExpireMs: 10 });
    const path = world.create(20 * PAGE);
    const file = cache.openSync(path);
    const seed = Number(process.env.PINFOLD_SEED ?? (Math.random() * 2 ** 31) | 1);
    const shared = new SharedArrayBuffer(4 * (1 + 6 * PAGES));
    const workers = Array.from({ length: THREADS }, (_, thread) => {
      const roles = { pages: PAGES, thread, writers: THREADS, device: DEVICE };
      const workerData = {
        handle: cache.handle,
        path,
        shared,
        ms: RUN_MS,
        seed: seed + thread * 7919,
        ...roles,
      };
      return world.worker('./truncating.mjs', workerData);
    });
    const ends = workers.map(
      (worker) =>
        new Promise<Record<string, number>>((resolve, reject) => {
          worker.once('error', reject);
          worker.once('message', ({ error, cause, counts }) =>
            error ? reject(new Error(`${error}\n${cause}`)) : resolve(counts),
          );
        }),
    );
    const counts = await within(Promise.all(ends), `the threads' work (seed ${seed})`, 20_000 + RUN_MS);
    for (const each of counts) expect(Object.keys(each).length).toBeGreaterThan(50);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);

    await file.fsync();
    expect(fs.statSync(path).size, `seed ${seed}`).toBe(file.size);
    const onDisk = fs.readFileSync(path);
    for (let index = 0; index * PAGE < file.size; index++) {
      const bytes = Buffer.alloc(PAGE);
      const n = file.readSync(bytes, index * PAGE);
      const there = onDisk.subarray(index * PAGE, (index + 1) * PAGE);
      expect(bytes.subarray(0, n).equals(there), `page ${index}, seed ${seed}`).toBe(true);
    }
    const stats = cache.stats();
    expect(stats.orphans).toBeGreaterThan(0);
    expect(stats.reclaims).toBeGreaterThan(0);
    expect(stats).toMatchObject({ readPins: 0, writePins: 0, dirty: 0, unstable: 0 });
    const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of workers) worker.postMessage('end');
    await within(Promise.all(exits), 'the threads to end');
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  },
);
