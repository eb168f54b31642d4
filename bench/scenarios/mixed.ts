// Everything at once over the pages of one file: updates and writes, views and reads, DMA, fsync, two threads each. Does a view, or the
// file after an fsync, show half an update, and does fsync still tell the truth?
import fs from 'node:fs';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import type { Crew } from '../crew';
import { PAGE_BYTES } from '../files';
import { latencyOf } from '../histogram';
import { announceFirst, fillFirstRecords, PAGE_WORDS, THREADS_PER_ROLE } from '../parts';
import { type MixedPlan, planMixed } from '../plan';
import { createRandom } from '../random';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../run';
import { MIXED_ROLES, type MixedCell, type MixedRole, type RoleFigures } from '../schema';
import type { MixedCallerResult, MixedResult, MixedTask, MixedViewerResult } from '../tasks';
import { TRANSFER_VALUES } from '../transfers';
import { permutation } from '../zipf';
import { calibrate, rateBesideOthers } from './calibrate';

/** Several times what the cache holds. Zipf's head is where the roles meet: the most popular page gets an eighth of all accesses. */
const PAGES = 2_048;
/** Of each thread, a second. Those of fsync follow the disk. */
const UPDATES_PER_SECOND = 500;
const VIEWS_PER_SECOND = 1_000;
const TRANSFERS_PER_SECOND = 100;
/** About what an fsync has to write. */
const CALIBRATED_PAGES = 16;
/** How often a control is tried until it shows what it is there for: on a busy machine it may take a while. */
const CONTROL_TRIES = 4;
/** Between handing out a cell's tasks and its start, ms: the threads attach and touch their pages meanwhile. */
const LEAD_MS = 100;
const GRACE_MS = 20_000;

/** The flusher writes pages back beside the fsyncs. */
const CACHE: CacheOptions = { memory: 2 << 20, flushers: 1, dirtyExpireMs: 50, writebackIntervalMs: 20 };

export async function mixed(run: Run, durationMs: number): Promise<void> {
  await withCrew(MIXED_ROLES.length * THREADS_PER_ROLE, async (crew) => {
    run.progress.begin('mixed · preparing');
    const calibration = run.report.calibration ?? (await calibrate(run, crew, CALIBRATED_PAGES, 1));
    const perSecond: Record<MixedRole, number> = {
      update: UPDATES_PER_SECOND,
      view: VIEWS_PER_SECOND,
      dma: TRANSFERS_PER_SECOND,
      fsync: rateBesideOthers(calibration),
    };
    const sourcePath = layOutSource(run);
    const popularity = drawPopularity(run);
    for (const plan of planMixed(durationMs)) {
      for (let tries = 0; tries < CONTROL_TRIES && !isStopped(run.stop); tries++) {
        const dataPath = layOutData(run);
        const cell = await withCache({ ...CACHE, pinnedDirty: plan.pinnedDirty }, (cache) =>
          measure(run, crew, cache, plan, perSecond, { dataPath, sourcePath, popularity }),
        );
        run.report.mixed.push(cell);
        if (unseen(cell).length === 0) break;
      }
    }
  });
}

/** Promises broken in the mixed load, and checks that could not have seen it. */
export function mixedFailures(cells: MixedCell[], interrupted: boolean): string[] {
  const failures: string[] = [];
  for (const { arm, pinnedDirty, truth } of cells) {
    // Nothing was promised of stores under a live write pin.
    if (arm === 'stores') continue;
    const where = `in the mixed load (${arm}, ${pinnedDirty})`;
    const { viewsChecked, halvesInViews, viewsOlder, fsyncsChecked, lies, halvesInFile } = truth;
    if (arm === 'updates' && lies > 0) failures.push(`fsync lied ${lies} times of ${fsyncsChecked} ${where}`);
    if (halvesInFile > 0) failures.push(`the file held ${halvesInFile} half updates ${where}`);
    if (halvesInViews > 0)
      failures.push(`${halvesInViews} of ${viewsChecked} views showed half an update ${where}`);
    if (viewsOlder > 0)
      failures.push(`${viewsOlder} of ${viewsChecked} views missed an update that had returned ${where}`);
  }
  if (interrupted) return failures;
  for (const arm of ['stores', 'skip'] as const) {
    const missed = cells.filter((cell) => cell.arm === arm).map(unseen);
    // Each thing that a control must show is seen in one of its cells at least.
    const [first = [], ...others] = missed;
    for (const what of first.filter((each) => others.every((other) => other.includes(each)))) {
      failures.push(`the check of the mixed load is broken: ${what}`);
    }
  }
  return failures;
}

/** What a control was to show and did not. */
function unseen({ arm, truth }: MixedCell): string[] {
  const missed: string[] = [];
  if (arm === 'stores' && truth.halvesInViews === 0)
    missed.push('stores through pins, which views do show by halves, were not seen so');
  if (arm === 'stores' && truth.halvesInFile === 0)
    missed.push('stores through pins, which fsync does write by halves, were not seen so in the file');
  if (arm === 'skip' && truth.lies === 0) missed.push('skip, which does lie, was not seen to lie');
  return missed;
}

/** What the DMA reads: page n is full of the byte n. */
function layOutSource(run: Run): string {
  const path = run.files.extra('mixed-source.bin', TRANSFER_VALUES * PAGE_BYTES);
  const bytes = Uint8Array.from({ length: TRANSFER_VALUES * PAGE_BYTES }, (_, at) =>
    Math.floor(at / PAGE_BYTES),
  );
  fs.writeFileSync(path, bytes);
  return path;
}

/** Which pages are wanted most: the same in every run of the same seed, and anywhere in the file. */
function drawPopularity({ options }: Run): Int32Array<SharedArrayBuffer> {
  const popularity = new Int32Array(new SharedArrayBuffer(PAGES * 4));
  popularity.set(permutation(PAGES, createRandom(options.seed)));
  return popularity;
}

/** The file of a cell, as if nothing had happened to it yet: a control leaves halves behind. */
function layOutData(run: Run): string {
  const path = run.files.extra('mixed.bin', PAGES * PAGE_BYTES);
  const words = new Int32Array(PAGES * PAGE_WORDS);
  fillFirstRecords(words, PAGES);
  fs.writeFileSync(path, new Uint8Array(words.buffer), { flush: true });
  return path;
}

async function measure(
  run: Run,
  crew: Crew,
  cache: PageCache,
  { arm, pinnedDirty, durationMs }: MixedPlan,
  perSecond: Record<MixedRole, number>,
  files: Pick<MixedTask, 'dataPath' | 'sourcePath' | 'popularity'>,
): Promise<MixedCell> {
  const histograms: Record<MixedRole, RecordableHistogram> = {
    update: createHistogram(),
    view: createHistogram(),
    dma: createHistogram(),
    fsync: createHistogram(),
  };
  const startNs = nowNs() + LEAD_MS * NS_PER_MS;
  const common = {
    ...files,
    handle: cache.handle,
    stop: run.stop,
    startNs,
    durationMs,
    arm,
    announced: announceFirst(PAGES),
  };
  const deadlineMs = LEAD_MS + durationMs + GRACE_MS;
  const play = <R>(role: MixedRole, start: (task: MixedTask, deadlineMs: number) => Promise<R>) =>
    Array.from({ length: THREADS_PER_ROLE }, (_, thread) => {
      const intervalNs = 1e9 / perSecond[role];
      const seed = run.nextSequence++;
      return start({ ...common, thread, intervalNs, histogram: histograms[role], seed }, deadlineMs);
    });
  run.progress.begin(`mixed · ${arm}, ${pinnedDirty}`, () => liveLine(histograms));
  const roles = {
    update: together<MixedResult[]>(
      run,
      play('update', (task, ms) => crew.play('mixedUpdater', task, ms)),
    ),
    view: together<MixedViewerResult[]>(
      run,
      play('view', (task, ms) => crew.play('mixedViewer', task, ms)),
    ),
    dma: together<MixedResult[]>(
      run,
      play('dma', (task, ms) => crew.play('mixedPinner', task, ms)),
    ),
    fsync: together<MixedCallerResult[]>(
      run,
      play('fsync', (task, ms) => crew.play('mixedCaller', task, ms)),
    ),
  };
  const [updaters, viewers, pinners, callers] = await together<
    [MixedResult[], MixedViewerResult[], MixedResult[], MixedCallerResult[]]
  >(run, [roles.update, roles.view, roles.dma, roles.fsync]);
  const figures = (role: MixedRole, results: MixedResult[]) =>
    roleFigures(results, histograms[role], perSecond[role], startNs, durationMs);
  const { frames, hits, misses } = cache.stats();
  return {
    arm,
    pinnedDirty,
    pages: PAGES,
    frames,
    hitRatio: hits + misses === 0 ? null : hits / (hits + misses),
    durationMs,
    roles: {
      update: figures('update', updaters),
      view: figures('view', viewers),
      dma: figures('dma', pinners),
      fsync: figures('fsync', callers),
    },
    truth: {
      viewsChecked: sum(viewers, ({ operations }) => operations),
      halvesInViews: sum(viewers, ({ halves }) => halves),
      viewsOlder: sum(viewers, ({ older }) => older),
      fsyncsChecked: sum(callers, ({ operations }) => operations),
      lies: sum(callers, ({ lies }) => lies),
      recordsOlder: sum(callers, ({ recordsOlder }) => recordsOlder),
      dmaOlder: sum(callers, ({ dmaOlder }) => dmaOlder),
      halvesInFile: sum(callers, ({ halves }) => halves),
      passing: sum(callers, ({ passing }) => passing),
    },
  };
}

function roleFigures(
  results: MixedResult[],
  histogram: RecordableHistogram,
  perSecond: number,
  startNs: number,
  durationMs: number,
): RoleFigures {
  // A thread that fell behind works off its queue after the end: that time counts too.
  const endNs = Math.max(startNs + durationMs * NS_PER_MS, ...results.map(({ lastEndNs }) => lastEndNs));
  return {
    duePerSecond: perSecond * results.length,
    perSecond: sum(results, ({ operations }) => operations) / ((endNs - startNs) / 1e9),
    latency: latencyOf(histogram),
    givenUp: sum(results, ({ givenUp }) => givenUp),
    backlogMax: Math.max(...results.map(({ backlogMax }) => backlogMax)),
  };
}

function sum<R>(results: R[], figure: (result: R) => number): number {
  return results.reduce((total, result) => total + figure(result), 0);
}

function liveLine(histograms: Record<MixedRole, RecordableHistogram>): string {
  const { update, view, fsync } = histograms;
  return `${update.count} updates · ${view.count} views · ${fsync.count} fsyncs`;
}
