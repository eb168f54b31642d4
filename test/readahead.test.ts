// Pages that come into the cache before they are asked for: which, whose, and that they are the file's.
import fs from 'node:fs';
import type { CachedFile, OpenOptions } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { fileOf, patternAt } from './support/directory.ts';
import { refusal } from './support/refusal.ts';
import { until } from './support/until.ts';
import { violationsWhenQuiet } from './threads/invariants.ts';

const PAGE = 4096;
const PAGES = 600;

type Access = NonNullable<OpenOptions['access']>;
const accesses: Access[] = ['normal', 'sequential', 'random', 'once'];

const same = (bytes: Uint8Array, position: number) =>
  bytes.every((byte, n) => byte === patternAt(position + n));

/** Ways to go through a file: each tells whether all that it read was right. */
const scans: Record<string, (file: CachedFile, pages: number) => boolean | Promise<boolean>> = {
  viewSync(file, pages) {
    for (let index = 0; index < pages; index++) {
      if (!file.viewSync(index, (bytes) => same(bytes, index * PAGE))) return false;
    }
    return true;
  },
  pinSync(file, pages) {
    for (let index = 0; index < pages; index++) {
      const page = file.pinSync(index);
      const right = same(page.bytes, index * PAGE);
      page.unpin();
      if (!right) return false;
    }
    return true;
  },
  readSync(file) {
    const target = new Uint8Array(50_000);
    for (let position = 0; ; ) {
      const n = file.readSync(target, position);
      if (!same(target.subarray(0, n), position)) return false;
      if (n === 0) return true;
      position += n;
    }
  },
  async view(file, pages) {
    for (let index = 0; index < pages; index++) {
      if (!(await file.view(index, (bytes) => same(bytes, index * PAGE)))) return false;
    }
    return true;
  },
  async pin(file, pages) {
    for (let index = 0; index < pages; index++) {
      const page = await file.pin(index);
      const right = same(page.bytes, index * PAGE);
      page.unpin();
      if (!right) return false;
    }
    return true;
  },
  async read(file) {
    const target = new Uint8Array(300_000);
    for (let position = 0; ; ) {
      const n = await file.read(target, position);
      if (!same(target.subarray(0, n), position)) return false;
      if (n === 0) return true;
      position += n;
    }
  },
};

describe.each(Object.keys(scans))('a scan by %s', (way) => {
  test.each(accesses)("of a file opened with access '%s' reads the file", async (access) => {
    const { cache, file } = await startWithFile(PAGES, { memory: 2 << 20 }, { access });
    expect(await scans[way]!(file, PAGES)).toBe(true);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    const { misses, readahead, fills } = cache.stats();
    expect(fills).toBeGreaterThanOrEqual(PAGES);
    if (access === 'random') expect(readahead).toBe(0);
    else {
      expect(readahead).toBeGreaterThan(PAGES / 2);
      expect(misses).toBeLessThan(PAGES / 2);
    }
  });

  test('in the smallest pool reads the file', async () => {
    const { cache, file } = await startWithFile(300, SMALL);
    expect(await scans[way]!(file, 300)).toBe(true);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('of a file that ends within a page reads all of it', async () => {
    const { cache } = await startCache();
    const file = await cache.open(fileOf(99 * PAGE + 1), { mode: 'r', access: 'sequential' });
    if (way === 'readSync' || way === 'read') expect(await scans[way]!(file, 100)).toBe(true);
    else expect(await scans[way]!(file, 99)).toBe(true);
    expect(file.viewSync(99, (bytes) => [...bytes.subarray(0, 3)])).toEqual([patternAt(99 * PAGE), 0, 0]);
  });
});

test.each([8192, 65_536])('with pages of %i bytes a scan reads the file', async (pageSize) => {
  const { cache } = await startCache({ memory: 8 << 20, pageSize });
  const file = await cache.open(fileOf(300 * PAGE), { mode: 'r' });
  expect(scans.readSync!(file, 0)).toBe(true);
  expect(cache.stats().readahead).toBeGreaterThan(0);
});

test('a file with checksums is read ahead, and a page that is not as it was written is still reported', async () => {
  const { cache } = await startCache({ memory: 4 << 20 });
  const path = fileOf(0);
  const file = await cache.open(path, { checksum: 'crc32c' });
  const bytes = Uint8Array.from({ length: 400 * file.pageSize }, (_, n) => patternAt(n));
  file.writeSync(bytes, 0);
  await file.fsync();
  await file.close();
  await until('the file to be closed', () => {
    for (const page of cache.pages()) if (page.file === path) return false;
    return true;
  }).catch(() => {}); // its pages may stay
  const other = await startCache({ memory: 2 << 20 });
  await cache.close();
  const again = await other.cache.open(path, { checksum: 'crc32c', access: 'sequential' });
  const read = new Uint8Array(bytes.length);
  expect(again.readSync(read, 0)).toBe(bytes.length);
  expect(Buffer.compare(read, bytes)).toBe(0);
  expect(other.cache.stats().readahead).toBeGreaterThan(100);
  await other.cache.close();
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, Uint8Array.of(99), 0, 1, 200 * PAGE + 5);
  fs.closeSync(fd);
  const third = await startCache({ memory: 2 << 20 });
  const broken = await third.cache.open(path, { checksum: 'crc32c', access: 'sequential' });
  for (let index = 0; index < 400; index++) {
    if (index === 200)
      expect(() => broken.viewSync(index, () => 0)).toThrow(refusal('ERR_PINFOLD_CHECKSUM', '200'));
    else expect(broken.viewSync(index, (page) => page[0])).toBe(bytes[index * broken.pageSize]);
  }
});

test.each([3, -1, -4, 50])('pages %i apart are read ahead', async (stride) => {
  const { cache, file } = await startWithFile(PAGES, { memory: 8 << 20 });
  const from = stride > 0 ? 0 : PAGES - 1;
  const count = Math.floor(PAGES / Math.abs(stride)) - 1;
  for (let n = 0; n < count; n++) {
    const index = from + n * stride;
    expect(file.viewSync(index, (bytes) => same(bytes, index * PAGE))).toBe(true);
  }
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  expect(cache.stats().readahead).toBeGreaterThan(count / 3);
  for (const { index } of cache.pages()) expect(Math.abs((index - from) % stride)).toBe(0);
});

test('access is a handle’s: another of the file may say otherwise', async () => {
  const { cache, file, path } = await startWithFile(PAGES, { memory: 16 << 20 }, { access: 'random' });
  for (let index = 0; index < 100; index++) file.viewSync(index, () => 0);
  expect(cache.stats()).toMatchObject({ readahead: 0, fills: 100, misses: 100 });
  const other = await cache.open(path, { access: 'sequential' });
  for (let index = 100; index < 200; index++) other.viewSync(index, () => 0);
  expect(cache.stats().readahead).toBeGreaterThan(50);
  expect([file.access, other.access]).toEqual(['random', 'sequential']);
  expect((await cache.open(path)).access).toBe('normal');
});

test.each(['Sequential', '', 1, null, {}])('access %o is refused by name', async (access) => {
  const { cache } = await startCache(SMALL);
  const path = fileOf(PAGE);
  const options = { access } as unknown as OpenOptions;
  await expect(cache.open(path, options)).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', 'access'));
  expect(() => cache.openSync(path, options)).toThrow(refusal('ERR_PINFOLD_OPTION', 'access'));
});

test('reads at random bring in nothing else', async () => {
  const { cache, file } = await startWithFile(PAGES, { memory: 16 << 20 });
  const read = new Set<number>();
  for (let n = 0, page = 1; n < 200; n++, page = (page * 769 + 13) % PAGES) {
    file.viewSync(page, (bytes) => expect(bytes[0]).toBe(patternAt(page * PAGE)));
    read.add(page);
  }
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  expect(cache.stats().fills).toBeLessThan(1.2 * read.size);
});

describe('prefetch', () => {
  test.each(['prefetch', 'prefetchSync'] as const)(
    '%s brings in what is missing, and no more',
    async (call) => {
      const { cache, file } = await startWithFile(PAGES, { memory: 16 << 20 }, { access: 'random' });
      for (const index of [10, 11, 40, 200]) file.viewSync(index, () => 0);
      await file[call](5, 300);
      const here = [...cache.pages()].map(({ index }) => index).sort((a, b) => a - b);
      expect(here).toEqual(Array.from({ length: 300 }, (_, n) => n + 5));
      expect(cache.stats()).toMatchObject({ fills: 300, readahead: 0 });
      for (let index = 5; index < 305; index++) {
        expect(file.viewSync(index, (bytes) => same(bytes, index * PAGE))).toBe(true);
      }
    },
  );

  test.each(['prefetch', 'prefetchSync'] as const)('%s tells what went wrong with a page', async (call) => {
    const { file, fail } = await startWithFile(100, { memory: 4 << 20 });
    fail({ call: 'read', errno: 5 });
    await expect((async () => file[call](0, 50))()).rejects.toThrow(refusal('ERR_PINFOLD_IO', 'page 0'));
  });

  test.each(['prefetch', 'prefetchSync'] as const)(
    '%s of more than the pool holds ends well',
    async (call) => {
      const { cache, file } = await startWithFile(400, SMALL);
      await file[call](0, 400);
      expect(cache.stats().fills).toBeGreaterThanOrEqual(400);
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );
});

test('opening goes on while much is read ahead', async () => {
  const { cache, path } = await startWithFile(PAGES, { memory: 4 << 20 });
  const handles = await Promise.all(
    Array.from({ length: 6 }, () => cache.open(path, { access: 'sequential' })),
  );
  const paths = Array.from({ length: 6 }, (_, n) => fileOf(PAGE, `other-${n}`));
  const scanning = handles.map((handle) => scans.view!(handle, 300));
  for (const each of paths) await (await cache.open(each)).close();
  expect(await Promise.all(scanning)).toEqual(handles.map(() => true));
});

test('a file whose reads fail is read once they don’t, wherever readahead had come', async () => {
  const { file, fail, heal } = await startWithFile(PAGES, { memory: 4 << 20 });
  for (let index = 0; index < 100; index++) file.viewSync(index, () => 0);
  fail({ call: 'read', errno: 5 });
  let failed = 0;
  let index = 100;
  for (; index < 400 && failed === 0; index++) {
    try {
      file.viewSync(index, () => 0);
    } catch (error) {
      expect(error).toEqual(expect.objectContaining({ code: 'ERR_PINFOLD_IO' }));
      failed++;
    }
  }
  expect(failed).toBe(1);
  heal();
  for (; index < PAGES; index++)
    expect(file.viewSync(index, (bytes) => same(bytes, index * PAGE))).toBe(true);
});

test('a handle is closed, and the cache, while pages are on their way', async () => {
  for (let n = 0; n < 5; n++) {
    const { cache, file } = await startWithFile(PAGES, { memory: 4 << 20 }, { access: 'sequential' });
    for (let index = 0; index < 3; index++) file.viewSync(index, () => 0);
    if (n % 2 === 0) file.closeSync();
    await cache.close();
  }
});
