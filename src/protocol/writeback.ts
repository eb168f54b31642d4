// Writeback by gather: the life of a dirty page, from the scan to the end of its write.

import { formatOf, type PageFormat } from '../kernel/format';
import type { FileId, FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { copyForWriteback } from './copy';
import { io, Patience, type Pool, type Protocol, type Waiting, wait } from './effects';

/** What is done about a page with write pins: its current contents are written from a copy, or it is passed over. */
export type PinnedPages = 'bounce' | 'skip';

/** How long at a time a reclaimer waits for a truncate, in ms. */
const CUT_WAIT_MS = 50;

export interface DirtyPage {
  readonly frame: FrameId;
  readonly index: number;
}

/**
 * The file's dirty pages by page index, as of one pass over its dirty set. `wanted` chooses; a moment's view. With `most`
 * the pass ends once it has so many.
 */
export function dirtyPages(
  pool: Pool,
  file: FileId,
  wanted?: (frame: FrameId) => boolean,
  most = Number.POSITIVE_INFINITY,
): DirtyPage[] {
  const { kernel } = pool;
  const { control } = kernel;
  const pages: DirtyPage[] = [];
  for (
    let group = control.nextDirtyGroup(file, 0);
    group >= 0 && pages.length < most;
    group = control.nextDirtyGroup(file, group + 1)
  ) {
    for (let bits = control.dirtyFrames(file, group); bits !== 0; bits &= bits - 1) {
      if (pages.length === most) break;
      const frame = (group * 32 + (31 - Math.clz32(bits & -bits))) as FrameId;
      if (wanted && !wanted(frame)) continue;
      pages.push({ frame, index: kernel.frameWord(frame, L.FRAME_INDEX) >>> 0 });
    }
  }
  return pages.sort((a, b) => a.index - b.index);
}

export interface Written {
  /** Pages written, and how many of them were write-pinned. */
  pages: number;
  bounced: number;
  /** The first write error, or 0. Its pages are dirty still. */
  errno: number;
  /** Pages in another's writeback when their turn came. */
  busy: DirtyPage[];
}

interface Staged {
  readonly slot: number;
  readonly index: number;
  readonly bounced: boolean;
}

/**
 * Writes pages to the store, a staging area at a time: start their writebacks, copy them side by side, one write for
 * each run of neighbours, end their writebacks. It holds no writeback while it waits for another's, and none when it
 * ends. `firstArea`: 0 for fsync, for which the first area is kept; 1 for everyone else.
 */
export function* writeBack(
  pool: Pool,
  file: FileId,
  pages: readonly DirtyPage[],
  pinned: PinnedPages,
  firstArea: 0 | 1,
): Protocol<Written> {
  const written: Written = { pages: 0, bounced: 0, errno: 0, busy: [] };
  if (pages.length === 0) return written;
  const { kernel } = pool;
  const { control } = kernel;
  const area = yield* stagingArea(pool, firstArea);
  const held: number[] = []; // writeback slots of the batch under way
  try {
    let next = 0;
    while (next < pages.length) {
      const staged: Staged[] = [];
      held.length = 0;
      while (next < pages.length && staged.length < pool.geometry.stagingPages) {
        const page = pages[next++]!;
        const slot = staged.length;
        const status = control.startWriteback(page.frame, file, slot, pinned === 'skip' ? 1 : 0);
        if (status === L.BUSY) written.busy.push(page);
        if (status < 0) continue;
        held.push(slot);
        // The frame may have got another page of the file since the scan: its index counts from here on.
        const index = kernel.frameWord(page.frame, L.FRAME_INDEX) >>> 0;
        copyForWriteback(pool, page.frame, (from, offset, length) =>
          pool.bytes.stage(from, area, slot, offset, length),
        );
        staged.push({ slot, index, bounced: status === 1 });
      }
      yield* writeStaged(pool, file, area, staged, written);
    }
  } catch (error) {
    // Nothing here should throw; if it does, no page may stay in writeback for ever.
    for (const slot of held) if (isHeld(pool, slot)) control.failWriteback(slot);
    throw error;
  } finally {
    control.releaseStaging(area);
  }
  return written;
}

/** Claims a staging area, `firstArea` or a later one, until `releaseStaging`. */
export function* stagingArea(pool: Pool, firstArea: 0 | 1): Protocol<number> {
  const { kernel } = pool;
  const patience = new Patience(pool, 'a staging area');
  for (;;) {
    const seq = kernel.load(L.HEADER_STAGING_WAKE);
    const area = kernel.control.claimStaging(firstArea);
    if (area >= 0) return area;
    const holder = () => kernel.load(L.HEADER_STAGING + firstArea * 4);
    yield* patience.wait(L.HEADER_STAGING_WAKE, seq, holder);
  }
}

function isHeld({ kernel }: Pool, slot: number): boolean {
  return kernel.rowWord(kernel.owner, L.ROW_WRITEBACKS + slot * 4) !== 0;
}

function* writeStaged(
  pool: Pool,
  file: FileId,
  area: number,
  batch: readonly Staged[],
  written: Written,
): Protocol<void> {
  const { kernel, geometry } = pool;
  const { control } = kernel;
  // Read before the write: a flush that fails from here on may have taken this write with it.
  const failSeq = kernel.fileWord(file, L.FILE_FAIL_SEQ);
  // Sampled under the writebacks: no byte past the file's end is written. While a truncate is under way it may still be
  // refused by the system.
  const cutSeq = kernel.fileWord(file, L.FILE_CUT_SEQ);
  const size = kernel.size(file);
  const cutting = (cutSeq & 1) !== 0 || kernel.fileWord(file, L.FILE_CUT_SEQ) !== cutSeq;
  const format = formatOf(pool, file);
  const staged = withoutOrphans(pool, batch);
  let first = 0;
  while (first < staged.length) {
    let last = first;
    while (last + 1 < staged.length && staged[last + 1]!.index === staged[last]!.index + 1) last++;
    const run = staged.slice(first, last + 1).filter(({ index }) => isWritable(format, index, size, cutting));
    const length = format.checksummed
      ? seal(pool, format, area, run, size)
      : Math.min(run.length * geometry.pageSize, size - staged[first]!.index * geometry.pageSize);
    const position = staged[first]!.index * geometry.pageSize;
    const from = staged[first]!.slot * geometry.pageSize;
    const bytes = pool.bytes.staging[area]!.subarray(from, from + Math.max(0, length));
    const result = length > 0 ? yield* io({ kind: 'write', file, bytes, position }) : 0;
    for (let n = first; n <= last; n++) {
      const { slot, index, bounced } = staged[n]!;
      if (result < 0) {
        control.failWriteback(slot);
        continue;
      }
      if (cutting && !isWritable(format, index, size, cutting)) {
        control.giveBack(slot);
        continue;
      }
      control.endWriteback(slot, failSeq);
      written.pages++;
      if (bounced) written.bounced++;
    }
    if (result < 0 && written.errno === 0) written.errno = -result;
    first = last + 1;
  }
}

/**
 * Those that are the file's still, now that its size has been read. A writeback that began after a truncate had looked for such
 * may read the size only when the file has been extended again: what was copied is no page of it any more, and would be
 * written over one that is.
 */
function withoutOrphans({ kernel }: Pool, batch: readonly Staged[]): readonly Staged[] {
  const isOrphan = ({ slot }: Staged) => {
    const frame = (kernel.rowWord(kernel.owner, L.ROW_WRITEBACKS + slot * 4) >>> 1) - 1;
    return (kernel.frameWord(frame as FrameId, L.FRAME_STATE) & L.ORPHAN) !== 0;
  };
  if (!batch.some(isOrphan)) return batch;
  return batch.filter((each) => {
    if (!isOrphan(each)) return true;
    kernel.control.giveBack(each.slot);
    return false;
  });
}

/**
 * Whether a page may be written: it is within the file. One with a checksum is written whole, with zeros behind the end,
 * so the last page must wait while a truncate may still be refused, or come to nothing by a loss of power.
 */
function isWritable(
  { checksummed, payload }: PageFormat,
  index: number,
  size: number,
  cutting: boolean,
): boolean {
  return checksummed && cutting ? (index + 1) * payload <= size : index * payload < size;
}

/** Makes the copies of neighbours, which are side by side, pages with checksums: the bytes that they have in the store. */
function seal(
  pool: Pool,
  { payload }: PageFormat,
  area: number,
  run: readonly Staged[],
  size: number,
): number {
  for (const { slot, index } of run) {
    pool.bytes.seal(area, slot, index, Math.min(payload, size - index * payload));
  }
  return run.length * pool.geometry.pageSize;
}

/** Waits until the writeback of the frame's page that runs now, if one does, has ended. */
export function* waitForWriteback(
  pool: Pool,
  frame: FrameId,
  patience: Waiting = new Patience(pool, 'a writeback'),
): Protocol<void> {
  const { kernel } = pool;
  const writer = () => kernel.frameWord(frame, L.FRAME_WRITER);
  const before = kernel.frameWord(frame, L.FRAME_WRITEBACKS);
  while (kernel.control.prepareWait(frame, L.WRITEBACK) === 1) {
    const seq = kernel.out(0);
    // The count moves just before WRITEBACK drops. So only when it has moved twice has the first surely ended.
    if (((kernel.frameWord(frame, L.FRAME_WRITEBACKS) - before) | 0) >= 2) return;
    yield* patience.wait(kernel.frameAt(frame) + L.FRAME_WAKE, seq, writer);
  }
}

/** Among how many times as many pages those are sought that are written together: neighbours are in frames anywhere. */
const CHOICE = 8;

/** Dirty pages of the file that nobody has write-pinned, `most` at the most: such as lie close together. */
export function cleanablePages(pool: Pool, file: FileId, most: number): DirtyPage[] {
  const { kernel } = pool;
  const free = (frame: FrameId) =>
    (kernel.frameWord(frame, L.FRAME_STATE) & (L.DIRTY | L.WRITE_MASK)) === L.DIRTY;
  return densest(dirtyPages(pool, file, free, CHOICE * most), most);
}

/** Of pages by index the `most` that lie closest together. */
function densest(pages: DirtyPage[], most: number): DirtyPage[] {
  let best = 0;
  let span = Number.POSITIVE_INFINITY;
  for (let first = 0; first + most <= pages.length && span > most - 1; first++) {
    const its = pages[first + most - 1]!.index - pages[first]!.index;
    if (its < span) [best, span] = [first, its];
  }
  return pages.slice(best, best + most);
}

/** Cleans one batch of the file's pages that nobody has write-pinned, for a caller who needs room: 0 or an errno. */
export function* clean(pool: Pool, file: FileId): Protocol<number> {
  const { kernel } = pool;
  const wakeAt = kernel.fileAt(file) + L.FILE_WAKE;
  const seq = kernel.load(wakeAt);
  const pages = cleanablePages(pool, file, pool.geometry.stagingPages);
  const { errno, busy, pages: written } = yield* writeBack(pool, file, pages, 'skip', 1);
  if (errno !== 0) return errno;
  if (busy.length > 0) yield* waitForWriteback(pool, busy[0]!.frame);
  // All are beyond a size that a truncate has published: it is about to free them.
  else if (written === 0 && pages.length > 0) yield* wait(wakeAt, seq, CUT_WAIT_MS);
  return 0;
}
