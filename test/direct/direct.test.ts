// Files opened with `direct`: the bytes are the same as ever, and the system keeps no copy of them.
import fs from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { CachedFile, OpenOptions, PageCache } from 'pinfold';
import { describe, expect, type TestContext, test } from 'vitest';
import { engineOf, layout as L } from '#harness';
import { SyncDriver } from '../../src/driver/sync.ts';
import { openDirect } from '../../src/service/opening.ts';
import { type FileCalls, fileStoreOver } from '../../src/store/file.ts';
import type { Store } from '../../src/store/store.ts';
import { SMALL, startCache, startWithFile } from '../support/cache.ts';
import { contentOf } from '../support/checksum.ts';
import { directObstacle, fincoreObstacle, flagsOn, pagesInSystemCache } from '../support/direct.ts';
import { bytesInFile, fileOf, patternAt, testDirectory } from '../support/directory.ts';
import { ioRefusal, refusal } from '../support/refusal.ts';
import { until } from '../support/until.ts';

const PAGE = 4096;
const DIRECT: OpenOptions = { direct: true };
const { EINVAL, EIO, EOPNOTSUPP, EBADF } = constants.errno;
const {
  O_DIRECT,
  O_ACCMODE = 3,
  O_RDWR,
  O_RDONLY,
} = fs.constants as typeof fs.constants & { O_ACCMODE?: number };

type Open = (cache: PageCache, path: string, options?: OpenOptions) => Promise<CachedFile>;
const ways: [string, Open][] = [
  ['open', async (cache, path, options) => await cache.open(path, options)],
  ['openSync', async (cache, path, options) => cache.openSync(path, options)],
];

/** Skips the test, telling why, where there is no direct I/O. */
function needsDirect({ skip }: TestContext): void {
  const why = directObstacle();
  if (why) skip(why);
}

const pattern = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, at) => ((at * 31 + seed * 17) % 251) + 1);

/** What is in the whole file, by the cache. */
function contentBy(file: CachedFile): Buffer {
  const bytes = Buffer.alloc(file.size);
  expect(file.readSync(bytes, 0)).toBe(file.size);
  return bytes;
}

describe.each(ways)('%s with direct', (_name, open) => {
  test('refuses a file whose file system has no direct I/O, and leaves nothing open', async ({ skip }) => {
    const path = '/proc/version'; // procfs has none
    if (!fs.existsSync(path)) return skip('no /proc');
    const { cache } = await startCache({ ...SMALL, maxFiles: 1 });
    for (let n = 0; n < 3; n++) {
      const refused = open(cache, path, { direct: true, mode: 'r' });
      await expect(refused).rejects.toThrow(
        refusal('ERR_PINFOLD_DIRECT', path, 'EINVAL', 'without `direct`'),
      );
      await expect(refused).rejects.toMatchObject({ path, cause: { code: 'EINVAL', path } });
    }
    expect(flagsOn(path)).toEqual([]);
    expect((await open(cache, path, { mode: 'r' })).direct).toBe(false);
  });

  test('refuses a file of which the first block cannot be read so, and leaves nothing open', async (context) => {
    needsDirect(context);
    const { cache, fail, heal, struck } = await startCache({ ...SMALL, maxFiles: 1 });
    const path = fileOf(3 * PAGE);
    fail({ call: 'read', errno: EINVAL });
    const refused = open(cache, path, DIRECT);
    await expect(refused).rejects.toThrow(refusal('ERR_PINFOLD_DIRECT', path, 'EINVAL'));
    expect(struck('read')).toBe(1);
    expect(flagsOn(path)).toEqual([]);
    heal();
    const file = await open(cache, path, DIRECT);
    expect(contentBy(file).equals(fs.readFileSync(path))).toBe(true);
  });

  test('other errors of the first block are for whoever needs it', async (context) => {
    needsDirect(context);
    const { cache, fail, heal } = await startCache(SMALL);
    const path = fileOf(3 * PAGE);
    fail({ call: 'read', errno: EIO });
    const file = await open(cache, path, DIRECT);
    expect(() => file.viewSync(0, () => 0)).toThrow(ioRefusal('EIO'));
    heal();
    expect(contentBy(file).equals(fs.readFileSync(path))).toBe(true);
  });

  test('another choice than that of who has the file open is refused', async (context) => {
    needsDirect(context);
    const { cache } = await startCache(SMALL);
    for (const direct of [true, false]) {
      const path = fileOf(2 * PAGE);
      const file = await open(cache, path, { direct });
      expect(file.direct).toBe(direct);
      const refused = open(cache, path, { direct: !direct });
      await expect(refused).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', path, `direct: ${direct}`));
      expect((await open(cache, path, { direct })).viewSync(1, (bytes) => bytes[7])).toBe(
        patternAt(PAGE + 7),
      );
      // Of two choices both are named, and only those that differ.
      const both = open(cache, path, { direct: !direct, checksum: 'crc32c' });
      await expect(both).rejects.toThrow(
        refusal('ERR_PINFOLD_CONFLICT', `checksum 'none' and direct: ${direct}`),
      );
      const one = await open(cache, path, { direct, checksum: 'crc32c' }).catch((error: Error) => error);
      expect((one as Error).message).toMatch(/with checksum 'none'$/);
    }
  });

  test('the choice is free again when nobody needs the file', async (context) => {
    needsDirect(context);
    const { cache } = await startCache(SMALL);
    const path = fileOf(2 * PAGE);
    for (let n = 0; n < 4; n++) {
      const file = await open(cache, path, { direct: n % 2 === 0 });
      file.writeSync(pattern(10, n), PAGE);
      file.fsyncSync();
      expect(flagsOn(path).some((flags) => flags & O_DIRECT)).toBe(n % 2 === 0);
      file.closeSync(); // its pages stay, and are clean
    }
    expect(bytesInFile(path, PAGE, 10).equals(pattern(10, 3))).toBe(true);
    const dirty = await open(cache, path, DIRECT);
    dirty.writeSync(pattern(10, 9), 0);
    const page = dirty.pinSync(0); // whatever flushers do, it stays
    dirty.closeSync();
    await expect(open(cache, path)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', 'direct: true'));
    page.unpin();
  });
});

/** A protocol of one effect. */
function* performing(effect: object): Generator<object, number, number> {
  return yield effect;
}

test('a system without O_DIRECT is told of like a file system without', () => {
  const journal = { words: new Int32Array(2), fd: 0, direct: 1 };
  expect(openDirect(0, false, journal, undefined)).toBe(-EOPNOTSUPP);
  expect(journal.words[1]).toBe(0);
});

describe('descriptors', () => {
  test('reading goes by one of each kind, writing too; none is left', async (context) => {
    needsDirect(context);
    const { cache } = await startCache(SMALL);
    const path = fileOf(3 * PAGE + 5);
    const flags = () =>
      flagsOn(path)
        .map(
          (flags) =>
            `${flags & O_DIRECT ? 'direct' : 'plain'}${(flags & O_ACCMODE) === O_RDWR ? ', writes' : ''}`,
        )
        .sort();
    const reader = await cache.open(path, { mode: 'r', direct: true });
    expect(flags()).toEqual(['direct', 'plain']);
    await cache.open(path, { mode: 'r', direct: true });
    expect(contentBy(reader).equals(fs.readFileSync(path))).toBe(true);
    const writer = cache.openSync(path, DIRECT);
    const all = ['direct', 'direct, writes', 'plain', 'plain, writes'];
    expect(flags()).toEqual(all);
    await cache.open(path, DIRECT);
    expect(flags()).toEqual(all);
    writer.writeSync(pattern(PAGE, 1), 0);
    writer.fsyncSync();
    expect(bytesInFile(path, 0, PAGE).equals(pattern(PAGE, 1))).toBe(true);
    await cache.close();
    expect(flags()).toEqual([]);
  });

  test('a file opened for writing at once has two', async (context) => {
    needsDirect(context);
    const { path } = await startWithFile(3, SMALL, DIRECT);
    const flags = flagsOn(path);
    expect(flags.map((one) => one & O_ACCMODE)).toEqual([O_RDWR, O_RDWR]);
    expect(flags.filter((one) => one & O_DIRECT)).toHaveLength(1);
  });

  test('a number that is another file by now is not used, whichever of the two it is', async (context) => {
    needsDirect(context);
    const { file, path } = await startWithFile(3, SMALL, DIRECT);
    const { attachment, id } = engineOf(file);
    const { kernel, references, bytes } = attachment;
    const { dev, ino } = fs.statSync(path, { bigint: true });
    const numbers = {
      plain: kernel.fileWord(id, L.FILE_FD_WRITE) - 1,
      direct: kernel.fileWord(id, L.FILE_FD_DIRECT_WRITE) - 1,
    };
    const plainOnly = (fd: number) => (fd === numbers.plain ? 0 : -EIO);
    for (const lost of ['plain', 'direct', undefined] as const) {
      let calls = 0;
      const store = {
        identity: (fd: number) =>
          lost !== undefined && fd === numbers[lost] ? { dev, ino: ino + 1n } : { dev, ino },
        write: (fd: number, { length }: Uint8Array, _: number, direct?: number) => {
          expect({ plain: fd, direct }).toEqual(numbers);
          calls++;
          return length;
        },
      } as unknown as Store;
      Object.assign(store, { flush: plainOnly, resize: plainOnly });
      const driver = new SyncDriver(kernel as never, references as never, store, true, () => {});
      const staged = bytes.staging[0]!.subarray(0, PAGE);
      const run = (effect: object) => driver.run(performing(effect) as never);
      const written = run({ kind: 'write', file: id, bytes: staged, position: 0 });
      expect(written).toBe(lost === undefined ? PAGE : -EBADF);
      expect(calls).toBe(lost === undefined ? 1 : 0);
      // What is the file's, not the descriptor's, goes by the plain one.
      const expected = lost === 'plain' ? -EBADF : 0;
      expect(run({ kind: 'flush', file: id })).toBe(expected);
      expect(run({ kind: 'resize', file: id, size: 9 })).toBe(expected);
    }
  });
});

describe('the end of a file', () => {
  const tails = [1, 100, 511, 512, 513, 2048, 4095];
  const sizes = [0, 3, 6].flatMap((blocks) => tails.map((tail) => blocks * PAGE + tail));

  test.for([4096, 16_384])(
    'of any length is read, changed and kept: pages of %i bytes',
    async (pageSize, context) => {
      needsDirect(context);
      const files = sizes.map((size) => ({ path: fileOf(size), model: Buffer.alloc(0) }));
      const { cache } = await startCache({ memory: 1 << 20, pageSize });
      for (const one of files) {
        const model = fs.readFileSync(one.path);
        one.model = model;
        const file = await cache.open(one.path, DIRECT);
        expect(contentBy(file).equals(model)).toBe(true);
        const last = pattern(1, model.length);
        file.writeSync(last, model.length - 1);
        model.set(last, model.length - 1);
        if (model.length > PAGE) file.writeSync(pattern(20, 1), PAGE - 10);
        if (model.length > PAGE) model.set(pattern(20, 1), PAGE - 10);
        await file.fsync();
        expect(fs.readFileSync(one.path).equals(model)).toBe(true);
      }
      await cache.close();
      const { cache: next } = await startCache({ memory: 1 << 20, pageSize });
      for (const { path, model } of files)
        expect(contentBy(await next.open(path, DIRECT)).equals(model)).toBe(true);
    },
  );

  test('moves on by appends of all lengths, each synced', async (context) => {
    needsDirect(context);
    for (const pageSize of [4096, 8192]) {
      const { cache } = await startCache({ memory: 1 << 20, pageSize });
      const path = join(testDirectory(), 'log');
      const file = await cache.open(path, { direct: true, create: true });
      let model = Buffer.alloc(0);
      for (let n = 0; n < 40; n++) {
        const bytes = pattern([1, 700, 3395, 4096, 5000, 511, 9000, 12][n % 8]!, n);
        if (n % 2) file.writeSync(bytes, model.length);
        else await file.write(bytes, model.length);
        model = Buffer.concat([model, bytes]);
        if (n % 3) file.fsyncSync();
        else await file.fsync();
        expect(fs.readFileSync(path).equals(model)).toBe(true);
      }
      await cache.close();
    }
  });

  test('jumps over a gap, which is zeros', async (context) => {
    needsDirect(context);
    const { file, path } = await startWithFile(0, SMALL, DIRECT);
    file.writeSync(pattern(100, 1), 0);
    file.fsyncSync();
    file.writeSync(pattern(100, 2), 3 * PAGE + 50);
    file.fsyncSync();
    const model = Buffer.alloc(3 * PAGE + 150);
    model.set(pattern(100, 1), 0);
    model.set(pattern(100, 2), 3 * PAGE + 50);
    expect(fs.readFileSync(path).equals(model)).toBe(true);
  });

  test('is cut and extended again: nothing of what was cut off comes back', async (context) => {
    needsDirect(context);
    const { file, path, cache } = await startWithFile(6, SMALL, DIRECT);
    let model = fs.readFileSync(path);
    for (const [cut, extended] of [
      [5 * PAGE + 100, 5 * PAGE + 3000],
      [5 * PAGE + 4095, 6 * PAGE],
      [4 * PAGE, 4 * PAGE + 1],
      [3 * PAGE + 1, 3 * PAGE + 4096],
      [2 * PAGE + 513, 7 * PAGE + 9],
      [1, PAGE],
      [0, 100],
    ] as const) {
      file.truncateSync(cut);
      const before = model.subarray(0, cut);
      model = Buffer.alloc(extended);
      model.set(before);
      if (cut % 2) file.fsyncSync();
      await file.truncate(extended);
      file.fsyncSync();
      expect(fs.readFileSync(path).equals(model)).toBe(true);
      expect(contentBy(file).equals(model)).toBe(true);
      file.writeSync(pattern(model.length, cut), 0);
      model.set(pattern(model.length, cut));
    }
    await cache.close();
    expect(fs.readFileSync(path).equals(model)).toBe(true);
  });
});

describe('calls that do less than they were asked to', () => {
  const [plain, direct] = [3, 4];

  test.each([
    [
      'a short one',
      5000,
      [
        [direct, 0, 3 * PAGE],
        [plain, 5000, 3192],
        [direct, 8192, PAGE],
        [plain, 3 * PAGE, 9],
      ],
    ],
    [
      'one that ends with a block',
      PAGE,
      [
        [direct, 0, 3 * PAGE],
        [direct, PAGE, 2 * PAGE],
        [plain, 3 * PAGE, 9],
      ],
    ],
    [
      'a whole one',
      3 * PAGE,
      [
        [direct, 0, 3 * PAGE],
        [plain, 3 * PAGE, 9],
      ],
    ],
  ])('after %s the next goes to the end of the block by the plain descriptor', (_name, first, expected) => {
    for (const kind of ['read', 'write'] as const) {
      const seen: number[][] = [];
      const call = (fd: number, _bytes: Uint8Array, offset: number, length: number, position: number) => {
        expect(position).toBe(8 * PAGE + offset);
        seen.push([fd, offset, length]);
        return seen.length === 1 ? first : length;
      };
      const store = fileStoreOver({ readSync: call, writeSync: call } as unknown as FileCalls);
      const bytes = new Uint8Array(3 * PAGE + 9);
      expect(store[kind](plain, bytes, 8 * PAGE, direct)).toBe(bytes.length);
      expect(seen).toEqual(expected);
    }
  });

  test('go on from where they left off, at whatever byte', async (context) => {
    needsDirect(context);
    const { file, path, cache, fail, struck } = await startWithFile(0, { memory: 1 << 20 }, DIRECT);
    const model = Buffer.from(pattern(20 * PAGE + 77, 3));
    for (let n = 0; n < 4; n++) {
      fail({ call: 'write', errno: 0, times: 6, after: n });
      model[n * 3 * PAGE] = n;
      file.writeSync(model, 0);
      file.fsyncSync();
      expect(fs.readFileSync(path).equals(model)).toBe(true);
    }
    expect(struck('write')).toBe(24);
    await cache.close();
    const { cache: next, fail: failNext, struck: struckNext } = await startCache();
    failNext({ call: 'read', errno: 0, times: 30 });
    expect(contentBy(await next.open(path, DIRECT)).equals(model)).toBe(true);
    expect(struckNext('read')).toBe(30);
  });
});

describe('errors', () => {
  test('EINVAL from a later call is an I/O error as any', async (context) => {
    needsDirect(context);
    const { file, path, fail, heal } = await startWithFile(3, SMALL, DIRECT);
    fail({ call: 'read', errno: EINVAL });
    expect(() => file.viewSync(1, () => 0)).toThrow(ioRefusal('EINVAL'));
    await expect(file.view(1, () => 0)).rejects.toThrow(ioRefusal('EINVAL'));
    heal();
    file.writeSync(pattern(PAGE, 5), PAGE);
    fail({ call: 'write', errno: EINVAL });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EINVAL', path));
    heal();
    await file.fsync();
    expect(bytesInFile(path, PAGE, PAGE).equals(pattern(PAGE, 5))).toBe(true);
  });

  test('a failed flush has everything written again, the end of the file too', async (context) => {
    needsDirect(context);
    const { file, path, fail, heal } = await startWithFile(4, SMALL, DIRECT);
    const bytes = pattern(3 * PAGE + 9, 6);
    file.writeSync(bytes, 2 * PAGE);
    fail({ call: 'flush', errno: EIO, times: 1 });
    await expect(file.fsync()).rejects.toThrow(ioRefusal('EIO', path));
    heal();
    fs.writeFileSync(path, ''); // as if none of it had arrived
    expect(await file.fsync()).toMatchObject({ pages: 4, flushes: 1 });
    expect(bytesInFile(path, 2 * PAGE, bytes.length).equals(bytes)).toBe(true);
  });
});

test('files with checksums, the torn and the whole', async (context) => {
  needsDirect(context);
  const { cache } = await startCache();
  const path = join(testDirectory(), 'sealed');
  const how: OpenOptions = { direct: true, checksum: 'crc32c', create: true };
  const file = await cache.open(path, how);
  const model = Buffer.from(pattern(5 * file.pageSize + 321, 8));
  await file.write(model, 0);
  await file.fsync();
  expect(fs.statSync(path).size).toBe(6 * PAGE); // whole pages
  expect(contentOf(path).equals(model)).toBe(true);
  await cache.close();
  fs.truncateSync(path, 5 * PAGE + 700); // as a loss of power might leave it
  const { cache: next } = await startCache();
  const torn = await next.open(path, how);
  expect(torn.size).toBe(6 * torn.pageSize);
  expect(() => torn.viewSync(5, () => 0)).toThrow(
    expect.objectContaining({ code: 'ERR_PINFOLD_CHECKSUM', page: 5 }),
  );
  expect(torn.viewSync(4, (bytes) => bytes[9])).toBe(model[4 * torn.pageSize + 9]);
  torn.truncateSync(5 * torn.pageSize);
  torn.fsyncSync();
  expect(contentOf(path).equals(model.subarray(0, 5 * torn.pageSize))).toBe(true);
});

describe('the system keeps no copy', () => {
  const PAGES = 64;
  const hidden = directObstacle() ?? fincoreObstacle();

  /** Pages of a file of `PAGES` pages and 100 bytes in the system's cache: when it was written, and when it was read. */
  async function inSystemCache(
    direct: boolean,
    open: OpenOptions = {},
  ): Promise<{ written: number; read: number }> {
    const path = join(testDirectory(), 'data');
    const { cache } = await startCache();
    const file = await cache.open(path, { ...open, create: true, direct });
    file.writeSync(pattern(PAGES * file.pageSize + 100, 4), 0);
    await file.fsync();
    const written = pagesInSystemCache(path);
    await cache.close();
    const { cache: next } = await startCache();
    const again = await next.open(path, { ...open, direct });
    for (let index = 0; index <= PAGES; index += 2) again.viewSync(index, () => 0);
    for (let index = 1; index <= PAGES; index += 2) await again.view(index, () => 0);
    return { written, read: pagesInSystemCache(path) };
  }

  test.skipIf(hidden !== undefined)(`but for the last block${hidden ? ` (${hidden})` : ''}`, async () => {
    const direct = await inSystemCache(true);
    expect(direct.written).toBeLessThanOrEqual(1);
    expect(direct.read).toBeLessThanOrEqual(1);
    // The control: the same file, the same calls.
    const buffered = await inSystemCache(false);
    expect(buffered.written).toBeGreaterThan(PAGES / 2);
    expect(buffered.read).toBeGreaterThan(PAGES / 2);
  });

  test.skipIf(hidden !== undefined)(
    `of none at all with checksums${hidden ? ` (${hidden})` : ''}`,
    async () => {
      expect(await inSystemCache(true, { checksum: 'crc32c' })).toEqual({ written: 0, read: 0 });
    },
  );

  test.skipIf(hidden !== undefined)(
    'of what background writeback wrote, nor of what pins brought in',
    async () => {
      const path = join(testDirectory(), 'data');
      const { cache } = await startCache({ ...SMALL, dirtyExpireMs: 0, writebackIntervalMs: 5 });
      const file = await cache.open(path, { create: true, direct: true });
      for (let n = 0; n < 4; n++) {
        for (let index = 0; index < 100; index++) file.writeSync(pattern(PAGE, index + n), index * PAGE); // more than the pool
        using page = file.pinSync(n * 25, 'write');
        page.bytes.fill(n);
      }
      await until('all is written', () => cache.stats().dirty === 0);
      expect(pagesInSystemCache(path)).toBe(0);
      await file.fsync();
      expect(bytesInFile(path, 75 * PAGE, PAGE).every((byte) => byte === 3)).toBe(true);
    },
  );
});

test('what other programs have of the file in the system cache does not stand in the way', async (context) => {
  needsDirect(context);
  const { file, path } = await startWithFile(8, SMALL, DIRECT);
  const fd = fs.openSync(path, O_RDONLY);
  context.onTestFinished(() => fs.closeSync(fd));
  const seen = Buffer.alloc(8 * PAGE);
  for (let n = 0; n < 20; n++) {
    fs.readSync(fd, seen, 0, seen.length, 0); // all of it is in the system's cache now
    file.writeSync(pattern(2 * PAGE + 100, n), (n % 6) * PAGE);
    file.fsyncSync();
    fs.readSync(fd, seen, 0, 2 * PAGE + 100, (n % 6) * PAGE);
    expect(seen.subarray(0, 2 * PAGE + 100).equals(pattern(2 * PAGE + 100, n))).toBe(true);
  }
});
