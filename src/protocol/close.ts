// The end of a cache: every page leaves it, if nobody wants one any more.
import type { FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { Pool } from './effects';

/**
 * Says that the cache closes, so that nothing is brought in and nobody attaches, and takes every page out. False: somebody
 * pinned or wrote one since the last fsync; then the cache is open as before.
 */
export function emptyForGood(pool: Pool): boolean {
  const { control } = pool.kernel;
  control.setLife(L.LIFE_CLOSING);
  if (evictAll(pool)) return true;
  control.setLife(L.LIFE_OPEN);
  return false;
}

/** Takes every page out of the cache: false if one is pinned, dirty or being brought in. */
function evictAll({ kernel, geometry }: Pool): boolean {
  // A frame without identity is somebody's undo frame, or free.
  const holdsPage = (frame: number) => kernel.frameWord(frame as FrameId, L.FRAME_FILE) >= 0;
  for (let frame = 0; frame < geometry.frames; frame++) {
    if (holdsPage(frame) && kernel.control.evict(frame as FrameId) !== 1) return false;
  }
  // Who had begun to bring a page in when life was said to end gives it up, in a frame that was passed already.
  for (let frame = 0; frame < geometry.frames; frame++) if (holdsPage(frame)) return false;
  return true;
}

/** Whether a page is just being brought in: what its claim waits for is a read, which ends by itself. */
export function isFilling({ kernel, geometry }: Pool): boolean {
  for (let frame = 0; frame < geometry.frames; frame++) {
    if ((kernel.frameWord(frame as FrameId, L.FRAME_STATE) & L.CLAIMED) === 0) continue;
    if (kernel.frameWord(frame as FrameId, L.FRAME_FILE) >= 0) return true;
  }
  return false;
}
