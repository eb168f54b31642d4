// What the scenario group-commit finds.
import { LATENCY, type Latency } from '../../histogram';
import type { Verdict } from '../../report/figure';
import { fields, list, nullable, oneOf } from '../../shape';

/** Ratios of neighbours in time: median and quartiles. */
export interface RoundsRatio {
  median: number;
  q1: number;
  q3: number;
}

/** So many callers, each in a closed loop: write a page of its own, await fsync, again. */
export interface GroupCommitCell {
  threads: number;
  /** Of all threads together. */
  callers: number;
  commitsPerSecond: number;
  /** Of one commit, from before its write. */
  latency: Latency;
  /** Flushes of the store while it ran, a commit. */
  flushesPerCommit: number | null;
  /** Commits a second ÷ those of one caller in the same round; null where that is this cell, or no round was whole. */
  ratio: RoundsRatio | null;
  bar: number | null;
  verdict: Verdict;
  truth: CommitTruth;
}

export interface CommitTruth {
  /** Commits after which the caller's page was read from the file itself. */
  checked: number;
  /** Those that the file lacked. */
  lies: number;
}

export interface GroupCommitResult {
  windowMs: number;
  /** That count: the first one does not. */
  rounds: number;
  cells: GroupCommitCell[];
  /** One caller, once more in each round, ÷ one caller. */
  control: number | null;
  /** A bare write + fdatasync of a page, over and over, in the same rounds. */
  floor: { commitsPerSecond: number; latency: Latency };
  /** Callers whose fsync passes their pages over: must be seen to lie. */
  skip: CommitTruth;
}

const TRUTH = fields({ checked: 'number', lies: 'number' });

export const ROUNDS_RATIO = fields({ median: 'number', q1: 'number', q3: 'number' });

export const GROUP_COMMIT = fields({
  windowMs: 'number',
  rounds: 'number',
  cells: list(
    fields({
      threads: 'number',
      callers: 'number',
      commitsPerSecond: 'number',
      latency: LATENCY,
      flushesPerCommit: nullable('number'),
      ratio: nullable(ROUNDS_RATIO),
      bar: nullable('number'),
      verdict: oneOf('ok', 'short', 'no verdict', 'none'),
      truth: TRUTH,
    }),
  ),
  control: nullable('number'),
  floor: fields({ commitsPerSecond: 'number', latency: LATENCY }),
  skip: TRUTH,
});
