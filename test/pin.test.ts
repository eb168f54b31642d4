import type { CachedFile, Page } from 'pinfold';
import { describe, expect, test } from 'vitest';
import type { HarnessOptions } from '#harness';
import { pinDirty, SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt } from './support/directory.ts';
import { refusal } from './support/refusal.ts';
import { inThread } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;

describe('a page', () => {
  test('is pinned until it is unpinned', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    const page = file.pinSync(1);
    expect(page).toMatchObject({ index: 1, mode: 'read' });
    expect(page.bytes.length).toBe(PAGE);
    expect(page.bytes[17]).toBe(patternAt(PAGE + 17));
    expect(cache.stats()).toMatchObject({ readPins: 1, writePins: 0, dirty: 0 });
    page.unpin();
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 0 });
  });

  test('pinned to write is dirty afterwards, and its bytes reach the file', async () => {
    const { file, cache, path } = await startWithFile(3, SMALL);
    const page = await file.pin(2, 'write');
    expect(page.mode).toBe('write');
    page.bytes[10] = 0xf1;
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 1 });
    page.unpin();
    expect(cache.stats()).toMatchObject({ writePins: 0, dirty: 1, pinnedDirty: 0 });
    await file.fsync();
    expect(cache.stats().dirty).toBe(0);
    expect(bytesInFile(path, 2 * PAGE + 10, 1)[0]).toBe(0xf1);
  });

  test.each(['read', 'write'] as const)('pinned to %s is unpinned once only', async (mode) => {
    const { file, cache } = await startWithFile(3, SMALL);
    const page = file.pinSync(1, mode);
    const other = file.pinSync(1, mode); // must not be dropped in its place
    page.unpin();
    expect(() => page.unpin()).toThrow(refusal('ERR_PINFOLD_UNPINNED', 'page 1'));
    expect(() => page.unpin({ dirty: false })).toThrow(refusal('ERR_PINFOLD_UNPINNED', 'page 1'));
    const { readPins, writePins } = cache.stats();
    expect(readPins + writePins).toBe(1);
    other.unpin();
  });

  test.each(['read', 'write'] as const)('pinned to %s is out of reach after unpin', async (mode) => {
    const { file } = await startWithFile(3, SMALL);
    const page = file.pinSync(2, mode);
    page.unpin();
    expect(() => page.bytes).toThrow(refusal('ERR_PINFOLD_UNPINNED', 'page 2'));
    expect(page).toMatchObject({ index: 2, mode });
    file.pinSync(2, mode).unpin(); // a slot used again does not bring the old handle back
    const again = file.pinSync(2, mode);
    expect(() => page.bytes).toThrow(refusal('ERR_PINFOLD_UNPINNED'));
    again.unpin();
  });

  test('is dropped at the end of its block by `using`', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    {
      using page = file.pinSync(0);
      using written = await file.pin(1, 'write');
      written.bytes[0] = page.bytes[0]!;
      expect(cache.stats()).toMatchObject({ readPins: 1, writePins: 1 });
    }
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 1 });
    expect(() => {
      using page = file.pinSync(0);
      throw new Error(`thrown over page ${page.index}`);
    }).toThrow('thrown over page 0');
    expect(cache.stats().readPins).toBe(0);
  });

  test('may be dropped before the end of its block, and disposed of twice', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    {
      using page = file.pinSync(0);
      page.unpin();
    }
    const page = file.pinSync(0);
    page[Symbol.dispose]();
    page[Symbol.dispose]();
    expect(() => page.unpin()).toThrow(refusal('ERR_PINFOLD_UNPINNED'));
    expect(cache.stats().readPins).toBe(0);
  });

  test('is the same memory for all who pin it', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    using writer = file.pinSync(0, 'write');
    using reader = file.pinSync(0);
    writer.bytes[1] = 0xc3;
    expect(reader.bytes[1]).toBe(0xc3);
    const seen = await inThread(cache.handle, file.path, (attached, path) => {
      const page = attached.openSync(path).pinSync(0, 'write');
      const before = page.bytes[1];
      page.bytes[1] = 0xc4;
      page.unpin();
      return before;
    });
    expect(seen).toBe(0xc3);
    expect(reader.bytes[1]).toBe(0xc4);
  });

  test('stays in its frame while others come and go', async () => {
    const { file, cache } = await startWithFile(200, SMALL);
    const page = file.pinSync(7);
    const { bytes } = page;
    for (let index = 0; index < 200; index++) file.viewSync(index, () => 0);
    expect(cache.stats().reclaims).toBeGreaterThan(100);
    expect([...bytes.subarray(0, 9)]).toEqual(Array.from({ length: 9 }, (_, n) => patternAt(7 * PAGE + n)));
    const { misses } = cache.stats();
    expect(file.viewSync(7, (now) => now === bytes)).toBe(true);
    expect(cache.stats().misses).toBe(misses);
    page.unpin();
  });
});

describe('tryPin', () => {
  test('pins a page that is in the cache, and no other', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    expect(file.tryPin(1)).toBeUndefined();
    expect(file.tryPin(1, 'write')).toBeUndefined();
    expect(cache.stats()).toMatchObject({ resident: 0, readPins: 0, writePins: 0 });
    file.viewSync(1, () => 0);
    using page = file.tryPin(1);
    expect(page?.bytes[3]).toBe(patternAt(PAGE + 3));
    using written = file.tryPin(1, 'write');
    expect(written?.mode).toBe('write');
    expect(cache.stats()).toMatchObject({ resident: 1, readPins: 1, writePins: 1, fills: 1 });
  });

  test('that finds nothing is a miss, and leaves the hits as they were', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    file.viewSync(0, () => 0);
    const { hits, misses } = cache.stats();
    for (let n = 0; n < 5; n++) expect(file.tryPin(1)).toBeUndefined();
    expect(cache.stats()).toMatchObject({ hits, misses: misses + 5 });
    file.viewSync(0, () => 0);
    expect(cache.stats().hits).toBe(hits + 1);
  });
});

test.each<[string, (file: CachedFile, index: number) => unknown]>([
  ['pinSync', (file, index) => file.pinSync(index).unpin()],
  ['pin', async (file, index) => (await file.pin(index, 'write')).unpin()],
  ['viewSync', (file, index) => file.viewSync(index, () => 0)],
  ['view', (file, index) => file.view(index, () => 0)],
  ['writeSync', (file, index) => file.writeSync(Uint8Array.of(1), index * PAGE)],
])('%s of a page that is not there is one miss and no hit; of one that is, a hit', async (_name, call) => {
  const { file, cache } = await startWithFile(10, SMALL, { access: 'random' });
  for (let index = 0; index < 10; index++) await call(file, index);
  expect(cache.stats()).toMatchObject({ misses: 10, fills: 10 });
  expect(cache.stats().hits).toBeGreaterThanOrEqual(0);
  expect(cache.stats().hits).toBeLessThanOrEqual(10); // a view on a pinned page is a lookup of its own
  const { hits } = cache.stats();
  for (let index = 0; index < 10; index++) await call(file, index);
  expect(cache.stats().hits).toBeGreaterThanOrEqual(hits + 10);
  expect(cache.stats().misses).toBe(10);
});

describe('pins outlive their file handle', () => {
  test('and what was stored under them reaches the file without a handle', async () => {
    const { file, cache, path } = await startWithFile(2, { ...SMALL, writebackIntervalMs: 5 });
    const page = file.pinSync(1, 'write');
    await file.close();
    page.bytes[8] = 0xd8;
    expect(cache.stats().writePins).toBe(1);
    page.unpin();
    await until('it is written', () => bytesInFile(path, PAGE + 8, 1)[0] === 0xd8);
  });

  test('and close of the cache writes it', async () => {
    const { file, cache, path } = await startWithFile(2, { ...SMALL, writebackIntervalMs: 60_000 });
    const page = file.pinSync(1, 'write');
    file.closeSync();
    page.bytes[8] = 0xd9;
    page.unpin();
    await cache.close();
    expect(bytesInFile(path, PAGE + 8, 1)[0]).toBe(0xd9);
  });
});

describe('maxPinsPerThread', () => {
  test('bounds what one thread holds, and it recovers', async () => {
    const { file, cache } = await startWithFile(10, { ...SMALL, maxPinsPerThread: 4 });
    const pages = [file.pinSync(0), file.pinSync(1, 'write'), await file.pin(2), file.pinSync(2)];
    const refused = refusal('ERR_PINFOLD_PIN_LIMIT', '4 pins', 'maxPinsPerThread');
    for (const index of [0, 9]) {
      expect(() => file.pinSync(index)).toThrow(refused);
      expect(() => file.tryPin(index)).toThrow(refused);
      await expect(file.pin(index, 'write')).rejects.toThrow(refused);
    }
    expect(cache.stats()).toMatchObject({ readPins: 3, writePins: 1 });
    pages.pop()!.unpin();
    pages.push(file.pinSync(9));
    expect(() => file.pinSync(0)).toThrow(refused);
    for (const page of pages) page.unpin();
    for (let n = 0; n < 10; n++) file.pinSync(n, n % 2 ? 'read' : 'write').unpin();
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
  });

  test('is each thread for itself', async () => {
    const { file, cache } = await startWithFile(3, { ...SMALL, maxPinsPerThread: 1 });
    using _page = file.pinSync(0);
    const pinned = await inThread(cache.handle, file.path, (attached, path) => {
      const page = attached.openSync(path).pinSync(0);
      page.unpin();
      return page.index;
    });
    expect(pinned).toBe(0);
  });

  test('does not keep a thread that holds them all from looking in place', async () => {
    const { file } = await startWithFile(3, { ...SMALL, maxPinsPerThread: 1 });
    using _page = file.pinSync(0);
    const target = new Uint8Array(2);
    expect(file.viewSync(0, (bytes) => bytes[0])).toBe(patternAt(0));
    expect(file.viewSync(1, (bytes) => bytes[0])).toBe(patternAt(PAGE));
    expect(file.readSync(target, 2 * PAGE)).toBe(2);
  });
});

test('one page counts 1,023 write pins, and not one more', async () => {
  const { file, cache } = await startWithFile(1, { ...SMALL, maxPinsPerThread: 4096 });
  const pages = Array.from({ length: 1023 }, () => file.pinSync(0, 'write'));
  const refused = refusal('ERR_PINFOLD_PIN_COUNT', 'page 0', '1,023');
  expect(() => file.pinSync(0, 'write')).toThrow(refused);
  expect(() => file.tryPin(0, 'write')).toThrow(refused);
  await expect(file.pin(0, 'write')).rejects.toThrow(refused);
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 1023 });
  file.pinSync(0).unpin(); // read pins are counted apart
  pages.pop()!.unpin();
  pages.push(file.pinSync(0, 'write'));
  for (const page of pages) page.unpin();
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 1 });
});

test('one page counts 4,095 read pins, and not one more', async () => {
  const { file, cache } = await startWithFile(1, { ...SMALL, maxPinsPerThread: 4096 });
  const pages = Array.from({ length: 4095 }, () => file.pinSync(0));
  const refused = refusal('ERR_PINFOLD_PIN_COUNT', 'page 0', '4,095');
  expect(() => file.pinSync(0)).toThrow(refused);
  expect(() => file.tryPin(0)).toThrow(refused);
  await expect(file.pin(0)).rejects.toThrow(refused);
  expect(file.viewSync(0, (bytes) => bytes[0])).toBe(patternAt(0));
  expect(cache.stats().readPins).toBe(4095);
  for (const page of pages) page.unpin();
  file.pinSync(0, 'write').unpin();
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
});

describe('a pool full of pins', () => {
  /** Pins every frame of the pool by pages of `file`; the pages are in the order of their indexes. */
  function fill(file: CachedFile, frames: number, mode: 'read' | 'write'): Page[] {
    return Array.from({ length: frames }, (_, index) => file.pinSync(index, mode));
  }

  test.each(['read', 'write'] as const)('(%s) says so, and recovers', async (mode) => {
    const { file, cache } = await startWithFile(100, SMALL);
    const { frames } = cache.stats();
    const pages = fill(file, frames, mode);
    const refused = refusal('ERR_PINFOLD_FULL', 'page 99', `${frames} frames`, `${frames} pins`);
    const target = new Uint8Array(1);
    expect(() => file.pinSync(99)).toThrow(refused);
    expect(() => file.viewSync(99, () => 0)).toThrow(refused);
    expect(() => file.readSync(target, 99 * PAGE)).toThrow(refused);
    expect(() => file.writeSync(target, 99 * PAGE)).toThrow(refused);
    await expect(file.pin(99, 'write')).rejects.toThrow(refused);
    await expect(file.view(99, () => 0)).rejects.toThrow(refused);
    await expect(file.read(target, 99 * PAGE)).rejects.toThrow(refused);
    await expect(file.write(target, 99 * PAGE)).rejects.toThrow(refused);
    await expect(file.prefetch(99, 1)).rejects.toThrow(refused);
    expect(file.tryPin(99)).toBeUndefined();
    expect(file.viewSync(3, (bytes) => bytes[0])).toBe(patternAt(3 * PAGE)); // what is there is of use still
    expect(cache.stats()).toMatchObject({ resident: frames, readPins: mode === 'read' ? frames : 0 });

    pages.shift()!.unpin();
    expect(file.viewSync(99, (bytes) => bytes[0])).toBe(patternAt(99 * PAGE));
    pages.shift()!.unpin();
    expect(await file.view(98, (bytes) => bytes[0])).toBe(patternAt(98 * PAGE));
    for (const page of pages) page.unpin();
    expect(await file.read(new Uint8Array(100 * PAGE), 0)).toBe(100 * PAGE);
  });

  test('is synced all the same', async () => {
    const { file, cache, path } = await startWithFile(100, SMALL);
    const pages = Array.from({ length: cache.stats().frames }, (_, index) => pinDirty(file, index));
    for (const page of pages) page.bytes[0] = 0xa0 + (page.index % 16);
    expect(await file.fsync()).toMatchObject({ pages: pages.length, bounced: pages.length });
    for (const { index } of pages) expect(bytesInFile(path, index * PAGE, 1)[0]).toBe(0xa0 + (index % 16));
    for (const page of pages) page.unpin();
  });

  test('of another thread is named as well', async () => {
    const { file, cache } = await startWithFile(100, SMALL);
    const { frames } = cache.stats();
    const pages = fill(file, frames, 'read');
    const thread = inThread(cache.handle, file.path, (attached, path) => {
      attached.openSync(path).pinSync(99);
    });
    await expect(thread).rejects.toThrow(refusal('ERR_PINFOLD_FULL', `${frames} pins`));
    for (const page of pages) page.unpin();
  });
});

test('a pool full of dirty pages takes more: they are written for it', async () => {
  const options = { ...SMALL, writebackIntervalMs: 2 ** 30, dirtyBackgroundRatio: 1, dirtyRatio: 1 };
  const { cache } = await startCache(options);
  const path = fileOf(0);
  const file = await cache.open(path);
  for (let index = 0; index < 300; index++)
    file.writeSync(new Uint8Array(PAGE).fill(index % 251), index * PAGE);
  const back = new Uint8Array(PAGE);
  for (let index = 0; index < 300; index++) {
    file.readSync(back, index * PAGE);
    expect(back.every((byte) => byte === index % 251)).toBe(true);
  }
  await file.fsync();
  expect(bytesInFile(path, 299 * PAGE, PAGE).every((byte) => byte === 299 % 251)).toBe(true);
});

describe('unpin({ dirty: false })', () => {
  const keep: HarnessOptions = { ...SMALL, pinnedDirty: 'keep' };
  const redirty: HarnessOptions = { ...SMALL, pinnedDirty: 'redirty' };

  test("has no effect under 'keep': the page is dirty as long as it is pinned", async () => {
    const { file, cache } = await startWithFile(2, keep);
    const page = file.pinSync(0, 'write');
    expect(cache.stats()).toMatchObject({ dirty: 1, pinnedDirty: 1 });
    page.unpin({ dirty: false });
    expect(cache.stats()).toMatchObject({ dirty: 1, pinnedDirty: 0 });
    expect(file.fsyncSync()).toMatchObject({ pages: 1, bounced: 0 });
  });

  test("leaves a clean page clean under 'redirty'", async () => {
    const { file, cache } = await startWithFile(2, redirty);
    const page = file.pinSync(0, 'write');
    expect(cache.stats()).toMatchObject({ dirty: 0, writePins: 1 });
    expect(file.fsyncSync()).toMatchObject({ pages: 0 }); // it is not dirty, and was not stored into as far as is known
    page.unpin({ dirty: false });
    expect(cache.stats()).toMatchObject({ dirty: 0, dirtied: 0 });
  });

  test.each([undefined, {}, { dirty: true }, { dirty: undefined }])(
    'is not what %o means',
    async (options) => {
      const { file, cache } = await startWithFile(2, redirty);
      file.pinSync(0, 'write').unpin(options as { dirty?: boolean });
      expect(cache.stats().dirty).toBe(1);
    },
  );

  test('leaves a dirty page dirty', async () => {
    const { file, cache } = await startWithFile(2, redirty);
    file.writeSync(Uint8Array.of(1), 0);
    file.pinSync(0, 'write').unpin({ dirty: false });
    expect(cache.stats().dirty).toBe(1);
  });

  test.each(['sync', 'async'])(
    'has no effect if the page was written back while it was held (%s)',
    async (how) => {
      const { file, cache, path } = await startWithFile(2, redirty);
      file.writeSync(Uint8Array.of(0x31), 0);
      const page = file.pinSync(0, 'write');
      expect(how === 'sync' ? file.fsyncSync() : await file.fsync()).toMatchObject({ pages: 1, bounced: 1 });
      expect(cache.stats().dirty).toBe(0);
      page.bytes[1] = 0x32; // a device that was believed to be idle, say
      page.unpin({ dirty: false });
      expect(cache.stats().dirty).toBe(1);
      await file.fsync();
      expect([...bytesInFile(path, 0, 2)]).toEqual([0x31, 0x32]);
    },
  );

  test('means nothing for a read pin', async () => {
    const { file, cache } = await startWithFile(2, keep);
    file.pinSync(0).unpin({ dirty: true });
    file.pinSync(1).unpin({ dirty: false });
    expect(cache.stats().dirty).toBe(0);
  });

  test("under 'redirty' a page whose pin is dropped is dirty, though it was clean all the time", async () => {
    const { file, cache, path } = await startWithFile(2, redirty);
    const page = file.pinSync(1, 'write');
    page.bytes[5] = 0x99;
    page.unpin();
    expect(cache.stats().dirty).toBe(1);
    expect(await file.fsync()).toMatchObject({ pages: 1, bounced: 0 });
    expect(bytesInFile(path, PAGE + 5, 1)[0]).toBe(0x99);
  });
});
