// Opening an update of a page: the pin, the undo frame, UPDATING. What follows, up to the commit, is straight code of the
// caller (file.ts), because the user's function runs in it.
import { type PinfoldError, pinfoldError } from '../errors';
import { formatOf } from '../kernel/format';
import { describeOwner, type FileId, type FrameId, type PinSlot, updaterOf } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Pool, type Protocol, type Waiting, wait } from './effects';
import { about } from './failure';
import { acquire, claimForSelf } from './fill';

/** How long at a time to wait for HOLD when the caller's own time is over, in ms. */
const HOLD_WAIT_MS = 1;

/** Pins the page and sees to it that the next update has a frame for its before-image: the pin slot. */
export function* prepareUpdate(
  pool: Pool,
  file: FileId,
  index: number,
  extending: boolean,
): Protocol<PinSlot> {
  const { control } = pool.kernel;
  const level = control.updateDepth();
  if (level === L.UPDATES) throw updateError(L.TOO_DEEP, index); // before a page is brought in for nothing
  if (control.undoFrame(level) < 0) {
    yield* claimForSelf(pool, file, index);
    // Another call of this thread may have come first; then there is one already.
    if (control.undoFrame(level) < 0) control.keepUndoFrame(level);
    else control.abandonClaim();
  }
  return yield* acquire(pool, file, index, 'read', extending);
}

/** Waits until the page's update, or its HOLD, has ended. Throws ERR_PINFOLD_UPDATE_TIMEOUT, naming the updater. */
export function* waitForUpdate(
  pool: Pool,
  frame: FrameId,
  index: number,
  end: number,
  timeoutMs: number,
): Protocol<void> {
  const { kernel } = pool;
  if (kernel.control.prepareWait(frame, L.UPDATING | L.HOLD) !== 1) return;
  const seq = kernel.out(0);
  const left = end - performance.now();
  if (left > 0) {
    yield* wait(kernel.frameAt(frame) + L.FRAME_WAKE, seq, left);
    return;
  }
  const owner = updaterOf(kernel, frame);
  if (owner === undefined) {
    // HOLD, for the length of a copy; but its holder may have died, which nobody notices who does not sleep.
    yield* wait(kernel.frameAt(frame) + L.FRAME_WAKE, seq, HOLD_WAIT_MS);
    return;
  }
  const error = pinfoldError(
    'ERR_PINFOLD_UPDATE_TIMEOUT',
    `update of page ${index} waited ${timeoutMs} ms for another update of it, by ${describeOwner(kernel, owner)}`,
  );
  throw about(error, owner + 1);
}

/**
 * Pins the page and takes UPDATING, in place: the update's level. The kernel's OUT[1] tells whether the page has write
 * pins. Throws ERR_PINFOLD_UPDATE_TIMEOUT, ERR_PINFOLD_REENTRANT, ERR_PINFOLD_CALLBACK (too deep).
 */
export function* beginUpdate(
  pool: Pool,
  file: FileId,
  index: number,
  timeoutMs: number,
  extending = false,
): Protocol<number> {
  const { kernel } = pool;
  const end = performance.now() + timeoutMs;
  for (;;) {
    const slot = yield* prepareUpdate(pool, file, index, extending);
    let status = kernel.control.updateBegin(slot);
    try {
      while (status === L.BUSY) {
        yield* waitForUpdate(pool, kernel.out(0) as FrameId, index, end, timeoutMs);
        status = kernel.control.updateBegin(slot);
      }
    } finally {
      if (status < 0) kernel.control.unpin(slot, 0);
    }
    if (status >= 0) return status;
    if (status !== L.GONE) throw updateError(status, index);
    // Cut off by a truncate since the lookup: what the page is now is looked up again.
  }
}

/** The error for an update status that no waiting mends. */
export function updateError(status: number, index: number): PinfoldError {
  if (status === L.REENTRANT) return reentrant('update', index);
  return pinfoldError('ERR_PINFOLD_CALLBACK', `updates nest ${L.UPDATES} deep at the most`);
}

export function reentrant(what: string, index: number): PinfoldError {
  return pinfoldError(
    'ERR_PINFOLD_REENTRANT',
    `${what} of page ${index} inside an update of it by the same thread`,
  );
}

/** Waits until no truncate of the file is under way: it had made a size final that the caller wanted to raise. */
export function* waitForCut(pool: Pool, file: FileId, patience: Waiting): Protocol<void> {
  const { kernel } = pool;
  const fileAt = kernel.fileAt(file);
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    if ((kernel.load(fileAt + L.FILE_CUT_SEQ) & 1) === 0) return;
    yield* patience.wait(fileAt + L.FILE_WAKE, seq, () => kernel.load(fileAt + L.FILE_CUT_LOCK));
  }
}

/**
 * Before page `index` is put behind the last one of a file that was opened with a torn end: whether the last page is good now.
 * False if `index` is within the file. Throws ERR_PINFOLD_CHECKSUM if the end is torn still: behind it nobody could tell where
 * the file had ended. Once good it stays so, since a truncate needs the page that it makes the last, and a write comes here.
 */
export function* isEndGood(pool: Pool, file: FileId, index: number, patience: Waiting): Protocol<boolean> {
  const { kernel } = pool;
  const seqAt = kernel.fileAt(file) + L.FILE_CUT_SEQ;
  const { payload } = formatOf(pool, file);
  for (;;) {
    const seq = kernel.load(seqAt);
    if ((seq & 1) !== 0) {
      yield* waitForCut(pool, file, patience); // it may be refused: then the end is where it was
      continue;
    }
    const last = Math.ceil(kernel.size(file) / payload) - 1;
    if (index <= last) return false;
    if (last < 0) return true;
    try {
      kernel.control.unpin(yield* acquire(pool, file, last, 'read'), 0);
    } catch (error) {
      if (kernel.load(seqAt) === seq) throw error;
    }
    if (kernel.load(seqAt) === seq) return true;
  }
}
