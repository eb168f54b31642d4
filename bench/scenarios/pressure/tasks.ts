// The messages between the main thread and the roles of the pressure scenario.
import type { RecordableHistogram } from 'node:perf_hooks';
import type { PageCacheHandle } from 'pinfold';
import type { StopWord } from '../../clock';

interface Stoppable {
  stop: StopWord;
}

/** A stretch of time. */
export interface Block {
  startNs: number;
  endNs: number;
}

export interface PressureWriterTask extends Stoppable {
  handle: PageCacheHandle;
  path: string;
  /** Pages that this writer alone writes, one after the other, over and over. */
  firstPage: number;
  pages: number;
  /** When it writes; in between the disk is another's. */
  blocks: Block[];
  /** Fixed distance of intended starts. */
  intervalNs: number;
  /** ns. Shared by the writers, and with the main thread. */
  service: RecordableHistogram;
  /** The same without the time in which the writer had no core. */
  own: RecordableHistogram;
  fromDue: RecordableHistogram;
  /** By page of the file: the last sequence that was written. */
  written: Int32Array<SharedArrayBuffer>;
}

export interface PressureWriterResult {
  /** Writes that ended. */
  writes: number;
  /** Those that took longer than LONG_NS, without the time in which the writer had no core, ns. */
  longNs: number[];
}

/** Writes that take longer are kept one by one. */
export const LONG_NS = 200_000;

export interface PressurePinnerTask extends Stoppable {
  handle: PageCacheHandle;
  path: string;
  firstPage: number;
  pages: number;
  endNs: number;
}

export interface BatchTask extends Stoppable {
  path: string;
  pages: number;
  fileBytes: number;
  blocks: Block[];
  /** Without the time in which the thread had no core, ns. */
  write: RecordableHistogram;
  batch: RecordableHistogram;
  /** Every second batch, and the others. */
  halves: [RecordableHistogram, RecordableHistogram];
}

export interface DiskRateTask extends Stoppable {
  path: string;
  fileBytes: number;
  durationMs: number;
}
