import type { MakePolicy } from './policy';
import { Queue } from './queue';

/** Least recently used. */
export const lru: MakePolicy = (frames, pages) => {
  const queue = new Queue(pages);
  const cached = new Uint8Array(pages);
  return {
    touch(page) {
      if (cached[page] === 1) {
        if (queue.newest !== page) {
          queue.remove(page);
          queue.push(page);
        }
        return true;
      }
      if (queue.length === frames) cached[queue.shift()] = 0;
      queue.push(page);
      cached[page] = 1;
      return false;
    },
  };
};
