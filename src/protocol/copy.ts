// Copies of a page that never show half an update, without waiting for one.
import type { FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { Pool } from './effects';

/** Copies part of a frame's page to where the copy is wanted. */
export type CopyPart = (from: FrameId, offset: number, length: number) => void;

/** Tries before a copy for writeback keeps updates from beginning. */
const FREE_TRIES = 4;
/** Copies that may fail under HOLD: an update that had begun may publish, and commit. */
const HELD_TRIES = 3;

/**
 * One copy of the page that a pin, claim or writeback keeps in `frame`: true if it is whole. If an update has its bytes
 * half changed, its published before-image is laid over them. Equal useq before and after: neither page nor before-image
 * changed hands meanwhile. Bytes under a live write pin may mix; no sequence tells of them.
 */
export function copyWhole(pool: Pool, frame: FrameId, part: CopyPart): boolean {
  const { kernel } = pool;
  const useq = kernel.frameWord(frame, L.FRAME_USEQ);
  part(frame, 0, pool.geometry.pageSize);
  if (useq & 1) {
    const updater = kernel.frameWord(frame, L.FRAME_UPDATER);
    const entry = kernel.rowAt((updater >>> 3) - 1) + (updater & 7) * L.UPDATE_BYTES;
    const range = kernel.load(entry + L.UPDATE_RANGE);
    const undo = (kernel.load(entry + L.UPDATE_UNDO) - 1) as FrameId;
    const offset = range >>> 16;
    const length = (range & 0xffff) + 1;
    // All of this is the update's only if useq stood still; till that is known, nonsense must not be followed.
    if (undo < 0 || offset + length > pool.geometry.pageSize) return false;
    part(undo, offset, length);
  }
  return kernel.frameWord(frame, L.FRAME_USEQ) === useq;
}

/** A whole copy, whatever updates do: for the holder of the page's writeback. HOLD is never kept across I/O. */
export function copyForWriteback(pool: Pool, frame: FrameId, part: CopyPart): void {
  for (let n = 0; n < FREE_TRIES; n++) if (copyWhole(pool, frame, part)) return;
  const { control } = pool.kernel;
  control.hold(frame);
  try {
    for (let n = 0; n < HELD_TRIES; n++) if (copyWhole(pool, frame, part)) return;
    throw new Error(`no whole copy of frame ${frame} under HOLD`);
  } finally {
    control.unhold(frame);
  }
}
