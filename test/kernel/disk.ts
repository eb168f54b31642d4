// A disk below an operating system's page cache, as Linux has it: a write lands in the system's cache, a flush makes
// stable what had been written before it began, and a flush that fails leaves what was pending marked clean: no later
// flush writes it. And a scheduler that runs protocols of several threads against it, one effect at a time.
import type { Effect, Pool, Protocol } from '../../src/protocol/effects.ts';

const EIO = 5;

export class Disk {
  readonly pageSize: number;
  /** What a read of the file sees: pages, and where the file ends. */
  readonly current = new Map<number, Uint8Array>();
  length = 0;
  /** What is there after a power cut. */
  readonly stable = new Map<number, Uint8Array>();
  stableLength = 0;
  readonly #pending = new Set<number>();
  failNextWrites = 0;
  failNextFlushes = 0;
  /** Whether pages that a failed flush has not stored read as they were before, as btrfs has it; else they are only marked clean. */
  reverts = false;
  failNextResizes = 0;
  /** Told of each size that the file has been given. */
  onResize: (size: number) => void = () => {};

  constructor(pageSize: number) {
    this.pageSize = pageSize;
  }

  read(bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.length - position));
    for (const { index, offset, from, to } of this.#parts(length, position)) {
      const page = this.current.get(index);
      if (page) bytes.set(page.subarray(offset, offset + to - from), from);
      else bytes.fill(0, from, to);
    }
    return length;
  }

  write(bytes: Uint8Array, position: number): number {
    if (this.failNextWrites > 0) {
      this.failNextWrites--;
      return -EIO;
    }
    for (const { index, offset, from, to } of this.#parts(bytes.length, position)) {
      this.#change(index, (page) => page.set(bytes.subarray(from, to), offset));
    }
    this.length = Math.max(this.length, position + bytes.length);
    return bytes.length;
  }

  /** What of `length` bytes at `position` is whose page. */
  *#parts(length: number, position: number) {
    for (let from = 0; from < length; ) {
      const index = Math.floor((position + from) / this.pageSize);
      const offset = position + from - index * this.pageSize;
      const to = Math.min(length, from + this.pageSize - offset);
      yield { index, offset, from, to };
      from = to;
    }
  }

  /** Cuts the file, or extends it with zeros: what is behind the new end is gone for good. */
  resize(size: number): number {
    if (this.failNextResizes > 0) {
      this.failNextResizes--;
      return -EIO;
    }
    for (const index of [...this.current.keys()]) {
      const start = index * this.pageSize;
      if (start >= size) {
        this.current.delete(index);
        this.#pending.add(index);
      } else if (start + this.pageSize > size) this.#change(index, (page) => page.fill(0, size - start));
    }
    this.length = size;
    this.onResize(size);
    return 0;
  }

  /** A page is never changed in place: what a flush under way covers is what was there when it began. */
  #change(index: number, change: (page: Uint8Array) => void): void {
    const page = this.current.get(index)?.slice() ?? new Uint8Array(this.pageSize);
    change(page);
    this.current.set(index, page);
    this.#pending.add(index);
  }

  /** Begins a flush; the answer ends it. The least that a system promises: what is written meanwhile is not covered. */
  flush(): () => number {
    const covered = [...this.#pending].map((index) => [index, this.current.get(index)] as const);
    const { length } = this;
    return () => {
      if (this.failNextFlushes > 0) {
        this.failNextFlushes--;
        this.#forget();
        return -EIO;
      }
      for (const [index, bytes] of covered) {
        if (bytes) this.stable.set(index, bytes);
        else this.stable.delete(index);
        if (this.current.get(index) === bytes) this.#pending.delete(index);
      }
      this.stableLength = length;
      return 0;
    };
  }

  /** Data is marked clean that was not stored. What was cut off is the file system's own record: it stays to be stored. */
  #forget(): void {
    for (const index of this.#pending) {
      const lost = this.current.has(index);
      if (lost) this.#pending.delete(index);
      if (!lost || !this.reverts) continue;
      const stable = this.stable.get(index);
      if (stable) this.current.set(index, stable);
      else this.current.delete(index);
    }
  }

  /** Everything there is to know about it, for comparing. */
  get contents(): readonly (number | Uint8Array)[] {
    return [
      this.length,
      this.stableLength,
      ...this.#pending,
      ...[...this.current].flat(),
      ...[...this.stable].flat(),
    ];
  }

  /** Remembers how everything is; the answer brings it back. */
  save(): () => void {
    const current = [...this.current];
    const stable = [...this.stable];
    const pending = [...this.#pending];
    const { length, stableLength } = this;
    return () => {
      this.current.clear();
      for (const [index, bytes] of current) this.current.set(index, bytes);
      this.stable.clear();
      for (const [index, bytes] of stable) this.stable.set(index, bytes);
      this.#pending.clear();
      for (const index of pending) this.#pending.add(index);
      Object.assign(this, {
        length,
        stableLength,
        failNextWrites: 0,
        failNextFlushes: 0,
        failNextResizes: 0,
      });
    };
  }
}

/** A protocol of one thread under way. `step` performs its effect, or one half of it, and goes on. */
export class Task<T> {
  readonly #thread: Pick<Pool, 'kernel'>;
  readonly #disk: Disk;
  readonly #protocol: Protocol<T>;
  #state: IteratorResult<Effect, T>;
  #ended: (() => number) | undefined;
  #result: number | undefined;

  constructor(thread: Pick<Pool, 'kernel'>, disk: Disk, protocol: Protocol<T>) {
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
