// A disk below an operating system's page cache, as Linux has it: a write lands in the system's cache, a flush makes
// stable what had been written before it began, and a flush that fails leaves what was pending marked clean: no later
// flush writes it. And a scheduler that runs protocols of several threads against it, one effect at a time.
import type { Effect, Protocol } from '../../src/protocol/effects.ts';
import type { Thread } from './pool.ts';

const EIO = 5;

export class Disk {
  readonly pageSize: number;
  /** What a read of the file sees. */
  readonly current = new Map<number, Uint8Array>();
  /** What is there after a power cut. */
  readonly stable = new Map<number, Uint8Array>();
  #pending = new Set<number>();
  failNextWrites = 0;
  failNextFlushes = 0;
  failNextResizes = 0;
  /** The file's length in bytes, as the system knows it now. */
  length = 0;

  constructor(pageSize: number) {
    this.pageSize = pageSize;
  }

  read(bytes: Uint8Array, position: number): number {
    for (let at = 0; at < bytes.length; at += this.pageSize) {
      const page = this.current.get((position + at) / this.pageSize);
      bytes.fill(0, at, at + this.pageSize);
      if (page) bytes.set(page, at);
    }
    return bytes.length;
  }

  /** What is behind the new end is gone for good: a later extension shows zeros. */
  resize(size: number): number {
    if (this.failNextResizes > 0) {
      this.failNextResizes--;
      return -EIO;
    }
    for (const [index, page] of this.current) {
      const keep = size - index * this.pageSize;
      if (keep <= 0) this.current.delete(index);
      else if (keep < page.length) this.current.set(index, page.slice(0, keep));
    }
    this.length = size;
    return 0;
  }

  write(bytes: Uint8Array, position: number): number {
    if (this.failNextWrites > 0) {
      this.failNextWrites--;
      return -EIO;
    }
    for (let at = 0; at < bytes.length; at += this.pageSize) {
      const index = (position + at) / this.pageSize;
      this.current.set(index, bytes.slice(at, at + this.pageSize));
      this.#pending.add(index);
    }
    this.length = Math.max(this.length, position + bytes.length);
    return bytes.length;
  }

  /** Begins a flush; the answer ends it. The least that a system promises: what is written meanwhile is not covered. */
  flush(): () => number {
    const covered = [...this.#pending].flatMap((index) => {
      const bytes = this.current.get(index);
      return bytes ? [[index, bytes] as const] : [];
    });
    return () => {
      if (this.failNextFlushes > 0) {
        this.failNextFlushes--;
        this.#pending.clear();
        return -EIO;
      }
      for (const [index, bytes] of covered) {
        this.stable.set(index, bytes);
        if (this.current.get(index) === bytes) this.#pending.delete(index);
      }
      return 0;
    };
  }
}

/** A protocol of one thread under way. `step` performs its effect, or one half of it, and goes on. */
export class Task<T> {
  readonly #thread: Thread;
  readonly #disk: Disk;
  readonly #protocol: Protocol<T>;
  #state: IteratorResult<Effect, T>;
  #ended: (() => number) | undefined;
  #result: number | undefined;

  constructor(thread: Thread, disk: Disk, protocol: Protocol<T>) {
    this.#thread = thread;
    this.#disk = disk;
    this.#protocol = protocol;
    this.#state = protocol.next();
  }

  get done(): boolean {
    return this.#state.done === true;
  }

  get value(): T {
    if (!this.#state.done) throw new Error('the protocol has not ended');
    return this.#state.value;
  }

  /** What it is about to do, or has begun. */
  get effect(): Effect['kind'] | undefined {
    return this.#state.done ? undefined : this.#state.value.kind;
  }

  /** Whether it would only look again and sleep on. */
  get asleep(): boolean {
    if (this.#state.done || this.#state.value.kind !== 'wait') return false;
    return this.#thread.kernel.load(this.#state.value.at) === this.#state.value.seq;
  }

  /** One half of an I/O (its doing, its return), or the end of a sleep. */
  step(): void {
    if (this.#state.done) return;
    const effect = this.#state.value;
    if (this.#result === undefined && this.#ended === undefined) {
      if (effect.kind === 'read') this.#result = this.#disk.read(effect.bytes, effect.position);
      else if (effect.kind === 'write') this.#result = this.#disk.write(effect.bytes, effect.position);
      else if (effect.kind === 'resize') this.#result = this.#disk.resize(effect.size);
      else if (effect.kind === 'flush') this.#ended = this.#disk.flush();
      else if (effect.kind === 'ask') throw new Error('run it through inPlace');
      else this.#go(0);
      return;
    }
    const result = this.#result ?? this.#ended!();
    this.#result = undefined;
    this.#ended = undefined;
    this.#go(result);
  }

  /** Steps until it ends, or until `effect` is what it would do next. */
  runTo(effect?: Effect['kind']): this {
    for (let n = 0; !this.done && this.effect !== effect; n++) {
      if (n > 10_000) throw new Error(`no end in sight: ${this.effect}`);
      this.step();
    }
    return this;
  }

  #go(result: number): void {
    this.#state = this.#protocol.next(result as never);
  }
}

/** Runs what a protocol would ask a service thread for in place, as the synchronous driver does. */
export function* inPlace<T>(protocol: Protocol<T>): Protocol<T> {
  let step = protocol.next();
  while (!step.done) {
    const result = step.value.kind === 'ask' ? yield* inPlace(step.value.here()) : yield step.value;
    step = protocol.next(result as never);
  }
  return step.value;
}
