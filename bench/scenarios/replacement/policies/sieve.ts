import type { MakePolicy } from './policy';
import { Queue } from './queue';

const NONE = -1;
const ABSENT = 0;
const PRESENT = 1;
const VISITED = 2;

/** SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024, algorithm 1). */
export const sieve: MakePolicy = (frames, pages) => {
  const queue = new Queue(pages);
  const state = new Uint8Array(pages);
  let hand = NONE;
  const evict = () => {
    let page = hand === NONE ? queue.oldest : hand;
    while (state[page] === VISITED) {
      state[page] = PRESENT;
      page = queue.newer(page);
      if (page === NONE) page = queue.oldest;
    }
    hand = queue.newer(page);
    queue.remove(page);
    state[page] = ABSENT;
  };
  return {
    touch(page) {
      if (state[page] !== ABSENT) {
        state[page] = VISITED;
        return true;
      }
      if (queue.length === frames) evict();
      queue.push(page);
      state[page] = PRESENT;
      return false;
    },
  };
};
