// Touches the pages of a hot set at random, at a fixed rate, and counts those that are not there any more.
import { PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import type { HotResult, HotTask } from './task';

/** Touches between two looks at the clock. */
const BATCH = 32;
const COUNTING = 1;
const ENDING = 2;

export function coldHot(task: HotTask): HotResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.path, { mode: 'r', access: 'random' });
  let touches = 0;
  let misses = 0;
  let random = 1;
  try {
    const startNs = nowNs();
    let made = 0;
    for (;;) {
      const phase = Atomics.load(task.phase, 0);
      if (phase === ENDING || isStopped(task.stop)) return { touches, misses };
      for (let n = 0; n < BATCH; n++) {
        random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
        const index = (random >>> 8) % task.pages;
        const page = file.tryPin(index);
        if (page === undefined) file.pinSync(index).unpin();
        else page.unpin();
        if (phase !== COUNTING) continue;
        touches++;
        if (page === undefined) misses++;
      }
      made += BATCH;
      const dueMs = (made / task.perSecond) * 1e3 - (nowNs() - startNs) / NS_PER_MS;
      if (dueMs > 0) Atomics.wait(task.phase, 0, phase, dueMs);
    }
  } finally {
    file.closeSync();
    cache.detach();
  }
}
