// After the crash: the file is opened by a cache that has just been made, and read through it. Making one takes longer than
// reading: so its memory is put back to what it was when it was new.
import { Attachment } from '../../../src/attachment.ts';
import type { PinfoldError } from '../../../src/errors.ts';
import { CachedFile } from '../../../src/file.ts';
import type { FileId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import { type StoredEnd, storedEnd } from '../../../src/service/storedEnd.ts';
import { NO_DIRECT } from '../../../src/store/direct.ts';
import type { Store } from '../../../src/store/store.ts';
import { built, Memory } from '../../kernel/pool.ts';
import { PAGE, PAYLOAD } from './run.ts';

const EIO = 5;
const POISON = -0x1111111111111112n;
/** What is written behind a torn end that was given up: nothing else has these bytes. */
const MORE = new Uint8Array(8).fill(0xa5);

/** What is wrong with how a state is opened, on purpose. */
export interface MountMistakes {
  /** Checksums are not looked at when a page is read. */
  readonly checksumIgnored?: boolean;
  /** What the store has of a page in part is taken for all of it, the rest zeros. */
  readonly partIsWhole?: boolean;
  /** A file with a torn end is not opened. */
  readonly tornEndRefused?: boolean;
  /** One is taken for a file that ends before. */
  readonly tornEndDropped?: boolean;
  /** One is extended as any file is. */
  readonly tornEndExtended?: boolean;
}

/** Whether a mistake is one of the mount's. */
export const isOfMount = (mistakes: MountMistakes): boolean =>
  mistakes.checksumIgnored === true ||
  mistakes.partIsWhole === true ||
  mistakes.tornEndRefused === true ||
  mistakes.tornEndDropped === true ||
  mistakes.tornEndExtended === true;

/** What was on stable storage. Nothing is written to it but to give up its torn end. */
class Remains implements Store {
  bytes: Uint8Array = new Uint8Array(0);
  size = 0;
  readonly = true;
  readonly #padded: boolean;

  constructor(padded: boolean) {
    this.#padded = padded;
  }

  /** Reads from bytes that belong to others, and does not change them. */
  show(bytes: Uint8Array, size: number): void {
    this.bytes = bytes;
    this.size = size;
    this.readonly = true;
  }

  /** From now on they are its own. */
  own(room: number): void {
    const bytes = new Uint8Array(this.size + room);
    bytes.set(this.bytes.subarray(0, this.size));
    this.bytes = bytes;
    this.readonly = false;
  }

  read(_fd: number, bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.size - position));
    bytes.set(this.bytes.subarray(position, position + length));
    if (!this.#padded || length === 0) return length;
    bytes.fill(0, length);
    return bytes.length;
  }
  write(_fd: number, bytes: Uint8Array, position: number): number {
    if (this.readonly) return -EIO;
    this.bytes.set(bytes, position);
    this.size = Math.max(this.size, position + bytes.length);
    return bytes.length;
  }
  flush(): number {
    return this.readonly ? -EIO : 0;
  }
  resize(_fd: number, size: number): number {
    if (this.readonly) return -EIO;
    this.bytes.fill(0, size);
    this.size = size;
    return 0;
  }
  identity(): undefined {
    return undefined;
  }
  syncDirectory(): number {
    return -EIO;
  }
}

/** What the library makes of a state. */
export interface Read {
  /** The file's size; −1: it is not opened, since nothing of it is good. */
  readonly size: number;
  /** Its last page is not as it was written, and counts whole. */
  readonly torn: boolean;
  /** Pages that are reported instead of read. */
  readonly reported: readonly number[];
  /** What is wrong whatever the file held. */
  readonly wrong?: string;
}

export class Mount {
  readonly #mistakes: MountMistakes;
  readonly #remains: Remains;
  /** As shipped: without assertions. */
  readonly #memory = new Memory(
    { memory: 256 * 1024, maxThreads: 2, maxPinsPerThread: 8, maxFiles: 2 },
    { module: built('control') },
  );
  readonly #attachment: Attachment;
  readonly #words: Int32Array;
  readonly #fresh: Int32Array;
  /** As words of 64 bits: filling shared bytes one by one takes seven times as long. */
  readonly #pages: readonly BigInt64Array[];

  constructor(mistakes: MountMistakes = {}) {
    this.#mistakes = mistakes;
    this.#remains = new Remains(mistakes.partIsWhole === true);
    this.#attachment = new Attachment(this.#memory.handle, this.#remains, 'user');
    this.#words = this.#memory.words;
    this.#fresh = this.#words.slice();
    this.#pages = this.#memory.handle.data.map(({ buffer }) => new BigInt64Array(buffer));
    if (mistakes.checksumIgnored) this.#attachment.bytes.check = () => PAYLOAD;
  }

  /** Reads the file from what remains of it into `target`, page by page. */
  read(bytes: Uint8Array, stored: number, checksum: boolean, target: Uint8Array): Read {
    this.#remains.show(bytes, stored);
    return withoutTraces(() => this.#read(checksum, target));
  }

  /**
   * Gives up the torn end of a file that has just been read, as `before` and `was` tell, and goes on with it: what is wrong
   * then. Pages before it that are torn as well are given up, too.
   */
  mend(bytes: Uint8Array, stored: number, before: Read, was: Uint8Array): string | undefined {
    this.#remains.show(bytes, stored);
    this.#remains.own(3 * PAGE);
    return withoutTraces(() => this.#mend(before, was));
  }

  #read(checksum: boolean, target: Uint8Array): Read {
    const end = this.#end(checksum);
    if (end === undefined) return { size: -1, torn: false, reported: [] };
    const file = this.#open(end, checksum);
    try {
      if (file.size !== end.size)
        return { ...end, reported: [], wrong: `of ${end.size} bytes the library finds ${file.size}` };
      return { ...end, ...this.#readAll(file, end.size, target) };
    } finally {
      file.closeSync();
    }
  }

  #mend({ size, reported }: Read, was: Uint8Array): string | undefined {
    let last = size / PAYLOAD - 1;
    const file = this.#open({ size, torn: true }, true);
    if (reportedBy(() => file.writeSync(MORE, size)) !== last)
      return 'the file is extended behind its torn end';
    for (; ; last--) {
      const told = reportedBy(() => file.truncateSync(last * PAYLOAD));
      if (told === undefined) break;
      if (told !== last - 1 || !reported.includes(told))
        return `page ${told} is reported by a cut to page ${last}`;
    }
    const kept = last * PAYLOAD;
    const wanted = new Uint8Array(kept + PAYLOAD + 16); // what is there, a page of zeros and a bit, and some bytes
    wanted.set(was.subarray(0, kept));
    wanted.set(MORE, wanted.length - MORE.length);
    file.writeSync(MORE, wanted.length - MORE.length);
    file.fsyncSync();
    file.closeSync();
    const found = new Uint8Array(wanted.length);
    const again = this.#read(true, found);
    if (again.wrong !== undefined) return again.wrong;
    if (again.torn || again.size !== wanted.length)
      return `the file has ${again.size} bytes after its torn end was cut off`;
    for (const page of reported)
      if (page < last) found.set(wanted.subarray(page * PAYLOAD, (page + 1) * PAYLOAD), page * PAYLOAD);
    if (`${again.reported}` !== `${reported.filter((page) => page < last)}`)
      return `pages ${again.reported} are reported once the torn end is cut off`;
    return Buffer.compare(found, wanted) === 0
      ? undefined
      : 'other bytes are there once the torn end is cut off';
  }

  #readAll(file: CachedFile, size: number, target: Uint8Array): Pick<Read, 'reported' | 'wrong'> {
    const { pageSize } = file;
    const reported: number[] = [];
    for (let index = 0; index * pageSize < size; index++) {
      const page = target.subarray(index * pageSize, Math.min(size, (index + 1) * pageSize));
      try {
        const read = file.readSync(page, index * pageSize);
        if (read !== page.length) return { reported, wrong: `of page ${index} ${read} bytes are read` };
        const clean = page.length === pageSize || file.viewSync(index, isZeroFrom, page.length);
        if (!clean) return { reported, wrong: 'the last page is not zeros behind the end' };
      } catch (error) {
        const { code, page: told } = error as PinfoldError;
        if (code !== 'ERR_PINFOLD_CHECKSUM' || told !== index) throw error;
        reported.push(index);
      }
    }
    return { reported };
  }

  /** Where the file ends, as the file worker finds it when it opens one; undefined: it is refused. */
  #end(checksum: boolean): StoredEnd | undefined {
    this.#words.set(this.#fresh);
    for (const pages of this.#pages) pages.fill(POISON); // what no fill has stored is seen
    const stored = this.#remains.size;
    if (!checksum) return { size: stored, torn: false };
    const end = storedEnd(this.#attachment, { fd: 0, direct: NO_DIRECT }, stored);
    if (!end?.torn) return end;
    if (this.#mistakes.tornEndRefused) return undefined;
    return this.#mistakes.tornEndDropped ? { size: end.size - PAYLOAD, torn: false } : end;
  }

  #open({ size, torn }: StoredEnd, checksum: boolean): CachedFile {
    this.#words.set(this.#fresh);
    const attachment = this.#attachment;
    const { kernel } = attachment;
    const id = 0 as FileId;
    kernel.setSize(id, size);
    const flags =
      (checksum ? L.FLAG_CHECKSUM : 0) | (torn && !this.#mistakes.tornEndExtended ? L.FLAG_TORN : 0);
    kernel.control.fileOpen(id, 0, 0, 1, 0, flags);
    attachment.references.retain(id);
    const handles = { attachment, driver: undefined as never, rounds: new Map() };
    const context = { ...handles, isClosed: () => false, onClose: () => {} };
    const options = {
      mode: 'r+',
      create: false,
      direct: false,
      checksum: checksum ? 'crc32c' : 'none',
      access: 'random',
    } as const;
    return new CachedFile(context, id, 'file', options);
  }
}

/** Thousands of pages are reported, and nobody looks at where from. */
function withoutTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Which page a call reports; undefined: it does what it should. */
function reportedBy(call: () => unknown): number | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    const { code, page } = error as PinfoldError;
    if (code !== 'ERR_PINFOLD_CHECKSUM') throw error;
    return page;
  }
}

function isZeroFrom(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
