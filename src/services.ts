// The service threads, and their replacement when they die. The creator starts them and hears when one ends. While it is
// blocked in a call of its own it does so from there. Flushers any thread that waits starts in its place; what that starts
// lives as long as it does itself, and is replaced in turn.
import { Worker } from 'node:worker_threads';
import type { Attachment, HandleParts } from './attachment';
import { pinfoldError } from './errors';
import { FILE_WORKER_ROWS } from './kernel/geometry';
import type { OwnerId } from './kernel/kernel';
import * as L from './kernel/layout';
import { declareDead, isAlive } from './liveness';
import { publishTold, type Told } from './observer';
import type { ServiceData } from './service/serve';

/** How long `create` waits for a service thread to come up, in ms. */
const START_TIMEOUT_MS = 20_000;
/** How long `close` waits for a service thread to end by itself, in ms. */
const STOP_TIMEOUT_MS = 5000;
/** A service thread that was started gets so long to appear before another is started, in ms. */
const START_AGAIN_MS = 2000;
/** How long a thread that did not create the cache leaves it to the creator to replace a service thread, in ms. */
const GRACE_MS = 500;
/** If so many of them end within a minute something is wrong with them, not with their luck. */
const ENDS_MAX = 100;

type Role = ServiceData['role'];

export class Services {
  readonly #handle: HandleParts;
  readonly #source: string;
  readonly #running = new Set<Worker>();
  #attachment: Attachment | undefined;
  #isCreator = false;
  /** Since when this thread has seen that one is missing. */
  #missingSince: number | undefined;
  readonly #ends: number[] = [];
  /** Those that this thread has started and not yet seen to be attached: since when. */
  readonly #booting = new Map<Worker, { role: Role; since: number }>();

  constructor(handle: HandleParts, source: string) {
    this.#handle = handle;
    this.#source = source;
  }

  /** Starts all of them, for a new cache. They keep no event loop alive. Throws ERR_PINFOLD_THREADS. */
  async startAll(): Promise<void> {
    this.#isCreator = true;
    const { flushers } = this.#handle.options;
    const roles: Role[] = [...Array<'flusher'>(flushers).fill('flusher'), 'files'];
    const services = roles.map((role) => this.#start(role));
    try {
      await Promise.all(services.map(started));
    } catch (error) {
      await Promise.all(services.map((service) => service.terminate()));
      throw error;
    } finally {
      for (const service of services) service.unref();
    }
  }

  /** From now on those that are missing are replaced. */
  keepUp(attachment: Attachment): void {
    this.#attachment = attachment;
  }

  /** Starts what is missing, if it is this thread's turn to. */
  check(): void {
    const { kernel } = this.#attachment!;
    if (kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) return;
    const missing = this.#missing();
    if (missing.length === 0) {
      this.#missingSince = undefined;
      return;
    }
    const now = this.#attachment!.now() | 0;
    this.#missingSince ??= now;
    if (!this.#isCreator && now - this.#missingSince < GRACE_MS) return;
    for (const { role, row, count } of missing) {
      // A worker's worker closes what it has opened when it ends, so a file worker must be the creator's.
      if (role === 'files' && !this.#isCreator) continue;
      // Their successors recover the dead, if one finds a row; if all died at once, and the spare as well, none does.
      if (!this.#hasFreeRow(role)) this.#attachment!.recoverDead(0);
      if (kernel.control.startTry(row, START_AGAIN_MS, now) !== 1) continue;
      try {
        for (let n = 0; n < count; n++) this.#start(role).unref();
      } catch {
        return; // no thread to be had now; it is missing still at the next check, which may be inside a wait of anybody's
      }
    }
  }

  /** What is missing, and the row that tells when it was last started. */
  #missing(): { role: Role; row: OwnerId; count: number }[] {
    const { kernel, geometry, options } = this.#attachment!;
    const fileRows = geometry.serviceRows - FILE_WORKER_ROWS;
    const present = (from: number, to: number) => {
      let count = 0;
      for (let row = from; row < to; row++) {
        const status = kernel.status(row);
        if (status !== L.ROW_LIVE && status !== L.ROW_STARTING) continue;
        if (isAlive(kernel, row as OwnerId)) count++;
      }
      return count;
    };
    const counts: [Role, number][] = [
      ['flusher', options.flushers - present(0, fileRows)],
      ['files', 1 - present(fileRows, geometry.serviceRows)],
    ];
    return counts
      .map(([role, count]) => ({ role, count: count - this.#bootingOf(role), row: this.#rowOf(role) }))
      .filter(({ count }) => count > 0);
  }

  /** How many have been started and may be about to attach. If this thread is blocked it does not see that they have. */
  #bootingOf(role: Role): number {
    const since = performance.now() - START_AGAIN_MS;
    return [...this.#booting.values()].filter((each) => each.role === role && each.since > since).length;
  }

  #hasFreeRow(role: Role): boolean {
    const { kernel, geometry } = this.#attachment!;
    const from = this.#rowOf(role);
    const to = role === 'flusher' ? geometry.serviceRows - FILE_WORKER_ROWS : geometry.serviceRows;
    for (let row: number = from; row < to; row++) if (kernel.status(row) === L.ROW_FREE) return true;
    return false;
  }

  /** The row that tells when a service thread of that role was last started: the first of its class. */
  #rowOf(role: Role): OwnerId {
    return (role === 'flusher' ? 0 : this.#handle.geometry.serviceRows - FILE_WORKER_ROWS) as OwnerId;
  }

  #start(role: Role): Worker {
    const workerData: ServiceData = { handle: this.#handle, role };
    const service = new Worker(this.#source, {
      eval: true,
      execArgv: [], // an inherited --input-type=module or --import would change what the source means
      workerData,
      trackUnmanagedFds: role !== 'files', // the file worker's descriptors are the cache's: they must survive it
      name: `pinfold ${role}`,
    });
    this.#running.add(service);
    this.#booting.set(service, { role, since: performance.now() });
    service.on('message', (message: 'attached' | Told) => {
      if (message === 'attached') this.#booting.delete(service);
      else publishTold(message);
    });
    service.on('error', () => {}); // its end follows
    const thread = service.threadId;
    service.once('exit', (code) => {
      this.#running.delete(service);
      this.#booting.delete(service);
      this.#ended(role, thread, code);
    });
    return service;
  }

  #ended(role: Role, thread: number, code: number): void {
    const attachment = this.#attachment;
    if (attachment === undefined || attachment.kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) return;
    const now = attachment.now();
    if (code !== 0) this.#ends.push(now); // 0: it was one too many
    while (this.#ends[0]! < now - 60_000) this.#ends.shift();
    if (this.#ends.length > ENDS_MAX) {
      attachment.kernel.control.setLife(L.LIFE_CLOSED); // calls reject instead of waiting for what always dies
      return;
    }
    // One too many says nothing about those that are missing: then the usual pause is kept.
    if (code !== 0) attachment.kernel.control.startAgain(this.#rowOf(role), now | 0);
    declareDead(attachment.kernel, thread); // a row of the dead does not count as present
    this.check();
  }

  /** Ends those that this thread has started, for a cache that nobody came to have. */
  async end(): Promise<void> {
    await Promise.all([...this.#running].map((service) => service.terminate()));
  }

  /** Resolves when those that this thread started have ended, which they do by themselves once the cache is closed. */
  async stopped(): Promise<void> {
    await Promise.all([...this.#running].map(stopped));
  }
}

/** Resolves when the service thread has attached. */
function started(service: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => fail(new Error(`no answer within ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    );
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      reject(pinfoldError('ERR_PINFOLD_THREADS', 'a service thread did not start', cause));
    };
    service.once('error', fail);
    service.once('exit', (code) => fail(new Error(`it ended with code ${code}`)));
    service.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Resolves when the service thread has ended by itself; if it does not, it is ended. */
function stopped(service: Worker): Promise<void> {
  if (service.threadId < 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => service.terminate(), STOP_TIMEOUT_MS);
    service.ref();
    service.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
