// The request to open a file, as both sides know it. The path travels in a path area of the control memory: its length
// (an i32), then its bytes. The file worker frees the area with its answer.
import { pinfoldError, show, typeError } from './errors';
import * as L from './kernel/layout';
import type { OpenOptions } from './options';
import {
  Patience,
  type Pool,
  type Protocol,
  type Request,
  requestKind,
  serviceClass,
} from './protocol/effects';

export const openFlag = { write: 1, create: 2, checksum: 4, direct: 8 } as const;

/** The choices that all who have a file open at a time make alike. */
export const COMMON_CHOICES = openFlag.checksum | openFlag.direct;

/** What an answer's first word tells beside an errno, which is positive. */
export const openStatus = {
  /** The file is open, or has pages that must be kept, with the choices in the answer's second word. */
  otherChoices: -1,
  /** The last page, whose index is the answer's second word, is not as it was written, nor is any other. */
  corrupt: -2,
  /** There is no direct I/O on the file: the answer's second word is the errno. */
  notDirect: -3,
} as const;

/** The path's bytes. Throws what no file system would take. */
export function checkPath(path: unknown): Buffer {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw typeError(
      'ERR_PINFOLD_ARGUMENT',
      `path must be a non-empty string without null bytes, got ${show(path)}`,
    );
  }
  const bytes = Buffer.from(path);
  if (bytes.length > L.PATH_BYTES - 4) {
    throw pinfoldError(
      'ERR_PINFOLD_ARGUMENT',
      `path has ${bytes.length} bytes; the limit is ${L.PATH_BYTES - 4}`,
    );
  }
  return bytes;
}

/** Puts the path where the file worker finds it. */
export function* openRequest(pool: Pool, path: Buffer, options: Required<OpenOptions>): Protocol<Request> {
  const { kernel } = pool;
  const patience = new Patience(pool, 'a place for the path');
  let area = -1;
  for (;;) {
    const seq = kernel.load(L.HEADER_PATHS_WAKE);
    area = kernel.control.claimPath();
    if (area >= 0) break;
    yield* patience.wait(L.HEADER_PATHS_WAKE, seq, () => kernel.load(L.HEADER_PATHS));
  }
  const at = kernel.load(L.HEADER_AT_PATHS) + area * L.PATH_BYTES;
  kernel.words[at >> 2] = path.length;
  new Uint8Array(kernel.words.buffer, at + 4, path.length).set(path);
  const flags =
    (options.mode === 'r+' ? openFlag.write : 0) |
    (options.create ? openFlag.create : 0) |
    (options.checksum === 'crc32c' ? openFlag.checksum : 0) |
    (options.direct ? openFlag.direct : 0);
  return { service: serviceClass.files, kind: requestKind.open, file: 0, a: area, b: flags };
}
