// The store's barrier, and what its failure means.

import type { FileId, FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { io, type Pool, type Protocol, wait } from './effects';

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
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    if (control.flushTry(file) === 1) break;
    yield* wait(fileAt + L.FILE_WAKE, seq);
  }
  if (control.needsFlush(file) === 0) {
    control.flushRelease(file); // somebody's flush began after our writes, and succeeded
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
  let group = 0;
  for (;;) {
    group = control.redirtyUnstable(file, group);
    if (group < 0) break;
    const frame = kernel.out(0) as FrameId;
    if (control.prepareWait(frame, L.CLAIMED) === 1) {
      yield* wait(kernel.frameAt(frame) + L.FRAME_WAKE, kernel.out(0));
    }
  }
  control.flushFailed(file);
  return -result;
}
