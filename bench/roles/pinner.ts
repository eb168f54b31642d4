// What the pinners share: the holds of the timeline, and the pages that a hold takes.
import { type CachedFile, type Page, PageCache } from 'pinfold';
import { NS_PER_MS, nowNs, sleepUntil } from '../clock';
import { PAGE_BYTES } from '../files';
import { RECORD_BYTES } from '../record';
import type { PinnerTask } from '../tasks';
import { ARM_PINNED } from '../timeline';

const READ_BYTES = 1536;
/** The first RECORD_BYTES of a page are the committer's; DMA stores into the two parts behind them, one a pinner. */
export const READ_PART = { offset: RECORD_BYTES, bytes: READ_BYTES };
export const STORE_PART = {
  offset: RECORD_BYTES + READ_BYTES,
  bytes: PAGE_BYTES - RECORD_BYTES - READ_BYTES,
};

/** A pinner that comes later than this to a hold leaves it out, ns. */
const LATE_NS = 5 * NS_PER_MS;

export interface Hold {
  /** Which of the timeline's. */
  n: number;
  file: CachedFile;
  endNs: number;
}

export interface PinnedFiles {
  fileOf(arm: number): CachedFile;
  close(): void;
}

/** The file whose pages the arm pins: fsync's own in `pinned`, another one in the others; every page is in the cache. */
export function openPinnedFiles(task: PinnerTask): PinnedFiles {
  const cache = PageCache.attach(task.handle);
  const data = cache.openSync(task.dataPath, { mode: 'r+' });
  const elsewhere = cache.openSync(task.elsewherePath, { mode: 'r+' });
  for (const file of [data, elsewhere]) {
    for (let page = 0; page < task.pages; page++) file.pinSync(page).unpin();
  }
  return {
    fileOf: (arm) => (arm === ARM_PINNED ? data : elsewhere),
    close() {
      data.closeSync();
      elsewhere.closeSync();
      cache.detach();
    },
  };
}

/** The timeline's holds, each at its start; `onMissed` hears of those that were over before this thread came to them. */
export function* holdsInTime(task: PinnerTask, files: PinnedFiles, onMissed: () => void): Generator<Hold> {
  const { holdStartNs, holdEndNs, holdArm } = task.timeline;
  for (let i = 0; i < holdStartNs.length; i++) {
    if (!sleepUntil(task.stop, holdStartNs[i])) return;
    const now = nowNs();
    const nextNs = holdStartNs[i + 1] ?? Number.POSITIVE_INFINITY;
    if (now > holdStartNs[i] + LATE_NS || now > nextNs) onMissed();
    else yield { n: i, file: files.fileOf(holdArm[i]), endNs: holdEndNs[i] };
  }
}

/** Releases pages one after another over the timeline's stagger, from `endNs` on; at once when the run was stopped. */
export function releaseStaggered(
  task: PinnerTask,
  pages: Page[],
  endNs: number,
  drop = (page: Page): void => page.unpin(),
): void {
  const step = task.timeline.staggerNs / pages.length;
  pages.forEach((page, i) => {
    sleepUntil(task.stop, endNs + (i + 1) * step);
    drop(page);
  });
}
