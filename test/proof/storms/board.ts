// What the threads of a process have committed, in memory that they share: an fsync called now must make all of it stable.
import { FILES, type FileSpec, PLACES } from './files.ts';

const starts = FILES.map((_, n) => FILES.slice(0, n).reduce((sum, { pages }) => sum + pages * PLACES, 0));
const total = FILES.reduce((sum, { pages }) => sum + pages * PLACES, 0);
const [PINNED, LAST, SIZE] = [total, total + 1, total + 2] as const;

export class Board {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer((total + 3) * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Numbers only grow: two threads may commit to one place and come here in the other order. */
  commit({ number }: FileSpec, place: number, value: number): void {
    const at = starts[number]! + place;
    for (let seen = Atomics.load(this.#words, at); seen < value; ) {
      const before = Atomics.compareExchange(this.#words, at, seen, value);
      if (before === seen) return;
      seen = before;
    }
  }

  /** For what one thread alone decides. */
  set({ number }: FileSpec, place: number, value: number): void {
    Atomics.store(this.#words, starts[number]! + place, value);
  }

  at({ number }: FileSpec, place: number): number {
    return Atomics.load(this.#words, starts[number]! + place);
  }

  numbers(file: FileSpec): Int32Array {
    return Int32Array.from({ length: file.pages * PLACES }, (_, place) => this.at(file, place));
  }

  /** Of the file that grows. */
  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  set size(bytes: number) {
    Atomics.store(this.#words, SIZE, bytes);
  }

  /** The last number that anybody was given for the file that grows, or for a device. */
  get last(): number {
    return Atomics.load(this.#words, LAST);
  }

  set last(number: number) {
    Atomics.store(this.#words, LAST, number);
  }

  next(): number {
    return Atomics.add(this.#words, LAST, 1) + 1;
  }

  /** Pages that are write-pinned, `more` having come. */
  pinned(more: number): number {
    return Atomics.add(this.#words, PINNED, more) + more;
  }
}
