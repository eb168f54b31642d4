// A report that has something of every scenario, made without measuring: the same each time.
import { createHistogram } from 'node:perf_hooks';
import { type Latency, latencyOf } from '../../bench/histogram.ts';
import { PAGE_LOOKS, type PageLook, type Portrait } from '../../bench/portrait.ts';
import { createRandom } from '../../bench/random.ts';
import type { Verdict } from '../../bench/report/figure.ts';
import { SCAN_ARMS } from '../../bench/roles/coldscan/task.ts';
import type { ColdScanResult } from '../../bench/scenarios/coldscan/shape.ts';
import type { MemoryFigures, TurnsRatio } from '../../bench/scenarios/memory/result.ts';
import type { PressureCell, StallFigures } from '../../bench/scenarios/pressure/result.ts';
import { PEER_NAMES } from '../../bench/scenarios/replacement/policies/index.ts';
import type { Replacement } from '../../bench/scenarios/replacement/result.ts';
import type { StableResult } from '../../bench/scenarios/stable/shape.ts';
import type {
  BenchReport,
  DeadlockCell,
  FsyncCell,
  FsyncPolicy,
  MicroRow,
  MixedCell,
  PinnedDirty,
  RoleFigures,
} from '../../bench/schema.ts';
import { benchReport } from './bench-report.ts';
import { churnResult } from './churn.ts';
import { groupCommitCell, groupCommitResult } from './group-commit.ts';
import { hotPageResult } from './hot-page.ts';
import { keepOrRedirtyCell } from './keep-or-redirty.ts';
import { peersResult } from './peers.ts';

const HOLDS_MS = [0, 1, 10, 100];
const SAMPLES = 2_000;
const NS_PER_US = 1e3;
const MIB = 2 ** 20;

export function fullReport(): BenchReport {
  return benchReport({
    command: {
      ...benchReport().command,
      scenarios: ['fsync', 'deadlock', 'mixed', 'micro'],
      size: 'default',
      seconds: 90,
      holdsMs: HOLDS_MS,
    },
    durationMs: 92_345,
    calibration: { pagesPerFsync: 8, bareP50Us: 180, bareP99Us: 420, ratePerSecond: 900 },
    floors: [
      { scenario: 'fsync', pages: 8, before: latency(170, 5), after: latency(175, 6) },
      { scenario: 'mixed', pages: 16, before: latency(210, 7), after: latency(215, 8) },
    ],
    cpu: [
      { scenario: 'fsync', wallMs: 58_200, userMs: 21_000, systemMs: 9_300 },
      { scenario: 'micro', wallMs: 21_700, userMs: 24_100, systemMs: 3_800 },
    ],
    fsync: HOLDS_MS.flatMap((holdMs) => [
      fsyncCell('bare', 'keep', holdMs, 190, 0),
      fsyncCell('skip', 'keep', holdMs, 200, 17),
      fsyncCell('block', 'keep', holdMs, 250 + 900 * holdMs, 0),
      fsyncCell('bounce', 'keep', holdMs, 240, 0),
      fsyncCell('bounce', 'redirty', holdMs, 230, 0),
      { ...fsyncCell('bounce', 'redirty', holdMs, 235, 0), holdShape: 'heavy' as const },
      { ...fsyncCell('bounce', 'redirty', holdMs, 245, 0), pinSource: 'socket' as const },
    ]),
    portraits: [
      portrait('bounce', 10, () => 0.3),
      portrait('block', 10, (dueMs) => Math.max(0.3, 20 - (dueMs % 25))),
    ],
    deadlock: [deadlockCell('bounce', 40, 0.4), deadlockCell('block', 4, 500)],
    mixed: [mixedCell('updates'), mixedCell('stores'), mixedCell('skip')],
    groupCommit: groupCommitResult([
      ...[1, 2, 4, 8, 16, 32, 64].map((callers) => groupCommitCell(1, callers)),
      ...[8, 64].map((callers) => groupCommitCell(4, callers)),
    ]),
    hotPage: hotPageResult(),
    churn: churnResult(),
    micro: [
      microRow('view ÷ Map.get', 1.72, 1.6, 'at most', 'short'),
      microRow('2 threads ÷ 1', 1.95, 1.9, 'at least', 'ok'),
      microRow('8 callers ÷ 1', 4.2, 4, 'at least', 'no verdict'),
    ],
    peers: peersResult(),
    memory: memoryFigures(),
    keepOrRedirty: [0.3, 0.6].flatMap((share) =>
      [1, 10, 100].map((holdMs) =>
        keepOrRedirtyCell(share, holdMs, {
          keep: { written: 400 * holdMs, falseClean: 3 },
          redirty: { written: 300 + holdMs },
        }),
      ),
    ),
    stable: stableResult(),
    pressure: [pressureCell('half pinned', 0.5), pressureCell('nearly all pinned', 0.95)],
    coldScan: coldScanResult(),
    replacement: replacementResult(),
  });
}

/** Around `us`, with a tail: a figure in a hundred is ten times that. */
function latency(us: number, seed: number, count = SAMPLES): Latency {
  const random = createRandom(seed);
  const histogram = createHistogram();
  for (let n = 0; n < count; n++) {
    const tail = random() < 0.01 ? 10 : 1;
    histogram.record(Math.max(1, Math.round(us * NS_PER_US * tail * (0.7 + 0.6 * random()))));
  }
  return latencyOf(histogram);
}

function fsyncCell(
  policy: FsyncPolicy,
  pinnedDirty: PinnedDirty,
  holdMs: number,
  us: number,
  lies: number,
): FsyncCell {
  const arm = (at: number, seed: number) => ({
    latency: latency(at, seed),
    perSecond: 170.5,
    pagesPerFsync: policy === 'bare' ? null : 8,
    bouncedPerFsync: policy === 'bare' ? null : 7.4,
    vainVisitsPerSecond: 12,
  });
  const ratio = (median: number, verdict: Verdict, control: number) => ({
    paired: { median, q1: median * 0.97, q3: median * 1.04, pairs: 60 },
    pooled: median,
    control: { paired: control, pooled: control },
    verdict,
    bar: verdict === 'none' ? null : 1.05,
  });
  const judged = policy === 'bounce';
  return {
    policy,
    pinnedDirty,
    holdMs,
    holdShape: 'fixed',
    pinSource: 'file',
    blockMs: 50,
    blocks: 120,
    duePerSecond: 180,
    arms: { pinned: arm(us, holdMs + 1), none: arm(230, holdMs + 2), noneAgain: arm(232, holdMs + 3) },
    ratios: {
      p50: ratio(us / 230, judged ? 'ok' : 'none', 1.01),
      p99: ratio(us / 225, judged ? 'no verdict' : 'none', 1.2),
    },
    truth: { checked: SAMPLES, lies, recordsOlder: lies, recordsTorn: 0, receivedOlder: 0 },
    queue: { carriedOver: 3, givenUp: 0, timeouts: 0, backlogMax: 2 },
    pins: { taken: 9_000, dmaBytes: 36_864_000, words: 1_200, missed: 0 },
  };
}

/** A second, with a hold every 25 ms. */
function portrait(
  policy: Portrait['policy'],
  holdMs: number,
  latencyAt: (dueMs: number) => number,
): Portrait {
  const durationMs = 400;
  const pages = 8;
  const fsyncs = Array.from({ length: 80 }, (_, n) => ({ dueMs: n * 5, latencyMs: latencyAt(n * 5) }));
  const holds = Array.from({ length: 16 }, (_, n) => ({ startMs: n * 25, endMs: n * 25 + holdMs }));
  const atMs = Array.from({ length: durationMs / 2 }, (_, n) => n * 2);
  const stateAt = (ms: number, page: number): PageLook => {
    const into = ms % 25;
    if (into < holdMs) return page % 2 === 0 ? 'pinned dirty' : 'pinned';
    if (into < holdMs + 4) return 'writeback';
    return into > 22 ? 'dirty' : 'clean';
  };
  const states = atMs.map((ms) =>
    Array.from({ length: pages }, (_, page) => PAGE_LOOKS.indexOf(stateAt(ms, page))).join(''),
  );
  return { policy, pinnedDirty: 'keep', holdMs, durationMs, fsyncs, holds, looks: { atMs, pages, states } };
}

function deadlockCell(policy: DeadlockCell['policy'], rounds: number, ms: number): DeadlockCell {
  const blocked = policy === 'block';
  return {
    policy,
    rounds,
    through: blocked ? 0 : rounds,
    stuck: blocked ? rounds : 0,
    timeoutMs: 500,
    latency: latency(1e3 * ms, rounds, rounds),
    message: blocked ? 'page 3 is pinned by thread 7' : null,
    namesHolder: blocked ? true : null,
    lies: 0,
  };
}

function mixedCell(arm: MixedCell['arm']): MixedCell {
  const role = (us: number, duePerSecond: number): RoleFigures => ({
    duePerSecond,
    perSecond: duePerSecond * 0.98,
    latency: latency(us, duePerSecond),
    givenUp: 0,
    backlogMax: 3,
  });
  const control = arm === 'updates' ? 0 : 21;
  return {
    arm,
    pinnedDirty: 'redirty',
    pages: 2_048,
    frames: 480,
    hitRatio: 0.74,
    durationMs: 2_000,
    roles: { update: role(30, 500), view: role(12, 1_000), dma: role(140, 100), fsync: role(900, 90) },
    truth: {
      viewsChecked: 1_900,
      halvesInViews: arm === 'stores' ? control : 0,
      viewsOlder: 0,
      fsyncsChecked: 170,
      lies: arm === 'skip' ? control : 0,
      recordsOlder: control,
      dmaOlder: 0,
      halvesInFile: arm === 'stores' ? control : 0,
      passing: 2,
    },
  };
}

function microRow(
  name: string,
  value: number,
  bar: number,
  direction: MicroRow['direction'],
  verdict: MicroRow['verdict'],
): MicroRow {
  return {
    name,
    value,
    q1: value * 0.96,
    q3: value * 1.05,
    bar,
    direction,
    control: verdict === 'no verdict' ? 1.2 : 1.01,
    verdict,
    parts: [{ label: 'view', value: 26.3, unit: 'ns' }],
    note: null,
  };
}

function memoryFigures(): MemoryFigures {
  const turns = (median: number): TurnsRatio => ({
    median,
    q1: median * 0.98,
    q3: median * 1.03,
    control: 1.01,
    overNs: 31 * median,
    underNs: 31,
  });
  const pool = (memoryBytes: number, slower: number) => ({
    memoryBytes,
    frames: memoryBytes / 4_096,
    controlBytes: memoryBytes / 50,
    dataMemories: 1,
    hotMemories: 1,
    hotParts: 64,
    createMs: 12,
    hit: turns(slower),
    loads: slower * 0.97,
    fsync: [1, 64, 1_024].map((pages) => ({
      pages,
      fsyncUs: 150 + 2 * pages,
      bareUs: 140 + 1.8 * pages,
      ratio: 1.1,
      withoutDiskUs: 20 + pages,
    })),
    residentBytes: memoryBytes * 1.05,
    allowanceBytes: 32 * MIB,
  });
  return {
    pools: [pool(64 * MIB, 1), pool(512 * MIB, 1.1), pool(8_192 * MIB, 1.3)],
    files: {
      open: 10_000,
      maxFiles: 16_384,
      controlBytes: 4 * MIB,
      hit: turns(1.02),
      fsyncSync: turns(1.1),
      fsync: turns(1.05),
      miss: turns(1.2),
    },
  };
}

function stableResult(): StableResult {
  const cell = (arm: 'bounce' | 'direct', pageSize: number) => ({
    arm,
    pageSize,
    pages: 16,
    seconds: 3,
    fsyncs: 900,
    fsyncsPerSecond: 300,
    fsyncUs: 3_100,
    written: 14_400,
    bounced: 14_000,
    writtenMiBPerSecond: 18.5,
    truth: { checked: 14_400, failed: arm === 'direct' ? 901 : 0, mixed: 5_000, passing: 4 },
    pins: 16,
    storedBytes: 2e9,
    readBytes: 5e8,
  });
  const checksum = (pageSize: number) => ({
    pageSize,
    crcGBPerSecond: 3.4,
    copyGBPerSecond: 17.5,
    ratio: 5.1,
    q1: 5,
    q3: 5.2,
    control: 1.01,
    bar: 3,
    verdict: 'ok' as const,
  });
  return {
    cells: [4_096, 16_384].flatMap((pageSize) => [cell('bounce', pageSize), cell('direct', pageSize)]),
    checksum: [4_096, 65_536].map(checksum),
  };
}

function pressureCell(name: string, pinnedShare: number): PressureCell {
  const stalls = (us: number): StallFigures => ({
    count: 5_000,
    p50Us: us,
    p99Us: us * 9,
    p999Us: us * 30,
    maxUs: us * 80,
  });
  return {
    name,
    memoryBytes: 16 * MIB,
    pinnedShare,
    pinnedMedian: pinnedShare + 0.01,
    pinnedPages: 120,
    dirtyLimit: 160,
    diskPagesPerSecond: 9_000,
    duePerSecond: 45_000,
    donePerSecond: 12_000,
    service: stalls(60),
    own: stalls(40),
    fromDue: stalls(90_000),
    batchWrite: stalls(90),
    batch: stalls(300),
    longer: 0,
    control: 1.3,
    verdict: pinnedShare > 0.9 ? 'no verdict' : 'ok',
    throttles: 300,
    flushes: 280,
    checked: 4_000,
    lies: 0,
  };
}

function coldScanResult(): ColdScanResult {
  return {
    fileBytes: 256 * MIB,
    memoryBytes: 32 * MIB,
    arms: SCAN_ARMS.map((arm, n) => ({
      arm,
      passes: 4,
      mibPerSecond: 1_500 - 100 * n,
      ratio: 1 - 0.07 * n,
      q1: 0.97 - 0.07 * n,
      q3: 1.02 - 0.07 * n,
      warmBytes: 0,
      leftBytes: 256 * MIB,
      pages: 65_536,
      wrong: 0,
      readahead: 65_000,
      misses: 500,
      bar: n > 1 && n < 5 ? 0.75 : null,
      verdict: n > 1 && n < 5 ? 'ok' : 'none',
    })),
    hot: (['none', 'normal', 'once'] as const).map((scan, n) => ({
      scan,
      hotPages: 1_024,
      frames: 8_192,
      scans: 3,
      touches: 90_000,
      misses: 700 * n,
    })),
  };
}

function replacementResult(): Replacement {
  const truth = { wrongPages: 0, unaccounted: 0, unfilled: 0, overfull: 0 };
  const traces = ['zipf 0.8', 'loop over 11%'];
  return {
    seed: 1,
    cells: traces.flatMap((trace, t) =>
      [0.01, 0.1, 0.3].map((size) => {
        const peers = Object.fromEntries(
          PEER_NAMES.map((name, n) => [name, 0.2 + size + 0.01 * n * (t + 1)]),
        );
        const best = Math.max(...Object.values(peers));
        const pinfold = best + (t === 0 ? 0.004 : -0.03);
        return {
          trace,
          accesses: 522_000,
          warmup: 130_500,
          footprint: 13_050,
          size,
          frames: Math.round(13_050 * size),
          pinfold,
          peers: peers as Replacement['cells'][number]['peers'],
          toBest: pinfold - best,
          toLru: pinfold - (peers.LRU ?? 0),
          verdict: t === 0 ? ('ok' as const) : ('short' as const),
          queues: { fills: 9_000, admitted: 8_000, ghosted: 7_000 },
          truth,
        };
      }),
    ),
    threads: [
      { trace: 'zipf 0.8', frames: 1_305, threads: 1, ratio: 0.53, toOne: 0, again: 0, truth },
      { trace: 'zipf 0.8', frames: 1_305, threads: 4, ratio: 0.528, toOne: -0.002, again: 12, truth },
    ],
    control: [{ trace: 'zipf 0.8', frames: 1_305, handAlone: 0.48, queues: 0.53 }],
  };
}
