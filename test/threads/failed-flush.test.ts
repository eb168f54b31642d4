// A failed flush: nobody knows what of the file is stable. Every page that was written since the last good flush is
// written again by the next fsync, whoever wrote it; a file scrambled behind the cache's back shows it.
import fs from 'node:fs';
import type { CachedFile } from 'pinfold';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { violationsWhenQuiet } from './invariants.ts';
import { onFile, until, World } from './support.ts';

const PAGE = 4096;
const PAGES = 64;
const EIO = 5;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

const write = (file: CachedFile, page: number, value: number) =>
  file.writeSync(new Uint8Array(PAGE).fill(value), page * PAGE);

/** What a disk does that loses what it said it had taken. */
function scramble(path: string, pages: readonly number[]): void {
  const fd = fs.openSync(path, 'r+');
  for (const page of pages) fs.writeSync(fd, Buffer.alloc(PAGE, 0xee), 0, PAGE, page * PAGE);
  fs.closeSync(fd);
}

const values = (path: string, pages: readonly number[]) =>
  pages.map((page) => {
    const bytes = new Set(onFile(path, page * PAGE, PAGE));
    return bytes.size === 1 ? [...bytes][0] : -1;
  });

const failure = async (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error) => [error.code, error.cause?.code],
  );

describe.each(['keep', 'redirty'] as const)('%s', (pinnedDirty) => {
  test.each([
    { form: 'sync', yetDone: false },
    { form: 'async', yetDone: false },
    { form: 'async', yetDone: true },
  ] as const)(
    'pages of the flushers and of the round are written again ($form, done all the same: $yetDone)',
    async ({ form, yetDone }) => {
      const { cache, fail } = await world.harness({
        memory: 4 << 20,
        pinnedDirty,
        writebackIntervalMs: 5,
        dirtyExpireMs: 0,
      });
      const path = world.create(PAGES * PAGE);
      const file = cache.openSync(path);
      const fsync = async () => (form === 'sync' ? file.fsyncSync() : await file.fsync());
      // Page 40 is stable before anything fails.
      write(file, 40, 4);
      await fsync();
      const background = [0, 1, 2, 3, 10, 11, 30];
      for (const page of background) write(file, page, 1);
      await until(() => cache.stats().unstable === background.length, 'the flushers to write');
      await until(() => cache.stats().dirty + cache.stats().writeback === 0, 'the flushers to be done');
      const before = cache.stats().writtenPages;
      // These are held, so that the flushers leave them to the round (under 'redirty' they are dirty by another's write).
      const pins = [20, 21].map((page) => file.pinSync(page, 'write'));
      for (const page of [20, 21]) write(file, page, 2);
      // Before the flush fails: afterwards a flusher may be as fast as the next fsync.
      scramble(path, [...background, 40]);
      fail({ call: 'flush', errno: EIO, times: 1, yetDone });
      expect(await failure(fsync())).toEqual(['ERR_PINFOLD_IO', 'EIO']);
      expect(cache.stats().writtenPages - before).toBeGreaterThanOrEqual(2);
      for (const pin of pins) pin.unpin();
      expect((await fsync()).flushes).toBe(1);
      expect(cache.stats().writtenPages - before).toBeGreaterThanOrEqual(2 + background.length + 2);
      const written = [...background, 20, 21];
      expect(values(path, written)).toEqual([...background.map(() => 1), 2, 2]);
      expect(values(path, [40])).toEqual([0xee]); // was stable: nobody's business
      expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0, errors: 1 });
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );

  test('the next fsync writes exactly the unstable pages, once', async () => {
    const { cache, fail } = await world.harness({
      memory: 4 << 20,
      pinnedDirty,
      writebackIntervalMs: 60_000,
    });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    for (let page = 0; page < 8; page++) write(file, page, 1);
    fail({ call: 'flush', errno: EIO, times: 3 });
    for (let n = 1; n <= 3; n++) {
      expect(await failure(file.fsync())).toEqual(['ERR_PINFOLD_IO', 'EIO']);
      expect(cache.stats()).toMatchObject({ dirty: 8, unstable: 8, writtenPages: 8 * n, errors: n });
      write(file, 3, 1 + n); // dirty already
    }
    scramble(path, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await file.fsync()).toMatchObject({ pages: 8, flushes: 1 });
    expect(values(path, [0, 1, 2, 3, 4, 5, 6, 7, 8])).toEqual([1, 1, 1, 4, 1, 1, 1, 1, 0xee]);
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0, writtenPages: 32 });
    // Nothing is owed any more.
    expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
  });

  test('a page that is read-pinned, or write-pinned again, is made dirty too', async () => {
    const { cache, fail } = await world.harness({
      memory: 4 << 20,
      pinnedDirty,
      writebackIntervalMs: 60_000,
    });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    for (let page = 0; page < 4; page++) write(file, page, 1);
    const reader = file.pinSync(1);
    const writer = file.pinSync(2, 'write');
    fail({ call: 'flush', errno: EIO, times: 1 });
    expect(await failure(file.fsync())).toEqual(['ERR_PINFOLD_IO', 'EIO']);
    expect(cache.stats()).toMatchObject({ dirty: 4, pinnedDirty: 1 });
    scramble(path, [0, 1, 2, 3]);
    expect(await file.fsync()).toMatchObject({ pages: 4, bounced: 1 });
    expect(values(path, [0, 1, 2, 3])).toEqual([1, 1, 1, 1]);
    reader.unpin();
    writer.unpin({ dirty: false });
    await file.fsync();
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('threads that write and fsync while flushes fail: who is told yes finds it true', async () => {
    const { cache, fail, heal } = await world.harness({
      memory: 1 << 20,
      pinnedDirty,
      flushers: 2,
      writebackIntervalMs: 2,
      dirtyExpireMs: 0,
    });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    const agents = await Promise.all([0, 1, 2].map(() => world.agent(cache, path)));
    const trouble = setInterval(() => fail({ call: 'flush', errno: EIO, after: 1, times: 2 }), 5);
    try {
      const work = agents.map((agent, n) =>
        agent.run(
          async ({ file, path, fs }, { n, PAGE }) => {
            const fd = fs.openSync(path, 'r');
            const found = new Uint8Array(1);
            let [failed, lies] = [0, 0];
            for (let value = 1; value <= 120; value++) {
              const pages = [0, 1, 2, 3, 4, 5].map((k) => k * 7 + n);
              for (const page of pages) file.writeSync(new Uint8Array(8).fill(value), page * PAGE + n * 64);
              try {
                if (value % 2) file.fsyncSync();
                else await file.fsync();
              } catch {
                failed++;
                continue;
              }
              for (const page of pages) {
                fs.readSync(fd, found, 0, 1, page * PAGE + n * 64);
                if (found[0] !== value) lies++;
              }
            }
            fs.closeSync(fd);
            return { failed, lies };
          },
          { n, PAGE },
        ),
      );
      const results = await Promise.all(work);
      expect(results.map(({ lies }) => lies)).toEqual([0, 0, 0]);
      expect(results.reduce((sum, { failed }) => sum + failed, 0)).toBeGreaterThan(0);
    } finally {
      clearInterval(trouble);
      heal();
    }
    await failure(file.fsync()); // may tell of a flusher's error from before
    await file.fsync();
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0 });
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });
});
