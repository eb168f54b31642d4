// What the threads of the scenario `coldscan` are told.
import type { PageCacheHandle } from 'pinfold';
import type { StopWord } from '../../clock';

export const SCAN_PAGE = 4096;
export const PLAIN_BYTES = 256 << 10;

/** How a file is gone through: by fs.readSync, or by a call of the cache, with what access says, or past the system's cache. */
export const SCAN_ARMS = [
  'plain',
  'plain again',
  'readSync 256 KiB',
  'readSync 256 KiB, sequential',
  'readSync 256 KiB, once',
  'readSync 256 KiB, direct',
  'readSync 4 KiB',
  'viewSync',
  'readSync 256 KiB, random',
  'readSync 4 KiB, random',
] as const;
export type ScanArm = (typeof SCAN_ARMS)[number];

export interface ScanTask {
  /** Null: fs alone. */
  handle: PageCacheHandle | null;
  path: string;
  bytes: number;
  arm: ScanArm;
  stop: StopWord;
}

export interface ScanResult {
  elapsedMs: number;
  /** Of the file, in the system's cache just before; null where that can't be told. */
  warmBytes: number | null;
  pages: number;
  /** Pages that were not what had been written to the file. */
  wrong: number;
  /** Pages that the cache brought in ahead; lookups that missed. */
  readahead: number;
  misses: number;
  /** Of the file, in the system's cache just after; null where that can't be told. */
  leftBytes: number | null;
}

export interface HotTask {
  handle: PageCacheHandle;
  path: string;
  pages: number;
  stop: StopWord;
  /** The word tells: 0 warm up, 1 count, 2 end. */
  phase: Int32Array<SharedArrayBuffer>;
  /** Touches a second, so that it does not take a core for itself. */
  perSecond: number;
}

export interface HotResult {
  touches: number;
  misses: number;
}

/** A word of a page of the scanned file: the page's, and the place's. */
export function wordOf(page: number, word: number): number {
  return (Math.imul(page + 1, 0x9e3779b1) + word) | 0;
}
