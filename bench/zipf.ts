// Zipf distributions: few pages are wanted often, most of them rarely.
import { shuffle } from './random';

/** Ranks from 0 on; rank r comes with a probability proportional to (r + 1) ** −exponent. */
export function zipfRanks(ranks: number, exponent: number, random: () => number): () => number {
  const sums = new Float64Array(ranks);
  let sum = 0;
  for (let rank = 0; rank < ranks; rank++) {
    sum += (rank + 1) ** -exponent;
    sums[rank] = sum;
  }
  return () => {
    const drawn = random() * sum;
    let low = 0;
    let high = ranks - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! <= drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** The numbers of so many pages in an order by chance: by their popularity, say. */
export function permutation(pages: number, random: () => number): number[] {
  return shuffle(
    Array.from({ length: pages }, (_, page) => page),
    random,
  );
}
