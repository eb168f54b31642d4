// File rows: identity, references, size.
import * as L from '../layout';
import { fileAt, groups, heldFileAt, me, out, row, rowAt, summaryWordAt, wakeFile } from './words';

/**
 * Takes this owner's reference to an open file: 1, or 0 if its row is free or being closed. One for each owner and file,
 * with a bit in the owner's row: how many of its calls and handles need it is the owner's business.
 */
export function fileRetain(file: i32): i32 {
  const at = fileAt(file);
  const word = heldFileAt(row, file);
  const bit = 1 << (file & 31);
  assert((load<i32>(word, L.ROW_FILES) & bit) == 0);
  while (true) {
    const refs = atomic.load<i32>(at, L.FILE_REFS);
    if (refs < 0) return 0;
    if (atomic.cmpxchg<i32>(at, refs, refs + 1, L.FILE_REFS) == refs) {
      // Section.
      store<i32>(word, load<i32>(word, L.ROW_FILES) | bit, L.ROW_FILES);
      return 1;
    }
  }
}

/** Drops the reference to the file that an owner (this one, or one that it recovers) has: how many are left. */
export function fileRelease(file: i32, id: i32): i32 {
  const at = fileAt(file);
  const word = heldFileAt(rowAt(id), file);
  const bit = 1 << (file & 31);
  assert((load<i32>(word, L.ROW_FILES) & bit) != 0);
  assert(atomic.load<i32>(at, L.FILE_REFS) > 0);
  const left = atomic.sub<i32>(at, 1, L.FILE_REFS) - 1;
  // Section.
  store<i32>(word, load<i32>(word, L.ROW_FILES) & ~bit, L.ROW_FILES);
  return left;
}

/**
 * The first open file at or after `from`, and before `to`, that may have dirty pages or, with `flushes`, something to flush; or −1. For who looks
 * at all files: a word or two each. A moment's view, and a scanner may hide a bit for a moment: who is passed over has another turn.
 */
export function nextBusyFile(from: i32, to: i32, flushes: i32): i32 {
  for (let file = from; file < to; file++) {
    const at = fileAt(file);
    if (atomic.load<i32>(at, L.FILE_REFS) < 0) continue;
    if (flushes != 0 && atomic.load<i32>(at, L.FILE_WRITES) != atomic.load<i32>(at, L.FILE_WRITES_FLUSHED)) return file;
    if (atomic.load<i32>(at, L.FILE_RESIDENT) == 0) continue;
    for (let group = 0; group < groups; group += 1024) {
      if (atomic.load<i32>(summaryWordAt(file, group), L.FILE_SUMMARY) != 0) return file;
    }
  }
  return -1;
}

/** Takes a reference to an open file for the request that the file worker serves: 1, or 0 as `fileRetain`. */
export function fileRetainForRequest(file: i32): i32 {
  const at = fileAt(file);
  while (true) {
    const refs = atomic.load<i32>(at, L.FILE_REFS);
    if (refs < 0) return 0;
    if (atomic.cmpxchg<i32>(at, refs, refs + 1, L.FILE_REFS) == refs) {
      // Section.
      atomic.store<i32>(row, file + 1, L.ROW_OPENING);
      return 1;
    }
  }
}

/** Makes a free row an open file with one reference, for the request that the file worker serves. The file worker's alone. */
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
  // Section.
  atomic.store<i32>(at, 1, L.FILE_REFS);
  atomic.store<i32>(row, file + 1, L.ROW_OPENING);
}

/** Names a file's descriptors, −1 for none: for plain I/O, for direct I/O. The file worker's alone, or its creator's at the end. */
export function fileSetDescriptors(file: i32, read: i32, write: i32, directRead: i32, directWrite: i32): void {
  const at = fileAt(file);
  // Section. All or none: a successor closes what no row names, and a row that is closed names none.
  atomic.store<i32>(at, read + 1, L.FILE_FD_READ);
  atomic.store<i32>(at, write + 1, L.FILE_FD_WRITE);
  atomic.store<i32>(at, directRead + 1, L.FILE_FD_DIRECT_READ);
  atomic.store<i32>(at, directWrite + 1, L.FILE_FD_DIRECT_WRITE);
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

// -- Truncate: one at a time. Its intent is in the file's row from the new size's publication to its end. ----------------

/** Takes the file's cut lock: 1, or 0 if another truncate of the file runs. */
export function cutTry(file: i32): i32 {
  const at = fileAt(file);
  if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_CUT_LOCK) != 0) return 0;
  // Section.
  atomic.store<i32>(row, file + 1, L.ROW_CUT);
  return 1;
}

/**
 * Publishes the smaller size; until `cutEnd` nobody raises it. The old one is kept, should the system refuse. `tail`:
 * level + 1 of this owner's update of the new last page, or 0.
 */
export function cutPublish(file: i32, lo: i32, hi: i32, tail: i32): void {
  const at = fileAt(file);
  assert(atomic.load<i32>(at, L.FILE_CUT_LOCK) == me + 1);
  assert((atomic.load<i32>(at, L.FILE_CUT_SEQ) & 1) == 0);
  while (true) {
    const seq = atomic.load<i32>(at, L.FILE_SIZE_SEQ);
    if (seq & 1) continue;
    const oldLo = atomic.load<i32>(at, L.FILE_SIZE_LO);
    const oldHi = atomic.load<i32>(at, L.FILE_SIZE_HI);
    if (atomic.cmpxchg<i32>(at, seq, seq + 1, L.FILE_SIZE_SEQ) == seq) {
      // Section.
      atomic.store<i32>(row, tail, L.ROW_CUT_TAIL);
      atomic.store<i32>(at, oldLo, L.FILE_CUT_LO);
      atomic.store<i32>(at, oldHi, L.FILE_CUT_HI);
      atomic.store<i32>(at, lo, L.FILE_SIZE_LO);
      atomic.store<i32>(at, hi, L.FILE_SIZE_HI);
      atomic.add<i32>(at, 1, L.FILE_CUT_SEQ);
      atomic.store<i32>(at, seq + 2, L.FILE_SIZE_SEQ);
      return;
    }
  }
}

/** The store's file was resized: the next fsync flushes, though no page may be dirty. */
export function fileResized(file: i32): void {
  atomic.add<i32>(fileAt(file), 1, L.FILE_WRITES);
}

/** Puts the size from before the cut back: the system refused to cut the file. Only before pages are cut off. */
export function cutTakeBack(file: i32): void {
  const at = fileAt(file);
  assert((atomic.load<i32>(at, L.FILE_CUT_SEQ) & 1) == 1);
  while (true) {
    const seq = atomic.load<i32>(at, L.FILE_SIZE_SEQ);
    if (seq & 1) continue;
    const lo = atomic.load<i32>(at, L.FILE_CUT_LO);
    const hi = atomic.load<i32>(at, L.FILE_CUT_HI);
    if (atomic.cmpxchg<i32>(at, seq, seq + 1, L.FILE_SIZE_SEQ) == seq) {
      // Section.
      atomic.store<i32>(at, lo, L.FILE_SIZE_LO);
      atomic.store<i32>(at, hi, L.FILE_SIZE_HI);
      atomic.store<i32>(at, seq + 2, L.FILE_SIZE_SEQ);
      return;
    }
  }
}

/** Ends the truncate of an owner (this one, or one that it recovers): the size may be raised again. Wakes who waits for it. */
export function cutEnd(file: i32, id: i32): void {
  const at = fileAt(file);
  const owner = rowAt(id);
  const odd = atomic.load<i32>(at, L.FILE_CUT_SEQ) & 1;
  // Section.
  atomic.add<i32>(at, odd, L.FILE_CUT_SEQ);
  atomic.store<i32>(owner, 0, L.ROW_CUT_TAIL);
  atomic.store<i32>(owner, 0, L.ROW_CUT);
  atomic.store<i32>(at, 0, L.FILE_CUT_LOCK);
  wakeFile(at);
}
