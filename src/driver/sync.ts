// The synchronous driver: performs each effect in place, sleeping in Atomics.wait.

import { pinfoldError } from '../errors';
import type { FileId, Kernel } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { Answer, Effect, Protocol, Request } from '../protocol/effects';
import type { Store } from '../store/store';

/** The longest sleep between two looks around, in ms. A missed wake-up would cost this much, not for ever. */
const SLICE_MS = 50;

/** What a driver's sleep ends with when the cache was closed under it. */
export function closedError(): Error {
  return pinfoldError('ERR_PINFOLD_CLOSED', 'the cache is closed: its creator has closed it');
}

export class SyncDriver {
  readonly #kernel: Kernel;
  readonly #store: Store;

  constructor(kernel: Kernel, store: Store) {
    this.#kernel = kernel;
    this.#store = store;
  }

  /** Runs a protocol to its end. Throws what it throws; ERR_PINFOLD_CLOSED if the cache is closed while it sleeps. */
  run<T>(protocol: Protocol<T>): T {
    let step = protocol.next();
    while (!step.done) {
      let result: number | Answer;
      try {
        result = this.#perform(step.value);
      } catch (error) {
        step = protocol.throw(error);
        continue;
      }
      step = protocol.next(result as number & Answer);
    }
    return step.value;
  }

  #perform(effect: Effect): number | Answer {
    switch (effect.kind) {
      case 'wait':
        this.#sleep(effect.at, effect.seq, effect.timeoutMs);
        return 0;
      case 'ask':
        return this.run(effect.here());
      case 'read':
        return this.#store.read(this.#descriptor(effect.file, L.FILE_FD_READ), effect.bytes, effect.position);
      case 'write':
        return this.#store.write(
          this.#descriptor(effect.file, L.FILE_FD_WRITE),
          effect.bytes,
          effect.position,
        );
      case 'flush':
        return this.#store.flush(this.#descriptor(effect.file, L.FILE_FD_WRITE));
      case 'syncDirectory':
        return this.#store.syncDirectory(this.#descriptor(effect.file, L.FILE_FD_WRITE));
    }
  }

  #descriptor(file: FileId, field: number): number {
    return this.#kernel.fileWord(file, field) - 1;
  }

  /** Has a service thread do what only it can do, and sleeps until it has: for opening files. */
  ask(request: Request): Answer {
    const { control } = this.#kernel;
    const { service, kind, file, a, b } = request;
    const slot = control.post(service, kind, file, a, b);
    if (slot < 0) throw new Error('no request slot is free for a synchronous call');
    const wakeAt = this.#kernel.rowAt(this.#kernel.owner) + L.ROW_WAKE;
    for (;;) {
      const seq = this.#kernel.load(wakeAt);
      if (control.collect(slot) === 1)
        return [0, 1, 2, 3].map((word) => this.#kernel.out(word)) as unknown as Answer;
      this.#sleep(wakeAt, seq, SLICE_MS);
    }
  }

  /** One slice of sleep on a word; the protocol looks whether what it waits for has come. */
  #sleep(at: number, seq: number, timeoutMs: number): void {
    if (this.#kernel.load(L.HEADER_LIFE) === L.LIFE_CLOSED) throw closedError();
    Atomics.wait(this.#kernel.words, at >> 2, seq, Math.min(timeoutMs, SLICE_MS));
  }
}
