// How the file worker opens a file: its descriptors, and that a successor closes them should this thread be ended before the
// file's row names them.
import fs from 'node:fs';
import { constants } from 'node:os';
import type { Attachment } from '../attachment';
import * as L from '../kernel/layout';
import { stagingArea } from '../protocol/writeback';
import { DIRECT_UNIT, NO_DIRECT } from '../store/direct';

/** A file just opened: its descriptor, and the one for direct I/O or NO_DIRECT. */
export interface Opened {
  readonly fd: number;
  readonly direct: number;
}

export interface OpenedFile extends Opened {
  readonly writable: boolean;
  /** It was not there before. */
  readonly created: boolean;
}

/** Which file it is, and what. */
export interface Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly isFile: boolean;
}

/** Where descriptors just opened are noted until a file's row has them: index of the plain one, and of the direct one. */
export interface Journal {
  readonly words: Int32Array;
  readonly fd: number;
  readonly direct: number;
}

export function journalOf({ kernel }: Attachment, row: number): Journal {
  const at = kernel.rowAt(row);
  return { words: kernel.words, fd: (at + L.ROW_FD) >> 2, direct: (at + L.ROW_FD_DIRECT) >> 2 };
}

/** Opens the file and notes the descriptor at once. */
export function openPath(
  path: Buffer,
  writable: boolean,
  create: boolean,
  { words, fd: at }: Journal,
): { fd: number; created: boolean } {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants;
  // O_NONBLOCK: a FIFO must not hold the worker; regular files don't mind.
  const flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK;
  const open = (how: number) => {
    const fd = fs.openSync(path, how, 0o666);
    words[at] = fd + 1; // a plain store: before a call the thread could be ended
    return fd;
  };
  try {
    return { fd: open(flags), created: false };
  } catch (error) {
    if (!create || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  try {
    return { fd: open(flags | O_CREAT | O_EXCL), created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Somebody was faster, or it is a symbolic link to nothing, which O_EXCL does not follow: then this creates its target.
  return { fd: open(flags | O_CREAT), created: true };
}

/** What opening for direct I/O fails with where there is none: file systems without it, systems without /proc. */
const REFUSALS: readonly number[] = [
  constants.errno.EINVAL,
  constants.errno.EOPNOTSUPP,
  constants.errno.ENOENT,
];

/**
 * Opens the file of a descriptor once more, for direct I/O, and notes that too: the descriptor, or the negated errno if there
 * is no direct I/O on it. Throws other errors of the system. Not by its path, which may name another file by now. `flag`:
 * O_DIRECT, if the system has it.
 */
export function openDirect(
  fd: number,
  writable: boolean,
  { words, direct: at }: Journal,
  flag: number | undefined,
): number {
  if (flag === undefined) return -constants.errno.EOPNOTSUPP;
  const { O_RDONLY, O_RDWR } = fs.constants;
  try {
    const direct = fs.openSync(`/proc/self/fd/${fd}`, (writable ? O_RDWR : O_RDONLY) | flag);
    words[at] = direct + 1; // plain, as above
    return direct;
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    if (REFUSALS.includes(-errno)) return errno;
    throw error;
  }
}

/**
 * Reads from the file directly, once: 0, or EINVAL. Some file systems refuse only then, since their blocks are larger than
 * what positions here are multiples of. Any other error is for whoever needs that page.
 */
export function directRefusal(attachment: Attachment, { fd, direct }: Opened): number {
  const { bytes, kernel, store, sync } = attachment;
  const area = sync.run(stagingArea(attachment, 1));
  try {
    const read = store.read(fd, bytes.staging[area]!.subarray(0, DIRECT_UNIT), 0, direct);
    return read === -constants.errno.EINVAL ? constants.errno.EINVAL : 0;
  } finally {
    kernel.control.releaseStaging(area);
  }
}

/** Forgets the notes: the descriptors are in a file's row, or about to be closed. */
export function forget({ words, fd, direct }: Journal): void {
  words[fd] = 0;
  words[direct] = 0;
}

/** Closes what no file's row has got. */
export function closeOpened({ fd, direct }: Opened): void {
  if (fd >= 0) fs.closeSync(fd);
  if (direct !== NO_DIRECT) fs.closeSync(direct);
}

export function statOf(fd: number): Stat {
  const stat = fs.fstatSync(fd, { bigint: true });
  return { dev: stat.dev, ino: stat.ino, size: stat.size, isFile: stat.isFile() };
}

export function isDirectory(fd: number): boolean {
  return fs.fstatSync(fd).isDirectory();
}
