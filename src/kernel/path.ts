import fs from 'node:fs';
import type { FileId, Kernel } from './kernel';
import * as L from './layout';

/** The path of an open file of the cache, as the system knows it now. */
export function pathOf(kernel: Kernel, file: FileId): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${kernel.fileWord(file, L.FILE_FD_READ) - 1}`);
  } catch {
    return `file ${file}`;
  }
}
