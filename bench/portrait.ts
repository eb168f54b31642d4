// One cell over time, for the eye: when fsyncs were due and when they ended, when pages were pinned, and the state of each page meanwhile.
// It is drawn in a run of its own, beside the ones that are measured: looking at pages costs time.
import { fields, list, oneOf } from './shape';

/** The state of a page at one look. */
export const PAGE_LOOKS = ['clean', 'dirty', 'pinned', 'pinned dirty', 'writeback', 'not cached'] as const;
export type PageLook = (typeof PAGE_LOOKS)[number];

/** All times are milliseconds from the start. */
export interface Portrait {
  policy: 'bounce' | 'block' | 'skip';
  pinnedDirty: 'keep' | 'redirty';
  holdMs: number;
  durationMs: number;
  /** By due time: when each was due, and how long from then until it ended. */
  fsyncs: { dueMs: number; latencyMs: number }[];
  /** When the pages that fsync writes were pinned. */
  holds: { startMs: number; endMs: number }[];
  /** Looks at the pages of the file, one after another. */
  looks: {
    atMs: number[];
    pages: number;
    /** One a look: a digit for each page, an index into PAGE_LOOKS. */
    states: string[];
  };
}

export const PORTRAIT = fields({
  policy: oneOf('bounce', 'block', 'skip'),
  pinnedDirty: oneOf('keep', 'redirty'),
  holdMs: 'number',
  durationMs: 'number',
  fsyncs: list(fields({ dueMs: 'number', latencyMs: 'number' })),
  holds: list(fields({ startMs: 'number', endMs: 'number' })),
  looks: fields({ atMs: list('number'), pages: 'number', states: list('string') }),
});
