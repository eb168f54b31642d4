// What the threads of the scenario `stable` are told.
//
//   of a page's payload, the first half   stored into word by word, generation after generation
//   the second half                       read into by libuv
import type { PageCacheHandle } from 'pinfold';
import type { Attached, Window } from '../../tasks';

/** Bytes at the end of a page that are the cache's: used length and CRC. */
export const TRAILER_BYTES = 8;

export interface StableTask extends Attached, Window {
  arm: 'bounce' | 'direct';
  /** With its trailer. */
  pageSize: number;
  pages: number;
  sourcePath: string;
}

export interface StableCallerResult {
  fsyncs: number;
  /** Of the fsyncs alone, ns. */
  syncNs: number;
  written: number;
  bounced: number;
  /** Pages read again after an fsync; those that were not what their trailer says; good ones that mix generations of stores. */
  checked: number;
  failed: number;
  mixed: number;
  /** Pages that were bad once and good when they were read again: torn by the read. */
  passing: number;
}

export interface StablePinnerResult {
  pins: number;
  /** Bytes stored. */
  bytes: number;
}

export interface ChecksumTask {
  handle: PageCacheHandle;
  dataPath: string;
  stop: StableTask['stop'];
  durationMs: number;
}

/** Bytes that a variant goes through, over and over. */
export const CHECKSUM_WORKING_SET = 256 << 10;
export const CHECKSUM_PAGES = [4 << 10, 64 << 10] as const;
export type ChecksumVariant =
  `${'crc32c' | 'crc32c again' | 'memory.copy'} ${(typeof CHECKSUM_PAGES)[number]}`;

/** ns a page, one figure a round. */
export type ChecksumResult = Partial<Record<ChecksumVariant, number[]>>;
