// Lengths of holds: as long as one another, or by chance around the same mean.
import type { HoldShape } from './schema';

/** Of the bounded Pareto distribution: the smaller, the heavier the tail. */
const ALPHA = 1.5;
/** No hold is longer than so many times the mean. */
const CAP = 20;

/** Draws lengths with this mean, in its unit. */
export function holdsOf(shape: HoldShape, mean: number, random: () => number): () => number {
  switch (shape) {
    case 'fixed':
      return () => mean;
    case 'exponential':
      return () => -mean * Math.log(1 - random());
    case 'heavy': {
      const least = leastOf(CAP);
      const share = 1 - (least / CAP) ** ALPHA;
      return () => mean * least * (1 - random() * share) ** (-1 / ALPHA);
    }
  }
}

/** The least length of a bounded Pareto distribution with the mean 1 and the greatest length `cap`, by bisection: the mean grows with it. */
function leastOf(cap: number): number {
  let low = 0;
  let high = 1;
  for (let n = 0; n < 50; n++) {
    const middle = (low + high) / 2;
    if (meanOf(middle, cap) < 1) low = middle;
    else high = middle;
  }
  return high;
}

function meanOf(least: number, cap: number): number {
  const ratio = least / cap;
  return ((ALPHA / (ALPHA - 1)) * least * (1 - ratio ** (ALPHA - 1))) / (1 - ratio ** ALPHA);
}
