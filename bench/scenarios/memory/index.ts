// What a pool's size costs, and many open files: hits, fsync, metadata, resident memory.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isStopped } from '../../clock';
import type { Crew } from '../../crew';
import { PAGE_BYTES } from '../../files';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import type { BenchReport } from '../../schema';
import { median, spreadOf } from '../../statistics';
import type { FilesFigures, FsyncCost, MemoryFigures, PoolFigures, TurnsRatio } from './result';
import { type Arm, type DirtyFsyncResult, POOL_PARTS, type Turns } from './tasks';

const MIB = 1 << 20;
const GIB = 1 << 30;
const POOLS = [64 * MIB, 512 * MIB, 8 * GIB];
const HOT_PAGES = 1_024;
/** What a run touches of the largest pool, of its files in the system's cache, and of what else there is. */
const RAM_MIN = 6 * GIB;
/** One fsync of so many pages takes seconds, of each pool: with less time than this for a pool it is left out, ms. */
const LONG_COUNT = 65_536;
const COUNTS = [1, 64, 1_024, 4_096, LONG_COUNT];
const LONG_COUNT_FROM_MS = 9_000;
const FILES = 10_000;
/** Of an open file, in the process: its own, and the mark that keeps other caches from it. */
const DESCRIPTORS_A_FILE = 2;
const DESCRIPTORS_KEPT = 400;
/** Of many files' pool. It is longer than that, so that there are pages that were never there. */
const FILE_BYTES = GIB;
const GRACE_MS = 120_000;
/** A thread's heap, and its views: what docs/performance.md allows a process on top of the memory asked for. */
const THREAD_BYTES = 16 * MIB;
const VIEW_BYTES = 200;
const WITHOUT_DISK = '/dev/shm';

/** Nothing is written but by fsync. */
const QUIET: CacheOptions = {
  flushers: 1,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
  dirtyExpireMs: 2 ** 30,
  writebackIntervalMs: 2 ** 30,
};

export function memoryUnfit(): string | undefined {
  const bytes = os.totalmem();
  if (bytes >= RAM_MIN) return undefined;
  return `it takes a machine of ${RAM_MIN / GIB} GiB, and this one has ${(bytes / GIB).toFixed(1)} (by name it runs all the same)`;
}

export async function memory(run: Run, durationMs: number): Promise<void> {
  const found: MemoryFigures = { pools: [], files: null };
  run.report.memory = found;
  const partMs = durationMs / (POOLS.length + 1);
  await withCrew(1, async (crew) => {
    const small = sparse(run, 'memory-small.bin', FILE_BYTES);
    await withCache({ ...QUIET, memory: POOLS[0] }, async ({ handle }) => {
      for (const bytes of POOLS) {
        if (isStopped(run.stop)) return;
        const figures = await pool(run, crew, { handle, path: small }, bytes, partMs);
        if (!isStopped(run.stop)) found.pools.push(figures);
      }
    });
  });
  // A thread of its own: what the compiler learned above is nothing to it.
  await withCrew(1, async (crew) => {
    if (isStopped(run.stop)) return;
    const figures = await manyFiles(run, crew, partMs);
    if (!isStopped(run.stop)) found.files = figures;
  });
}

function sparse(run: Run, name: string, bytes: number): string {
  const file = path.join(run.files.directory, name);
  fs.writeFileSync(file, '');
  fs.truncateSync(file, bytes);
  return file;
}

function residentBytes(): number | null {
  try {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return null;
  }
}

async function pool(run: Run, crew: Crew, under: Arm, bytes: number, ms: number): Promise<PoolFigures> {
  const name = bytes >= GIB ? `${bytes / GIB} GiB` : `${bytes / MIB} MiB`;
  run.progress.begin(`memory · ${name}`);
  const before = residentBytes();
  const startMs = performance.now();
  return await withCache({ ...QUIET, memory: bytes }, async (cache) => {
    const createMs = performance.now() - startMs;
    const { control, data } = cache.handle as unknown as Parts;
    const hot: Arm = { handle: cache.handle, path: sparse(run, 'memory-hot.bin', FILE_BYTES) };
    const [hits] = await together(run, [
      crew.play(
        'poolHits',
        { stop: run.stop, under, over: hot, pages: HOT_PAGES, durationMs: ms / 3 },
        GRACE_MS,
      ),
    ]);
    run.progress.begin(`memory · fsync, ${name}`);
    const counts = COUNTS.filter((pages) => pages < LONG_COUNT || ms >= LONG_COUNT_FROM_MS);
    const mostBytes = counts[counts.length - 1] * PAGE_BYTES;
    const file = run.files.extra('memory-data.bin', mostBytes);
    const barePath = run.files.extra('memory-bare.bin', mostBytes);
    const common = { stop: run.stop, handle: cache.handle, counts };
    const [disk] = await together(run, [
      crew.play(
        'dirtyFsync',
        { ...common, path: file, barePath, durationMs: (0.5 * ms) / counts.length },
        GRACE_MS,
      ),
    ]);
    const inMemory = await withoutDisk(mostBytes, async (at) => {
      const task = { ...common, path: at, barePath: null, durationMs: (0.15 * ms) / counts.length };
      const [result] = await together(run, [crew.play('dirtyFsync', task, GRACE_MS)]);
      return result;
    });
    const after = residentBytes();
    const { frames, owners } = cache.stats();
    return {
      memoryBytes: bytes,
      frames,
      controlBytes: control.buffer.byteLength,
      dataMemories: data.length,
      hotMemories: hits.hotMemories,
      hotParts: hits.hotParts,
      createMs,
      hit: ratioOf(hits, 1),
      loads: medianOrNull(
        hits.loadsOver.slice(0, hits.loadsUnder.length).map((ns, i) => ns / hits.loadsUnder[i]),
      ),
      fsync: counts.map((pages, n) => fsyncCost(pages, disk, inMemory, n)),
      residentBytes: before === null || after === null ? null : Math.max(0, after - before),
      // The role is one thread more than are attached by now.
      allowanceBytes: control.buffer.byteLength + (owners + 1) * (THREAD_BYTES + VIEW_BYTES * frames),
    };
  });
}

interface Parts {
  control: WebAssembly.Memory;
  data: WebAssembly.Memory[];
}

/** Runs `work` with a file of so many bytes that no disk is behind; null where there is no room for one. */
async function withoutDisk<T>(bytes: number, work: (file: string) => Promise<T>): Promise<T | null> {
  let directory: string;
  try {
    directory = fs.mkdtempSync(path.join(WITHOUT_DISK, 'pinfold-bench-'));
  } catch {
    return null;
  }
  try {
    const { bavail, bsize } = fs.statfsSync(directory);
    if (bavail * bsize < 2 * bytes) return null;
    const file = path.join(directory, 'data.bin');
    fs.writeFileSync(file, Buffer.alloc(bytes));
    return await work(file);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

const medianOrNull = (values: number[]): number | null => (values.length === 0 ? null : median(values));

function fsyncCost(
  pages: number,
  disk: DirtyFsyncResult,
  inMemory: DirtyFsyncResult | null,
  n: number,
): FsyncCost {
  const fsyncUs = disk.fsyncUs[n] ?? [];
  const bareUs = disk.bareUs[n] ?? [];
  return {
    pages,
    fsyncUs: medianOrNull(fsyncUs),
    bareUs: medianOrNull(bareUs),
    ratio: medianOrNull(fsyncUs.map((us, i) => us / bareUs[i])),
    withoutDiskUs: medianOrNull(inMemory?.fsyncUs[n] ?? []),
  };
}

/** `scale`: ns a unit. */
function ratioOf({ under, underAgain, over }: Turns, scale: number): TurnsRatio {
  const rounds = Math.min(under.length, underAgain.length, over.length);
  if (rounds === 0) return { median: null, q1: null, q3: null, control: null, overNs: null, underNs: null };
  const ratios = over.slice(0, rounds).map((value, i) => value / under[i]);
  const { median: middle, q1, q3 } = spreadOf(ratios);
  return {
    median: middle,
    q1,
    q3,
    control: median(underAgain.slice(0, rounds).map((value, i) => value / under[i])),
    overNs: median(over) * scale,
    underNs: median(under) * scale,
  };
}

/** How many files this process may have open in a cache. */
function filesThatMayBeOpen(): number {
  try {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8');
    const limit = Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    const used = fs.readdirSync('/proc/self/fd').length;
    return Math.min(FILES, Math.floor((limit - used - DESCRIPTORS_KEPT) / DESCRIPTORS_A_FILE));
  } catch {
    return FILES;
  }
}

async function manyFiles(run: Run, crew: Crew, ms: number): Promise<FilesFigures> {
  const open = filesThatMayBeOpen();
  run.progress.begin(`memory · ${open} files`);
  const options = { memory: POOLS[0], maxFiles: FILES };
  const one = sparse(run, 'memory-one.bin', FILE_BYTES);
  const many = sparse(run, 'memory-many.bin', FILE_BYTES);
  const directory = path.join(run.files.directory, 'memory-files');
  fs.mkdirSync(directory);
  return await withCache(options, (few) =>
    withCache(options, async (cache) => {
      const files = [];
      for (let n = 0; n < open - 1 && !isStopped(run.stop); n++) {
        const file = path.join(directory, String(n));
        fs.writeFileSync(file, 'x');
        files.push(cache.openSync(file));
      }
      // Opened last: a search that begins with the first row comes to it after all others.
      const under: Arm = { handle: few.handle, path: one };
      const over: Arm = { handle: cache.handle, path: many };
      const [hits] = await together(run, [
        crew.play(
          'poolHits',
          { stop: run.stop, under, over, pages: HOT_PAGES, durationMs: ms / 3 },
          GRACE_MS,
        ),
      ]);
      const [costs] = await together(run, [
        crew.play('openFiles', { stop: run.stop, under, over, durationMs: (2 * ms) / 3 }, GRACE_MS),
      ]);
      const { control } = cache.handle as unknown as Parts;
      const figures: FilesFigures = {
        open,
        maxFiles: FILES,
        controlBytes: control.buffer.byteLength,
        hit: ratioOf(hits, 1),
        fsyncSync: ratioOf(costs.fsyncSync, 1_000),
        fsync: ratioOf(costs.fsync, 1_000),
        miss: ratioOf(costs.miss, 1_000),
      };
      for (const file of files) file.closeSync();
      return figures;
    }),
  );
}

/** Of metadata, at the defaults. */
const SHARE_MAX = 0.025;
/** Of the pool's parts, those in which there must be hot pages: 1,024 at random leave none out. */
const SPREAD_MIN = 0.9;

export function memoryFailures({ memory: found }: BenchReport): string[] {
  if (found === null) return [];
  return found.pools.flatMap(
    ({
      memoryBytes,
      controlBytes,
      dataMemories,
      hotMemories,
      hotParts,
      residentBytes: resident,
      allowanceBytes,
    }) => {
      const of = `memory: of ${memoryBytes / MIB} MiB`;
      const wrong: string[] = [];
      if (controlBytes > SHARE_MAX * memoryBytes) wrong.push(`${of}, metadata takes ${controlBytes} bytes`);
      // The last may hold staging areas only.
      if (hotMemories < dataMemories - 1)
        wrong.push(`${of}, hot pages were in ${hotMemories} data memories only`);
      if (hotParts < SPREAD_MIN * POOL_PARTS)
        wrong.push(`${of}, hot pages were in ${hotParts} of ${POOL_PARTS} parts only`);
      if (resident !== null && resident > memoryBytes + allowanceBytes)
        wrong.push(`${of}, ${resident} bytes were resident`);
      return wrong;
    },
  );
}
