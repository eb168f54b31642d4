// Worker churn: workers start, use the cache and go, half of them terminated in the middle, beside threads that stay. What does it cost
// those, does each fsync still mean what it says, and is anything left behind?
import fs from 'node:fs';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import type { Crew } from '../../crew';
import { PAGE_BYTES } from '../../files';
import { latencyOf } from '../../histogram';
import { createRandom, shuffle } from '../../random';
import { fillRecord } from '../../record';
import type { SteadyResult } from '../../roles/churn/steady';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import { calibrate, rateBesideOthers } from '../calibrate';
import {
  CHURN_ARMS,
  type ChurnArm,
  type ChurnResult,
  type ChurnTruth,
  STEADY_ROLES,
  type SteadyFigures,
  type SteadyRole,
} from './shape';
import {
  CHURN_PAGES,
  type ChurnBlocks,
  STEADY_PAGES,
  VISIT_CHECKED,
  VISIT_COMMITS,
  VISIT_LIES,
} from './tasks';
import { Workers } from './workers';

const BLOCK_MIN_MS = 250;
const BLOCK_MAX_MS = 500;
/** A block is so many times what a worker takes to come and go, where that is more: its arm must be what is on in it. */
const VISITS_A_BLOCK = 4;
const SLOW_BLOCK_MAX_MS = 2_000;
/** Of a block, what does not count: workers of the block before may still be going. */
const SETTLE_SHARE = 0.25;
const SETS_WORTH = 3;
const VIEWS_PER_SECOND = 1_000;
const UPDATES_PER_SECOND = 400;
const LEAD_MS = 120;
/** After the last worker has gone, until all it held must have been given back. */
const GIVEN_BACK_MS = 5_000;
const CONTROL_TRIES = 4;
const GRACE_MS = 20_000;
const FIRST_SEQUENCE = 1;

const CACHE: CacheOptions = { memory: 8 << 20, flushers: 1, dirtyExpireMs: 100, writebackIntervalMs: 50 };
/** The control's pages must not come into the file behind its back. */
const QUIET: CacheOptions = {
  memory: 8 << 20,
  flushers: 1,
  dirtyExpireMs: 2 ** 30,
  writebackIntervalMs: 2 ** 30,
};

export async function churn(run: Run, durationMs: number): Promise<void> {
  const dataPath = layOut(run);
  await withCrew(STEADY_ROLES.length, async (crew) => {
    run.progress.begin('churn · preparing');
    const calibration = run.report.calibration ?? (await calibrate(run, crew, 1, 1));
    if (isStopped(run.stop)) return;
    await withCache(CACHE, (cache) =>
      measure(run, crew, cache, dataPath, durationMs, rateBesideOthers(calibration)),
    );
  });
  if (run.report.churn === null || isStopped(run.stop)) return;
  run.progress.begin('churn · the control');
  layOut(run); // what workers left has later sequences than the control's
  await withCache(QUIET, async ({ handle }) => {
    const { skip } = run.report.churn!;
    const workers = new Workers(run, handle, dataPath, Math.random);
    for (let tries = 0; tries < CONTROL_TRIES && skip.lies === 0 && !isStopped(run.stop); tries++) {
      const visits = await workers.skip();
      skip.checked += visits[VISIT_CHECKED];
      skip.lies += visits[VISIT_LIES];
    }
  });
}

/** Promises broken, things left behind, and a check that could not have seen it. */
export function churnFailures(result: ChurnResult | null, interrupted: boolean): string[] {
  if (result === null) return [];
  const failures: string[] = [];
  const { steadyTruth, workersTruth, left, skip, leaks, workers } = result;
  const truths: [ChurnTruth, string][] = [
    [steadyTruth, 'fsync lied to a thread that stays'],
    [workersTruth, 'fsync lied to a worker that comes and goes'],
    [left, 'a page of a worker that had gone was not as fsync had promised'],
  ];
  for (const [{ checked, lies }, what] of truths) {
    if (lies > 0) failures.push(`${what}, ${lies} times of ${checked}`);
  }
  for (const [what, number] of Object.entries(leaks)) {
    if (number !== 0) failures.push(`workers that have gone left ${number} ${what} behind`);
  }
  if (interrupted) return failures;
  if (workers.terminated === 0) failures.push('no worker was terminated in the churn');
  if (skip.lies === 0)
    failures.push('the check of churn is broken: skip, which does lie, was not seen to lie');
  return failures;
}

/** Every record is there from the start, so that none may be missing. */
function layOut(run: Run): string {
  const path = run.files.extra('churn.bin', CHURN_PAGES * PAGE_BYTES);
  const words = new Int32Array((CHURN_PAGES * PAGE_BYTES) / 4);
  for (let page = 0; page < CHURN_PAGES; page++)
    fillRecord(words, (page * PAGE_BYTES) / 4, page, FIRST_SEQUENCE);
  fs.writeFileSync(path, new Uint8Array(words.buffer), { flush: true });
  return path;
}

function drawBlocks(durationMs: number, visitMs: number, random: () => number): ChurnBlocks {
  const arms = CHURN_ARMS.length;
  const wantedMs = Math.min(BLOCK_MAX_MS, Math.max(BLOCK_MIN_MS, durationMs / (SETS_WORTH * arms)));
  const blockMs = Math.max(wantedMs, Math.min(SLOW_BLOCK_MAX_MS, VISITS_A_BLOCK * visitMs));
  const sets = Math.max(1, Math.floor(durationMs / (arms * blockMs)));
  const order = Array.from({ length: sets }, () =>
    shuffle(
      CHURN_ARMS.map((_, arm) => arm),
      random,
    ),
  ).flat();
  const startNs = nowNs() + LEAD_MS * NS_PER_MS;
  return {
    startNs: Float64Array.from(order, (_, n) => startNs + n * blockMs * NS_PER_MS),
    lengthNs: blockMs * NS_PER_MS,
    settleNs: blockMs * SETTLE_SHARE * NS_PER_MS,
    arm: Uint8Array.from(order),
  };
}

async function measure(
  run: Run,
  crew: Crew,
  cache: PageCache,
  dataPath: string,
  durationMs: number,
  fsyncsPerSecond: number,
): Promise<void> {
  const random = createRandom(run.nextSequence++);
  const before = cache.stats();
  const workers = new Workers(run, cache.handle, dataPath, random);
  const blocks = drawBlocks(durationMs - LEAD_MS, await workers.timeBystander(), random);
  const blockMs = blocks.lengthNs / NS_PER_MS;
  const wholeMs = blocks.startNs.length * blockMs;
  const perSecond: Record<SteadyRole, number> = {
    view: VIEWS_PER_SECOND,
    update: UPDATES_PER_SECOND,
    fsync: fsyncsPerSecond,
    bare: fsyncsPerSecond,
  };
  const histograms = eachRole(() => CHURN_ARMS.map(() => createHistogram()));
  run.progress.begin('churn', () => `${workers.started} workers, ${workers.terminated} of them terminated`);
  const common = {
    handle: cache.handle,
    stop: run.stop,
    dataPath,
    barePath: run.files.paths.bare,
    blocks,
    startNs: blocks.startNs[0],
    durationMs: wholeMs,
    returned: new Int32Array(new SharedArrayBuffer(STEADY_PAGES * 4)).fill(FIRST_SEQUENCE),
    thread: 0,
  };
  const deadlineMs = LEAD_MS + wholeMs + GRACE_MS;
  const steady = STEADY_ROLES.map((role) =>
    crew.play(
      'churnSteady',
      {
        ...common,
        role,
        intervalNs: 1e9 / perSecond[role],
        histogram: createHistogram(),
        histograms: histograms[role],
        seed: run.nextSequence++,
      },
      deadlineMs,
    ),
  );
  const [stayed] = await together<[SteadyResult[], unknown]>(run, [
    together(run, steady),
    comeAndGo(run, workers, blocks),
  ]);
  const leaks = await leftBehind(cache, before);
  const churnBlocks = blocks.arm.filter((arm) => CHURN_ARMS[arm] === 'churn').length;
  const truthOf = (role: SteadyRole) => stayed[STEADY_ROLES.indexOf(role)];
  const { checked, lies } = truthOf('fsync');
  run.report.churn = {
    blockMs,
    blocks: blocks.startNs.length / CHURN_ARMS.length,
    steady: STEADY_ROLES.map((role) =>
      steadyFigures(role, perSecond[role], histograms[role], truthOf(role).givenUp),
    ),
    workers: {
      started: workers.started,
      perSecond: workers.started / ((churnBlocks * blockMs) / 1e3),
      terminated: workers.terminated,
      ended: workers.started - workers.terminated,
      commits: workers.visits[VISIT_COMMITS],
      firstHit: latencyOf(workers.firstHit),
    },
    steadyTruth: { checked, lies },
    workersTruth: { checked: workers.visits[VISIT_CHECKED], lies: workers.visits[VISIT_LIES] },
    left: workers.left,
    skip: { checked: 0, lies: 0 },
    leaks,
  };
}

function eachRole<T>(make: (role: SteadyRole) => T): Record<SteadyRole, T> {
  return Object.fromEntries(STEADY_ROLES.map((role) => [role, make(role)])) as Record<SteadyRole, T>;
}

function steadyFigures(
  role: SteadyRole,
  duePerSecond: number,
  histograms: RecordableHistogram[],
  givenUp: number,
): SteadyFigures {
  const latency = Object.fromEntries(CHURN_ARMS.map((arm, n) => [arm, latencyOf(histograms[n])]));
  return { role, duePerSecond, latency: latency as SteadyFigures['latency'], givenUp };
}

/** Workers, or bystanders, in the blocks that are theirs. */
async function comeAndGo(run: Run, workers: Workers, blocks: ChurnBlocks): Promise<void> {
  for (const [n, startNs] of blocks.startNs.entries()) {
    await sleep(Math.max(0, (startNs - nowNs()) / NS_PER_MS));
    if (isStopped(run.stop)) return;
    const endNs = startNs + blocks.lengthNs;
    const arm: ChurnArm = CHURN_ARMS[blocks.arm[n]];
    if (arm === 'churn') await workers.churn(endNs);
    if (arm === 'bystanders') await workers.bystanders(endNs);
  }
}

/** What the cache still has of those that have gone, once there has been time enough to give it back. */
async function leftBehind(
  cache: PageCache,
  before: ReturnType<PageCache['stats']>,
): Promise<ChurnResult['leaks']> {
  const endMs = performance.now() + GIVEN_BACK_MS;
  for (;;) {
    const { owners, readPins, writePins, writeback, orphans } = cache.stats();
    const leaks = {
      owners: owners - before.owners,
      readPins: readPins - before.readPins,
      writePins: writePins - before.writePins,
      writebacks: writeback - before.writeback,
      orphans: orphans - before.orphans,
    };
    if (Object.values(leaks).every((number) => number === 0) || performance.now() > endMs) return leaks;
    await sleep(20);
  }
}
