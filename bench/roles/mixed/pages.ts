import { createRandom } from '../../random';
import type { MixedTask } from '../../tasks';
import { zipfRanks } from '../../zipf';

/** As of YCSB's workloads. */
const EXPONENT = 0.99;

/** Draws pages, the popular ones often. */
export function drawPages({ popularity, seed }: Pick<MixedTask, 'popularity' | 'seed'>): () => number {
  const rank = zipfRanks(popularity.length, EXPONENT, createRandom(seed));
  return () => popularity[rank()];
}
