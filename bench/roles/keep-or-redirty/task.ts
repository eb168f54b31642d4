// What the threads of the scenario are told, and what they tell one another.
//
//   pages 0 … 2P − 1     taken for DMA: two halves, pinned in turns, so that a page that was dropped stays free for a while
//   the next UPDATED     changed by updates
//
// Word 0 of a DMA page is the number of its last transfer, ascending over the whole run of the bench.
import { NS_PER_MS } from '../../clock';
import type { Attached, OpenLoop, OpenLoopResult, Window } from '../../tasks';

/** A page is taken for DMA once in so many ms, or once a hold if that is longer. */
const CYCLE_MS = 20;
export const CYCLE_NS = CYCLE_MS * NS_PER_MS;
/** While a page is pinned its device stores into it every so many ms. */
export const STORE_EVERY_NS = 10 * NS_PER_MS;
/** Batches of pages that are pinned, and dropped, together. */
export const GROUPS = 4;
/** Of the pins, those under which nothing comes: a read that fails, a buffer that waits for a message. */
export const IDLE_SHARE = 0.25;
/** Words of a page that a transfer stores. */
export const TRANSFER_WORDS = 128;
export const UPDATED_PAGES = 256;
export const UPDATE_RANGE = { offset: 1024, length: 64 };

type Words = Int32Array<SharedArrayBuffer>;

/** By DMA page: the last transfer that had been stored, and the last whose pin had dropped. */
export interface Transfers {
  stored: Words;
  dropped: Words;
}

interface Cell extends Attached, Window {
  /** Pinned at a time. */
  pinned: number;
  transfers: Transfers;
}

export interface KeepWriterTask extends Cell, OpenLoop {
  seed: number;
}

export interface KeepSyncerTask extends Cell, OpenLoop {}

export interface KeepSyncerResult extends OpenLoopResult {
  pages: number;
  bounced: number;
  /** Transfers whose pin had dropped before an fsync that was checked; and those that the file lacked after it. */
  checked: number;
  lies: number;
  /** Transfers into pages that stayed pinned over the whole of the fsync, and those that the file had after it. */
  live: number;
  liveCovered: number;
}

export interface KeepPinnerTask extends Cell {
  holdNs: number;
  /** Before it stores into a page again, the device pins it anew and drops the pin it has: what came before is then promised. */
  anew: boolean;
  firstTransfer: number;
  seed: number;
}

export interface KeepPinnerResult {
  /** Pins taken, and those of them under which nothing was stored. */
  pins: number;
  idle: number;
  /** Pins taken anew, beyond those. */
  anew: number;
  nextTransfer: number;
}

export interface KeepSamplerTask extends Cell {
  seed: number;
}

/** Sums over the samples. */
export interface KeepSamplerResult {
  samples: number;
  /** The gauges, as `stats()` has them. */
  dirty: number;
  pinnedDirty: number;
  writePins: number;
  /** Pages whose bytes differ from the store's. */
  truth: number;
  /** Dirty pages that don't, and clean ones that do, write-pinned or not. */
  falseDirty: number;
  falseClean: number;
  freeFalseClean: number;
  /** Looks at pages that changed meanwhile: left out. */
  unsettled: number;
  /** CPU time of the flusher threads; null where the system does not tell. */
  flusherCpuMs: number | null;
}
