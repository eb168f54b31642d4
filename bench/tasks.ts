// The messages between the main thread and the roles: a task and a result for each role that roles.ts exports.
import type { RecordableHistogram } from 'node:perf_hooks';
import type { PageCacheHandle } from 'pinfold';
import type { MemoryCacheHandle } from '#harness';
import type { StopWord } from './clock';
import type { Announced } from './parts';
import type { FsyncPolicy, MixedArm } from './schema';
import type { Timeline } from './timeline';
import type { Transfers } from './transfers';

/** Every role ends soon after the stop word is raised. */
interface Stoppable {
  stop: StopWord;
}

export interface Attached extends Stoppable {
  handle: PageCacheHandle;
  dataPath: string;
}

export interface BareTask extends Stoppable {
  path: string;
  pages: number;
  durationMs: number;
  /** Nanoseconds. */
  histogram: RecordableHistogram;
}

export interface CallerTask extends Attached {
  barePath: string;
  policy: FsyncPolicy;
  timeline: Timeline;
  /** Fixed distance of intended starts. */
  intervalNs: number;
  pagesPerFsync: number;
  /** What is received into the pages of the data file; null where nothing is, or not from a socket. */
  transfers: Transfers | null;
  /** Of an fsync under `block`; the other policies wait for nothing but the disk. */
  blockTimeoutMs: number;
  firstSequence: number;
  /** Shared with the main thread, one an arm; nanoseconds. */
  histograms: RecordableHistogram[];
  /** LIVE_CHECKED and LIVE_LIES, for the progress line. */
  live: Int32Array<SharedArrayBuffer>;
}

export const LIVE_CHECKED = 0;
export const LIVE_LIES = 1;
export const LIVE_WORDS = 2;

/** Sums over the fsyncs of one arm. */
export interface ArmCounts {
  fsyncs: number;
  pages: number;
  bounced: number;
  vainVisits: number;
}

export interface CallerResult {
  arms: ArmCounts[];
  /** Block, due time and latency of every fsync that counts for its arm. */
  sampleBlock: number[];
  sampleDueNs: number[];
  sampleNs: number[];
  checked: number;
  lies: number;
  recordsOlder: number;
  recordsTorn: number;
  receivedOlder: number;
  carriedOver: number;
  givenUp: number;
  timeouts: number;
  backlogMax: number;
  nextSequence: number;
}

export interface PinnerTask extends Attached {
  elsewherePath: string;
  sourcePath: string;
  sourcePages: number;
  timeline: Timeline;
  /** Pinned at once, from page 0 on, of the data file or of the other one. */
  pages: number;
}

/** Listens on loopback, and tells the port in `port`. */
export interface SenderTask extends Stoppable {
  /** One word; 0 until the sender listens. */
  port: Int32Array<SharedArrayBuffer>;
  /** That each transfer fills a part of. */
  pages: number;
}

export interface ReceiverTask extends PinnerTask {
  port: Int32Array<SharedArrayBuffer>;
  /** Told of the transfers into pages of the data file. */
  transfers: Transfers;
}

export interface PinnerResult {
  taken: number;
  dmaBytes: number;
  words: number;
  missed: number;
}

/** Shared words of the deadlock scenario. */
export const JOURNAL_MUTEX = 0;
export const JOURNAL_STEP = 1;
export const JOURNAL_WORDS = 2;

export interface JournalTask extends Attached {
  journal: Int32Array<SharedArrayBuffer>;
  sourcePath: string;
  policy: 'bounce' | 'block';
  rounds: number;
  timeoutMs: number;
  firstSequence: number;
}

export interface JournalCallerResult {
  latenciesNs: number[];
  stuck: number;
  messages: string[];
  lies: number;
}

export interface JournalPinnerResult {
  threadId: number;
}

export type HitRow = 'kernel' | 'view' | 'pin' | 'update' | 'read';

/** What a hit's cost is measured of. */
export type HitVariant =
  | 'Map.get'
  | 'kernel pin + unpin'
  | 'viewSync'
  | 'Map.get + the same 8 bytes'
  | 'pinSync + unpin'
  | 'updateSync'
  | 'readSync'
  | 'fs.readSync'
  | 'lru-cache get + copy';

export interface HitTask extends Attached {
  row: HitRow;
  /** Has a second turn in each round. */
  second: HitVariant;
  /** A power of two. */
  pages: number;
  durationMs: number;
}

export interface HitResult {
  /** Nanoseconds an operation, one figure a round; figures at the same index are neighbours in time. */
  rounds: Partial<Record<HitVariant, number[]>>;
  /** Of the second turns. */
  again: number[];
  /** Of everything that was read: no loop could be optimised away. */
  checksum: number;
}

/** A stretch of time in which a role works as fast as it can, possibly beside others. */
export interface Window {
  startNs: number;
  durationMs: number;
}

export interface CommitCostTask extends Attached {
  barePath: string;
  durationMs: number;
}

/** Median µs of each block of commits; blocks at the same index are neighbours in time. */
export interface CommitCostResult {
  cachedUs: number[];
  cachedAgainUs: number[];
  bareUs: number[];
}

export interface StreamTask extends Stoppable {
  /** Null: bare fs. */
  handle: PageCacheHandle | null;
  path: string;
  bytes: number;
}

export interface StreamResult {
  elapsedMs: number;
  /** fsyncs that the writer had to make because the cache was full. */
  fullStops: number;
}

/** Operations at fixed times, whatever became of the one before. */
export interface OpenLoop extends Stoppable, Window {
  /** Threads of a role take turns. */
  thread: number;
  /** Fixed distance of intended starts. */
  intervalNs: number;
  /** From the intended start of each operation, nanoseconds; shared by the threads of the role, and with the main thread. */
  histogram: RecordableHistogram;
}

export interface OpenLoopResult {
  operations: number;
  /** When the last one ended. */
  lastEndNs: number;
  backlogMax: number;
  givenUp: number;
}

/** A role of the mixed scenario, for one of the threads that play it. */
export interface MixedTask extends Attached, OpenLoop {
  arm: MixedArm;
  /** All pages of the file, the most popular first. */
  popularity: Int32Array<SharedArrayBuffer>;
  /** Of what the DMA reads: page n is full of the byte n. */
  sourcePath: string;
  announced: Announced;
  seed: number;
}

export type MixedResult = OpenLoopResult;

export interface MixedViewerResult extends MixedResult {
  /** Views and reads that showed a record in pieces, or one older than what had returned before. */
  halves: number;
  older: number;
}

export interface MixedCallerResult extends MixedResult {
  lies: number;
  recordsOlder: number;
  dmaOlder: number;
  /** Records that the file held in pieces, and records that a read tore. */
  halves: number;
  passing: number;
}

export interface ToucherTask extends Stoppable {
  handle: MemoryCacheHandle;
  accesses: Int32Array<SharedArrayBuffer>;
  /** One word: the first access that no thread has taken. */
  next: Int32Array<SharedArrayBuffer>;
}

export interface ToucherResult {
  /** Accesses that this thread played. */
  touched: number;
  /** Views made again because the page changed under them, and views that showed another page. */
  again: number;
  wrong: number;
}
