// What the scenario puts into the report.
import { fields, list, oneOf, type Shape } from '../../shape';
import { PEER_NAMES, type PeerName } from './policies';

/** One trace in a cache of one size. Ratios are hits ÷ accesses after the warm-up, from 0 to 1. */
export interface ReplacementCell {
  trace: string;
  accesses: number;
  /** Accesses before the ones that count. */
  warmup: number;
  /** Pages that may come back. */
  footprint: number;
  /** The cache's size as a share of the footprint that was aimed at, and in pages. */
  size: number;
  frames: number;
  pinfold: number;
  peers: Record<PeerName, number>;
  /** Pinfold less the best of the peers, and less LRU. */
  toBest: number;
  toLru: number;
  /** Whether the aim is reached: near the best at the size where that is asked, never far below LRU. */
  verdict: 'ok' | 'short';
  queues: QueueCounts;
  truth: ReplacementTruth;
}

/** Over the whole trace, in pages. */
interface QueueCounts {
  fills: number;
  /** Put on probation: what is missing from the fills went to main at once, because of its ghost. */
  admitted: number;
  /** Remembered when they were taken. */
  ghosted: number;
}

/** What must hold whatever the policy. */
export interface ReplacementTruth {
  /** Views that showed another page than was asked for. */
  wrongPages: number;
  /** Hits and misses as the kernel counts them, less the accesses and the views made again. */
  unaccounted: number;
  /** Misses less fills: pages that another thread brought in meanwhile. With one thread 0. */
  unfilled: number;
  /** More pages than frames. */
  overfull: number;
}

/** One trace, played by several threads at once, each its part of it. */
export interface ReplacementThreads {
  trace: string;
  frames: number;
  threads: number;
  ratio: number;
  /** Less the ratio of one thread. */
  toOne: number;
  /** Views that had to be made again because the page changed under them. */
  again: number;
  truth: ReplacementTruth;
}

/** The control: the real kernel with its hand alone, and with its queues. */
interface ReplacementControl {
  trace: string;
  frames: number;
  handAlone: number;
  queues: number;
}

export interface Replacement {
  seed: number;
  cells: ReplacementCell[];
  threads: ReplacementThreads[];
  control: ReplacementControl[];
}

const TRUTH = fields({
  wrongPages: 'number',
  unaccounted: 'number',
  unfilled: 'number',
  overfull: 'number',
});

const PEER_RATIOS: Record<string, Shape> = Object.fromEntries(PEER_NAMES.map((name) => [name, 'number']));

export const REPLACEMENT = fields({
  seed: 'number',
  cells: list(
    fields({
      trace: 'string',
      accesses: 'number',
      warmup: 'number',
      footprint: 'number',
      size: 'number',
      frames: 'number',
      pinfold: 'number',
      peers: fields(PEER_RATIOS),
      toBest: 'number',
      toLru: 'number',
      verdict: oneOf('ok', 'short'),
      queues: fields({ fills: 'number', admitted: 'number', ghosted: 'number' }),
      truth: TRUTH,
    }),
  ),
  threads: list(
    fields({
      trace: 'string',
      frames: 'number',
      threads: 'number',
      ratio: 'number',
      toOne: 'number',
      again: 'number',
      truth: TRUTH,
    }),
  ),
  control: list(fields({ trace: 'string', frames: 'number', handAlone: 'number', queues: 'number' })),
});
