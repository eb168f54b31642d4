// What a dead owner held is given back. Each step may have been done before, by a recoverer that died too.
import { formatOf } from '../kernel/format';
import type { FileId, FrameId, OwnerId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Pool, type Protocol, serviceClass } from './effects';
import { recoverFlush } from './flush';
import { recoverCut } from './truncate';

/**
 * Recovers an owner whose row this thread has taken over (`recoverBegin`): true if its row is free. False: a service
 * thread still works for it; everything that others may wait for is given back, the rest is for a later call.
 */
export function* recover(pool: Pool, owner: OwnerId): Protocol<boolean> {
  const { kernel } = pool;
  const { control } = kernel;
  // Updates first: while their pins hold the pages. That of a truncate's last page belongs to the truncate.
  const cutting = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;
  for (let level = 0; level < L.UPDATES; level++) if (level !== cutting) settleUpdate(pool, owner, level);
  const claim = (kernel.rowWord(owner, L.ROW_CLAIM) - 1) as FrameId;
  const claimed = (claim < 0 ? -1 : kernel.frameWord(claim, L.FRAME_FILE)) as FileId;
  control.recoverClaim(owner);
  control.recoverWritebacks(owner);
  control.recoverRound(owner);
  yield* recoverFlush(pool, owner);
  yield* recoverCut(pool, owner);
  if (cutting >= 0) settleUpdate(pool, owner, cutting);
  control.recoverPins(owner);
  control.dropUndoFrames(owner);
  control.freeOrphans();
  if (control.recoverRequests(owner) !== 1) {
    control.recoverPause(owner);
    return false;
  }
  if (claimed >= 0) dropBeyondOf(pool, claimed); // it may have died in here, recovering another
  if (!dropBeyond(pool, owner)) {
    control.recoverPause(owner);
    return false;
  }
  for (const file of [...kernel.filesOf(owner)]) {
    if (control.fileRelease(file, owner) === 0) control.ring(serviceClass.files);
  }
  control.recoverEnd(owner);
  return true;
}

/**
 * Pages past their file's end were brought in by writes that were to extend it, and go with those. Which of them were a dead
 * owner's is written nowhere until it pins them; a living one brings in again what it misses. False: this thread is in the
 * middle of a fill, and can take no other frame.
 */
function dropBeyond(pool: Pool, owner: OwnerId): boolean {
  const { kernel, geometry } = pool;
  const shift = Math.log2(geometry.pageSize);
  for (let from = 0; ; from++) {
    from = kernel.control.nextPageBeyond(owner, from as FrameId, shift);
    if (from < 0) return true;
    if (!isBeyond(pool, from as FrameId)) continue;
    if (!evict(pool, from as FrameId)) return false;
  }
}

/** The kernel reckons with whole pages, which have more bytes than a payload: so it finds those that are beyond, and others. */
function isBeyond(pool: Pool, frame: FrameId): boolean {
  const { kernel } = pool;
  const file = kernel.frameWord(frame, L.FRAME_FILE) as FileId;
  const index = kernel.frameWord(frame, L.FRAME_INDEX) >>> 0;
  return file >= 0 && index * formatOf(pool, file).payload >= kernel.size(file);
}

/** The same for one file. */
function dropBeyondOf(pool: Pool, file: FileId): void {
  const { kernel } = pool;
  const first = Math.ceil(kernel.size(file) / formatOf(pool, file).payload);
  for (let from = 0; ; from++) {
    from = kernel.control.nextPageFrom(file, first | 0, from as FrameId);
    if (from < 0 || !evict(pool, from as FrameId)) return;
  }
}

/** Takes a page that is clean out of the cache: nothing is lost should it be within its file by now. False: not now. */
function evict({ kernel }: Pool, frame: FrameId): boolean {
  if (kernel.rowWord(kernel.owner, L.ROW_CLAIM) !== 0) return false;
  kernel.control.evict(frame);
  return true;
}

/** Undoes a dead owner's update that was not committed, completes one that was. */
function settleUpdate({ kernel, bytes }: Pool, owner: OwnerId, level: number): void {
  const { control } = kernel;
  const entry = kernel.rowAt(owner) + level * L.UPDATE_BYTES;
  const stage = kernel.load(entry + L.UPDATE_STAGE);
  if (stage === 0) return;
  const frame = kernel.frameOfUpdate(level, owner);
  if (stage === 2 && (kernel.frameWord(frame, L.FRAME_USEQ) & 1) !== 0) {
    const range = kernel.load(entry + L.UPDATE_RANGE);
    const undo = kernel.load(entry + L.UPDATE_UNDO) - 1;
    bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);
    control.recoverUndone(owner, level);
  }
  control.recoverUpdate(owner, level);
}
