// A file's dirty set: which groups of 32 frames may hold a dirty page of the file. A scan costs what the file has dirty,
// not what the pool holds: level-2 words (one per 1,024 groups), level-1 bits, dirty words.
//
// Setting goes bottom up, in the section of the CAS that set DIRTY (words.ts). Clearing a level-1 bit is a scanner's
// business, when it found no dirty frame of the file in the group. A scan that begins after a page was dirtied must see
// it, though another scanner may be clearing just then:
//   - the clearing is one section behind the file's CLEAR_SEQ (odd meanwhile): bit off, look at the dirty word again,
//     bit on again if a bit appeared there since the group was examined;
//   - a bit that was there and belonged to another file's frame may by now belong to this file's: the frame changed its
//     identity. Claims move the group's epoch, and the section looks at that too;
//   - a reader of level-1 and level-2 words takes none that it read while CLEAR_SEQ was odd or moved.
import * as L from '../layout';
import { dirtyWordAt, epochAt, fileAt, frameAt, groups, groupWordAt, summaryWordAt } from './words';

/** The first group at or after `from` that may hold a dirty page of the file, or −1. */
export function nextDirtyGroup(file: i32, from: i32): i32 {
  const fileRow = fileAt(file);
  let group = from;
  while (true) {
    if (group >= groups) return -1;
    const seq = atomic.load<i32>(fileRow, L.FILE_CLEAR_SEQ);
    if (seq & 1) continue;
    const summary = atomic.load<i32>(summaryWordAt(file, group), L.FILE_SUMMARY);
    const word = atomic.load<i32>(groupWordAt(file, group), L.FILE_GROUPS);
    if (atomic.load<i32>(fileRow, L.FILE_CLEAR_SEQ) != seq) continue;
    const rest = word & (-1 << (group & 31));
    if (rest != 0) return (group & ~31) + ctz(rest);
    // Nothing left under this level-1 word: skip to the next one whose level-2 bit is set.
    const nextWord = (group >>> 5) + 1;
    const others = (nextWord & 31) == 0 ? 0 : summary & (-1 << (nextWord & 31));
    group = others != 0 ? ((nextWord & ~31) + ctz(others)) << 5 : ((group >>> 10) + 1) << 10;
  }
}

/** The frames of `group` that are dirty pages of the file, a bit each. A group with none is forgotten. */
export function dirtyFrames(file: i32, group: i32): i32 {
  const first = group << 5;
  const epoch = atomic.load<i32>(epochAt(first), L.GROUP_EPOCH);
  const seen = atomic.load<i32>(dirtyWordAt(first), L.DIRTY_BITS);
  let mine = 0;
  let bits = seen;
  while (bits != 0) {
    const bit = bits & -bits;
    bits ^= bit;
    if (atomic.load<i32>(frameAt(first + ctz(bit)), L.FRAME_FILE) == file) mine |= bit;
  }
  if (mine == 0) forget(file, group, seen, epoch);
  return mine;
}

function forget(file: i32, group: i32, seen: i32, epoch: i32): void {
  const fileRow = fileAt(file);
  const first = group << 5;
  const word = dirtyWordAt(first);
  const epochWord = epochAt(first);
  const groupWord = groupWordAt(file, group);
  const groupBit = 1 << (group & 31);
  const summaryWord = summaryWordAt(file, group);
  const summaryBit = 1 << ((group >>> 5) & 31);
  const seq = atomic.load<i32>(fileRow, L.FILE_CLEAR_SEQ);
  // Another scanner clears right now: let him, this bit can wait for the next scan.
  if (seq & 1 || atomic.cmpxchg<i32>(fileRow, seq, seq + 1, L.FILE_CLEAR_SEQ) != seq) return;
  // Section.
  const before = atomic.and<i32>(groupWord, ~groupBit, L.FILE_GROUPS);
  const now = atomic.load<i32>(word, L.DIRTY_BITS);
  if ((now & ~seen) != 0 || atomic.load<i32>(epochWord, L.GROUP_EPOCH) != epoch) {
    atomic.or<i32>(groupWord, groupBit, L.FILE_GROUPS);
  } else if ((before & ~groupBit) == 0) {
    atomic.and<i32>(summaryWord, ~summaryBit, L.FILE_SUMMARY);
    if (atomic.load<i32>(groupWord, L.FILE_GROUPS) != 0) atomic.or<i32>(summaryWord, summaryBit, L.FILE_SUMMARY);
  }
  atomic.store<i32>(fileRow, seq + 2, L.FILE_CLEAR_SEQ);
}
