// How one thread tells what it does: durations always, events to those who listen. Never on the way of a hit.
//
// Channels of `node:diagnostics_channel` are a thread's own. A user's thread publishes in place: its calls of fsync, what it
// waits for, and the writes, flushes and reclaims that it does itself. A service thread, where nobody can subscribe, tells
// the thread that started it, if the creator has subscribers: what it did is published there when it has ended.
import {
  channels,
  type ErrorEvent,
  type FillEvent,
  type FsyncEvent,
  isTraced,
  type ReclaimEvent,
  relayed,
  type WritebackEvent,
} from './channels';
import { type PinfoldError, systemError } from './errors';
import { describeOwner, type FileId, type Kernel } from './kernel/kernel';
import { pathOf } from './kernel/path';
import type { FsyncPolicy } from './options';
import type { SyncReport } from './syncReport';
import { Recorder } from './timings';

/** An event on its way from a service thread. Errors cross as what they are made of. */
export interface Told {
  readonly channel: keyof typeof relayed;
  readonly event: WritebackEvent | ReclaimEvent | Omit<ErrorEvent, 'error'>;
  readonly failure: { readonly errno: number; readonly operation: string } | undefined;
}

type Operation = Exclude<ErrorEvent['operation'], 'verify'>;
/** What the store is asked for, as far as events tell of it. */
export interface StoreCall {
  readonly kind: Operation;
  readonly file: FileId;
  readonly bytes?: Uint8Array;
  readonly position?: number;
}

const CALL_NAMES: Record<Operation, string> = {
  read: 'read',
  write: 'write',
  flush: 'fdatasync',
  resize: 'ftruncate',
  syncDirectory: 'fsync',
};

const epochMs = () => performance.timeOrigin + performance.now();

export class Observer {
  readonly #kernel: Kernel;
  readonly #recorder: Recorder;
  /** A service thread's: takes events to the thread that started it. */
  readonly #tell: ((told: Told) => void) | undefined;
  #listens = false;

  constructor(kernel: Kernel, timings: SharedArrayBuffer, tell?: (told: Told) => void) {
    this.#kernel = kernel;
    this.#recorder = new Recorder(timings, kernel.owner);
    this.#tell = tell;
  }

  /**
   * The creator's, now and then: what service threads are to tell of, by who listens in this thread now. From the first call
   * on each fsync looks, too.
   */
  listen(): void {
    this.#listens = true;
    const bits =
      (isTraced(channels.writeback) ? relayed.writeback : 0) |
      (isTraced(channels.reclaim) ? relayed.reclaim : 0) |
      (channels.error.hasSubscribers ? relayed.error : 0);
    if (this.#recorder.wanted !== bits) this.#recorder.wanted = bits;
  }

  // -- calls of users ------------------------------------------------------------------------------------------------

  async fsync(file: FileId, policy: FsyncPolicy, work: () => Promise<SyncReport>): Promise<SyncReport> {
    const started = performance.now();
    if (this.#listens) this.listen();
    try {
      if (!isTraced(channels.fsync)) return await work();
      const event: FsyncEvent = { ...this.#begun(file), policy };
      return await channels.fsync.tracePromise(() => timed(event, started, work), event);
    } finally {
      this.#recorder.record('fsync', performance.now() - started);
    }
  }

  fsyncSync(file: FileId, policy: FsyncPolicy, work: () => SyncReport): SyncReport {
    const started = performance.now();
    try {
      if (!isTraced(channels.fsync)) return work();
      const event: FsyncEvent = { ...this.#begun(file), policy };
      return channels.fsync.traceSync(() => timedSync(event, started, work), event);
    } finally {
      this.#recorder.record('fsync', performance.now() - started);
    }
  }

  /** `failure`: what the answer of a fill means for its caller, if it has failed. */
  async fill<T>(fill: Fill<T>, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      if (!this.#isFillWatched) return await work();
      const event = this.#fillEvent(fill);
      return await channels.fill.tracePromise(
        () => timed(event, started, async () => this.#filled(event, fill, await work())),
        event,
      );
    } finally {
      this.#recorder.record('fill', performance.now() - started);
    }
  }

  fillSync<T>(fill: Fill<T>, work: () => T): T {
    const started = performance.now();
    try {
      if (!this.#isFillWatched) return work();
      const event = this.#fillEvent(fill);
      return channels.fill.traceSync(
        () => timedSync(event, started, () => this.#filled(event, fill, work())),
        event,
      );
    } finally {
      this.#recorder.record('fill', performance.now() - started);
    }
  }

  throttled(ms: number): void {
    this.#recorder.record('throttle', ms);
  }

  get #isFillWatched(): boolean {
    return isTraced(channels.fill) || channels.error.hasSubscribers;
  }

  #fillEvent({ file, page, pages }: Fill<never>): FillEvent {
    return { ...this.#begun(file), page, pages };
  }

  /** Tells of an answer that stands for an error, which its caller will throw. */
  #filled<T>(event: FillEvent, { failure }: Fill<T>, answer: T): T {
    const error = failure(answer);
    if (error === undefined) return answer;
    event.error = error;
    channels.fill.error.publish(event);
    if (error.code === 'ERR_PINFOLD_CHECKSUM') {
      channels.error.publish({ ...event, operation: 'verify', error } satisfies ErrorEvent & FillEvent);
    }
    return answer;
  }

  // -- what this thread does itself ----------------------------------------------------------------------------------

  /** A call of the store, made by `work`: its result. */
  call(call: StoreCall, work: () => number): number {
    const { kind } = call;
    const started = kind === 'flush' ? performance.now() : 0;
    const result =
      (kind === 'write' || kind === 'flush') && this.#isWatched('writeback')
        ? this.#writeback(call, kind, work)
        : work();
    if (kind === 'flush') this.#recorder.record('flush', performance.now() - started);
    if (result < 0 && this.#isWatched('error')) this.#failed(call, -result);
    return result;
  }

  /** A thread has found no frame at once, for a page of the file if one is named: what is to be called at the end. */
  reclaiming(file: FileId | -1): ((freed: boolean) => void) | undefined {
    if (!this.#isWatched('reclaim')) return undefined;
    const event: ReclaimEvent = this.#begun(file);
    if (this.#tell === undefined) channels.reclaim.start.publish(event);
    return (freed) => {
      event.freed = freed;
      event.durationMs = epochMs() - event.startTime;
      if (this.#tell === undefined) channels.reclaim.end.publish(event);
      else this.#tell({ channel: 'reclaim', event, failure: undefined });
    };
  }

  #isWatched(what: keyof typeof relayed): boolean {
    if (this.#tell !== undefined) return (this.#recorder.wanted & relayed[what]) !== 0;
    return what === 'error' ? channels.error.hasSubscribers : isTraced(channels[what]);
  }

  #writeback(call: StoreCall, operation: 'write' | 'flush', work: () => number): number {
    const { file, position = 0, bytes } = call;
    const event: WritebackEvent = {
      ...this.#begun(file),
      operation,
      position,
      bytes: bytes?.length ?? 0,
    };
    const run = () => {
      const result = timedSync(event, performance.now(), work);
      if (result < 0) event.error = systemError(-result, CALL_NAMES[operation]);
      return result;
    };
    if (this.#tell !== undefined) {
      const result = run();
      const failure = result < 0 ? { errno: -result, operation } : undefined;
      delete event.error;
      this.#tell({ channel: 'writeback', event, failure });
      return result;
    }
    return channels.writeback.traceSync(() => {
      const result = run();
      if (result < 0) channels.writeback.error.publish(event);
      return result;
    }, event);
  }

  #failed({ kind: operation, file }: StoreCall, errno: number): void {
    const event = { ...this.#begun(file), operation };
    if (this.#tell !== undefined) this.#tell({ channel: 'error', event, failure: { errno, operation } });
    else publishError(event, errno);
  }

  #begun(file: FileId | -1) {
    return {
      file: file < 0 ? '' : pathOf(this.#kernel, file as FileId),
      thread: describeOwner(this.#kernel, this.#kernel.owner),
      startTime: epochMs(),
    };
  }
}

/** Pages that a call waits for. */
export interface Fill<T> {
  readonly file: FileId;
  readonly page: number;
  readonly pages: number;
  /** What an answer that is no success will be thrown as. */
  readonly failure: (answer: T) => PinfoldError | undefined;
}

function publishError(event: Omit<ErrorEvent, 'error'>, errno: number): void {
  const name = CALL_NAMES[event.operation as Operation];
  channels.error.publish({ ...event, error: systemError(errno, name, event.file) } satisfies ErrorEvent);
}

/** Publishes what a service thread has told, in this thread. */
export function publishTold({ channel, event, failure }: Told): void {
  if (channel === 'error') {
    publishError(event as Omit<ErrorEvent, 'error'>, failure!.errno);
    return;
  }
  // It is over: what listens for the beginning and the end hears of both, with the times in the event.
  const tracing = channels[channel] as { start: Publisher; end: Publisher; error: Publisher };
  tracing.start.publish(event);
  if (failure !== undefined) {
    const name = CALL_NAMES[failure.operation as Operation];
    Object.assign(event, { error: systemError(failure.errno, name, event.file) });
    tracing.error.publish(event);
  }
  tracing.end.publish(event);
}

interface Publisher {
  publish(event: unknown): void;
}

async function timed<T>(event: { durationMs?: number }, started: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    event.durationMs = performance.now() - started;
  }
}

function timedSync<T>(event: { durationMs?: number }, started: number, work: () => T): T {
  try {
    return work();
  } finally {
    event.durationMs = performance.now() - started;
  }
}
