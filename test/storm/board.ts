// What the threads of the storm share: who does what since when, what was committed, what was found wrong. In shared
// memory, since a thread that is terminated sends no messages any more.
import fs from 'node:fs';

/** What a lane of a worker can be at. */
export const OPS = [
  'idle',
  'attach',
  'open',
  'detach',
  'updateSync',
  'update',
  'nested update',
  'update that throws',
  'long update',
  'writeSync',
  'write',
  'extend',
  'viewSync',
  'view',
  'readSync',
  'read',
  'DMA',
  'slow DMA',
  'pin',
  'tryPin',
  'prefetchSync',
  'prefetch',
  'fsyncSync',
  'fsync',
  'fsync block',
  'handles',
  'small files',
  'new file',
  'truncate',
  'cut file',
  'look',
  'close',
  'fault',
] as const;
export type Op = (typeof OPS)[number];

/** What a slot, the place of one worker at a time, is in. */
export const slotState = { empty: 0, booting: 1, running: 2, dying: 3, ended: 4 } as const;

/** Lanes of a worker: calls that are under way side by side. */
export const LANES = 3;

/** Words of the board. */
const At = {
  stop: 0,
  hung: 1,
  violations: 2,
  textLength: 3,
  kills: 4,
  workers: 5,
  deviceAsked: 6,
  pagesGrown: 7,
  counts: 16,
} as const;
/** Words of each operation's counts. */
const Count = { done: 0, failed: 1, killedIn: 2, maxMs: 3, words: 4 } as const;
/** Words of each slot. */
const Slot = { state: 0, worker: 1, since: 2, lanes: 4 } as const;
/** Words of each lane: what it is at, since when, the page of the devices' file + 1 that a device stores into for it. */
const LANE_WORDS = 3;
const SLOT_WORDS = Slot.lanes + LANES * LANE_WORDS;
const TEXT_BYTES = 64 * 1024;

/** Structured-cloneable. */
export interface BoardMemory {
  readonly words: Int32Array;
  readonly text: Uint8Array;
  readonly committed: Int32Array;
  readonly start: bigint;
}

const shared = (bytes: number) => new SharedArrayBuffer(bytes);

export class Board {
  readonly memory: BoardMemory;
  readonly slots: number;
  readonly #words: Int32Array;

  static create(slots: number, committed: number): Board {
    const words = At.counts + OPS.length * Count.words + slots * SLOT_WORDS;
    return new Board({
      words: new Int32Array(shared(words * 4)),
      text: new Uint8Array(shared(TEXT_BYTES)),
      committed: new Int32Array(shared(committed * 4)),
      start: process.hrtime.bigint(),
    });
  }

  constructor(memory: BoardMemory) {
    this.memory = memory;
    this.#words = memory.words;
    this.slots = (memory.words.length - At.counts - OPS.length * Count.words) / SLOT_WORDS;
  }

  /** Ms since the storm began, the same in all threads. */
  now(): number {
    return Number((process.hrtime.bigint() - this.memory.start) / 1_000_000n);
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, At.stop) !== 0;
  }
  stop(): void {
    Atomics.store(this.#words, At.stop, 1);
  }

  get hung(): boolean {
    return Atomics.load(this.#words, At.hung) !== 0;
  }
  setHung(): void {
    Atomics.store(this.#words, At.hung, 1);
  }

  // -- what was found wrong ------------------------------------------------------------------------------------------

  /** Notes a violation, in words; the storm ends. */
  violation(what: string): void {
    const line = Buffer.from(`${what.trim()}\0`);
    const at = Atomics.add(this.#words, At.textLength, line.length);
    if (at + line.length <= TEXT_BYTES) this.memory.text.set(line, at);
    if (Atomics.add(this.#words, At.violations, 1) === 0) fs.writeSync(2, `${what.trim()}\n`); // at once
    this.stop();
  }

  get violations(): number {
    return Atomics.load(this.#words, At.violations);
  }

  violationTexts(): string[] {
    const length = Math.min(TEXT_BYTES, Atomics.load(this.#words, At.textLength));
    return Buffer.from(this.memory.text.slice(0, length)).toString().split('\0').filter(Boolean);
  }

  // -- what was committed --------------------------------------------------------------------------------------------

  committed(area: number): number {
    return Atomics.load(this.memory.committed, area);
  }

  /** The record `seq` was committed: no earlier one is to be seen from now on. */
  commit(area: number, seq: number): void {
    raise(this.memory.committed, area, seq);
  }

  /** Pages that the growing file has got by writes that returned. */
  get pagesGrown(): number {
    return Atomics.load(this.#words, At.pagesGrown);
  }
  grow(pages: number): void {
    raise(this.#words, At.pagesGrown, pages);
  }

  // -- counts --------------------------------------------------------------------------------------------------------

  nextWorker(): number {
    return Atomics.add(this.#words, At.workers, 1) + 1;
  }
  get workers(): number {
    return Atomics.load(this.#words, At.workers);
  }

  get kills(): number {
    return Atomics.load(this.#words, At.kills);
  }

  /** Blocks that slow devices have been asked for. */
  askDevice(): void {
    Atomics.add(this.#words, At.deviceAsked, 1);
  }
  get deviceAsked(): number {
    return Atomics.load(this.#words, At.deviceAsked);
  }

  #count(op: number, what: number): number {
    return At.counts + op * Count.words + what;
  }
  counts(op: Op): { done: number; failed: number; killedIn: number; maxMs: number } {
    const n = OPS.indexOf(op);
    const load = (what: number) => Atomics.load(this.#words, this.#count(n, what));
    return {
      done: load(Count.done),
      failed: load(Count.failed),
      killedIn: load(Count.killedIn),
      maxMs: load(Count.maxMs),
    };
  }

  // -- slots and lanes -----------------------------------------------------------------------------------------------

  #slot(slot: number): number {
    return At.counts + OPS.length * Count.words + slot * SLOT_WORDS;
  }
  #lane(slot: number, lane: number): number {
    return this.#slot(slot) + Slot.lanes + lane * LANE_WORDS;
  }

  state(slot: number): number {
    return Atomics.load(this.#words, this.#slot(slot) + Slot.state);
  }
  setState(slot: number, state: number, worker = this.worker(slot)): void {
    const at = this.#slot(slot);
    Atomics.store(this.#words, at + Slot.worker, worker);
    Atomics.store(this.#words, at + Slot.since, this.now());
    Atomics.store(this.#words, at + Slot.state, state);
  }
  /** From one state to another; false if it was in none of `from` any more. */
  moveState(slot: number, from: readonly number[], to: number): boolean {
    const at = this.#slot(slot);
    for (const state of from) {
      if (Atomics.compareExchange(this.#words, at + Slot.state, state, to) === state) {
        Atomics.store(this.#words, at + Slot.since, this.now());
        return true;
      }
    }
    return false;
  }
  worker(slot: number): number {
    return Atomics.load(this.#words, this.#slot(slot) + Slot.worker);
  }
  /** Ms that the slot has been in its state. */
  age(slot: number): number {
    return this.now() - Atomics.load(this.#words, this.#slot(slot) + Slot.since);
  }

  /** A lane begins a call. */
  begin(slot: number, lane: number, op: Op): void {
    const at = this.#lane(slot, lane);
    Atomics.store(this.#words, at + 1, this.now());
    Atomics.store(this.#words, at, OPS.indexOf(op));
  }
  /** The lane's call has ended; `failed`: with an error that is allowed. */
  end(slot: number, lane: number, failed = false): void {
    const at = this.#lane(slot, lane);
    const op = Atomics.load(this.#words, at);
    raise(this.#words, this.#count(op, Count.maxMs), this.now() - Atomics.load(this.#words, at + 1));
    Atomics.add(this.#words, this.#count(op, failed ? Count.failed : Count.done), 1);
    Atomics.store(this.#words, at, 0);
  }
  /** What the lane is at, and for how many ms; undefined if it is at nothing. */
  doing(slot: number, lane: number): { op: Op; ms: number } | undefined {
    const at = this.#lane(slot, lane);
    const op = Atomics.load(this.#words, at);
    if (op === 0) return undefined;
    return { op: OPS[op]!, ms: this.now() - Atomics.load(this.#words, at + 1) };
  }

  /** A device stores into this page for the lane; undefined: no more. */
  setDevicePage(slot: number, lane: number, page: number | undefined): void {
    Atomics.store(this.#words, this.#lane(slot, lane) + 2, (page ?? -1) + 1);
  }
  /** Pages that devices were storing into when the slot's last worker ended: told once. */
  takeDevicePages(slot: number): number[] {
    return Array.from(
      { length: LANES },
      (_, lane) => Atomics.exchange(this.#words, this.#lane(slot, lane) + 2, 0) - 1,
    ).filter((page) => page >= 0);
  }

  /** A worker was terminated: counts what its lanes were at. */
  killed(slot: number): void {
    Atomics.add(this.#words, At.kills, 1);
    for (let lane = 0; lane < LANES; lane++) {
      const doing = this.doing(slot, lane);
      if (doing) Atomics.add(this.#words, this.#count(OPS.indexOf(doing.op), Count.killedIn), 1);
    }
  }
  /** Forgets what the slot's last worker was at, but for its device pages: they are its successor's to look at. */
  clear(slot: number): void {
    for (let lane = 0; lane < LANES; lane++) Atomics.store(this.#words, this.#lane(slot, lane), 0);
  }
}

/** Atomic maximum. */
function raise(words: Int32Array, at: number, value: number): void {
  for (;;) {
    const old = Atomics.load(words, at);
    if (old >= value || Atomics.compareExchange(words, at, old, value) === old) return;
  }
}
