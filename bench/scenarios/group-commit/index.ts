// Group commit: what many callers of fsync get beside one, in one thread and in several, and whether each has what it was promised.
import { createHistogram } from 'node:perf_hooks';
import { createBarrier } from '../../barrier';
import { isStopped, NS_PER_MS } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { latencyOf } from '../../histogram';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import { median } from '../../statistics';
import {
  atLeast,
  drawWindows,
  durationMsOf,
  ratioOfRounds,
  roundsOf,
  type Windows,
  warmsUp,
} from '../../windows';
import type { CommitTruth, GroupCommitCell, GroupCommitResult } from './shape';
import { CALLERS_MAX, type CommitArm, type CommitterResult } from './tasks';

/** In one thread. */
const CALLERS = [1, 2, 4, 8, 16, 32, CALLERS_MAX];
/** In several: of all threads together. */
const SPREAD_CALLERS = [8, CALLERS_MAX];
/** The design's: so many callers commit so many times faster than one. */
const BAR = 4;
const BARRED = [
  { threads: 1, callers: 8 },
  { threads: 4, callers: 8 },
];
const WINDOW_MIN_MS = 20;
const WINDOW_MAX_MS = 80;
/** In which the last commits of a window end. */
const GAP_MS = 12;
/** Starting the threads, and attaching them, ms. */
const LEAD_MS = 150;
const GRACE_MS = 20_000;
/** Nothing is written but by fsync. */
const CACHE: CacheOptions = { memory: 32 << 20, flushers: 1 };

function armsFor(threadsMax: number): CommitArm[] {
  const arms: CommitArm[] = CALLERS.map((callers) => ({ kind: 'fsync', threads: 1, callers }));
  for (let threads = 2; threads <= threadsMax; threads *= 2) {
    for (const callers of SPREAD_CALLERS) {
      if (callers >= threads) arms.push({ kind: 'fsync', threads, callers });
    }
  }
  return [
    ...arms,
    { kind: 'fsync', threads: 1, callers: 1 }, // once more: the A/A control
    { kind: 'bare', threads: 1, callers: 1 },
    { kind: 'skip', threads: 1, callers: 8 },
  ];
}

export async function groupCommit(run: Run, durationMs: number): Promise<void> {
  const arms = armsFor(run.options.threads);
  const threads = Math.max(...arms.map((arm) => arm.threads));
  const dataPath = run.files.extra('group-commit.bin', threads * CALLERS_MAX * PAGE_BYTES);
  const histograms = arms.map(() => createHistogram());
  await withCrew(threads, (crew) =>
    withCache({ ...CACHE, maxThreads: threads + 8 }, async ({ handle }) => {
      if (isStopped(run.stop)) return;
      const windows = drawWindows({
        durationMs: durationMs - LEAD_MS,
        arms: arms.length,
        windowMinMs: WINDOW_MIN_MS,
        windowMaxMs: WINDOW_MAX_MS,
        gapMs: GAP_MS,
        seed: run.nextSequence++,
      });
      const most = histograms[CALLERS.length - 1];
      run.progress.begin('group-commit', () => `${most.count} commits by ${CALLERS_MAX} callers`);
      const barrier = createBarrier(threads);
      const task = { handle, stop: run.stop, dataPath, barePath: run.files.paths.bare, barrier };
      const deadlineMs = durationMsOf(windows) + GRACE_MS;
      const results = await together<CommitterResult[]>(
        run,
        Array.from({ length: threads }, (_, thread) =>
          crew.play('groupCommitter', { ...task, thread, arms, windows, histograms }, deadlineMs),
        ),
      );
      run.report.groupCommit = resultOf(arms, windows, results, histograms);
    }),
  );
}

/** Promises broken, and a check that could not have seen it. */
export function groupCommitFailures(result: GroupCommitResult | null, interrupted: boolean): string[] {
  if (result === null) return [];
  const failures = result.cells
    .filter(({ truth }) => truth.lies > 0)
    .map(
      ({ threads, callers, truth }) =>
        `fsync lied ${truth.lies} times of ${truth.checked}: ${callers} callers in ${threads} threads`,
    );
  if (!interrupted && result.skip.lies === 0)
    failures.push('the check of group commit is broken: skip, which does lie, was not seen to lie');
  return failures;
}

function resultOf(
  arms: CommitArm[],
  windows: Windows,
  results: CommitterResult[],
  histograms: ReturnType<typeof createHistogram>[],
): GroupCommitResult {
  const played = Math.min(...results.map(({ inTime }) => inTime.length));
  const perSecond = Array.from(
    { length: played },
    (_, n) => results.reduce((sum, { inTime }) => sum + inTime[n], 0) / (windows.lengthNs / 1e9),
  );
  const rounds = arms.map((_, arm) => roundsOf(windows, perSecond, arm));
  const again = arms.findLastIndex(({ kind }) => kind === 'fsync');
  const bare = arms.findIndex(({ kind }) => kind === 'bare');
  const skip = arms.findIndex(({ kind }) => kind === 'skip');
  const control = ratioOfRounds(rounds[again], rounds[0])?.median ?? null;
  const truthOf = (arm: number): CommitTruth => ({
    checked: results.reduce((sum, { checked }) => sum + checked[arm], 0),
    lies: results.reduce((sum, { lies }) => sum + lies[arm], 0),
  });
  const flushesPerCommit = (arm: number): number | null => {
    const of = (figures: (n: number) => number) =>
      Array.from(windows.arm.subarray(0, played), (each, n) =>
        each === arm && !warmsUp(windows, n) ? figures(n) : 0,
      ).reduce((sum, figure) => sum + figure, 0);
    const commits = of((n) => results.reduce((sum, result) => sum + result.commits[n], 0));
    // The first thread has a part in every arm, and its cache's counters are of all threads.
    return commits === 0 ? null : of((n) => results[0].flushes[n]) / commits;
  };
  const cells = arms.slice(0, again).map((arm, n): GroupCommitCell => {
    const ratio = n === 0 ? null : ratioOfRounds(rounds[n], rounds[0]);
    const bar = BARRED.some(({ threads, callers }) => threads === arm.threads && callers === arm.callers)
      ? BAR
      : null;
    return {
      threads: arm.threads,
      callers: arm.callers,
      commitsPerSecond: medianOrNone(rounds[n]),
      latency: latencyOf(histograms[n]),
      flushesPerCommit: flushesPerCommit(n),
      ratio: ratio && { median: ratio.median, q1: ratio.q1, q3: ratio.q3 },
      bar,
      verdict:
        bar === null ? 'none' : ratio === null ? 'no verdict' : atLeast(ratio, control ?? Number.NaN, bar),
      truth: truthOf(n),
    };
  });
  return {
    windowMs: windows.lengthNs / NS_PER_MS,
    rounds: rounds[0].length,
    cells,
    control,
    floor: { commitsPerSecond: medianOrNone(rounds[bare]), latency: latencyOf(histograms[bare]) },
    skip: truthOf(skip),
  };
}

/** 0 where a run was stopped before its first round had ended. */
const medianOrNone = (figures: number[]): number => (figures.length === 0 ? 0 : median(figures));
