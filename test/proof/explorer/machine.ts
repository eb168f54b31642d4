// The machine that stepping code runs on: memory, virtual threads, and the search over what they may do next.
//
// A thread is stopped only where it may meet another: before an access to a word that two threads touch, one of them storing
// (such words are found as the search goes, and it starts again with each that is new), where it sleeps, and where it may die.
// All other accesses commute with what other threads do, so stopping there too would show nothing new.
//
// A state is: the words where threads meet, and of each thread a hash of all that it has read there, which with its program
// tells where it stands. A state from which everything within the bounds was tried is not entered again. Unlike sleep sets this
// is sound under a bound on preemptions: the bound's rest is part of what is remembered.

/** What a stopped thread yields. */
const STOP = Symbol('stop');

/** A violation of what must hold, found in a run. */
export class Violated extends Error {}

const READY = 0;
const SLEEPING = 1;
const DONE = 2;
const DEAD = 3;

export type Program = Generator<unknown, void, unknown>;

export interface ThreadPlan {
  readonly name: string;
  readonly start: () => Program;
  /** May die. */
  readonly mortal?: boolean;
  /** Starts when a thread has died; not before. */
  readonly undertaker?: boolean;
  /** Starts together with the next undertaker. */
  readonly racing?: boolean;
  /** Notes that it is dead. */
  readonly died?: () => void;
}

class Thread {
  readonly id: number;
  readonly name: string;
  readonly plan: ThreadPlan;
  readonly readBit: number;
  readonly writeBit: number;
  program: Program | undefined;
  state = READY;
  /** Hash of what it has read where threads meet, in two words. */
  one = 0;
  two = 0;
  sleepsOn = 0;
  wakesAt = 0;
  woken = false;
  /** Whether it has stored anything since it last might have died. */
  stored = true;
  /** It only looks again and again at what nobody changes: others first. */
  spinning = false;
  looks = 0;

  constructor(id: number, plan: ThreadPlan) {
    this.id = id;
    this.name = plan.name;
    this.plan = plan;
    this.readBit = 1 << id;
    this.writeBit = 1 << (id + 16);
  }

  begin(): void {
    this.program = undefined;
    this.state = this.plan.undertaker ? DONE : READY;
    this.one = 0x811c9dc5;
    this.two = 0x1b873593;
    this.woken = false;
    this.stored = true;
    this.spinning = false;
    this.looks = 0;
  }
}

export interface Bounds {
  /** How often a thread that could go on may be stopped for another. */
  readonly preemptions: number;
  readonly deaths: number;
}

export interface Count {
  schedules: number;
  /** States in which there was something to choose. */
  states: number;
  /** Steps where threads meet, of the longest schedule. */
  depth: number;
  steps: number;
  deaths: number;
  complete: boolean;
}

/** What the scenario does before and after each schedule. */
export interface Run {
  /** The threads of a schedule, the same in each. */
  readonly threads: readonly ThreadPlan[];
  /** Brings memory and everything else back to where each schedule starts. */
  readonly restore: () => void;
  /** When all threads have ended: throws what does not hold. `print`: of what is in memory. */
  readonly check: (print: string) => void;
  /** Told of stores to words that are watched. */
  readonly stored: (index: number, old: number, value: number) => void;
}

/** Sleeps shorter than this are polls: they may end by time. Others must be woken. */
const POLL_MS = 50;
const STEPS_MAX = 20_000;
/** Random schedules are taken for at least so long. */
const DEPTH_MIN = 20;
const ALONE_MAX = 20_000;
/** Where a choice is made, if it is not at a word. */
const AT_SWITCH = -1;
const AT_SPIN = -2;
const AT_DEATH = -3;
const LOOKS_MAX = 120;
const POLLS_MAX = 40;

/** Numbers that look random, the same each time. */
export function numbers(seed: number): (below: number) => number {
  let state = Math.imul(seed ^ 0x2545f491, 2654435761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const mix = (hash: number, value: number) => {
  let h = Math.imul(hash ^ value, 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0x27d4eb2f);
  return h ^ (h >>> 13);
};

/** States that were entered, with what was left of the bounds when they were. */
class Seen {
  #ones = new Int32Array(1 << 16);
  #twos = new Int32Array(1 << 16);
  #left = new Uint8Array(1 << 16); // 0: free
  size = 0;

  /** Whether the state was entered with as much left; remembers it if not. */
  enter(one: number, two: number, left: number): boolean {
    const mask = this.#ones.length - 1;
    let at = (one ^ (two >>> 7)) & mask;
    while (this.#left[at] !== 0) {
      if (this.#ones[at] === one && this.#twos[at] === two) {
        if (this.#left[at]! > left) return true;
        this.#left[at] = left + 1;
        return false;
      }
      at = (at + 1) & mask;
    }
    this.#ones[at] = one;
    this.#twos[at] = two;
    this.#left[at] = left + 1;
    if (++this.size > this.#ones.length * 0.6) this.#grow();
    return false;
  }

  #grow(): void {
    const [ones, twos, left] = [this.#ones, this.#twos, this.#left];
    const length = ones.length * 2;
    this.#ones = new Int32Array(length);
    this.#twos = new Int32Array(length);
    this.#left = new Uint8Array(length);
    const mask = length - 1;
    for (let n = 0; n < ones.length; n++) {
      if (left[n] === 0) continue;
      let at = (ones[n]! ^ (twos[n]! >>> 7)) & mask;
      while (this.#left[at] !== 0) at = (at + 1) & mask;
      this.#ones[at] = ones[n]!;
      this.#twos[at] = twos[n]!;
      this.#left[at] = left[n]!;
    }
  }

  clear(): void {
    this.#left.fill(0);
    this.size = 0;
  }
}

/** How the next thread is chosen. */
export type Choosing =
  | { readonly how: 'all'; readonly bounds: Bounds }
  | { readonly how: 'replay'; readonly bounds: Bounds; readonly choices: readonly number[] }
  | {
      readonly how: 'random';
      readonly seed: number;
      readonly depth: number;
      readonly changes: number;
      readonly deaths: number;
    };

export class Machine {
  readonly words: Int32Array;
  /** What the rewritten code calls. */
  readonly ops: Readonly<Record<string, unknown>>;
  /** Branches of the lowered kernel that were taken, in the order in which they were counted. */
  readonly branches: Uint8Array;
  readonly count: Count = { schedules: 0, states: 0, depth: 0, steps: 0, deaths: 0, complete: false };
  /** What happened in the schedule: for replays. */
  trace: string[] | undefined;
  /** Virtual time in ms. */
  now = 1000;

  /** Words where threads meet. */
  readonly #meets: Uint8Array;
  #meeting: number[] = [];
  /** Who has touched a word, by bits of threads; for words where none meet so far. */
  readonly #touched: Int32Array;
  /** Whether that became more in this schedule. */
  #met = false;
  /** Reads of words where none meet since the last step. */
  #alone = 0;
  readonly #watched: Uint8Array;
  /** Words stored to in this schedule, to be brought back. */
  readonly #stamps: Int32Array;
  #epoch = 0;
  #log: number[] = [];
  readonly #initial: Int32Array;

  #threads: Thread[] = [];
  #current: Thread;
  #next: Thread | undefined;
  #run!: Run;
  #choosing!: Choosing;
  #preemptionsMax = 0;
  #deathsMax = 0;
  #preemptions = 0;
  #deaths = 0;
  #through = 0;
  #choices: number[] = [];
  #options: number[] = [];
  #depth = 0;
  #prefix = 0;
  #steps = 0;
  #polls = 0;
  #pruned = false;
  #failure: unknown;
  readonly #seen = new Seen();
  #checked = new Set<string>();
  /** For a random schedule: threads' priorities, and the steps at which the running one falls behind all. */
  #priorities: number[] = [];
  #changesAt: number[] = [];
  #deathAt = -1;
  #deathPoints = 0;
  #low = 0;

  constructor(words: Int32Array, branches: number) {
    this.words = words;
    this.branches = new Uint8Array(branches);
    this.#meets = new Uint8Array(words.length);
    this.#touched = new Int32Array(words.length);
    this.#watched = new Uint8Array(words.length);
    this.#stamps = new Int32Array(words.length);
    this.#initial = new Int32Array(words.length);
    this.#current = new Thread(0, { name: 'setup', start: () => undefined as never });
    this.ops = this.#makeOps();
  }

  #makeOps(): Record<string, unknown> {
    const { words } = this;
    const meets = this.#meets;
    const touched = this.#touched;
    const stamps = this.#stamps;
    const watched = this.#watched;
    const machine = this;

    const P = (i: number) => meets[i] !== 0 && machine.#through === 0 && machine.#step(i);
    const touch = (i: number, bit: number) => {
      const before = touched[i]!;
      const after = before | bit;
      if (after !== before) {
        touched[i] = after;
        if (after >>> 16 !== 0 && isTwo((after >>> 16) | (after & 0xffff))) machine.#meetAt(i);
      }
    };
    const ld = (i: number) => {
      const value = words[i]!;
      const thread = machine.#current;
      if (meets[i] !== 0) {
        thread.one = mix(thread.one, value);
        thread.two = mix(thread.two ^ 0x5bd1e995, value);
        if (thread.looks++ > LOOKS_MAX) thread.spinning = true;
      } else {
        if ((touched[i]! & thread.readBit) === 0) touch(i, thread.readBit);
        // It may wait for what another has not touched yet.
        if (machine.#through === 0 && ++machine.#alone > ALONE_MAX) machine.#meetAt(i);
      }
      return value;
    };
    const put = (i: number, old: number, value: number) => {
      const thread = machine.#current;
      if (meets[i] === 0 && (touched[i]! & thread.writeBit) === 0) touch(i, thread.writeBit);
      if (stamps[i] !== machine.#epoch) {
        stamps[i] = machine.#epoch;
        machine.#log.push(i);
      }
      words[i] = value;
      thread.stored = true;
      if (old !== value && meets[i] !== 0) machine.#moved();
      if (watched[i] !== 0 && old !== value) machine.#run.stored(i, old, value);
    };
    const st = (i: number, value: number) => {
      put(i, words[i]!, value | 0);
      return value;
    };
    const rmw = (i: number, value: number) => {
      const old = ld(i);
      put(i, old, value | 0);
      return old;
    };
    const cas = (i: number, expected: number, value: number) => {
      const old = ld(i);
      if (old === (expected | 0)) put(i, old, value | 0);
      return old;
    };
    const generators: object = Object.getPrototypeOf(function* () {}).prototype;
    const is = (value: unknown): value is Program =>
      typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(generators, value);
    const through = (value: unknown) => {
      if (!is(value)) return value;
      machine.#through++;
      try {
        const { done, value: result } = value.next();
        if (!done) throw new Error('it stopped where nothing can');
        return result;
      } finally {
        machine.#through--;
      }
    };
    function* next(from: Iterator<unknown>): Generator<unknown, IteratorResult<unknown>, unknown> {
      for (;;) {
        const result = from.next();
        if (result.done || result.value !== STOP) return result;
        yield STOP;
      }
    }
    const pull = (from: Iterator<unknown>) => {
      machine.#through++;
      try {
        return from.next();
      } finally {
        machine.#through--;
      }
    };
    const open = (iterable: Iterable<unknown>) => iterable[Symbol.iterator]();
    function* each(iterable: Iterable<unknown>) {
      const all: unknown[] = [];
      const from = open(iterable);
      for (let result = yield* next(from); !result.done; result = yield* next(from)) all.push(result.value);
      return all;
    }
    const all = (iterable: Iterable<unknown>) => {
      machine.#through++;
      try {
        return [...iterable];
      } finally {
        machine.#through--;
      }
    };
    /**
     * Bytes of shared memory are read and stored word by word, so that copies tear; others at once. Where a range is no whole
     * words (nonsense that a copy follows until it sees that it is; one byte where nothing is to be changed), byte by byte.
     */
    const shared = (bytes: Uint8Array) => bytes.buffer === words.buffer;
    const whole = (bytes: Uint8Array, at: number, length: number) =>
      !shared(bytes) || ((bytes.byteOffset + at) % 4 === 0 && length % 4 === 0);
    function* getAt(bytes: Uint8Array, at: number, size: 1 | 4): Generator<unknown, number, unknown> {
      if (!shared(bytes)) return size === 1 ? bytes[at]! : viewOf(bytes).getInt32(at, true);
      const byte = bytes.byteOffset + at;
      if (P(byte >> 2)) yield STOP;
      const word = ld(byte >> 2);
      return size === 4 ? word : (word >>> ((byte & 3) * 8)) & 255;
    }
    function* putAt(
      bytes: Uint8Array,
      at: number,
      size: 1 | 4,
      value: number,
    ): Generator<unknown, void, unknown> {
      if (!shared(bytes)) {
        if (size === 1) bytes[at] = value;
        else viewOf(bytes).setInt32(at, value, true);
        return;
      }
      const byte = bytes.byteOffset + at;
      if (P(byte >> 2)) yield STOP;
      const shift = (byte & 3) * 8;
      // A byte is one store: nothing comes between this load and it.
      st(byte >> 2, size === 4 ? value : (words[byte >> 2]! & ~(255 << shift)) | (value << shift));
    }
    function* set(target: Uint8Array | Map<unknown, unknown>, ...args: unknown[]) {
      if (!(target instanceof Uint8Array)) return target.set(args[0], args[1]);
      const [source, at = 0] = args as [Uint8Array, number?];
      if (!shared(target) && !shared(source)) return target.set(source, at);
      const size = whole(source, 0, source.length) && whole(target, at, source.length) ? 4 : 1;
      for (let n = 0; n < source.length; n += size) {
        const value = yield* getAt(source, n, size);
        yield* putAt(target, at + n, size, value);
      }
      return undefined;
    }
    function* fill(target: Uint8Array, value: number, from = 0, to = target.length) {
      if (!shared(target)) return target.fill(value, from, to);
      const size = whole(target, from, to - from) ? 4 : 1;
      for (let n = from; n < to; n += size) {
        yield* putAt(target, n, size, size === 4 ? Math.imul(value, 0x01010101) : value);
      }
      return target;
    }
    function* wait(i: number, value: number, timeout: number): Generator<unknown, string, unknown> {
      machine.#meetAt(i); // a notification there does not commute with it, even if nobody stores
      if (P(i)) yield STOP;
      if (ld(i) !== value) return 'not-equal';
      const thread = machine.#current;
      thread.state = SLEEPING;
      thread.sleepsOn = i;
      thread.wakesAt = timeout <= POLL_MS ? machine.now + timeout : Number.POSITIVE_INFINITY;
      thread.woken = false;
      machine.#next = undefined;
      yield STOP;
      thread.one = mix(thread.one, thread.woken ? 1 : 2);
      thread.two = mix(thread.two, thread.woken ? 1 : 2);
      return thread.woken ? 'ok' : 'timed-out';
    }
    const notify = (i: number, most = Number.POSITIVE_INFINITY) => {
      let woken = 0;
      for (const thread of machine.#threads) {
        if (woken === most || thread.state !== SLEEPING || thread.sleepsOn !== i) continue;
        thread.state = READY;
        thread.woken = true;
        woken++;
      }
      return woken;
    };
    return {
      P,
      S: STOP,
      D: () => machine.#through === 0 && machine.#mayDie(),
      ld,
      st,
      cas,
      add: (i: number, by: number) => rmw(i, words[i]! + by),
      sub: (i: number, by: number) => rmw(i, words[i]! - by),
      and: (i: number, by: number) => rmw(i, words[i]! & by),
      or: (i: number, by: number) => rmw(i, words[i]! | by),
      xchg: (i: number, value: number) => rmw(i, value),
      notify,
      wait,
      is,
      through,
      next,
      pull,
      open,
      get: (object: Record<string, unknown>, name: string) => {
        const steps = object[`X$get_${name}`];
        return typeof steps === 'function' ? steps.call(object) : object[name];
      },
      each,
      all,
      set,
      fill,
      copy: function* copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number) {
        yield* set(to, from.subarray(start, start + length), at);
      },
      branch: this.branches,
      never: () => {
        throw new Error('it would sleep where nothing can stop');
      },
      STOP,
      *stop() {
        yield STOP;
      },
      *mortal() {
        if (machine.#through === 0 && machine.#mayDie()) yield STOP;
      },
      atomically: (does: () => unknown) => through(does()),
      now: () => machine.now,
      say: (what: string) => machine.trace?.push(`${machine.#current.name}: ${what}`),
      violated: (what: string) => {
        throw new Violated(what);
      },
    };
  }

  /** The words where threads meet, as far as they are known. */
  get meeting(): readonly number[] {
    return this.#meeting;
  }

  /** Threads meet at these words: for showing a schedule again. */
  meetAt(words: readonly number[]): void {
    for (const word of words) this.#meetAt(word);
    this.#met = false;
  }

  /** From here on stores to the word are told. */
  watch(index: number): void {
    this.#watched[index] = 1;
  }

  /** Each schedule starts with memory as it is now. */
  start(run: Run): void {
    this.#run = run;
    this.#initial.set(this.words);
    this.#touched.fill(0);
    this.#threads = run.threads.map((plan, id) => new Thread(id, plan));
    this.#checked.clear();
    this.#epoch++;
    this.#log.length = 0;
  }

  /** Memory may have been changed by others than threads: all of it is brought back. */
  #restoreAll(): void {
    this.words.set(this.#initial);
    this.#epoch++;
    this.#log.length = 0;
  }

  #restore(): void {
    const { words } = this;
    for (const i of this.#log) words[i] = this.#initial[i]!;
    this.#log.length = 0;
    this.#epoch++;
  }

  /** Hash of all that is not as it was at the start. */
  #print(): string {
    let one = 0;
    let two = 0;
    for (const i of this.#log) {
      const value = this.words[i]!;
      if (value === this.#initial[i]) continue;
      one ^= mix(mix(0x9e3779b9, i), value);
      two = (two + mix(mix(0x7f4a7c15, value), i)) | 0;
    }
    return `${one}:${two}`;
  }

  /** Every schedule within the bounds, until `until` (ms of performance.now): the first violation, with how to see it again. */
  explore(bounds: Bounds, until: number): { error: unknown; choices: number[] } | undefined {
    this.count.complete = false;
    this.#seen.clear();
    this.#choosing = { how: 'all', bounds };
    this.#choices = [];
    this.#options = [];
    this.#prefix = 0;
    for (let n = 0; ; n++) {
      const error = this.#schedule();
      if (error !== undefined) return { error, choices: this.#choices.slice(0, this.#depth) };
      if (this.#takeMeetings()) {
        // Threads meet at more words than was known: what was tried so far was too coarse.
        this.#seen.clear();
        this.#choices = [];
        this.#options = [];
        this.#prefix = 0;
        continue;
      }
      this.#prefix = this.#depth;
      while (this.#prefix > 0 && this.#choices[this.#prefix - 1]! + 1 >= this.#options[this.#prefix - 1]!)
        this.#prefix--;
      if (this.#prefix === 0) {
        this.count.complete = true;
        return undefined;
      }
      this.#choices[this.#prefix - 1]!++;
      if ((n & 63) === 0 && performance.now() > until) return undefined;
    }
  }

  /** Schedules by random priorities, each by a seed of its own, until `until`. */
  sample(
    seed: number,
    changes: number,
    deaths: number,
    until: number,
  ): { error: unknown; seed: number; depth: number } | undefined {
    for (let n = 0; n === 0 || performance.now() < until; n++) {
      const own = (seed + n) | 0;
      const depth = Math.max(DEPTH_MIN, this.count.depth);
      const error = this.once({ how: 'random', seed: own, depth, changes, deaths });
      this.#takeMeetings();
      if (error !== undefined) return { error, seed: own, depth };
    }
    return undefined;
  }

  /** One schedule. */
  once(choosing: Choosing): unknown {
    this.#choosing = choosing;
    this.#prefix = 0;
    if (choosing.how === 'replay') {
      this.#choices = [...choosing.choices];
      this.#prefix = choosing.choices.length;
    } else if (choosing.how === 'random') this.#prioritize(choosing);
    return this.#schedule();
  }

  #prioritize({ seed, depth, changes }: Choosing & { how: 'random' }): void {
    const random = numbers(seed);
    this.#priorities = this.#threads.map((_, n) => n + 1);
    for (let n = this.#priorities.length - 1; n > 0; n--) {
      const other = random(n + 1);
      [this.#priorities[n], this.#priorities[other]] = [this.#priorities[other]!, this.#priorities[n]!];
    }
    this.#changesAt = Array.from({ length: changes }, () => random(depth));
    this.#deathAt = random(Math.max(10, depth));
    this.#low = 0;
  }

  #takeMeetings(): boolean {
    const met = this.#met;
    this.#met = false;
    return met;
  }

  #meetAt(index: number): void {
    if (this.#meets[index] !== 0) return;
    this.#meets[index] = 1;
    this.#meeting.push(index);
    this.#met = true;
  }

  /** Runs one schedule to its end: what was violated, if something was. */
  #schedule(): unknown {
    const choosing = this.#choosing;
    this.#preemptionsMax = choosing.how === 'random' ? Number.POSITIVE_INFINITY : choosing.bounds.preemptions;
    this.#deathsMax = choosing.how === 'random' ? choosing.deaths : choosing.bounds.deaths;
    this.#preemptions = 0;
    this.#deaths = 0;
    this.#depth = 0;
    this.#steps = 0;
    this.#polls = 0;
    this.#deathPoints = 0;
    this.#pruned = false;
    this.#failure = undefined;
    this.now = 1000;
    this.#run.restore();
    for (const thread of this.#threads) thread.begin();
    this.count.schedules++;
    let whole = false; // whether more than the log has to be brought back
    try {
      this.#runThreads();
      if (!this.#pruned && this.#failure === undefined) {
        const print = this.#print();
        if (!this.#checked.has(print)) {
          this.#checked.add(print);
          whole = true;
          this.#run.check(print);
        }
      }
    } catch (error) {
      whole = true;
      this.#failure ??= error;
    } finally {
      if (whole) this.#restoreAll();
      else this.#restore();
    }
    this.count.steps += this.#steps;
    if (this.#steps > this.count.depth) this.count.depth = this.#steps;
    return this.#failure;
  }

  #runThreads(): void {
    for (;;) {
      const thread = this.#choose();
      if (thread === undefined) return;
      this.#current = thread;
      this.#alone = 0;
      thread.program ??= thread.plan.start();
      const { done } = thread.program.next();
      if (this.#pruned || this.#failure !== undefined) return;
      if (done) {
        thread.state = DONE;
        this.trace?.push(`${thread.name}: has ended`);
      }
    }
  }

  /** The thread that runs now: the one that a step has named, or else one of those that can. */
  #choose(): Thread | undefined {
    const named = this.#next;
    this.#next = undefined;
    if (named !== undefined) return named;
    for (;;) {
      const ready = this.#ready();
      if (ready.length === 1) return ready[0];
      if (ready.length > 1) {
        if (this.#choosing.how === 'random') return this.#first(ready);
        const choice = this.#choice(ready.length, AT_SWITCH);
        return choice < 0 ? undefined : ready[choice];
      }
      if (!this.#passTime()) return undefined;
    }
  }

  /** Threads that can run; those that spin only if there are no others. */
  #ready(): Thread[] {
    const ready = this.#threads.filter((thread) => thread.state === READY);
    const moving = ready.filter((thread) => !thread.spinning);
    if (moving.length > 0 || ready.length === 0) return moving;
    if (
      this.#threads.some(({ state, wakesAt }) => state === SLEEPING && wakesAt < Number.POSITIVE_INFINITY)
    ) {
      this.#passTime();
      return this.#threads.filter((thread) => thread.state === READY && !thread.spinning);
    }
    if (++this.#polls > POLLS_MAX)
      throw new Violated(`livelock: ${ready.map(({ name }) => name)} look at what nobody changes`);
    for (const thread of ready) {
      thread.spinning = false;
      thread.looks = 0;
    }
    return ready;
  }

  /** Nobody can run: the sleeper whose time comes first wakes. False: all have ended. */
  #passTime(): boolean {
    const sleepers = this.#threads.filter(({ state }) => state === SLEEPING);
    if (sleepers.length === 0) return false;
    const first = sleepers.reduce((a, b) => (b.wakesAt < a.wakesAt ? b : a));
    if (first.wakesAt === Number.POSITIVE_INFINITY) {
      throw new Violated(
        `deadlock: ${sleepers.map(({ name }) => name)} sleep, and nobody is left to wake them (I8)`,
      );
    }
    if (++this.#polls > POLLS_MAX)
      throw new Violated(`livelock: ${sleepers.map(({ name }) => name)} poll for what nobody does`);
    this.now = Math.max(this.now, first.wakesAt);
    first.state = READY;
    return true;
  }

  /** Something changed where threads meet: who spun looks again. */
  #moved(): void {
    this.#polls = 0;
    for (const thread of this.#threads) {
      thread.spinning = false;
      thread.looks = 0;
    }
  }

  /** A step of the running thread at a word where threads meet: whether it is stopped for another. */
  #step(index: number): boolean {
    this.#alone = 0;
    if (++this.#steps > STEPS_MAX) throw new Violated(`no end after ${STEPS_MAX} steps`);
    const current = this.#current;
    if (this.trace) this.trace.push(`${current.name}: @${index} = ${this.words[index]}`);
    if (this.#choosing.how === 'random') return this.#stepRandomly(current);
    if (current.spinning) {
      const others = this.#threads.filter((thread) => thread.state === READY && !thread.spinning);
      if (others.length > 0) {
        const choice = others.length === 1 ? 0 : this.#choice(others.length, AT_SPIN);
        if (choice >= 0) this.#next = others[choice];
      }
      return true;
    }
    const others = this.#preemptions < this.#preemptionsMax ? this.#others(current) : 0;
    const choice = this.#choice(1 + others, index);
    if (choice === 0) return false;
    if (choice < 0) return true;
    this.#preemptions++;
    this.#next = this.#other(current, choice - 1);
    return true;
  }

  #others(current: Thread): number {
    let others = 0;
    for (const thread of this.#threads)
      if (thread !== current && thread.state === READY && !thread.spinning) others++;
    return others;
  }

  #other(current: Thread, nth: number): Thread {
    let left = nth;
    for (const thread of this.#threads) {
      if (thread !== current && thread.state === READY && !thread.spinning && left-- === 0) return thread;
    }
    throw new Error('the schedule can not be repeated');
  }

  #first(threads: readonly Thread[]): Thread {
    return threads.reduce((a, b) => (this.#priorities[b.id]! > this.#priorities[a.id]! ? b : a));
  }

  #stepRandomly(current: Thread): boolean {
    if (this.#changesAt.includes(this.#steps) || current.spinning) {
      this.#priorities[current.id] = --this.#low;
    }
    const ready = this.#threads.filter((thread) => thread.state === READY && !thread.spinning);
    if (ready.length === 0) return true;
    const first = this.#first(ready);
    if (first === current) return false;
    this.#next = first;
    return true;
  }

  /** A place where the running thread may die: whether it does. */
  #mayDie(): boolean {
    const current = this.#current;
    if (!current.plan.mortal || this.#deaths >= this.#deathsMax || !current.stored) return false;
    current.stored = false;
    this.#deathPoints++;
    if (this.#choosing.how === 'random') {
      if (this.#deathPoints !== this.#deathAt) return false;
    } else {
      const choice = this.#choice(2, AT_DEATH);
      if (choice === 0) return false;
      if (choice < 0) return true;
    }
    this.#deaths++;
    this.count.deaths++;
    this.trace?.push(`${current.name}: DIES`);
    current.state = DEAD;
    current.plan.died?.();
    for (const thread of this.#threads) {
      if (!thread.plan.undertaker || thread.state !== DONE || thread.program !== undefined) continue;
      thread.state = READY;
      if (this.#choosing.how === 'random') this.#priorities[thread.id] = this.#priorities[current.id]!;
      if (!thread.plan.racing) break;
    }
    this.#next = undefined;
    return true;
  }

  /** One of so many ways to go on; −1: all of them were tried from this very state. */
  #choice(options: number, place: number): number {
    const choice = this.#pick(options, place);
    // Where it stands, which is not told by what it reads.
    const current = this.#current;
    current.one = mix(current.one, place);
    current.two = mix(current.two, place);
    return choice;
  }

  #pick(options: number, place: number): number {
    if (this.#depth < this.#prefix) {
      if (options > 1) return this.#choices[this.#depth++]!;
      return 0;
    }
    if (this.#choosing.how === 'replay') {
      if (options > 1) this.#depth++;
      return 0;
    }
    if (this.#wasHere(place)) {
      this.#pruned = true;
      return -1;
    }
    if (options > 1) {
      this.count.states++;
      this.#choices[this.#depth] = 0;
      this.#options[this.#depth] = options;
      this.#depth++;
    }
    return 0;
  }

  #wasHere(place: number): boolean {
    const { words } = this;
    let one = mix(place, this.#current.id);
    let two = this.#deaths + (this.#polls << 8);
    for (const i of this.#meeting) {
      one = Math.imul(one ^ words[i]!, 0x85ebca6b);
      one ^= one >>> 15;
      two = Math.imul((two + words[i]!) | 0, 0x9e3779b1);
      two ^= two >>> 13;
    }
    for (const thread of this.#threads) {
      const status =
        thread.state | (thread.woken ? 4 : 0) | (thread.spinning ? 8 : 0) | (thread.stored ? 16 : 0);
      one = mix(one ^ thread.one, status);
      two = mix(two ^ thread.two, status);
    }
    // Deaths and preemptions that are left are traded by no one: both are in the state but for preemptions.
    const left = this.#preemptionsMax - this.#preemptions;
    return this.#seen.enter(one, two, Math.min(250, left));
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const isTwo = (bits: number) => (bits & (bits - 1)) !== 0;
