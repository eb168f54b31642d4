import type { MakePolicy } from './policy';
import { Queue } from './queue';

const NOWHERE = 0;
/** Touched once, touched again; their ghosts. */
const T1 = 1;
const T2 = 2;
const B1 = 3;
const B2 = 4;

/** ARC (Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003, figure 4). */
export const arc: MakePolicy = (frames, pages) => {
  const queues = Array.from({ length: 5 }, () => new Queue(pages));
  const [, t1, t2, b1, b2] = queues as [Queue, Queue, Queue, Queue, Queue];
  const place = new Uint8Array(pages);
  let target = 0; // of T1: `p` in the paper
  const move = (page: number, to: number) => {
    const from = place[page]!;
    if (from !== NOWHERE) queues[from]!.remove(page);
    if (to !== NOWHERE) queues[to]!.push(page);
    place[page] = to;
  };
  const replace = (wasInB2: boolean) => {
    const fromT1 = t1.length > 0 && (t1.length > target || (wasInB2 && t1.length === target));
    if (fromT1 || t2.length === 0) move(t1.oldest, B1);
    else move(t2.oldest, B2);
  };
  return {
    touch(page) {
      switch (place[page]) {
        case T1:
        case T2:
          move(page, T2);
          return true;
        case B1:
          target = Math.min(frames, target + Math.max(1, Math.floor(b2.length / b1.length)));
          replace(false);
          move(page, T2);
          return false;
        case B2:
          target = Math.max(0, target - Math.max(1, Math.floor(b1.length / b2.length)));
          replace(true);
          move(page, T2);
          return false;
      }
      if (t1.length + b1.length >= frames) {
        if (t1.length < frames) {
          move(b1.oldest, NOWHERE);
          replace(false);
        } else move(t1.oldest, NOWHERE);
      } else if (t1.length + t2.length + b1.length + b2.length >= frames) {
        if (t1.length + t2.length + b1.length + b2.length >= 2 * frames) move(b2.oldest, NOWHERE);
        replace(false);
      }
      move(page, T1);
      return false;
    },
  };
};
