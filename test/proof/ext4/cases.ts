// What a program does on a file system whose device breaks under an fsync, and is mended. Each case has files of its own,
// whose blocks are there before: only data is written while the device is broken. It tells what the disk has to hold.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { type CachedFile, type CacheOptions, type OpenOptions, PageCache } from 'pinfold';
import { createKeeping, engineOf, layout } from '#harness';
import { inThread } from '../../support/thread.ts';
import { until } from '../../support/until.ts';

const PAGE = 4096;
const PAGES = 32;

/** What a file has to be on the disk. `lost`: it must be something else, since nobody wrote it again. */
export interface Expected {
  readonly case: string;
  readonly path: string;
  readonly digest: string;
  readonly lost: boolean;
}

export interface CaseReport {
  readonly expected: readonly Expected[];
  readonly heard: number;
  readonly wrong: readonly string[];
}

export const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The file of a case, and what it should hold. */
class Disk {
  readonly path: string;
  readonly model: Buffer;
  /** How all open it. */
  readonly how: OpenOptions;
  heard = 0;
  readonly #breaker: string;

  constructor(directory: string, breaker: string, name: string, how: OpenOptions, pages = PAGES) {
    this.how = how;
    this.path = join(directory, name);
    this.#breaker = breaker;
    this.model = Buffer.alloc(pages * PAGE, 1);
    const fd = fs.openSync(this.path, 'w');
    fs.writeSync(fd, this.model);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  /** What is done while the device is broken. */
  async broken<T>(does: () => Promise<T> | T): Promise<T> {
    fs.writeFileSync(this.#breaker, '');
    try {
      return await does();
    } finally {
      fs.rmSync(this.#breaker);
    }
  }

  /** Stores a value into these pages, each whole, by `store`. */
  dirty(pages: readonly number[], value: number, store: (page: number, bytes: Buffer) => void): void {
    for (const page of pages) {
      const bytes = Buffer.alloc(PAGE, value + page);
      store(page, bytes);
      bytes.copy(this.model, page * PAGE);
    }
  }

  write(file: CachedFile, pages: readonly number[], value: number): void {
    this.dirty(pages, value, (page, bytes) => file.writeSync(bytes, page * PAGE));
  }

  /** A call that has to fail with the system's EIO. */
  async fails(what: string, does: () => unknown): Promise<void> {
    try {
      await does();
    } catch (error) {
      const { code, cause } = error as NodeJS.ErrnoException;
      const system = code === 'ERR_PINFOLD_IO' ? (cause as NodeJS.ErrnoException).code : code;
      if (system !== 'EIO') throw error;
      this.heard++;
      return;
    }
    throw new Error(`${what} does not fail, though the device did`);
  }
}

const all = Array.from({ length: PAGES }, (_, n) => n);

/** No background writeback: only fsync writes. */
const QUIET: CacheOptions = {
  memory: 1 << 20,
  writebackIntervalMs: 2 ** 30,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
};

/** How many errors from outside of rounds have been noted on the file. */
function errorsNoted(file: CachedFile): number {
  const { attachment, id } = engineOf(file);
  return attachment.kernel.fileWord(id, layout.FILE_ERROR_SEQ);
}

type Case = (disk: Disk, cache: PageCache) => Promise<void>;

async function fails(disk: Disk, file: CachedFile): Promise<void> {
  await disk.broken(() => disk.fails('fsync', () => file.fsync()));
}

/** Over a cache each; by name, with the cache's options. */
const cases: Record<string, readonly [CacheOptions, Case, create?: typeof createKeeping]> = {
  'writeSync and fsyncSync': [
    QUIET,
    async (disk, cache) => {
      const file = cache.openSync(disk.path, disk.how);
      disk.write(file, all, 40);
      await disk.broken(() => disk.fails('fsyncSync', () => file.fsyncSync()));
      file.fsyncSync();
    },
  ],
  'update and fsync': [
    QUIET,
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      for (const page of all) {
        await file.update(page, (bytes) => bytes.fill(90 + page));
        disk.model.fill(90 + page, page * PAGE, (page + 1) * PAGE);
      }
      await fails(disk, file);
      await file.fsync();
    },
  ],
  'the device stays broken for several fsyncs': [
    QUIET,
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      for (const value of [50, 70, 90]) {
        disk.write(file, [value / 10, 3, 20], value);
        await fails(disk, file);
      }
      await file.fsync();
    },
  ],
  'pinned pages, dirty again': [QUIET, pinnedPages],
  'pinned pages, kept dirty': [QUIET, pinnedPages, createKeeping],
  'two handles, of two threads': [
    QUIET,
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      const other = await cache.open(disk.path, disk.how);
      disk.write(file, all, 30);
      await disk.broken(async () => {
        const { path, how } = disk;
        const thread = inThread(cache.handle, { path, how }, (attached, { path, how }) => {
          const mine = attached.openSync(path, how);
          try {
            mine.fsyncSync();
            return 'resolved';
          } catch (error) {
            return (error as { cause?: { code?: string } }).cause?.code;
          }
        });
        if ((await thread) !== 'EIO') throw new Error(`fsync in a thread: ${await thread}`);
        disk.heard++;
        await disk.fails('fsync of a handle', () => file.fsync());
        await disk.fails('fsync of another', () => other.fsync());
      });
      await Promise.all([file.fsync(), other.fsync()]);
    },
  ],
  'a flusher hears it first': [
    { memory: 256 * 1024, dirtyExpireMs: 0, writebackIntervalMs: 5 },
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      const other = await cache.open(disk.path, disk.how);
      await disk.broken(async () => {
        disk.write(file, all.slice(0, 24), 60);
        // Not stats().errors: that counts a failed flush, a moment before it is noted for the handles.
        await until('the flusher has flushed in vain', () => errorsNoted(file) > 0, 5000);
      });
      await disk.fails('the next fsync', () => file.fsync());
      await disk.fails('the next fsync of another handle', () => other.fsync());
      await file.fsync();
      await other.fsync();
    },
  ],
  'another program hears it first': [
    { ...QUIET, dirtyExpireMs: 0, writebackIntervalMs: 5 },
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      disk.write(file, [1, 5, 6], 80);
      await until("the pages are the system's to write", () => cache.stats().dirty === 0, 5000);
      // It has the system write the pages, and is told. We have a file description of our own.
      const fd = fs.openSync(disk.path, 'r+');
      await disk.broken(() => disk.fails("the other's fdatasync", () => fs.fdatasyncSync(fd)));
      fs.fdatasyncSync(fd);
      fs.closeSync(fd);
      await disk.fails('the next fsync', () => file.fsync());
      await file.fsync();
    },
  ],
  'a pool too small for what is written': [
    { memory: 256 * 1024, writebackIntervalMs: 2 ** 30, dirtyBackgroundRatio: 1, dirtyRatio: 1 },
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      const pages = Array.from({ length: disk.model.length / PAGE }, (_, n) => n);
      let next = 0;
      const goOn = () => {
        for (; next < pages.length; next++) disk.write(file, [next], 10);
      };
      await disk.broken(() => disk.fails('a write that needs a frame', goOn));
      goOn();
      await disk.fails('the next fsync', () => file.fsync());
      await file.fsync();
    },
  ],
  'closing the cache': [
    QUIET,
    async (disk, cache) => {
      const file = await cache.open(disk.path, disk.how);
      disk.write(file, [0, 9, 31], 110);
      await disk.broken(() => disk.fails('close', () => cache.close()));
      await cache.close();
    },
  ],
};

async function pinnedPages(disk: Disk, cache: PageCache): Promise<void> {
  const file = await cache.open(disk.path, disk.how);
  disk.write(file, [3, 4, 5, 12], 20);
  const pages = [4, 12].map((index) => file.pinSync(index, 'write'));
  for (const page of pages) {
    page.bytes[7] = 201;
    disk.model[page.index * PAGE + 7] = 201;
  }
  disk.write(file, [3], 25);
  await fails(disk, file);
  const { bounced } = await file.fsync();
  if (bounced !== 2) throw new Error(`${bounced} pages were bounced, not 2`);
  for (const page of pages) page.unpin();
  await file.fsync();
}

/** What is not in the system's cache no other program can have written. */
const NOT_DIRECT = 'another program hears it first';

/** Each case, for files as usual and for direct ones. */
const allCases = [false, true].flatMap((direct) =>
  Object.entries(cases)
    .filter(([name]) => !direct || name !== NOT_DIRECT)
    .map(([name, [options, does, create = PageCache.create]]) => ({ name, direct, options, does, create })),
);

export const caseCount = allCases.length;

/** What a program without such a cache does: the retry of fdatasync says yes, and the data is gone. */
async function plain(disk: Disk): Promise<void> {
  const fd = fs.openSync(disk.path, 'r+');
  disk.dirty(all, 40, (page, bytes) => fs.writeSync(fd, bytes, 0, PAGE, page * PAGE));
  await disk.broken(() => disk.fails('fdatasync', () => fs.fdatasyncSync(fd)));
  fs.fdatasyncSync(fd);
  fs.closeSync(fd);
}

/** Does all cases, one after the other. */
export async function doCases(directory: string, breaker: string): Promise<CaseReport> {
  const expected: Expected[] = [];
  const wrong: string[] = [];
  let heard = 0;
  const note = async (
    name: string,
    lost: boolean,
    pages: number,
    how: OpenOptions,
    does: (disk: Disk) => Promise<void>,
  ) => {
    const disk = new Disk(directory, breaker, `file-${expected.length}`, how, pages);
    try {
      await does(disk);
    } catch (error) {
      wrong.push(`${name}: ${(error as Error).message}`);
    }
    if (!lost) heard += disk.heard;
    expected.push({ case: name, path: disk.path, digest: digestOf(disk.model), lost });
  };
  await note('plain writeSync and fdatasyncSync', true, PAGES, {}, plain);
  for (const { name, direct, options, does, create } of allCases) {
    const cache = await create(options);
    const pages = name.startsWith('a pool too small') ? 120 : PAGES;
    const full = direct ? `${name}, direct` : name;
    await note(full, false, pages, { direct }, (disk) => does(disk, cache));
    await cache.close().catch((error: Error) => wrong.push(`${full}: close: ${error.message}`));
  }
  return { expected, heard, wrong };
}
