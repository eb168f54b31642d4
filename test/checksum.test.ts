// Files with checksums: what users count in, what is in the store, what is found when the file is opened again, and that
// nothing of a page that is not as it was written is ever returned.
import fs from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { CachedFile, CacheOptions, OpenOptions, PageCache } from 'pinfold';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHarness, type HarnessCache } from '#harness';
import { type OpenedFile, SMALL, startCache } from './support/cache.ts';
import { contentOf, PAGE, PAYLOAD, sealed, tamper, writeSealed } from './support/checksum.ts';
import { patternAt, testDirectory } from './support/directory.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';
import { violationsWhenQuiet } from './threads/invariants.ts';

/** No background writeback: only fsync writes. */
const QUIET: CacheOptions = {
  ...SMALL,
  writebackIntervalMs: 2 ** 30,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
};
/** 'random': these tests change the file behind the cache, so pages must come when they are looked at and not before. */
const CRC: OpenOptions = { checksum: 'crc32c', access: 'random' };
const CREATE: OpenOptions = { ...CRC, create: true };

const pattern = (from: number, to: number) =>
  Buffer.from(Uint8Array.from({ length: to - from }, (_, n) => patternAt(from + n)));

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

const pathOfNone = () => join(testDirectory(), 'data');

/** A path to a file with checksums of `size` bytes of the pattern. */
function sealedFile(size: number): string {
  const path = pathOfNone();
  writeSealed(path, pattern(0, size));
  return path;
}

/** One for all tests that need none of their own. */
let shared: HarnessCache;
beforeAll(async () => {
  shared = await createHarness(QUIET);
});
afterEach(() => shared.heal());
afterAll(async () => await shared.cache.close());

async function start(size: number, options?: CacheOptions): Promise<OpenedFile> {
  const path = sealedFile(size);
  const harness = options === undefined ? shared : await startCache(options);
  return { ...harness, path, file: await harness.cache.open(path, CRC) };
}

/** All of a file, through the cache. */
function shown(file: CachedFile): Buffer {
  const bytes = Buffer.alloc(file.size + 10);
  return bytes.subarray(0, file.readSync(bytes, 0));
}

/** Resolves when the first flag is set. */
const raised = (flags: Int32Array) => until('the flag is set', () => Atomics.load(flags, 0) === 1);

/** The file as one finds it who opens it now: a copy is opened, so that nothing of it is in the cache. */
async function reopened(cache: PageCache, path: string): Promise<Buffer> {
  const copy = `${path}-copy`;
  fs.copyFileSync(path, copy);
  const file = await cache.open(copy, { ...CRC, mode: 'r' });
  const bytes = shown(file);
  await file.close();
  return bytes;
}

/** Once synced, cache and store hold these bytes; and so does who opens it anew. */
async function expectFile({ cache, file, path }: OpenedFile, bytes: Buffer): Promise<void> {
  expect(file.size).toBe(bytes.length);
  expect(shown(file).equals(bytes)).toBe(true);
  await file.fsync();
  expect(fs.statSync(path).size).toBe(Math.ceil(bytes.length / PAYLOAD) * PAGE);
  expect(contentOf(path).equals(bytes)).toBe(true);
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  expect((await reopened(cache, path)).equals(bytes)).toBe(true);
  await file.close();
}

describe('users see the payload', () => {
  test('of pages, by each way to them', async () => {
    const { file } = await start(3 * PAYLOAD);
    expect(file.pageSize).toBe(PAYLOAD);
    expect(file.checksum).toBe('crc32c');
    expect(file.size).toBe(3 * PAYLOAD);
    const lengthOf = (bytes: Uint8Array) => bytes.length;
    expect(file.viewSync(0, lengthOf)).toBe(PAYLOAD);
    expect(file.viewSync(0, lengthOf)).toBe(PAYLOAD);
    expect(await file.view(1, lengthOf)).toBe(PAYLOAD);
    expect(file.updateSync(0, lengthOf)).toBe(PAYLOAD);
    expect(await file.update(1, lengthOf)).toBe(PAYLOAD);
    expect(file.updateSync(0, lengthOf, undefined, { offset: 100 })).toBe(PAYLOAD - 100);
    expect(() => file.updateSync(0, lengthOf, undefined, { offset: PAYLOAD })).toThrow(
      refusal('ERR_PINFOLD_OPTION'),
    );
    expect(() => file.updateSync(0, lengthOf, undefined, { offset: 1, length: PAYLOAD })).toThrow(
      refusal('ERR_PINFOLD_OPTION'),
    );
    for (const mode of ['read', 'write'] as const) {
      using page = file.pinSync(2, mode);
      using again = file.tryPin(2, mode);
      expect([page.bytes.length, again?.bytes.length]).toEqual([PAYLOAD, PAYLOAD]);
      expect(Buffer.from(page.bytes).equals(pattern(2 * PAYLOAD, 3 * PAYLOAD))).toBe(true);
    }
    expect(() => file.pinSync(3)).toThrow(refusal('ERR_PINFOLD_RANGE', 'page index 3', '0 to 2'));
  });

  test('beside an update of the page, too: then a view gets a copy', async () => {
    const { cache, file, path } = await start(2 * PAYLOAD);
    const flags = sharedFlags(2);
    const updating = inThread(cache.handle, { path, flags }, async (other, { path, flags }) => {
      const opened = other.openSync(path, { checksum: 'crc32c' });
      opened.updateSync(0, (bytes) => {
        bytes.fill(0xee);
        Atomics.store(flags, 0, 1);
        Atomics.notify(flags, 0);
        Atomics.wait(flags, 1, 0, 10_000);
      });
    });
    await raised(flags);
    try {
      const seen = file.viewSync(0, (bytes) => Buffer.from(bytes));
      expect(seen.equals(pattern(0, PAYLOAD))).toBe(true);
    } finally {
      Atomics.store(flags, 1, 1);
      Atomics.notify(flags, 1);
      await updating;
    }
    expect(file.viewSync(0, (bytes) => bytes[0])).toBe(0xee);
  });

  test('of positions, over pages', async () => {
    const opened = await start(5 * PAYLOAD);
    const { file } = opened;
    const bytes = pattern(0, 5 * PAYLOAD);
    const text = Buffer.from('over the edge of a page');
    for (const position of [PAYLOAD - 5, 3 * PAYLOAD - text.length, 2 * PAYLOAD - 1]) {
      file.writeSync(text, position);
      text.copy(bytes, position);
    }
    const long = Buffer.alloc(2 * PAYLOAD + 100, 'long');
    await file.write(long, PAYLOAD + 7);
    long.copy(bytes, PAYLOAD + 7);
    for (const [from, length] of [
      [PAYLOAD - 9, 20],
      [1, 3 * PAYLOAD],
      [5 * PAYLOAD - 3, 10],
    ] as const) {
      const part = Buffer.alloc(length);
      const expected = bytes.subarray(from, from + length);
      expect(file.readSync(part, from)).toBe(expected.length);
      expect(part.subarray(0, expected.length).equals(expected)).toBe(true);
      expect(await file.read(part, from)).toBe(expected.length);
      expect(part.subarray(0, expected.length).equals(expected)).toBe(true);
    }
    await expectFile(opened, bytes);
  });

  test('of the last of many pages, pinned for writing: whole pages would be more than the file has', async () => {
    const { file } = await start(600 * PAYLOAD);
    for (const index of [0, 511, 599]) {
      file.pinSync(index, 'write').unpin();
      (await file.pin(index, 'write')).unpin();
    }
    expect(() => file.pinSync(600, 'write')).toThrow(refusal('ERR_PINFOLD_RANGE', 'page index 600'));
  });

  test('in threads that attach', async () => {
    const opened = await start(2 * PAYLOAD + 50);
    const { cache, file, path } = opened;
    const seen = await inThread(cache.handle, path, async (other, path) => {
      const opened = await other.open(path, { checksum: 'crc32c' });
      opened.updateSync(1, (bytes) => bytes.fill(0x77));
      opened.writeSync(new Uint8Array(100).fill(0x88), opened.size);
      await opened.fsync();
      return [opened.pageSize, opened.size, opened.viewSync(2, (bytes) => bytes.length)];
    });
    expect(seen).toEqual([PAYLOAD, 2 * PAYLOAD + 150, PAYLOAD]);
    expect(file.size).toBe(2 * PAYLOAD + 150);
    const bytes = Buffer.concat([pattern(0, 2 * PAYLOAD + 50), Buffer.alloc(100, 0x88)]);
    bytes.fill(0x77, PAYLOAD, 2 * PAYLOAD);
    expect(contentOf(path).equals(bytes)).toBe(true);
    await expectFile(opened, bytes);
  });
});

describe('the size, found again', () => {
  test.each([0, 1, 100, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, PAGE, 5 * PAYLOAD - 1, 5 * PAYLOAD, 5 * PAGE + 3])(
    'of a new file of %i bytes',
    async (size) => {
      const path = pathOfNone();
      const file = await shared.cache.open(path, CREATE);
      file.writeSync(pattern(0, size), 0);
      await expectFile({ ...shared, file, path }, pattern(0, size));
    },
  );

  test.each([
    [10, 20],
    [100, PAYLOAD],
    [PAYLOAD - 1, PAYLOAD + 1],
    [PAYLOAD, PAYLOAD + 1],
    [50, 9 * PAYLOAD + 50],
    [2 * PAYLOAD, 30 * PAYLOAD],
  ])('of one that grew from %i bytes to %i by writes', async (from, to) => {
    const opened = await start(from);
    await opened.file.fsync();
    opened.file.writeSync(pattern(from, to), from);
    await expectFile(opened, pattern(0, to));
  });

  test.each([
    [0, 20 * PAYLOAD + 5],
    [10, 1000],
    [10, 20 * PAYLOAD],
    [3 * PAYLOAD, 20 * PAYLOAD + 5],
  ])('over a gap from %i to %i, whose pages are holes', async (from, to) => {
    const opened = await start(from);
    const { file, path } = opened;
    file.writeSync(Buffer.from('end'), to);
    await file.fsync();
    const stored = fs.readFileSync(path);
    for (let page = Math.ceil(from / PAYLOAD) + 1; page < Math.floor(to / PAYLOAD); page++) {
      expect(stored.subarray(page * PAGE, (page + 1) * PAGE).every((byte) => byte === 0)).toBe(true);
    }
    const bytes = Buffer.concat([pattern(0, from), Buffer.alloc(to - from), Buffer.from('end')]);
    await expectFile(opened, bytes);
  });

  test('beyond 4 GiB, without filling it', async () => {
    const { file, cache, path } = await start(10, SMALL);
    const far = 5 * 2 ** 30 + 3;
    await file.truncate(far);
    await file.write(Buffer.from('far'), far - 3);
    await file.fsync();
    expect(fs.statSync(path).blocks * 512).toBeLessThan(2 ** 20);
    await cache.close();
    const again = await shared.cache.open(path, CRC);
    expect(again.size).toBe(far);
    const bytes = Buffer.alloc(4);
    expect(again.readSync(bytes, far - 4)).toBe(4);
    expect(bytes.toString()).toBe('\0far');
  });

  test('of a file whose pages were written by the background', async () => {
    const opened = await start(0, { ...SMALL, writebackIntervalMs: 1, dirtyExpireMs: 0 });
    const { file, path } = opened;
    const bytes = pattern(0, 200 * PAYLOAD + 9); // more than the pool has frames: pages leave and come back
    for (let at = 0; at < bytes.length; at += 3000) file.writeSync(bytes.subarray(at, at + 3000), at);
    expect(shown(file).equals(bytes)).toBe(true);
    await file.fsync();
    expect(contentOf(path).equals(bytes)).toBe(true);
    await expectFile(opened, bytes);
  });

  test('of a file that ended in a page before, and was extended by a process that did not sync it', async () => {
    // Page 0 tells of 100 bytes from when the file ended there; after page 1 was written the process died.
    const path = pathOfNone();
    fs.writeFileSync(path, Buffer.concat([sealed(0, pattern(0, 100)), sealed(1, pattern(0, 7))]));
    const file = await shared.cache.open(path, CRC);
    expect(file.size).toBe(PAYLOAD + 7);
    // A cut to the end of page 0 must not leave it with the old length.
    await file.truncate(PAYLOAD);
    await expectFile(
      { ...shared, file, path },
      Buffer.concat([pattern(0, 100), Buffer.alloc(PAYLOAD - 100)]),
    );
  });

  test('of a file that ends in a hole', async () => {
    const path = pathOfNone();
    fs.writeFileSync(path, sealed(0, pattern(0, PAYLOAD)));
    fs.truncateSync(path, 3 * PAGE);
    expect(
      (await reopened(shared.cache, path)).equals(
        Buffer.concat([pattern(0, PAYLOAD), Buffer.alloc(2 * PAYLOAD)]),
      ),
    ).toBe(true);
  });
});

describe.each([
  ['truncate', async (file: CachedFile, size: number) => await file.truncate(size)],
  ['truncateSync', async (file: CachedFile, size: number) => file.truncateSync(size)],
])('%s', (_name, truncate) => {
  const FROM = 5 * PAYLOAD + 100;
  test.each([0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, PAGE, 3 * PAYLOAD, 5 * PAYLOAD, FROM - 1])(
    'cuts to %i',
    async (size) => {
      const opened = await start(FROM);
      const { file, path } = opened;
      file.prefetchSync(0, 6);
      await truncate(file, size);
      expect(fs.statSync(path).size).toBe(Math.ceil(size / PAYLOAD) * PAGE);
      await expectFile(opened, pattern(0, size));
    },
  );

  test.each([PAYLOAD + 10, 2 * PAYLOAD])('and then extends, by zeros: after a cut to %i', async (size) => {
    const opened = await start(FROM);
    const { file } = opened;
    await truncate(file, size);
    await truncate(file, FROM);
    await expectFile(opened, Buffer.concat([pattern(0, size), Buffer.alloc(FROM - size)]));
  });

  test.each([PAYLOAD + 10, 2 * PAYLOAD, 0])('to %i, refused by the system, changes nothing', async (size) => {
    const opened = await start(FROM);
    const { file, path, fail, heal } = opened;
    fail({ call: 'resize', errno: constants.errno.EIO });
    await expect(truncate(file, size)).rejects.toThrow(refusal('ERR_PINFOLD_IO'));
    heal();
    expect(contentOf(path).equals(pattern(0, FROM))).toBe(true);
    await expectFile(opened, pattern(0, FROM));
  });

  test('needs the page that will be the last as it was written', async () => {
    const { file, cache, path } = await start(FROM);
    tamper(path, 2 * PAGE + 5, (bytes) => bytes.fill(bytes[0]! ^ 1));
    const refused = { code: 'ERR_PINFOLD_CHECKSUM', page: 2, path: fs.realpathSync(path) };
    await expect(truncate(file, 2 * PAYLOAD + 1)).rejects.toMatchObject(refused);
    await expect(truncate(file, 3 * PAYLOAD)).rejects.toMatchObject(refused);
    expect(file.size).toBe(FROM);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    await truncate(file, 2 * PAYLOAD); // without it
    expect(file.size).toBe(2 * PAYLOAD);
  });
});

/** Every way to a page, that must be refused. */
async function expectCorrupt(file: CachedFile, page: number): Promise<void> {
  const named = fs.realpathSync(file.path);
  const refused = refusal('ERR_PINFOLD_CHECKSUM', `page ${page} `, named);
  let called = 0;
  const fn = () => called++;
  const position = page * PAYLOAD + 10;
  const bytes = Buffer.alloc(20, 0xab);
  expect(() => file.viewSync(page, fn)).toThrow(refused);
  expect(() => file.updateSync(page, fn)).toThrow(refused);
  expect(() => file.pinSync(page)).toThrow(refused);
  expect(() => file.pinSync(page, 'write')).toThrow(refused);
  expect(file.tryPin(page)).toBeUndefined();
  expect(() => file.readSync(bytes, position)).toThrow(refused);
  expect(() => file.writeSync(Buffer.from('x'), position)).toThrow(refused);
  expect(() => file.writeSync(Buffer.alloc(PAYLOAD), page * PAYLOAD)).toThrow(refused);
  expect(() => file.prefetchSync(page, 1)).toThrow(refused);
  const calls = await Promise.allSettled([
    file.view(page, fn),
    file.update(page, fn),
    file.pin(page),
    file.pin(page, 'write'),
    file.read(bytes, position),
    file.write(Buffer.from('x'), position),
  ]);
  for (const call of calls) expect(call).toEqual({ status: 'rejected', reason: refused });
  await expect(file.view(page, fn)).rejects.toMatchObject({ page, path: named });
  await expect(file.prefetch(page, 1)).rejects.toThrow(refused); // alone: one that another brings in it takes for there
  expect(called).toBe(0);
  expect(bytes.every((byte) => byte === 0xab)).toBe(true);
}

describe('a page that is not as it was written', () => {
  test.each(['payload', 'trailer'])(
    '(a byte of its %s) is refused, and good again once the byte is',
    async (part) => {
      const { file, cache, path } = await start(4 * PAYLOAD, QUIET);
      const places = part === 'payload' ? [0, 1, PAYLOAD / 2, PAYLOAD - 1] : range(PAYLOAD, PAGE);
      for (const place of places) {
        const flip = (bytes: Buffer) => bytes.fill(bytes[0]! ^ 0x10);
        tamper(path, 2 * PAGE + place, flip);
        await expectCorrupt(file, 2);
        expect(cache.stats()).toMatchObject({ resident: 0, dirty: 0, readPins: 0, writePins: 0 });
        tamper(path, 2 * PAGE + place, flip);
      }
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
      for (const page of range(0, 4))
        expect(file.viewSync(page, (bytes) => bytes[5])).toBe(patternAt(page * PAYLOAD + 5));
    },
  );

  test('is refused wherever one bit is flipped', async () => {
    const { file, path } = await start(2 * PAYLOAD);
    for (let place = 3; place < PAGE; place += 97) {
      const flip = (bytes: Buffer) => bytes.fill(bytes[0]! ^ (1 << (place % 8)));
      tamper(path, place, flip);
      expect(() => file.viewSync(0, () => 0)).toThrow(refusal('ERR_PINFOLD_CHECKSUM', 'page 0'));
      tamper(path, place, flip);
    }
    expect(file.viewSync(0, (bytes) => bytes[5])).toBe(patternAt(5));
  });

  test('because it is another page of the file', async () => {
    const { file, path } = await start(4 * PAYLOAD);
    const stored = fs.readFileSync(path);
    tamper(path, PAGE, (bytes) => stored.copy(bytes, 0, 3 * PAGE), PAGE);
    await expectCorrupt(file, 1);
    expect(file.viewSync(3, (bytes) => bytes[0])).toBe(patternAt(3 * PAYLOAD));
  });

  test('because it was swapped with another one: both name themselves, and the others are read', async () => {
    const { file, path } = await start(5 * PAYLOAD);
    const stored = fs.readFileSync(path);
    tamper(path, PAGE, (bytes) => stored.copy(bytes, 0, 3 * PAGE), PAGE);
    tamper(path, 3 * PAGE, (bytes) => stored.copy(bytes, 0, PAGE), PAGE);
    await expectCorrupt(file, 1);
    await expectCorrupt(file, 3);
    const target = Buffer.alloc(PAYLOAD, 0xee);
    for (const page of [0, 2, 4]) {
      expect(file.readSync(target, page * PAYLOAD)).toBe(PAYLOAD);
      expect(target[9]).toBe(patternAt(page * PAYLOAD + 9));
    }
  });

  test('because any of its sectors is from before, or from after', async () => {
    const { file, path } = await start(4 * PAYLOAD);
    const older = fs.readFileSync(path).subarray(2 * PAGE, 3 * PAGE);
    const newer = sealed(2, Buffer.alloc(PAYLOAD, 'new'));
    const target = Buffer.alloc(PAYLOAD, 0xee);
    for (const torn of range(1, 255)) {
      tamper(
        path,
        2 * PAGE,
        (bytes) => {
          for (const sector of range(0, 8)) {
            const from = (torn >> sector) & 1 ? newer : older;
            from.copy(bytes, sector * 512, sector * 512, (sector + 1) * 512);
          }
        },
        PAGE,
      );
      expect(() => file.readSync(target, 2 * PAYLOAD)).toThrow(refusal('ERR_PINFOLD_CHECKSUM', 'page 2'));
      expect(target.every((byte) => byte === 0xee)).toBe(true);
    }
    tamper(path, 2 * PAGE, (bytes) => newer.copy(bytes), PAGE);
    expect(file.readSync(target, 2 * PAYLOAD)).toBe(PAYLOAD);
    expect(target.toString('latin1', 0, 3)).toBe('new');
  });

  test('because it was cut in two by a loss of power', async () => {
    const { file, path } = await start(4 * PAYLOAD);
    const newer = sealed(1, Buffer.alloc(PAYLOAD, 'new'));
    for (const sector of [512, 1024, 3584]) {
      tamper(path, PAGE, (bytes) => newer.copy(bytes, 0, 0, sector), sector);
      await expectCorrupt(file, 1);
    }
    tamper(path, PAGE, (bytes) => newer.copy(bytes), PAGE);
    expect(file.viewSync(1, (bytes) => Buffer.from(bytes).toString('latin1', 0, 3))).toBe('new');
  });

  test('in a part of which zeros stand', async () => {
    const { file, path } = await start(4 * PAYLOAD);
    tamper(path, 2 * PAGE - 512, (bytes) => bytes.fill(0), 512);
    await expectCorrupt(file, 1);
    tamper(path, PAGE, (bytes) => bytes.fill(0), PAGE); // all of it: a hole
    expect(file.viewSync(1, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });

  test('is refused in other threads, too', async () => {
    const { cache, path } = await start(4 * PAYLOAD);
    tamper(path, 100, (bytes) => bytes.fill(bytes[0]! ^ 1));
    const view = async (other: PageCache, path: string) => {
      const opened = await other.open(path, { checksum: 'crc32c' });
      return opened.viewSync(0, (bytes) => bytes[0]);
    };
    await expect(inThread(cache.handle, path, view)).rejects.toThrow(
      refusal('ERR_PINFOLD_CHECKSUM', 'page 0', fs.realpathSync(path)),
    );
  });

  test('leaves who waits for it to try for himself', async () => {
    const { file, cache, path } = await start(4 * PAYLOAD, QUIET);
    tamper(path, 0, (bytes) => bytes.fill(bytes[0]! ^ 1));
    const views = await Promise.allSettled(Array.from({ length: 10 }, () => file.view(0, () => 0)));
    for (const view of views) {
      expect(view).toMatchObject({ status: 'rejected', reason: { code: 'ERR_PINFOLD_CHECKSUM', page: 0 } });
    }
    expect(cache.stats()).toMatchObject({ resident: 0, readPins: 0 });
  });
});

/** What a loss of power may leave of the last page of a file with four. */
const tornEnds: [string, (path: string) => void][] = [
  ['has a sector of another', (path) => tamper(path, 3 * PAGE + 512, (bytes) => bytes.fill(1), 512)],
  ['is one byte', (path) => fs.truncateSync(path, 3 * PAGE + 1)],
  ['is one sector', (path) => fs.truncateSync(path, 3 * PAGE + 512)],
  ['misses one byte', (path) => fs.truncateSync(path, 4 * PAGE - 1)],
  [
    'is zeros, and not all of them',
    (path) => {
      fs.truncateSync(path, 3 * PAGE);
      fs.truncateSync(path, 4 * PAGE - 512);
    },
  ],
];

describe.each(tornEnds)('a file whose last page %s', (_name, tear) => {
  const SIZE = 3 * PAYLOAD + 100;

  async function startTorn(options: OpenOptions = CRC, how: 'open' | 'openSync' = 'open') {
    const path = sealedFile(SIZE);
    tear(path);
    return { ...shared, path, stored: fs.readFileSync(path), file: await shared.cache[how](path, options) };
  }

  test.each(['open', 'openSync'] as const)('%s: all but that page is there', async (how) => {
    const { cache, file } = await startTorn(CRC, how);
    expect(file.size).toBe(4 * PAYLOAD);
    const bytes = Buffer.alloc(3 * PAYLOAD);
    expect(file.readSync(bytes, 0)).toBe(bytes.length);
    expect(bytes.equals(pattern(0, bytes.length))).toBe(true);
    await expectCorrupt(file, 3);
    expect(() => shown(file)).toThrow(refusal('ERR_PINFOLD_CHECKSUM', 'page 3 '));
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('can be read by who opens it for that', async () => {
    const { file, path } = await startTorn({ ...CRC, mode: 'r' });
    expect([file.size, file.viewSync(2, (bytes) => bytes[7])]).toEqual([
      4 * PAYLOAD,
      patternAt(2 * PAYLOAD + 7),
    ]);
    const torn = { code: 'ERR_PINFOLD_CHECKSUM', page: 3, path: fs.realpathSync(path) };
    await expect(file.view(3, () => 0)).rejects.toMatchObject(torn);
    await expect(file.read(Buffer.alloc(1), 3 * PAYLOAD)).rejects.toMatchObject(torn);
  });

  test('whatever stood where it is looked at before', async () => {
    // Nothing, or the page as it was: what is missing must not be taken from there.
    const { cache } = await startCache({ ...QUIET, memory: 256 * 1024 });
    for (const whole of [undefined, sealedFile(SIZE)]) {
      if (whole !== undefined) await (await cache.open(whole, CRC)).close();
      const path = sealedFile(SIZE);
      tear(path);
      const file = await cache.open(path, CRC);
      expect(file.size).toBe(4 * PAYLOAD);
      await expectCorrupt(file, 3);
      await expect(file.write(Buffer.from('x'), file.size)).rejects.toMatchObject({ page: 3 });
    }
  });

  test('can be changed and synced elsewhere', async () => {
    const { file, path, stored } = await startTorn();
    file.updateSync(0, (bytes) => bytes.fill(0x44));
    await file.write(Buffer.alloc(PAYLOAD, 0x55), 2 * PAYLOAD);
    expect(await file.fsync()).toMatchObject({ pages: 2 });
    const expected = Buffer.concat([
      sealed(0, Buffer.alloc(PAYLOAD, 0x44)),
      sealed(1, pattern(PAYLOAD, 2 * PAYLOAD)),
      sealed(2, Buffer.alloc(PAYLOAD, 0x55)),
      stored.subarray(3 * PAGE),
    ]);
    expect(fs.readFileSync(path).equals(expected)).toBe(true);
  });

  test('is not extended, in any thread, since the torn page would be in its middle', async () => {
    const { cache, file, path, stored, fail, heal } = await startTorn();
    const refused = refusal('ERR_PINFOLD_CHECKSUM', 'page 3 ', fs.realpathSync(path));
    const x = Buffer.from('x');
    async function expectNotExtended() {
      for (const position of [file.size, file.size + 5, 9 * PAYLOAD]) {
        expect(() => file.writeSync(x, position)).toThrow(refused);
        await expect(file.write(x, position)).rejects.toThrow(refused);
        expect(() => file.truncateSync(position + 1)).toThrow(refused);
        await expect(file.truncate(position + 1)).rejects.toThrow(refused);
      }
      expect(file.size).toBe(4 * PAYLOAD);
    }
    await expectNotExtended();
    const append = async (other: PageCache, path: string) => {
      const opened = other.openSync(path, { checksum: 'crc32c' });
      return opened.writeSync(new Uint8Array(9), opened.size);
    };
    await expect(inThread(cache.handle, path, append)).rejects.toThrow(refused);
    fail({ call: 'resize', errno: constants.errno.EIO });
    await expect(file.truncate(PAYLOAD)).rejects.toThrow(refusal('ERR_PINFOLD_IO'));
    heal();
    await expectNotExtended();
    await expect(file.truncate(3 * PAYLOAD + 1)).rejects.toThrow(refused);
    await file.fsync();
    expect(
      fs
        .readFileSync(path)
        .subarray(3 * PAGE)
        .equals(stored.subarray(3 * PAGE)),
    ).toBe(true);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test.each([3 * PAYLOAD, 2 * PAYLOAD + 10, PAYLOAD, 0])(
    'is whole again once it is cut to %i, and can be extended',
    async (size) => {
      const opened = await startTorn();
      const { file, path } = opened;
      await file.truncate(size);
      expect(fs.statSync(path).size).toBe(Math.ceil(size / PAYLOAD) * PAGE);
      file.writeSync(Buffer.from('more'), size);
      await file.truncate(5 * PAYLOAD);
      await file.write(Buffer.from('end'), 5 * PAYLOAD + 9);
      const zeros = Buffer.alloc(5 * PAYLOAD + 9 - size);
      zeros.write('more');
      await expectFile(opened, Buffer.concat([pattern(0, size), zeros, Buffer.from('end')]));
    },
  );

  test('and not only that one: each reports itself', async () => {
    const path = sealedFile(SIZE);
    tear(path);
    for (const page of [0, 2]) tamper(path, page * PAGE + 9, (bytes) => bytes.fill(bytes[0]! ^ 1));
    const file = await shared.cache.open(path, CRC);
    expect(file.viewSync(1, (bytes) => bytes[3])).toBe(patternAt(PAYLOAD + 3));
    for (const page of [0, 2, 3]) await expectCorrupt(file, page);
    await expect(file.truncate(3 * PAYLOAD)).rejects.toMatchObject({ code: 'ERR_PINFOLD_CHECKSUM', page: 2 });
    await file.truncate(2 * PAYLOAD);
    expect(file.size).toBe(2 * PAYLOAD);
  });

  test('and all others are holes', async () => {
    const path = sealedFile(SIZE);
    tear(path);
    tamper(path, 0, (bytes) => bytes.fill(0), 3 * PAGE);
    if (fs.statSync(path).size === 4 * PAGE) tamper(path, 4 * PAGE - 20, (bytes) => bytes.fill(3));
    const opened = { ...shared, path, file: await shared.cache.open(path, CRC) };
    expect(opened.file.size).toBe(4 * PAYLOAD);
    await expectCorrupt(opened.file, 3);
    await opened.file.truncate(3 * PAYLOAD);
    await expectFile(opened, Buffer.alloc(3 * PAYLOAD));
  });
});

describe('opening refuses', () => {
  const opens: [string, (cache: PageCache, path: string) => Promise<CachedFile>][] = [
    ['open', async (cache, path) => await cache.open(path, CRC)],
    ['openSync', async (cache, path) => cache.openSync(path, CRC)],
  ];

  describe.each(opens)('(%s)', (_name, open) => {
    async function expectRefused(path: string, page: number): Promise<PageCache> {
      const { cache } = shared;
      const before = fs.readFileSync(path);
      await expect(open(cache, path)).rejects.toThrow(refusal('ERR_PINFOLD_CHECKSUM', `page ${page} `, path));
      await expect(open(cache, path)).rejects.toMatchObject({ page, path });
      expect(fs.readFileSync(path).equals(before)).toBe(true);
      return cache;
    }

    test('a file whose only page is torn, since there is nothing to be had of it', async () => {
      const path = sealedFile(PAYLOAD);
      tamper(path, 512, (bytes) => bytes.fill(1), 512);
      await expectRefused(path, 0);
    });

    test('a file that was written without, though some of its pages are zeros', async () => {
      const path = pathOfNone();
      fs.writeFileSync(path, Buffer.concat([Buffer.alloc(2 * PAGE), pattern(0, 2 * PAGE)]));
      await expectRefused(path, 3);
      fs.truncateSync(path, 3 * PAGE + 100);
      await expectRefused(path, 3);
    });

    test.each([1, PAGE, 3 * PAGE])('a file of %i bytes that was written without', async (size) => {
      const path = pathOfNone();
      fs.writeFileSync(path, pattern(0, size));
      const cache = await expectRefused(path, Math.ceil(size / PAGE) - 1);
      const file = await cache.open(path); // what it is
      expect(shown(file).equals(pattern(0, size))).toBe(true);
    });

    test('a file with pages of another size', async () => {
      const path = sealedFile(5 * PAYLOAD);
      const { cache } = await startCache({ memory: 1 << 20, pageSize: 8192 });
      await expect(open(cache, path)).rejects.toThrow(refusal('ERR_PINFOLD_CHECKSUM', 'page 2 ', path));
      fs.truncateSync(path, 4 * PAGE);
      await expect(open(cache, path)).rejects.toThrow(refusal('ERR_PINFOLD_CHECKSUM', 'page 1 ', path));
    });
  });

  test('leaves no descriptor and no mark behind', async () => {
    const path = sealedFile(PAYLOAD);
    tamper(path, 7, (bytes) => bytes.fill(bytes[0]! ^ 1));
    const { cache } = await startCache(QUIET);
    const open = () => fs.readdirSync('/proc/self/fd').length;
    await expect(cache.open(path, CRC)).rejects.toThrow(refusal('ERR_PINFOLD_CHECKSUM'));
    const before = open();
    for (let n = 0; n < 20; n++)
      await expect(cache.open(path, CRC)).rejects.toThrow(refusal('ERR_PINFOLD_CHECKSUM'));
    expect(open()).toBeLessThan(before + 5);
    const { cache: other } = await startCache(QUIET);
    expect((await other.open(path)).size).toBe(PAGE);
  });
});

describe('the choice', () => {
  test.each(['crc32', 'CRC32C', true, 1, null])('%s is no choice', async (checksum) => {
    const { cache } = shared;
    await expect(cache.open('x', { checksum: checksum as never })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'checksum', `'crc32c'`),
    );
  });

  test('of who has the file open is everybody’s, in any thread and by any path', async () => {
    const { cache, file, path } = await start(2 * PAYLOAD);
    const conflict = refusal('ERR_PINFOLD_CONFLICT', path, `'crc32c'`);
    await expect(cache.open(path)).rejects.toThrow(conflict);
    await expect(cache.open(path, { checksum: 'none', mode: 'r' })).rejects.toThrow(conflict);
    expect(() => cache.openSync(path)).toThrow(conflict);
    const link = `${path}-link`;
    fs.linkSync(path, link);
    await expect(cache.open(link)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', link));
    await expect(
      inThread(cache.handle, path, async (other, path) => (await other.open(path)).size),
    ).rejects.toThrow(conflict);
    expect((await cache.open(link, CRC)).size).toBe(2 * PAYLOAD);
    expect(file.viewSync(1, (bytes) => bytes.length)).toBe(PAYLOAD);
  });

  test('is made anew once nobody has the file open', async () => {
    const { cache, file, path } = await start(2 * PAYLOAD);
    file.writeSync(Buffer.from('kept'), 0);
    await file.fsync();
    await file.close();
    const plain = await cache.open(path);
    expect(plain.pageSize).toBe(PAGE);
    expect(plain.size).toBe(2 * PAGE);
    expect(plain.viewSync(0, (bytes) => bytes.length)).toBe(PAGE);
    await expect(cache.open(path, CRC)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', `'none'`));
    await plain.close();
    const again = cache.openSync(path, CRC);
    expect(again.size).toBe(2 * PAYLOAD);
    expect(again.viewSync(0, (bytes) => Buffer.from(bytes).toString('latin1', 0, 4))).toBe('kept');
  });

  test('waits for pages that are not synced', async () => {
    const { cache, file, path } = await start(2 * PAYLOAD, QUIET);
    file.writeSync(Buffer.from('kept'), 0);
    await file.close();
    await expect(cache.open(path)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', 'not synced'));
    const again = await cache.open(path, CRC);
    await again.fsync();
    await again.close();
    expect((await cache.open(path)).size).toBe(2 * PAGE);
    expect(contentOf(path).toString('latin1', 0, 4)).toBe('kept');
  });

  test('of one file is nothing to another in the same frames', async () => {
    const { cache, file, path } = await start(100 * PAYLOAD); // more than there are frames
    const plainPath = pathOfNone();
    fs.writeFileSync(plainPath, pattern(0, 100 * PAGE));
    const plain = await cache.open(plainPath);
    for (let round = 0; round < 3; round++) {
      for (let page = 0; page < 100; page++) {
        expect(file.viewSync(page, (bytes) => bytes.length)).toBe(PAYLOAD);
        expect(plain.viewSync(page, (bytes) => bytes.length)).toBe(PAGE);
        expect(plain.viewSync(page, (bytes) => bytes[PAGE - 1])).toBe(patternAt((page + 1) * PAGE - 1));
      }
    }
    plain.updateSync(3, (bytes) => bytes.fill(1));
    file.updateSync(3, (bytes) => bytes.fill(2));
    await Promise.all([plain.fsync(), file.fsync()]);
    expect(fs.readFileSync(plainPath).subarray(3 * PAGE, 4 * PAGE)).toEqual(Buffer.alloc(PAGE, 1));
    expect(contentOf(path).subarray(3 * PAYLOAD, 4 * PAYLOAD)).toEqual(Buffer.alloc(PAYLOAD, 2));
  });
});

describe('under write pins', () => {
  test('what is written is a good page, while somebody stores into it all the time', async () => {
    const { cache, file, path } = await start(4 * PAYLOAD);
    const flags = sharedFlags(2);
    const storing = inThread(cache.handle, { path, flags }, async (other, { path, flags }) => {
      const opened = other.openSync(path, { checksum: 'crc32c' });
      const pages = [0, 1, 2, 3].map((index) => opened.pinSync(index, 'write'));
      Atomics.store(flags, 0, 1);
      Atomics.notify(flags, 0);
      let stores = 0;
      for (; Atomics.load(flags, 1) === 0 && stores < 1e9; stores++) {
        for (const page of pages) page.bytes[(stores * 61) % page.bytes.length] = stores;
      }
      for (const page of pages) page.unpin();
      return stores;
    });
    await raised(flags);
    try {
      for (let n = 0; n < 100; n++) {
        for (let index = 0; index < 4; index++) {
          file.updateSync(index, (bytes) => bytes.fill(n), undefined, { offset: 0, length: 1 });
        }
        expect(file.fsyncSync()).toMatchObject({ bounced: 4 });
        contentOf(path); // or it throws
      }
    } finally {
      Atomics.store(flags, 1, 1);
      expect(await storing).toBeGreaterThan(0);
    }
    await file.fsync();
    expect(contentOf(path).equals(shown(file))).toBe(true);
  });

  test('bytes that were stored behind the end do not reach the store', async () => {
    const opened = await start(PAYLOAD + 100);
    const { file } = opened;
    {
      using page = file.pinSync(1, 'write');
      page.bytes.fill(0xdd, 90);
    }
    const bytes = Buffer.concat([pattern(0, PAYLOAD + 90), Buffer.alloc(10, 0xdd)]);
    await file.fsync();
    expect(
      fs
        .readFileSync(opened.path)
        .subarray(PAGE + 100, PAGE + PAYLOAD)
        .every((byte) => byte === 0),
    ).toBe(true);
    await expectFile(opened, bytes);
  });
});

describe('a store that fails', () => {
  test('in the middle of a page loses nothing', async () => {
    const opened = await start(4 * PAYLOAD);
    const { file, fail, heal, path } = opened;
    const bytes = pattern(7, 4 * PAYLOAD + 7);
    file.writeSync(bytes, 0);
    fail({ call: 'write', errno: constants.errno.EIO, yetDone: true });
    await expect(file.fsync()).rejects.toThrow(refusal('ERR_PINFOLD_IO'));
    heal();
    fail({ call: 'write', errno: 0, times: 3 }); // cut short, then gone on with
    await file.fsync();
    expect(contentOf(path).equals(bytes)).toBe(true);
    await expectFile(opened, bytes);
  });

  test('to read is no page that is not as it was written', async () => {
    const { file, fail, heal } = await start(4 * PAYLOAD);
    fail({ call: 'read', errno: constants.errno.EIO });
    expect(() => file.viewSync(0, () => 0)).toThrow(refusal('ERR_PINFOLD_IO'));
    heal();
    fail({ call: 'read', errno: 0, times: 2 });
    expect(file.viewSync(0, (bytes) => bytes[9])).toBe(patternAt(9));
  });
});

test('a file whose end cannot be read can be opened once it can', async () => {
  const { cache, fail, heal } = await startCache({ ...SMALL, maxFiles: 1 });
  const path = sealedFile(3 * PAYLOAD);
  fail({ call: 'read', errno: constants.errno.EIO });
  for (let n = 0; n < 2; n++) await expect(cache.open(path, CRC)).rejects.toThrow(ioRefusal('EIO', path));
  heal();
  expect(shown(await cache.open(path, CRC)).equals(pattern(0, 3 * PAYLOAD))).toBe(true);
});
