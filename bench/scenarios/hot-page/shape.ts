// What the scenario hot-page finds.
import type { Verdict } from '../../report/figure';
import { fields, list, nullable, oneOf } from '../../shape';
import { ROUNDS_RATIO, type RoundsRatio } from '../group-commit/shape';

/** `view` of a byte, `pin` for reading and unpin, `update` of 64 bytes, `read` of the whole page. */
export const HOT_OPERATIONS = ['view', 'pin', 'update', 'read'] as const;
export type HotOperation = (typeof HOT_OPERATIONS)[number];

export interface HotPageCell {
  operation: HotOperation;
  threads: number;
  /** Of all threads together. */
  millionsPerSecond: number;
  /** ÷ those of one thread in the same round; null where that is this cell, or no round was whole. */
  ratio: RoundsRatio | null;
  /** One thread, once more in each round, ÷ one thread. */
  control: number | null;
  bar: number | null;
  verdict: Verdict;
}

export interface HotPageTruth {
  /** Changes of the page's record while it was viewed. */
  changes: number;
  views: number;
  /** Of those: that showed half a change, or a record older than one whose change had returned before. */
  torn: number;
  older: number;
}

export interface HotPageResult {
  /** Of the machine: with more threads than these no bar applies. */
  cores: number;
  windowMs: number;
  rounds: number;
  cells: HotPageCell[];
  /** The record changed by update. */
  updates: HotPageTruth;
  /** The same stores through a write pin: must be seen by halves. */
  stores: HotPageTruth;
}

const TRUTH = fields({ changes: 'number', views: 'number', torn: 'number', older: 'number' });

export const HOT_PAGE = fields({
  cores: 'number',
  windowMs: 'number',
  rounds: 'number',
  cells: list(
    fields({
      operation: oneOf(...HOT_OPERATIONS),
      threads: 'number',
      millionsPerSecond: 'number',
      ratio: nullable(ROUNDS_RATIO),
      control: nullable('number'),
      bar: nullable('number'),
      verdict: oneOf('ok', 'short', 'no verdict', 'none'),
    }),
  ),
  updates: TRUTH,
  stores: TRUTH,
});
