// Writeback of one page, and the file's flushes: what "on stable storage" means.
import * as L from '../layout';
import { freeOrphan } from './orphans';
import {
  account, count, dirtyWordAt, fileAt, frameAt, groups, keep, me, noteDirtied, out, row, rowAt, setDirtyBits, stable,
  unstableWordAt, wakeFile, wakeFrame,
} from './words';

/**
 * Takes the right to write the page in `frame` to the store, journaled in the row's writeback slot `slot`.
 * 0, or 1 if a write pin is held (a bounce); CLEAN; BUSY (another's writeback: OUT[0] is the frame); PINNED (only with
 * `skipPinned`); GONE (the frame has another file's page by now). DIRTY is cleared, unless `keep` and write-pinned.
 */
export function startWriteback(frame: i32, file: i32, slot: i32, skipPinned: i32): i32 {
  const at = frameAt(frame);
  const slotAt = row + (<usize>slot << 2);
  const bit = 1 << (frame & 31);
  assert(atomic.load<i32>(slotAt, L.ROW_WRITEBACKS) == 0);
  let s = 0;
  let after = 0;
  let pinned = 0;
  while (true) {
    s = atomic.load<i32>(at, L.FRAME_STATE);
    if (s & L.ORPHAN) return L.CLEAN;
    if (s & L.WRITEBACK) {
      // Before DIRTY: a writeback that ends badly sets the bit, then DIRTY. A page in between is not clean.
      out(0, frame);
      return L.BUSY;
    }
    if ((s & L.DIRTY) == 0) return L.CLEAN;
    pinned = i32((s & L.WRITE_MASK) != 0);
    if (pinned & skipPinned) {
      count(L.COUNT_SKIPPED);
      return L.PINNED;
    }
    after = s | L.WRITEBACK;
    if ((pinned & keep) == 0) after &= ~L.DIRTY;
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      atomic.store<i32>(slotAt, ((frame + 1) << 1) | pinned, L.ROW_WRITEBACKS);
      atomic.store<i32>(at, me + 1, L.FRAME_WRITER);
      account(s, after);
      break;
    }
  }
  // Only now is the identity read: it can't change under WRITEBACK.
  const owned = atomic.load<i32>(at, L.FRAME_FILE);
  // The bit goes after DIRTY and before the copy; then DIRTY is read again (see setDirtyBits, its counterpart). All levels:
  // while the bit was off a scanner may have found the group empty and forgotten it.
  if ((after & L.DIRTY) == 0) {
    atomic.and<i32>(dirtyWordAt(frame), ~bit, L.DIRTY_BITS);
    if (atomic.load<i32>(at, L.FRAME_STATE) & L.DIRTY) setDirtyBits(frame, owned);
  }
  if (owned != file) {
    giveBackOf(row, slot);
    return L.GONE;
  }
  return pinned;
}

/** Ends this owner's writeback in `slot` without having written: the page is beyond the file's end for now. */
export function giveBack(slot: i32): void {
  giveBackOf(row, slot);
}

/**
 * Ends a writeback of `owner` (this one, or one that it recovers) that wrote nothing, as far as is known: the page is as
 * dirty as before, unless truncate cut it off. The bit, then the file's `wbFail`, then the CAS: a round that saw the bit
 * cleared, and waited for this writeback, sees `wbFail` move and scans again.
 */
export function giveBackOf(owner: usize, slot: i32): void {
  const slotAt = owner + (<usize>slot << 2);
  const frame = (atomic.load<i32>(slotAt, L.ROW_WRITEBACKS) >>> 1) - 1;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  setDirtyBits(frame, file);
  atomic.add<i32>(fileAt(file), 1, L.FILE_WB_FAIL);
  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (s & L.ORPHAN ? 0 : L.DIRTY);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      setDirtyBits(frame, file);
      atomic.store<i32>(slotAt, 0, L.ROW_WRITEBACKS);
      account(s, after);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return;
    }
  }
}

/**
 * Ends the writeback in `slot`: the page's bytes are in the store, not yet stable. `failSeq` is the file's, read before
 * the write: if a flush failed since, nobody knows whether it took these bytes with it, and the page is dirty again.
 * The cover and the unstable bit come before `failSeq` is read again; a failed flush moves `failSeq` before it looks
 * for unstable pages (redirtyUnstable): one of the two sees the other.
 */
export function endWriteback(slot: i32, failSeq: i32): void {
  const slotAt = row + (<usize>slot << 2);
  const held = atomic.load<i32>(slotAt, L.ROW_WRITEBACKS);
  assert(held != 0);
  const frame = (held >>> 1) - 1;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  const fileRow = fileAt(file);
  atomic.store<i32>(at, coverAfter(atomic.load<i32>(fileRow, L.FILE_BEGUN)), L.FRAME_COVER);
  atomic.or<i32>(unstableWordAt(frame), 1 << (frame & 31), L.UNSTABLE_BITS);
  atomic.add<i32>(fileRow, 1, L.FILE_WRITES);
  const again = i32(atomic.load<i32>(fileRow, L.FILE_FAIL_SEQ) != failSeq);
  if (again) {
    // As one that failed: a round that began after that flush, and waits for this writeback, must scan again.
    setDirtyBits(frame, file);
    atomic.add<i32>(fileRow, 1, L.FILE_WB_FAIL);
  }
  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    assert((s & L.WRITEBACK) != 0); // I3
    assert(atomic.load<i32>(at, L.FRAME_WRITER) == me + 1);
    const dirties = again != 0 && (s & L.ORPHAN) == 0;
    const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (dirties ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      if (dirties) noteDirtied(at, frame, file, s);
      atomic.store<i32>(slotAt, 0, L.ROW_WRITEBACKS);
      account(s, after);
      count(L.COUNT_WRITTEN);
      if (held & 1) count(L.COUNT_BOUNCED);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return;
    }
  }
}

/** The number of the first flush that begins after flush `begun`; never 0, which means "never written". */
// @ts-ignore: decorator
@inline function coverAfter(begun: i32): i32 {
  return begun == -1 ? 1 : begun + 1;
}

/** Ends the writeback in `slot` whose write failed. Nothing is lost: the page is dirty, and the file's rounds know. */
export function failWriteback(slot: i32): void {
  count(L.COUNT_ERRORS);
  giveBackOf(row, slot);
}

/** The frame of `file` that owner `id` has in writeback, at or after slot `from`: OUT[0] its next slot. −1: none. */
export function writebackOf(id: i32, file: i32, from: i32): i32 {
  const other = rowAt(id);
  for (let slot = from; slot < L.WRITEBACKS; slot++) {
    const held = atomic.load<i32>(other + (<usize>slot << 2), L.ROW_WRITEBACKS);
    if (held == 0) continue;
    const frame = (held >>> 1) - 1;
    const at = frameAt(frame);
    if (atomic.load<i32>(at, L.FRAME_FILE) == file && atomic.load<i32>(at, L.FRAME_STATE) & L.WRITEBACK) {
      out(0, slot + 1);
      return frame;
    }
  }
  return -1;
}

// -- Flush -----------------------------------------------------------------------------------------------------------

/** Takes the file's flush lock: 1, or 0 if another flush of the file runs (I13). */
export function flushTry(file: i32): i32 {
  const at = fileAt(file);
  if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_FLUSH_LOCK) != 0) return 0;
  // Section.
  atomic.store<i32>(row, file + 1, L.ROW_FLUSH);
  return 1;
}

/** Begins a flush under the lock; its number. OUT[0]: how many page writes it covers for sure. */
export function flushBegin(file: i32): i32 {
  const at = fileAt(file);
  assert(atomic.load<i32>(at, L.FILE_FLUSH_LOCK) == me + 1); // I13
  out(0, atomic.load<i32>(at, L.FILE_WRITES));
  const number = coverAfter(atomic.load<i32>(at, L.FILE_BEGUN));
  atomic.store<i32>(at, number, L.FILE_BEGUN);
  return number;
}

/** Flush `number` succeeded: what was written before it began is stable. Gives the lock back. */
export function flushDone(file: i32, number: i32, writes: i32): void {
  const at = fileAt(file);
  assert(atomic.load<i32>(at, L.FILE_BEGUN) == number);
  count(L.COUNT_FLUSHES);
  // Section.
  atomic.store<i32>(at, number, L.FILE_FLUSHED);
  atomic.store<i32>(at, writes, L.FILE_WRITES_FLUSHED);
  atomic.store<i32>(row, 0, L.ROW_FLUSH);
  atomic.store<i32>(at, 0, L.FILE_FLUSH_LOCK);
  wakeFile(at);
}

/** Gives the flush lock that `owner` holds (this one, or one that it recovers) back without having flushed. */
export function flushRelease(file: i32, owner: i32): void {
  const at = fileAt(file);
  const ownerRow = rowAt(owner);
  // Section.
  atomic.store<i32>(ownerRow, 0, L.ROW_FLUSH);
  atomic.store<i32>(at, 0, L.FILE_FLUSH_LOCK);
  wakeFile(at);
}

/** Whether anything was written to the file since the last successful flush began. */
export function needsFlush(file: i32): i32 {
  const at = fileAt(file);
  return i32(atomic.load<i32>(at, L.FILE_WRITES) != atomic.load<i32>(at, L.FILE_WRITES_FLUSHED));
}

/**
 * A flush failed: from now until `flushFailed`, `failSeq` is odd and no round of the file starts. `errno` 0: its thread
 * died, so nobody knows whether it failed; what it should have covered has to be written again all the same.
 */
export function flushFailing(file: i32, errno: i32): void {
  assert((atomic.load<i32>(fileAt(file), L.FILE_FAIL_SEQ) & 1) == 0);
  if (errno != 0) atomic.store<i32>(fileAt(file), errno, L.FILE_ERRNO);
  atomic.store<i32>(fileAt(file), errno, L.FILE_FLUSH_ERRNO);
  atomic.add<i32>(fileAt(file), 1, L.FILE_FAIL_SEQ);
  count(L.COUNT_ERRORS);
}

/**
 * Makes unstable pages of the file dirty again, from group `from` on. −1: all done. Else BUSY-like: the group to go on
 * with, after waiting for frame OUT[0], which somebody has CLAIMED: he may be about to find it unstable and give it
 * back, so it can't be skipped. Goes through read pins.
 */
export function redirtyUnstable(file: i32, from: i32): i32 {
  for (let group = from; group < groups; group++) {
    let bits = atomic.load<i32>(unstableWordAt(group << 5), L.UNSTABLE_BITS);
    while (bits != 0) {
      const frame = (group << 5) + ctz(bits);
      bits &= bits - 1;
      const at = frameAt(frame);
      if (atomic.load<i32>(at, L.FRAME_FILE) != file || stable(at, file)) continue;
      while (true) {
        const s = atomic.load<i32>(at, L.FRAME_STATE);
        if (s & L.CLAIMED) {
          out(0, frame);
          return group;
        }
        // Claimed, detached and perhaps filled anew between the look at its identity and this one: not ours any more.
        if ((s & (L.VALID | L.ORPHAN)) != L.VALID || atomic.load<i32>(at, L.FRAME_FILE) != file) break;
        const after = s | L.DIRTY;
        if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
          // Section. If the frame got another page since the looks above, that page is written once for nothing.
          noteDirtied(at, frame, atomic.load<i32>(at, L.FRAME_FILE), s);
          account(s, after);
          break;
        }
      }
    }
  }
  return -1;
}

/** The failed flush's pages are dirty again: rounds may start. Gives the lock that `owner` holds back. */
export function flushFailed(file: i32, owner: i32): void {
  const at = fileAt(file);
  const ownerRow = rowAt(owner);
  // Section.
  atomic.add<i32>(at, 1, L.FILE_FAIL_SEQ);
  atomic.store<i32>(ownerRow, 0, L.ROW_FLUSH);
  atomic.store<i32>(at, 0, L.FILE_FLUSH_LOCK);
  wakeFile(at);
}

// -- Rounds ----------------------------------------------------------------------------------------------------------

/** Takes the lead of the file's next round: 1, or 0 if another leads. */
export function roundLead(file: i32): i32 {
  const at = fileAt(file);
  if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_ROUND_LEADER) != 0) return 0;
  // Section.
  atomic.store<i32>(row, file + 1, L.ROW_ROUND);
  return 1;
}

/** Closes the round that callers may join, before its scan's first load: who asks from now on joins the next. */
export function roundClose(file: i32): i32 {
  return atomic.add<i32>(fileAt(file), 1, L.FILE_ROUND_OPEN);
}

/** Ends the round: its outcome, then its ticket as done, then the lead; wakes those who joined. */
export function roundEnd(file: i32, ticket: i32, errno: i32, pages: i32, bounced: i32, flushes: i32): void {
  assert(atomic.load<i32>(fileAt(file), L.FILE_ROUND_LEADER) == me + 1);
  endRoundOf(row, file, ticket, errno, pages, bounced, flushes);
}

/** Passes on the lead that a dead owner had: who joined the round that it had closed hears that it was abandoned. */
export function recoverRound(id: i32): void {
  const owner = rowAt(id);
  const file = atomic.load<i32>(owner, L.ROW_ROUND) - 1;
  if (file < 0) return;
  const at = fileAt(file);
  const open = atomic.load<i32>(at, L.FILE_ROUND_OPEN);
  if (open - atomic.load<i32>(at, L.FILE_ROUND_DONE) > 1) {
    endRoundOf(owner, file, open - 1, L.ABANDONED, 0, 0, 0);
    return;
  }
  yieldRoundOf(owner, at);
}

// @ts-ignore: decorator
@inline function endRoundOf(
  owner: usize, file: i32, ticket: i32, errno: i32, pages: i32, bounced: i32, flushes: i32,
): void {
  const at = fileAt(file);
  const result = at + <usize>((ticket & (L.RESULTS - 1)) * L.RESULT_BYTES);
  // Section.
  atomic.store<i32>(result, ticket ^ 1, L.RESULT_TICKET); // a ticket of another slot: a late reader must not mix two
  atomic.store<i32>(result, errno, L.RESULT_ERRNO);
  atomic.store<i32>(result, pages, L.RESULT_PAGES);
  atomic.store<i32>(result, bounced, L.RESULT_BOUNCED);
  atomic.store<i32>(result, flushes, L.RESULT_FLUSHES);
  atomic.store<i32>(result, ticket, L.RESULT_TICKET);
  atomic.store<i32>(at, ticket, L.FILE_ROUND_DONE);
  atomic.store<i32>(owner, 0, L.ROW_ROUND);
  atomic.store<i32>(at, 0, L.FILE_ROUND_LEADER);
  wakeFile(at);
}

/** Gives the lead up without having closed a round. */
export function roundYield(file: i32): void {
  yieldRoundOf(row, fileAt(file));
}

// @ts-ignore: decorator
@inline function yieldRoundOf(owner: usize, at: usize): void {
  // Section.
  atomic.store<i32>(owner, 0, L.ROW_ROUND);
  atomic.store<i32>(at, 0, L.FILE_ROUND_LEADER);
  wakeFile(at);
}

/**
 * The outcome of the round with `ticket`. −1: not ended. 0: OUT has errno, pages, bounced, flushes. 1: ended so long ago
 * that it is forgotten.
 */
export function roundOutcome(file: i32, ticket: i32): i32 {
  const at = fileAt(file);
  if (atomic.load<i32>(at, L.FILE_ROUND_DONE) - ticket < 0) return -1;
  const result = at + <usize>((ticket & (L.RESULTS - 1)) * L.RESULT_BYTES);
  if (atomic.load<i32>(result, L.RESULT_TICKET) != ticket) return 1;
  out(0, atomic.load<i32>(result, L.RESULT_ERRNO));
  out(1, atomic.load<i32>(result, L.RESULT_PAGES));
  out(2, atomic.load<i32>(result, L.RESULT_BOUNCED));
  out(3, atomic.load<i32>(result, L.RESULT_FLUSHES));
  return atomic.load<i32>(result, L.RESULT_TICKET) == ticket ? 0 : 1;
}

/** Notes an error that no caller's round can carry (a flusher's): each handle of the file hears of it once. */
export function noteError(file: i32, errno: i32, retryAt: i32): void {
  const at = fileAt(file);
  atomic.store<i32>(at, errno, L.FILE_ERRNO);
  atomic.store<i32>(at, retryAt, L.FILE_RETRY_AT);
  atomic.add<i32>(at, 1, L.FILE_ERROR_SEQ);
}
