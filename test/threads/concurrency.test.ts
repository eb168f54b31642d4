// Threads that do everything at once over a pool much smaller than their files, with an oracle in each of them.
import type { Worker } from 'node:worker_threads';
import type { CachedFile } from 'pinfold';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HarnessOptions } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { World, within } from './support.ts';

const KIB = 1024;
const THREADS = 4;
const LANES = 2;
/** For a longer look: PINFOLD_STRESS_MS=20000; a failure tells its PINFOLD_SEED. */
const RUN_MS = Number(process.env.PINFOLD_STRESS_MS ?? 4000);
const EIO = 5;
const ENOSPC = 28;

interface Message {
  done?: true;
  checked?: true;
  error?: string;
  code?: string;
  cause?: string;
  counts?: Record<string, number>;
}

interface Variant {
  readonly name: string;
  readonly options: HarnessOptions;
  readonly files: number;
  readonly pages: number;
  readonly faults?: boolean;
}

const variants: Variant[] = [
  {
    name: 'keep, one flusher, pages of 4 KiB',
    options: { memory: 1024 * KIB, pinnedDirty: 'keep', flushers: 1 },
    files: 1,
    pages: 2400,
  },
  {
    name: 'redirty, three flushers, pages of 64 KiB, two files',
    options: { memory: 4096 * KIB, pageSize: 64 * KIB, pinnedDirty: 'redirty', flushers: 3 },
    files: 2,
    pages: 250,
  },
  {
    name: 'keep, three flushers, the smallest memory, several files',
    options: { memory: 256 * KIB, pinnedDirty: 'keep', flushers: 3 },
    files: 5,
    pages: 120,
  },
  {
    name: 'redirty, one flusher, the smallest memory',
    options: { memory: 256 * KIB, pinnedDirty: 'redirty', flushers: 1 },
    files: 2,
    pages: 400,
  },
  {
    name: 'keep, two flushers, a store that fails now and then',
    options: { memory: 512 * KIB, pinnedDirty: 'keep', flushers: 2 },
    files: 2,
    pages: 500,
    faults: true,
  },
  {
    name: 'redirty, one flusher, a store that fails now and then',
    options: { memory: 512 * KIB, pinnedDirty: 'redirty', flushers: 1 },
    files: 1,
    pages: 1000,
    faults: true,
  },
];

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** The next message of each thread; an error of one is everybody's. */
async function answers(workers: Worker[], what: string, ms?: number): Promise<Message[]> {
  return await within(
    Promise.all(
      workers.map(
        (worker) =>
          new Promise<Message>((resolve, reject) => {
            worker.once('error', reject);
            worker.once('message', (message: Message) =>
              message.error
                ? reject(new Error(`${message.error}\n${message.cause ?? ''}`))
                : resolve(message),
            );
          }),
      ),
    ),
    what,
    ms,
  );
}

describe('threads with an oracle', () => {
  test.each(variants)(
    '$name',
    { timeout: 30_000 + 2 * RUN_MS },
    async ({ options, files, pages, faults }) => {
      const { cache, fail, heal } = await world.harness({
        ...options,
        writebackIntervalMs: 10,
        dirtyExpireMs: 20,
      });
      const pageSize = options.pageSize ?? 4096;
      const paths = Array.from({ length: files }, (_, n) => world.create(pages * pageSize, `data${n}`));
      const opened: CachedFile[] = paths.map((path) => cache.openSync(path));
      expect(files * pages).toBeGreaterThan(8 * cache.stats().frames);
      const seed = Number(process.env.PINFOLD_SEED ?? (Math.random() * 2 ** 31) | 1);
      const workers = Array.from({ length: THREADS }, (_, thread) => {
        const workerData = { handle: cache.handle, paths, pages, thread, threads: THREADS, lanes: LANES };
        return world.worker('./stress.mjs', {
          ...workerData,
          ms: RUN_MS,
          seed: seed + thread * 7919,
          faults,
        });
      });
      let trouble: NodeJS.Timeout | undefined;
      if (faults) {
        const random = (n: number) => Math.floor(Math.random() * n);
        trouble = setInterval(() => {
          const call = (['write', 'flush', 'flush', 'read'] as const)[random(4)]!;
          const errno = call === 'write' && random(2) ? ENOSPC : EIO;
          fail({ call, errno, after: random(20), times: 1 + random(3), yetDone: random(2) === 0 });
        }, 40);
      }
      try {
        const done = await answers(workers, `the threads' work (seed ${seed})`, 20_000 + RUN_MS);
        expect(done.every(({ counts }) => Object.keys(counts ?? {}).length > 50)).toBe(true);
        if (faults) {
          const failed = done.reduce((total, { counts }) => total + (counts?.failed ?? 0), 0);
          expect(failed, 'calls that failed').toBeGreaterThan(0);
        }
      } finally {
        clearInterval(trouble);
        heal();
      }
      for (const worker of workers) worker.postMessage('check');
      await answers(workers, `the last fsync (seed ${seed})`);
      const stats = cache.stats();
      expect(stats.reclaims).toBeGreaterThan(0);
      expect(stats.bounced).toBeGreaterThan(0);
      expect(stats.flushes).toBeGreaterThan(0);
      expect([stats.readPins, stats.writePins, stats.dirty, stats.unstable]).toEqual([0, 0, 0, 0]);
      expect(await violationsWhenQuiet(opened[0]!, () => cache.stats())).toEqual([]);
      const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
      for (const worker of workers) worker.postMessage('end');
      await within(Promise.all(ends), 'the threads to end');
      expect(await violationsWhenQuiet(opened[0]!, () => cache.stats())).toEqual([]);
    },
  );
});
