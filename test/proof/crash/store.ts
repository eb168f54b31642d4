// A store over a system's page cache that logs what reaches it. Its calls fail as they are told to.
import type { Store } from '../../../src/store/store.ts';
import type { Log } from './log.ts';
import { SECTOR } from './platter.ts';

const EIO = 5;

/** What is wrong with a store, on purpose. */
export interface StoreMistakes {
  /** It says that all is flushed, and flushes nothing. */
  readonly flushDoesNothing?: boolean;
}

export class LoggingStore implements Store {
  /** What a read sees. */
  bytes: Uint8Array;
  size: number;
  /** What the next calls of a kind come to: how many sectors of a write still arrive, and then an error. */
  failWrite: number | undefined;
  failFlush = false;
  failResize = false;
  failDirectory = false;
  readonly #log: Log;
  readonly #mistakes: StoreMistakes;

  constructor(log: Log, bytes: Uint8Array, size: number, mistakes: StoreMistakes = {}) {
    this.#log = log;
    this.bytes = bytes;
    this.size = size;
    this.#mistakes = mistakes;
  }

  read(_fd: number, bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.size - position));
    bytes.set(this.bytes.subarray(position, position + length));
    return length;
  }

  write(_fd: number, bytes: Uint8Array, position: number): number {
    const failed = this.failWrite !== undefined;
    const length = failed ? Math.min(bytes.length, this.failWrite! * SECTOR) : bytes.length;
    this.failWrite = undefined;
    const arrived = bytes.slice(0, length);
    this.bytes.set(arrived, position);
    if (length > 0) this.size = Math.max(this.size, position + length);
    this.#log.add({ kind: 'write', position, bytes: arrived, failed });
    return failed ? -EIO : length;
  }

  /** Begins a flush; the answer ends it. */
  beginFlush(): () => number {
    const begun = this.#log.add({ kind: 'flush' });
    return () => {
      const well = !this.failFlush;
      this.failFlush = false;
      if (!this.#mistakes.flushDoesNothing) this.#log.add({ kind: 'flushed', begun, well });
      return well ? 0 : -EIO;
    };
  }

  flush(): number {
    return this.beginFlush()();
  }

  resize(_fd: number, size: number): number {
    if (this.failResize) {
      this.failResize = false;
      return -EIO;
    }
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
    this.#log.add({ kind: 'resize', size });
    return 0;
  }

  identity(): undefined {
    return undefined;
  }

  syncDirectory(): number {
    if (this.failDirectory) {
      this.failDirectory = false;
      return -EIO;
    }
    this.#log.add({ kind: 'directory' });
    return 0;
  }
}
