// The report's format: what `--json` holds. A change that a reader of the last version would trip over makes a new version.
//
// Latencies are microseconds, other durations milliseconds. A figure that could not be had is null, never absent.

import { LATENCY, type Latency } from './histogram';
import { PORTRAIT, type Portrait } from './portrait';
import type { Verdict } from './report/figure';
import { CHURN, type ChurnResult } from './scenarios/churn/shape';
import { COLD_SCAN, type ColdScanResult } from './scenarios/coldscan/shape';
import { GROUP_COMMIT, type GroupCommitResult } from './scenarios/group-commit/shape';
import { HOT_PAGE, type HotPageResult } from './scenarios/hot-page/shape';
import { KEEP_OR_REDIRTY_CELL, type KeepOrRedirtyCell } from './scenarios/keep-or-redirty/shape';
import { MEMORY, type MemoryFigures } from './scenarios/memory/result';
import { PEERS, type PeersResult } from './scenarios/peers/shape';
import { PRESSURE, type PressureCell } from './scenarios/pressure/result';
import { REPLACEMENT, type Replacement } from './scenarios/replacement/result';
import { STABLE, type StableResult } from './scenarios/stable/shape';
import { fields, list, nullable, oneOf, problemsOf } from './shape';

export const REPORT_SCHEMA = 'pinfold-bench';
export const REPORT_VERSION = 5;

export interface BenchReport extends Results {
  schema: typeof REPORT_SCHEMA;
  version: typeof REPORT_VERSION;
  /** ISO 8601. */
  startedAt: string;
  durationMs: number;
  /** True when a signal ended the run: cells that had not run are missing, the one that ran is short. */
  interrupted: boolean;
  command: {
    scenarios: string[];
    size: RunSize;
    seconds: number;
    holdsMs: number[];
    holdShapes: HoldShape[];
    pinSources: PinSource[];
    /** The most threads of the scenarios that try several numbers. */
    threads: number;
    streamBytes: number;
    file: string | null;
    seed: number;
    trace: string | null;
  };
  machine: Machine;
  /** The machine's own latencies beside the scenarios that have some. */
  floors: FloorFigures[];
  /** CPU time of the whole process while each scenario ran, in the order in which they did. */
  cpu: CpuFigures[];
  /** Null unless the fsync scenario ran. */
  calibration: Calibration | null;
  /** Promises that did not hold; empty when the exit code is 0. */
  failures: string[];
}

/** What each scenario found: nothing if it did not run. */
export interface Results {
  fsync: FsyncCell[];
  portraits: Portrait[];
  deadlock: DeadlockCell[];
  mixed: MixedCell[];
  groupCommit: GroupCommitResult | null;
  hotPage: HotPageResult | null;
  churn: ChurnResult | null;
  micro: MicroRow[];
  memory: MemoryFigures | null;
  keepOrRedirty: KeepOrRedirtyCell[];
  stable: StableResult | null;
  pressure: PressureCell[];
  coldScan: ColdScanResult | null;
  replacement: Replacement | null;
  peers: PeersResult | null;
}

export const noResults = (): Results => ({
  fsync: [],
  portraits: [],
  deadlock: [],
  mixed: [],
  groupCommit: null,
  hotPage: null,
  churn: null,
  micro: [],
  memory: null,
  keepOrRedirty: [],
  stable: null,
  pressure: [],
  coldScan: null,
  replacement: null,
  peers: null,
});

/** What the command asked for; `asked`: its own number of seconds. */
const RUN_SIZES = ['quick', 'default', 'full', 'asked'] as const;
export type RunSize = (typeof RUN_SIZES)[number];

/** How the lengths of holds are drawn, around the same mean: all the same, exponential, or heavy-tailed (bounded Pareto). */
export const HOLD_SHAPES = ['fixed', 'exponential', 'heavy'] as const;
export type HoldShape = (typeof HOLD_SHAPES)[number];

/** What stores into the pinned pages: libuv's reads of a file, receives from a socket, or a thread word by word. */
export const PIN_SOURCES = ['file', 'socket', 'store'] as const;
export type PinSource = (typeof PIN_SOURCES)[number];

/** Bare write + fdatasync of as many pages, alone on the machine, just before the scenario and just after it. */
interface FloorFigures {
  scenario: string;
  pages: number;
  before: Latency;
  /** Null if the run was stopped before it was measured. */
  after: Latency | null;
}

interface CpuFigures {
  scenario: string;
  wallMs: number;
  userMs: number;
  systemMs: number;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  platform: string;
  arch: string;
  kernel: string;
  node: string;
  v8: string;
  fileSystem: string;
  device: string;
  /** False on tmpfs and the like, where an fdatasync proves nothing. */
  durable: boolean;
  /** Over the minute before the run; 0 where the system has none. */
  loadAverage: number;
}

/** The bare write + fdatasync loop, alone on the machine, from which the rate of fsyncs is derived. */
export interface Calibration {
  pagesPerFsync: number;
  bareP50Us: number;
  bareP99Us: number;
  ratePerSecond: number;
}

export type FsyncPolicy = 'bare' | 'bounce' | 'block' | 'skip';
export type PinnedDirty = 'keep' | 'redirty';

/** One policy at one hold: three arms in alternating blocks. */
export interface FsyncCell {
  /** `bare` is fs.writeSync + fs.fdatasyncSync of as many pages beside the same pinners, without the cache. */
  policy: FsyncPolicy;
  pinnedDirty: PinnedDirty;
  /** The mean of all holds. */
  holdMs: number;
  holdShape: HoldShape;
  pinSource: PinSource;
  /** The mean of all blocks. */
  blockMs: number;
  blocks: number;
  /** Intended starts a second. */
  duePerSecond: number;
  arms: { pinned: ArmFigures; none: ArmFigures; noneAgain: ArmFigures };
  ratios: { p50: RatioFigures; p99: RatioFigures };
  truth: Truth;
  queue: Queue;
  pins: PinFigures;
}

export interface ArmFigures {
  /** From the intended start of the fsync, so that one that had to queue counts its wait. */
  latency: Latency;
  perSecond: number;
  pagesPerFsync: number | null;
  bouncedPerFsync: number | null;
  /** Pages the flusher came to clean and found pinned, a second of this arm. */
  vainVisitsPerSecond: number;
}

/** `pinned ÷ none`, and beside it `none again ÷ none`: two identical arms. */
export interface RatioFigures {
  /** Of the ratios of neighbouring blocks; null for p99, which a block is too short to have. */
  paired: { median: number; q1: number; q3: number; pairs: number } | null;
  /** Of all blocks of an arm together. */
  pooled: number | null;
  control: { paired: number | null; pooled: number | null };
  /** `no verdict`: the identical arms differed by more than 5%. `none`: no bar applies to this policy. */
  verdict: Verdict;
  bar: number | null;
}

interface Truth {
  /** fsyncs after which the file was read back and compared. */
  checked: number;
  /** fsyncs that returned although the file lacked a record written before the call. */
  lies: number;
  /** Records found older than promised, and records found half written. */
  recordsOlder: number;
  recordsTorn: number;
  /** Pages found with older bytes than a socket had received before the call. */
  receivedOlder: number;
}

interface Queue {
  /** fsyncs left out of the latencies: they waited behind one that belongs to another arm. */
  carriedOver: number;
  /** fsyncs never made because the caller was too far behind. */
  givenUp: number;
  /** fsyncs that gave up waiting. */
  timeouts: number;
  /** Longest queue seen, in fsyncs due and not begun. */
  backlogMax: number;
}

interface PinFigures {
  /** Write pins taken by the pinners, in all arms. */
  taken: number;
  /** Bytes that libuv stored into pinned pages: reads of a file, or receives from a socket. */
  dmaBytes: number;
  /** Words that the storing thread stored into pinned pages. */
  words: number;
  /** Holds left out because a pinner came late. */
  missed: number;
}

export interface DeadlockCell {
  policy: 'bounce' | 'block';
  rounds: number;
  /** fsyncs that ended although the pin could not drop. */
  through: number;
  /** fsyncs that gave up waiting for it. */
  stuck: number;
  timeoutMs: number;
  latency: Latency;
  /** The error's message; null when nothing was stuck. */
  message: string | null;
  /** Whether that message names the thread that held the pin. */
  namesHolder: boolean | null;
  lies: number;
}

/** `stores` and `skip` are controls: records are stored through write pins instead of by update; fsync passes pinned pages over. */
export type MixedArm = 'updates' | 'stores' | 'skip';

/** Two threads a role, all at once over the pages of one file, popular ones and others (zipf). */
export interface MixedCell {
  arm: MixedArm;
  pinnedDirty: PinnedDirty;
  /** Of the file, and as many as the cache holds at a time. */
  pages: number;
  frames: number;
  /** Of all lookups, those that found their page; null if there were none. */
  hitRatio: number | null;
  durationMs: number;
  roles: Record<MixedRole, RoleFigures>;
  truth: MixedTruthFigures;
}

export const MIXED_ROLES = ['update', 'view', 'dma', 'fsync'] as const;
/** `update`: updates and writes. `view`: views and reads. `dma`: a write pin on several pages and a libuv read into each. */
export type MixedRole = (typeof MIXED_ROLES)[number];

/** Of both threads of a role. */
export interface RoleFigures {
  duePerSecond: number;
  perSecond: number;
  /** From the intended start; of `dma` until the last read has landed. */
  latency: Latency;
  /** Operations never begun because the thread was too far behind. */
  givenUp: number;
  /** Longest queue of a thread, in operations due and not begun. */
  backlogMax: number;
}

interface MixedTruthFigures {
  /** Views and reads, each of a page's three records. */
  viewsChecked: number;
  /** Of those: that showed a mix of two updates, or a record older than what had returned before the view. */
  halvesInViews: number;
  viewsOlder: number;
  /** fsyncs after which the file was read back and compared. */
  fsyncsChecked: number;
  /** fsyncs that returned although the file lacked a record or a transfer that had ended before the call. */
  lies: number;
  /** Records, and parts filled by DMA, found older than promised. */
  recordsOlder: number;
  dmaOlder: number;
  /** Records that the file held half old, half new. */
  halvesInFile: number;
  /** Records that looked so at first and not when they were read again: torn by the read, no failure. */
  passing: number;
}

export interface MicroRow {
  name: string;
  /** Null when it could not be measured; `note` says why. */
  value: number | null;
  q1: number | null;
  q3: number | null;
  bar: number;
  direction: 'at most' | 'at least';
  /** The same ratio between two identical arms. */
  control: number | null;
  verdict: 'ok' | 'short' | 'no verdict' | 'not measured';
  /** The figures the ratio is made of, and peers beside them. */
  parts: { label: string; value: number; unit: string }[];
  note: string | null;
}

const ARM = fields({
  latency: LATENCY,
  perSecond: 'number',
  pagesPerFsync: nullable('number'),
  bouncedPerFsync: nullable('number'),
  vainVisitsPerSecond: 'number',
});

const RATIO = fields({
  paired: nullable(fields({ median: 'number', q1: 'number', q3: 'number', pairs: 'number' })),
  pooled: nullable('number'),
  control: fields({ paired: nullable('number'), pooled: nullable('number') }),
  verdict: oneOf('ok', 'short', 'no verdict', 'none'),
  bar: nullable('number'),
});

const FSYNC_CELL = fields({
  policy: oneOf('bare', 'bounce', 'block', 'skip'),
  pinnedDirty: oneOf('keep', 'redirty'),
  holdMs: 'number',
  holdShape: oneOf(...HOLD_SHAPES),
  pinSource: oneOf(...PIN_SOURCES),
  blockMs: 'number',
  blocks: 'number',
  duePerSecond: 'number',
  arms: fields({ pinned: ARM, none: ARM, noneAgain: ARM }),
  ratios: fields({ p50: RATIO, p99: RATIO }),
  truth: fields({
    checked: 'number',
    lies: 'number',
    recordsOlder: 'number',
    recordsTorn: 'number',
    receivedOlder: 'number',
  }),
  queue: fields({ carriedOver: 'number', givenUp: 'number', timeouts: 'number', backlogMax: 'number' }),
  pins: fields({ taken: 'number', dmaBytes: 'number', words: 'number', missed: 'number' }),
});

const DEADLOCK_CELL = fields({
  policy: oneOf('bounce', 'block'),
  rounds: 'number',
  through: 'number',
  stuck: 'number',
  timeoutMs: 'number',
  latency: LATENCY,
  message: nullable('string'),
  namesHolder: nullable('boolean'),
  lies: 'number',
});

const ROLE = fields({
  duePerSecond: 'number',
  perSecond: 'number',
  latency: LATENCY,
  givenUp: 'number',
  backlogMax: 'number',
});

const MIXED_CELL = fields({
  arm: oneOf('updates', 'stores', 'skip'),
  pinnedDirty: oneOf('keep', 'redirty'),
  pages: 'number',
  frames: 'number',
  hitRatio: nullable('number'),
  durationMs: 'number',
  roles: fields({ update: ROLE, view: ROLE, dma: ROLE, fsync: ROLE }),
  truth: fields({
    viewsChecked: 'number',
    halvesInViews: 'number',
    viewsOlder: 'number',
    fsyncsChecked: 'number',
    lies: 'number',
    recordsOlder: 'number',
    dmaOlder: 'number',
    halvesInFile: 'number',
    passing: 'number',
  }),
});

const MICRO_ROW = fields({
  name: 'string',
  value: nullable('number'),
  q1: nullable('number'),
  q3: nullable('number'),
  bar: 'number',
  direction: oneOf('at most', 'at least'),
  control: nullable('number'),
  verdict: oneOf('ok', 'short', 'no verdict', 'not measured'),
  parts: list(fields({ label: 'string', value: 'number', unit: 'string' })),
  note: nullable('string'),
});

export const REPORT = fields({
  schema: oneOf(REPORT_SCHEMA),
  version: oneOf(REPORT_VERSION),
  startedAt: 'string',
  durationMs: 'number',
  interrupted: 'boolean',
  command: fields({
    scenarios: list('string'),
    size: oneOf(...RUN_SIZES),
    seconds: 'number',
    holdsMs: list('number'),
    holdShapes: list(oneOf(...HOLD_SHAPES)),
    pinSources: list(oneOf(...PIN_SOURCES)),
    threads: 'number',
    streamBytes: 'number',
    file: nullable('string'),
    seed: 'number',
    trace: nullable('string'),
  }),
  machine: fields({
    cpu: 'string',
    cores: 'number',
    memoryBytes: 'number',
    platform: 'string',
    arch: 'string',
    kernel: 'string',
    node: 'string',
    v8: 'string',
    fileSystem: 'string',
    device: 'string',
    durable: 'boolean',
    loadAverage: 'number',
  }),
  calibration: nullable(
    fields({ pagesPerFsync: 'number', bareP50Us: 'number', bareP99Us: 'number', ratePerSecond: 'number' }),
  ),
  floors: list(fields({ scenario: 'string', pages: 'number', before: LATENCY, after: nullable(LATENCY) })),
  cpu: list(fields({ scenario: 'string', wallMs: 'number', userMs: 'number', systemMs: 'number' })),
  fsync: list(FSYNC_CELL),
  portraits: list(PORTRAIT),
  deadlock: list(DEADLOCK_CELL),
  mixed: list(MIXED_CELL),
  groupCommit: nullable(GROUP_COMMIT),
  hotPage: nullable(HOT_PAGE),
  churn: nullable(CHURN),
  micro: list(MICRO_ROW),
  memory: nullable(MEMORY),
  keepOrRedirty: list(KEEP_OR_REDIRTY_CELL),
  stable: nullable(STABLE),
  pressure: PRESSURE,
  coldScan: nullable(COLD_SCAN),
  replacement: nullable(REPLACEMENT),
  peers: nullable(PEERS),
  failures: list('string'),
});

/** What is wrong with `value` as a report of this version, each with the path of the field; empty when nothing is. */
export function validateReport(value: unknown): string[] {
  return problemsOf(value, REPORT, 'report');
}
