import { PageCache } from 'pinfold';
import { createRandom } from '../../random';
import type { OpenLoopResult } from '../../tasks';
import { Arrivals } from '../arrivals';
import { type KeepWriterTask, UPDATE_RANGE, UPDATED_PAGES } from './task';

/** Updates random pages that nobody pins, at fixed times: what it waits for beyond that is the throttle. */
export function keepWriter(task: KeepWriterTask): OpenLoopResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const random = createRandom(task.seed);
  const first = 2 * task.pinned;
  try {
    file.prefetchSync(first, UPDATED_PAGES);
    const arrivals = new Arrivals(task);
    for (let n = 0; arrivals.next(); n++) {
      file.updateSync(first + Math.floor(random() * UPDATED_PAGES), fill, task.seed + n, UPDATE_RANGE);
      arrivals.ended();
    }
    return arrivals.result();
  } finally {
    file.closeSync();
    cache.detach();
  }
}

function fill(bytes: Uint8Array, n: number): void {
  new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(n);
}
