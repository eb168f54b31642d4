// What a file must hold, as one knows it who is told of each completed change: plain bytes, and what each page held since
// the last fsync that succeeded, which is what a power cut may leave of it.
import type { Disk } from '../../kernel/disk.ts';

/** A page that nobody has written. */
export const ZEROS = new Uint8Array(65_536);

/** What is on stable storage of a file; for a real file, what plain reads see. */
export interface Stable {
  readonly pageSize: number;
  readonly stableLength: number;
  readonly stable: { get(index: number): Uint8Array | undefined };
}

export interface Range {
  readonly offset: number;
  readonly length: number;
}

export class FileModel {
  readonly pageSize: number;
  readonly bytes: Uint8Array;
  size = 0;
  /** Of each page changed since the last fsync: what it held then, and all that it held in between. */
  readonly #versions = new Map<number, Uint8Array[]>();
  /** Sizes since the last fsync: between these the file's size may be after a power cut. */
  #smallest = 0;
  #largest = 0;

  constructor(pageSize: number, capacity: number) {
    this.pageSize = pageSize;
    this.bytes = new Uint8Array(capacity * pageSize);
  }

  get pages(): number {
    return Math.ceil(this.size / this.pageSize);
  }

  /** The page up to the file's end. */
  page(index: number): Uint8Array {
    const start = index * this.pageSize;
    return this.bytes.subarray(start, Math.min(this.size, start + this.pageSize));
  }

  /** A change of bytes that are there: what is behind the file's end is nobody's. */
  store(position: number, bytes: Uint8Array): void {
    const end = Math.min(this.size, position + bytes.length);
    if (end <= position) return;
    this.#remember(position, end);
    this.bytes.set(bytes.subarray(0, end - position), position);
  }

  /** What is added are zeros. */
  resize(size: number): void {
    this.#remember(Math.min(size, this.size), Math.max(size, this.size));
    if (size < this.size) {
      this.bytes.fill(0, size, this.size);
      this.#cutVersions(size);
    }
    this.size = size;
    this.#smallest = Math.min(this.#smallest, size);
    this.#largest = Math.max(this.#largest, size);
  }

  /** The system cuts at once what a page had before, though changes since then that were not synced are not there. */
  #cutVersions(size: number): void {
    const index = Math.floor(size / this.pageSize);
    const from = size - index * this.pageSize;
    const versions = this.#versions.get(index);
    if (from === 0 || !versions) return;
    for (const version of [...versions]) versions.push(version.slice().fill(0, from));
  }

  /** A write that may extend the file. */
  extend(position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.size) this.resize(position + bytes.length);
    this.store(position, bytes);
  }

  /**
   * An fsync has succeeded: what is not stable now. `loose`: ranges of pages that were stored under write pins which are
   * held still; of these any moment's bytes will do.
   */
  *synced(disk: Stable, loose: ReadonlyMap<number, readonly Range[]>): Generator<string> {
    if (disk.stableLength !== this.size) yield `${disk.stableLength} bytes are stable, not ${this.size}`;
    const left = [...loose].map(([index, ranges]) => [index, this.#loosely(disk, index, ranges)] as const);
    this.#settle();
    for (const [index, page] of left) {
      if (page) this.#versions.set(index, [page]);
      else yield `page ${index} is not stable, but for what its write pins may still change`;
    }
    yield* this.lost(disk);
  }

  /** What is stable of a page that is write-pinned; undefined if it may not be that. */
  #loosely(disk: Stable, index: number, ranges: readonly Range[]): Uint8Array | undefined {
    const stable = (disk.stable.get(index) ?? ZEROS).slice(0, this.pageSize);
    const page = this.page(index);
    const versions = this.#versions.get(index) ?? [];
    const may = (at: number) =>
      ranges.some(({ offset, length }) => at >= offset && at < offset + length) &&
      versions.some((version) => version[at] === stable[at]);
    return page.every((byte, at) => byte === stable[at] || may(at)) ? stable : undefined;
  }

  #settle(): void {
    this.#versions.clear();
    this.#smallest = this.size;
    this.#largest = this.size;
  }

  /** The file is what a disk has of it. */
  adopt(disk: Disk): void {
    this.bytes.fill(0);
    for (const [index, page] of disk.current) {
      const start = index * this.pageSize;
      if (start < disk.length)
        this.bytes.set(page.subarray(0, Math.min(page.length, disk.length - start)), start);
    }
    this.size = disk.length;
    this.#settle();
  }

  #remember(from: number, to: number): void {
    for (let index = Math.floor(from / this.pageSize); index * this.pageSize < to; index++) {
      const start = index * this.pageSize;
      const now = this.bytes.slice(start, start + this.pageSize);
      const versions = this.#versions.get(index);
      if (versions) versions.push(now);
      else this.#versions.set(index, [now]);
    }
  }

  /** What is wrong with what a power cut would leave now. */
  *lost(disk: Stable): Generator<string> {
    const { stableLength, pageSize } = disk;
    if (stableLength < this.#smallest || stableLength > this.#largest) {
      yield `${stableLength} bytes would be left, since the last fsync there were ${this.#smallest} to ${this.#largest}`;
    }
    for (let index = 0; index * pageSize < Math.min(stableLength, this.bytes.length); index++) {
      const left = (disk.stable.get(index) ?? ZEROS).subarray(
        0,
        Math.min(pageSize, stableLength - index * pageSize),
      );
      const start = index * pageSize;
      const isIt = (version: Uint8Array) => Buffer.compare(version.subarray(0, left.length), left) === 0;
      if (isIt(this.bytes.subarray(start, start + pageSize))) continue;
      if (this.#versions.get(index)?.some(isIt)) continue;
      yield `page ${index} would be left as it never was since the last fsync`;
    }
  }
}
