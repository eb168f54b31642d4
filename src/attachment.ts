// One thread's attachment to a cache: what every layer above needs of the handle.
import { threadId } from 'node:worker_threads';
import { SyncDriver } from './driver/sync';
import { pinfoldError, show, typeError } from './errors';
import { FILE_WORKER_ROWS, type Geometry } from './kernel/geometry';
import { Kernel, type OwnerId, PageBytes } from './kernel/kernel';
import * as L from './kernel/layout';
import { References } from './kernel/references';
import { lifeError } from './life';
import { deadOwners, isAlive, isCreatorAlive, osThread } from './liveness';
import { Observer, type Told } from './observer';
import type { CheckedOptions } from './options';
import { type Pool, serviceClass } from './protocol/effects';
import { fillFailure } from './protocol/fill';
import { recover } from './protocol/recovery';
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
  /**
   * The cache was created in a worker. Node then closes what the file worker has opened when that ends, whatever
   * `trackUnmanagedFds` says: a number may be another file's by the time it is used, so each I/O looks first.
   */
  readonly guarded: boolean;
  /** Histograms of durations. */
  readonly timings: SharedArrayBuffer;
  /** Room for the stacks that took pins, if the creator traces. */
  readonly traces?: SharedArrayBuffer;
  /** A plan of failures for the store, in tests only. */
  readonly faults?: Int32Array;
  /** Threads are not known to the system, as where there is no /proc. In tests only. */
  readonly blind?: boolean;
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

/** How long a thread that finds no free row waits for dead threads' to be recovered: so often, so many ms. */
const RECOVERED_TRIES = 200;
const RECOVERED_WAIT_MS = 5;
/** How often at the most somebody looks for dead owners, while threads wait, in ms. */
const LOOK_GAP_MS = 20;

export type OwnerKind = 'user' | 'flusher' | 'files';

export class Attachment implements Pool {
  readonly handle: HandleParts;
  readonly kernel: Kernel;
  readonly bytes: PageBytes;
  readonly geometry: Geometry;
  readonly options: CheckedOptions;
  readonly store: Store;
  readonly sync: SyncDriver;
  /** Tells what this thread does. */
  readonly observer?: Observer;
  readonly references: References;
  /** What else this thread does when it looks around: it may start service threads that are missing. */
  afterLook: () => void = () => {};

  /** Takes a row of the cache. Throws ERR_PINFOLD_CLOSED, ERR_PINFOLD_THREADS. */
  constructor(handle: HandleParts, store: Store, kind: OwnerKind, tell?: (told: Told) => void) {
    this.handle = handle;
    this.geometry = handle.geometry;
    this.options = handle.options;
    this.store = store;
    this.kernel = new Kernel(handle.modules.control, handle.control);
    const life = this.kernel.load(L.HEADER_LIFE);
    if (life !== L.LIFE_OPEN) throw lifeError(life);
    if (!isCreatorAlive(this.kernel)) throw lifeError(L.LIFE_GONE);
    const { rows, serviceRows } = handle.geometry;
    const fileRows = serviceRows - FILE_WORKER_ROWS;
    const [from, to, code] =
      kind === 'user'
        ? [serviceRows, rows, L.KIND_USER]
        : kind === 'flusher'
          ? [0, fileRows, L.KIND_FLUSHER]
          : [fileRows, serviceRows, L.KIND_FILES];
    const thread = handle.blind ? { tid: 0, start: 0n } : osThread();
    let attached = this.kernel.attach(from, to, code, thread, threadId);
    // A row of a dead thread is free as soon as somebody has recovered it, for which this thread would need one itself.
    for (let n = 0; !attached && n < RECOVERED_TRIES && this.#isOneEnding(from, to); n++) {
      this.kernel.control.ring(serviceClass.flushers);
      Atomics.wait(this.kernel.words, L.HEADER_LIFE >> 2, L.LIFE_OPEN, RECOVERED_WAIT_MS);
      attached = this.kernel.attach(from, to, code, thread, threadId);
    }
    if (!attached) {
      throw pinfoldError(
        'ERR_PINFOLD_THREADS',
        `${handle.options.maxThreads} threads are attached, the most there may be (maxThreads)`,
      );
    }
    this.bytes = new PageBytes(handle.geometry, handle.modules.bytes, handle.data);
    this.references = new References(this.kernel);
    this.observer = new Observer(this.kernel, handle.timings, tell);
    this.sync = new SyncDriver(
      this.kernel,
      this.references,
      store,
      handle.guarded,
      () => this.look(LOOK_GAP_MS),
      this.observer,
      (request, answer) => fillFailure(this, request, answer),
    );
  }

  /** Whether a row of these is about to be free: its thread is dead or ending, or it is being recovered. */
  #isOneEnding(from: number, to: number): boolean {
    const { kernel } = this;
    for (let row = from; row < to; row++) {
      if (kernel.status(row) !== L.ROW_LIVE || !isAlive(kernel, row as OwnerId)) return true;
    }
    return false;
  }

  /**
   * Looks whether owners have died, if nobody did for `gapMs`, and recovers them. Any thread may, also inside a call of its
   * own that waits for one of them.
   */
  look(gapMs: number): void {
    this.recoverDead(gapMs);
    this.afterLook();
  }

  /** The first half of `look`: recovers dead owners, if nobody has looked for them for `gapMs`. */
  recoverDead(gapMs: number): void {
    const { kernel } = this;
    if (kernel.control.lookTry(gapMs, this.now() | 0) !== 1) return;
    if (!isCreatorAlive(kernel)) kernel.control.setLife(L.LIFE_GONE);
    for (const { owner, status, recoverer } of deadOwners(kernel)) {
      if (kernel.control.recoverBegin(owner, status, recoverer) === 1) this.#recover(owner);
    }
  }

  /**
   * As `look`, for a thread whose event loop must go on: recovery may have to wait and to do I/O, so that is left to
   * flushers; it sees to it that there are some.
   */
  glance(gapMs: number): void {
    const { kernel } = this;
    const now = this.now() | 0;
    if ((now - kernel.load(L.HEADER_LOOKED)) >>> 0 < gapMs) return; // flushers do their work
    if (!isCreatorAlive(kernel)) kernel.control.setLife(L.LIFE_GONE);
    this.afterLook();
    kernel.control.ring(serviceClass.flushers);
  }

  /** It happens inside of waits that have nothing to do with this owner: what goes wrong is not for them. */
  #recover(owner: OwnerId): void {
    try {
      this.sync.run(recover(this, owner));
    } catch {
      this.kernel.control.bump(L.COUNT_ERRORS);
      this.kernel.control.recoverPause(owner); // for another look: every step can be done again
    }
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
