// The messages between the main thread, the threads that stay, and the workers that come and go.
//
//   pages of the file   0 .. STEADY_PAGES-1               records, by update of the thread that stays
//   then for each slot  one page                          record, by update of the slot's worker
//                       two pages, one after the other    record, stored through a write pin
import type { RecordableHistogram } from 'node:perf_hooks';
import type { PageCacheHandle } from 'pinfold';
import type { StopWord } from '../../clock';
import type { Attached, OpenLoop } from '../../tasks';
import type { SteadyRole } from './shape';

export const STEADY_PAGES = 32;
/** Workers at a time. */
export const SLOTS = 2;
const PAGES_A_SLOT = 3;
export const CHURN_PAGES = STEADY_PAGES + SLOTS * PAGES_A_SLOT;

export const updatedPageOf = (slot: number): number => STEADY_PAGES + slot * PAGES_A_SLOT;
export const storedPageOf = (slot: number, turn: number): number => updatedPageOf(slot) + 1 + (turn % 2);

/** When each arm is on: blocks, in which the first part does not count, so that no arm pays for the one before. */
export interface ChurnBlocks {
  startNs: Float64Array;
  lengthNs: number;
  settleNs: number;
  arm: Uint8Array;
}

export interface SteadyTask extends Attached, OpenLoop {
  role: SteadyRole;
  barePath: string;
  blocks: ChurnBlocks;
  /** One an arm, ns. */
  histograms: RecordableHistogram[];
  /** By page: the last sequence whose update has returned. */
  returned: Int32Array<SharedArrayBuffer>;
  seed: number;
}

/** Words that all workers add to. */
export const VISIT_COMMITS = 0;
export const VISIT_CHECKED = 1;
export const VISIT_LIES = 2;
export const VISIT_WORDS = 3;

/** What a worker gets as its `workerData`. */
export interface VisitorTask {
  /** Null: a bystander, which leaves the cache alone. */
  handle: PageCacheHandle | null;
  stop: StopWord;
  dataPath: string;
  slot: number;
  /** When it was made. */
  bornNs: number;
  /** ns from then to its first view. */
  firstHit: RecordableHistogram;
  /** Rounds of update, pin and fsync before it goes by itself. */
  rounds: number;
  policy: 'bounce' | 'skip';
  /** Sequences of this worker are above those of all before it. */
  firstSequence: number;
  visits: Int32Array<SharedArrayBuffer>;
  /** By page of the file: the sequence that an fsync has promised; 0 while the page is being stored into. */
  promised: Int32Array<SharedArrayBuffer>;
}

/** What it says once it has viewed a page; a bystander once it runs. */
export const ARRIVED = 'arrived';
