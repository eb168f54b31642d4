import fs from 'node:fs';
import { PAGE_BYTES } from '../files';
import { judgeRecord } from '../record';
import { type Transfers, transferKept } from '../transfers';
import { READ_PART } from './pinner';

const PAGE_WORDS = PAGE_BYTES / 4;

/** Reads the committed pages by plain `fs`: what the operating system has been given, whatever the cache believes. */
export class TruthCheck {
  readonly #fd: number;
  readonly #pages: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #transfers: Transfers | null;
  /** By page: the transfer that had landed before the call. */
  readonly #landed: Int32Array;
  recordsOlder = 0;
  recordsTorn = 0;
  /** Pages whose received bytes are older than those of a transfer that had landed. */
  receivedOlder = 0;

  /** Of the first `pages` pages of the file at `path`, and of what was received into them, if anything is. */
  constructor(path: string, pages: number, transfers: Transfers | null = null) {
    this.#fd = fs.openSync(path, 'r');
    this.#pages = pages;
    this.#transfers = transfers;
    this.#landed = new Int32Array(pages);
    this.#words = new Int32Array(pages * PAGE_WORDS);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  /** Before the call of fsync: notes what has landed and must be in the file after it. */
  note(): void {
    if (this.#transfers === null) return;
    for (let page = 0; page < this.#pages; page++)
      this.#landed[page] = Atomics.load(this.#transfers.landed, page);
  }

  /** True when every page holds the record of commit `sequence`, or of a later one, and what had been received. */
  holds(sequence: number): boolean {
    fs.readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
    let kept = true;
    for (let page = 0; page < this.#pages; page++) {
      if (!this.#holdsReceived(page)) {
        kept = false;
        this.receivedOlder++;
      }
      const judgement = judgeRecord(this.#words, page * PAGE_WORDS, page, sequence);
      if (judgement === 'kept') continue;
      kept = false;
      if (judgement === 'older') this.recordsOlder++;
      else this.recordsTorn++;
    }
    return kept;
  }

  #holdsReceived(page: number): boolean {
    if (this.#transfers === null || this.#landed[page] === 0) return true;
    const at = page * PAGE_BYTES + READ_PART.offset;
    // Loaded after the file was read: no transfer that the file can show began later.
    const begun = Atomics.load(this.#transfers.begun, page);
    return transferKept(this.#bytes.subarray(at, at + READ_PART.bytes), this.#landed[page], begun);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
