// One of the threads that play a trace at once. Each takes the next few accesses of it, so that together they play it in its
// order: parts of their own would drift apart with the scheduler, and a part of a loop is a shorter loop.
import { attachMemoryCache } from '#harness';
import { isStopped } from '../clock';
import type { ToucherResult, ToucherTask } from '../tasks';

/** Accesses taken at a time. */
const STRETCH = 16;

export function toucher({ handle, accesses, next, stop }: ToucherTask): ToucherResult {
  const cache = attachMemoryCache(handle);
  try {
    let touched = 0;
    while (!isStopped(stop)) {
      const from = Atomics.add(next, 0, STRETCH);
      const to = Math.min(from + STRETCH, accesses.length);
      if (from >= to) break;
      for (let i = from; i < to; i++) cache.touch(accesses[i]!);
      touched += to - from;
    }
    return { touched, again: cache.again, wrong: cache.wrong };
  } finally {
    cache.detach();
  }
}
