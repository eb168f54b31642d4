import { PageCache } from 'pinfold';
import { NS_PER_MS, nowNs, sleepUntil, spinUntil } from '../clock';
import type { ViewerTask, WindowResult } from '../tasks';

const HOT_PAGE = 0;
/** Views between two looks at the clock. */
const BATCH = 4_096;
/** Views this long before the window, ms: the compiler must be done when it starts. */
const WARMUP_MS = 15;

function firstByte(bytes: Uint8Array, at: number): number {
  return bytes[at];
}

/** Views one hot page as fast as it can: optimistic reads must not slow one another down. */
export function viewer(task: ViewerTask): WindowResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const viewUntil = (endNs: number): number => {
    let views = 0;
    let sum = 0;
    while (nowNs() < endNs) {
      for (let i = 0; i < BATCH; i++) sum += file.viewSync(HOT_PAGE, firstByte, 0);
      views += BATCH;
    }
    return Number.isNaN(sum) ? Number.NaN : views;
  };
  try {
    if (!sleepUntil(task.stop, task.startNs - WARMUP_MS * NS_PER_MS)) return { operations: 0 };
    viewUntil(task.startNs - NS_PER_MS);
    spinUntil(task.startNs);
    return { operations: viewUntil(task.startNs + task.durationMs * NS_PER_MS) };
  } finally {
    file.closeSync();
    cache.detach();
  }
}
