// Costs of a hit. Each row runs in a thread of its own: what the compiler learned from one row must not slow down the next.
import { type CachedFile, PageCache } from 'pinfold';
import { kernelOf } from '#harness';
import { interleave } from '../interleave';
import type { HitResult, HitRow, HitTask } from '../tasks';
import {
  type Closers,
  fsReadSync,
  HITS,
  type HitCost,
  lruGet,
  mapGet,
  mapGetView,
  pinSync,
  readSync,
  SEED,
  updateSync,
  viewSync,
} from './hit-loops';

const VARIANTS: Record<HitRow, (file: CachedFile, task: HitTask, closers: Closers) => HitCost[]> = {
  kernel: (file, task) => [mapGet(task), kernelPin(file, task)],
  view: (file, task) => [mapGet(task), viewSync(file, task), mapGetView(task)],
  pin: (file, task) => [mapGet(task), pinSync(file, task)],
  update: (file, task) => [pinSync(file, task), updateSync(file, task), kernelPin(file, task)],
  read: (file, task, closers) => [readSync(file, task), fsReadSync(task, closers), lruGet(task)],
};

/** Runs one row over `pages` hot pages. */
export function hits(task: HitTask): HitResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const closers: Closers = [() => file.closeSync(), () => cache.detach()];
  try {
    for (let page = 0; page < task.pages; page++) file.pinSync(page).unpin();
    return interleave(VARIANTS[task.row](file, task, closers), task.durationMs, task.stop, task.second);
  } finally {
    for (const close of closers) close();
  }
}

function kernelPin(file: CachedFile, { pages }: HitTask): HitCost {
  const kernel = kernelOf(file);
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'kernel pin + unpin',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        const slot = kernel.pin(x & mask);
        if (slot < 0) throw new Error(`the kernel did not pin page ${x & mask}: status ${slot}`);
        kernel.unpin(slot);
        sum += slot;
      }
      return sum;
    },
  };
}
