import { describeOwner, type FileId, type FrameId, type Kernel, updaterOf } from './kernel/kernel';
import * as L from './kernel/layout';
import { pathOf } from './kernel/path';
import type { Traces } from './traces';

export interface PinInfo {
  /** Who holds it: kind of thread, `threadId`, OS thread. */
  readonly owner: string;
  readonly mode: 'read' | 'write';
  /** With `trace`: the stack that took it. Pins that the cache takes for a moment, for calls of its own, have none. */
  readonly stack?: string;
}

/** A page in the cache, as of a moment. */
export interface PageInfo {
  /** The frame that holds it, from 0 to `stats().frames` - 1. */
  readonly frame: number;
  /** The file's path as the system knows it now. */
  readonly file: string;
  readonly index: number;
  readonly dirty: boolean;
  readonly writeback: boolean;
  /** Written, and not covered yet by a flush that succeeded. */
  readonly unstable: boolean;
  /** Being brought in, or taken from its page. */
  readonly claimed: boolean;
  /** Cut off from its file by a truncate: it is gone once its pins have dropped. */
  readonly orphan: boolean;
  /** Who is making an update of it; undefined: nobody. */
  readonly updater: string | undefined;
  readonly pins: readonly PinInfo[];
  /** Ms since the page became dirty, by a clock that flushers move on; 0 if it is clean. */
  readonly ageMs: number;
  /** How much it was used lately, 0 to 2: what replacement goes by. */
  readonly uses: number;
  /**
   * Where it stands for replacement. 'probation': it came lately. 'main': it came back, or was used once its first uses were
   * over. 'once': it was brought in by a handle with `access: 'once'`.
   */
  readonly queue: 'probation' | 'main' | 'once';
}

/** Which pages to tell of. */
export interface PagesFilter {
  /** Only pages that are pinned: found by the pins that there are, however large the pool is. */
  pinned?: boolean;
}

/** What pages are told by: the kernel, the time by the cache's clock, and stacks if there are. */
interface Look {
  readonly kernel: Kernel;
  readonly nowMs: number;
  readonly traces: Traces | undefined;
  readonly pins: ReadonlyMap<FrameId, readonly PinInfo[]>;
  readonly paths: Map<FileId, string>;
}

const QUEUES = {
  [L.PLACE_PROBATION]: 'probation',
  [L.PLACE_MAIN]: 'main',
  [L.PLACE_ONCE]: 'once',
  [L.PLACE_FRESH]: 'main',
} as const;
const PLACE_MASK = 3;

/** Pins by frame, over all owners. */
function livePins(kernel: Kernel, traces: Traces | undefined): Map<FrameId, PinInfo[]> {
  const pins = new Map<FrameId, PinInfo[]>();
  for (const owner of kernel.owners()) {
    let name: string | undefined;
    for (const { frame, mode, slot } of kernel.pinsOf(owner)) {
      const list = pins.get(frame) ?? [];
      name ??= describeOwner(kernel, owner);
      const stack = traces?.stackOf(owner, slot);
      list.push({ owner: name, mode, ...(stack === undefined ? {} : { stack }) });
      pins.set(frame, list);
    }
  }
  return pins;
}

/**
 * Every page in the cache, by frame, or those that are pinned. Each is of its own moment: threads go on while it is iterated.
 */
export function* pagesOf(
  kernel: Kernel,
  nowMs: number,
  traces: Traces | undefined,
  pinned: boolean,
): Generator<PageInfo, undefined> {
  const pins = livePins(kernel, traces);
  const look: Look = { kernel, nowMs, traces, pins, paths: new Map() };
  const frames = pinned ? [...pins.keys()].sort((a, b) => a - b) : allFrames(kernel);
  for (const frame of frames) {
    const page = pageIn(look, frame);
    if (page !== undefined) yield page;
  }
}

function* allFrames(kernel: Kernel): Generator<FrameId, undefined> {
  const frames = kernel.load(L.HEADER_FRAMES);
  for (let frame = 0; frame < frames; frame++) yield frame as FrameId;
}

/** The page in a frame; undefined if it holds none. */
function pageIn({ kernel, nowMs, pins, paths }: Look, frame: FrameId): PageInfo | undefined {
  const file = kernel.frameWord(frame, L.FRAME_FILE) as FileId;
  const state = kernel.frameWord(frame, L.FRAME_STATE);
  if (file < 0 || (state & (L.VALID | L.CLAIMED)) === 0) return undefined;
  let path = paths.get(file);
  if (path === undefined) {
    path = pathOf(kernel, file);
    paths.set(file, path);
  }
  const dirty = (state & L.DIRTY) !== 0;
  const cover = kernel.frameWord(frame, L.FRAME_COVER);
  const flushed = kernel.fileWord(file, L.FILE_FLUSHED);
  const updater = updaterOf(kernel, frame);
  const place = kernel.frameWord(frame, L.FRAME_QUEUE) & PLACE_MASK;
  return {
    frame,
    file: path,
    index: kernel.frameWord(frame, L.FRAME_INDEX) >>> 0,
    dirty,
    writeback: (state & L.WRITEBACK) !== 0,
    unstable: cover !== 0 && ((flushed - cover) | 0) < 0, // as the kernel's `stable`
    claimed: (state & L.CLAIMED) !== 0,
    orphan: (state & L.ORPHAN) !== 0,
    updater: updater === undefined ? undefined : describeOwner(kernel, updater),
    pins: pins.get(frame) ?? [],
    ageMs: dirty ? Math.max(0, nowMs - kernel.frameWord(frame, L.FRAME_DIRTIED_AT)) : 0,
    uses: (state & L.USE_MASK) / L.USE_ONE,
    queue: QUEUES[place as keyof typeof QUEUES],
  };
}
