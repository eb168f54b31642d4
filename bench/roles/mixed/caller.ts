import { type CachedFile, PageCache } from 'pinfold';
import { fsyncSyncWith, fsyncWith } from '#harness';
import { createRandom } from '../../random';
import type { MixedCallerResult, MixedTask } from '../../tasks';
import { Arrivals } from '../arrivals';
import { openPlainFile } from '../plain-file';
import { MixedTruth } from './truth';

/** Calls fsync and compares the file with what had been announced before: thread 0 in place, the others by promise. */
export async function mixedCaller(task: MixedTask): Promise<MixedCallerResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const plain = openPlainFile(task.dataPath);
  const truth = new MixedTruth(plain, task.announced, task.popularity, createRandom(task.seed));
  const sync = fsyncOf(task, file);
  try {
    let lies = 0;
    const arrivals = new Arrivals(task);
    truth.note();
    while (arrivals.next()) {
      truth.noteHead();
      await sync();
      arrivals.ended();
      if (!truth.holds()) lies++;
      truth.note();
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
