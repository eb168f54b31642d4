// What programs can subscribe to by `node:diagnostics_channel`, and what the events tell.
import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { FsyncPolicy } from './options';
import type { SyncReport } from './syncReport';

interface PinfoldEvent {
  /** The file's path as the system knows it now. */
  readonly file: string;
  /** Who did it: 'thread 0 (OS thread 4711)', 'flusher 2 (…)'. */
  readonly thread: string;
  /** When it began, in ms since the epoch, with a fraction. */
  readonly startTime: number;
  /** How long it took, in ms: as soon as it has ended. */
  durationMs?: number;
  /** What it failed with. */
  error?: unknown;
}

/** `pinfold:fsync`: a call of fsync. */
export interface FsyncEvent extends PinfoldEvent {
  readonly policy: FsyncPolicy;
  /** Once it has ended well. */
  result?: SyncReport;
}

/** `pinfold:fill`: pages that a call waited for, from the request to their arrival. */
export interface FillEvent extends PinfoldEvent {
  /** Index of the first. */
  readonly page: number;
  readonly pages: number;
}

/** `pinfold:writeback`: a write of dirty pages that are side by side, or a flush (fdatasync). */
export interface WritebackEvent extends PinfoldEvent {
  readonly operation: 'write' | 'flush';
  /** Where in the file, and how many: in bytes; 0 for a flush. */
  readonly position: number;
  readonly bytes: number;
}

/** `pinfold:reclaim`: no frame could be had at once, so pages were cleaned or flushed, or others' I/O was waited for. */
export interface ReclaimEvent extends PinfoldEvent {
  /** Whether a frame was had in the end. */
  freed?: boolean;
}

/** `pinfold:error`: a call of the system failed, or a page was not what was written. Nothing was lost by that. */
export interface ErrorEvent extends PinfoldEvent {
  readonly operation: 'read' | 'write' | 'flush' | 'resize' | 'syncDirectory' | 'verify';
  readonly error: Error;
}

/** The events of service threads, and their bits in what the creator wants to hear. */
export const relayed = { writeback: 1, reclaim: 2, error: 4 } as const;

export const channels = {
  fsync: tracingChannel<unknown, FsyncEvent>('pinfold:fsync'),
  fill: tracingChannel<unknown, FillEvent>('pinfold:fill'),
  writeback: tracingChannel<unknown, WritebackEvent>('pinfold:writeback'),
  reclaim: tracingChannel<unknown, ReclaimEvent>('pinfold:reclaim'),
  error: channel('pinfold:error'),
};

interface Watched {
  readonly hasSubscribers: boolean;
}

/** Whether anybody in this thread listens to a tracing channel. */
export function isTraced(
  tracing: Readonly<Record<'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error', Watched>>,
): boolean {
  const { start, end, asyncStart, asyncEnd, error } = tracing;
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  );
}
