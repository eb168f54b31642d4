// File rows: identity, references, size.
import * as L from '../layout';
import { fileAt, out } from './words';

/** Takes one more reference to an open file: 1, or 0 if its row is free or being closed. */
export function fileRetain(file: i32): i32 {
  const at = fileAt(file);
  while (true) {
    const refs = atomic.load<i32>(at, L.FILE_REFS);
    if (refs < 0) return 0;
    if (atomic.cmpxchg<i32>(at, refs, refs + 1, L.FILE_REFS) == refs) return 1;
  }
}

/** Drops a reference: how many are left. */
export function fileRelease(file: i32): i32 {
  const left = atomic.sub<i32>(fileAt(file), 1, L.FILE_REFS) - 1;
  assert(left >= 0);
  return left;
}

/** Makes a free row an open file with one reference. The file worker's alone. */
export function fileOpen(file: i32, devLo: i32, devHi: i32, inoLo: i32, inoHi: i32, flags: i32): void {
  const at = fileAt(file);
  assert(atomic.load<i32>(at, L.FILE_REFS) < 0);
  atomic.store<i32>(at, devLo, L.FILE_DEV_LO);
  atomic.store<i32>(at, devHi, L.FILE_DEV_HI);
  atomic.store<i32>(at, inoLo, L.FILE_INO_LO);
  atomic.store<i32>(at, inoHi, L.FILE_INO_HI);
  atomic.store<i32>(at, flags, L.FILE_FLAGS);
  atomic.store<i32>(at, 0, L.FILE_RETRY_AT);
  atomic.store<i32>(at, atomic.load<i32>(at, L.FILE_ROUND_DONE) + 1, L.FILE_ROUND_OPEN);
  atomic.add<i32>(at, 1, L.FILE_GENERATION);
  if (flags & L.FLAG_CREATED) atomic.add<i32>(at, 1, L.FILE_WRITES); // the first fsync flushes the new inode
  atomic.store<i32>(at, 1, L.FILE_REFS);
}

export function fileSetDescriptors(file: i32, read: i32, write: i32): void {
  const at = fileAt(file);
  atomic.store<i32>(at, read + 1, L.FILE_FD_READ);
  atomic.store<i32>(at, write + 1, L.FILE_FD_WRITE);
}

/**
 * Begins to close a file that nobody refers to, no frame carries and no flush or round works on: 1, and the row can't be
 * retained any more; or 0. The file worker's alone.
 */
export function fileRetire(file: i32): i32 {
  const at = fileAt(file);
  if (atomic.load<i32>(at, L.FILE_RESIDENT) != 0) return 0;
  if (atomic.cmpxchg<i32>(at, 0, -1, L.FILE_REFS) != 0) return 0;
  // Fills and rounds hold references of their own or their caller's; so nothing can have begun since.
  if (atomic.load<i32>(at, L.FILE_RESIDENT) != 0) {
    atomic.store<i32>(at, 0, L.FILE_REFS);
    return 0;
  }
  return 1;
}

export function fileClearFlag(file: i32, flag: i32): void {
  atomic.and<i32>(fileAt(file), ~flag, L.FILE_FLAGS);
}

/** Raises the size to `hi:lo` if that is more. The two words move in one section. */
export function raiseSize(at: usize, lo: i32, hi: i32): void {
  while (true) {
    const seq = atomic.load<i32>(at, L.FILE_SIZE_SEQ);
    if (seq & 1) continue;
    const oldHi = atomic.load<i32>(at, L.FILE_SIZE_HI);
    const oldLo = atomic.load<i32>(at, L.FILE_SIZE_LO);
    const more = <u32>hi > <u32>oldHi || (hi == oldHi && <u32>lo > <u32>oldLo);
    if (!more && atomic.load<i32>(at, L.FILE_SIZE_SEQ) == seq) return;
    if (atomic.cmpxchg<i32>(at, seq, seq + 1, L.FILE_SIZE_SEQ) == seq) {
      // Section.
      atomic.store<i32>(at, lo, L.FILE_SIZE_LO);
      atomic.store<i32>(at, hi, L.FILE_SIZE_HI);
      atomic.store<i32>(at, seq + 2, L.FILE_SIZE_SEQ);
      return;
    }
  }
}

/** Sets the size of a file that nobody has open yet. */
export function fileSetSize(file: i32, lo: i32, hi: i32): void {
  const at = fileAt(file);
  assert(atomic.load<i32>(at, L.FILE_REFS) < 0);
  atomic.store<i32>(at, lo, L.FILE_SIZE_LO);
  atomic.store<i32>(at, hi, L.FILE_SIZE_HI);
}

/** OUT = low and high word of the size, of one moment. */
export function fileSize(file: i32): void {
  const at = fileAt(file);
  while (true) {
    const seq = atomic.load<i32>(at, L.FILE_SIZE_SEQ);
    if (seq & 1) continue;
    out(0, atomic.load<i32>(at, L.FILE_SIZE_LO));
    out(1, atomic.load<i32>(at, L.FILE_SIZE_HI));
    if (atomic.load<i32>(at, L.FILE_SIZE_SEQ) == seq) return;
  }
}
