// The messages between the main thread and the threads that meet on one page.
import type { Barrier } from '../../barrier';
import type { Attached } from '../../tasks';
import type { Windows } from '../../windows';
import type { HotOperation } from './shape';

export interface HotPageTask extends Attached {
  operation: HotOperation;
  /** Which of the threads this is; it has a part in the arms that have more threads than that. */
  thread: number;
  /** Threads of each arm. */
  threadsOf: number[];
  barrier: Barrier;
  windows: Windows;
}

export interface HotPageThread {
  /** By window. */
  operations: number[];
  /** Of all that was read: no loop could be optimised away. */
  checksum: number;
}

export interface HotRecordTask extends Attached {
  barrier: Barrier;
  durationMs: number;
  /** Whether the record is changed by update, or by stores through a write pin. */
  by: 'update' | 'store';
  /** One word: the sequence of the last change that has returned. */
  returned: Int32Array<SharedArrayBuffer>;
}

export interface HotViewerResult {
  views: number;
  torn: number;
  older: number;
}
