const NONE = -1;

/** A doubly linked list of pages, each of them in it at most once: arrays as long as there are pages, nothing is allocated later. */
export class Queue {
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;
  #length = 0;

  constructor(pages: number) {
    this.#older = new Int32Array(pages).fill(NONE);
    this.#newer = new Int32Array(pages).fill(NONE);
  }

  get length(): number {
    return this.#length;
  }

  /** −1 when it is empty. */
  get oldest(): number {
    return this.#oldest;
  }

  get newest(): number {
    return this.#newest;
  }

  /** The neighbour that came after the page; −1 if it is the newest. */
  newer(page: number): number {
    return this.#newer[page]!;
  }

  push(page: number): void {
    this.#older[page] = this.#newest;
    this.#newer[page] = NONE;
    if (this.#newest === NONE) this.#oldest = page;
    else this.#newer[this.#newest] = page;
    this.#newest = page;
    this.#length++;
  }

  remove(page: number): void {
    const older = this.#older[page]!;
    const newer = this.#newer[page]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    this.#length--;
  }

  /** Takes the oldest out. The queue must not be empty. */
  shift(): number {
    const page = this.#oldest;
    this.remove(page);
    return page;
  }
}
