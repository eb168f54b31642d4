// The same files by plain `fs`, each thread with descriptors of its own: what Pinfold is compared with.
import fs from 'node:fs';
import { syncDirectoryOf } from './directory.ts';
import type { Storage, StoredFile } from './storage.ts';

export class FsStorage implements Storage {
  readonly name = 'fs';

  open(path: string, mode: 'r' | 'r+', create: boolean): StoredFile {
    return new FsFile(path, mode, create);
  }

  remove(path: string): void {
    fs.unlinkSync(path);
  }
}

class FsFile implements StoredFile {
  readonly #path: string;
  readonly #fd: number;
  #isNew = false;

  constructor(path: string, mode: 'r' | 'r+', create: boolean) {
    this.#path = path;
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;
    const flags = mode === 'r' ? O_RDONLY : O_RDWR;
    try {
      this.#fd = fs.openSync(path, flags);
    } catch (error) {
      if (!create || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#fd = fs.openSync(path, flags | O_CREAT | O_EXCL, 0o644);
      this.#isNew = true;
    }
  }

  get size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  read(target: Uint8Array, position: number): number {
    for (let done = 0; done < target.length; ) {
      const n = fs.readSync(this.#fd, target, done, target.length - done, position + done);
      if (n === 0) return done;
      done += n;
    }
    return target.length;
  }

  write(source: Uint8Array, position: number): void {
    for (let done = 0; done < source.length; ) {
      done += fs.writeSync(this.#fd, source, done, source.length - done, position + done);
    }
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }

  sync(): void {
    fs.fdatasyncSync(this.#fd);
    if (!this.#isNew) return;
    syncDirectoryOf(this.#path);
    this.#isNew = false;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
