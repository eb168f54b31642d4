// fsync of pages that other threads hold pinned for DMA: what it costs beside the same load with the pins elsewhere, and whether what
// it promised is in the file.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { PageCache, PageCacheHandle } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import type { Crew } from '../crew';
import { SOURCE_PAGES } from '../files';
import { type CellPlan, PORTRAIT_MS, planFsync, planPortraits } from '../plan';
import type { Portrait } from '../portrait';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../run';
import type { FsyncCell } from '../schema';
import {
  type CallerResult,
  LIVE_CHECKED,
  LIVE_LIES,
  LIVE_WORDS,
  type PinnerResult,
  type PinnerTask,
} from '../tasks';
import { ARM_PINNED, ARMS, drawTimeline, rhythmOf, type Timeline } from '../timeline';
import { noTransfers, type Transfers } from '../transfers';
import { CALIBRATION_MS, calibrate } from './calibrate';
import { fsyncCell } from './fsync-cell';
import { looksAt, portraitOf } from './portrait';

/** Pages that each commit writes a record into, and that the pinners hold in the arm `pinned`. */
const PAGES_PER_FSYNC = 8;
const CALIBRATION_TRIES = 4;
const CONTROL_TRIES = 4;
/** From this hold on a second pinner stores word by word. */
const LONG_HOLD_MS = 10;
/** Under `block`, where one hold fills a block. */
const FSYNCS_PER_HOLD_MAX = 20;
/** Between handing out a cell's tasks and its first block, ms: the roles attach and touch their pages meanwhile. */
const LEAD_MS = 100;
/** Beyond a cell's planned end, ms: then a role is stuck, and the run fails. */
const GRACE_MS = 20_000;

/** A flusher that looks often, and at young pages: what it does in vain shows in a short run. */
const CACHE: CacheOptions = { memory: 16 << 20, flushers: 1, dirtyExpireMs: 100, writebackIntervalMs: 50 };

export async function fsyncUnderPins(run: Run, durationMs: number): Promise<void> {
  const portraits = planPortraits(durationMs, run.options);
  const spentMs = CALIBRATION_TRIES * CALIBRATION_MS + portraits.length * (PORTRAIT_MS + LEAD_MS);
  const cells = planFsync(durationMs - spentMs, run.options);
  await withCrew(4, async (crew) => {
    run.progress.begin('fsync · calibrating by bare write + fdatasync');
    const calibration = await calibrate(run, crew, PAGES_PER_FSYNC, CALIBRATION_TRIES);
    if (isStopped(run.stop)) return;
    run.report.calibration = calibration;
    // A cache each, one after the other: a file belongs to one cache at a time.
    for (const pinnedDirty of ['keep', 'redirty'] as const) {
      await withCache({ ...CACHE, pinnedDirty }, async (cache) => {
        const { handle } = cache;
        for (const cell of cells.filter((each) => each.pinnedDirty === pinnedDirty)) {
          if (isStopped(run.stop)) return;
          run.report.fsync.push(await measureUntilSeen(run, crew, handle, cell, calibration.ratePerSecond));
        }
        for (const plan of portraits.filter((each) => each.pinnedDirty === pinnedDirty)) {
          if (isStopped(run.stop)) return;
          run.report.portraits.push(await portray(run, crew, cache, plan, calibration.ratePerSecond));
        }
      });
    }
  });
}

/** A control of received bytes is measured again if it did not show what it is there for: it is short. */
async function measureUntilSeen(...of: Parameters<typeof measure>): Promise<FsyncCell> {
  const [run, , , { policy, pinSource }] = of;
  let cell = await measure(...of);
  for (let tries = 1; tries < CONTROL_TRIES && !isStopped(run.stop); tries++) {
    if (policy !== 'skip' || pinSource !== 'socket' || cell.truth.receivedOlder > 0) break;
    cell = await measure(...of);
  }
  return cell;
}

/** Promises broken in the cells measured so far, and a check that could not have seen it. */
export function fsyncFailures(cells: FsyncCell[], interrupted: boolean): string[] {
  const failures: string[] = [];
  for (const { policy, pinnedDirty, holdMs, holdShape, pinSource, truth } of cells) {
    if (policy === 'skip' || truth.lies === 0) continue;
    failures.push(
      `fsync lied ${truth.lies} times of ${truth.checked}: ${policy}, ${pinnedDirty}, ${holdMs} ms hold, ${holdShape}, ${pinSource}`,
    );
  }
  // A control that never came to fsync a pinned page counts: a run without a working control has shown nothing.
  const controls = cells.filter(({ policy }) => policy === 'skip');
  if (!interrupted && controls.length > 0 && controls.every(({ truth }) => truth.lies === 0)) {
    failures.push('the truth check is broken: skip, which does lie, was not seen to lie');
  }
  const received = controls.filter(({ pinSource }) => pinSource === 'socket');
  if (!interrupted && received.length > 0 && received.every(({ truth }) => truth.receivedOlder === 0)) {
    failures.push('the truth check is broken: skip was not seen to leave out what a socket had received');
  }
  return failures;
}

/**
 * Under `block` all who queued up behind a pin get through when it drops. Short holds follow one another: at most about one fsync a hold,
 * or the queue would never empty. A long hold is a block of its own: several fsyncs, the first of them due as the hold begins.
 */
function intervalMsOf({ policy, holdMs, holdShape }: CellPlan, intervalMs: number): number {
  if (policy !== 'block' || holdMs === 0) return intervalMs;
  const { blockMs, holdsPerBlock } = rhythmOf(holdMs);
  if (holdsPerBlock > 1 || holdShape !== 'fixed') return Math.max(intervalMs, 2.5, holdMs);
  return blockMs / Math.max(1, Math.floor(Math.min(FSYNCS_PER_HOLD_MAX, blockMs / intervalMs)));
}

async function measure(
  run: Run,
  crew: Crew,
  handle: PageCacheHandle,
  cell: CellPlan,
  ratePerSecond: number,
): Promise<FsyncCell> {
  const { durationMs, holdMs, holdShape } = cell;
  const startNs = nowNs() + LEAD_MS * NS_PER_MS;
  const timeline = drawTimeline({ startNs, durationMs, holdMs, holdShape, seed: run.nextSequence });
  const intervalMs = intervalMsOf(cell, 1e3 / ratePerSecond);
  const step = `fsync · ${nameOf(cell)} · hold ${holdMs} ms`;
  const played = await play(run, crew, handle, cell, timeline, intervalMs, step);
  return fsyncCell({ plan: cell, timeline, duePerSecond: 1e3 / intervalMs, ...played });
}

/** The roles of a cell, at rates that leave the disk idle most of the time, in blocks of which all have the pages pinned. */
async function portray(
  run: Run,
  crew: Crew,
  cache: PageCache,
  cell: CellPlan,
  ratePerSecond: number,
): Promise<Portrait> {
  const { durationMs, holdMs, holdShape } = cell;
  const startNs = nowNs() + LEAD_MS * NS_PER_MS;
  const timeline = drawTimeline({ startNs, durationMs, holdMs, holdShape, seed: run.nextSequence });
  timeline.warmUpBlocks = 0; // a portrait shows all of it
  timeline.blockArm.fill(ARM_PINNED);
  timeline.holdArm.fill(ARM_PINNED);
  const step = `fsync · ${nameOf(cell)} · a portrait`;
  const [{ called }, looks] = await together<[Played, Portrait['looks']]>(run, [
    play(run, crew, cache.handle, cell, timeline, intervalMsOf(cell, 1e3 / ratePerSecond), step),
    looksAt(cache, run.files.paths.data, PAGES_PER_FSYNC, timeline, run.stop),
  ]);
  return portraitOf(cell, timeline, called, looks);
}

interface Played {
  histograms: RecordableHistogram[];
  called: CallerResult;
  pinners: PinnerResult[];
}

async function play(
  run: Run,
  crew: Crew,
  handle: PageCacheHandle,
  cell: CellPlan,
  timeline: Timeline,
  intervalMs: number,
  step: string,
): Promise<Played> {
  const { policy, holdMs, pinSource } = cell;
  const transfers = pinSource === 'socket' ? noTransfers(PAGES_PER_FSYNC) : null;
  const histograms = ARMS.map(() => createHistogram());
  const live = new Int32Array(new SharedArrayBuffer(LIVE_WORDS * 4));
  const { paths } = run.files;
  const attached = { handle, stop: run.stop, dataPath: paths.data, timeline };
  const caller = {
    ...attached,
    barePath: paths.bare,
    policy,
    intervalNs: intervalMs * NS_PER_MS,
    pagesPerFsync: PAGES_PER_FSYNC,
    transfers,
    blockTimeoutMs: 5_000 + 20 * holdMs,
    firstSequence: run.nextSequence,
    histograms,
    live,
  };
  const pinner = {
    ...attached,
    elsewherePath: paths.elsewhere,
    sourcePath: paths.source,
    sourcePages: SOURCE_PAGES,
    pages: PAGES_PER_FSYNC,
  };
  const deadlineMs = LEAD_MS + (timeline.endNs - timeline.startNs) / NS_PER_MS + GRACE_MS;
  run.progress.begin(step, () => liveLine(histograms[ARM_PINNED], live));
  const [called, pinners] = await together<[CallerResult, PinnerResult[]]>(run, [
    crew.play('caller', caller, deadlineMs),
    together(run, pinnersOf(run, crew, cell, pinner, transfers, deadlineMs)),
  ]);
  run.nextSequence = called.nextSequence;
  return { histograms, called, pinners };
}

/** What stores into the pinned pages; beside reads of a file a second pinner, word by word, from a certain hold on. */
function pinnersOf(
  run: Run,
  crew: Crew,
  { holdMs, pinSource }: CellPlan,
  pinner: PinnerTask,
  transfers: Transfers | null,
  deadlineMs: number,
): Promise<PinnerResult>[] {
  const storer = () => crew.play('storer', pinner, deadlineMs);
  if (transfers !== null) {
    const port = new Int32Array(new SharedArrayBuffer(4));
    const sent = crew.play('sender', { stop: run.stop, port, pages: pinner.pages }, deadlineMs);
    const received = crew.play('receiver', { ...pinner, port, transfers }, deadlineMs);
    return [together(run, [received, sent]).then(([result]) => result)];
  }
  if (pinSource === 'store') return [storer()];
  const device = crew.play('device', pinner, deadlineMs);
  return holdMs >= LONG_HOLD_MS ? [device, storer()] : [device];
}

function nameOf({ policy, pinnedDirty, holdShape, pinSource }: CellPlan): string {
  const kind = policy === 'bounce' ? [policy, pinnedDirty] : [policy];
  return [
    ...kind,
    ...(holdShape === 'fixed' ? [] : [holdShape]),
    ...(pinSource === 'file' ? [] : [pinSource]),
  ].join(', ');
}

function liveLine(pinned: RecordableHistogram, live: Int32Array): string {
  if (pinned.count === 0) return '';
  const p50 = (pinned.percentile(50) / NS_PER_MS).toFixed(2);
  return `pinned p50 ${p50} ms · ${Atomics.load(live, LIVE_CHECKED)} checked · ${Atomics.load(live, LIVE_LIES)} lies`;
}
