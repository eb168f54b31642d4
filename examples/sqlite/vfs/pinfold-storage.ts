// SQLite's files in a Pinfold cache: what one thread has read or written, all have.
import fs from 'node:fs';
import type { CachedFile, PageCache } from 'pinfold';
import type { Storage, StoredFile } from './storage.ts';

export class PinfoldStorage implements Storage {
  readonly name = 'pinfold';
  readonly #cache: PageCache;

  constructor(cache: PageCache) {
    this.#cache = cache;
  }

  open(path: string, mode: 'r' | 'r+', create: boolean): StoredFile {
    return new PinfoldFile(this.#cache.openSync(path, { mode, create }));
  }

  /**
   * A cache knows a file by device and inode, so the next journal is another file to it, though it has the same name, and
   * pages of this one could be written in vain. Cut to nothing first they leave the cache at once. For SQLite that is no
   * other moment than the removal: an empty journal is none.
   */
  remove(path: string): void {
    const file = this.#cache.openSync(path);
    try {
      file.truncateSync(0);
    } finally {
      file.closeSync();
    }
    fs.unlinkSync(path);
  }
}

class PinfoldFile implements StoredFile {
  readonly #file: CachedFile;

  constructor(file: CachedFile) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  read(target: Uint8Array, position: number): number {
    return this.#file.readSync(target, position);
  }

  write(source: Uint8Array, position: number): void {
    this.#file.writeSync(source, position);
  }

  truncate(size: number): void {
    this.#file.truncateSync(size);
  }

  /**
   * SQLite's order is kept, whatever flushers do: it stores a page of the database only after the sync of the journal that has
   * the page as it was, and removes the journal only after the sync of the database. A flusher may write a page early, between
   * its store and its sync; it can't write one before it is stored.
   */
  sync(): void {
    this.#file.fsyncSync();
  }

  close(): void {
    this.#file.closeSync();
  }
}
