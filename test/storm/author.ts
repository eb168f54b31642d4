// Who changes records: each change gives the record its next number, and is known as committed once its call returned.
import type { CachedFile } from 'pinfold';
import type { Board } from './board.ts';
import { areaOf, type FileSpec, PAGE } from './files.ts';
import { halfRecord, Violation } from './oracle.ts';
import type { Random } from './random.ts';
import { fillRecord, inspectRecord, isCutRecord, keyOf } from './record.ts';

/** A change of a record inside an update. */
export interface Change {
  readonly author: Author;
  readonly file: FileSpec;
  readonly page: number;
  readonly record: number;
  /** What had been committed before the update. */
  readonly least: number;
  /** What to do when it is half done. */
  readonly halfway: (() => void) | undefined;
  seq: number;
}

/** Pages that an author remembers for each file, to look for after an fsync. */
const RECENT = 8;

export class Author {
  readonly board: Board;
  readonly random: Random;
  readonly number: number;
  readonly #recent = new Map<FileSpec, number[]>();

  constructor(board: Board, random: Random, number: number) {
    this.board = board;
    this.random = random;
    this.number = number;
  }

  recent(file: FileSpec): readonly number[] {
    return this.#recent.get(file) ?? [];
  }

  plan(file: FileSpec, page: number, record: number, halfway?: () => void): Change {
    const least = this.board.committed(areaOf(file, page, record));
    return { author: this, file, page, record, least, halfway, seq: 0 };
  }

  committed(file: FileSpec, page: number, record: number, seq: number): void {
    this.board.commit(areaOf(file, page, record), seq);
    this.#recent.set(file, [...this.recent(file).slice(1 - RECENT), page]);
  }

  updateSync(handle: CachedFile, change: Change): void {
    const { file, page, record } = change;
    handle.updateSync(page, apply, change, this.#range(file, record));
    this.committed(file, page, record, change.seq);
  }

  async update(handle: CachedFile, change: Change): Promise<void> {
    const { file, page, record } = change;
    await handle.update(page, apply, change, this.#range(file, record));
    this.committed(file, page, record, change.seq);
  }

  /** A record that is the whole page needs no range. (On others there may be write pins, which need one.) */
  #range({ records }: FileSpec, record: number) {
    const area = records[record]!;
    return area.length === PAGE && this.random.oneIn(2) ? undefined : area;
  }
}

/** The callback of updates. Nobody else changes the page now, so what it sees is judged at once. */
function apply(bytes: Uint8Array, change: Change): void {
  const { author, file, page, record, least, halfway } = change;
  const key = keyOf(file.number, page, record);
  if (file.kind === 'cut') {
    if (!isCutRecord(bytes, key))
      throw new Violation(`in an update: ${halfRecord(file, page, record, bytes)}`);
    change.seq = author.number;
  } else {
    const seq = inspectRecord(bytes, key);
    if (seq < 0) throw new Violation(`in an update: ${halfRecord(file, page, record, bytes)}`);
    if (seq < least) {
      throw new Violation(
        `in an update: page ${page} of file ${file.number}: record ${seq}, ${least} was committed`,
      );
    }
    change.seq = seq + 1;
  }
  const words = bytes.length >> 2;
  if (halfway === undefined) {
    fillRecord(bytes, key, author.number, change.seq);
    return;
  }
  // The first half may be the front or the back.
  const cut = 1 + author.random.below(words - 1);
  const halves = author.random.oneIn(2) ? ([0, cut, cut, words] as const) : ([cut, words, 0, cut] as const);
  fillRecord(bytes, key, author.number, change.seq, halves[0], halves[1]);
  halfway();
  fillRecord(bytes, key, author.number, change.seq, halves[2], halves[3]);
}
