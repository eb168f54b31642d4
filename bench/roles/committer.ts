import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs, sleepUntil } from '../clock';
import { PAGE_BYTES } from '../files';
import type { CommitterTask, WindowResult } from '../tasks';

/** Closed loops in one thread, each on a page of its own: write the page, await fsync, again. */
export async function committer(task: CommitterTask): Promise<WindowResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  try {
    if (!sleepUntil(task.stop, task.startNs)) return { operations: 0 };
    const endNs = task.startNs + task.durationMs * NS_PER_MS;
    const callers = Array.from({ length: task.callers }, (_, i) =>
      commits(task, file, task.firstPage + i, endNs),
    );
    const counts = await Promise.all(callers);
    return { operations: counts.reduce((sum, count) => sum + count, 0) };
  } finally {
    file.closeSync();
    cache.detach();
  }
}

/** Commits of page `index` that ended by `endNs`. */
async function commits(task: CommitterTask, file: CachedFile, index: number, endNs: number): Promise<number> {
  const bytes = new Uint8Array(PAGE_BYTES);
  for (let count = 0; ; count++) {
    bytes.fill(count);
    file.writeSync(bytes, index * PAGE_BYTES);
    await file.fsync();
    if (nowNs() > endNs || isStopped(task.stop)) return count;
  }
}
