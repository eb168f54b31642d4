// A directory of its own for each test, removed after it.
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** A new empty directory, under `parent` (default: the system's for temporary files). */
export function testDirectory(parent = tmpdir()): string {
  const directory = fs.mkdtempSync(join(parent, 'pinfold-test-'));
  made.push(directory);
  return directory;
}

/** Byte `position` of a file made by `fileOf`: tells pages, and places in a page, apart. */
export function patternAt(position: number): number {
  return (Math.floor(position / 4096) * 7 + (position % 251) + 1) & 0xff;
}

/** Path of a new file of `size` bytes of the pattern, in a directory of its own. */
export function fileOf(size: number, name = 'data'): string {
  const path = join(testDirectory(), name);
  fs.writeFileSync(
    path,
    Uint8Array.from({ length: size }, (_, position) => patternAt(position)),
  );
  return path;
}

/** `length` bytes of a file at `position`, by plain fs: what is in the file itself, whatever a cache holds. */
export function bytesInFile(path: string, position: number, length: number): Buffer {
  const fd = fs.openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, position));
  } finally {
    fs.closeSync(fd);
  }
}
