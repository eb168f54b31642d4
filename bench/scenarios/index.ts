// The scenarios, in the order in which they run.

import { coldScanCharts } from '../report/charts/coldscan';
import { deadlockCharts } from '../report/charts/deadlock';
import { fsyncCharts } from '../report/charts/fsync';
import { keepOrRedirtyCharts } from '../report/charts/keep-or-redirty';
import { memoryCharts } from '../report/charts/memory';
import { microCharts } from '../report/charts/micro';
import { mixedCharts } from '../report/charts/mixed';
import { pressureCharts } from '../report/charts/pressure';
import { replacementCharts } from '../report/charts/replacement';
import { stableCharts } from '../report/charts/stable';
import { coldScanTables } from '../report/coldscan';
import { deadlockTable } from '../report/deadlock';
import {
  coldScanFigures,
  deadlockFigures,
  fsyncFigures,
  keepOrRedirtyFigures,
  memoryFigures,
  microFigures,
  mixedFigures,
  pressureFigures,
  replacementFigures,
  stableFigures,
} from '../report/figures';
import { fsyncTables } from '../report/fsync';
import { keepOrRedirtyTables } from '../report/keep-or-redirty';
import { microTable } from '../report/micro';
import { mixedTables } from '../report/mixed';
import { stableTables } from '../report/stable';
import { peersRefusal } from '../roles/peers/installed';
import type { Scenario } from '../scenario';
import { churn, churnFailures } from './churn';
import { churnCharts, churnFigures, churnTables } from './churn/report';
import { coldScan, coldScanFailures } from './coldscan';
import { deadlock, deadlockFailures } from './deadlock';
import { fsyncFailures, fsyncUnderPins } from './fsync-under-pins';
import { groupCommit, groupCommitFailures } from './group-commit';
import { groupCommitCharts, groupCommitFigures, groupCommitTable } from './group-commit/report';
import { hotPage, hotPageFailures } from './hot-page';
import { hotPageCharts, hotPageFigures, hotPageTables } from './hot-page/report';
import { keepOrRedirty, keepOrRedirtyFailures } from './keep-or-redirty';
import { memory, memoryFailures, memoryUnfit } from './memory';
import { memoryTables } from './memory/table';
import { micro } from './micro';
import { mixed, mixedFailures } from './mixed';
import { peers } from './peers';
import { peersFailures } from './peers/failures';
import { peersCharts, peersFigures } from './peers/figures';
import { peersTables } from './peers/table';
import { pressure, pressureFailures } from './pressure';
import { pressureTable } from './pressure/table';
import { replacement, replacementFailures } from './replacement';
import { replacementTables } from './replacement/table';
import { stable, stableFailures } from './stable';

/** The deadlock has little to repeat. */
const DEADLOCK_MAX_MS = 3_000;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'fsync',
    what: 'fsync latency while pages are pinned: bounce, block, and a control that lies',
    share: 60,
    floorPages: 8,
    fullShare: 200,
    measure: fsyncUnderPins,
    blocks: fsyncTables,
    figures: fsyncFigures,
    charts: fsyncCharts,
    failures: ({ fsync, interrupted }) => fsyncFailures(fsync, interrupted),
  },
  {
    name: 'deadlock',
    what: "fsync's caller holds a lock that the pinner needs before it unpins",
    share: 3,
    floorPages: 1,
    fullShare: 4,
    maxMs: DEADLOCK_MAX_MS,
    measure: deadlock,
    blocks: deadlockTable,
    figures: deadlockFigures,
    charts: deadlockCharts,
    failures: (report) => deadlockFailures(report.deadlock),
  },
  {
    name: 'mixed',
    what: 'updates, views, DMA and fsync at once: does a view or the file show half an update?',
    share: 8,
    floorPages: 16,
    fullShare: 14,
    measure: mixed,
    blocks: mixedTables,
    figures: mixedFigures,
    charts: mixedCharts,
    failures: (report) => mixedFailures(report.mixed, report.interrupted),
  },
  {
    name: 'group-commit',
    what: '1 to 64 callers of fsync at once, in one thread and in several: commits a second, latencies, flushes',
    share: 7,
    fullShare: 16,
    floorPages: 1,
    measure: groupCommit,
    blocks: groupCommitTable,
    figures: groupCommitFigures,
    charts: groupCommitCharts,
    failures: (report) => groupCommitFailures(report.groupCommit, report.interrupted),
  },
  {
    name: 'hot-page',
    what: 'one page viewed, pinned, updated and read by 1, 2, 4 … threads; are views whole while it changes?',
    share: 6,
    fullShare: 12,
    measure: hotPage,
    blocks: hotPageTables,
    figures: hotPageFigures,
    charts: hotPageCharts,
    failures: (report) => hotPageFailures(report.hotPage, report.interrupted),
  },
  {
    name: 'churn',
    what: 'workers come, use the cache and go, half of them terminated: what it costs the others, and what is left behind',
    share: 6,
    fullShare: 16,
    floorPages: 1,
    measure: churn,
    blocks: churnTables,
    figures: churnFigures,
    charts: churnCharts,
    failures: (report) => churnFailures(report.churn, report.interrupted),
  },
  {
    name: 'micro',
    what: 'the cost of a hit, of a commit and of writeback, beside Map.get, fs and lru-cache',
    share: 15,
    fullShare: 30,
    measure: micro,
    blocks: microTable,
    figures: microFigures,
    charts: microCharts,
    failures: () => [],
  },
  {
    name: 'memory',
    what: 'what a pool of up to 8 GiB costs, and 10,000 open files: hits, fsync, metadata, resident memory',
    share: 0,
    fullShare: 30,
    unfit: memoryUnfit,
    measure: memory,
    blocks: memoryTables,
    figures: memoryFigures,
    charts: memoryCharts,
    failures: memoryFailures,
  },
  {
    name: 'keep-or-redirty',
    what: 'is a page dirty all the time it is pinned, or cleaned and dirty again at the unpin? What either costs',
    share: 0,
    floorPages: 8,
    fullShare: 30,
    measure: keepOrRedirty,
    blocks: keepOrRedirtyTables,
    figures: keepOrRedirtyFigures,
    charts: keepOrRedirtyCharts,
    failures: (report) => keepOrRedirtyFailures(report.keepOrRedirty, report.interrupted),
  },
  {
    name: 'stable',
    what: 'stores into pages while they are written with a checksum: is what the file has what its checksum says?',
    share: 0,
    fullShare: 12,
    measure: stable,
    blocks: stableTables,
    figures: stableFigures,
    charts: stableCharts,
    failures: (report) => stableFailures(report.stable, report.interrupted),
  },
  {
    name: 'pressure',
    what: 'writers that dirty five times more than the disk takes, with up to 95% of the dirty pages pinned: the longest write',
    share: 0,
    fullShare: 22,
    measure: pressure,
    blocks: pressureTable,
    figures: pressureFigures,
    charts: pressureCharts,
    failures: pressureFailures,
  },
  {
    name: 'coldscan',
    what: 'a cold file from end to end, beside a plain loop of fs.readSync; and what that leaves of a hot set',
    share: 0,
    fullShare: 30,
    measure: coldScan,
    blocks: coldScanTables,
    figures: coldScanFigures,
    charts: coldScanCharts,
    failures: (report) => coldScanFailures(report.coldScan, report.interrupted),
  },
  {
    name: 'replacement',
    what: 'hit ratios over generated traces, or one of yours, beside LRU, CLOCK, 2Q, ARC, SIEVE, S3-FIFO',
    share: 0,
    fullShare: 15,
    measure: replacement,
    blocks: replacementTables,
    figures: replacementFigures,
    charts: replacementCharts,
    failures: replacementFailures,
  },
  {
    name: 'peers',
    what: 'beside fs, lru-cache, lmdb, mmap-io and SQLite: reads, durable writes, memory, start-up (npm run bench:peers)',
    share: 0,
    fullShare: 40,
    unfit: peersRefusal,
    refusal: peersRefusal,
    measure: peers,
    blocks: peersTables,
    figures: peersFigures,
    charts: peersCharts,
    failures: peersFailures,
  },
];
