// Runs: pages side by side, or a fixed distance apart, brought in by one read. What is read goes into a staging area, and
// from there page by page into frames: one read into 64 scattered frames costs more than one read and 64 copies.
//
// A page is staged before it has a frame, so the bytes may be old by the time they are copied: it may have been brought in,
// changed, written and reclaimed meanwhile. Whatever has changed it in the store since the read began shows in one word of
// the file, FILE_WRITES, which is read before the store is, and looked at again once the page has a frame:
//   - it moves at the end of each write, before the page's frame can be reclaimed. A write that failed, or whose thread died,
//     leaves the page dirty, so it is written again before that.
//   - it moves when the system has cut the file, before the truncate takes pages out of the table. So a page that is there
//     too late to be found sees it moved, and one that is there before is dropped. The file's new last page is in the cache
//     all the while. A cut that is not done shows in the file's size.

import { formatOf, type PageFormat } from '../kernel/format';
import type { FileId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Answer, ask, io, type Pool, type Protocol, requestKind, serviceClass } from './effects';
import { admit, claimAtOnce, claimedFrame, readIn, settle } from './fill';

/** Pages `first`, `first + stride`, … `count` of them. */
export interface Run {
  readonly first: number;
  readonly count: number;
  readonly stride: number;
  /** How many of them somebody waits for: the others are brought in ahead of need, and counted so. */
  readonly demanded: number;
  /** Nobody will need them again after their first use. */
  readonly once: boolean;
}

/** A run has at most so many pages, however far apart. */
export const RUN_MAX = 64;
/** The longest stride that a run can have, in pages. */
export const STRIDE_MAX = 4096;

/** A request's second argument for a run, whose first page is the first. */
export function packRun(count: number, stride: number, demanded: number, once: boolean): number {
  return count | (demanded << 7) | ((once ? 1 : 0) << 14) | (stride << 15);
}

/** The run of such a request. */
export function runOf(a: number, b: number): Run {
  return {
    first: a >>> 0,
    count: b & 127,
    stride: b >>> 15,
    demanded: (b >>> 7) & 127,
    once: ((b >>> 14) & 1) !== 0,
  };
}

/** How many pages a run may have whose pages are `stride` apart. Those that one read can't span are read one by one. */
export function longestRun({ geometry }: Pool, stride: number): number {
  const { stagingPages } = geometry;
  if (stride === 1) return stagingPages;
  return spans(stagingPages, stride) ? Math.floor((stagingPages - 1) / stride) + 1 : SINGLES_MAX;
}

/** Pages further apart than this are read one by one: reading what lies between would cost more. */
const SPANNED_STRIDE_MAX = 8;
/** So many pages are read one by one for a request at the most: others wait for the file worker meanwhile. */
const SINGLES_MAX = 16;

/** Whether one read is made of several pages that are so far apart. */
function spans(stagingPages: number, stride: number): boolean {
  return stride <= SPANNED_STRIDE_MAX && stride < stagingPages;
}

/**
 * Brings a run's pages in, as far as that can be had without waiting for others and without cleaning pages to make room:
 * [0, how many]. It is not told of what goes wrong, since nobody need want these pages: who does fills what is missing, and
 * hears of it.
 */
export function* fillRun(pool: Pool, file: FileId, run: Run): Protocol<Answer> {
  const { kernel, geometry } = pool;
  const { control } = kernel;
  const { first, stride, once } = run;
  const isHere = (n: number) => control.lookup(file, (first + n * stride) | 0) >= 0;
  let from = 0;
  let to = run.count;
  while (from < to && isHere(from)) from++;
  while (from < to && isHere(to - 1)) to--;
  if (from === to) return [0, 0, 0, 0];
  const span = (to - from - 1) * stride + 1;
  const staged =
    span > 1 && span <= geometry.stagingPages && (stride === 1 || spans(geometry.stagingPages, stride));
  // The first area is kept for fsync. Who would wait for one while it holds others up could be what they wait for.
  const area = staged ? control.claimStaging(1) : -1;
  const format = formatOf(pool, file);
  let brought = 0;
  try {
    const store = area < 0 ? undefined : yield* stage(pool, file, area, first + from * stride, span);
    for (let n = from; n < to && store !== null; n++) {
      if (isHere(n)) continue;
      const index = first + n * stride;
      if (!claimAtOnce(pool, file, index)) break;
      const admitted = admit(pool, file, index, once);
      if (admitted === L.EXISTS) continue;
      if (admitted !== 0) break;
      let status = store === undefined ? STALE : take(pool, file, format, index, store, (n - from) * stride);
      if (status === STALE) status = yield* readIn(pool, file, index, false);
      if (status !== 0) break;
      brought++;
      if (n >= run.demanded) control.bump(L.COUNT_READAHEAD);
    }
  } finally {
    if (area >= 0) control.releaseStaging(area);
  }
  return [0, brought, 0, 0];
}

/** What has been read of the store into a staging area, and FILE_WRITES from before. */
interface Staged {
  readonly area: number;
  /** Bytes. */
  readonly length: number;
  readonly writes: number;
}

/** Reads pages side by side into the staging area; null if that fails. */
function* stage(
  pool: Pool,
  file: FileId,
  area: number,
  first: number,
  pages: number,
): Protocol<Staged | null> {
  const { kernel, geometry } = pool;
  const writes = kernel.fileWord(file, L.FILE_WRITES);
  const { pageSize } = geometry;
  const bytes = pool.bytes.staging[area]!.subarray(0, pages * pageSize);
  const length = yield* io({ kind: 'read', file, bytes, position: first * pageSize });
  return length < 0 ? null : { area, length, writes };
}

/** What was staged of a page may be old: it is to be read now that it has a frame. */
const STALE = -100;

/** Fills the page just admitted from where it was staged, and ends its claim: 0, STALE, or why it was given up. */
function take(
  pool: Pool,
  file: FileId,
  format: PageFormat,
  index: number,
  staged: Staged,
  slot: number,
): number {
  const { kernel, bytes, geometry } = pool;
  const { control } = kernel;
  // Some page of the file has been written: this one perhaps.
  if (kernel.fileWord(file, L.FILE_WRITES) !== staged.writes) return STALE;
  if (index * format.payload >= kernel.size(file)) {
    control.abandonClaim();
    return L.GONE;
  }
  const { pageSize } = geometry;
  const length = Math.max(0, Math.min(pageSize, staged.length - slot * pageSize));
  bytes.unstage(staged.area, slot, claimedFrame(pool), length);
  return settle(pool, format, index, length);
}

/** Has a run brought in, here or by the file worker: how many pages. */
export function* bringInRun(pool: Pool, file: FileId, run: Run): Protocol<number> {
  const b = packRun(run.count, run.stride, run.demanded, run.once);
  const request = { service: serviceClass.files, kind: requestKind.run, file, a: run.first | 0, b } as const;
  const [, brought] = yield* ask(request, () => fillRun(pool, file, run));
  return brought;
}
