// Threads of a cache in one thread of the system: what each has under way stands still after each half of an I/O and at
// each sleep, until it is its turn again. Whose turn it is comes from a seed, so a run can be had again.
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { Effect, Protocol } from '../../../src/protocol/effects.ts';
import { inPlace } from '../../kernel/disk.ts';
import type { Random } from '../../storm/random.ts';

/** Does an effect: what it comes to, or how it ends later. */
export type Perform = (effect: Effect) => number | (() => number);

/** Steps in which nobody gets on, after which all hang. */
const PATIENCE = 20_000;
/** The one who had the last turn has the next one too, so many times in eight. */
const FAVOUR = 5;

class Underway {
  readonly #kernel: Kernel;
  readonly #perform: Perform;
  readonly #protocol: Protocol<unknown>;
  readonly #settle: (error: unknown, value?: unknown) => void;
  #effect: Effect | undefined;
  #ends: (() => number) | undefined;

  constructor(
    kernel: Kernel,
    perform: Perform,
    protocol: Protocol<unknown>,
    settle: (error: unknown, value?: unknown) => void,
  ) {
    this.#kernel = kernel;
    this.#perform = perform;
    this.#protocol = protocol;
    this.#settle = settle;
    this.#go(() => this.#protocol.next());
  }

  get done(): boolean {
    return this.#effect === undefined;
  }

  get asleep(): boolean {
    const effect = this.#effect;
    return effect?.kind === 'wait' && this.#kernel.load(effect.at) === effect.seq;
  }

  /** Whether it is in the middle of a flush, which takes longer than all else. */
  get flushing(): boolean {
    return this.#ends !== undefined && this.#effect?.kind === 'flush';
  }

  /** What it is about to do, or has begun. */
  get effect(): string {
    return this.#effect?.kind ?? 'nothing';
  }

  /** One half of an I/O, or the end of a sleep. */
  step(): void {
    if (this.#effect === undefined) return;
    if (this.#ends === undefined && this.#effect.kind !== 'wait') {
      const result = this.#perform(this.#effect);
      this.#ends = typeof result === 'number' ? () => result : result;
      return;
    }
    const result = this.#ends?.() ?? 0;
    this.#ends = undefined;
    this.#go(() => this.#protocol.next(result as never));
  }

  #go(next: () => IteratorResult<Effect, unknown>): void {
    try {
      const { done, value } = next();
      this.#effect = done ? undefined : (value as Effect);
      if (done) this.#settle(undefined, value);
    } catch (error) {
      this.#effect = undefined;
      this.#settle(error ?? new Error('nothing was thrown'));
    }
  }
}

export class Scheduler {
  readonly #random: Random;
  #underway: Underway[] = [];
  #favourite: Underway | undefined;
  /** Set while somebody has his turn: another may have one in between, that one not. */
  readonly #busy = new Set<Underway>();
  #programs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Runs a protocol for a thread, turn by turn. */
  run<T>(kernel: Kernel, perform: Perform, protocol: Protocol<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (error: unknown, value?: unknown) =>
        error === undefined ? resolve(value as T) : reject(error);
      const one = new Underway(kernel, perform, inPlace(protocol), settle);
      if (!one.done) this.#underway.push(one);
    });
  }

  /** What a thread does, from the first turn on. */
  program(does: () => Promise<void>): void {
    this.#programs++;
    const ended = () => {
      this.#programs--;
    };
    does().then(ended, (error) => {
      this.#failure ??= error;
      ended();
    });
  }

  #failure: unknown;

  /** Gives turns until all programs have ended. Throws what one of them has thrown. */
  async go(): Promise<void> {
    for (let n = 0; ; n++) {
      await new Promise(setImmediate); // what was settled is gone on with
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#programs === 0) return;
      if (n > PATIENCE) {
        throw new Error(`they come to no end: ${this.#underway.map(({ effect }) => effect).join(', ')}`);
      }
      this.turn();
    }
  }

  /** Somebody has a turn; also in the middle of another's. */
  turn(): void {
    this.#underway = this.#underway.filter(({ done }) => !done);
    const able = this.#underway.filter((one) => !one.asleep && !this.#busy.has(one));
    // A sleeper wakes by itself now and then; most of what others do comes before a flush ends.
    const all = this.#underway.filter((one) => !this.#busy.has(one));
    const quick = able.filter(({ flushing }) => !flushing);
    const awake = quick.length > 0 && !this.#random.oneIn(6) ? quick : able;
    const from = awake.length > 0 && !this.#random.oneIn(40) ? awake : all;
    if (from.length === 0) return;
    const favoured = this.#favourite !== undefined && from.includes(this.#favourite);
    const one = favoured && this.#random.below(8) < FAVOUR ? this.#favourite! : this.#random.pick(from);
    this.#favourite = one;
    this.#busy.add(one);
    try {
      one.step();
    } finally {
      this.#busy.delete(one);
    }
  }
}
