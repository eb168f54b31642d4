import fs from 'node:fs';
import { PAGE_BYTES } from '../files';

/** The file as plain fs shows it. */
export interface PlainFile {
  /** Reads the pages that `target` has room for, from `page` on. */
  read(target: Uint8Array, page: number): void;
  /** Returns once every write of the file that was under way has ended. */
  outwait(): void;
}

export function openPlainFile(path: string, pageSize = PAGE_BYTES): PlainFile & { close(): void } {
  const fd = fs.openSync(path, 'r');
  return {
    read(target, page) {
      const bytes = fs.readSync(fd, target, 0, target.length, page * pageSize);
      if (bytes !== target.length) throw new Error(`${path}: ${bytes} of ${target.length} bytes read`);
    },
    // To set a time the system takes the inode's lock, which a write holds for all of its copy. A read takes no lock on most file systems.
    outwait() {
      const { atime, mtime } = fs.fstatSync(fd);
      fs.futimesSync(fd, atime, mtime);
    },
    close: () => fs.closeSync(fd),
  };
}
