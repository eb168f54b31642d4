// The messages between the main thread and the committers.
import type { RecordableHistogram } from 'node:perf_hooks';
import type { Barrier } from '../../barrier';
import type { Attached } from '../../tasks';
import type { Windows } from '../../windows';

/** `skip`: a control, whose fsync passes the callers' pages over. `bare`: write + fdatasync without the cache, by one caller. */
export interface CommitArm {
  kind: 'fsync' | 'skip' | 'bare';
  threads: number;
  callers: number;
}

/** Each caller of a thread has a page of its own; each thread has room for so many. */
export const CALLERS_MAX = 64;

export interface CommitterTask extends Attached {
  barePath: string;
  /** Which of the threads this is; it has a part in the arms that have more threads than that. */
  thread: number;
  arms: CommitArm[];
  barrier: Barrier;
  windows: Windows;
  /** One an arm, ns; shared by all threads. */
  histograms: RecordableHistogram[];
}

export interface CommitterResult {
  /** By window: commits that ended within it, and all; flushes of the store meanwhile. */
  inTime: number[];
  commits: number[];
  flushes: number[];
  /** By arm. */
  checked: number[];
  lies: number[];
}
