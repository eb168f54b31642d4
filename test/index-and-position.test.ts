import fs from 'node:fs';
import { join } from 'node:path';
import type { CachedFile } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt, testDirectory } from './support/directory.ts';
import { refusal } from './support/refusal.ts';

const PAGE = 4096;

/** Every method that takes a page index. */
const byIndex: [string, (file: CachedFile, index: number) => unknown][] = [
  ['viewSync', (file, index) => file.viewSync(index, () => 0)],
  ['view', (file, index) => file.view(index, () => 0)],
  ['pinSync', (file, index) => file.pinSync(index)],
  ['pinSync to write', (file, index) => file.pinSync(index, 'write')],
  ['pin', (file, index) => file.pin(index)],
  ['tryPin', (file, index) => file.tryPin(index)],
  ['prefetchSync', (file, index) => file.prefetchSync(index, 1)],
  ['prefetch', (file, index) => file.prefetch(index, 1)],
];

/** Every method that takes a position in bytes. */
const byPosition: [string, (file: CachedFile, position: number) => unknown][] = [
  ['readSync', (file, position) => file.readSync(new Uint8Array(8), position)],
  ['read', (file, position) => file.read(new Uint8Array(8), position)],
  ['writeSync', (file, position) => file.writeSync(new Uint8Array(8), position)],
  ['write', (file, position) => file.write(new Uint8Array(8), position)],
];

/** What a call is refused with, thrown or rejected. */
async function refused(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

const notNumbers: [unknown, string][] = [
  ['0', "'0'"],
  [undefined, 'undefined'],
  [null, 'null'],
  [0n, '0n'],
  [{}, 'an object (Object)'],
  [[0], 'an array'],
  [true, 'true'],
];

describe.each(byIndex)('the index of %s', (name, call) => {
  test('is a whole number from 0 on', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    for (const index of [
      -1,
      0.5,
      2.999,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -(2 ** 31),
      2 ** 32,
      2 ** 32 + 1,
      2 ** 53,
      1e300,
    ]) {
      const error = await refused(() => call(file, index));
      expect(error).toEqual(refusal('ERR_PINFOLD_RANGE', String(index)));
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, resident: 0, dirty: 0 });
  });

  test('is a number', async () => {
    const { file } = await startWithFile(3, SMALL);
    for (const [index, shown] of notNumbers) {
      const error = await refused(() => call(file, index as number));
      expect(error).toEqual(refusal('ERR_PINFOLD_ARGUMENT', shown));
      expect(error).toBeInstanceOf(TypeError);
    }
  });

  test.skipIf(name.startsWith('prefetch'))('is not past the end', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    for (const index of [3, 4, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const error = await refused(() => call(file, index));
      expect(error).toEqual(refusal('ERR_PINFOLD_RANGE', String(index), '0 to 2'));
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(cache.stats().resident).toBe(0);
  });

  test.skipIf(name.startsWith('prefetch'))('is always past the end of an empty file', async () => {
    const { file } = await startWithFile(0, SMALL);
    expect(await refused(() => call(file, 0))).toEqual(refusal('ERR_PINFOLD_RANGE', 'empty'));
  });

  test('may be -0', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    file.viewSync(0, () => 0); // a hit for tryPin
    const pinned = (await call(file, -0)) as { index?: number; unpin?: () => void } | 0 | undefined;
    expect(cache.stats().resident).toBe(1);
    if (typeof pinned === 'object') {
      expect(pinned.index === 0).toBe(true);
      pinned.unpin!();
    }
  });
});

describe('the last page', () => {
  test('may be partial: zeros behind the end of the file', async () => {
    const { cache } = await startCache(SMALL);
    const file = await cache.open(fileOf(2 * PAGE + 10));
    const bytes = file.viewSync(2, (page) => page.slice());
    expect(bytes.length).toBe(PAGE);
    expect(bytes.subarray(0, 10)).toEqual(Uint8Array.from({ length: 10 }, (_, n) => patternAt(2 * PAGE + n)));
    expect(bytes.subarray(10).every((byte) => byte === 0)).toBe(true);
    expect(() => file.pinSync(3)).toThrow(refusal('ERR_PINFOLD_RANGE', '3'));
  });

  test('prefetch stops at it', async () => {
    const { file, cache } = await startWithFile(3, SMALL);
    await file.prefetch(1, 2 ** 40);
    expect(cache.stats().resident).toBe(2);
    file.prefetchSync(0, Number.MAX_SAFE_INTEGER);
    expect(cache.stats().resident).toBe(3);
    await file.prefetch(3, 10);
    await file.prefetch(0, 0);
    expect(cache.stats().fills).toBe(3);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 53, '3'])('prefetch refuses a count of %o', async (count) => {
    const { file } = await startWithFile(3, SMALL);
    await expect(file.prefetch(0, count as number)).rejects.toThrow(
      refusal('ERR_PINFOLD_RANGE', 'count', String(count)),
    );
    expect(() => file.prefetchSync(0, count as number)).toThrow(
      refusal('ERR_PINFOLD_RANGE', 'count', String(count)),
    );
  });
});

describe.each(byPosition)('the position of %s', (_name, call) => {
  test('is a whole number from 0 to 2^53 - 1', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    for (const position of [
      -1,
      0.5,
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      2 ** 53,
      -(2 ** 53),
      1e300,
    ]) {
      const error = await refused(() => call(file, position));
      expect(error).toEqual(refusal('ERR_PINFOLD_RANGE', 'position', String(position)));
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(file.size).toBe(PAGE);
    expect(cache.stats()).toMatchObject({ resident: 0, dirty: 0 });
  });

  test('is a number', async () => {
    const { file } = await startWithFile(1, SMALL);
    for (const [position, shown] of notNumbers) {
      const error = await refused(() => call(file, position as number));
      expect(error).toEqual(refusal('ERR_PINFOLD_ARGUMENT', 'position', shown));
      expect(error).toBeInstanceOf(TypeError);
    }
  });

  test('may be -0', async () => {
    const { file } = await startWithFile(1, SMALL);
    expect(await call(file, -0)).toBe(8);
  });
});

describe.each([
  ['target', 'read', (file: CachedFile, bytes: Uint8Array) => file.read(bytes, 0)],
  ['target', 'readSync', (file: CachedFile, bytes: Uint8Array) => file.readSync(bytes, 0)],
  ['source', 'write', (file: CachedFile, bytes: Uint8Array) => file.write(bytes, 0)],
  ['source', 'writeSync', (file: CachedFile, bytes: Uint8Array) => file.writeSync(bytes, 0)],
] as const)('the %s of %s', (what, _name, call) => {
  test('is a Uint8Array', async () => {
    const { file } = await startWithFile(1, SMALL);
    for (const value of [
      'text',
      [1, 2],
      new ArrayBuffer(8),
      new Uint16Array(4),
      new DataView(new ArrayBuffer(8)),
      null,
      8,
    ]) {
      const error = await refused(() => call(file, value as unknown as Uint8Array));
      expect(error).toEqual(refusal('ERR_PINFOLD_ARGUMENT', what));
      expect(error).toBeInstanceOf(TypeError);
    }
  });

  test('may be a Buffer, or in shared memory, or empty', async () => {
    const { file } = await startWithFile(1, SMALL);
    expect(await call(file, Buffer.alloc(5))).toBe(5);
    expect(await call(file, new Uint8Array(new SharedArrayBuffer(6)))).toBe(6);
    expect(await call(file, new Uint8Array(0))).toBe(0);
  });
});

describe.each(['readSync', 'read'] as const)('%s', (read) => {
  test('is short at the end of the file', async () => {
    const { cache } = await startCache(SMALL);
    const file = await cache.open(fileOf(PAGE + 100));
    const target = new Uint8Array(50).fill(0xee);
    expect(await file[read](target, PAGE + 70)).toBe(30);
    expect([...target.subarray(0, 30)]).toEqual(
      Array.from({ length: 30 }, (_, n) => patternAt(PAGE + 70 + n)),
    );
    expect(target.subarray(30).every((byte) => byte === 0xee)).toBe(true);
  });

  test.each([PAGE + 100, PAGE + 101, 2 ** 32, 2 ** 45, 2 ** 53 - 1])(
    'reads nothing at or past the end: %d',
    async (position) => {
      const { cache } = await startCache(SMALL);
      const file = await cache.open(fileOf(PAGE + 100));
      const target = new Uint8Array(50).fill(0xee);
      expect(await file[read](target, position)).toBe(0);
      expect(target.every((byte) => byte === 0xee)).toBe(true);
      expect(cache.stats().resident).toBe(0);
    },
  );

  test('reads nothing into an empty target', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    expect(await file[read](new Uint8Array(0), 5)).toBe(0);
    expect(cache.stats().resident).toBe(0);
  });

  test('reads over page borders', async () => {
    const { file } = await startWithFile(5, SMALL);
    const target = new Uint8Array(3 * PAGE);
    expect(await file[read](target, PAGE - 7)).toBe(3 * PAGE);
    expect(target).toEqual(Uint8Array.from({ length: 3 * PAGE }, (_, n) => patternAt(PAGE - 7 + n)));
  });
});

describe.each(['writeSync', 'write'] as const)('%s', (write) => {
  test('extends the file', async () => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(100);
    const file = await cache.open(path);
    const source = Uint8Array.from({ length: 2 * PAGE }, (_, n) => (n % 250) + 1);
    expect(await file[write](source, 100)).toBe(source.length);
    expect(file.size).toBe(100 + source.length);
    await file.fsync();
    expect(fs.statSync(path).size).toBe(100 + source.length);
    expect(bytesInFile(path, 100, source.length).equals(source)).toBe(true);
    expect(bytesInFile(path, 0, 100).every((byte, n) => byte === patternAt(n))).toBe(true);
  });

  test('leaves zeros in the gap before it', async () => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(100);
    const file = await cache.open(path);
    await file[write](Uint8Array.of(1, 2, 3), 3 * PAGE + 5);
    expect(file.size).toBe(3 * PAGE + 8);
    const gap = new Uint8Array(3 * PAGE + 5 - 100).fill(0xee);
    expect(await file.read(gap, 100)).toBe(gap.length);
    expect(gap.every((byte) => byte === 0)).toBe(true);
    await file.fsync();
    expect(fs.statSync(path).size).toBe(3 * PAGE + 8);
    expect(bytesInFile(path, 100, gap.length).every((byte) => byte === 0)).toBe(true);
  });

  test('of nothing extends nothing', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    expect(await file[write](new Uint8Array(0), 3 * PAGE)).toBe(0);
    expect(file.size).toBe(PAGE);
    expect(cache.stats().dirty).toBe(0);
  });

  test('refuses to end past the largest file', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    const largest = 2 ** 32 * PAGE;
    for (const position of [largest, largest - 2, 2 ** 53 - 1]) {
      const error = await refused(() => file[write](Uint8Array.of(1, 2, 3), position));
      expect(error).toEqual(refusal('ERR_PINFOLD_RANGE', String(position)));
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(file.size).toBe(PAGE);
    expect(cache.stats()).toMatchObject({ resident: 0, dirty: 0 });
  });
});

test('what was stored past the end of the file is zeros once the file grows over it', async () => {
  const { cache } = await startCache(SMALL);
  const path = fileOf(100);
  const file = await cache.open(path);
  const page = file.pinSync(0, 'write');
  page.bytes.fill(0xaa, 90, 300); // 10 bytes in the file, 200 behind its end
  page.unpin();
  file.writeSync(Uint8Array.of(1), 2 * PAGE);
  const bytes = new Uint8Array(300);
  file.readSync(bytes, 0);
  expect(bytes.subarray(90, 100).every((byte) => byte === 0xaa)).toBe(true);
  expect(bytes.subarray(100).every((byte) => byte === 0)).toBe(true);
  await file.fsync();
  expect(bytesInFile(path, 0, 300).equals(bytes)).toBe(true);
});

// A sparse file costs nothing. 12 TiB: page indexes beyond 2^31. ext4 with 4 KiB blocks ends at 16 TiB.
describe.each([
  ['5 GiB', 5 * 2 ** 30 + 123],
  ['4 TiB', 4 * 2 ** 40 + 2 * PAGE - 3],
  ['12 TiB', 12 * 2 ** 40 + PAGE - 2],
])('bytes at %s', (_name, position) => {
  const end = position + 6 + PAGE;

  /** A sparse file that ends a page behind `position`; undefined where the file system has none so large. */
  function sparseFile(): string | undefined {
    const path = join(testDirectory(), 'sparse');
    fs.writeFileSync(path, '');
    try {
      fs.truncateSync(path, end);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EFBIG') return undefined;
      throw error;
    }
    return path;
  }

  test('are read where they are', async ({ skip }) => {
    const path = sparseFile();
    if (path === undefined) return skip('the file system has no files so large');
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, Buffer.from('abcdef'), 0, 6, position);
    fs.writeSync(fd, Buffer.from('low'), 0, 3, position % 2 ** 32);
    fs.closeSync(fd);
    const { cache } = await startCache(SMALL);
    const file = await cache.open(path, { mode: 'r' });
    expect(file.size).toBe(end);
    const bytes = Buffer.alloc(6);
    expect(await file.read(bytes, position)).toBe(6);
    expect(bytes.toString()).toBe('abcdef');
    expect(file.readSync(bytes, position % 2 ** 32)).toBe(6);
    expect(bytes.toString()).toBe('low\0\0\0');
    const index = Math.floor(position / PAGE);
    expect(index).toBeGreaterThan(2 ** 20);
    const first = position % PAGE;
    expect(file.viewSync(index, (page) => page[first])).toBe('a'.charCodeAt(0));
    using page = await file.pin(index);
    expect(page.index).toBe(index);
    expect(page.bytes[first]).toBe('a'.charCodeAt(0));
    expect([...cache.pages()].map((info) => info.index)).toContain(index);
    expect(() => file.viewSync(Math.ceil(end / PAGE), () => 0)).toThrow(refusal('ERR_PINFOLD_RANGE'));
  });

  test('are written where they belong', async ({ skip }) => {
    const path = sparseFile();
    if (path === undefined) return skip('the file system has no files so large');
    const { cache } = await startCache(SMALL);
    const file = await cache.open(path);
    file.writeSync(Buffer.from('abcdef'), position);
    await file.write(Buffer.from('tail'), end - 2); // and the file grows
    expect(file.size).toBe(end + 2);
    await file.fsync();
    expect(bytesInFile(path, position - 2, 10).toString()).toBe('\0\0abcdef\0\0');
    expect(bytesInFile(path, end - 2, 10).toString()).toBe('tail');
    expect(fs.statSync(path).size).toBe(end + 2);
    expect(bytesInFile(path, position % 2 ** 32, 6).every((byte) => byte === 0)).toBe(true);
    expect(bytesInFile(path, 0, PAGE).every((byte) => byte === 0)).toBe(true);
  });
});

test('bytes past 2^32 pages are refused, not taken for others', async ({ skip }) => {
  // tmpfs has files beyond 16 TiB.
  if (!fs.existsSync('/dev/shm')) return skip('no tmpfs');
  const path = join(testDirectory('/dev/shm'), 'sparse');
  fs.writeFileSync(path, 'the first page');
  const beyond = 2 ** 32 * PAGE;
  try {
    fs.truncateSync(path, beyond + PAGE);
  } catch {
    return skip('/dev/shm has no files so large');
  }
  const { cache } = await startCache(SMALL);
  const target = new Uint8Array(8);
  const error = await refused(async () => {
    const file = await cache.open(path);
    file.readSync(target, 0);
    expect(Buffer.from(target).toString()).toBe('the firs');
    target.fill(0);
    await file.read(target, beyond);
    return Buffer.from(target).toString();
  });
  expect(error).toEqual(refusal('ERR_PINFOLD_RANGE'));
  expect(Buffer.from(target).toString()).not.toBe('the firs');
});
