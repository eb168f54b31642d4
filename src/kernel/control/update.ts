// Updates: the CPU's way to change a page. Exclusive among updates, all or nothing for everyone who reads or copies.
//
// An update owns UPDATING. It keeps a before-image of its range (its undo frame), publishes where that is, and moves the
// frame's useq to odd; only then are bytes changed. Moving useq to even is the commit. Who copies the page (writeback, a
// view that lost too often) reads useq, copies, lays the published before-image over if it was odd, and reads useq again:
// equal means that the copy is whole, as of before the update or after it. So nobody ever waits for an update to end, but
// another update.
//
// FRAME_USEQ pairs with itself: stores here, by UPDATING's holder alone; loads in viewOpen, viewClose and copyWhole.
import * as L from '../layout';
import { freeOrphan } from './orphans';
import { freePinSlot, nextPinSlot, takePinSlot } from './pins';
import { touched } from './policy';
import { atHome, find, isPage } from './table';
import { account, bucketAt, count, fileAt, frameAt, hashOf, maxPins, me, noteDirtied, out, row, rowAt, wakeFrame } from './words';

/** Open updates of this thread. */
let depth: i32 = 0;

// @ts-ignore: decorator
@inline function entryAt(level: i32): usize {
  return row + <usize>(level * L.UPDATE_BYTES);
}

/** Forgets updates of the row's last owner. */
export function clearUpdates(): void {
  depth = 0;
  for (let level = 0; level < L.UPDATES; level++) {
    store<i32>(entryAt(level), 0, L.UPDATE_STAGE);
    store<i32>(entryAt(level), 0, L.UPDATE_UNDO);
  }
}

/** How many updates this thread has open; the next one's level. */
export function updateDepth(): i32 {
  return depth;
}

/** Whether this thread has an update open on the frame's page. FRAME_UPDATER may still name the updater before this one. */
export function updates(frame: i32): i32 {
  for (let level = 0; level < depth; level++) {
    const slot = load<i32>(entryAt(level), L.UPDATE_SLOT) - 1;
    if (load<i32>(row + (<usize>slot << 2), L.ROW_PINS) >>> 2 == frame) return 1;
  }
  return 0;
}

/**
 * Makes the claimed, detached frame the undo frame of `level`: it stays CLAIMED, and out of everyone's reach, until
 * `dropUndoFrames`.
 */
export function keepUndoFrame(level: i32): void {
  const claim = load<i32>(row, L.ROW_CLAIM);
  assert(claim != 0 && load<i32>(row, L.ROW_CLAIM_STAGE) == L.STAGE_DETACHED);
  const at = frameAt(claim - 1);
  // Section. Who slept until the page left this frame wakes now: no fill will end.
  store<i32>(entryAt(level), claim, L.UPDATE_UNDO);
  atomic.store<i32>(row, 0, L.ROW_CLAIM);
  wakeFrame(at);
}

/** The undo frame of `level`, or −1. */
export function undoFrame(level: i32): i32 {
  return load<i32>(entryAt(level), L.UPDATE_UNDO) - 1;
}

/** Frees the undo frames of an owner: this one, that detaches, or one that it recovers. */
export function dropUndoFrames(id: i32): void {
  const owner = rowAt(id);
  for (let level = 0; level < L.UPDATES; level++) {
    const entry = owner + <usize>(level * L.UPDATE_BYTES);
    const frame = load<i32>(entry, L.UPDATE_UNDO) - 1;
    if (frame < 0) continue;
    const at = frameAt(frame);
    // Section.
    store<i32>(entry, 0, L.UPDATE_UNDO);
    const last = atomic.xchg<i32>(at, 0, L.FRAME_STATE);
    if (last & L.WAITERS) wakeFrame(at);
  }
}

/**
 * Pins the page and takes UPDATING in one step, for the common case: the page is here, nobody updates it, and this level
 * has its undo frame. The frame, with OUT[1] = 1 if the page has write pins, OUT[2] the undo frame; or MISS, BUSY: the
 * general way (`pin`, `updateBegin`) tells what is the matter.
 */
export function updateOpen(file: i32, index: i32): i32 {
  const slot = nextPinSlot();
  const level = depth;
  if (slot == maxPins || level == L.UPDATES) return L.MISS;
  const entry = entryAt(level);
  const undo = load<i32>(entry, L.UPDATE_UNDO) - 1;
  if (undo < 0) return L.MISS;
  assert(load<i32>(entry, L.UPDATE_STAGE) == 0);
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  let frame = atHome(bucket, hash);
  if (frame < 0) {
    frame = find(bucket, hash, file, index);
    if (frame < 0) return L.MISS;
  }
  const at = frameAt(frame);
  const slotAt = row + (<usize>slot << 2);
  // Before UPDATING is taken: a truncate that begins later moves it, one that has ended by then has left an orphan.
  const cutSeq = atomic.load<i32>(fileAt(file), L.FILE_CUT_SEQ);
  const s = atomic.load<i32>(at, L.FRAME_STATE);
  if ((s & (L.VALID | NOT_UPDATABLE | L.CLAIMED)) != L.VALID || (s & L.READ_MASK) == L.READ_MASK) return L.BUSY;
  const after = (touched(at, s) + L.READ_ONE) | L.UPDATING;
  if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) != s) return L.BUSY;
  // Section.
  takePinSlot(slotAt, frame, L.PIN_READ);
  store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER); // plain: who copies reads it behind an odd useq, stored later
  store<i32>(entry, slot + 1, L.UPDATE_SLOT);
  store<i32>(entry, cutSeq, L.UPDATE_CUT_SEQ);
  store<i32>(entry, 1, L.UPDATE_STAGE);
  depth = level + 1;
  if (!isPage(at, file, index)) {
    updateAbort(); // it was another page's by then
    return L.MISS;
  }
  count(L.COUNT_HITS);
  out(1, i32((s & L.WRITE_MASK) != 0));
  out(2, undo);
  return frame;
}

const NOT_UPDATABLE = L.UPDATING | L.HOLD | L.ORPHAN;

/**
 * Takes UPDATING on the page under the read pin in `slot`: the update's level, or BUSY (another's update, or HOLD: wait for
 * frame OUT[0]), REENTRANT, TOO_DEEP, GONE. OUT[1] is 1 if the page has write pins, OUT[2] the undo frame.
 */
export function updateBegin(slot: i32): i32 {
  if (depth == L.UPDATES) return L.TOO_DEEP;
  const frame = load<i32>(row + (<usize>slot << 2), L.ROW_PINS) >>> 2;
  const at = frameAt(frame);
  const level = depth;
  const entry = entryAt(level);
  const fileRow = fileAt(atomic.load<i32>(at, L.FRAME_FILE));
  assert(load<i32>(entry, L.UPDATE_STAGE) == 0);
  while (true) {
    const cutSeq = atomic.load<i32>(fileRow, L.FILE_CUT_SEQ); // before the CAS: see updateOpen
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if (s & L.ORPHAN) return L.GONE;
    if (s & (L.UPDATING | L.HOLD)) {
      if (updates(frame)) return L.REENTRANT;
      out(0, frame);
      return L.BUSY;
    }
    if (atomic.cmpxchg<i32>(at, s, s | L.UPDATING, L.FRAME_STATE) == s) {
      // Section.
      store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER);
      store<i32>(entry, slot + 1, L.UPDATE_SLOT);
      store<i32>(entry, cutSeq, L.UPDATE_CUT_SEQ);
      store<i32>(entry, 1, L.UPDATE_STAGE);
      depth = level + 1;
      out(1, i32((s & L.WRITE_MASK) != 0));
      out(2, load<i32>(entry, L.UPDATE_UNDO) - 1);
      return level;
    }
  }
}

/**
 * The before-image of the range is in the undo frame: publishes it and lets bytes be changed. `sizeHi:sizeLo`: what the
 * file's size must be at least once this is committed. Returns the odd useq.
 */
export function updatePublish(range: i32, sizeLo: i32, sizeHi: i32): i32 {
  const entry = entryAt(depth - 1);
  const frame = load<i32>(row + (<usize>(load<i32>(entry, L.UPDATE_SLOT) - 1) << 2), L.ROW_PINS) >>> 2;
  const at = frameAt(frame);
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((useq & 1) == 0 && load<i32>(entry, L.UPDATE_UNDO) != 0);
  // Section: range and undo before the odd useq, which tells others to look at them.
  store<i32>(entry, range, L.UPDATE_RANGE);
  store<i32>(entry, sizeLo, L.UPDATE_SIZE_LO);
  store<i32>(entry, sizeHi, L.UPDATE_SIZE_HI);
  store<i32>(entry, 2, L.UPDATE_STAGE);
  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
  return atomic.load<i32>(at, L.FRAME_USEQ); // a load after the store keeps the byte stores that follow behind it
}

/**
 * Commits the innermost update and drops its pin: 1. The even useq is the commit; DIRTY is never before it. 0: it would
 * raise the file's size, and a truncate came after it had begun; nothing was committed, it has to be undone and made again.
 */
export function updateCommit(): i32 {
  const level = depth - 1;
  const entry = entryAt(level);
  const slot = load<i32>(entry, L.UPDATE_SLOT) - 1;
  const frame = load<i32>(row + (<usize>slot << 2), L.ROW_PINS) >>> 2;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.UPDATING) != 0);
  assert((useq & 1) == 1);
  assert(atomic.load<i32>(at, L.FRAME_UPDATER) >>> 3 == me + 1); // I9
  const lo = load<i32>(entry, L.UPDATE_SIZE_LO);
  const hi = load<i32>(entry, L.UPDATE_SIZE_HI);
  if ((lo | hi) == 0) atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
  else if (!commitRaising(at, useq, fileAt(file), lo, hi, load<i32>(entry, L.UPDATE_CUT_SEQ))) return 0;
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    const dirties = (s & L.ORPHAN) == 0;
    const after = ((s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS)) | (dirties ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      if (dirties) noteDirtied(at, frame, file, s);
      freePinSlot(slot);
      store<i32>(entry, 0, L.UPDATE_STAGE);
      depth = level;
      account(s, after);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return 1;
    }
  }
}

/**
 * Makes useq even, and raises the file's size to `hi:lo` if that is more: one section, so that no death comes between. The
 * size before the pin, and before DIRTY: a writeback of this page samples it after its own CAS. A truncate publishes its
 * size by the same sequence, and moves `cutSeq`: false if one did since the update began, or is not done.
 */
function commitRaising(at: usize, useq: i32, fileRow: usize, lo: i32, hi: i32, cutSeq: i32): bool {
  while (true) {
    const seq = atomic.load<i32>(fileRow, L.FILE_SIZE_SEQ);
    if (seq & 1) continue;
    const oldHi = atomic.load<i32>(fileRow, L.FILE_SIZE_HI);
    const oldLo = atomic.load<i32>(fileRow, L.FILE_SIZE_LO);
    const more = <u32>hi > <u32>oldHi || (hi == oldHi && <u32>lo > <u32>oldLo);
    const cut = atomic.load<i32>(fileRow, L.FILE_CUT_SEQ);
    if (!more) {
      if (atomic.load<i32>(fileRow, L.FILE_SIZE_SEQ) != seq) continue;
      // A truncate that publishes its size from here on comes after this update, and cuts it off with its page.
      atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
      return true;
    }
    if ((cut & 1) != 0 || cut != cutSeq) return false;
    if (atomic.cmpxchg<i32>(fileRow, seq, seq + 1, L.FILE_SIZE_SEQ) == seq) {
      // Section.
      atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
      atomic.store<i32>(fileRow, lo, L.FILE_SIZE_LO);
      atomic.store<i32>(fileRow, hi, L.FILE_SIZE_HI);
      atomic.store<i32>(fileRow, seq + 2, L.FILE_SIZE_SEQ);
      return true;
    }
  }
}

/**
 * Ends the innermost update without a change, and drops its pin. If it was published its before-image has been laid back:
 * useq goes to even after that (I14).
 */
export function updateAbort(): void {
  const level = depth - 1;
  const entry = entryAt(level);
  const slot = load<i32>(entry, L.UPDATE_SLOT) - 1;
  const frame = load<i32>(row + (<usize>slot << 2), L.ROW_PINS) >>> 2;
  const at = frameAt(frame);
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.UPDATING) != 0); // I14
  if (useq & 1) {
    // Section.
    store<i32>(entry, 1, L.UPDATE_STAGE);
    atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
  }
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    const after = (s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      freePinSlot(slot);
      store<i32>(entry, 0, L.UPDATE_STAGE);
      depth = level;
      account(s, after);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return;
    }
  }
}

/** Lets no update begin on a page whose copy for writeback has lost too often. Only with WRITEBACK held. */
export function hold(frame: i32): void {
  const at = frameAt(frame);
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.WRITEBACK) != 0);
  atomic.or<i32>(at, L.HOLD, L.FRAME_STATE);
}

/** Lets updates begin again, right after the copy. */
export function unhold(frame: i32): void {
  const at = frameAt(frame);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if (atomic.cmpxchg<i32>(at, s, s & ~(L.HOLD | L.WAITERS), L.FRAME_STATE) == s) {
      // Section.
      if (s & L.WAITERS) wakeFrame(at);
      return;
    }
  }
}
