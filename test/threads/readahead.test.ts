// Threads that scan a file while others change it, over a pool much smaller than it: what was read ahead is never older than
// what had been written when it was asked for. And service threads that die meanwhile.
import { Worker } from 'node:worker_threads';
import type { CachedFile, CacheOptions, OpenOptions } from 'pinfold';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineOf, layout as L } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { until, World, within } from './support.ts';

const KIB = 1024;
const PAGE = 4096;
/** For a longer look: PINFOLD_STRESS_MS=20000; a failure tells its PINFOLD_SEED. */
const RUN_MS = Number(process.env.PINFOLD_STRESS_MS ?? 3000);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Service threads that this thread has started and that run. */
const workers = new Set<Worker>();
process.on('worker', (worker) => {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

interface Message {
  error?: string;
  code?: string;
  counts?: Record<string, number>;
}

function ends(worker: Worker): Promise<Message> {
  return new Promise((resolve, reject) => {
    let message: Message = { error: 'it ended without an answer' };
    worker.on('message', (told) => {
      message = told;
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(message));
  });
}

async function storm(
  options: CacheOptions,
  pages: number,
  during: (file: CachedFile) => Promise<void>,
): Promise<number> {
  const { cache } = await world.harness({ writebackIntervalMs: 5, dirtyExpireMs: 20, ...options });
  const path = world.create(pages * PAGE);
  const file = cache.openSync(path);
  const seed = Number(process.env.PINFOLD_SEED ?? Math.floor(Math.random() * 2 ** 30) + 1);
  const shared = { begun: new SharedArrayBuffer(4 * pages), returned: new SharedArrayBuffer(4 * pages) };
  const roles: [string, OpenOptions['access'], number][] = [
    ['write', 'random', 0],
    ['write', 'normal', 1],
    ['write', 'random', 2],
    ['scan', 'normal', 0],
    ['scan', 'sequential', 1],
    ['scan', 'once', 2],
  ];
  const threads = roles.map(([role, access, n]) => {
    const workerData = {
      handle: cache.handle,
      path,
      pages,
      role,
      access,
      ms: RUN_MS,
      ...shared,
      seed: 3 * seed + n,
    };
    const worker = new Worker(new URL('./reading-ahead.mjs', import.meta.url), { workerData });
    world.workers.push(worker);
    return ends(worker);
  });
  const all = Promise.all(threads);
  await during(file);
  const messages = await within(all, 'the threads to end', RUN_MS + 30_000);
  for (const { error, code } of messages) expect(error, `${code}, seed ${seed}`).toBeUndefined();
  expect(await violationsWhenQuiet(file, () => cache.stats()), `seed ${seed}`).toEqual([]);
  const { readahead } = cache.stats();
  const begun = new Int32Array(shared.begun);
  for (let index = 0; index < pages; index++) {
    const count = file.viewSync(index, (bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, 1)[0]);
    expect(count, `page ${index}, seed ${seed}`).toBe(begun[index]);
  }
  return readahead;
}

test.each<[string, CacheOptions, number]>([
  ['a pool of a quarter of the file', { memory: 1024 * KIB }, 800],
  ['the smallest pool', { memory: 256 * KIB }, 200],
  ['more flushers', { memory: 1024 * KIB, flushers: 3 }, 600],
])('what is read ahead is never old: %s', async (_name, options, pages) => {
  expect(await storm(options, pages, async () => {})).toBeGreaterThan(0);
});

test('nor if the file worker dies again and again', async () => {
  await storm({ memory: 1024 * KIB }, 800, async (file) => {
    const { kernel } = engineOf(file).attachment;
    const end = performance.now() + RUN_MS - 500;
    let deaths = 0;
    while (performance.now() < end) {
      const threads = [...kernel.owners()]
        .filter((owner) => kernel.rowWord(owner, L.ROW_KIND) === L.KIND_FILES)
        .map((owner) => kernel.rowWord(owner, L.ROW_THREAD));
      const victim = [...workers].find(({ threadId }) => threads.includes(threadId));
      if (victim !== undefined) {
        await victim.terminate();
        deaths++;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(deaths).toBeGreaterThan(1);
    await until(
      () => [...kernel.owners()].some((owner) => kernel.rowWord(owner, L.ROW_KIND) === L.KIND_FILES),
      'a file worker',
    );
  });
});
