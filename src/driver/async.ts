// The asynchronous driver: the event loop goes on. Sleeps are Atomics.waitAsync; work that does I/O goes to service threads.

import { abortedError, pinfoldError } from '../errors';
import type { Kernel } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { References } from '../kernel/references';
import { lifeError } from '../life';
import type { Observer } from '../observer';
import type { Waiter } from '../options';
import type { Answer, Effect, Protocol, Request } from '../protocol/effects';
import { throwFailure } from '../protocol/failure';
import { type FillFailure, fillOf } from './fills';

/** A pending waitAsync can't be cancelled: it lives this long at most, then its waiters look again and re-arm, in ms. */
const REARM_MS = 1000;

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
  timeout: number,
) => { async: boolean; value: string | Promise<string> };
const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;

export class AsyncDriver {
  readonly #kernel: Kernel;
  /** One pending waitAsync a word, shared by all who wait for it in this thread. */
  readonly #sleeps = new Map<number, Promise<unknown>>();
  /** waitAsync keeps no event loop alive; this timer does while anything is pending. */
  readonly #alive: NodeJS.Timeout;
  #pending = 0;
  #posted = 0;
  #stopping = false;
  /** Requests that wait for one of the row's request slots. */
  readonly #queue: (() => void)[] = [];

  readonly #references: References;
  readonly #limitMs: number;
  readonly #lookAround: () => void;
  readonly #observer: Observer | undefined;
  readonly #failure: FillFailure;

  /**
   * `lookAround`: called when a sleep ends by itself after REARM_MS, so that nobody waits for the dead. `observer`: hears of
   * fills; `failure`: see `fillOf`.
   */
  constructor(
    kernel: Kernel,
    references: References,
    limitMs: number,
    lookAround: () => void,
    observer?: Observer,
    failure: FillFailure = () => undefined,
  ) {
    this.#observer = observer;
    this.#failure = failure;
    this.#kernel = kernel;
    this.#references = references;
    this.#limitMs = limitMs;
    this.#lookAround = lookAround;
    this.#alive = setInterval(() => {}, 2 ** 30).unref();
  }

  /** Stops, once what is pending has ended: its waits end by themselves when the cache is closed. */
  stop(): void {
    this.#stopping = true;
    if (this.#pending === 0) clearInterval(this.#alive);
  }

  /** How many protocols are under way. */
  get pending(): number {
    return this.#pending;
  }

  /** Runs a protocol to its end. */
  async run<T>(protocol: Protocol<T>): Promise<T> {
    if (this.#pending++ === 0) this.#alive.ref();
    try {
      let step = protocol.next();
      while (!step.done) {
        let result: number | Answer;
        try {
          result = await this.#perform(step.value);
        } catch (error) {
          step = protocol.throw(error);
          continue;
        }
        step = protocol.next(result as number & Answer);
      }
      return step.value;
    } finally {
      if (--this.#pending === 0) {
        if (this.#stopping) clearInterval(this.#alive);
        else this.#alive.unref();
      }
    }
  }

  async #perform(effect: Effect): Promise<number | Answer> {
    if (effect.kind === 'wait') {
      await this.#sleep(effect.at, effect.seq, effect.timeoutMs);
      return 0;
    }
    if (effect.kind === 'ask') {
      const { request } = effect;
      const fill = this.#observer && fillOf(request, this.#failure);
      if (fill === undefined) return await this.ask(request);
      return await this.#observer!.fill(fill, () => this.ask(request));
    }
    throw new Error(`I/O effect '${effect.kind}' on an event loop: it belongs behind a request`);
  }

  /** Has a service thread do the work. Rejects with ERR_PINFOLD_TIMEOUT if none takes it for so long. */
  async ask(request: Request): Promise<Answer> {
    const kernel = this.#kernel;
    const { service, kind, file, a, b } = request;
    // One request slot stays free for a synchronous call of this thread, which could not wait for these to be collected; and
    // some are readahead's.
    while (this.#posted >= L.REQUESTS - 1 - L.AHEAD_REQUESTS)
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#posted++;
    const slot = kernel.control.post(service, kind, file, a, b);
    const wakeAt = kernel.rowAt(kernel.owner) + L.ROW_WAKE;
    const end = performance.now() + this.#limitMs;
    try {
      for (;;) {
        const seq = kernel.load(wakeAt);
        if (kernel.control.collect(slot) === 1) {
          const answer = [kernel.out(0), kernel.out(1), kernel.out(2), kernel.out(3)] as const;
          // At once: the file's last handle may be closed before anybody looks at the answer.
          this.#references.collected(request, answer);
          throwFailure(kernel, answer);
          return answer;
        }
        if (performance.now() >= end && kernel.control.withdraw(slot, service) === 1) {
          throw pinfoldError('ERR_PINFOLD_TIMEOUT', `no service thread answered within ${this.#limitMs} ms`);
        }
        await this.#sleep(wakeAt, seq, REARM_MS);
      }
    } finally {
      this.#posted--;
      this.#queue.shift()?.();
    }
  }

  async #sleep(at: number, seq: number, timeoutMs: number): Promise<void> {
    const life = this.#kernel.load(L.HEADER_LIFE);
    if (life >= L.LIFE_CLOSED) throw lifeError(life);
    const shared = this.#sleeps.get(at) ?? this.#arm(at, seq);
    if (shared === undefined) return;
    if (timeoutMs >= REARM_MS) {
      await shared;
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      shared,
      new Promise((resolve) => (timer = setTimeout(resolve, Math.ceil(timeoutMs)))),
    ]);
    clearTimeout(timer);
  }

  #arm(at: number, seq: number): Promise<unknown> | undefined {
    const { async: pending, value } = waitAsync(this.#kernel.words, at >> 2, seq, REARM_MS);
    if (!pending) return undefined; // the word has moved already
    const shared = (value as Promise<string>).then((woken) => {
      this.#sleeps.delete(at);
      if (woken === 'timed-out' && !this.#stopping) this.#lookAround();
    });
    this.#sleeps.set(at, shared);
    return shared;
  }
}

/**
 * Ends the caller's wait for `work` at a timeout or an abort. The work goes on; what it fails with then is dropped, and what
 * it comes to goes to `late`, which must not throw.
 */
export function bounded<T>(
  work: Promise<T>,
  bounds: { timeout?: { ms: number; error: () => Error } | undefined; waiter?: Waiter | undefined },
  late?: (value: T) => void,
): Promise<T> {
  const { timeout, waiter } = bounds;
  if (timeout === undefined && waiter === undefined) return work;
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const end = () => {
      over = true;
      clearTimeout(timer);
      waiter?.signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      if (over) return;
      end();
      reject(error);
    };
    const onAbort = () => fail(abortedError(waiter!.what, waiter!.signal.reason));
    work.then((value) => {
      if (over) {
        late?.(value);
        return;
      }
      end();
      resolve(value);
    }, fail);
    if (timeout !== undefined) timer = setTimeout(() => fail(timeout.error()), timeout.ms);
    if (waiter === undefined) return;
    waiter.signal.addEventListener('abort', onAbort, { once: true });
    if (waiter.signal.aborted) onAbort(); // since the options were checked
  });
}
