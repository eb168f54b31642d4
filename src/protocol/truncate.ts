// Cutting a file's end off. From the publication of the new size to the end nobody raises the size, writebacks write
// nothing beyond it, and fills beyond it wait; so the steps in between can be repeated by whoever recovers the thread that
// does them. Nothing is dropped before the system has cut the file: if it refuses, the old size comes back with every page.
import { ioError, type PinfoldError } from '../errors';
import { formatOf } from '../kernel/format';
import type { FileId, FrameId, OwnerId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import {
  type Answer,
  ask,
  endless,
  io,
  Patience,
  type Pool,
  type Protocol,
  type Request,
  requestKind,
  serviceClass,
} from './effects';
import { corruptError } from './fill';
import { beginUpdate, waitForUpdate } from './update';
import { waitForWriteback } from './writeback';

const low = (bytes: number) => bytes | 0;
const high = (bytes: number) => Math.floor(bytes / 2 ** 32);

/** What a truncate comes to if somebody updates the page that would be the last. */
const TAIL_BUSY = -1;

/**
 * Cuts the file to `size` bytes, if it has more: 0, or the errno of the system's refusal. TAIL_BUSY: to be tried again
 * after an update of the new last page. That is not waited for here: it takes as long as a user's function does, and
 * meanwhile neither the cut lock may be held nor a service thread be kept from what others have asked for.
 */
function* truncate(pool: Pool, file: FileId, size: number): Protocol<number> {
  const { kernel } = pool;
  const { control } = kernel;
  const fileAt = kernel.fileAt(file);
  const patience = new Patience(pool, 'another truncate of the file');
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    if (control.cutTry(file) === 1) break;
    yield* patience.wait(fileAt + L.FILE_WAKE, seq, () => kernel.load(fileAt + L.FILE_CUT_LOCK));
  }
  // 1. Whoever would extend the file zeroes its old last page first, by an update: UPDATING keeps that off, and writes to
  //    that page, until it is zeroed behind the new end.
  let tail = 0;
  try {
    if (size >= kernel.size(file)) {
      control.cutEnd(file, kernel.owner);
      return 0;
    }
    const index = tailOf(pool, file, size);
    if (index >= 0) tail = 1 + (yield* beginUpdate(pool, file, index, 0));
  } catch (error) {
    control.cutEnd(file, kernel.owner);
    if ((error as PinfoldError).code === 'ERR_PINFOLD_UPDATE_TIMEOUT') return TAIL_BUSY;
    throw error;
  }
  // 2. The new size is published.
  control.cutPublish(file, low(size), high(size), tail);
  return yield* finishCut(pool, file, kernel.owner);
}

/**
 * The page that has to be changed because it will hold the end: one that is cut in two; and with checksums any last page,
 * since its trailer is to tell the size, and may have the length from when the file ended there before. −1: none.
 */
function tailOf(pool: Pool, file: FileId, size: number): number {
  const { checksummed, payload } = formatOf(pool, file);
  if (checksummed) return Math.ceil(size / payload) - 1;
  return size % payload === 0 ? -1 : Math.floor(size / payload);
}

/** From the publication on: what `owner` (this one, or a dead one) has begun is done, or done again. It can't be given up. */
function* finishCut(pool: Pool, file: FileId, owner: OwnerId): Protocol<number> {
  const { kernel, geometry } = pool;
  const { control } = kernel;
  const { checksummed, payload } = formatOf(pool, file);
  const size = kernel.size(file);
  const first = Math.ceil(size / payload);
  // 3. A writeback that began before may write up to the old end, after which the file would have it again.
  for (const { frame } of pagesFrom(pool, file, Math.floor(size / payload))) {
    yield* waitForWriteback(pool, frame, endless);
  }
  // 4. The system cuts the file; one with checksums behind the last page, which is written whole afterwards.
  const stored = checksummed ? first * geometry.pageSize : size;
  const result = yield* io({ kind: 'resize', file, size: stored });
  if (result < 0) control.cutTakeBack(file);
  else {
    control.fileResized(file);
    // 5. The pages beyond leave the cache: those that somebody holds are orphans.
    for (const { index } of pagesFrom(pool, file, first)) control.cutOff(file, index | 0);
  }
  // 6. The last page is zeroed behind the end; or, if nothing was cut, dirty: a writeback may have left its end out.
  endTail(pool, owner, kernel.size(file));
  // 7. The size may be raised again.
  control.cutEnd(file, owner);
  return result < 0 ? -result : 0;
}

/** The file's pages in the cache from index `first` to where it ended before the cut. */
function* pagesFrom(
  pool: Pool,
  file: FileId,
  first: number,
): Generator<{ frame: FrameId; index: number }, undefined> {
  const { kernel, geometry } = pool;
  const { control } = kernel;
  const end = (kernel.fileWord(file, L.FILE_CUT_LO) >>> 0) + kernel.fileWord(file, L.FILE_CUT_HI) * 2 ** 32;
  const pages = Math.ceil(end / formatOf(pool, file).payload);
  if (pages - first < geometry.frames) {
    for (let index = first; index < pages; index++) {
      const frame = control.lookup(file, index | 0);
      if (frame >= 0) yield { frame, index };
    }
    return;
  }
  for (let from = 0; ; from++) {
    from = control.nextPageFrom(file, first | 0, from as FrameId);
    if (from < 0) return;
    const index = kernel.out(0) >>> 0;
    if (index < pages) yield { frame: from as FrameId, index };
  }
}

/** Zeroes the last page behind `size` under the update that `owner` has of it, and ends that update: it is dirty. */
function endTail(pool: Pool, owner: OwnerId, size: number): void {
  const { kernel, bytes } = pool;
  const { control } = kernel;
  const level = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;
  if (level < 0) return;
  const entry = kernel.rowAt(owner) + level * L.UPDATE_BYTES;
  if (kernel.load(entry + L.UPDATE_STAGE) === 0) return; // done, by who died after it
  const frame = kernel.frameOfUpdate(level, owner);
  const { payload } = formatOf(pool, kernel.frameWord(frame, L.FRAME_FILE) as FileId);
  const start = size - (kernel.frameWord(frame, L.FRAME_INDEX) >>> 0) * payload;
  const zeroes = start > 0 && start < payload;
  const offset = zeroes ? start : 0;
  const length = zeroes ? payload - start : 1;
  const published = kernel.load(entry + L.UPDATE_STAGE) === 2;
  if (!published) {
    const undo = (kernel.load(entry + L.UPDATE_UNDO) - 1) as FrameId;
    bytes.copyRange(frame, undo, offset, length);
    const range = (offset << 16) | (length - 1);
    if (owner === kernel.owner) control.updatePublish(range, 0, 0);
    else control.recoverPublish(owner, level, range);
  }
  const half = (kernel.frameWord(frame, L.FRAME_USEQ) & 1) !== 0;
  if (zeroes && half) bytes.zero(frame, start);
  if (owner === kernel.owner) control.updateCommit();
  else {
    if (half) control.recoverCommit(owner, level);
    control.recoverUpdate(owner, level);
  }
}

/** Ends the truncate that a dead owner had begun: done, if its size was published; else not. */
export function* recoverCut(pool: Pool, owner: OwnerId): Protocol<void> {
  const { kernel } = pool;
  const file = (kernel.rowWord(owner, L.ROW_CUT) - 1) as FileId;
  if (file < 0) return;
  if (kernel.fileWord(file, L.FILE_CUT_SEQ) & 1) yield* finishCut(pool, file, owner);
  else kernel.control.cutEnd(file, owner);
}

/** `truncate` for a request. */
export function* cut(pool: Pool, file: FileId, size: number): Protocol<Answer> {
  return [yield* truncate(pool, file, size), 0, 0, 0];
}

/** Asks for the cut. That the new last page is not the one that was written comes from a flusher without its place. */
function* askCut(pool: Pool, file: FileId, size: number, request: Request): Protocol<Answer> {
  try {
    return yield* ask(request, () => cut(pool, file, size));
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_CHECKSUM') throw error;
    throw corruptError(pool, file, tailOf(pool, file, size));
  }
}

/**
 * Has the file cut, by a flusher if the driver must not block. Waits here for updates of the new last page. Throws what
 * went wrong.
 */
export function* truncateByService(
  pool: Pool,
  file: FileId,
  size: number,
  path: string,
  timeoutMs: number,
): Protocol<void> {
  const service = serviceClass.flushers;
  const request: Request = { service, kind: requestKind.truncate, file, a: low(size), b: high(size) };
  const index = tailOf(pool, file, size);
  const end = performance.now() + timeoutMs;
  const what = `'${path}' could not be cut to ${size} bytes`;
  for (;;) {
    const [status] = yield* askCut(pool, file, size, request);
    if (status === 0) return;
    if (status !== TAIL_BUSY) throw ioError(what, status, 'ftruncate', path);
    const frame = pool.kernel.control.lookup(file, index | 0);
    if (frame >= 0) yield* waitForUpdate(pool, frame, index, end, timeoutMs);
  }
}
