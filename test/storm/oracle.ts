// What must be seen of a page, in the cache and in the file itself.
import fs from 'node:fs';
import type { Board } from './board.ts';
import { type Area, areaOf, type FileSpec, PAGE, readFileItself } from './files.ts';
import { blockOf, describeRecord, inspectRecord, isCutRecord, isDevices, keyOf } from './record.ts';

/** How long a page of the file itself may look torn: the system does not read and write pages at one moment. */
const TORN_MS = 2000;
const TORN_PAUSE_MS = 2;

const nap = new Int32Array(new SharedArrayBuffer(4));
export const sleep = (ms: number) => Atomics.wait(nap, 0, 0, ms);

export class Violation extends Error {}

const placeOf = ({ kind, number }: FileSpec, page: number) => `page ${page} of file ${number} (${kind})`;

const partOf = (bytes: Uint8Array, { offset, length }: Area) =>
  length === bytes.length ? bytes : bytes.subarray(offset, offset + length);

/** What a record that must not be there looks like. */
export function halfRecord(file: FileSpec, page: number, record: number, bytes: Uint8Array): string {
  return `${placeOf(file, page)}: half an update: ${describeRecord(bytes, keyOf(file.number, page, record))}`;
}

/** A look at a page, for `view` and `viewSync`: what it saw is checked when it is known to count. */
export class Look {
  readonly file: FileSpec;
  readonly page: number;
  readonly #board: Board;
  /** What had been committed before the look. */
  readonly #least: number[];
  readonly #seqs: number[] = [];
  #wrong: Uint8Array | undefined;

  constructor(board: Board, file: FileSpec, page: number) {
    this.#board = board;
    this.file = file;
    this.page = page;
    this.#least = file.records.map((_, record) => board.committed(areaOf(file, page, record)));
  }

  /** The callback: it may run over bytes that were never together, so it does not judge. */
  static at(bytes: Uint8Array, look: Look): Look {
    look.take(bytes);
    return look;
  }

  take(bytes: Uint8Array): void {
    const { file, page } = this;
    let right = file.device === undefined || isDevices(partOf(bytes, file.device));
    for (const [record, area] of file.records.entries()) {
      const key = keyOf(file.number, page, record);
      const part = partOf(bytes, area);
      this.#seqs[record] =
        file.kind === 'cut' ? Number(isCutRecord(part, key)) - 1 : inspectRecord(part, key);
      right &&= this.#seqs[record] >= 0;
    }
    this.#wrong = right ? undefined : Uint8Array.from(bytes);
  }

  /** Judges what the last `take` saw. The numbers of the records that are there. */
  judge(how: string): readonly number[] {
    const { file, page } = this;
    if (this.#wrong !== undefined) throw new Violation(`${how}: ${this.#describe(this.#wrong)}`);
    if (file.kind === 'cut') return [];
    for (const [record, seq] of this.#seqs.entries()) {
      if (seq >= this.#least[record]!) continue;
      throw new Violation(
        `${how}: ${placeOf(file, page)} went back: record ${seq} is there, ${this.#least[record]} was committed ` +
          `(${this.#board.committed(areaOf(file, page, record))} by now)`,
      );
    }
    return this.#seqs;
  }

  #describe(bytes: Uint8Array): string {
    const { file, page } = this;
    if (file.device !== undefined && !isDevices(partOf(bytes, file.device))) {
      return `${placeOf(file, page)}: bytes that no device stored where only devices store`;
    }
    const wrong = file.records.findIndex((area, record) => {
      const part = partOf(bytes, area);
      const key = keyOf(file.number, page, record);
      return file.kind === 'cut' ? !isCutRecord(part, key) : inspectRecord(part, key) < 0;
    });
    return halfRecord(file, page, wrong, partOf(bytes, file.records[wrong]!));
  }
}

/** What had been committed when an fsync was called, to look for afterwards. */
export class Promised {
  readonly #file: FileSpec;
  readonly #records: { page: number; record: number; least: number }[];
  readonly #size: number;

  constructor(board: Board, file: FileSpec, pages: Iterable<number>) {
    this.#file = file;
    this.#size = file.kind === 'owned' ? board.pagesGrown * PAGE : 0;
    this.#records = [...new Set(pages)].flatMap((page) =>
      file.records.map((_, record) => ({ page, record, least: board.committed(areaOf(file, page, record)) })),
    );
  }

  /** Looks for it in the file itself. */
  judge(how: string): void {
    const file = this.#file;
    if (file.kind === 'cut') return;
    const { size } = fs.fstatSync(file.fd);
    if (size < this.#size) {
      throw new Violation(
        `${how}: file ${file.number} has ${size} bytes, ${this.#size} were there before the fsync`,
      );
    }
    for (const { page, record, least } of this.#records) {
      const seq = recordInFile(file, page, record, how);
      if (seq >= least) continue;
      throw new Violation(
        `${how}: record ${seq} is in ${placeOf(file, page)} itself; ${least} was committed before the fsync`,
      );
    }
  }
}

/** The number of the record that is in the file itself. A torn read is made again: only what stays torn is wrong. */
function recordInFile(file: FileSpec, page: number, record: number, how: string): number {
  const key = keyOf(file.number, page, record);
  const end = performance.now() + TORN_MS;
  for (;;) {
    const bytes = readFileItself(file, page, file.records[record]!);
    const seq = inspectRecord(bytes, key);
    if (seq >= 0) return seq;
    if (performance.now() > end)
      throw new Violation(`${how}, in the file itself: ${halfRecord(file, page, record, bytes)}`);
    sleep(TORN_PAUSE_MS);
  }
}

/** After an fsync: the device's block whose pin had dropped before it is in the file. */
export function judgeBlock(file: FileSpec, page: number, block: number): void {
  const there = blockOf(readFileItself(file, page, file.device!));
  if (there !== block) {
    throw new Violation(
      `after fsync ${placeOf(file, page)} has device's block ${there}, ${block} was there and its pin dropped before`,
    );
  }
}
