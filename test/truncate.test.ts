// truncate: what the file is afterwards, for every thread, in the cache and in the store; what becomes of pages that were
// cut off while somebody held them; and what is refused.
import fs from 'node:fs';
import { constants } from 'node:os';
import type { CachedFile, Page } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { attachHarness, engineOf, type HarnessOptions, layout } from '#harness';
import { type OpenedFile, SMALL, startCache } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt } from './support/directory.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';
import { violationsWhenQuiet } from './threads/invariants.ts';

const PAGE = 4096;
const GIB = 2 ** 30;
const { EIO, EFBIG, ENOSPC } = constants.errno;

/** No background writeback: only fsync writes. */
const QUIET: HarnessOptions = {
  ...SMALL,
  writebackIntervalMs: 2 ** 30,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
};

type Truncate = (file: CachedFile, size: number) => Promise<void>;
const forms: [string, Truncate][] = [
  ['truncate', (file, size) => file.truncate(size)],
  ['truncateSync', async (file, size) => file.truncateSync(size)],
];

/** A cache with one open file of `size` bytes of the pattern. */
async function start(size: number, options: HarnessOptions = QUIET): Promise<OpenedFile> {
  const harness = await startCache(options);
  const path = fileOf(size);
  return { ...harness, path, file: await harness.cache.open(path) };
}

const pattern = (from: number, to: number) =>
  Buffer.from(Uint8Array.from({ length: to - from }, (_, n) => patternAt(from + n)));

/** What the cache says is in the file, from `from` on. */
function shown(file: CachedFile, from = 0): Buffer {
  const bytes = Buffer.alloc(file.size - from + 10);
  return bytes.subarray(0, file.readSync(bytes, from));
}

/** Cache and store hold the same bytes, and these, once the file is synced. */
async function expectFile({ file, path }: OpenedFile, bytes: Buffer): Promise<void> {
  expect(file.size).toBe(bytes.length);
  expect(shown(file).equals(bytes)).toBe(true);
  await file.fsync();
  expect(fs.statSync(path).size).toBe(bytes.length);
  expect(fs.readFileSync(path).equals(bytes)).toBe(true);
  expect(shown(file).equals(bytes)).toBe(true);
}

/** Every way to come to a page, that must be refused beyond the end. */
async function expectBeyond(file: CachedFile, index: number): Promise<void> {
  const refused = refusal('ERR_PINFOLD_RANGE', `page index ${index}`);
  for (const mode of ['read', 'write'] as const) {
    expect(() => file.pinSync(index, mode)).toThrow(refused);
    expect(() => file.tryPin(index, mode)).toThrow(refused);
    await expect(file.pin(index, mode)).rejects.toThrow(refused);
  }
  expect(() => file.viewSync(index, () => 0)).toThrow(refused);
  await expect(file.view(index, () => 0)).rejects.toThrow(refused);
  expect(() => file.updateSync(index, () => 0)).toThrow(refused);
  await expect(file.update(index, () => 0)).rejects.toThrow(refused);
}

describe.each(forms)('%s', (form, truncate) => {
  test.each([0, 1, PAGE / 2, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE, 5 * PAGE + 99])(
    'cuts a file of 5 pages and 100 bytes to %i',
    async (size) => {
      const opened = await start(5 * PAGE + 100);
      const { file, cache, path } = opened;
      file.prefetchSync(0, 6);
      expect(await file.fsync()).toMatchObject({ flushes: 0 });
      await truncate(file, size);
      expect(file.size).toBe(size);
      const pages = Math.ceil(size / PAGE);
      expect(cache.stats().resident).toBe(pages);
      for (let index = pages; index < 6; index++) await expectBeyond(file, index);
      // Nothing but a last page that is cut in two has to be written; the new size has to be flushed.
      expect(await file.fsync()).toMatchObject({ pages: size % PAGE === 0 ? 0 : 1, flushes: 1 });
      expect(fs.statSync(path).size).toBe(size);
      expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
      await expectFile(opened, pattern(0, size));
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );

  test('cuts a file none of whose pages is in the cache', async () => {
    const opened = await start(500 * PAGE);
    await truncate(opened.file, 7);
    await expectFile(opened, pattern(0, 7));
    await truncate(opened.file, 0);
    await expectFile(opened, Buffer.alloc(0));
  });

  test('to the size that the file has does nothing', async () => {
    const opened = await start(3 * PAGE + 5);
    const { file, cache } = opened;
    using page = file.pinSync(3);
    await truncate(file, 3 * PAGE + 5);
    expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
    expect(cache.stats()).toMatchObject({ resident: 1, orphans: 0, dirty: 0 });
    expect(page.bytes[4]).toBe(patternAt(3 * PAGE + 4));
    await expectFile(opened, pattern(0, 3 * PAGE + 5));
  });

  test.each([
    [0, 1],
    [0, 3 * PAGE],
    [10, 20],
    [10, PAGE],
    [10, PAGE + 1],
    [10, 70 * PAGE + 7],
    [2 * PAGE, 2 * PAGE + 1],
    [2 * PAGE, 9 * PAGE],
  ])('extends a file of %i bytes to %i by zeros', async (from, to) => {
    const opened = await start(from);
    const { file, path } = opened;
    await truncate(file, to);
    expect(file.size).toBe(to);
    expect(fs.statSync(path).size).toBe(from); // in time, or by fsync
    const report = await file.fsync();
    expect(report).toMatchObject({ flushes: 1 });
    expect(report.pages).toBeLessThanOrEqual(2); // not all of them
    await expectFile(opened, Buffer.concat([pattern(0, from), Buffer.alloc(to - from)]));
    expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
  });

  test('extends beyond 4 GiB, without filling it', async () => {
    const { file, path } = await start(PAGE + 10);
    await truncate(file, 5 * GIB + 3);
    expect(file.size).toBe(5 * GIB + 3);
    const last = Math.floor((5 * GIB) / PAGE);
    expect(file.viewSync(last, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
    expect(() => file.viewSync(last + 1, () => 0)).toThrow(refusal('ERR_PINFOLD_RANGE'));
    file.writeSync(Buffer.from('far'), 5 * GIB);
    await file.fsync();
    expect(fs.statSync(path).size).toBe(5 * GIB + 3);
    expect(fs.statSync(path).blocks * 512).toBeLessThan(2 ** 20);
    expect(bytesInFile(path, 5 * GIB, 9).toString()).toBe('far');
    // From there to a middle beyond 4 GiB, and back: many more pages than there are frames.
    await truncate(file, 4 * GIB + 1);
    expect(file.size).toBe(4 * GIB + 1);
    await file.fsync();
    expect(fs.statSync(path).size).toBe(4 * GIB + 1);
    await truncate(file, PAGE + 10);
    await file.fsync();
    expect(fs.readFileSync(path).equals(pattern(0, PAGE + 10))).toBe(true);
  });

  test.each([0, 1, PAGE, 2 * PAGE + 9])(
    'to %i and longer again: what had been there does not come back',
    async (size) => {
      const opened = await start(5 * PAGE);
      const { file, path } = opened;
      file.writeSync(Buffer.alloc(5 * PAGE, 0xdd), 0); // dirty, all of it
      await truncate(file, size);
      await truncate(file, 5 * PAGE - 1);
      const bytes = Buffer.concat([Buffer.alloc(size, 0xdd), Buffer.alloc(5 * PAGE - 1 - size)]);
      await expectFile(opened, bytes);
      await truncate(file, size);
      file.writeSync(Uint8Array.of(0x11), 4 * PAGE + 5);
      const longer = Buffer.alloc(4 * PAGE + 6);
      longer.fill(0xdd, 0, size);
      longer[4 * PAGE + 5] = 0x11;
      await expectFile(opened, longer);
      expect(fs.readFileSync(path).equals(longer)).toBe(true);
    },
  );

  test('drops pages from a pool smaller than the file, wherever they are', async () => {
    const opened = await start(300 * PAGE, SMALL);
    const { file, cache } = opened;
    for (let index = 0; index < 300; index++) file.writeSync(Uint8Array.of(0xab), index * PAGE + 7);
    const expected = pattern(0, 300 * PAGE);
    for (let index = 0; index < 300; index++) expected[index * PAGE + 7] = 0xab;
    for (const pages of [299, 298, 270, 260, 130, 2]) {
      await truncate(file, pages * PAGE - 100);
      await truncate(file, 300 * PAGE);
      expected.fill(0, pages * PAGE - 100);
      for (const index of [pages - 1, pages, pages + 1, 299]) {
        if (index > 299) continue;
        const bytes = Buffer.alloc(PAGE);
        file.readSync(bytes, index * PAGE);
        expect(bytes.equals(expected.subarray(index * PAGE, (index + 1) * PAGE))).toBe(true);
      }
    }
    await expectFile(opened, expected);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('is seen at once by other handles and other threads', async () => {
    const { file, cache, path } = await start(9 * PAGE);
    const other = await cache.open(path, { mode: 'r' });
    const flags = sharedFlags(2);
    const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
      const file = attached.openSync(path);
      const before = file.viewSync(8, (bytes) => bytes[0]);
      Atomics.store(flags, 0, 1);
      Atomics.notify(flags, 0);
      Atomics.wait(flags, 1, 0, 10_000);
      let refused: unknown;
      try {
        file.viewSync(8, () => 0);
      } catch (error) {
        refused = (error as { code: string }).code;
      }
      return [before, file.size, file.readSync(new Uint8Array(3 * 4096), 0), refused];
    });
    await until('the thread has looked', () => Atomics.load(flags, 0) === 1);
    await truncate(file, PAGE + 1);
    expect(other.size).toBe(PAGE + 1);
    expect(other.readSync(new Uint8Array(PAGE), PAGE)).toBe(1);
    await expectBeyondForReader(other, 2);
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    expect(await thread).toEqual([patternAt(8 * PAGE), PAGE + 1, PAGE + 1, 'ERR_PINFOLD_RANGE']);
  });

  test('makes reads short', async () => {
    const { file } = await start(6 * PAGE);
    await truncate(file, 2 * PAGE + 30);
    const target = new Uint8Array(3 * PAGE);
    for (const [position, length] of [
      [0, 2 * PAGE + 30],
      [2 * PAGE, 30],
      [2 * PAGE + 29, 1],
      [2 * PAGE + 30, 0],
      [5 * PAGE, 0],
    ] as const) {
      expect(file.readSync(target, position)).toBe(length);
      expect(await file.read(target, position)).toBe(length);
    }
  });

  test('leaves pages beyond the end out of what is dirty and what is written', async () => {
    const { file, cache, path } = await start(10 * PAGE);
    for (let index = 0; index < 10; index++) file.writeSync(Uint8Array.of(0xcc), index * PAGE);
    expect(cache.stats().dirty).toBe(10);
    await truncate(file, 3 * PAGE);
    expect(cache.stats()).toMatchObject({ dirty: 3, resident: 3, pinnedDirty: 0 });
    const { writtenPages } = cache.stats();
    expect(await file.fsync()).toMatchObject({ pages: 3, flushes: 1 });
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0, writtenPages: writtenPages + 3 });
    expect(fs.statSync(path).size).toBe(3 * PAGE);
  });

  test('of a file with pages that are written and not flushed', async () => {
    const { file, cache } = await start(10 * PAGE, { ...QUIET, dirtyExpireMs: 0, writebackIntervalMs: 5 });
    for (let index = 0; index < 10; index++) file.writeSync(Uint8Array.of(0xcc), index * PAGE);
    await until('they are written', () => cache.stats().dirty === 0 && cache.stats().writeback === 0);
    await truncate(file, PAGE);
    expect(cache.stats()).toMatchObject({ dirty: 0, resident: 1 });
    expect(cache.stats().unstable).toBeLessThanOrEqual(1);
    expect(await file.fsync()).toMatchObject({ flushes: 1 });
    expect(cache.stats().unstable).toBe(0);
  });

  test('lets fsync of policy block go on that waits for a pin on a page beyond the end', async () => {
    const { file } = await start(4 * PAGE, { ...QUIET, blockTimeoutMs: 600_000 });
    const page = file.pinSync(3, 'write');
    page.unpin();
    using _held = file.pinSync(3, 'write');
    const synced = file.fsync({ policy: 'block' });
    await truncate(file, PAGE);
    expect(await synced).toMatchObject({ bounced: 0 });
  });

  describe('what lies in the last page behind the end', () => {
    /** Each leaves 0xee behind the end of a file of 100 bytes, in the cache. */
    const leavings: [string, (file: CachedFile) => void][] = [
      [
        'a write pin',
        (file) => {
          const page = file.pinSync(0, 'write');
          page.bytes.fill(0xee, 100);
          page.unpin();
        },
      ],
      ['an update', (file) => file.updateSync(0, (bytes) => void bytes.fill(0xee, 100))],
    ];
    /** Each makes the file 3 pages long. */
    const extensions: [string, (file: CachedFile) => Promise<unknown>, last: number][] = [
      [form, (file) => truncate(file, 3 * PAGE), 0],
      [`${form} in two steps`, (file) => truncate(file, 200).then(() => truncate(file, 3 * PAGE)), 0],
      ['write', (file) => file.write(Uint8Array.of(7), 3 * PAGE - 1), 7],
      ['writeSync', async (file) => file.writeSync(Uint8Array.of(7), 3 * PAGE - 1), 7],
    ];
    const kinds = leavings.flatMap(([what, leave], n) =>
      extensions.slice(n * 2).map(([how, extend, last]) => ({ what, leave, how, extend, last })),
    );
    test.each(kinds)('left by $what is not seen after an extension by $how', async (kind) => {
      const opened = await start(100);
      kind.leave(opened.file);
      await opened.file.fsync();
      expect(fs.statSync(opened.path).size).toBe(100);
      kind.leave(opened.file);
      await kind.extend(opened.file);
      const expected = Buffer.concat([pattern(0, 100), Buffer.alloc(3 * PAGE - 100)]);
      expected[3 * PAGE - 1] = kind.last;
      await expectFile(opened, expected);
    });

    test('is zero when the page is cut in two, also for who has it pinned', async () => {
      const { file } = await start(2 * PAGE);
      using read = file.pinSync(1);
      using written = file.pinSync(1, 'write');
      await truncate(file, PAGE + 10);
      expect([...read.bytes.subarray(8, 12)]).toEqual([patternAt(PAGE + 8), patternAt(PAGE + 9), 0, 0]);
      expect(read.bytes.subarray(10).every((byte) => byte === 0)).toBe(true);
      written.bytes.fill(0xee, 10); // a device may go on
    });

    test('left by a pin that was held over the cut is not seen after an extension', async () => {
      const opened = await start(2 * PAGE);
      const { file, cache } = opened;
      const page = file.pinSync(1, 'write');
      await truncate(file, PAGE + 10);
      expect(cache.stats().orphans).toBe(0);
      page.bytes.fill(0xee, 8);
      page.unpin();
      await file.fsync();
      await truncate(file, 2 * PAGE);
      const expected = Buffer.concat([
        pattern(0, PAGE + 8),
        Buffer.from([0xee, 0xee]),
        Buffer.alloc(PAGE - 10),
      ]);
      await expectFile(opened, expected);
    });
  });

  describe.each(['keep', 'redirty'] as const)('orphans (%s)', (pinnedDirty) => {
    test('keep their bytes until they are unpinned; what is stored into them goes nowhere', async () => {
      const opened = await start(6 * PAGE, { ...QUIET, pinnedDirty });
      const { file, cache, path } = opened;
      const read = file.pinSync(4);
      const written = file.pinSync(5, 'write');
      const twice = file.pinSync(5);
      written.bytes[0] = 0xe1;
      await truncate(file, 2 * PAGE);
      expect(cache.stats()).toMatchObject({ orphans: 2, resident: 2, dirty: 0, pinnedDirty: 0 });
      expect(cache.stats()).toMatchObject({ readPins: 2, writePins: 1 });
      expect(pattern(4 * PAGE, 5 * PAGE).equals(read.bytes)).toBe(true);
      expect([twice.bytes[0], twice.bytes[1]]).toEqual([0xe1, patternAt(5 * PAGE + 1)]);
      written.bytes[1] = 0xe2;
      expect(twice.bytes[1]).toBe(0xe2);
      expect(await file.fsync()).toMatchObject({ pages: 0, bounced: 0, flushes: 1 });
      await expectBeyond(file, 5);
      // The page is there again, and is another.
      await truncate(file, 6 * PAGE);
      expect(file.viewSync(5, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
      using again = file.pinSync(5, 'write');
      again.bytes[2] = 0xe3;
      expect([twice.bytes[1], twice.bytes[2]]).toEqual([0xe2, patternAt(5 * PAGE + 2)]);
      const bytes = Buffer.concat([pattern(0, 2 * PAGE), Buffer.alloc(4 * PAGE)]);
      bytes[5 * PAGE + 2] = 0xe3;
      const { resident } = cache.stats();
      written.bytes[3] = 0xe4;
      written.unpin();
      expect(cache.stats().resident).toBe(resident);
      expect(() => written.bytes).toThrow(refusal('ERR_PINFOLD_UNPINNED'));
      expect(twice.bytes[3]).toBe(0xe4);
      twice.unpin();
      expect(cache.stats().resident).toBe(resident - 1);
      read.unpin();
      expect(cache.stats()).toMatchObject({ resident: resident - 2, orphans: 2, readPins: 0, writePins: 1 });
      again.unpin();
      await expectFile(opened, bytes);
      expect(bytesInFile(path, 0, 7 * PAGE).equals(bytes)).toBe(true);
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    });

    test('of every kind leave a pool that can be filled again', async () => {
      const { file, cache } = await start(200 * PAGE, { ...QUIET, pinnedDirty });
      const { frames } = cache.stats();
      const pages: Page[] = [];
      for (let index = 0; index < frames; index++)
        pages.push(file.pinSync(100 + index, index % 2 ? 'read' : 'write'));
      await truncate(file, 100 * PAGE);
      expect(cache.stats()).toMatchObject({ resident: frames, orphans: frames, dirty: 0 });
      expect(() => file.pinSync(0)).toThrow(refusal('ERR_PINFOLD_FULL', `${frames} pins`));
      for (const page of pages) page.unpin({ dirty: page.index % 3 === 0 });
      expect(cache.stats()).toMatchObject({ resident: 0, dirty: 0, readPins: 0, writePins: 0 });
      const anew = Array.from({ length: frames }, (_, index) => file.pinSync(index));
      for (const [index, page] of anew.entries()) expect(page.bytes[9]).toBe(patternAt(index * PAGE + 9));
      for (const page of anew) page.unpin();
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    });

    test('of another thread are free when it unpins or detaches', async () => {
      const { file, cache, path } = await start(8 * PAGE, { ...QUIET, pinnedDirty });
      const flags = sharedFlags(2);
      const thread = inThread(
        cache.handle,
        { path, flags },
        (attached, { path, flags }) => {
          const file = attached.openSync(path);
          const pages = [file.pinSync(5, 'write'), file.pinSync(6), file.pinSync(7, 'write')];
          Atomics.store(flags, 0, 1);
          Atomics.wait(flags, 1, 0, 10_000);
          for (const page of pages) if (page.mode === 'write') page.bytes.fill(0xe5);
          pages[0]!.unpin();
          return pages[1]!.bytes[0]; // the others go with the thread
        },
        { detach: false },
      );
      await until('it has pinned', () => Atomics.load(flags, 0) === 1);
      await truncate(file, PAGE);
      expect(cache.stats()).toMatchObject({ orphans: 3, dirty: 0 });
      Atomics.store(flags, 1, 1);
      Atomics.notify(flags, 1);
      expect(await thread).toBe(patternAt(6 * PAGE));
      await until('its pins are gone', () => {
        const { readPins, writePins, resident } = cache.stats();
        return readPins + writePins === 0 && resident <= 1;
      });
      await truncate(file, 8 * PAGE);
      const bytes = Buffer.concat([pattern(0, PAGE), Buffer.alloc(7 * PAGE)]);
      expect(shown(file).equals(bytes)).toBe(true);
      await file.fsync();
      expect(fs.readFileSync(path).equals(bytes)).toBe(true);
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    });
  });

  test('with a pinned page beyond the end: the cache does not close, names it, and closes afterwards', async () => {
    const { file, cache, path } = await start(4 * PAGE);
    const page = file.pinSync(3, 'write');
    await truncate(file, PAGE);
    await expect(cache.close()).rejects.toThrow(refusal('ERR_PINFOLD_BUSY', 'page 3', path, 'write'));
    page.bytes[0] = 0xee;
    page.unpin();
    await cache.close();
    expect(fs.readFileSync(path).equals(pattern(0, PAGE))).toBe(true);
  });

  test('waits for an update of the new last page by another thread, and keeps nobody else waiting', async () => {
    const opened = await start(4 * PAGE);
    const { file, cache, path } = opened;
    const other = await cache.open(fileOf(PAGE));
    const flags = sharedFlags(2);
    const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
      attached.openSync(path).updateSync(1, (bytes) => {
        bytes.fill(0xdd);
        Atomics.store(flags, 0, 1);
        Atomics.wait(flags, 1, 0, 20_000);
      });
    });
    await until('the update has begun', () => Atomics.load(flags, 0) === 1);
    if (form === 'truncateSync') {
      // In a thread of its own, since it waits in place.
      const cutting = inThread(cache.handle, path, (attached, path) =>
        attached.openSync(path).truncateSync(4096 + 10),
      );
      await until('it waits', () => waitersOf(file, 1));
      await expectFreeDuringUpdate(file, other);
      Atomics.store(flags, 1, 1);
      Atomics.notify(flags, 1);
      await cutting;
    } else {
      const cutting = truncate(file, PAGE + 10);
      await expectFreeDuringUpdate(file, other);
      expect(file.size).toBe(4 * PAGE);
      Atomics.store(flags, 1, 1);
      Atomics.notify(flags, 1);
      await cutting;
    }
    await thread;
    await expectFile(opened, Buffer.concat([pattern(0, PAGE), Buffer.alloc(10, 0xdd)]));
  });

  test('of a page that is being updated: what the update did is cut off with it', async () => {
    const opened = await start(4 * PAGE);
    const { file, cache, path } = opened;
    const flags = sharedFlags(2);
    const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
      const file = attached.openSync(path);
      file.updateSync(3, (bytes) => {
        bytes.fill(0xdd);
        Atomics.store(flags, 0, 1);
        Atomics.wait(flags, 1, 0, 20_000);
      });
    });
    await until('the update has begun', () => Atomics.load(flags, 0) === 1);
    await truncate(file, 2 * PAGE);
    expect(cache.stats().orphans).toBe(1);
    await truncate(file, 4 * PAGE);
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    await thread;
    await expectFile(opened, Buffer.concat([pattern(0, 2 * PAGE), Buffer.alloc(2 * PAGE)]));
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('refuses what is no size, and takes −0 for 0', async () => {
    const { file, path } = await start(PAGE);
    // The last is more than pages of 4 KiB can number.
    for (const size of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 44 + 1]) {
      const refused = refusal('ERR_PINFOLD_RANGE', 'size', `got ${size}`);
      await expect((async () => truncate(file, size))()).rejects.toThrow(refused);
    }
    for (const size of ['5', 2n, undefined, null] as unknown[]) {
      const refused = refusal('ERR_PINFOLD_ARGUMENT', 'size');
      await expect((async () => truncate(file, size as number))()).rejects.toThrow(refused);
    }
    expect(file.size).toBe(PAGE);
    expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
    expect(fs.statSync(path).size).toBe(PAGE);
    await truncate(file, -0);
    expect(Object.is(file.size, 0)).toBe(true);
  });

  test('refuses a handle for reading, a closed handle, a closed cache', async () => {
    const { cache, file, path } = await start(PAGE);
    const reader = await cache.open(path, { mode: 'r' });
    await expect((async () => truncate(reader, 0))()).rejects.toThrow(refusal('ERR_PINFOLD_READ_ONLY', path));
    await expect((async () => truncate(reader, 2 * PAGE))()).rejects.toThrow(
      refusal('ERR_PINFOLD_READ_ONLY'),
    );
    const closed = await cache.open(path);
    closed.closeSync();
    await expect((async () => truncate(closed, 0))()).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED', path));
    expect(file.size).toBe(PAGE);
    const attached = attachHarness(cache.handle);
    const elsewhere = attached.openSync(path);
    await cache.close();
    await expect((async () => truncate(file, 0))()).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED'));
    await expect((async () => truncate(elsewhere, 0))()).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED'));
    attached.detach();
    expect(fs.statSync(path).size).toBe(PAGE);
  });

  describe('that the system refuses', () => {
    test.each([
      ['EFBIG', EFBIG],
      ['EIO', EIO],
    ])('(%s) leaves size and every byte as they were', async (code, errno) => {
      const opened = await start(8 * PAGE);
      const { file, cache, path, fail, heal } = opened;
      const expected = pattern(0, 8 * PAGE);
      const store = (index: number, value: number) => {
        file.writeSync(Uint8Array.of(value), index * PAGE + 5);
        expected[index * PAGE + 5] = value;
      };
      for (const index of [0, 1, 2, 5, 7]) store(index, 0xc0 + index);
      using read = file.pinSync(6);
      const written = file.pinSync(7, 'write');
      const before = cache.stats();
      fail({ call: 'resize', errno });
      for (const size of [0, PAGE + 10, 2 * PAGE, 8 * PAGE - 1]) {
        await expect(truncate(file, size)).rejects.toThrow(
          ioRefusal(code, path, size === 0 ? '0 bytes' : `${size}`),
        );
        expect(file.size).toBe(8 * PAGE);
        expect(shown(file).equals(expected)).toBe(true);
      }
      expect(cache.stats()).toMatchObject({ orphans: 0, dirty: before.dirty, readPins: 1, writePins: 1 });

      // Pins are of the file still, and so are writes.
      expect(read.bytes[0]).toBe(patternAt(6 * PAGE));
      written.bytes[9] = 0xee;
      expected[7 * PAGE + 9] = 0xee;
      written.unpin();
      store(6, 0xc6);
      const report = await file.fsync();
      expect(report.pages).toBeGreaterThanOrEqual(6);
      expect(fs.readFileSync(path).equals(expected)).toBe(true);
      heal();
      read.unpin();
      await truncate(file, PAGE + 10);
      await expectFile(opened, expected.subarray(0, PAGE + 10));
      await truncate(file, 0);
      await expectFile(opened, Buffer.alloc(0));
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    });

    test('beside a writer that extends: nothing of its is lost', async () => {
      const opened = await start(2 * PAGE);
      const { file, fail, heal } = opened;
      fail({ call: 'resize', errno: EIO });
      const cutting = Array.from({ length: 10 }, (_, n) => truncate(file, n * 100).catch(() => 'refused'));
      const writing = Array.from({ length: 20 }, (_, n) =>
        file.write(Buffer.alloc(PAGE, n + 1), (2 + n) * PAGE),
      );
      expect(await Promise.all(cutting)).toEqual(Array(10).fill('refused'));
      await Promise.all(writing);
      heal();
      const written = Array.from({ length: 20 }, (_, n) => Buffer.alloc(PAGE, n + 1));
      await expectFile(opened, Buffer.concat([pattern(0, 2 * PAGE), ...written]));
    });
  });

  test('needs the system for cutting only: an extension is a write, that fsync makes', async () => {
    const opened = await start(PAGE);
    const { file, path, fail, heal } = opened;
    fail({ call: 'resize', errno: EIO });
    await truncate(file, 3 * PAGE);
    expect(file.size).toBe(3 * PAGE);
    fail({ call: 'write', errno: ENOSPC });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('ENOSPC'));
    expect(file.size).toBe(3 * PAGE);
    expect(fs.statSync(path).size).toBe(PAGE);
    heal();
    await expectFile(opened, Buffer.concat([pattern(0, PAGE), Buffer.alloc(2 * PAGE)]));
  });

  test('whose flush fails: the next fsync flushes again', async () => {
    const { file, path, fail, heal } = await start(6 * PAGE);
    file.prefetchSync(0, 6);
    await truncate(file, 2 * PAGE);
    fail({ call: 'flush', errno: EIO });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO', path));
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO', path));
    heal();
    expect(await file.fsync()).toMatchObject({ flushes: 1 });
    expect(await file.fsync()).toMatchObject({ flushes: 0 });
    expect(fs.statSync(path).size).toBe(2 * PAGE);
  });

  test('between failing writes: what was cut off needs no write any more', async () => {
    const opened = await start(8 * PAGE);
    const { file, cache, fail, heal } = opened;
    file.writeSync(Buffer.alloc(6 * PAGE, 0xd1), 2 * PAGE);
    fail({ call: 'write', errno: ENOSPC });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('ENOSPC'));
    expect(cache.stats().dirty).toBe(6);
    await truncate(file, 2 * PAGE);
    expect(cache.stats().dirty).toBe(0);
    await file.fsync(); // though no write succeeds
    file.writeSync(Uint8Array.of(0xd2), 3 * PAGE);
    await expect(file.fsync()).rejects.toThrow(ioRefusal('ENOSPC'));
    heal();
    const expected = Buffer.concat([pattern(0, 2 * PAGE), Buffer.alloc(PAGE + 1)]);
    expected[3 * PAGE] = 0xd2;
    await expectFile(opened, expected);
  });

  test('after a flush that failed: pages that are cut off are not made dirty by it', async () => {
    const { file, cache, fail, heal } = await start(8 * PAGE);
    file.writeSync(Buffer.alloc(8 * PAGE, 0xd1), 0);
    using _held = file.pinSync(6);
    fail({ call: 'flush', errno: EIO });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    expect(cache.stats().dirty).toBe(8);
    await truncate(file, 5 * PAGE);
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    expect(cache.stats().dirty).toBe(5);
    heal();
    expect(await file.fsync()).toMatchObject({ pages: 5, flushes: 1 });
  });
});

test('truncateSync inside an update of another page', async () => {
  const opened = await start(6 * PAGE);
  const { file, cache } = opened;
  file.updateSync(0, (bytes) => {
    bytes[0] = 0x51;
    file.truncateSync(2 * PAGE + 10);
    expect(file.size).toBe(2 * PAGE + 10);
    file.truncateSync(5 * PAGE);
  });
  // And of one that it cuts off: the update ends well, of a page that is no more.
  const done = file.updateSync(4, (bytes) => {
    bytes.fill(0x52);
    file.truncateSync(3 * PAGE);
    return 'done';
  });
  expect(done).toBe('done');
  // Thrown out of: what the update did is undone, the cut is not.
  expect(() =>
    file.updateSync(2, (bytes) => {
      bytes.fill(0x53);
      file.truncateSync(PAGE);
      throw new Error('undo this');
    }),
  ).toThrow('undo this');
  file.truncateSync(2 * PAGE);
  const expected = Buffer.concat([pattern(0, PAGE), Buffer.alloc(PAGE)]);
  expected[0] = 0x51;
  await expectFile(opened, expected);
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});

test('truncateSync inside an update of the page that it would cut in two is refused, and changes nothing', async () => {
  const opened = await start(3 * PAGE);
  const { file, cache } = opened;
  const refused = refusal('ERR_PINFOLD_REENTRANT', 'page 1');
  file.updateSync(1, (bytes) => {
    expect(() => file.truncateSync(PAGE + 7)).toThrow(refused);
    bytes[8] = 0x54;
    expect(file.size).toBe(3 * PAGE);
  });
  const expected = pattern(0, 3 * PAGE);
  expected[PAGE + 8] = 0x54;
  await expectFile(opened, expected);
  file.truncateSync(PAGE + 7); // no lock was left behind
  await expectFile(opened, expected.subarray(0, PAGE + 7));
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});

test('truncateSync inside as many updates as there may be is refused if it needs one more', async () => {
  const { file } = await start(6 * PAGE);
  const nested = (index: number, work: () => void): void =>
    file.updateSync(index, () => (index === 0 ? work() : nested(index - 1, work)));
  nested(3, () => {
    expect(() => file.truncateSync(4 * PAGE + 1)).toThrow(refusal('ERR_PINFOLD_CALLBACK', '4 deep'));
    file.truncateSync(4 * PAGE);
  });
  expect(file.size).toBe(4 * PAGE);
});

describe('calls under way when the file is cut', () => {
  const COUNT = 50;

  /** More fills than the thread may have asked for at a time: those of the last calls are asked for after the cut. */
  async function withQueue<T>(call: (file: CachedFile, index: number) => Promise<T>) {
    const opened = await start(COUNT * PAGE);
    const { file, cache } = opened;
    const calls = Array.from({ length: COUNT }, (_, index) =>
      call(file, index).catch((error: Error) => error),
    );
    file.truncateSync(PAGE);
    const ends = await Promise.all(calls);
    return { opened, file, cache, ends, refused: ends.filter((end) => end instanceof Error) };
  }

  test('pins to write: none is left beyond the end, no page dirty there, and fsync and close go well', async () => {
    const { opened, file, cache, ends, refused } = await withQueue((file, index) => file.pin(index, 'write'));
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) expect(error).toEqual(refusal('ERR_PINFOLD_RANGE'));
    for (const end of ends) if (!(end instanceof Error)) end.unpin();
    await file.fsync();
    expect(cache.stats().dirty).toBe(0);
    for (const index of [1, 2, COUNT - 2, COUNT - 1]) await expectBeyond(file, index);
    await expectFile(opened, pattern(0, PAGE));
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test.each<[string, (file: CachedFile, index: number) => Promise<number | undefined>]>([
    ['view', (file, index) => file.view(index, (bytes) => bytes[0])],
    [
      'pin',
      async (file, index) => {
        using page = await file.pin(index);
        return page.bytes[0];
      },
    ],
    ['update', (file, index) => file.update(index, (bytes) => bytes[0])],
  ])('%s: it sees what was there, or that there is nothing; and leaves nothing', async (_name, call) => {
    const { opened, file, cache, ends, refused } = await withQueue(call);
    expect(refused.length).toBeGreaterThan(0);
    for (const [index, end] of ends.entries()) {
      if (end instanceof Error) expect(end).toEqual(refusal('ERR_PINFOLD_RANGE'));
      else expect(end).toBe(patternAt(index * PAGE));
    }
    for (const index of [1, 2, COUNT - 2, COUNT - 1]) await expectBeyond(file, index);
    expect(cache.stats().resident).toBeLessThanOrEqual(1);
    await expectFile(opened, pattern(0, PAGE));
  });

  test('prefetch: it ends well, and brings nothing in', async () => {
    const { cache, refused } = await withQueue((file, index) => file.prefetch(index, 1));
    expect(refused).toEqual([]);
    expect(cache.stats().resident).toBeLessThanOrEqual(1);
  });

  test('read: what it gives had been in the file', async () => {
    const { file } = await start(COUNT * PAGE);
    const target = Buffer.alloc(COUNT * PAGE);
    const reading = file.read(target, 0);
    file.truncateSync(PAGE + 10);
    const n = await reading;
    expect(n).toBeGreaterThanOrEqual(PAGE + 10);
    expect(target.subarray(0, n).equals(pattern(0, n))).toBe(true);
  });

  test('write: all of it is in the file', async () => {
    const opened = await start(COUNT * PAGE);
    const { file, cache } = opened;
    const writing = Array.from({ length: COUNT }, (_, index) =>
      file.write(Buffer.alloc(PAGE, 1 + index), index * PAGE),
    );
    file.truncateSync(0);
    await Promise.all(writing);
    const expected = Buffer.concat(
      Array.from({ length: COUNT }, (_, index) => Buffer.alloc(PAGE, 1 + index)),
    );
    // Those that had ended before the cut are gone with it.
    const found = shown(file);
    for (let index = 0; index < COUNT; index++) {
      const page = found.subarray(index * PAGE, (index + 1) * PAGE);
      const written = page.equals(expected.subarray(index * PAGE, (index + 1) * PAGE));
      expect(written || page.every((byte) => byte === 0)).toBe(true);
    }
    expect(found[(COUNT - 1) * PAGE]).toBe(COUNT); // asked for after the cut
    await expectFile(opened, found);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('a write behind a gap: the gap is zero, whatever was left behind the new end meanwhile', async () => {
    const opened = await start(5000);
    const { file } = opened;
    file.updateSync(1, () => 0); // this thread has its undo frame, and the last page
    file.prefetchSync(0, 1);
    const writing = file.write(Uint8Array.of(7), 20_000);
    // It has zeroed the rest of the last page, and waits for the page that it writes to.
    for (let n = 0; n < 100 && file.size === 5000; n++) await null;
    expect(file.size).toBe(2 * PAGE);
    file.truncateSync(3000);
    file.updateSync(0, (bytes) => void bytes.fill(0xee, 3000));
    await writing;
    const expected = Buffer.concat([pattern(0, 3000), Buffer.alloc(17_001)]);
    expected[20_000] = 7;
    await expectFile(opened, expected);
  });
});

/** As `expectBeyond`, for a handle that may only read. */
async function expectBeyondForReader(file: CachedFile, index: number): Promise<void> {
  const refused = refusal('ERR_PINFOLD_RANGE', `page index ${index}`);
  expect(() => file.pinSync(index)).toThrow(refused);
  expect(() => file.viewSync(index, () => 0)).toThrow(refused);
  await expect(file.view(index, () => 0)).rejects.toThrow(refused);
}

/** An update lasts, and a truncate waits for it: fsync of this file and of another wait for neither. */
async function expectFreeDuringUpdate(file: CachedFile, other: CachedFile): Promise<void> {
  other.writeSync(Uint8Array.of(1), 0);
  expect(await other.fsync()).toMatchObject({ pages: 1 });
  file.writeSync(Uint8Array.of(patternAt(3)), 3);
  expect(await file.fsync()).toMatchObject({ pages: 1 });
  expect(file.fsyncSync()).toMatchObject({ pages: 0 });
}

/** Whether somebody sleeps on the page's frame. */
function waitersOf(file: CachedFile, index: number): boolean {
  const { attachment, id } = engineOf(file);
  const frame = attachment.kernel.control.lookup(id, index);
  return frame >= 0 && (attachment.kernel.frameWord(frame, layout.FRAME_STATE) & layout.WAITERS) !== 0;
}
