// What an fsync of the mixed scenario promised, compared with the file.
import { PAGE_BYTES } from '../../files';
import {
  type Announced,
  DMA_BYTES,
  dmaKept,
  dmaOffsetOf,
  judgePart,
  note,
  PAGE_WORDS,
  RECORD_PARTS,
  THREADS_PER_ROLE,
} from '../../parts';
import { type Judgement, RECORD_WORDS } from '../../record';
import type { PlainFile } from '../plain-file';

/** Looks at a record that stays in pieces before it counts. */
const LOOKS_ALIKE = 3;
/** Looks at a record that is in other pieces each time before it is given up. */
const LOOKS_MAX = 16;

/**
 * The check after an fsync. A read beside a write of the same page may return some bytes of before and some of after (about 1 in 2,000 did
 * on ext4, beside two threads that did nothing but write): such a mix was never in the file. So a record in pieces is read again after
 * whatever write was under way has ended. Had it been torn by that write, it would now be whole, or in other pieces: bytes of the image
 * before are gone for good. The same pieces again are what the file holds.
 */
export class MixedTruth {
  readonly #file: PlainFile;
  readonly #pages: number;
  readonly #announced: Announced;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #returned: Int32Array;
  readonly #landed: Int32Array;
  recordsOlder = 0;
  dmaOlder = 0;
  halves = 0;
  /** Records that were in pieces once and did not stay so. */
  passing = 0;

  constructor(file: PlainFile, pages: number, announced: Announced) {
    this.#file = file;
    this.#pages = pages;
    this.#announced = announced;
    this.#words = new Int32Array(pages * PAGE_WORDS);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#returned = new Int32Array(announced.returned.length);
    this.#landed = new Int32Array(announced.dmaLanded.length);
  }

  /** Before the call of fsync: notes what it must make durable. */
  note(): void {
    note(this.#announced.returned, this.#returned);
    note(this.#announced.dmaLanded, this.#landed);
  }

  /** After it: false when the file lacks something that was noted. Half updates do not make it a lie; they are counted. */
  holds(): boolean {
    this.#file.read(this.#bytes, 0);
    const missing = this.recordsOlder + this.dmaOlder;
    for (let page = 0; page < this.#pages; page++) {
      for (let part = 0; part < RECORD_PARTS; part++) this.#judge(page, part);
      for (let pinner = 0; pinner < THREADS_PER_ROLE; pinner++) this.#judgeDma(page, pinner);
    }
    return this.recordsOlder + this.dmaOlder === missing;
  }

  #judge(page: number, part: number): void {
    const judgement = this.#settled(page, part);
    if (judgement === 'older') this.recordsOlder++;
    if (judgement === 'torn') this.halves++;
  }

  /** The judgement of a record, a torn one only if the file itself holds it so. */
  #settled(page: number, part: number): Judgement {
    let judgement = this.#look(page, part);
    if (judgement !== 'torn') return judgement;
    const start = page * PAGE_WORDS + part * RECORD_WORDS;
    const record = this.#words.subarray(start, start + RECORD_WORDS);
    let alike = 1;
    for (let looks = 1; looks < LOOKS_MAX; looks++) {
      const before = record.slice();
      this.#file.outwait();
      this.#file.read(this.#bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), page);
      judgement = this.#look(page, part);
      if (judgement !== 'torn') break;
      alike = record.every((word, i) => word === before[i]) ? alike + 1 : 1;
      if (alike === LOOKS_ALIKE) return 'torn';
    }
    this.passing++;
    return judgement === 'torn' ? 'kept' : judgement;
  }

  #look(page: number, part: number): Judgement {
    return judgePart(this.#words, page * PAGE_WORDS, page, part, this.#returned);
  }

  #judgeDma(page: number, pinner: number): void {
    const word = page * THREADS_PER_ROLE + pinner;
    const at = page * PAGE_BYTES + dmaOffsetOf(pinner);
    // Loaded after the file was read: no transfer that the file can show began later.
    const begun = Atomics.load(this.#announced.dmaBegun, word);
    if (!dmaKept(this.#bytes.subarray(at, at + DMA_BYTES), this.#landed[word], begun)) this.dmaOlder++;
  }
}
