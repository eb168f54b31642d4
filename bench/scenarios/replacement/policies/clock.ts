import type { MakePolicy } from './policy';

const FREE = -1;

/** CLOCK, second chance: one reference bit, clear when a page comes in (Corbató, "A paging experiment with the Multics system", 1968). */
export const clock: MakePolicy = (frames, pages) => {
  const frameOf = new Int32Array(pages).fill(FREE);
  const pageIn = new Int32Array(frames).fill(FREE);
  const used = new Uint8Array(frames);
  let hand = 0;
  return {
    touch(page) {
      const frame = frameOf[page]!;
      if (frame !== FREE) {
        used[frame] = 1;
        return true;
      }
      for (; used[hand] === 1; hand = (hand + 1) % frames) used[hand] = 0;
      const victim = pageIn[hand]!;
      if (victim !== FREE) frameOf[victim] = FREE;
      pageIn[hand] = page;
      frameOf[page] = hand;
      hand = (hand + 1) % frames;
      return false;
    },
  };
};
