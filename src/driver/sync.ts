// The synchronous driver: performs each effect in place, sleeping in Atomics.wait.
import { constants } from 'node:os';
import { pinfoldError } from '../errors';
import { type FileId, isIdentityOf, type Kernel } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { References } from '../kernel/references';
import { lifeError } from '../life';
import type { Observer } from '../observer';
import type { Answer, Effect, IoEffect, Protocol, Request } from '../protocol/effects';
import { throwFailure } from '../protocol/failure';
import { NO_DIRECT } from '../store/direct';
import type { Store } from '../store/store';
import { type FillFailure, fillOf } from './fills';

/** The longest sleep between two looks around, in ms. A missed wake-up would cost this much, not for ever. */
const SLICE_MS = 50;
/** Who sleeps for less only pauses: nobody is missed, in ms. */
const PAUSE_MS = 1;

export class SyncDriver {
  readonly #kernel: Kernel;
  readonly #store: Store;
  readonly #references: References;
  readonly #guarded: boolean;
  readonly #lookAround: () => void;
  readonly #observer: Observer | undefined;
  readonly #failure: FillFailure;

  /**
   * `guarded`: descriptors are looked at before they are used. `lookAround`: called when a sleep ends by itself, so that the
   * death of whoever it waits for is noticed. `observer`: hears of fills and of calls of the store; `failure`: see `fillOf`.
   */
  constructor(
    kernel: Kernel,
    references: References,
    store: Store,
    guarded: boolean,
    lookAround: () => void,
    observer?: Observer,
    failure: FillFailure = () => undefined,
  ) {
    this.#observer = observer;
    this.#failure = failure;
    this.#kernel = kernel;
    this.#references = references;
    this.#store = store;
    this.#guarded = guarded;
    this.#lookAround = lookAround;
  }

  /**
   * Runs a protocol to its end. Throws what it throws; ERR_PINFOLD_CLOSED, ERR_PINFOLD_OWNER_GONE if the cache's life ends
   * while it sleeps.
   */
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
    if (effect.kind === 'wait') {
      this.#sleep(effect.at, effect.seq, effect.timeoutMs);
      return 0;
    }
    const observer = this.#observer;
    if (effect.kind === 'ask') {
      const fill = observer && fillOf(effect.request, this.#failure);
      if (fill === undefined) return this.run(effect.here());
      return observer!.fillSync(fill, () => this.run(effect.here()));
    }
    return observer === undefined ? this.#io(effect) : observer.call(effect, () => this.#io(effect));
  }

  #io(effect: IoEffect): number {
    switch (effect.kind) {
      case 'read':
        return this.#on(
          effect.file,
          L.FILE_FD_READ,
          (fd, direct) => this.#store.read(fd, effect.bytes, effect.position, direct),
          L.FILE_FD_DIRECT_READ,
        );
      case 'write':
        return this.#on(
          effect.file,
          L.FILE_FD_WRITE,
          (fd, direct) => this.#store.write(fd, effect.bytes, effect.position, direct),
          L.FILE_FD_DIRECT_WRITE,
        );
      case 'flush':
        return this.#on(effect.file, L.FILE_FD_WRITE, (fd) => this.#store.flush(fd));
      case 'resize':
        return this.#on(effect.file, L.FILE_FD_WRITE, (fd) => this.#store.resize(fd, effect.size));
      case 'syncDirectory':
        return this.#on(effect.file, L.FILE_FD_WRITE, (fd) => this.#store.syncDirectory(fd));
    }
  }

  /** Does I/O on a file's descriptor, and the one for direct I/O if it has that, as long as they are still the file's. */
  #on(
    file: FileId,
    field: number,
    work: (fd: number, direct: number) => number,
    directField?: number,
  ): number {
    const fd = this.#kernel.fileWord(file, field) - 1;
    const direct = directField === undefined ? NO_DIRECT : this.#kernel.fileWord(file, directField) - 1;
    if (this.#guarded) {
      const known = this.#isOf(fd, file) && (direct === NO_DIRECT || this.#isOf(direct, file));
      if (!known) return -constants.errno.EBADF;
    }
    return work(fd, direct);
  }

  #isOf(fd: number, file: FileId): boolean {
    const identity = this.#store.identity(fd);
    return identity !== undefined && isIdentityOf(this.#kernel, file, identity);
  }

  /** Has a service thread do what only it can do, and sleeps until it has: for opening files. */
  ask(request: Request, limitMs: number): Answer {
    const { control } = this.#kernel;
    const { service, kind, file, a, b } = request;
    const slot = control.post(service, kind, file, a, b);
    if (slot < 0) throw new Error('no request slot is free for a synchronous call');
    const wakeAt = this.#kernel.rowAt(this.#kernel.owner) + L.ROW_WAKE;
    const end = performance.now() + limitMs;
    for (;;) {
      const seq = this.#kernel.load(wakeAt);
      if (control.collect(slot) === 1) {
        const answer = [0, 1, 2, 3].map((word) => this.#kernel.out(word)) as unknown as Answer;
        this.#references.collected(request, answer);
        throwFailure(this.#kernel, answer);
        return answer;
      }
      if (performance.now() >= end && control.withdraw(slot, service) === 1) {
        throw pinfoldError('ERR_PINFOLD_TIMEOUT', `no service thread answered within ${limitMs} ms`);
      }
      this.#sleep(wakeAt, seq, SLICE_MS);
    }
  }

  /** One slice of sleep on a word; the protocol looks whether what it waits for has come. */
  #sleep(at: number, seq: number, timeoutMs: number): void {
    const life = this.#kernel.load(L.HEADER_LIFE);
    if (life >= L.LIFE_CLOSED) throw lifeError(life);
    const woken = Atomics.wait(this.#kernel.words, at >> 2, seq, Math.min(timeoutMs, SLICE_MS));
    if (woken === 'timed-out' && timeoutMs >= PAUSE_MS) this.#lookAround();
  }
}
