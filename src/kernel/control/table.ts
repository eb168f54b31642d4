// The lookup table. Readers are lock-free: they walk a bucket while it may change, so what they find is a candidate
// whose identity is checked again under a pin, and what they miss is only believed when the bucket's sequence stood
// still. Each change of a bucket is one straight-line section: CAS of the sequence to odd, one or two stores, the
// sequence to even. It has no dead holder, and whoever finds it odd may spin.
//
// BUCKET_SEQ pairs with itself: a changer's last store is the even sequence; `missed` reads it before and after its walk.
import * as L from '../layout';
import { freeOrphan } from './orphans';
import { addGhost, belongsToMain, candidate, fingerprintOf, firstUses, FROM_HAND, FROM_ONCE, FROM_PROBATION, origin, place as placeFor, promote, readmit } from './policy';
import { bucketAt, count, epochAt, fileAt, frameAt, frameMask, groups, hashOf, homeOf, me, out, row, stable, unstableWordAt, wakeFrame, frames } from './words';

// @ts-ignore: decorator
@inline export function isPage(at: usize, file: i32, index: i32): bool {
  return atomic.load<i32>(at, L.FRAME_INDEX) == index && atomic.load<i32>(at, L.FRAME_FILE) == file;
}

/** The frame in the key's home entry if its tag fits, else MISS: a guess that is right most of the time. */
// @ts-ignore: decorator
@inline export function atHome(bucket: usize, hash: i32): i32 {
  const e = atomic.load<i32>(bucket + (<usize>homeOf(hash) << 2), L.BUCKET_ENTRIES);
  return (e & ~frameMask) == (hash & ~frameMask) ? (e & frameMask) - 1 : L.MISS;
}

/** The frame that seemed to hold the page at some moment of the walk, or MISS. */
// @ts-ignore: decorator
@inline export function find(bucket: usize, hash: i32, file: i32, index: i32): i32 {
  const tag = hash & ~frameMask;
  let entry = homeOf(hash);
  for (let n = 0; n < L.ENTRIES; n++) {
    const e = atomic.load<i32>(bucket + (<usize>entry << 2), L.BUCKET_ENTRIES);
    if ((e & ~frameMask) == tag && (e & frameMask) != 0) {
      const frame = (e & frameMask) - 1;
      if (isPage(frameAt(frame), file, index)) return frame;
    }
    entry = entry == L.ENTRIES - 1 ? 0 : entry + 1;
  }
  return findInChain(bucket, file, index);
}

function findInChain(bucket: usize, file: i32, index: i32): i32 {
  let link = atomic.load<i32>(bucket, L.BUCKET_OVERFLOW);
  for (let n = 0; n < frames && link != 0; n++) {
    const at = frameAt(link - 1);
    if (isPage(at, file, index)) return link - 1;
    link = atomic.load<i32>(at, L.FRAME_LINK);
  }
  return L.MISS;
}

/**
 * The frame that holds the page, a candidate, or MISS. Takes nothing. A miss is told only if the bucket stood still: a page
 * of its chain may be reclaimed under the walk, and a truncate must find what is behind it.
 */
export function lookup(file: i32, index: i32): i32 {
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  while (true) {
    const seq = atomic.load<i32>(bucket, L.BUCKET_SEQ);
    const frame = find(bucket, hash, file, index);
    if (frame >= 0 || ((seq & 1) == 0 && atomic.load<i32>(bucket, L.BUCKET_SEQ) == seq)) return frame;
  }
}

/**
 * Gives the frame that this owner has claimed the identity (file, index), in the table, still CLAIMED: whoever looks
 * the page up from now on waits for this fill. EXISTS if the page has a frame: the claim stays, detached. `once`: it will
 * be read once, so it is among the first to go.
 */
export function install(file: i32, index: i32, once: i32): i32 {
  const frame = load<i32>(row, L.ROW_CLAIM) - 1;
  assert(frame >= 0 && load<i32>(row, L.ROW_CLAIM_STAGE) == L.STAGE_DETACHED);
  const at = frameAt(frame);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.CLAIMED) != 0);
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  const value = (hash & ~frameMask) | (frame + 1);
  const epoch = epochAt(frame);
  while (true) {
    const seq = atomic.load<i32>(bucket, L.BUCKET_SEQ);
    if (seq & 1) continue; // a straight-line section of another thread: over in nanoseconds, unless it is preempted
    const other = find(bucket, hash, file, index);
    if (other >= 0) {
      out(0, other);
      return L.EXISTS;
    }
    let entry = homeOf(hash);
    let free = -1;
    for (let n = 0; n < L.ENTRIES; n++) {
      if (atomic.load<i32>(bucket + (<usize>entry << 2), L.BUCKET_ENTRIES) == 0) {
        free = entry;
        break;
      }
      entry = entry == L.ENTRIES - 1 ? 0 : entry + 1;
    }
    const head = atomic.load<i32>(bucket, L.BUCKET_OVERFLOW);
    const place = free >= 0 ? bucket + (<usize>free << 2) + L.BUCKET_ENTRIES : bucket + L.BUCKET_OVERFLOW;
    const entryValue = free >= 0 ? value : frame + 1;
    atomic.store<i32>(at, free >= 0 ? 0 : head, L.FRAME_LINK);
    const fileRow = fileAt(file);
    assert(find(bucket, hash, file, index) < 0 || atomic.load<i32>(bucket, L.BUCKET_SEQ) != seq); // I1
    if (atomic.cmpxchg<i32>(bucket, seq, seq + 1, L.BUCKET_SEQ) == seq) {
      // Section: the sequence stood still since the walk, so the miss is confirmed and the free entry is free.
      atomic.store<i32>(at, index, L.FRAME_INDEX);
      atomic.store<i32>(at, file, L.FRAME_FILE);
      // The frame may carry a dirty bit that came too late for its last page. A scanner that examined the group before
      // this store, and is about to forget it, sees the epoch move (dirty.ts).
      atomic.add<i32>(epoch, 1, L.GROUP_EPOCH);
      atomic.store<i32>(place, entryValue);
      atomic.add<i32>(fileRow, 1, L.FILE_RESIDENT);
      store<i32>(row, load<i32>(row, L.GAUGE_RESIDENT) + 1, L.GAUGE_RESIDENT);
      atomic.store<i32>(row, L.STAGE_FILLING, L.ROW_CLAIM_STAGE);
      atomic.store<i32>(bucket, seq + 2, L.BUCKET_SEQ);
      placeFor(frame, fingerprintOf(file, index), once);
      return 0;
    }
  }
}

/** What `placeIn` found: where the bucket, or its chain, points to the frame, and what to store there to unlink it. */
export let place: usize = 0;
export let placeValue: i32 = 0;

/** Looks for the frame in the bucket: whether it is there. True of one moment; the bucket's sequence tells if it lasted. */
export function placeIn(bucket: usize, frame: i32): bool {
  placeValue = 0;
  for (let entry = 0; entry < L.ENTRIES; entry++) {
    const at = bucket + (<usize>entry << 2) + L.BUCKET_ENTRIES;
    if ((atomic.load<i32>(at) & frameMask) == frame + 1) {
      place = at;
      return true;
    }
  }
  // In the overflow chain. It moves only with the sequence.
  let before = bucket + L.BUCKET_OVERFLOW;
  let link = atomic.load<i32>(before);
  for (let n = 0; n < frames && link != 0 && link != frame + 1; n++) {
    before = frameAt(link - 1) + L.FRAME_LINK;
    link = atomic.load<i32>(before);
  }
  if (link != frame + 1) return false;
  place = before;
  placeValue = atomic.load<i32>(frameAt(frame), L.FRAME_LINK);
  return true;
}

/**
 * Takes the frame that `owner` (this one, or one that it recovers) has claimed out of the table, so that it has no
 * identity. An orphan is out already.
 */
export function detachClaimOf(owner: usize): void {
  const frame = load<i32>(owner, L.ROW_CLAIM) - 1;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  const index = atomic.load<i32>(at, L.FRAME_INDEX);
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  const fileRow = fileAt(file);
  const bit = 1 << (frame & 31);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.CLAIMED) != 0);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & (L.PIN_MASK | L.DIRTY | L.WRITEBACK | L.UPDATING)) == 0); // I2
  assert(stable(at, file)); // I7
  while (true) {
    const seq = atomic.load<i32>(bucket, L.BUCKET_SEQ);
    if (seq & 1) continue;
    const there = placeIn(bucket, frame);
    const orphan = atomic.load<i32>(at, L.FRAME_STATE) & L.ORPHAN;
    if (!there && orphan == 0) {
      if (atomic.load<i32>(bucket, L.BUCKET_SEQ) != seq) continue;
      unreachable(); // a claimed frame with an identity is in the table, unless truncate took it out
    }
    const from = place;
    const value = placeValue;
    if (atomic.cmpxchg<i32>(bucket, seq, seq + 1, L.BUCKET_SEQ) == seq) {
      // Section.
      if (there) atomic.store<i32>(from, value);
      else {
        // Truncate was here first: the frame is no orphan any more, it has no page.
        atomic.and<i32>(at, ~L.ORPHAN, L.FRAME_STATE);
        atomic.sub<i32>(0, 1, L.HEADER_ORPHANS);
      }
      atomic.store<i32>(at, -1, L.FRAME_FILE);
      atomic.store<i32>(at, 0, L.FRAME_COVER);
      atomic.and<i32>(unstableWordAt(frame), ~bit, L.UNSTABLE_BITS);
      atomic.sub<i32>(fileRow, 1, L.FILE_RESIDENT);
      store<i32>(row, load<i32>(row, L.GAUGE_RESIDENT) - 1, L.GAUGE_RESIDENT);
      atomic.store<i32>(owner, L.STAGE_DETACHED, L.ROW_CLAIM_STAGE);
      atomic.store<i32>(bucket, seq + 2, L.BUCKET_SEQ);
      break;
    }
  }
}

// -- Claims ----------------------------------------------------------------------------------------------------------

/**
 * Tries to claim `frame`: VALID, and neither dirty, in writeback, updating nor pinned; or free. Use counts are the
 * policy's business. True if this owner has it now: the old identity is gone, ROW_CLAIM_STAGE is DETACHED.
 */
// @ts-ignore: decorator
@inline function tryClaim(frame: i32, at: usize, s: i32): bool {
  if (atomic.cmpxchg<i32>(at, s, (s & L.WAITERS) | (s & L.VALID) | L.CLAIMED, L.FRAME_STATE) != s) return false;
  // Section: the claim and its journal.
  atomic.store<i32>(at, me + 1, L.FRAME_CLAIMER);
  atomic.store<i32>(row, frame + 1, L.ROW_CLAIM);
  atomic.store<i32>(row, s & L.VALID ? L.STAGE_TAKEN : L.STAGE_DETACHED, L.ROW_CLAIM_STAGE);
  return true;
}

/**
 * Ends the claim of `owner` (this one, or one that it recovers): the frame goes to `state` (VALID: filled, or given back;
 * 0: free), all who wait wake. A page that truncate has cut off meanwhile is dropped. Not inlined: it is one section.
 */
export function endClaimOf(owner: usize, at: usize, state: i32): void {
  atomic.add<i32>(at, 1, L.FRAME_VERSION);
  const frame = load<i32>(owner, L.ROW_CLAIM) - 1;
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    const orphan = state != 0 ? s & L.ORPHAN : 0;
    if (atomic.cmpxchg<i32>(at, s, state | orphan, L.FRAME_STATE) == s) {
      // Section.
      atomic.store<i32>(owner, 0, L.ROW_CLAIM);
      if (s & L.WAITERS) wakeFrame(at);
      if (orphan) freeOrphan(frame);
      return;
    }
  }
}

const NOT_CLAIMABLE = L.DIRTY | L.WRITEBACK | L.CLAIMED | L.UPDATING | L.ORPHAN | L.PIN_MASK;

/** So many pages of a ring that are in somebody's hands are passed before the hand goes on for the rest of a sweep. */
const HELD_MOST = 64;

/**
 * Sweeps for a frame to take, in the policy's order (policy.ts), and claims it: the frame id, detached, or NO_FRAME with
 * what the sweep saw in OUT: pinned, dirty and not pinned, unstable, busy; and a file with dirty, one with unstable pages
 * (−1: none). Bounded: it gives up once a whole pass changed nothing, or as soon as it met `enough` pages that cleaning or a
 * flush would free (a caller who can do neither passes more than there are frames). `file`, `index`: the page that is to
 * come, a hint; −1: none.
 */
export function reclaim(enough: i32, file: i32, index: i32): i32 {
  assert(load<i32>(row, L.ROW_CLAIM) == 0);
  let pinned = 0;
  let dirty = 0;
  let unstable = 0;
  let busy = 0;
  let worn = 0;
  let held = 0;
  let dirtyFile = -1;
  let unstableFile = -1;
  const toMain = file >= 0 && belongsToMain(fingerprintOf(file, index));
  let idle = 0; // steps since one changed something
  // The hand is shared, so with several sweepers each sees a part of the frames. Before it gives up a sweep goes through
  // all of them by itself.
  let alone = -1;
  while (dirty + unstable < enough) {
    if (idle >= frames) {
      if (alone >= 0) break;
      alone = 0;
      idle = 0;
      pinned = 0;
      dirty = 0;
      unstable = 0;
      busy = 0;
    }
    idle++;
    let frame = 0;
    let whence = FROM_HAND;
    if (alone >= 0) {
      frame = alone;
      alone = alone + 1 == frames ? 0 : alone + 1;
    } else {
      frame = candidate(held >= HELD_MOST, toMain);
      whence = origin;
    }
    const at = frameAt(frame);
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if (s & NOT_CLAIMABLE) {
      if (s & L.ORPHAN) {
        freeOrphan(frame); // should its last holder have died before it could
        if ((atomic.load<i32>(at, L.FRAME_STATE) & L.ORPHAN) == 0) idle = 0;
      } else readmit(frame, whence);
      if (s & L.PIN_MASK) {
        pinned++;
        held++;
      } else {
        const its = atomic.load<i32>(at, L.FRAME_FILE);
        if (s & L.DIRTY && its >= 0) {
          dirty++;
          dirtyFile = its;
          held++;
        } else if (its >= 0 || s & L.ORPHAN || (s & L.CLAIMED) == 0) {
          busy++; // else, claimed and without identity, it is an undo frame, or one that somebody is about to fill
          held++;
        }
      }
      continue;
    }
    // Threads may touch pages as fast as the hand takes their uses: after three rounds' worth of that, uses don't count.
    if (s & L.USE_MASK && worn < 3 * frames) {
      // Who was used on probation begins in main with one use.
      const after = whence == FROM_PROBATION ? (s & ~L.USE_MASK) | L.USE_ONE : s - L.USE_ONE;
      if (whence == FROM_PROBATION) promote(at);
      if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
        worn++;
        idle = 0;
      } else busy++;
      continue;
    }
    if (!tryClaim(frame, at, s)) {
      readmit(frame, whence);
      busy++; // somebody has changed it since the look: who gives up now must not say that there was none
      continue;
    }
    if ((s & L.VALID) == 0) return frame;
    // The claim stands, so no writeback can begin: only now is "stable" an answer that stays true.
    const its = atomic.load<i32>(at, L.FRAME_FILE);
    if (!stable(at, its)) {
      endClaimOf(row, at, L.VALID);
      readmit(frame, whence);
      unstable++;
      unstableFile = its;
      held++;
      continue;
    }
    if (whence != FROM_ONCE) {
      addGhost(fingerprintOf(its, atomic.load<i32>(at, L.FRAME_INDEX)), whence == FROM_PROBATION);
    }
    detachClaimOf(row);
    count(L.COUNT_RECLAIMS);
    return frame;
  }
  out(0, pinned);
  out(1, dirty);
  out(2, unstable);
  out(3, busy);
  out(4, dirtyFile);
  out(5, unstableFile);
  return L.NO_FRAME;
}

/** Claims and detaches `frame` if it holds a stable clean page that nobody holds. For closing; 1 if taken. */
export function evict(frame: i32): i32 {
  const at = frameAt(frame);
  const s = atomic.load<i32>(at, L.FRAME_STATE);
  if ((s & L.VALID) == 0 || s & NOT_CLAIMABLE || !tryClaim(frame, at, s)) return 0;
  if (!stable(at, atomic.load<i32>(at, L.FRAME_FILE))) {
    endClaimOf(row, at, L.VALID);
    return 0;
  }
  detachClaimOf(row);
  endClaimOf(row, at, 0);
  return 1;
}

/** The claimed frame holds its page now. */
export function fillDone(): void {
  const at = frameAt(load<i32>(row, L.ROW_CLAIM) - 1);
  assert(load<i32>(row, L.ROW_CLAIM_STAGE) == L.STAGE_FILLING);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & ~(L.WAITERS | L.VALID | L.ORPHAN)) == L.CLAIMED);
  count(L.COUNT_FILLS);
  endClaimOf(row, at, L.VALID | firstUses());
}

/** Gives the claimed frame up, whatever its stage: it is free, and each who waits for the page tries for itself. */
export function abandonClaim(): void {
  const at = frameAt(load<i32>(row, L.ROW_CLAIM) - 1);
  if (load<i32>(row, L.ROW_CLAIM_STAGE) == L.STAGE_FILLING) detachClaimOf(row);
  endClaimOf(row, at, 0);
}

/** How many frames hold a page that was written and is not yet covered by a successful flush. */
export function countUnstable(): i32 {
  let n = 0;
  for (let group = 0; group < groups; group++) {
    let bits = atomic.load<i32>(unstableWordAt(group << 5), L.UNSTABLE_BITS);
    while (bits != 0) {
      const frame = (group << 5) + ctz(bits);
      bits &= bits - 1;
      const at = frameAt(frame);
      const file = atomic.load<i32>(at, L.FRAME_FILE);
      if (file >= 0 && !stable(at, file)) n++;
    }
  }
  return n;
}
