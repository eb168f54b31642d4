import type { MakePolicy } from './policy';
import { Queue } from './queue';

/** Shares of the frames: pages that came in once; the most of their names kept after they went. As the paper advises. */
const IN_SHARE = 0.25;
const OUT_SHARE = 0.5;
const NOWHERE = 0;
const IN = 1;
const MAIN = 2;
const OUT = 3;

/** 2Q, full version (Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm", VLDB 1994). */
export const twoQueue: MakePolicy = (frames, pages) => {
  const inMost = Math.max(1, Math.floor(frames * IN_SHARE));
  const outMost = Math.max(1, Math.floor(frames * OUT_SHARE));
  const queues = [new Queue(0), new Queue(pages), new Queue(pages), new Queue(pages)] as const;
  const [, once, main, out] = queues;
  const place = new Uint8Array(pages);
  const put = (page: number, where: 1 | 2 | 3) => {
    queues[where].push(page);
    place[page] = where;
  };
  const reclaim = () => {
    if (once.length + main.length < frames) return;
    if (once.length > inMost || main.length === 0) {
      put(once.shift(), OUT);
      if (out.length > outMost) place[out.shift()] = NOWHERE;
    } else place[main.shift()] = NOWHERE;
  };
  return {
    touch(page) {
      const at = place[page];
      if (at === MAIN) {
        main.remove(page);
        main.push(page);
      }
      if (at === MAIN || at === IN) return true;
      if (at === OUT) out.remove(page); // before room is made, which might forget it
      reclaim();
      put(page, at === OUT ? MAIN : IN);
      return false;
    },
  };
};
