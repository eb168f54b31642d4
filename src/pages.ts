import { describeOwner, type FileId, type FrameId, type Kernel } from './kernel/kernel';
import * as L from './kernel/layout';
import { pathOf } from './kernel/path';

export interface PinInfo {
  /** Who holds it: kind of thread, `threadId`, OS thread. */
  readonly owner: string;
  readonly mode: 'read' | 'write';
}

/** A page in the cache, as of a moment. */
export interface PageInfo {
  /** The file's path as the system knows it now. */
  readonly file: string;
  readonly index: number;
  readonly dirty: boolean;
  readonly writeback: boolean;
  /** Being brought in, or taken from its page. */
  readonly claimed: boolean;
  readonly pins: readonly PinInfo[];
  /** Ms since the page became dirty, by a clock that flushers move on; 0 if it is clean. */
  readonly ageMs: number;
}

/** Pins by frame, over all owners. */
function livePins(kernel: Kernel): Map<FrameId, PinInfo[]> {
  const pins = new Map<FrameId, PinInfo[]>();
  for (const owner of kernel.owners()) {
    for (const { frame, mode } of kernel.pinsOf(owner)) {
      const list = pins.get(frame) ?? [];
      list.push({ owner: describeOwner(kernel, owner), mode });
      pins.set(frame, list);
    }
  }
  return pins;
}

/** Every page in the cache. Each is of its own moment: threads go on while it is iterated. */
export function* pagesOf(kernel: Kernel, nowMs: number): Generator<PageInfo, undefined> {
  const pins = livePins(kernel);
  const paths = new Map<FileId, string>();
  const frames = kernel.load(L.HEADER_FRAMES);
  for (let id = 0; id < frames; id++) {
    const frame = id as FrameId;
    const file = kernel.frameWord(frame, L.FRAME_FILE) as FileId;
    const state = kernel.frameWord(frame, L.FRAME_STATE);
    if (file < 0 || (state & (L.VALID | L.CLAIMED)) === 0) continue;
    let path = paths.get(file);
    if (path === undefined) {
      path = pathOf(kernel, file);
      paths.set(file, path);
    }
    const dirty = (state & L.DIRTY) !== 0;
    yield {
      file: path,
      index: kernel.frameWord(frame, L.FRAME_INDEX) >>> 0,
      dirty,
      writeback: (state & L.WRITEBACK) !== 0,
      claimed: (state & L.CLAIMED) !== 0,
      pins: pins.get(frame) ?? [],
      ageMs: dirty ? Math.max(0, nowMs - kernel.frameWord(frame, L.FRAME_DIRTIED_AT)) : 0,
    };
  }
}
