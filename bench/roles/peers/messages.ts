// What the bench, a peer's process and that process's threads tell one another.
import type { PageCacheHandle } from 'pinfold';
import type { Mode, StoreName } from './arms';

/** A stretch of time of the clock that all processes share, ns. */
export interface Block {
  startNs: number;
  endNs: number;
}

export interface OpenParams {
  store: StoreName;
  mode: Mode;
  path: string;
  pages: number;
}

export interface ThreadData extends OpenParams {
  /** Of the process's cache, if the store is pinfold's. */
  handle: PageCacheHandle | null;
  /** Whether the thread reads a page before anything else. */
  readFirst: boolean;
}

/** What a thread says first. */
export interface Ready {
  /** When it was ready, or had read, ns. */
  readyNs: number;
  /** What it read. */
  sum: number;
}

export interface ReadsParams {
  whole: boolean;
  blocks: Block[];
  /** Every thread begins with another read. */
  thread: number;
}
export interface ReadsResult {
  /** By block. */
  reads: number[];
  elapsedNs: number[];
}

/** What reads were compared with what was written. */
export interface Checked {
  checked: number;
  wrong: number;
  /** Whether the planted page was told from the right one. */
  plantedSeen: boolean;
}

export interface CommitsParams {
  blocks: Block[];
  firstCommit: number;
}
export interface CommitsResult {
  /** By block, ns. */
  latenciesNs: number[][];
  /** Caches of the disk that were flushed meanwhile, whoever asked for it; null where the system does not count them. */
  flushes: number | null;
  /** By page: the last commit that returned. */
  written: Int32Array;
}

export interface VerifyParams {
  written: Int32Array;
}

/** Of a thread that was made to read one page. */
export interface StartResult {
  /** From `new Worker` to the page's bytes. */
  elapsedMs: number;
  checked: Checked;
}

/** What a thread can be asked for, once it has opened its store. */
export interface ThreadTasks {
  /** Makes the store, which none is open on yet. */
  layOut(params: { store: StoreName }): Promise<null>;
  /** Reads each page once. */
  fill(params: null): Promise<null>;
  /** Draws the reads to come, which takes a while. */
  draw(params: { seed: number }): Promise<null>;
  reads(params: ReadsParams): Promise<ReadsResult>;
  check(params: { whole: boolean; seed: number }): Promise<Checked>;
  commits(params: CommitsParams): Promise<CommitsResult>;
  verify(params: VerifyParams): Promise<Checked>;
  close(params: null): Promise<null>;
}
export type TaskName = keyof ThreadTasks;

/** What a process can be asked for. */
export interface ProcessCalls {
  /** Starts threads that open the store. */
  open(params: OpenParams & { threads: number }): Promise<null>;
  /** Has as many threads as there are params do a task, all at once; the results in their order. */
  play(params: { task: TaskName; each: unknown[] }): Promise<unknown[]>;
  /** Bytes of memory that the process has, what it maps more than once counted once. */
  memory(params: null): Promise<number>;
  /** Makes one thread more, which opens the store that `open` named, reads a page, and ends. */
  start(params: { seed: number }): Promise<StartResult>;
  /** The CPU time that it took, µs. */
  close(params: null): Promise<{ user: number; system: number }>;
}

export interface Request {
  id: number;
  name: string;
  params: unknown;
}
export type Reply = { id: number; result: unknown } | { id: number; error: string };
