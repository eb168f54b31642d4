import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, NS_PER_US, nowNs } from '../../clock';
import { PAGE_BYTES } from '../../files';
import type { Arm, OpenFilesResult, OpenFilesTask, Turns } from '../../scenarios/memory/tasks';

const turns = (): Turns => ({ under: [], underAgain: [], over: [] });

/** What a commit and a miss take in two caches, in turns; and once more in the one: two identical arms. */
export async function openFiles(task: OpenFilesTask): Promise<OpenFilesResult> {
  const under = opened(task.under);
  const over = opened(task.over);
  const result: OpenFilesResult = { fsyncSync: turns(), fsync: turns(), miss: turns() };
  try {
    for (const what of ['fsyncSync', 'fsync', 'miss'] as const) {
      const measure = MEASURES[what];
      for (const arm of [under, over]) await measure(arm.file, 0);
      const endNs = nowNs() + (task.durationMs * NS_PER_MS) / 3;
      for (let round = 1; nowNs() < endNs && !isStopped(task.stop); round++) {
        const { under: a, underAgain: b, over: c } = result[what];
        a.push(await measure(under.file, 3 * round));
        c.push(await measure(over.file, 3 * round + 1));
        b.push(await measure(under.file, 3 * round + 2));
      }
    }
    return result;
  } finally {
    under.close();
    over.close();
  }
}

function opened({ handle, path }: Arm) {
  const cache = PageCache.attach(handle);
  const file = cache.openSync(path, { mode: 'r+', access: 'random' });
  return {
    file,
    close() {
      file.closeSync();
      cache.detach();
    },
  };
}

const timed = async (work: () => unknown): Promise<number> => {
  const startNs = nowNs();
  await work();
  return (nowNs() - startNs) / NS_PER_US;
};

/** µs of one operation; `n` is another one each time. */
const MEASURES = {
  async fsyncSync(file: CachedFile, n: number) {
    file.writeSync(Uint8Array.of(n), 0);
    const startNs = nowNs();
    file.fsyncSync();
    return (nowNs() - startNs) / NS_PER_US;
  },
  async fsync(file: CachedFile, n: number) {
    file.writeSync(Uint8Array.of(n), 0);
    return await timed(() => file.fsync());
  },
  /** Of a page that was never there: the file is longer than the pool. */
  async miss(file: CachedFile, n: number) {
    const index = 1 + ((Math.imul(n, 7_919) >>> 0) % (Math.floor(file.size / PAGE_BYTES) - 1));
    return await timed(() => file.view(index, (bytes) => bytes[0]));
  },
};
