import type { MakePolicy } from './policy';
import { Queue } from './queue';

/** Share of the frames for the small queue; the ghosts are as many as the main queue has frames. */
const SMALL_SHARE = 0.1;
const COUNT_MAX = 3;
/** Touches after which a page goes from the small queue to main. */
const PROMOTED_AFTER = 2;
const NOWHERE = 0;
const SMALL = 1;
const MAIN = 2;
const GHOST = 3;

/** S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023, algorithm 1). */
export const s3Fifo: MakePolicy = (frames, pages) => {
  const smallMost = Math.max(1, Math.floor(frames * SMALL_SHARE));
  const mainMost = Math.max(1, frames - smallMost);
  const queues = Array.from({ length: 4 }, () => new Queue(pages));
  const [, small, main, ghosts] = queues as [Queue, Queue, Queue, Queue];
  const place = new Uint8Array(pages);
  const count = new Uint8Array(pages);
  const put = (page: number, where: number) => {
    queues[where]!.push(page);
    place[page] = where;
  };
  const evictMain = () => {
    for (;;) {
      const page = main.shift();
      if (count[page] === 0) {
        place[page] = NOWHERE;
        return;
      }
      count[page]!--;
      main.push(page);
    }
  };
  /** Until a page of the small queue is out, or none is in it. */
  const evictSmall = () => {
    while (small.length > 0) {
      const page = small.shift();
      if (count[page]! < PROMOTED_AFTER) {
        put(page, GHOST);
        if (ghosts.length > mainMost) place[ghosts.shift()] = NOWHERE;
        return;
      }
      count[page] = 0;
      put(page, MAIN);
      if (main.length > mainMost) evictMain();
    }
  };
  return {
    touch(page) {
      const at = place[page]!;
      if (at === SMALL || at === MAIN) {
        count[page] = Math.min(COUNT_MAX, count[page]! + 1);
        return true;
      }
      if (at === GHOST) ghosts.remove(page);
      while (small.length + main.length >= frames) {
        if (small.length > 0 && (small.length >= smallMost || main.length === 0)) evictSmall();
        else evictMain();
      }
      count[page] = 0;
      put(page, at === GHOST ? MAIN : SMALL);
      return false;
    },
  };
};
