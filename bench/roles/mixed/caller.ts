import { type CachedFile, PageCache } from 'pinfold';
import { fsyncSyncWith, fsyncWith } from '#harness';
import type { MixedCallerResult, MixedTask } from '../../tasks';
import { Arrivals } from '../arrivals';
import { openPlainFile } from '../plain-file';
import { MixedTruth } from './truth';

/** Calls fsync and compares the file with what had been announced before: thread 0 in place, the others by promise. */
export async function mixedCaller(task: MixedTask): Promise<MixedCallerResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const plain = openPlainFile(task.dataPath);
  const truth = new MixedTruth(plain, task.pages, task.announced);
  const sync = fsyncOf(task, file);
  try {
    let lies = 0;
    const arrivals = new Arrivals(task);
    while (arrivals.next()) {
      truth.note();
      await sync();
      arrivals.ended();
      if (!truth.holds()) lies++;
    }
    const { recordsOlder, dmaOlder, halves, passing } = truth;
    return { ...arrivals.result(), lies, recordsOlder, dmaOlder, halves, passing };
  } finally {
    plain.close();
    file.closeSync();
    cache.detach();
  }
}

function fsyncOf({ arm, thread }: MixedTask, file: CachedFile): () => unknown {
  const options = { policy: arm === 'skip' ? 'skip' : 'bounce' } as const;
  return thread === 0 ? () => fsyncSyncWith(file, options) : () => fsyncWith(file, options);
}
