// A disk below an operating system's cache, as Linux has it: a write lands in the system's cache; a flush makes stable what had
// been written before it began; one that fails leaves what was pending marked clean, so that no later flush writes it. Not so pages
// that a cut has taken from the file: that is in the file system's journal, and stays to be done whatever becomes of a flush. All of it
// is words of the machine's memory: part of its states.
const EIO = 5;

/** Words of its region. */
const SEQ = 0;
const LENGTH = 1;
const STABLE_LENGTH = 2;
const FAIL_WRITES = 3;
const FAIL_FLUSHES = 4;
const FAIL_RESIZES = 5;
const FLUSHING = 6;
const FAIL_READS = 7;
const CONTENTS = 8;

/** What is pending of a page: bytes that were written, and before them that it was cut off. */
const DATA = 1;
const HOLE = 2;

const FAILING = { read: FAIL_READS, write: FAIL_WRITES, flush: FAIL_FLUSHES, resize: FAIL_RESIZES };

export class Disk {
  readonly #at: number;
  readonly #pages: number;
  readonly #pageWords: number;
  /** Told of each page that is written: word by word. */
  onWrite: (index: number, words: readonly number[]) => void = () => {};

  /** `at`: the word at which it begins. */
  constructor(at: number, pages: number, pageSize: number) {
    this.#at = at;
    this.#pages = pages;
    this.#pageWords = pageSize / 4;
  }

  static wordsFor(pages: number, pageSize: number): number {
    return CONTENTS + pages * ((pageSize / 4) * 2 + 1);
  }

  #load(word: number): number {
    return Atomics.load(machine.words, this.#at + word);
  }
  #store(word: number, value: number): void {
    Atomics.store(machine.words, this.#at + word, value);
  }

  /** The word of what is written (`copy` 0) or stable (1). */
  #wordOf(copy: 0 | 1, index: number, word: number): number {
    return CONTENTS + (copy * this.#pages + index) * this.#pageWords + word;
  }
  #pendingOf(index: number): number {
    return CONTENTS + 2 * this.#pages * this.#pageWords + index;
  }

  /** A step of its own: who does what first on the disk matters. */
  touch(): void {
    Atomics.store(machine.words, this.#at + SEQ, 0);
  }

  failNext(what: keyof typeof FAILING, times = 1): void {
    this.#store(FAILING[what], times);
  }

  heal(): void {
    for (const field of Object.values(FAILING)) this.#store(field, 0);
  }

  #fails(field: number): boolean {
    const left = this.#load(field);
    if (left === 0) return false;
    this.#store(field, left - 1);
    return true;
  }

  read(bytes: Uint8Array, position: number): number {
    if (this.#fails(FAIL_READS)) return -EIO;
    const length = Math.max(0, Math.min(bytes.length, this.#load(LENGTH) - position));
    const first = position / (this.#pageWords * 4);
    for (let n = 0; n < length; n += 4) {
      const value = this.#load(this.#wordOf(0, first, n / 4));
      Atomics.store(machine.words, (bytes.byteOffset + n) >> 2, value);
    }
    return length;
  }

  write(bytes: Uint8Array, position: number): number {
    if (this.#fails(FAIL_WRITES)) return -EIO;
    const pageBytes = this.#pageWords * 4;
    for (let at = 0; at < bytes.length; at += pageBytes) {
      const index = (position + at) / pageBytes;
      const words: number[] = [];
      for (let n = 0; n < pageBytes && at + n < bytes.length; n += 4) {
        const value = Atomics.load(machine.words, (bytes.byteOffset + at + n) >> 2);
        words.push(value);
        this.#store(this.#wordOf(0, index, n / 4), value);
      }
      this.#store(this.#pendingOf(index), this.#load(this.#pendingOf(index)) | DATA);
      this.onWrite(index, words);
    }
    if (position + bytes.length > this.#load(LENGTH)) this.#store(LENGTH, position + bytes.length);
    return bytes.length;
  }

  resize(size: number): number {
    if (this.#fails(FAIL_RESIZES)) return -EIO;
    const pageBytes = this.#pageWords * 4;
    for (let index = 0; index < this.#pages; index++) {
      let changed = false;
      for (let word = 0; word < this.#pageWords; word++) {
        if (index * pageBytes + word * 4 < size) continue;
        this.#store(this.#wordOf(0, index, word), 0);
        changed = true;
      }
      if (index * pageBytes >= size) this.#store(this.#pendingOf(index), HOLE);
      else if (changed) this.#store(this.#pendingOf(index), this.#load(this.#pendingOf(index)) | DATA);
    }
    this.#store(LENGTH, size);
    return 0;
  }

  /** Begins an owner's flush: what it will make stable. */
  beginFlush(owner: number): { index: number; words: number[] }[] {
    if (this.#load(FLUSHING) !== 0) machine.violated('two flushes of the file overlap (I13)');
    this.#store(FLUSHING, owner + 1);
    const covered: { index: number; words: number[] }[] = [];
    for (let index = 0; index < this.#pages; index++) {
      const pending = this.#load(this.#pendingOf(index));
      if (pending === 0) continue;
      const words: number[] = [];
      for (let word = 0; word < this.#pageWords; word++)
        words.push(pending & DATA ? this.#load(this.#wordOf(0, index, word)) : 0);
      covered.push({ index, words });
      this.#store(this.#pendingOf(index), pending & HOLE);
    }
    return covered;
  }

  endFlush(covered: readonly { index: number; words: number[] }[]): number {
    this.#store(FLUSHING, 0);
    if (this.#fails(FAIL_FLUSHES)) return -EIO;
    for (const { index, words } of covered) {
      for (let word = 0; word < words.length; word++) this.#store(this.#wordOf(1, index, word), words[word]!);
      // Unless it was cut off once more meanwhile.
      if (words.every((value, word) => value === this.#load(this.#wordOf(0, index, word))))
        this.#store(this.#pendingOf(index), this.#load(this.#pendingOf(index)) & ~HOLE);
    }
    this.#store(STABLE_LENGTH, this.#load(LENGTH));
    return 0;
  }

  /** The owner is dead: if it flushed, the system has ended that, and nobody hears the result. */
  forget(owner: number): void {
    if (this.#load(FLUSHING) === owner + 1) this.#store(FLUSHING, 0);
  }

  /** What is stable of a page's word. */
  stable(index: number, word: number): number {
    return this.#load(this.#wordOf(1, index, word));
  }
  /** What has been written. */
  written(index: number, word: number): number {
    return this.#load(this.#wordOf(0, index, word));
  }
  get length(): number {
    return Atomics.load(machine.words, this.#at + LENGTH);
  }

  /** Puts a file there, stable, before anything else. */
  put(size: number, word: (index: number, word: number) => number): void {
    for (let index = 0; index < this.#pages; index++) {
      for (let n = 0; n < this.#pageWords; n++) {
        if ((index * this.#pageWords + n) * 4 >= size) continue;
        const value = word(index, n);
        this.#store(this.#wordOf(0, index, n), value);
        this.#store(this.#wordOf(1, index, n), value);
      }
    }
    this.#store(LENGTH, size);
    this.#store(STABLE_LENGTH, size);
  }
}
