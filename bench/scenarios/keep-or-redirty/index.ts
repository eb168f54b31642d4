// Is a page dirty all the time it is write-pinned (`keep`), or cleaned by a bounce and dirty again at the unpin (`redirty`)? Both, over
// shares of pinned pages and lengths of holds, beside updates that the limits on dirty pages throttle, fsyncs and a flusher.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import type { Crew } from '../../crew';
import { DATA_PAGES } from '../../files';
import { createRandom, shuffle } from '../../random';
import type {
  KeepPinnerResult,
  KeepSamplerResult,
  KeepSyncerResult,
  Transfers,
} from '../../roles/keep-or-redirty/task';
import { UPDATED_PAGES } from '../../roles/keep-or-redirty/task';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import type { OpenLoopResult } from '../../tasks';
import { figuresOf, type RunSums, sumsOfNone } from './figures';
import { type CellPlan, planCells } from './plan';
import { type KeepOrRedirtyCell, MODES, type Mode } from './shape';

/** Pages that updates dirty in the time between two fsyncs, about: the share of pinned pages is of these and the pinned ones. */
const UPDATED_BETWEEN = 32;
const UPDATES_PER_SECOND = 1_600;
const FSYNCS_PER_SECOND = 20;
/** Between handing out a run's tasks and its start, ms: the threads attach and touch their pages meanwhile. */
const LEAD_MS = 120;
const GRACE_MS = 20_000;

/**
 * All times a fraction of what systems are usually set to (a look in 5 s, 30 s to expiry), so that a hold of a second is a long one. The
 * limits are about one and two intervals' updates: what pins add to that is felt by writers.
 */
const CACHE: CacheOptions = {
  memory: 8 << 20,
  flushers: 1,
  dirtyBackgroundRatio: 0.02,
  dirtyRatio: 0.04,
  writebackIntervalMs: 20,
  dirtyExpireMs: 120,
  maxPinsPerThread: 1_024,
};

export function pinnedPagesOf(share: number): number {
  return Math.round((UPDATED_BETWEEN * share) / (1 - share));
}

export async function keepOrRedirty(run: Run, durationMs: number): Promise<void> {
  await withCrew(4, async (crew) => {
    for (const plan of planCells(durationMs)) {
      if (isStopped(run.stop)) return;
      const cell = await measure(run, crew, plan);
      if (cell !== undefined) run.report.keepOrRedirty.push(cell);
    }
  });
}

/** One cell; undefined if a signal came before each mode had run. */
async function measure(run: Run, crew: Crew, plan: CellPlan): Promise<KeepOrRedirtyCell | undefined> {
  const { pinnedShare, holdMs } = plan;
  const sums = ofEachMode(sumsOfNone);
  const writer = ofEachMode(() => createHistogram());
  const fsync = ofEachMode(() => createHistogram());
  const random = createRandom(run.nextSequence);
  for (let n = 0; n < plan.runs; n++) {
    for (const mode of shuffle([...MODES], random)) {
      if (isStopped(run.stop)) return undefined;
      const name = `${Math.round(pinnedShare * 100)}% pinned · hold ${holdMs} ms · ${mode}`;
      run.progress.begin(`keep-or-redirty · ${name} · run ${n + 1} of ${plan.runs}`);
      const pinnedDirty = mode.startsWith('redirty') ? 'redirty' : 'keep';
      await withCache({ ...CACHE, pinnedDirty }, (cache) =>
        measureMode(run, crew, cache, plan, mode, sums[mode], writer[mode], fsync[mode]),
      );
    }
  }
  return {
    pinnedShare,
    holdMs,
    pinnedPages: pinnedPagesOf(pinnedShare),
    runs: plan.runs,
    modes: ofEachMode((mode) => figuresOf(sums[mode], writer[mode], fsync[mode])),
  };
}

function ofEachMode<T>(make: (mode: Mode) => T): Record<Mode, T> {
  return Object.fromEntries(MODES.map((mode) => [mode, make(mode)])) as Record<Mode, T>;
}

/** One run of one mode: four threads over a cache of its own. */
async function measureMode(
  run: Run,
  crew: Crew,
  cache: PageCache,
  { pinnedShare, holdMs, runMs }: CellPlan,
  mode: Mode,
  sums: RunSums,
  writer: RecordableHistogram,
  fsync: RecordableHistogram,
): Promise<void> {
  const pinned = pinnedPagesOf(pinnedShare);
  if (2 * pinned + UPDATED_PAGES > DATA_PAGES) throw new Error(`${pinned} pinned pages do not fit the file`);
  const startNs = nowNs() + LEAD_MS * NS_PER_MS;
  const seed = run.nextSequence;
  const cell = {
    handle: cache.handle,
    stop: run.stop,
    dataPath: run.files.paths.data,
    startNs,
    durationMs: runMs,
    pinned,
    transfers: transfersOf(2 * pinned),
  };
  const updates = { thread: 0, intervalNs: 1e9 / UPDATES_PER_SECOND, histogram: writer };
  const fsyncs = { thread: 0, intervalNs: 1e9 / FSYNCS_PER_SECOND, histogram: fsync };
  const anew = mode === 'redirtyAnew';
  const pins = { holdNs: holdMs * NS_PER_MS, firstTransfer: run.nextSequence, anew };
  const deadlineMs = LEAD_MS + runMs + GRACE_MS;
  const counted = counters(cache, startNs, runMs);
  const [updated, held, synced, sampled] = await together<
    [OpenLoopResult, KeepPinnerResult, KeepSyncerResult, KeepSamplerResult]
  >(run, [
    crew.play('keepWriter', { ...cell, ...updates, seed }, deadlineMs),
    crew.play('keepPinner', { ...cell, ...pins, seed }, deadlineMs),
    crew.play('keepSyncer', { ...cell, ...fsyncs }, deadlineMs),
    crew.play('keepSampler', { ...cell, seed }, deadlineMs),
  ]);
  run.nextSequence = held.nextTransfer + 1;
  const { skippedPinned, writtenPages, bounced, throttles } = await counted;
  sums.seconds += runMs / 1e3;
  sums.vainVisits += skippedPinned;
  sums.written += writtenPages;
  sums.bounced += bounced;
  sums.throttles += throttles;
  sums.updates += updated.operations;
  sums.transfers += held.pins - held.idle;
  sums.idlePins += held.idle;
  sums.pinnedAnew += held.anew;
  sums.fsyncs += synced.operations;
  sums.fsyncPages += synced.pages;
  sums.fsyncBounced += synced.bounced;
  for (const figure of ['checked', 'lies', 'live', 'liveCovered'] as const) sums[figure] += synced[figure];
  const { flusherCpuMs, ...samples } = sampled;
  for (const figure of Object.keys(samples) as (keyof typeof samples)[]) sums[figure] += samples[figure];
  if (flusherCpuMs === null) sums.flusherCpuMs = null;
  else if (sums.flusherCpuMs !== null) sums.flusherCpuMs += flusherCpuMs;
}

function transfersOf(pages: number): Transfers {
  const words = () => new Int32Array(new SharedArrayBuffer(pages * 4));
  return { stored: words(), dropped: words() };
}

type Counters = Record<'skippedPinned' | 'writtenPages' | 'bounced' | 'throttles', number>;

/** What the cache's counters move by in the time of the run. */
async function counters(cache: PageCache, startNs: number, durationMs: number): Promise<Counters> {
  const at = (ns: number) =>
    new Promise<ReturnType<PageCache['stats']>>((resolve) =>
      setTimeout(() => resolve(cache.stats()), (ns - nowNs()) / NS_PER_MS),
    );
  const before = await at(startNs);
  const after = await at(startNs + durationMs * NS_PER_MS);
  return {
    skippedPinned: after.skippedPinned - before.skippedPinned,
    writtenPages: after.writtenPages - before.writtenPages,
    bounced: after.bounced - before.bounced,
    throttles: after.throttles - before.throttles,
  };
}

/** Holds from which on a pin outlives what fsync does to its page, so that the modes must differ, ms. */
const OUTLIVES_MS = 100;

/** Promises broken under either mode, and a comparison of gauge and truth that saw nothing where there is something to see. */
export function keepOrRedirtyFailures(cells: KeepOrRedirtyCell[], interrupted: boolean): string[] {
  const failures: string[] = [];
  for (const { pinnedShare, holdMs, modes } of cells) {
    for (const mode of MODES) {
      const { truth, gauge } = modes[mode];
      const where = `${mode}, ${Math.round(pinnedShare * 100)}% pinned, ${holdMs} ms hold`;
      if (truth.lies > 0)
        failures.push(`fsync lied of ${truth.lies} of ${truth.checked} transfers that had ended: ${where}`);
      if (truth.lost > 0)
        failures.push(`${truth.lost} clean pages that nobody pinned differed from the file: ${where}`);
      if (mode.startsWith('keep') && gauge.falseClean > 0)
        failures.push(`pinned pages that differed from the file were clean: ${where}`);
    }
  }
  const telling = cells.filter(({ pinnedShare, holdMs }) => pinnedShare > 0 && holdMs >= OUTLIVES_MS);
  if (
    !interrupted &&
    telling.length > 0 &&
    telling.every(({ modes }) => modes.redirty.gauge.falseClean === 0)
  ) {
    failures.push(
      'the gauge check is broken: under redirty no pinned page was seen to be newer than it counts',
    );
  }
  return failures;
}
