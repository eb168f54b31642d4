import fs from 'node:fs';
import { dirname } from 'node:path';

/** Makes the names in the file's directory stable: that it was made, or is gone. */
export function syncDirectoryOf(path: string): void {
  const fd = fs.openSync(dirname(path), 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
