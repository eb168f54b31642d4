// After the crash: the file is opened by a cache that has just been made, and read through it. Making one takes longer than
// reading: so its memory is put back to what it was when it was new.
import { Attachment } from '../../../src/attachment.ts';
import { CachedFile } from '../../../src/file.ts';
import type { FileId } from '../../../src/kernel/kernel.ts';
import type { Store } from '../../../src/store/store.ts';
import { built, Memory } from '../../kernel/pool.ts';
import { PAGE } from './run.ts';

const EIO = 5;
const POISON = -0x1111111111111112n;

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

  constructor() {
    this.#attachment = new Attachment(this.#memory.handle, this.#remains, 'user');
    this.#words = this.#memory.words;
    this.#fresh = this.#words.slice();
    this.#pages = this.#memory.handle.data.map(({ buffer }) => new BigInt64Array(buffer));
  }

  /**
   * Reads the file from what remains of it into `target`, page by page: undefined, or what the library made of it that is
   * wrong whatever the file held.
   */
  read(bytes: Uint8Array, size: number, target: Uint8Array): string | undefined {
    this.#words.set(this.#fresh);
    for (const pages of this.#pages) pages.fill(POISON); // what no fill has stored is seen
    this.#remains.bytes = bytes;
    this.#remains.size = size;
    const file = this.#open(size);
    if (file.size !== size) return `of ${size} bytes the library finds ${file.size}`;
    const read = file.readSync(target.subarray(0, size), 0);
    const rest = size % PAGE;
    const clean = rest === 0 || file.viewSync(Math.floor(size / PAGE), isZeroFrom, rest);
    file.closeSync();
    if (read !== size) return `of ${size} bytes the library reads ${read}`;
    return clean ? undefined : 'the last page is not zeros behind the end';
  }

  #open(size: number): CachedFile {
    const attachment = this.#attachment;
    const { kernel } = attachment;
    const id = 0 as FileId;
    kernel.setSize(id, size);
    kernel.control.fileOpen(id, 0, 0, 1, 0, 0);
    attachment.references.retain(id);
    const handles = { attachment, driver: undefined as never, rounds: new Map() };
    const context = { ...handles, isClosed: () => false, onClose: () => {} };
    return new CachedFile(context, id, 'file', { mode: 'r', create: false });
  }
}

function isZeroFrom(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < PAGE; at++) if (bytes[at] !== 0) return false;
  return true;
}
