// With `trace`: the stack that took each pin, in shared memory, so that any thread can tell where a leak comes from. An entry
// for each pin slot of each row that this memory covers, written by the row's thread alone:
//   sequence (odd while it changes), generation of the row, what the slot held, bytes of text, text
// An entry counts only if the slot holds what it held then. So what a dead thread left is never shown as its successor's.
import { pinfoldError } from './errors';
import type { Geometry } from './kernel/geometry';
import type { Control, Kernel, OwnerId, PinSlot } from './kernel/kernel';
import * as L from './kernel/layout';

/** Bytes an entry has: as much of a stack as tells where; less if there are very many pin slots. */
const ENTRY_MAX = 1024;
const ENTRY_MIN = 256;
/** Bytes of all entries at the most, unless `ENTRY_MIN` needs more. The system gives memory when an entry is first used. */
const TOTAL = 2 ** 30;
const [SEQ, GENERATION, HELD, LENGTH, TEXT] = [0, 1, 2, 3, 4] as const;

function entryBytes(entries: number): number {
  return Math.max(ENTRY_MIN, Math.min(ENTRY_MAX, Math.floor(TOTAL / entries / 4) * 4));
}

/** Room for the pins of all threads, for a cache whose creator traces. Throws ERR_PINFOLD_OPTION if it can't be had. */
export function newTraces({ rows, maxPins }: Geometry): SharedArrayBuffer {
  const bytes = rows * maxPins * entryBytes(rows * maxPins);
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    const message = `trace: ${bytes} bytes for stacks can't be had from the system: lower maxThreads or maxPinsPerThread`;
    throw pinfoldError('ERR_PINFOLD_OPTION', message, cause);
  }
}

export class Traces {
  /** What a traced pin is dropped by. */
  readonly control: Pick<Control, 'unpin'>;
  readonly #kernel: Kernel;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #entryBytes: number;
  readonly #maxPins: number;
  /** The row whose pins come first. */
  readonly #firstRow: number;

  /** `shared`: room for all threads' pins; undefined: this thread traces its own, for itself. */
  constructor(kernel: Kernel, geometry: Geometry, shared: SharedArrayBuffer | undefined) {
    const { maxPins } = geometry;
    const rows = shared === undefined ? 1 : geometry.rows;
    this.#kernel = kernel;
    this.#maxPins = maxPins;
    this.#firstRow = shared === undefined ? kernel.owner : 0;
    this.#entryBytes = entryBytes(rows * maxPins);
    const buffer = shared ?? new ArrayBuffer(maxPins * this.#entryBytes);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.control = {
      unpin: (slot, dirty) => {
        this.#forget(slot);
        return kernel.control.unpin(slot, dirty);
      },
    };
  }

  /** Notes the stack that took the pin in a slot of this thread. */
  note(slot: PinSlot, stack: string): void {
    const at = this.#at(this.#kernel.owner, slot);
    const words = this.#words;
    const text = Buffer.from(stack).subarray(0, this.#entryBytes - TEXT * 4);
    const entry = at >> 2;
    Atomics.add(words, entry + SEQ, 1);
    Atomics.store(words, entry + GENERATION, this.#generationOf(this.#kernel.owner));
    Atomics.store(words, entry + HELD, this.#heldBy(this.#kernel.owner, slot));
    Atomics.store(words, entry + LENGTH, text.length);
    this.#bytes.set(text, at + TEXT * 4);
    Atomics.add(words, entry + SEQ, 1);
  }

  #forget(slot: PinSlot): void {
    Atomics.store(this.#words, (this.#at(this.#kernel.owner, slot) >> 2) + LENGTH, 0);
  }

  /** The stack that took the pin in an owner's slot; undefined if it is not known. */
  stackOf(owner: OwnerId, slot: PinSlot): string | undefined {
    const at = this.#at(owner, slot);
    if (at < 0 || at >= this.#bytes.length) return undefined;
    const words = this.#words;
    const entry = at >> 2;
    const seq = Atomics.load(words, entry + SEQ);
    const length = Atomics.load(words, entry + LENGTH);
    if ((seq & 1) !== 0 || length === 0) return undefined;
    if (Atomics.load(words, entry + GENERATION) !== this.#generationOf(owner)) return undefined;
    if (Atomics.load(words, entry + HELD) !== this.#heldBy(owner, slot)) return undefined;
    const text = Buffer.from(this.#bytes.slice(at + TEXT * 4, at + TEXT * 4 + length)).toString();
    return Atomics.load(words, entry + SEQ) === seq ? text : undefined;
  }

  #at(owner: number, slot: number): number {
    return ((owner - this.#firstRow) * this.#maxPins + slot) * this.#entryBytes;
  }

  #generationOf(owner: OwnerId): number {
    return this.#kernel.rowWord(owner, L.ROW_STATUS) & ~L.STATUS_MASK;
  }

  #heldBy(owner: OwnerId, slot: PinSlot): number {
    return this.#kernel.load(this.#kernel.rowAt(owner) + L.ROW_PINS + slot * 4);
  }
}

/** The stack of whoever calls `below`, without the first line, which tells nothing. */
export function stackBelow(below: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, below);
  const stack = String(holder.stack);
  return stack.slice(stack.indexOf('\n') + 1);
}
