// Writers that dirty five times more than the disk takes, with none, half and nearly all of the dirty pages pinned: how long does a
// write of a page take at the most, beside what a batch of writeback takes by itself?
import fs from 'node:fs';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import type { Crew } from '../../crew';
import { PAGE_BYTES } from '../../files';
import { latencyOf } from '../../histogram';
import { judgeRecord } from '../../record';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import type { BenchReport } from '../../schema';
import { median } from '../../statistics';
import type { PressureCell, StallFigures } from './result';
import type { BatchTask, Block } from './tasks';

const MIB = 1 << 20;
const MEMORY = 64 * MIB;
const FILE_BYTES = 4 * MEMORY;
const BATCH_FILE_BYTES = 64 * MIB;
/** Of a staging area. */
const BATCH_PAGES = 64;
const WRITERS = 2;
const OVERLOAD = 5;
/** A thread can hold no more pins but one, by which it pins pages anew. */
const PINS_A_THREAD = 4_095;
const PINNERS = 3;
/** So few that nineteen times as many pinned pages leave room for others. */
const DIRTY_RATIO = 0.04;
const RATE_MS = 400;
const WRITE_BLOCK_MS = 400;
const BATCH_BLOCK_MS = 250;
/** After the writers' block: what a flusher has begun ends. */
const SETTLE_MS = 60;
const LEAD_MS = 250;
const LOOK_MS = 20;
const GRACE_MS = 60_000;

interface CellPlan {
  name: string;
  pinnedShare: number;
  options: CacheOptions;
}

const LIMITED: CacheOptions = {
  memory: MEMORY,
  flushers: 1,
  dirtyRatio: DIRTY_RATIO,
  dirtyBackgroundRatio: DIRTY_RATIO / 2,
  maxPinsPerThread: PINS_A_THREAD + 1,
};

const CELLS: CellPlan[] = [
  { name: 'defaults', pinnedShare: 0, options: { memory: MEMORY } },
  { name: 'few dirty', pinnedShare: 0, options: LIMITED },
  { name: 'few dirty', pinnedShare: 0.5, options: LIMITED },
  { name: 'few dirty', pinnedShare: 0.95, options: LIMITED },
];

export async function pressure(run: Run, durationMs: number): Promise<void> {
  await withCrew(WRITERS + PINNERS + 1, async (crew) => {
    for (const plan of CELLS) {
      if (isStopped(run.stop)) return;
      const cell = await measureCell(run, crew, plan, durationMs / CELLS.length);
      if (!isStopped(run.stop)) run.report.pressure.push(cell);
    }
  });
}

async function measureCell(run: Run, crew: Crew, plan: CellPlan, ms: number): Promise<PressureCell> {
  const { name, pinnedShare, options } = plan;
  run.progress.begin(`pressure · ${name}, ${100 * pinnedShare}% pinned`);
  const path = run.files.extra('pressure.bin', FILE_BYTES);
  const batchPath = run.files.extra('pressure-batch.bin', BATCH_FILE_BYTES);
  const rate = await crew.play(
    'diskRate',
    { stop: run.stop, path: batchPath, fileBytes: BATCH_FILE_BYTES, durationMs: RATE_MS },
    GRACE_MS,
  );
  fs.writeFileSync(pinnedPathOf(run), '');
  fs.truncateSync(pinnedPathOf(run), PINNERS * PINS_A_THREAD * PAGE_BYTES);
  return await withCache(options, async (cache) => {
    const { handle } = cache;
    const dirtyLimit = Math.floor((options.dirtyRatio ?? 0.2) * cache.stats().frames);
    const pinned = Math.round((dirtyLimit * pinnedShare) / (1 - pinnedShare));
    const { write: writeBlocks, batch: batchBlocks, endNs } = blocksOf(ms - RATE_MS);
    const histogram = (): RecordableHistogram => createHistogram();
    const [service, own, fromDue] = [histogram(), histogram(), histogram()];
    const [batchWrite, batch] = [histogram(), histogram()];
    const halves: BatchTask['halves'] = [histogram(), histogram()];
    const pages = FILE_BYTES / PAGE_BYTES / WRITERS;
    const written = new Int32Array(new SharedArrayBuffer((FILE_BYTES / PAGE_BYTES) * 4));
    const duePerSecond = OVERLOAD * rate;
    const shares: number[] = [];
    const looks = setInterval(() => {
      const { dirty, pinnedDirty } = cache.stats();
      if (inBlock(writeBlocks)) shares.push(dirty === 0 ? 0 : pinnedDirty / dirty);
    }, LOOK_MS);
    const pinners = Array.from({ length: PINNERS }, (_, n) => ({
      firstPage: n * PINS_A_THREAD,
      pages: Math.max(0, Math.min(PINS_A_THREAD, pinned - n * PINS_A_THREAD)),
    })).filter((part) => part.pages > 0);
    const writers = Array.from({ length: WRITERS }, (_, n) =>
      crew.play(
        'pressureWriter',
        {
          stop: run.stop,
          handle,
          path,
          firstPage: n * pages,
          pages,
          blocks: writeBlocks,
          intervalNs: (1e9 * WRITERS) / duePerSecond,
          service,
          own,
          fromDue,
          written,
        },
        ms + GRACE_MS,
      ),
    );
    const others = pinners.map((part) =>
      crew.play(
        'pressurePinner',
        { stop: run.stop, handle, path: pinnedPathOf(run), ...part, endNs },
        ms + GRACE_MS,
      ),
    );
    const floor = crew.play(
      'batchFloor',
      {
        stop: run.stop,
        path: batchPath,
        pages: BATCH_PAGES,
        fileBytes: BATCH_FILE_BYTES,
        blocks: batchBlocks,
        write: batchWrite,
        batch,
        halves,
      },
      ms + GRACE_MS,
    );
    const [done] = await together(run, [Promise.all(writers), Promise.all(others), floor]).finally(() =>
      clearInterval(looks),
    );
    const { throttles, flushes } = cache.stats();
    const seconds = writeBlocks.reduce((sum, block) => sum + (block.endNs - block.startNs), 0) / 1e9;
    const longestBatchNs = batch.count === 0 ? Number.NaN : batch.max;
    const longer = done.reduce(
      (sum, { longNs }) => sum + longNs.filter((ns) => ns > longestBatchNs).length,
      0,
    );
    const [evens, odds] = halves;
    const control = odds.count === 0 ? null : odds.max / evens.max;
    const truth = truthOf(path, written, pinnedPathOf(run), pinned);
    return {
      name,
      memoryBytes: MEMORY,
      pinnedShare,
      pinnedMedian: shares.length === 0 ? null : median(shares),
      pinnedPages: pinned,
      dirtyLimit,
      diskPagesPerSecond: rate,
      duePerSecond,
      donePerSecond: done.reduce((sum, { writes }) => sum + writes, 0) / seconds,
      service: stalls(service),
      own: stalls(own),
      fromDue: stalls(fromDue),
      batchWrite: stalls(batchWrite),
      batch: stalls(batch),
      longer,
      control,
      verdict: verdictOfMaxima(own, batch, control),
      throttles,
      flushes,
      ...truth,
    };
  });
}

/** Whether no write took longer than the longest batch: unsaid if they differ by no more than the maxima of identical arms do. */
function verdictOfMaxima(
  own: RecordableHistogram,
  batch: RecordableHistogram,
  control: number | null,
): PressureCell['verdict'] {
  if (own.count === 0 || batch.count === 0 || control === null) return 'no verdict';
  const ratio = own.max / batch.max;
  if (Math.abs(Math.log(ratio)) <= Math.abs(Math.log(control))) return 'no verdict';
  return ratio <= 1 ? 'ok' : 'short';
}

const pinnedPathOf = (run: Run): string => `${run.files.directory}/pressure-pinned.bin`;

function inBlock(blocks: Block[]): boolean {
  const now = nowNs();
  return blocks.some(({ startNs, endNs }) => now >= startNs && now < endNs);
}

/** Writers and the bare batches take turns. */
function blocksOf(ms: number): { write: Block[]; batch: Block[]; endNs: number } {
  const write: Block[] = [];
  const batch: Block[] = [];
  let at = nowNs() + LEAD_MS * NS_PER_MS;
  const end = at + Math.max(0, ms - LEAD_MS) * NS_PER_MS;
  do {
    write.push({ startNs: at, endNs: at + WRITE_BLOCK_MS * NS_PER_MS });
    at += (WRITE_BLOCK_MS + SETTLE_MS) * NS_PER_MS;
    batch.push({ startNs: at, endNs: at + BATCH_BLOCK_MS * NS_PER_MS });
    at += BATCH_BLOCK_MS * NS_PER_MS;
  } while (at < end);
  return { write, batch, endNs: at };
}

function stalls(histogram: RecordableHistogram): StallFigures {
  const { count, p50Us, p99Us, p999Us, maxUs } = latencyOf(histogram);
  return { count, p50Us, p99Us, p999Us, maxUs };
}

/** Whether what was synced at the end is in the file itself. */
function truthOf(
  path: string,
  written: Int32Array,
  pinnedPath: string,
  pinned: number,
): { checked: number; lies: number } {
  let checked = 0;
  let lies = 0;
  const words = new Int32Array(PAGE_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  const fd = fs.openSync(path, 'r');
  for (const [page, sequence] of written.entries()) {
    if (sequence === 0) continue;
    fs.readSync(fd, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
    checked++;
    if (judgeRecord(words, 0, page, sequence) !== 'kept') lies++;
  }
  fs.closeSync(fd);
  const pinnedFd = fs.openSync(pinnedPath, 'r');
  for (let page = 0; page < pinned; page++) {
    fs.readSync(pinnedFd, bytes, 0, 4, page * PAGE_BYTES);
    checked++;
    if (words[0] !== page + 1) lies++;
  }
  fs.closeSync(pinnedFd);
  return { checked, lies };
}

export function pressureFailures({ pressure: cells }: BenchReport): string[] {
  return cells.flatMap(({ name, pinnedShare, lies, checked, pinnedMedian }) => {
    const of = `pressure: ${name}, ${100 * pinnedShare}% pinned`;
    const wrong: string[] = [];
    if (lies > 0) wrong.push(`${of}: ${lies} of ${checked} pages were not in the file after the last fsync`);
    if (pinnedMedian !== null && pinnedMedian < pinnedShare - 0.1)
      wrong.push(`${of}: only ${Math.round(100 * pinnedMedian)}% of the dirty pages were pinned`);
    return wrong;
  });
}
