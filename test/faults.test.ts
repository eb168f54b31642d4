import fs from 'node:fs';
import { constants } from 'node:os';
import type { CachedFile, CacheOptions, SyncReport } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { attachHarness, engineOf, layout } from '#harness';
import { pinDirty, SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt } from './support/directory.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const { EIO, ENOSPC, EDQUOT, EINTR, EROFS } = constants.errno;

/** No background writeback: only fsync writes. */
const QUIET: CacheOptions = {
  ...SMALL,
  writebackIntervalMs: 2 ** 30,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
};

type Fsync = (file: CachedFile) => Promise<SyncReport>;
const ways: [string, Fsync][] = [
  ['fsync', (file) => file.fsync()],
  ['fsyncSync', async (file) => file.fsyncSync()],
];

/** Stores `value` into the first byte of each of these pages, by writes. */
function dirty(file: CachedFile, indexes: number[], value: number): void {
  for (const index of indexes) file.writeSync(Uint8Array.of(value), index * PAGE);
}

/** How many errors from outside of rounds have been noted on the file. */
function errorsNoted(file: CachedFile): number {
  const { attachment, id } = engineOf(file);
  return attachment.kernel.fileWord(id, layout.FILE_ERROR_SEQ);
}

const firstBytes = (path: string, indexes: number[]) =>
  indexes.map((index) => bytesInFile(path, index * PAGE, 1)[0]);
const original = (indexes: number[]) => indexes.map((index) => patternAt(index * PAGE));

describe.each(ways)('%s over a store', (_name, fsync) => {
  test.each([
    ['EIO', EIO],
    ['ENOSPC', ENOSPC],
    ['EDQUOT', EDQUOT],
    ['EROFS', EROFS],
  ])('whose writes fail with %s: the data stays, and the next one makes it true', async (code, errno) => {
    const { file, cache, path, fail, heal } = await startWithFile(8, QUIET);
    const pages = [0, 1, 2, 5];
    dirty(file, pages, 0xf0);
    fail({ call: 'write', errno });
    await expect(fsync(file)).rejects.toThrow(ioRefusal(code, path));
    await expect(fsync(file)).rejects.toThrow(ioRefusal(code, path)); // not once only
    expect(cache.stats()).toMatchObject({ dirty: 4, writeback: 0, writtenPages: 0, flushes: 0, fsyncs: 0 });
    expect(cache.stats().errors).toBeGreaterThanOrEqual(2);
    expect(firstBytes(path, pages)).toEqual(original(pages));
    expect(file.viewSync(5, (bytes) => bytes[0])).toBe(0xf0);
    heal();
    expect(await fsync(file)).toMatchObject({ pages: 4, flushes: 1 });
    expect(firstBytes(path, pages)).toEqual([0xf0, 0xf0, 0xf0, 0xf0]);
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0, fsyncs: 1 });
    expect(await fsync(file)).toMatchObject({ pages: 0, flushes: 0 }); // it was told of once
  });

  test('whose second write fails: what was written is written, the rest stays', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(8, QUIET);
    dirty(file, [0, 1, 5], 0xf1); // two runs, two writes
    fail({ call: 'write', errno: EIO, after: 1, times: 1 });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EIO', path));
    const { dirty: left, writtenPages } = cache.stats();
    expect(left + writtenPages).toBe(3);
    expect(left).toBeGreaterThan(0);
    expect(writtenPages).toBeGreaterThan(0);
    heal();
    expect(await fsync(file)).toMatchObject({ pages: left, flushes: 1 });
    expect(firstBytes(path, [0, 1, 5])).toEqual([0xf1, 0xf1, 0xf1]);
  });

  test('whose write fails once: the next one, without any healing, makes it true', async () => {
    const { file, path, fail } = await startWithFile(3, QUIET);
    dirty(file, [1], 0xf2);
    fail({ call: 'write', errno: ENOSPC, times: 1 });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('ENOSPC', path));
    dirty(file, [2], 0xf3);
    expect(await fsync(file)).toMatchObject({ pages: 2 });
    expect(firstBytes(path, [1, 2])).toEqual([0xf2, 0xf3]);
  });

  test('whose write does its work and says that it failed: it is written again', async () => {
    const { file, cache, path, fail } = await startWithFile(3, QUIET);
    dirty(file, [0, 1], 0xf4);
    fail({ call: 'write', errno: EIO, times: 1, yetDone: true });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EIO', path));
    expect(firstBytes(path, [0, 1])).toEqual([0xf4, 0xf4]); // who could know?
    expect(cache.stats()).toMatchObject({ dirty: 2, writtenPages: 0 });
    expect(await fsync(file)).toMatchObject({ pages: 2, flushes: 1 });
  });

  test.each([
    ['EIO', EIO, false],
    ['ENOSPC', ENOSPC, false],
    ['EINTR', EINTR, false],
    ['EIO', EIO, true],
  ])(
    'whose flush fails with %s (%d, done all the same: %s): every page is written again',
    async (code, errno, yetDone) => {
      const { file, cache, path, fail, heal } = await startWithFile(8, QUIET);
      const pages = [0, 1, 2, 5];
      dirty(file, pages, 0xe0);
      fail({ call: 'flush', errno, yetDone });
      await expect(fsync(file)).rejects.toThrow(ioRefusal(code, path));
      expect(cache.stats()).toMatchObject({ dirty: 4, writtenPages: 4, flushes: 0, errors: 1 });
      await expect(fsync(file)).rejects.toThrow(ioRefusal(code, path));
      expect(cache.stats()).toMatchObject({ dirty: 4, writtenPages: 8, flushes: 0, errors: 2 });
      heal();
      // After a failed fdatasync Linux has marked its pages clean: as if what it had were lost.
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, Buffer.alloc(PAGE), 0, PAGE, 2 * PAGE);
      fs.closeSync(fd);
      expect(await fsync(file)).toMatchObject({ pages: 4, flushes: 1 });
      expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0, writtenPages: 12, flushes: 1 });
      expect(firstBytes(path, pages)).toEqual([0xe0, 0xe0, 0xe0, 0xe0]);
      expect(bytesInFile(path, 2 * PAGE + 9, 1)[0]).toBe(patternAt(2 * PAGE + 9));
    },
  );

  test('whose flush fails: pages that were stable before are left alone', async () => {
    const { file, cache, fail, heal } = await startWithFile(8, QUIET);
    dirty(file, [0, 1, 2], 0xe1);
    await fsync(file);
    dirty(file, [2, 3], 0xe2);
    fail({ call: 'flush', errno: EIO, times: 1 });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EIO'));
    expect(cache.stats()).toMatchObject({ dirty: 2, writtenPages: 5 });
    heal();
    expect(await fsync(file)).toMatchObject({ pages: 2 });
  });

  test('whose flush fails: pages that the background had written are written again, too', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(8, {
      ...SMALL,
      dirtyExpireMs: 0,
      writebackIntervalMs: 5,
    });
    dirty(file, [0, 4], 0xe3);
    await until(
      'the background has written',
      () => cache.stats().unstable === 2 && cache.stats().dirty === 0,
    );
    const { writtenPages } = cache.stats();
    fail({ call: 'flush', errno: EIO, times: 1 });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EIO'));
    heal();
    await fsync(file);
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0 });
    expect(cache.stats().writtenPages).toBeGreaterThanOrEqual(writtenPages + 2);
    expect(firstBytes(path, [0, 4])).toEqual([0xe3, 0xe3]);
  });

  test('whose flush fails while pages are pinned', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(8, QUIET);
    using written = pinDirty(file, 1);
    using _read = file.pinSync(2);
    written.bytes[0] = 0xe4;
    dirty(file, [2], 0xe5);
    fail({ call: 'flush', errno: EIO });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EIO'));
    expect(cache.stats()).toMatchObject({ dirty: 2, pinnedDirty: 1 });
    heal();
    expect(await fsync(file)).toMatchObject({ pages: 2, bounced: 1 });
    expect(firstBytes(path, [1, 2])).toEqual([0xe4, 0xe5]);
  });

  test('that writes in small pieces, or is interrupted', async () => {
    const { file, path, fail } = await startWithFile(8, QUIET);
    const source = Uint8Array.from({ length: 6 * PAGE }, (_, n) => (n * 13) & 0xff);
    file.writeSync(source, 100);
    fail({ call: 'write', errno: 0 }); // each transfer is cut to half
    expect(await fsync(file)).toMatchObject({ pages: 7 });
    expect(bytesInFile(path, 100, source.length).equals(source)).toBe(true);
    source.reverse();
    file.writeSync(source, 100);
    fail({ call: 'write', errno: EINTR, times: 3 });
    expect(await fsync(file)).toMatchObject({ pages: 7 });
    expect(bytesInFile(path, 100, source.length).equals(source)).toBe(true);
  });

  test('that is interrupted again and again: it ends, and what was to be written stays', async () => {
    const { file, path, fail, heal } = await startWithFile(3, QUIET);
    dirty(file, [1], 0xe7);
    fail({ call: 'write', errno: EINTR });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('EINTR', path));
    heal();
    expect(await fsync(file)).toMatchObject({ pages: 1 });
    expect(firstBytes(path, [1])).toEqual([0xe7]);
  });

  test('that fails: the cache closes when it works again', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(3, QUIET);
    dirty(file, [2], 0xe6);
    fail({ call: 'write', errno: ENOSPC });
    await expect(fsync(file)).rejects.toThrow(ioRefusal('ENOSPC'));
    await expect(cache.close()).rejects.toThrow(ioRefusal('ENOSPC', path));
    heal();
    await cache.close();
    expect(firstBytes(path, [2])).toEqual([0xe6]);
  });
});

describe('an fsync that fails', () => {
  test.each(['write', 'flush'] as const)('fails all who called: %s', async (call) => {
    const { file, cache, path, fail, heal } = await startWithFile(4, QUIET);
    const other = await cache.open(path);
    const attached = attachHarness(cache.handle);
    const third = attached.openSync(path);
    dirty(file, [0, 3], 0xd0);
    fail({ call, errno: EIO });
    const calls = [...Array.from({ length: 8 }, () => file.fsync()), other.fsync(), third.fsync()];
    for (const end of await Promise.allSettled(calls)) {
      expect(end.status).toBe('rejected');
      expect((end as PromiseRejectedResult).reason).toEqual(ioRefusal('EIO', path));
    }
    expect(cache.stats()).toMatchObject({ dirty: 2, fsyncs: 0 });
    heal();
    await Promise.all([file.fsync(), other.fsync(), third.fsync()]);
    expect(firstBytes(path, [0, 3])).toEqual([0xd0, 0xd0]);
    attached.detach();
  });

  test('fails callers in several threads', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(4, QUIET);
    dirty(file, [1], 0xd1);
    fail({ call: 'flush', errno: EIO });
    const flags = sharedFlags(1);
    const threads = [0, 1].map(() =>
      inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
        const file = attached.openSync(path);
        let failed = 0;
        for (let n = 0; n < 10; n++) {
          try {
            file.fsyncSync();
          } catch (error) {
            if ((error as { code: string }).code === 'ERR_PINFOLD_IO') failed++;
          }
        }
        Atomics.add(flags, 0, failed);
        return failed;
      }),
    );
    const mine = await Promise.allSettled(Array.from({ length: 10 }, () => file.fsync()));
    expect(mine.every(({ status }) => status === 'rejected')).toBe(true);
    expect(await Promise.all(threads)).toEqual([10, 10]);
    heal();
    expect((await file.fsync()).pages).toBe(1);
    expect(firstBytes(path, [1])).toEqual([0xd1]);
  });

  test('does not concern other files', async () => {
    const { file, cache, fail, heal } = await startWithFile(2, QUIET);
    const path = fileOf(PAGE);
    const other = await cache.open(path);
    dirty(file, [0], 0xd2);
    fail({ call: 'write', errno: EIO });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
    heal();
    dirty(other, [0], 0xd3);
    expect(await other.fsync()).toMatchObject({ pages: 1, flushes: 1 });
    expect(firstBytes(path, [0])).toEqual([0xd3]);
    expect(cache.stats().dirty).toBe(1);
  });

  test('loses no write that comes while it fails', async () => {
    const { file, path, fail } = await startWithFile(20, QUIET);
    fail({ call: 'flush', errno: EIO, times: 5 });
    let failed = 0;
    for (let n = 1; n <= 10; n++) {
      dirty(file, [n, 19], n);
      const sync = file.fsync();
      dirty(file, [n + 1], 100 + n); // beside the round
      await sync.catch(() => failed++);
    }
    expect(failed).toBe(5);
    await file.fsync();
    for (let n = 1; n <= 10; n++) expect(firstBytes(path, [n])).toEqual([n]);
    expect(firstBytes(path, [11, 19])).toEqual([110, 10]);
  });
});

/** Every way to bring page `index` in. */
const readers: [string, (file: CachedFile, index: number) => unknown][] = [
  ['viewSync', (file, index) => file.viewSync(index, (bytes) => bytes[0])],
  ['view', (file, index) => file.view(index, (bytes) => bytes[0])],
  ['pinSync', (file, index) => file.pinSync(index).unpin()],
  ['pin to write', async (file, index) => (await file.pin(index, 'write')).unpin()],
  ['readSync', (file, index) => file.readSync(new Uint8Array(9), index * PAGE)],
  ['read', (file, index) => file.read(new Uint8Array(9), index * PAGE)],
  ['writeSync', (file, index) => file.writeSync(new Uint8Array(9), index * PAGE + 1)],
  ['write', (file, index) => file.write(new Uint8Array(9), index * PAGE + 1)],
  ['prefetchSync', (file, index) => file.prefetchSync(index, 1)],
  ['prefetch', (file, index) => file.prefetch(index, 1)],
];

describe.each(readers)('a read that fails under %s', (_name, read) => {
  test('names the page, leaves nothing behind, and may be tried again', async () => {
    const { file, cache, fail, heal } = await startWithFile(8, QUIET);
    file.viewSync(2, () => 0);
    fail({ call: 'read', errno: EIO });
    for (let n = 0; n < 3; n++) {
      await expect((async () => await read(file, 5))()).rejects.toThrow(ioRefusal('EIO', 'page 5'));
    }
    await read(file, 2); // what is there needs no read
    expect(cache.stats()).toMatchObject({ resident: 1, readPins: 0, writePins: 0 });
    expect(file.size).toBe(8 * PAGE);
    heal();
    await read(file, 5);
    expect(file.viewSync(5, (bytes) => [bytes[0], bytes[4095]])).toEqual([
      patternAt(5 * PAGE),
      patternAt(6 * PAGE - 1),
    ]);
    expect(cache.stats().resident).toBe(2);
  });
});

describe('a read', () => {
  test('that fails for one fails for one: who waits for the page tries for himself', async () => {
    const { file, fail } = await startWithFile(30, QUIET, { access: 'random' });
    for (let index = 0; index < 30; index++) {
      fail({ call: 'read', errno: EIO, times: 1 });
      const ends = await Promise.allSettled(
        Array.from({ length: 6 }, () => file.view(index, (bytes) => bytes[0])),
      );
      const failed = ends.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
      expect(failed.length).toBe(1);
      expect(failed[0]!.reason).toEqual(ioRefusal('EIO', `page ${index}`));
      for (const end of ends) if (end.status === 'fulfilled') expect(end.value).toBe(patternAt(index * PAGE));
    }
  });

  test('that fails for one thread of several', async () => {
    const { cache, path, fail } = await startWithFile(40, QUIET);
    fail({ call: 'read', errno: EIO, after: 10, times: 20 });
    const flags = sharedFlags(1);
    const threads = [0, 1, 2].map(() =>
      inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
        const file = attached.openSync(path, { access: 'random' });
        Atomics.add(flags, 0, 1);
        Atomics.notify(flags, 0);
        for (let here = Atomics.load(flags, 0); here < 3; here = Atomics.load(flags, 0)) {
          if (Atomics.wait(flags, 0, here, 10_000) === 'timed-out')
            throw new Error('the others did not come');
        }
        let failed = 0;
        for (let index = 0; index < 40; index++) {
          for (;;) {
            try {
              if (file.viewSync(index, (bytes) => bytes.length) === 4096) break;
            } catch (error) {
              if ((error as { code: string }).code !== 'ERR_PINFOLD_IO' || ++failed > 100) throw error;
            }
          }
        }
        return failed;
      }),
    );
    const failed = await Promise.all(threads);
    expect(failed[0]! + failed[1]! + failed[2]!).toBe(20); // one call, one error
    expect(cache.stats()).toMatchObject({ resident: 40, fills: 40 });
  });

  test('that comes in small pieces, or is interrupted, is whole', async () => {
    const { file, fail } = await startWithFile(8, QUIET);
    fail({ call: 'read', errno: 0 });
    expect(file.viewSync(1, (bytes) => bytes.every((byte, n) => byte === patternAt(PAGE + n)))).toBe(true);
    expect(await file.view(2, (bytes) => bytes.every((byte, n) => byte === patternAt(2 * PAGE + n)))).toBe(
      true,
    );
    fail({ call: 'read', errno: EINTR, times: 5 });
    expect(file.viewSync(3, (bytes) => bytes.every((byte, n) => byte === patternAt(3 * PAGE + n)))).toBe(
      true,
    );
    fail({ call: 'read', errno: EINTR, times: 5 });
    expect(await file.view(4, (bytes) => bytes.every((byte, n) => byte === patternAt(4 * PAGE + n)))).toBe(
      true,
    );
  });

  test('that is interrupted again and again ends with an error', async () => {
    const { file, fail, heal } = await startWithFile(4, QUIET);
    fail({ call: 'read', errno: EINTR });
    expect(() => file.viewSync(1, () => 0)).toThrow(ioRefusal('EINTR', 'page 1'));
    await expect(file.view(1, () => 0)).rejects.toThrow(ioRefusal('EINTR', 'page 1'));
    heal();
    expect(file.viewSync(1, (bytes) => bytes[0])).toBe(patternAt(PAGE));
  });

  test('of a file that became shorter gives zeros', async () => {
    const { file, path } = await startWithFile(4, QUIET);
    fs.truncateSync(path, PAGE + 10);
    expect(file.viewSync(1, (bytes) => [bytes[9], bytes[10], bytes[4095]])).toEqual([
      patternAt(PAGE + 9),
      0,
      0,
    ]);
    expect(file.viewSync(3, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });
});

describe('writes in the background', () => {
  const busy: CacheOptions = { ...SMALL, dirtyExpireMs: 0, writebackIntervalMs: 5 };

  test('that fail are told of once by the next fsync of each handle', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(4, busy);
    const other = await cache.open(path);
    fail({ call: 'write', errno: ENOSPC });
    dirty(file, [0, 2], 0xc0);
    // Not stats().errors: that counts the failed write, a moment before it is noted for the handles.
    await until('the background has failed', () => errorsNoted(file) > 0);
    expect(cache.stats().dirty).toBe(2);
    heal();
    await expect(file.fsync()).rejects.toThrow(ioRefusal('ENOSPC', path, 'background'));
    expect(firstBytes(path, [0, 2])).toEqual([0xc0, 0xc0]); // and yet it did its work
    expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0 });
    await file.fsync();
    expect(() => other.fsyncSync()).toThrow(ioRefusal('ENOSPC', path, 'background'));
    other.fsyncSync();
    await file.fsync();
    const late = await cache.open(path); // came after it
    await late.fsync();
  });

  test('are tried again until they succeed, without any fsync', async () => {
    const { file, cache, path, fail } = await startWithFile(4, busy);
    fail({ call: 'write', errno: EIO, times: 1 });
    dirty(file, [1], 0xc1);
    await until('it is written', () => firstBytes(path, [1])[0] === 0xc1 && cache.stats().dirty === 0);
    expect(cache.stats().errors).toBe(1);
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO', 'background'));
    await file.fsync();
  });

  test('that fail when the handle is closed already: the data is not lost', async () => {
    const { file, cache, path, fail, heal } = await startWithFile(4, busy);
    fail({ call: 'flush', errno: EIO });
    dirty(file, [3], 0xc2);
    await file.close();
    await until('the background has failed', () => cache.stats().errors > 0);
    await expect(cache.close()).rejects.toThrow(ioRefusal('EIO'));
    heal();
    await cache.close();
    expect(firstBytes(path, [3])).toEqual([0xc2]);
  });
});

describe('a full pool of dirty pages that cannot be written', () => {
  test.each(['writeSync', 'write'] as const)(
    'fails the %s that needs a frame, names why, and recovers',
    async (write) => {
      const { file, cache, path, fail, heal } = await startWithFile(200, QUIET);
      fail({ call: 'write', errno: ENOSPC });
      let written = 0;
      const fill = async () => {
        for (; written < 200; written++) await file[write](Uint8Array.of(0xb0), written * PAGE);
      };
      const failed = await fill().then(
        () => undefined,
        (error) => error as Error,
      );
      expect(written).toBeGreaterThan(cache.stats().frames - 4); // a write may need a frame for what it overwrites
      // It was not the reading of a page that failed.
      expect(failed).toEqual(ioRefusal('ENOSPC', 'no frame for page', 'could not be written'));
      expect((failed!.cause as NodeJS.ErrnoException).syscall).toBe('write');
      expect(cache.stats().dirty).toBe(written);
      heal();
      await fill();
      // Not in a round of this handle: its next fsync tells of it, once.
      await expect(file.fsync()).rejects.toThrow(ioRefusal('ENOSPC', 'background'));
      await file.fsync();
      expect(Array.from({ length: 200 }, (_, n) => firstBytes(path, [n])[0])).toEqual(Array(200).fill(0xb0));
    },
  );
});

test.each(['truncateSync', 'truncate'] as const)(
  '%s that the system reports as failed, though the file has been cut: it counts as cut',
  async (truncate) => {
    const { file, path, fail } = await startWithFile(8, QUIET);
    dirty(file, [7], 0xa0);
    fail({ call: 'resize', errno: EIO, times: 1, yetDone: true });
    await file[truncate](2 * PAGE + 10);
    expect(file.size).toBe(2 * PAGE + 10);
    await file.fsync();
    expect(fs.statSync(path).size).toBe(2 * PAGE + 10);
    await file.truncate(5 * PAGE);
    expect(file.viewSync(4, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  },
);

test('a file created in a store whose directory cannot be synced', async () => {
  const { cache, fail, heal } = await startCache(QUIET);
  const path = `${fileOf(0)}-new`;
  const file = await cache.open(path, { create: true });
  fail({ call: 'syncDirectory', errno: EIO });
  await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO', path));
  expect(() => file.fsyncSync()).toThrow(ioRefusal('EIO', path)); // not once only: its entry may be lost
  heal();
  await file.fsync();
});

test('a file created in a failing store is whole after the next fsync', async () => {
  const { cache, fail, heal } = await startCache(QUIET);
  const path = `${fileOf(0)}-new`;
  const file = await cache.open(path, { create: true });
  await file.write(Buffer.from('first'), 0);
  fail({ call: 'flush', errno: EIO });
  await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO'));
  heal();
  await file.write(Buffer.from('second'), 5);
  await file.fsync();
  expect(fs.readFileSync(path, 'utf8')).toBe('firstsecond');
  expect(() => file.pinSync(1)).toThrow(refusal('ERR_PINFOLD_RANGE'));
});
