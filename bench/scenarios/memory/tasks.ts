// The messages between the main thread and the roles of the memory scenario.
import type { PageCacheHandle } from 'pinfold';
import type { StopWord } from '../../clock';

export const POOL_PARTS = 64;

interface Stoppable {
  stop: StopWord;
}

/** A cache and a file of it. */
export interface Arm {
  handle: PageCacheHandle;
  path: string;
}

export interface PoolHitsTask extends Stoppable {
  under: Arm;
  over: Arm;
  /** Hot pages of each file: a power of two. */
  pages: number;
  durationMs: number;
}

export interface PoolHitsResult {
  /** ns a hit, one figure a round: neighbours in time at the same index. */
  under: number[];
  underAgain: number[];
  over: number[];
  /** The same of the loads alone that a hit makes. */
  loadsUnder: number[];
  loadsOver: number[];
  /** Data memories of `over` in which its hot pages are. */
  hotMemories: number;
  /** And in how many of POOL_PARTS equal parts of it. */
  hotParts: number;
  checksum: number;
}

export interface DirtyFsyncTask extends Stoppable, Arm {
  /** Null: no bare writes beside it. */
  barePath: string | null;
  counts: number[];
  /** For each count. */
  durationMs: number;
}

export interface DirtyFsyncResult {
  /** µs, by count; neighbours in time at the same index. Empty if the pool has not so many frames. */
  fsyncUs: number[][];
  bareUs: number[][];
}

export interface OpenFilesTask extends Stoppable {
  under: Arm;
  over: Arm;
  durationMs: number;
}

/** µs, neighbours in time at the same index. */
export interface OpenFilesResult {
  fsyncSync: Turns;
  fsync: Turns;
  miss: Turns;
}

export interface Turns {
  under: number[];
  underAgain: number[];
  over: number[];
}
