// One thread's attachment to a cache: what every layer above needs of the handle.
import fs from 'node:fs';
import { threadId } from 'node:worker_threads';
import { SyncDriver } from './driver/sync';
import { pinfoldError, show, typeError } from './errors';
import type { Geometry } from './kernel/geometry';
import { Kernel, PageBytes } from './kernel/kernel';
import * as L from './kernel/layout';
import type { CheckedOptions } from './options';
import type { Pool } from './protocol/effects';
import type { Store } from './store/store';

/** What another thread needs to attach. Structured-cloneable: for workerData, postMessage, a piscina task. */
export interface PageCacheHandle {
  readonly pinfold: 'PageCacheHandle';
}

/** What the handle carries. Not public: its fields are the engine's. */
export interface HandleParts extends PageCacheHandle {
  readonly layout: number;
  readonly control: WebAssembly.Memory;
  readonly data: readonly WebAssembly.Memory[];
  readonly modules: { readonly control: WebAssembly.Module; readonly bytes: WebAssembly.Module };
  readonly geometry: Geometry;
  readonly options: CheckedOptions;
  /** Monotonic time of creation in ms: what the coarse clock counts from. */
  readonly created: number;
  /** A plan of failures for the store, in tests only. */
  readonly faults?: Int32Array;
}

/** Monotonic ms, the same in every thread of the process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** Checks that `handle` is one of ours and of this version. Throws ERR_PINFOLD_HANDLE. */
export function checkHandle(handle: unknown): HandleParts {
  const parts = handle as HandleParts | null | undefined;
  if (typeof parts !== 'object' || parts === null || parts.pinfold !== 'PageCacheHandle') {
    throw typeError('ERR_PINFOLD_HANDLE', `attach needs the \`handle\` of a PageCache, got ${show(handle)}`);
  }
  if (
    !(parts.control instanceof WebAssembly.Memory) ||
    !(parts.control.buffer instanceof SharedArrayBuffer)
  ) {
    throw typeError(
      'ERR_PINFOLD_HANDLE',
      'the handle has lost its memory: pass it by workerData or postMessage, not as JSON',
    );
  }
  if (parts.layout !== L.LAYOUT_VERSION) {
    throw pinfoldError(
      'ERR_PINFOLD_HANDLE',
      `the handle is of another version of pinfold (layout ${parts.layout}, this is ${L.LAYOUT_VERSION})`,
    );
  }
  return parts;
}

/** The OS thread and its start time, which tell a living thread from a later one with the same id; zeros where unknown. */
function osThread(): { tid: number; start: bigint } {
  try {
    const tid = Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
    const stat = fs.readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
    // Field 22, counted after the command's name, which may hold spaces and parentheses.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return { tid, start: BigInt(start ?? 0) };
  } catch {
    return { tid: 0, start: 0n };
  }
}

export type OwnerKind = 'user' | 'flusher' | 'files';

export class Attachment implements Pool {
  readonly handle: HandleParts;
  readonly kernel: Kernel;
  readonly bytes: PageBytes;
  readonly geometry: Geometry;
  readonly options: CheckedOptions;
  readonly store: Store;
  readonly sync: SyncDriver;

  /** Takes a row of the cache. Throws ERR_PINFOLD_CLOSED, ERR_PINFOLD_THREADS. */
  constructor(handle: HandleParts, store: Store, kind: OwnerKind) {
    this.handle = handle;
    this.geometry = handle.geometry;
    this.options = handle.options;
    this.store = store;
    this.kernel = new Kernel(handle.modules.control, handle.control);
    if (this.kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) {
      throw pinfoldError('ERR_PINFOLD_CLOSED', 'the cache is closed');
    }
    const { rows, serviceRows } = handle.geometry;
    const [from, to, code] =
      kind === 'user'
        ? [serviceRows, rows, L.KIND_USER]
        : kind === 'flusher'
          ? [0, serviceRows - 1, L.KIND_FLUSHER]
          : [serviceRows - 1, serviceRows, L.KIND_FILES];
    if (!this.kernel.attach(from, to, code, osThread(), threadId)) {
      throw pinfoldError(
        'ERR_PINFOLD_THREADS',
        `${handle.options.maxThreads} threads are attached, the most there may be (maxThreads)`,
      );
    }
    this.bytes = new PageBytes(handle.geometry, handle.modules.bytes, handle.data);
    this.sync = new SyncDriver(this.kernel, store);
  }

  /** Undoes this thread's innermost update: its before-image is laid back if it was published. Drops its pin. */
  undoUpdate(): void {
    const { kernel } = this;
    const level = kernel.control.updateDepth() - 1;
    const entry = kernel.rowAt(kernel.owner) + level * L.UPDATE_BYTES;
    if (kernel.load(entry + L.UPDATE_STAGE) === 2) {
      const range = kernel.load(entry + L.UPDATE_RANGE);
      const frame = kernel.frameOfUpdate(level);
      this.bytes.copyRange(kernel.control.undoFrame(level), frame, range >>> 16, (range & 0xffff) + 1);
    }
    kernel.control.updateAbort();
  }

  /** Ms since the cache was created. */
  now(): number {
    return monotonicMs() - this.handle.created;
  }
}
