// One hot page under several threads: how operations on it scale, and whether views stay whole while it changes.
import fs from 'node:fs';
import os from 'node:os';
import { createBarrier } from '../../barrier';
import { isStopped, NS_PER_MS } from '../../clock';
import type { Crew } from '../../crew';
import { PAGE_BYTES } from '../../files';
import { fillRecord } from '../../record';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import { median } from '../../statistics';
import { atLeast, drawWindows, durationMsOf, ratioOfRounds, roundsOf, type Windows } from '../../windows';
import {
  HOT_OPERATIONS,
  type HotOperation,
  type HotPageCell,
  type HotPageResult,
  type HotPageTruth,
} from './shape';
import type { HotPageThread, HotRecordTask, HotViewerResult } from './tasks';

/** The design's: views by two threads scale, if there are two cores. */
const BARRED = { operation: 'view', threads: 2, bar: 1.9 };
const WINDOW_MIN_MS = 20;
const WINDOW_MAX_MS = 60;
const GAP_MS = 2;
/** Starting the threads, and attaching them, ms. */
const LEAD_MS = 120;
/** Of the scenario's time, for the check; and bounds of one arm of it, ms. */
const TRUTH_SHARE = 0.15;
const TRUTH_MIN_MS = 150;
const TRUTH_MAX_MS = 2_000;
/** How often the control is tried until it shows what it is there for: on a busy machine it may take a while. */
const CONTROL_TRIES = 4;
const GRACE_MS = 20_000;
const FIRST_SEQUENCE = 1;

/** The page stays dirty: what is measured is an update, not the writeback that it causes in time. */
const CACHE: CacheOptions = {
  memory: 4 << 20,
  flushers: 1,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
  dirtyExpireMs: 2 ** 30,
};

export async function hotPage(run: Run, durationMs: number): Promise<void> {
  const result: HotPageResult = {
    cores: os.availableParallelism(),
    windowMs: 0,
    rounds: 0,
    cells: [],
    updates: { changes: 0, views: 0, torn: 0, older: 0 },
    stores: { changes: 0, views: 0, torn: 0, older: 0 },
  };
  run.report.hotPage = result;
  const truthMs = Math.min(TRUTH_MAX_MS, Math.max(TRUTH_MIN_MS, (durationMs * TRUTH_SHARE) / 2));
  const operationMs = (durationMs - 2 * truthMs) / HOT_OPERATIONS.length;
  for (const operation of HOT_OPERATIONS) {
    if (isStopped(run.stop)) return;
    await scaling(run, result, operation, operationMs);
  }
  // A viewer and a changer at least, however few threads were asked for.
  await withCrew(Math.max(2, run.options.threads), async (crew) => {
    result.updates = await look(run, crew, 'update', truthMs);
    for (let tries = 0; tries < CONTROL_TRIES && result.stores.torn === 0 && !isStopped(run.stop); tries++)
      result.stores = await look(run, crew, 'store', truthMs);
  });
}

/** Views that showed what they must not, and a check that could not have seen it. */
export function hotPageFailures(result: HotPageResult | null, interrupted: boolean): string[] {
  if (result === null) return [];
  const failures: string[] = [];
  const { torn, older, views } = result.updates;
  if (torn > 0) failures.push(`${torn} of ${views} views of a hot page showed half an update`);
  if (older > 0) failures.push(`${older} of ${views} views of a hot page missed an update that had returned`);
  if (interrupted) return failures;
  if (result.updates.views === 0 || result.updates.changes === 0)
    failures.push('no view met an update of the hot page');
  if (result.stores.torn === 0)
    failures.push('the check of hot pages is broken: stores through a pin were not seen by halves');
  return failures;
}

/** One operation in threads of its own: what the compiler learned from another must not slow it down. */
async function scaling(
  run: Run,
  result: HotPageResult,
  operation: HotOperation,
  durationMs: number,
): Promise<void> {
  const threadsOf: number[] = [];
  for (let threads = 1; threads <= run.options.threads; threads *= 2) threadsOf.push(threads);
  threadsOf.push(1); // once more: the A/A control
  const most = Math.max(...threadsOf);
  await withCrew(most, (crew) =>
    withCache({ ...CACHE, maxThreads: most + 8 }, async ({ handle }) => {
      const windows = drawWindows({
        durationMs: durationMs - LEAD_MS,
        arms: threadsOf.length,
        windowMinMs: WINDOW_MIN_MS,
        windowMaxMs: WINDOW_MAX_MS,
        gapMs: GAP_MS,
        seed: run.nextSequence++,
      });
      run.progress.begin(`hot-page · ${operation}`);
      const barrier = createBarrier(most);
      const task = { handle, stop: run.stop, dataPath: run.files.paths.data, barrier };
      const deadlineMs = durationMsOf(windows) + GRACE_MS;
      const threads = await together<HotPageThread[]>(
        run,
        Array.from({ length: most }, (_, thread) =>
          crew.play('hotPage', { ...task, operation, thread, threadsOf, windows }, deadlineMs),
        ),
      );
      const cells = cellsOf(operation, threadsOf, windows, threads, result.cores);
      // Of a run that was stopped there may be no round.
      if (cells === undefined) return;
      result.cells.push(...cells.cells);
      result.windowMs = windows.lengthNs / NS_PER_MS;
      result.rounds = cells.rounds;
    }),
  );
}

function cellsOf(
  operation: HotOperation,
  threadsOf: number[],
  windows: Windows,
  threads: HotPageThread[],
  cores: number,
): { cells: HotPageCell[]; rounds: number } | undefined {
  const played = Math.min(...threads.map(({ operations }) => operations.length));
  const millions = Array.from(
    { length: played },
    (_, n) => threads.reduce((sum, { operations }) => sum + operations[n], 0) / (windows.lengthNs / 1e3),
  );
  const rounds = threadsOf.map((_, arm) => roundsOf(windows, millions, arm));
  if (rounds[0].length === 0) return undefined;
  const control = ratioOfRounds(rounds[threadsOf.length - 1], rounds[0])?.median ?? null;
  const cells = threadsOf.slice(0, -1).map((of, arm): HotPageCell => {
    const ratio = arm === 0 ? null : ratioOfRounds(rounds[arm], rounds[0]);
    const barred = operation === BARRED.operation && of === BARRED.threads && of <= cores;
    return {
      operation,
      threads: of,
      millionsPerSecond: median(rounds[arm]),
      ratio: ratio && { median: ratio.median, q1: ratio.q1, q3: ratio.q3 },
      control,
      bar: barred ? BARRED.bar : null,
      verdict: !barred
        ? 'none'
        : ratio === null
          ? 'no verdict'
          : atLeast(ratio, control ?? Number.NaN, BARRED.bar),
    };
  });
  return { cells, rounds: rounds[0].length };
}

/** One thread changes the record, all others view it. */
async function look(
  run: Run,
  crew: Crew,
  by: HotRecordTask['by'],
  durationMs: number,
): Promise<HotPageTruth> {
  run.progress.begin(`hot-page · views beside ${by === 'update' ? 'updates' : 'stores, the control'}`);
  const dataPath = run.files.extra('hot-page.bin', PAGE_BYTES);
  const words = new Int32Array(PAGE_BYTES / 4);
  fillRecord(words, 0, 0, FIRST_SEQUENCE);
  fs.writeFileSync(dataPath, new Uint8Array(words.buffer));
  const viewers = Math.max(1, run.options.threads - 1);
  return await withCache({ ...CACHE, maxThreads: viewers + 8 }, async ({ handle }) => {
    const returned = new Int32Array(new SharedArrayBuffer(4)).fill(FIRST_SEQUENCE);
    const barrier = createBarrier(1 + viewers);
    const task = { handle, stop: run.stop, dataPath, barrier, durationMs, by, returned };
    const deadlineMs = durationMs + GRACE_MS;
    const [changes, views] = await together<[number, HotViewerResult[]]>(run, [
      crew.play('hotChanger', task, deadlineMs),
      together(
        run,
        Array.from({ length: viewers }, () => crew.play('hotViewer', task, deadlineMs)),
      ),
    ]);
    const sum = (figure: keyof HotViewerResult) => views.reduce((total, each) => total + each[figure], 0);
    return { changes, views: sum('views'), torn: sum('torn'), older: sum('older') };
  });
}
