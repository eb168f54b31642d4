// Files that are cut and extended all the time, by threads that share a pool much smaller than their pages: each thread knows
// every byte that must be there.
import fs from 'node:fs';
import type { PageCache } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startCache } from '../support/cache.ts';
import { contentOf } from '../support/checksum.ts';
import { testDirectory } from '../support/directory.ts';
import { inThread } from '../support/thread.ts';
import { violationsWhenQuiet } from './invariants.ts';

const PAGES = 60;
const MS = 1500;

interface Job {
  path: string;
  checksum: 'none' | 'crc32c';
  seed: number;
  /** The thread's pages: it alone stores into them. Who has the last ones cuts and extends the file. */
  first: number;
  pages: number;
  cuts: boolean;
  ms: number;
  /** Words that all threads share: how many work, and whether one found something. */
  shared: Int32Array;
}

interface Done {
  steps: number;
  cuts: number;
  wrong: string | undefined;
  /** What must be in the thread's pages at the end; of who cuts: up to the end of the file. */
  content: Uint8Array;
}

/** Runs in a worker, by its source. */
const work = (cache: PageCache, job: Job): Done => {
  const file = cache.openSync(job.path, { checksum: job.checksum });
  const start = job.first * file.pageSize;
  const most = job.pages * file.pageSize;
  const model = new Uint8Array(most);
  let length = job.cuts ? 0 : most; // of the model, that is in the file
  let x = job.seed;
  const below = (n: number) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
  const back = new Uint8Array(3 * file.pageSize);
  const result: Done = { steps: 0, cuts: 0, wrong: undefined, content: model };
  const end = performance.now() + job.ms;
  while (performance.now() < end && result.wrong === undefined && Atomics.load(job.shared, 0) === 0) {
    result.steps++;
    const what = below(job.cuts ? 8 : 6);
    if (what < 3) {
      const at = below(job.cuts ? most - 1 : most);
      const bytes = new Uint8Array(1 + below(Math.min(most - at, 2 * file.pageSize))).fill(1 + below(255));
      file.writeSync(bytes, start + at);
      model.set(bytes, at);
      length = Math.max(length, at + bytes.length);
    } else if (what < 5) {
      const at = below(most);
      const n = file.readSync(back, start + at);
      const expected = Math.min(back.length, length - at);
      // Behind the pages of who does not cut are those of another.
      if (job.cuts && n !== Math.max(0, expected))
        result.wrong = `a read at ${at} got ${n} of ${expected} bytes`;
      for (let i = 0; i < Math.min(n, expected); i++) {
        if (back[i] !== model[at + i]) {
          result.wrong = `byte ${at + i} is ${back[i]}, ${model[at + i]} was written; the file has ${length}`;
          break;
        }
      }
    } else if (what === 5) file.fsyncSync();
    else {
      const size = below(2) === 0 ? below(length + 1) : below(most);
      file.truncateSync(start + size);
      model.fill(0, size);
      length = size;
      result.cuts++;
      if (file.size !== start + size) result.wrong = `the size is ${file.size}, not ${start + size}`;
    }
  }
  if (result.wrong !== undefined) Atomics.store(job.shared, 0, 1);
  file.fsyncSync();
  result.content = model.slice(0, length);
  file.closeSync();
  return result;
};

describe.each(['none', 'crc32c'] as const)('(checksum %s) with a pool of 60 frames', (checksum) => {
  test('cuts, extensions, writes and reads of two files by four threads leave each byte as it must be', async () => {
    const { cache } = await startCache({ ...SMALL, writebackIntervalMs: 10, dirtyExpireMs: 5 });
    const directory = testDirectory();
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const payload = checksum === 'none' ? 4096 : 4088;
    const files = ['a', 'b'].map((name) => `${directory}/${name}`);
    const jobs = files.flatMap((path, n) => [
      { path, checksum, seed: 77 + n, first: 0, pages: PAGES, cuts: false, ms: MS, shared },
      { path, checksum, seed: 99 + n, first: PAGES, pages: PAGES, cuts: true, ms: MS, shared },
    ]);
    const handles = await Promise.all(
      files.map(async (path) => {
        const file = await cache.open(path, { create: true, checksum });
        await file.truncate(PAGES * payload);
        return file;
      }),
    );
    const before = cache.stats();
    const done = await Promise.all(jobs.map((job) => inThread(cache.handle, job, work)));
    for (const { wrong, steps } of done) {
      expect(wrong).toBeUndefined();
      expect(steps).toBeGreaterThan(20);
    }
    expect(done[1]!.cuts + done[3]!.cuts).toBeGreaterThan(10);
    expect(cache.stats().reclaims - before.reclaims).toBeGreaterThan(cache.stats().frames);
    expect(await violationsWhenQuiet(handles[0]!, () => cache.stats())).toEqual([]);
    for (const [n, path] of files.entries()) {
      await handles[n]!.fsync();
      const stored = checksum === 'none' ? fs.readFileSync(path) : contentOf(path);
      const expected = Buffer.concat([done[2 * n]!.content, done[2 * n + 1]!.content]);
      expect(stored.length).toBe(expected.length);
      expect(stored.equals(expected)).toBe(true);
    }
  });
});
