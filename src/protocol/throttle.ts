// What keeps writers from filling the cache with pages that can't be reclaimed: dirty ones, and written ones that no flush
// has covered yet. Above `dirtyRatio` a writer cleans one batch itself; if it is flushes that are behind, it is slowed down.
// It waits for its own I/O, and a moment for a flusher's flush, never until that ends nor for a pin: so it can't deadlock, and
// is held up for no longer than a batch takes. Pinned pages don't count, since nobody can clean them.
import type { FileId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Answer, ask, type Pool, type Protocol, requestKind, serviceClass, wait } from './effects';
import { isResting, RETRY_MS } from './fill';
import { cleanablePages, writeBack } from './writeback';

/** How long a writer to whom flushes are behind is held up for each page, in ms: about what a disk takes for a batch. */
const SLOW_MS = 0.5;
/** A flusher flushes a file after so many pages at the most: more in one flush would hardly be written faster. */
const FLUSH_PAGES_MAX = 4096;

/** Whether more pages that could be cleaned are dirty than a share of the frames. */
export function overRatio({ kernel, geometry }: Pool, ratio: number): boolean {
  return kernel.control.cleanable() > ratio * geometry.frames;
}

/** The same with pages written to `file` since its last flush: they can't be reclaimed either. */
export function isPressed(pool: Pool, file: FileId, ratio: number): boolean {
  return pool.kernel.control.cleanable() + unflushed(pool, file) > ratio * pool.geometry.frames;
}

/** How many pages were written to the file since the last flush that succeeded began: one written twice counts twice. */
export function unflushed({ kernel }: Pool, file: FileId): number {
  return (kernel.fileWord(file, L.FILE_WRITES) - kernel.fileWord(file, L.FILE_WRITES_FLUSHED)) >>> 0;
}

/** After how many written pages a flusher flushes a file, so that writers need not wait for that: a quarter of their limit. */
export function pagesBetweenFlushes({ geometry, options }: Pool): number {
  return Math.max(1, Math.min(FLUSH_PAGES_MAX, Math.floor((options.dirtyRatio * geometry.frames) / 4)));
}

/** After how many pages that it dirties a writer looks at the limits: so often that these can't overshoot by much. */
export function pagesBetweenLooks({ geometry, options }: Pool): number {
  return Math.max(1, Math.min(64, Math.floor((options.dirtyRatio * geometry.frames) / 8)));
}

/**
 * What a writer to `file` above the limit does before it dirties another page: a batch is cleaned, in place or by a flusher;
 * or, where more pages wait for a flush than are dirty, it is held up for a moment. False if there was nothing to do. An error
 * is the file's, not the writer's.
 */
export function* throttle(pool: Pool, file: FileId): Protocol<boolean> {
  const { kernel, options } = pool;
  if (!overRatio(pool, options.dirtyRatio / 2) && !isResting(pool, file, kernel.load(L.HEADER_CLOCK))) {
    const wakeAt = kernel.fileAt(file) + L.FILE_WAKE;
    const seq = kernel.load(wakeAt);
    kernel.control.bump(L.COUNT_THROTTLES);
    kernel.control.askFlush(file);
    if (isPressed(pool, file, options.dirtyRatio)) yield* wait(wakeAt, seq, SLOW_MS);
    return true;
  }
  const request = { service: serviceClass.flushers, kind: requestKind.clean, file, a: 0, b: 0 } as const;
  const [cleaned] = yield* ask(request, () => cleanForWriter(pool, file));
  return cleaned === 1;
}

/**
 * Cleans one batch: of `file` if it has pages to clean, else of another file, the one that had some the last time first. [1] if
 * it found one.
 */
export function* cleanForWriter(pool: Pool, file: FileId): Protocol<Answer> {
  const { kernel } = pool;
  kernel.control.bump(L.COUNT_THROTTLES);
  if (yield* cleanBatch(pool, file)) return [1, 0, 0, 0];
  const first = kernel.cleanedLast;
  if (
    (yield* cleanOther(pool, file, first, pool.geometry.files)) ||
    (yield* cleanOther(pool, file, 0, first))
  ) {
    return [1, 0, 0, 0];
  }
  return [0, 0, 0, 0];
}

/** Cleans one batch of a file from `from` on and before `to`, other than `file`: false if none has pages to clean. */
function* cleanOther(pool: Pool, file: FileId, from: number, to: number): Protocol<boolean> {
  const { kernel } = pool;
  for (let next = from; ; next++) {
    const other = kernel.control.nextBusyFile(next, to, 0);
    if (other < 0) return false;
    if (other !== file && (yield* cleanBatch(pool, other))) {
      kernel.cleanedLast = other;
      return true;
    }
    next = other;
  }
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
