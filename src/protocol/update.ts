// Opening an update of a page: the pin, the undo frame, UPDATING. What follows, up to the commit, is straight code of the
// caller (file.ts), because the user's function runs in it.
import { pinfoldError } from '../errors';
import { describeOwner, type FileId, type FrameId, type PinSlot, updaterOf } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Pool, type Protocol, wait } from './effects';
import { acquire, claimForSelf } from './fill';

/** Pins the page and sees to it that the next update has a frame for its before-image: the pin slot. */
export function* prepareUpdate(pool: Pool, file: FileId, index: number): Protocol<PinSlot> {
  const { control } = pool.kernel;
  const level = control.updateDepth();
  if (level < L.UPDATES && control.undoFrame(level) < 0) {
    yield* claimForSelf(pool, file, index);
    // Another call of this thread may have come first; then there is one already.
    if (control.undoFrame(level) < 0) control.keepUndoFrame(level);
    else control.abandonClaim();
  }
  return yield* acquire(pool, file, index, 'read');
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
  if (owner === undefined) return;
  throw pinfoldError(
    'ERR_PINFOLD_UPDATE_TIMEOUT',
    `update of page ${index} waited ${timeoutMs} ms for another update of it, by ${describeOwner(kernel, owner)}`,
  );
}
