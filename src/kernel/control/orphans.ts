// Pages cut off by truncate. A page leaves the table and gets ORPHAN in one section, so nobody finds an orphan by its
// page: only those who hold it know it. Its frame is free once the last of them lets go; whatever they store is dropped.
import * as L from '../layout';
import { account, bucketAt, count, dirtyWordAt, fileAt, frameAt, frames, hashOf, heldFileAt, out, row, rowAt, setDirtyBits, unstableWordAt, wakeFrame } from './words';
import { find, isPage, place, placeIn, placeValue } from './table';

const HELD = L.PIN_MASK | L.UPDATING | L.WRITEBACK | L.CLAIMED;

/** Frees an orphan that nobody holds: for whoever let go of it, and for who looks later. */
export function freeOrphan(frame: i32): void {
  const at = frameAt(frame);
  const bit = 1 << (frame & 31);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if ((s & (L.ORPHAN | HELD)) != L.ORPHAN) return;
    // CLAIMED keeps everybody off; a state of 0 lets a reclaimer in, so it comes last. ORPHAN tells one that sweeps meanwhile
    // that the frame is about to be free.
    if (atomic.cmpxchg<i32>(at, s, (s & L.WAITERS) | L.CLAIMED | L.ORPHAN, L.FRAME_STATE) == s) {
      // Section.
      const fileRow = fileAt(atomic.load<i32>(at, L.FRAME_FILE));
      atomic.store<i32>(at, -1, L.FRAME_FILE);
      atomic.store<i32>(at, 0, L.FRAME_COVER);
      atomic.and<i32>(unstableWordAt(frame), ~bit, L.UNSTABLE_BITS);
      atomic.and<i32>(dirtyWordAt(frame), ~bit, L.DIRTY_BITS);
      atomic.sub<i32>(fileRow, 1, L.FILE_RESIDENT);
      store<i32>(row, load<i32>(row, L.GAUGE_RESIDENT) - 1, L.GAUGE_RESIDENT);
      account(s, 0);
      atomic.sub<i32>(0, 1, L.HEADER_ORPHANS);
      atomic.add<i32>(at, 1, L.FRAME_VERSION);
      const last = atomic.xchg<i32>(at, 0, L.FRAME_STATE);
      if (last & L.WAITERS) wakeFrame(at);
      return;
    }
  }
}

/** Frees every orphan that nobody holds: those whose last holder died before it could. */
export function freeOrphans(): void {
  if (atomic.load<i32>(0, L.HEADER_ORPHANS) == 0) return;
  for (let frame = 0; frame < frames; frame++) {
    if (atomic.load<i32>(frameAt(frame), L.FRAME_STATE) & L.ORPHAN) freeOrphan(frame);
  }
}

/**
 * Cuts the page off, if it is in the cache: out of the table, an orphan, not dirty any more; free at once if nobody holds
 * it. For the holder of the file's cut lock, behind the new size. The frame that held it, or MISS.
 */
export function cutOff(file: i32, index: i32): i32 {
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  while (true) {
    const seq = atomic.load<i32>(bucket, L.BUCKET_SEQ);
    if (seq & 1) continue;
    const frame = find(bucket, hash, file, index);
    if (frame < 0) {
      if (atomic.load<i32>(bucket, L.BUCKET_SEQ) == seq) return L.MISS;
      continue;
    }
    const at = frameAt(frame);
    if (!placeIn(bucket, frame)) continue; // it moved since the walk
    const from = place;
    const value = placeValue;
    if (!isPage(at, file, index)) continue;
    if (atomic.cmpxchg<i32>(bucket, seq, seq + 1, L.BUCKET_SEQ) == seq) {
      // Section: identities of the bucket's frames change with its sequence only, so this frame's is what was seen.
      atomic.store<i32>(from, value);
      atomic.add<i32>(0, 1, L.HEADER_ORPHANS);
      atomic.or<i32>(at, L.ORPHAN, L.FRAME_STATE);
      atomic.store<i32>(bucket, seq + 2, L.BUCKET_SEQ);
      undirty(at, frame);
      freeOrphan(frame);
      return frame;
    }
  }
}

/** An orphan is not dirty: nobody will write it. */
// @ts-ignore: decorator
@inline function undirty(at: usize, frame: i32): void {
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if ((s & L.ORPHAN) == 0) break; // free already
    const after = s & ~(L.DIRTY | L.WAITERS);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      account(s, after);
      if (s & L.PIN_MASK) count(L.COUNT_ORPHANS);
      if (s & L.WAITERS) wakeFrame(at);
      break;
    }
  }
  // Its last holder may have freed it since the CAS, and the frame be another page's, and dirty, by now: as a writeback that
  // clears the bit, look at DIRTY again.
  atomic.and<i32>(dirtyWordAt(frame), ~(1 << (frame & 31)), L.DIRTY_BITS);
  const dirty = atomic.load<i32>(at, L.FRAME_STATE) & L.DIRTY; // before the identity: a dirty page keeps its own
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  if (dirty && file >= 0) setDirtyBits(frame, file);
}

/**
 * The first frame at or after `from` that holds a page of the file with an index of `first` or more, or −1: OUT[0] is the
 * index. For truncates that cut more pages than there are frames.
 */
export function nextPageFrom(file: i32, first: i32, from: i32): i32 {
  for (let frame = from; frame < frames; frame++) {
    const at = frameAt(frame);
    if (atomic.load<i32>(at, L.FRAME_FILE) != file) continue;
    const index = atomic.load<i32>(at, L.FRAME_INDEX);
    if (<u32>index < <u32>first || atomic.load<i32>(at, L.FRAME_STATE) & L.ORPHAN) continue;
    out(0, index);
    return frame;
  }
  return -1;
}

/**
 * The first frame at or after `from` with a page past the end of its file, of the files that owner `id` refers to, or −1.
 * Pages have `1 << shift` bytes. A candidate: the size is read in two words.
 */
export function nextPageBeyond(id: i32, from: i32, shift: i32): i32 {
  const owner = rowAt(id);
  for (let frame = from; frame < frames; frame++) {
    const at = frameAt(frame);
    const file = atomic.load<i32>(at, L.FRAME_FILE);
    if (file < 0 || (load<i32>(heldFileAt(owner, file), L.ROW_FILES) & (1 << (file & 31))) == 0) continue;
    const fileRow = fileAt(file);
    const lo = atomic.load<i32>(fileRow, L.FILE_SIZE_LO);
    const hi = atomic.load<i32>(fileRow, L.FILE_SIZE_HI);
    if (hi >>> shift) continue; // as large as a file can be
    const whole = (hi << (32 - shift)) | (lo >>> shift);
    const rest = lo & ((1 << shift) - 1);
    const index = atomic.load<i32>(at, L.FRAME_INDEX);
    if (<u32>index > <u32>whole || (index == whole && rest == 0)) return frame;
  }
  return -1;
}
