import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { type CachedFile, type OpenOptions, PageCache } from 'pinfold';
import { afterEach, describe, expect, test } from 'vitest';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt, testDirectory } from './support/directory.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;

type Open = (cache: PageCache, path: string, options?: OpenOptions) => Promise<CachedFile>;
const ways: [string, Open][] = [
  ['open', async (cache, path, options) => await cache.open(path, options)],
  ['openSync', async (cache, path, options) => cache.openSync(path, options)],
];

describe.each(ways)('%s refuses', (_name, open) => {
  test('a missing file', async () => {
    const { cache } = await startCache(SMALL);
    const path = join(testDirectory(), 'missing');
    for (const mode of ['r', 'r+'] as const) {
      await expect(open(cache, path, { mode })).rejects.toThrow(ioRefusal('ENOENT', path));
    }
    expect(fs.existsSync(path)).toBe(false);
  });

  test('to create in a missing directory', async () => {
    const { cache } = await startCache(SMALL);
    const path = join(testDirectory(), 'missing', 'file');
    await expect(open(cache, path, { create: true })).rejects.toThrow(ioRefusal('ENOENT', path));
  });

  test('a directory', async () => {
    const { cache } = await startCache(SMALL);
    const path = testDirectory();
    await expect(open(cache, path)).rejects.toThrow(ioRefusal('EISDIR', path));
    await expect(open(cache, path, { create: true })).rejects.toThrow(ioRefusal('EISDIR', path));
    await expect(open(cache, path, { mode: 'r' })).rejects.toThrow(ioRefusal('EISDIR', path));
  });

  test('a file as a directory', async () => {
    const { cache } = await startCache(SMALL);
    const path = join(fileOf(1), 'x');
    await expect(open(cache, path)).rejects.toThrow(ioRefusal('ENOTDIR', path));
  });

  test('what is no file of pages, without waiting for it', async () => {
    const { cache } = await startCache(SMALL);
    const fifo = join(testDirectory(), 'fifo');
    execFileSync('mkfifo', [fifo], { timeout: 5000 });
    for (const path of [fifo, '/dev/null']) {
      for (const mode of ['r', 'r+'] as const) {
        await expect(open(cache, path, { mode })).rejects.toThrow(ioRefusal('EINVAL', path));
      }
    }
  });

  test('a path that is too long', async () => {
    const { cache } = await startCache(SMALL);
    await expect(open(cache, `/tmp/${'x'.repeat(300)}`)).rejects.toThrow(ioRefusal('ENAMETOOLONG'));
    const long = `/tmp${'/x'.repeat(3000)}`;
    await expect(open(cache, long)).rejects.toThrow(refusal('ERR_PINFOLD_ARGUMENT', String(long.length)));
    // Counted in bytes.
    const wide = `/tmp${'/ü'.repeat(1400)}`;
    await expect(open(cache, wide)).rejects.toThrow(
      refusal('ERR_PINFOLD_ARGUMENT', String(Buffer.byteLength(wide))),
    );
  });

  test('a loop of links', async () => {
    const { cache } = await startCache(SMALL);
    const path = join(testDirectory(), 'loop');
    fs.symlinkSync(path, path);
    await expect(open(cache, path, { create: true })).rejects.toThrow(ioRefusal('ELOOP', path));
  });
});

describe('without permission', () => {
  // Root may do everything: then the process is somebody else for a while, all its threads with it.
  const isRoot = process.geteuid?.() === 0;
  const becomeNobody = () => {
    if (isRoot) process.seteuid!(65_534);
  };
  afterEach(() => {
    if (isRoot) process.seteuid!(0);
  });

  test.each(ways)('%s is refused', async (_name, open) => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(10);
    fs.chmodSync(dirname(path), 0o755);
    fs.chmodSync(path, 0o000);
    becomeNobody();
    await expect(open(cache, path, { mode: 'r' })).rejects.toThrow(ioRefusal('EACCES', path));
    await expect(open(cache, path)).rejects.toThrow(ioRefusal('EACCES', path));
  });

  test.each(ways)('to write, %s is possible to read only', async (_name, open) => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(10);
    fs.chmodSync(dirname(path), 0o555);
    fs.chmodSync(path, 0o444);
    becomeNobody();
    await expect(open(cache, path)).rejects.toThrow(ioRefusal('EACCES', path));
    const neighbour = `${path}-new`;
    await expect(open(cache, neighbour, { create: true })).rejects.toThrow(ioRefusal('EACCES', neighbour));
    const file = await open(cache, path, { mode: 'r' });
    expect(file.viewSync(0, (bytes) => bytes[3])).toBe(patternAt(3));
  });

  test('a file of the system cannot be written', async ({ skip }) => {
    if (!fs.existsSync('/proc/version')) return skip('no /proc');
    const { cache } = await startCache(SMALL);
    becomeNobody();
    await expect(cache.open('/proc/version')).rejects.toThrow(ioRefusal('EACCES', '/proc/version'));
  });
});

describe('a file open for reading only', () => {
  test('is not written', async () => {
    const { file, cache, path } = await startWithFile(2, SMALL, { mode: 'r' });
    expect(file.mode).toBe('r');
    const refused = refusal('ERR_PINFOLD_READ_ONLY', path);
    file.viewSync(0, () => 0); // a hit, and a miss
    for (const index of [0, 1]) {
      expect(() => file.pinSync(index, 'write')).toThrow(refused);
      expect(() => file.tryPin(index, 'write')).toThrow(refused);
      await expect(file.pin(index, 'write')).rejects.toThrow(refused);
    }
    expect(() => file.writeSync(Uint8Array.of(1), 0)).toThrow(refused);
    await expect(file.write(Uint8Array.of(1), 0)).rejects.toThrow(refused);
    expect(() => file.writeSync(new Uint8Array(0), 0)).toThrow(refused);
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 0 });
    expect(file.size).toBe(2 * PAGE);
  });

  test('is read, pinned and synced', async () => {
    const { file } = await startWithFile(2, SMALL, { mode: 'r' });
    using page = file.pinSync(1);
    expect(page.bytes[0]).toBe(patternAt(PAGE));
    expect(file.fsyncSync()).toMatchObject({ pages: 0, flushes: 0 });
    expect(await file.fsync()).toMatchObject({ pages: 0, flushes: 0 });
  });

  test('becomes writable for those who open it to write', async () => {
    const { file: reader, cache, path } = await startWithFile(2, SMALL, { mode: 'r' });
    expect(reader.viewSync(0, (bytes) => bytes[0])).toBe(patternAt(0));
    const writer = await cache.open(path, { mode: 'r+' });
    writer.writeSync(Uint8Array.of(0xab), 0);
    expect(reader.viewSync(0, (bytes) => bytes[0])).toBe(0xab);
    expect(() => reader.writeSync(Uint8Array.of(1), 0)).toThrow(refusal('ERR_PINFOLD_READ_ONLY'));
    await reader.fsync(); // whose the bytes are does not matter
    expect(bytesInFile(path, 0, 1)[0]).toBe(0xab);
    expect(cache.stats()).toMatchObject({ resident: 1, dirty: 0 });
  });

  test("modes other than 'read' and 'write' are refused", async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    for (const mode of ['r', 'READ', '', null, 1, {}]) {
      const refused = refusal('ERR_PINFOLD_ARGUMENT', 'mode');
      expect(() => file.pinSync(0, mode as 'read')).toThrow(refused);
      expect(() => file.tryPin(0, mode as 'read')).toThrow(refused);
      await expect(file.pin(0, mode as 'read')).rejects.toThrow(refused);
    }
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
  });
});

describe.each(ways)('create, by %s', (_name, open) => {
  test('makes an empty file, which grows by writing', async () => {
    const { cache } = await startCache(SMALL);
    const path = join(testDirectory(), 'neu ‑ ü 𝄞');
    const file = await open(cache, path, { create: true });
    expect(file.size).toBe(0);
    expect(fs.statSync(path).size).toBe(0);
    file.writeSync(Buffer.from('hello'), 0);
    await file.fsync();
    expect(fs.readFileSync(path, 'utf8')).toBe('hello');
  });

  test('takes a file that exists as it is', async () => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(100);
    const file = await open(cache, path, { create: true });
    expect(file.size).toBe(100);
    expect(file.viewSync(0, (bytes) => bytes[99])).toBe(patternAt(99));
  });
});

// Not by openSync, which would hang for ever if this went wrong.
test('create, through a link to a file that does not exist yet', async () => {
  const { cache } = await startCache(SMALL);
  const directory = testDirectory();
  fs.symlinkSync(join(directory, 'target'), join(directory, 'link'));
  let file: CachedFile | undefined;
  const opened = cache.open(join(directory, 'link'), { create: true }).then((it) => {
    file = it;
  });
  opened.catch(() => {});
  await until('the file is open', () => file !== undefined, 5000);
  file!.writeSync(Buffer.from('through'), 0);
  await file!.fsync();
  expect(fs.readFileSync(join(directory, 'target'), 'utf8')).toBe('through');
});

describe('one file by several names', () => {
  const names: [string, (path: string) => string][] = [
    ['itself', (path) => path],
    ['another spelling', (path) => join(dirname(path), '..', basename(dirname(path)), '.', basename(path))],
    ['doubled slashes', (path) => path.replaceAll('/', '//')],
    ['a relative path', (path) => relative(process.cwd(), path)],
    [
      'a hard link',
      (path) => {
        fs.linkSync(path, `${path}-hard`);
        return `${path}-hard`;
      },
    ],
    [
      'a symbolic link',
      (path) => {
        fs.symlinkSync(path, `${path}-soft`);
        return `${path}-soft`;
      },
    ],
    [
      'a linked directory',
      (path) => {
        const link = join(testDirectory(), 'directory');
        fs.symlinkSync(dirname(path), link);
        return join(link, basename(path));
      },
    ],
  ];

  test.each(names)('is one file: %s', async (_name, otherName) => {
    const { file, cache, path } = await startWithFile(3, SMALL);
    file.writeSync(Uint8Array.of(0x5a), PAGE + 7);
    file.viewSync(2, () => 0);
    const { resident } = cache.stats();
    const name = otherName(path);
    const other = await cache.open(name);
    const again = cache.openSync(name);
    expect(other.viewSync(1, (bytes) => bytes[7])).toBe(0x5a);
    expect(again.viewSync(1, (bytes) => bytes[7])).toBe(0x5a);
    expect(bytesInFile(path, PAGE + 7, 1)[0]).not.toBe(0x5a); // not through the file: nobody synced
    other.writeSync(Uint8Array.of(0x5b), PAGE + 8);
    expect(file.viewSync(1, (bytes) => bytes[8])).toBe(0x5b);
    expect(cache.stats().resident).toBe(resident);
    other.writeSync(Uint8Array.of(1), 3 * PAGE); // a size is the file's, not the handle's
    expect(file.size).toBe(3 * PAGE + 1);
  });

  test('the other way round: one name, two files', async () => {
    const { file, cache, path } = await startWithFile(1, SMALL);
    file.viewSync(0, () => 0);
    fs.renameSync(path, `${path}-old`);
    fs.writeFileSync(path, 'another file');
    const other = await cache.open(path);
    expect(other.size).toBe(12);
    expect(other.viewSync(0, (bytes) => bytes[0])).toBe('a'.charCodeAt(0));
    file.writeSync(Uint8Array.of(0xcd), 0);
    await file.fsync();
    expect(bytesInFile(`${path}-old`, 0, 1)[0]).toBe(0xcd);
    expect(fs.readFileSync(path, 'utf8')).toBe('another file');
  });

  test('opened by two threads', async () => {
    const { cache, path } = await startWithFile(4, { ...SMALL, maxFiles: 1 });
    const link = `${path}-soft`;
    fs.symlinkSync(path, link);
    const flags = sharedFlags(2);
    const threads = [link, join(dirname(path), '.', basename(path))].map((name, me) =>
      inThread(cache.handle, { name, flags, me }, (attached, { name, flags, me }) => {
        Atomics.store(flags, me, 1);
        Atomics.notify(flags, me);
        Atomics.wait(flags, 1 - me, 0, 10_000); // together, as near as it goes
        const file = attached.openSync(name);
        file.writeSync(Uint8Array.of(0x10 + me), 100 + me);
        file.viewSync(3, () => 0);
        return file.size;
      }),
    );
    expect(await Promise.all(threads)).toEqual([4 * 4096, 4 * 4096]);
    const file = await cache.open(path);
    expect(file.viewSync(0, (bytes) => [...bytes.subarray(100, 102)])).toEqual([0x10, 0x11]);
    expect(cache.stats().resident).toBe(2);
  });
});

describe('a second cache in this process', () => {
  test('does not get a file that the first has', async () => {
    const { file, cache: first, path } = await startWithFile(1, SMALL);
    fs.linkSync(path, `${path}-hard`);
    const { cache: second } = await startCache(SMALL);
    for (const name of [path, `${path}-hard`]) {
      const refused = refusal('ERR_PINFOLD_CONFLICT', name);
      await expect(second.open(name)).rejects.toThrow(refused);
      await expect(second.open(name, { mode: 'r' })).rejects.toThrow(refused);
      expect(() => second.openSync(name)).toThrow(refused);
    }
    file.writeSync(Uint8Array.of(0xee), 0);
    await first.close();
    const opened = await second.open(path);
    expect(opened.viewSync(0, (bytes) => bytes[0])).toBe(0xee);
  });

  test('gets it when the first has let go of it, though it was not closed', async () => {
    const { file, cache: first, path } = await startWithFile(1, { ...SMALL, maxFiles: 1 });
    const { cache: second } = await startCache(SMALL);
    file.viewSync(0, () => 0);
    file.closeSync();
    await expect(second.open(path)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', path)); // its page is cached
    await first.open(fileOf(10)); // takes the row
    expect((await second.open(path)).size).toBe(PAGE);
  });

  test('gets other files', async () => {
    await startWithFile(1, SMALL);
    const { file } = await startWithFile(2, SMALL);
    expect(file.size).toBe(2 * PAGE);
  });
});

describe('maxFiles', () => {
  test('is the most that may be open', async () => {
    const { cache } = await startCache({ ...SMALL, maxFiles: 2 });
    const paths = [1, 2, 3].map((size) => fileOf(size));
    const first = await cache.open(paths[0]!);
    await cache.open(paths[1]!);
    await cache.open(paths[1]!); // the same file once more takes no row
    await expect(cache.open(paths[2]!)).rejects.toThrow(refusal('ERR_PINFOLD_FILES', paths[2]!, '2 files'));
    expect(() => cache.openSync(paths[2]!)).toThrow(refusal('ERR_PINFOLD_FILES', paths[2]!, '2 files'));
    await first.close();
    expect((await cache.open(paths[2]!)).size).toBe(3);
  });

  test('files that nobody has open any more make room, pages and all', async () => {
    const { cache } = await startCache({ ...SMALL, maxFiles: 1 });
    for (let n = 1; n <= 5; n++) {
      const file = await cache.open(fileOf(n * PAGE));
      for (let index = 0; index < n; index++) {
        expect(file.viewSync(index, (bytes) => bytes[5])).toBe(patternAt(index * PAGE + 5));
      }
      expect(cache.stats().resident).toBe(n);
      await file.close();
    }
  });

  test('a pinned page keeps its file', async () => {
    const { cache } = await startCache({ ...SMALL, maxFiles: 1 });
    const file = await cache.open(fileOf(PAGE));
    const page = await file.pin(0);
    await file.close();
    await expect(cache.open(fileOf(10))).rejects.toThrow(refusal('ERR_PINFOLD_FILES'));
    expect(page.bytes[9]).toBe(patternAt(9));
    page.unpin();
    expect((await cache.open(fileOf(10))).size).toBe(10);
  });

  test.each<[string, (file: CachedFile) => Promise<unknown>]>([
    ['write', (file) => file.write(Uint8Array.of(0xbd), PAGE)],
    [
      'pin',
      async (file) => {
        const page = await file.pin(1, 'write');
        page.bytes[0] = 0xbe;
        page.unpin();
      },
    ],
  ])(
    'a %s that was under way when its handle was closed does not touch the next file',
    async (_name, call) => {
      const { cache } = await startCache({ ...SMALL, maxFiles: 1, writebackIntervalMs: 5 });
      const path = fileOf(3 * PAGE);
      const before = fs.readFileSync(path);
      const file = await cache.open(fileOf(3 * PAGE));
      const calls = Promise.allSettled([call(file)]);
      file.closeSync();
      let next: CachedFile | undefined;
      try {
        next = cache.openSync(path); // this thread's calls get no turn meanwhile: the service has answered them all
      } catch (error) {
        expect(error).toEqual(refusal('ERR_PINFOLD_FILES')); // the first has the row as long as it has calls
      }
      for (const end = performance.now() + 10_000; next === undefined && performance.now() < end; ) {
        next = await cache.open(path).catch(() => undefined);
      }
      await calls;
      expect(next).toBeDefined();
      await next!.fsync();
      const bytes = new Uint8Array(before.length);
      next!.readSync(bytes, 0);
      expect(before.equals(bytes)).toBe(true);
      expect(fs.readFileSync(path).equals(before)).toBe(true);
    },
  );
});

test('a worker opens, pins, writes and syncs while the main thread is blocked', async () => {
  const { cache } = await startCache(SMALL);
  const path = fileOf(3 * PAGE);
  const flags = sharedFlags(3);
  const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
    Atomics.store(flags, 0, 1);
    Atomics.wait(flags, 1, 0, 10_000); // until main is about to block
    const file = attached.openSync(path);
    const page = file.pinSync(2, 'write');
    page.bytes[0] = 0x77;
    page.unpin();
    file.writeSync(Uint8Array.of(0x78), 5000);
    const { pages } = file.fsyncSync();
    file.closeSync();
    Atomics.store(flags, 2, 1);
    Atomics.notify(flags, 2);
    return pages;
  });
  thread.catch(() => {});
  await until('the thread is up', () => Atomics.load(flags, 0) === 1);
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
  expect(Atomics.wait(flags, 2, 0, 10_000)).not.toBe('timed-out');
  expect(bytesInFile(path, 2 * PAGE, 1)[0]).toBe(0x77);
  expect(bytesInFile(path, 5000, 1)[0]).toBe(0x78);
  expect(await thread).toBe(2);
});

test('many opens at once', async () => {
  const { cache } = await startCache(SMALL);
  const paths = Array.from({ length: 40 }, (_, n) => fileOf(n + 1));
  const files = await Promise.all([...paths, ...paths].map((path) => cache.open(path)));
  expect(files.map((file) => file.size)).toEqual([...paths, ...paths].map((_, n) => (n % 40) + 1));
});

test('attach and create are the ways to a cache', () => {
  expect(() => Reflect.construct(PageCache, [])).toThrow();
});
