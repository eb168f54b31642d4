// What an fsync of the mixed scenario promised, compared with the file.
import {
  type Announced,
  DMA_BYTES,
  dmaOffsetOf,
  judgePart,
  note,
  PAGE_WORDS,
  pageOfPlace,
  placeOf,
  RECORD_PARTS,
  THREADS_PER_ROLE,
} from '../../parts';
import { type Judgement, RECORD_WORDS } from '../../record';
import { transferKept } from '../../transfers';
import type { PlainFile } from '../plain-file';
import { settled } from '../settled';

/** The most popular pages are looked at after every fsync, and so many others by chance: what was there once must stay. */
const HEAD_PAGES = 16;
const OTHER_PAGES = 16;

/**
 * The check after an fsync: of the pages of which something has returned since this caller's check before, and of some more. To read all of a
 * file after each fsync would take longer than the fsyncs.
 */
export class MixedTruth {
  readonly #file: PlainFile;
  readonly #announced: Announced;
  readonly #popularity: Int32Array;
  readonly #random: () => number;
  readonly #words = new Int32Array(PAGE_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #returned: Int32Array;
  readonly #landed: Int32Array;
  /** By page: something was noted that has not been looked for. */
  readonly #isNew: Uint8Array;
  recordsOlder = 0;
  dmaOlder = 0;
  halves = 0;
  /** Records that were in pieces once and did not stay so. */
  passing = 0;

  /** @param popularity all pages of the file, the most popular first */
  constructor(file: PlainFile, announced: Announced, popularity: Int32Array, random: () => number) {
    this.#file = file;
    this.#announced = announced;
    this.#popularity = popularity;
    this.#random = random;
    this.#returned = new Int32Array(announced.returned.length);
    this.#landed = new Int32Array(announced.dmaLanded.length);
    this.#isNew = new Uint8Array(popularity.length);
  }

  /** Before the call of fsync: notes what it must make durable. Of many pages that takes a while: some 50 µs of 2,000. */
  note(): void {
    const { returned, dmaLanded } = this.#announced;
    this.#noteWords(0, returned.length, 0, dmaLanded.length);
  }

  /** The same of the most popular pages, where most things happen: for the last moment before the call. */
  noteHead(): void {
    for (let rank = 0; rank < Math.min(HEAD_PAGES, this.#popularity.length); rank++) {
      const page = this.#popularity[rank];
      const word = page * THREADS_PER_ROLE;
      this.#noteWords(placeOf(page, 0), placeOf(page + 1, 0), word, word + THREADS_PER_ROLE);
    }
  }

  #noteWords(fromPlace: number, toPlace: number, fromWord: number, toWord: number): void {
    const { returned, dmaLanded } = this.#announced;
    note(returned, this.#returned, fromPlace, toPlace, (place) => this.#mark(pageOfPlace(place)));
    note(dmaLanded, this.#landed, fromWord, toWord, (word) =>
      this.#mark(Math.floor(word / THREADS_PER_ROLE)),
    );
  }

  #mark(page: number): void {
    this.#isNew[page] = 1;
  }

  /** After it: false when the file lacks something that was noted. Half updates do not make it a lie; they are counted. */
  holds(): boolean {
    const missing = this.recordsOlder + this.dmaOlder;
    const pages = this.#popularity.length;
    for (let rank = 0; rank < Math.min(HEAD_PAGES, pages); rank++) this.#mark(this.#popularity[rank]);
    for (let n = 0; n < OTHER_PAGES; n++) this.#mark(Math.floor(this.#random() * pages));
    for (let page = this.#isNew.indexOf(1); page >= 0; page = this.#isNew.indexOf(1, page)) {
      this.#isNew[page] = 0;
      this.#judgePage(page);
    }
    return this.recordsOlder + this.dmaOlder === missing;
  }

  #judgePage(page: number): void {
    this.#file.read(this.#bytes, page);
    for (let part = 0; part < RECORD_PARTS; part++) this.#judge(page, part);
    for (let pinner = 0; pinner < THREADS_PER_ROLE; pinner++) this.#judgeDma(page, pinner);
  }

  #judge(page: number, part: number): void {
    const judgement = this.#settled(page, part);
    if (judgement === 'older') this.recordsOlder++;
    if (judgement === 'torn') this.halves++;
  }

  #settled(page: number, part: number): Judgement {
    const start = part * RECORD_WORDS;
    const { judgement, passing } = settled(
      this.#words.subarray(start, start + RECORD_WORDS),
      () => this.#look(page, part),
      () => {
        this.#file.outwait();
        this.#file.read(this.#bytes, page);
      },
    );
    if (passing) this.passing++;
    return judgement;
  }

  #look(page: number, part: number): Judgement {
    return judgePart(this.#words, 0, page, part, this.#returned);
  }

  #judgeDma(page: number, pinner: number): void {
    const word = page * THREADS_PER_ROLE + pinner;
    const at = dmaOffsetOf(pinner);
    // Loaded after the file was read: no transfer that the file can show began later.
    const begun = Atomics.load(this.#announced.dmaBegun, word);
    if (!transferKept(this.#bytes.subarray(at, at + DMA_BYTES), this.#landed[word], begun)) this.dmaOlder++;
  }
}
