// What keeps writers from filling the cache with dirty pages: above `dirtyRatio` a writer cleans a batch itself. It waits
// for its own I/O, never for a flusher or a pin, so it can't deadlock; pinned pages don't count, since nobody can clean them.
import type { FileId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Answer, ask, type Pool, type Protocol, requestKind, serviceClass } from './effects';
import { isResting, RETRY_MS } from './fill';
import { cleanablePages, writeBack } from './writeback';

/** Whether more pages that could be cleaned are dirty than a share of the frames. */
export function overRatio({ kernel, geometry }: Pool, ratio: number): boolean {
  return kernel.control.cleanable() > ratio * geometry.frames;
}

/** After how many pages that it dirties a writer looks at the limits: so often that these can't overshoot by much. */
export function pagesBetweenLooks({ geometry, options }: Pool): number {
  return Math.max(1, Math.min(64, Math.floor((options.dirtyRatio * geometry.frames) / 8)));
}

/**
 * One batch is cleaned for a writer to `file`, in place or by a flusher: false if there was nothing to clean. An error is the
 * file's, not the writer's.
 */
export function* throttle(pool: Pool, file: FileId): Protocol<boolean> {
  const request = { service: serviceClass.flushers, kind: requestKind.clean, file, a: 0, b: 0 } as const;
  const [cleaned] = yield* ask(request, () => cleanForWriter(pool, file));
  return cleaned === 1;
}

/** Cleans one batch: of `file` if it has pages to clean, else of another file. [1] if it found one. */
export function* cleanForWriter(pool: Pool, file: FileId): Protocol<Answer> {
  pool.kernel.control.bump(L.COUNT_THROTTLES);
  if (yield* cleanBatch(pool, file)) return [1, 0, 0, 0];
  for (let other = 0; other < pool.geometry.files; other++) {
    if (other !== file && (yield* cleanBatch(pool, other as FileId))) return [1, 0, 0, 0];
  }
  return [0, 0, 0, 0];
}

/** Cleans one batch of the file: false if it has nothing to clean, or failed lately. */
function* cleanBatch(pool: Pool, file: FileId): Protocol<boolean> {
  const { kernel, geometry, references } = pool;
  const { control } = kernel;
  if (kernel.fileWord(file, L.FILE_REFS) < 0 || control.nextDirtyGroup(file, 0) < 0) return false;
  const now = kernel.load(L.HEADER_CLOCK);
  if (isResting(pool, file, now) || !references.retain(file)) return false;
  try {
    const pages = cleanablePages(pool, file, geometry.stagingPages);
    if (pages.length === 0) return false;
    const { errno } = yield* writeBack(pool, file, pages, 'skip', 1);
    if (errno !== 0) control.noteError(file, errno, now + RETRY_MS);
    return true;
  } finally {
    if (references.release(file)) control.ring(serviceClass.files);
  }
}
