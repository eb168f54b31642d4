// After the crash: the file is opened by a cache that has just been made, and read through it. Making one takes longer than
// reading: so its memory is put back to what it was when it was new.
import { Attachment } from '../../../src/attachment.ts';
import type { PinfoldError } from '../../../src/errors.ts';
import { CachedFile } from '../../../src/file.ts';
import type { FileId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import type { Store } from '../../../src/store/store.ts';
import { built, Memory } from '../../kernel/pool.ts';
import type { Mistakes } from './mistakes.ts';
import { PAGE, PAYLOAD } from './run.ts';

const EIO = 5;
const POISON = -0x1111111111111112n;
/** The staging area that is not kept for fsync: as the file worker has it. */
const AREA = 1;

/** What was on stable storage. Nothing is written to it. */
class Remains implements Store {
  bytes: Uint8Array = new Uint8Array(0);
  size = 0;

  read(_fd: number, bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.size - position));
    bytes.set(this.bytes.subarray(position, position + length));
    return length;
  }
  write(): number {
    return -EIO;
  }
  flush(): number {
    return -EIO;
  }
  resize(): number {
    return -EIO;
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
  /** The file's size; −1: it can't be opened, since its last page is not as it was written. */
  readonly size: number;
  /** Pages that are reported instead of read. */
  readonly reported: readonly number[];
  /** What is wrong whatever the file held. */
  readonly wrong?: string;
}

export class Mount {
  readonly #remains = new Remains();
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

  constructor({ checksumIgnored }: Mistakes = {}) {
    this.#attachment = new Attachment(this.#memory.handle, this.#remains, 'user');
    this.#words = this.#memory.words;
    this.#fresh = this.#words.slice();
    this.#pages = this.#memory.handle.data.map(({ buffer }) => new BigInt64Array(buffer));
    if (checksumIgnored) this.#attachment.bytes.check = () => PAYLOAD;
  }

  /** Reads the file from what remains of it into `target`, page by page. */
  read(bytes: Uint8Array, stored: number, checksum: boolean, target: Uint8Array): Read {
    this.#words.set(this.#fresh);
    for (const pages of this.#pages) pages.fill(POISON); // what no fill has stored is seen
    this.#remains.bytes = bytes;
    this.#remains.size = stored;
    const size = checksum ? this.#sizeOf(stored) : stored;
    if (size < 0) return { size, reported: [] };
    const file = this.#open(size, checksum);
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0; // thousands of pages are reported, and nobody looks at where from
    try {
      if (file.size !== size)
        return { size, reported: [], wrong: `of ${size} bytes the library finds ${file.size}` };
      return this.#readAll(file, size, target);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      file.closeSync();
    }
  }

  #readAll(file: CachedFile, size: number, target: Uint8Array): Read {
    const { pageSize } = file;
    const reported: number[] = [];
    for (let index = 0; index * pageSize < size; index++) {
      const page = target.subarray(index * pageSize, Math.min(size, (index + 1) * pageSize));
      try {
        const read = file.readSync(page, index * pageSize);
        if (read !== page.length) return { size, reported, wrong: `of page ${index} ${read} bytes are read` };
        const clean = page.length === pageSize || file.viewSync(index, isZeroFrom, page.length);
        if (!clean) return { size, reported, wrong: 'the last page is not zeros behind the end' };
      } catch (error) {
        const { code, page: told } = error as PinfoldError;
        if (code !== 'ERR_PINFOLD_CHECKSUM' || told !== index) throw error;
        reported.push(index);
      }
    }
    return { size, reported };
  }

  /** The size of a file with checksums, as the file worker finds it when it opens one. */
  #sizeOf(stored: number): number {
    const { bytes } = this.#attachment;
    const last = stored / PAGE - 1;
    if (stored === 0) return 0;
    if (!Number.isInteger(last)) return -1;
    this.#remains.read(0, bytes.staging[AREA]!.subarray(0, PAGE), last * PAGE);
    const used = bytes.checkStaged(AREA, 0, last);
    return used === 0 ? -1 : last * PAYLOAD + used;
  }

  #open(size: number, checksum: boolean): CachedFile {
    const attachment = this.#attachment;
    const { kernel } = attachment;
    const id = 0 as FileId;
    kernel.setSize(id, size);
    kernel.control.fileOpen(id, 0, 0, 1, 0, checksum ? L.FLAG_CHECKSUM : 0);
    attachment.references.retain(id);
    const handles = { attachment, driver: undefined as never, rounds: new Map() };
    const context = { ...handles, isClosed: () => false, onClose: () => {} };
    const options = { mode: 'r', create: false, checksum: checksum ? 'crc32c' : 'none' } as const;
    return new CachedFile(context, id, 'file', options);
  }
}

function isZeroFrom(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
