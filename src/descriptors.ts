import fs from 'node:fs';
import type { FileId, Kernel } from './kernel/kernel';
import * as L from './kernel/layout';

/** The words of a file's row that name descriptors; a file that is open for writing has each twice. */
export const DESCRIPTORS = [
  L.FILE_FD_READ,
  L.FILE_FD_WRITE,
  L.FILE_FD_DIRECT_READ,
  L.FILE_FD_DIRECT_WRITE,
] as const;

/**
 * Closes a file's descriptors. Their numbers leave the row first: should the thread die in between, they stay open, which
 * is better than that its successor closes numbers that are another's by then.
 */
export function closeDescriptors(kernel: Kernel, file: FileId): void {
  const open = new Set(DESCRIPTORS.map((field) => kernel.fileWord(file, field) - 1));
  kernel.control.fileSetDescriptors(file, -1, -1, -1, -1);
  for (const fd of open) if (fd >= 0) fs.closeSync(fd);
}
