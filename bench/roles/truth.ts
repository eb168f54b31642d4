import fs from 'node:fs';
import { PAGE_BYTES } from '../files';
import { judgeRecord } from '../record';

const PAGE_WORDS = PAGE_BYTES / 4;

/** Reads the committed pages by plain `fs`: what the operating system has been given, whatever the cache believes. */
export class TruthCheck {
  readonly #fd: number;
  readonly #pages: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  recordsOlder = 0;
  recordsTorn = 0;

  /** Of the first `pages` pages of the file at `path`. */
  constructor(path: string, pages: number) {
    this.#fd = fs.openSync(path, 'r');
    this.#pages = pages;
    this.#words = new Int32Array(pages * PAGE_WORDS);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  /** True when every page holds the record of commit `sequence`, or of a later one. */
  holds(sequence: number): boolean {
    fs.readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
    let kept = true;
    for (let page = 0; page < this.#pages; page++) {
      const judgement = judgeRecord(this.#words, page * PAGE_WORDS, page, sequence);
      if (judgement === 'kept') continue;
      kept = false;
      if (judgement === 'older') this.recordsOlder++;
      else this.recordsTorn++;
    }
    return kept;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
