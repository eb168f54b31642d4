import fs from 'node:fs';
import type { FileId, Kernel } from './kernel/kernel';
import * as L from './kernel/layout';

/**
 * Closes a file's descriptors. Their numbers leave the row first: should the thread die in between, they stay open, which
 * is better than that its successor closes numbers that are another's by then.
 */
export function closeDescriptors(kernel: Kernel, file: FileId): void {
  const read = kernel.fileWord(file, L.FILE_FD_READ) - 1;
  const write = kernel.fileWord(file, L.FILE_FD_WRITE) - 1;
  kernel.control.fileSetDescriptors(file, -1, -1);
  for (const fd of new Set([read, write])) if (fd >= 0) fs.closeSync(fd);
}
