// What the report holds of this scenario.
import { LATENCY, type Latency } from '../../histogram';
import { fields, nullable } from '../../shape';

/**
 * `keepAgain` is the same as `keep`, in other runs: how far identical arms drift apart (A/A control). `redirtyAnew`: as `redirty`, with a
 * device that pins a page anew, and drops the pin it had, before it stores into it again.
 */
export const MODES = ['keep', 'redirty', 'keepAgain', 'redirtyAnew'] as const;
export type Mode = (typeof MODES)[number];

/** One share of pinned pages at one hold, under both modes. */
export interface KeepOrRedirtyCell {
  /** Nominal: of the pages that an fsync has to write where a hold is longer than an fsync is apart from the next. */
  pinnedShare: number;
  holdMs: number;
  /** Pages pinned at a time. */
  pinnedPages: number;
  /** Runs of each mode, in turns, and what they took together. */
  runs: number;
  modes: Record<Mode, ModeFigures>;
}

export interface ModeFigures {
  /** Measured, over all runs. */
  seconds: number;
  /** Pages that the flusher came to clean and found pinned. */
  vainVisitsPerSecond: number;
  /** Pages written, by whomever, and those of them that were copies of pinned pages. */
  writtenPerSecond: number;
  bouncedPerSecond: number;
  bytesPerSecond: number;
  /** Pins under which something was stored, which each make one page worth writing; and those under which nothing was. */
  transfersPerSecond: number;
  idlePinsPerSecond: number;
  /** Pins taken anew on pages that stayed pinned. */
  pinnedAnewPerSecond: number;
  updatesPerSecond: number;
  gauge: GaugeFigures;
  /** Of an update, from when it was due. */
  writer: Latency;
  /** Batches that the writer, or the pinner, had to clean itself. */
  throttlesPerSecond: number;
  /** Of an fsync, from when it was due. */
  fsync: Latency;
  pagesPerFsync: number | null;
  bouncedPerFsync: number | null;
  /** CPU time of the flusher; null where the system does not tell. */
  flusherCpuMsPerSecond: number | null;
  truth: {
    /** Transfers whose pin had dropped before an fsync, and those that the file lacked after it. */
    checked: number;
    lies: number;
    /** Transfers under pins that were live all through an fsync, and those that the file had after it: promised of neither. */
    live: number;
    liveCovered: number;
    /** Clean pages without a write pin that differed from the file. */
    lost: number;
  };
}

/** Pages, the mean over samples. */
interface GaugeFigures {
  samples: number;
  /** What `stats()` says. */
  dirty: number;
  pinnedDirty: number;
  writePins: number;
  /** Pages whose bytes differ from the file's. */
  truth: number;
  /** Dirty pages whose bytes are the file's, and clean ones whose bytes are not. */
  falseDirty: number;
  falseClean: number;
  /** Pages that changed while they were looked at: in neither. */
  unsettled: number;
}

const MODE_FIGURES = fields({
  seconds: 'number',
  vainVisitsPerSecond: 'number',
  writtenPerSecond: 'number',
  bouncedPerSecond: 'number',
  bytesPerSecond: 'number',
  transfersPerSecond: 'number',
  idlePinsPerSecond: 'number',
  pinnedAnewPerSecond: 'number',
  updatesPerSecond: 'number',
  gauge: fields({
    samples: 'number',
    dirty: 'number',
    pinnedDirty: 'number',
    writePins: 'number',
    truth: 'number',
    falseDirty: 'number',
    falseClean: 'number',
    unsettled: 'number',
  }),
  writer: LATENCY,
  throttlesPerSecond: 'number',
  fsync: LATENCY,
  pagesPerFsync: nullable('number'),
  bouncedPerFsync: nullable('number'),
  flusherCpuMsPerSecond: nullable('number'),
  truth: fields({ checked: 'number', lies: 'number', live: 'number', liveCovered: 'number', lost: 'number' }),
});

export const KEEP_OR_REDIRTY_CELL = fields({
  pinnedShare: 'number',
  holdMs: 'number',
  pinnedPages: 'number',
  runs: 'number',
  modes: fields({
    keep: MODE_FIGURES,
    redirty: MODE_FIGURES,
    keepAgain: MODE_FIGURES,
    redirtyAnew: MODE_FIGURES,
  }),
});
