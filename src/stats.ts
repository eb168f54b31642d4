import type { Kernel } from './kernel/kernel';
import * as L from './kernel/layout';
import type { Timings } from './timings';

/** Gauges and counters, over all threads. */
export interface CacheCounts {
  /** Frames in the pool; each holds one page. */
  frames: number;
  /** Frames that hold a page. */
  resident: number;
  /** Pages newer than the store. */
  dirty: number;
  /** Of those: write-pinned. */
  pinnedDirty: number;
  /** Pages being written to the store now. */
  writeback: number;
  /** Pages written, not yet covered by a successful flush. */
  unstable: number;
  /** Live pins, by mode. */
  readPins: number;
  writePins: number;
  /** Attached threads, service threads included. */
  owners: number;

  /** Lookups that found their page, and that did not. */
  hits: number;
  misses: number;
  /** Pages brought in; and frames taken from other pages for that. */
  fills: number;
  reclaims: number;
  /** Of the fills: pages brought in ahead of a reader, by readahead. */
  readahead: number;
  /** Times that a clean page became dirty. */
  dirtied: number;
  /** Pages written from a copy while they were write-pinned. */
  bounced: number;
  /** Times that a flusher came to a dirty page in vain, because it was write-pinned. */
  skippedPinned: number;
  writtenPages: number;
  flushes: number;
  /** Calls of fsync that ended well. */
  fsyncs: number;
  /** Times that a writer had to clean pages itself. */
  throttles: number;
  /** Pinned frames cut off by truncate. */
  orphans: number;
  /** Failed writes and flushes. */
  errors: number;
}

export interface CacheStats extends CacheCounts {
  /** How long things took, as histograms. */
  timings: Timings;
}

/** Sums one word of every row: rows of dead and departed owners keep their share. */
function sum(kernel: Kernel, field: number): number {
  const rows = kernel.load(L.HEADER_ROWS);
  let total = 0;
  for (let owner = 0; owner < rows; owner++) total += kernel.rowWord(owner, field);
  return total;
}

/** Sums a 64-bit counter over the rows. */
function sumCounter(kernel: Kernel, field: number): number {
  const rows = kernel.load(L.HEADER_ROWS);
  let total = 0;
  for (let owner = 0; owner < rows; owner++) {
    total += (kernel.rowWord(owner, field) >>> 0) + kernel.rowWord(owner, field + 4) * 2 ** 32;
  }
  return total;
}

export function countsOf(kernel: Kernel): CacheCounts {
  let readPins = 0;
  let writePins = 0;
  let owners = 0;
  for (const owner of kernel.owners()) {
    owners++;
    for (const { mode } of kernel.pinsOf(owner)) mode === 'write' ? writePins++ : readPins++;
  }
  return {
    frames: kernel.load(L.HEADER_FRAMES),
    resident: sum(kernel, L.GAUGE_RESIDENT),
    dirty: sum(kernel, L.GAUGE_DIRTY),
    pinnedDirty: sum(kernel, L.GAUGE_PINNED_DIRTY),
    writeback: sum(kernel, L.GAUGE_WRITEBACK),
    unstable: kernel.control.countUnstable(),
    readPins,
    writePins,
    owners,
    hits: sumCounter(kernel, L.COUNT_HITS),
    misses: sumCounter(kernel, L.COUNT_MISSES),
    fills: sumCounter(kernel, L.COUNT_FILLS),
    reclaims: sumCounter(kernel, L.COUNT_RECLAIMS),
    readahead: sumCounter(kernel, L.COUNT_READAHEAD),
    dirtied: sumCounter(kernel, L.COUNT_DIRTIED),
    bounced: sumCounter(kernel, L.COUNT_BOUNCED),
    skippedPinned: sumCounter(kernel, L.COUNT_SKIPPED),
    writtenPages: sumCounter(kernel, L.COUNT_WRITTEN),
    flushes: sumCounter(kernel, L.COUNT_FLUSHES),
    fsyncs: sumCounter(kernel, L.COUNT_FSYNCS),
    throttles: sumCounter(kernel, L.COUNT_THROTTLES),
    orphans: sumCounter(kernel, L.COUNT_ORPHANS),
    errors: sumCounter(kernel, L.COUNT_ERRORS),
  };
}
