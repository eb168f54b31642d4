// What must be in the files of a process that was killed, by what it had told before.
//
// SIGKILL takes the process and what only its memory had. What its writes had put into the system's page cache stays. The
// system copies a write page by page, and looks for signals in between: of a run of pages that was just being written the
// first ones are there, each of them whole. And what Pinfold writes are copies that show no half update. So:
//
// - each record is whole, and of its place: zeros only where nothing was ever promised, or a cut may have come;
// - it is not older than what was committed before an fsync that returned, nor than what an earlier look has seen;
// - each word of a device's part is that device's, and as new: several stores may mix, for a pin may be live;
// - the file that grows has a size between the one promised last and those that were about to come since;
// - what was cut off does not come back.
import { type FileSpec, firstNumber, nameOf, numberAt, PAGE, PLACE, PLACES } from './files.ts';
import type { Message } from './messages.ts';

/** A place must hold a number of at least `least`; or, with `zero`, nothing. */
interface Place {
  least: number;
  zero: boolean;
}

export class Expected {
  readonly file: FileSpec;
  readonly #places: Place[];
  #smallest: number;
  #largest: number;

  constructor(file: FileSpec) {
    this.file = file;
    this.#places = Array.from({ length: file.pages * PLACES }, () => ({ least: 1, zero: true }));
    const size = file.kind === 'grown' ? 0 : file.pages * PAGE;
    this.#smallest = size;
    this.#largest = size;
  }

  hear({ type, size, last, numbers }: Message): void {
    if (type === 'resizing') this.#resizing(size);
    else if (type === 'synced') {
      for (const [n, number] of numbers.entries()) this.#synced(this.#places[n]!, number, last);
      if (this.file.kind !== 'grown') return;
      this.#smallest = size;
      this.#largest = size;
    }
  }

  #synced(place: Place, number: number, last: number): void {
    if (this.file.kind === 'grown') {
      // Its one writer told of it: no other change was under way. Nothing from before is to come where nothing was.
      Object.assign(place, number > 0 ? { least: number, zero: false } : { least: last + 1, zero: true });
    } else if (number > 0) {
      // Messages of several threads come in any order.
      place.least = Math.max(place.least, number);
      place.zero = false;
    }
  }

  #resizing(size: number): void {
    this.#smallest = Math.min(this.#smallest, size);
    this.#largest = Math.max(this.#largest, size);
    for (const place of this.#places.slice(size / PLACE)) place.zero = true;
  }

  /** What is wrong with the file; and what is there now must be there at the next look. `generation`: the next one's. */
  *judge(bytes: Uint8Array, generation: number): Generator<string> {
    const where = nameOf(this.file);
    if (bytes.length < this.#smallest || bytes.length > this.#largest || bytes.length % PLACE !== 0) {
      yield `${where} has ${bytes.length} bytes, it must have ${this.#smallest} to ${this.#largest}`;
    }
    for (const [n, place] of this.#places.entries()) {
      const part = bytes.subarray(n * PLACE, (n + 1) * PLACE);
      const number = part.length < PLACE ? 0 : numberAt(this.file, n, part);
      const what = `${where}, page ${Math.floor(n / PLACES)}, place ${n % PLACES}`;
      if (number < 0) yield `${what}: half of it, or another's`;
      else if (number === 0 ? part.length === PLACE && !place.zero : number < place.least) {
        yield `${what}: ${number}, ${place.least} had been promised, or seen`;
      }
      Object.assign(
        place,
        number > 0 ? { least: number, zero: false } : { least: firstNumber(generation), zero: true },
      );
    }
    this.#smallest = bytes.length;
    this.#largest = bytes.length;
  }
}
