// The store's barrier, and what its failure means.

import type { FileId, FrameId, OwnerId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { endless, io, Patience, type Pool, type Protocol } from './effects';

/**
 * Makes stable what was written to the file before the call: 0, or an errno. One flush of a file runs at a time, through
 * one open file description: of two that overlap over a failing disk one hears the error and the other is told all is
 * well. A failed flush makes every unstable page dirty again before its lock is given back: Linux marks such pages
 * clean, so the next flush would succeed without them.
 */
export function* flush(pool: Pool, file: FileId): Protocol<number> {
  const { kernel } = pool;
  const { control } = kernel;
  const fileAt = kernel.fileAt(file);
  const patience = new Patience(pool, 'another flush of the file');
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    if (control.flushTry(file) === 1) break;
    yield* patience.wait(fileAt + L.FILE_WAKE, seq, () => kernel.load(fileAt + L.FILE_FLUSH_LOCK));
  }
  if (control.needsFlush(file) === 0) {
    control.flushRelease(file, kernel.owner); // somebody's flush began after our writes, and succeeded
    return 0;
  }
  const number = control.flushBegin(file);
  const writes = kernel.out(0);
  const result = yield* io({ kind: 'flush', file });
  if (result === 0) {
    control.flushDone(file, number, writes);
    return 0;
  }
  control.flushFailing(file, -result);
  yield* redirty(pool, file);
  control.flushFailed(file, kernel.owner);
  return -result;
}

/** Makes every unstable page of the file dirty again, with the flush lock held and `failSeq` odd: it can't be given up. */
function* redirty(pool: Pool, file: FileId): Protocol<void> {
  const { kernel } = pool;
  const { control } = kernel;
  let group = 0;
  for (;;) {
    group = control.redirtyUnstable(file, group);
    if (group < 0) return;
    const frame = kernel.out(0) as FrameId;
    if (control.prepareWait(frame, L.CLAIMED) === 1) {
      yield* endless.wait(kernel.frameAt(frame) + L.FRAME_WAKE, kernel.out(0), () => 0);
    }
  }
}

/**
 * Ends the flush that a dead owner had begun. Nobody knows whether the system reported an error to it, and it reports each
 * once: so the flush counts as failed, without an errno, and what it should have covered is written again.
 */
export function* recoverFlush(pool: Pool, owner: OwnerId): Protocol<void> {
  const { kernel } = pool;
  const { control } = kernel;
  const file = (kernel.rowWord(owner, L.ROW_FLUSH) - 1) as FileId;
  if (file < 0) return;
  if ((kernel.fileWord(file, L.FILE_FAIL_SEQ) & 1) === 0) {
    if (kernel.fileWord(file, L.FILE_BEGUN) === kernel.fileWord(file, L.FILE_FLUSHED)) {
      control.flushRelease(file, owner); // it had not begun
      return;
    }
    control.flushFailing(file, 0);
  }
  yield* redirty(pool, file);
  control.flushFailed(file, owner);
}
