// Recovery of dead owners. Any thread may do it, once it knows that the owner's thread is gone. Who takes the row over is
// decided by one CAS; should it die too, another takes over from it. Each step can be repeated: what a step has done shows
// in the row or in the frame, and the two change in one section.
//
// The order: updates are settled before their pins drop, claims and writebacks are given back before anything is waited
// for, references to files go last. protocol/recovery.ts has it, and the steps that need I/O or waiting.
import * as L from '../layout';
import { account, count, fileAt, frameAt, maxPins, me, noteDirtied, row, rowAt, rows, wakeFrame } from './words';
import { freeOrphan } from './orphans';
import { clearRequests, releaseStaging, ring } from './rows';
import { detachClaimOf, endClaimOf } from './table';
import { giveBackOf } from './writeback';

/** This owner as a recoverer: with its generation, since its row may be another's by the time somebody looks. */
// @ts-ignore: decorator
@inline function signature(): i32 {
  return ((atomic.load<i32>(row, L.ROW_STATUS) >>> 3) << 11) | (me + 1);
}

/** The thread of owner `id` has been seen to end: 1 if its row is marked so, from `status` as it was read. */
export function declareDead(id: i32, status: i32): i32 {
  const dead = (status & ~L.STATUS_MASK) | L.ROW_DEAD;
  return i32(atomic.cmpxchg<i32>(rowAt(id), status, dead, L.ROW_STATUS) == status);
}

/**
 * Takes over the row of an owner that is dead: 1, or 0 if somebody else did. `status` and `recoverer` are what was read
 * before the owner, and its recoverer if it had one, were found dead.
 *
 * The right to recover is ROW_RECOVERER's, from 0 or from a dead recoverer's signature. It is 0 while nobody recovers, and
 * goes back to 0 after the row is free; so who wins it looks at the status again: the row may have been done meanwhile.
 */
export function recoverBegin(id: i32, status: i32, recoverer: i32): i32 {
  const at = rowAt(id);
  const mine = signature();
  const taken = (status & ~L.STATUS_MASK) | L.ROW_RECOVERING;
  let from = recoverer;
  if (status != taken) {
    if (atomic.cmpxchg<i32>(at, status, taken, L.ROW_STATUS) != status) return 0;
    from = 0; // whoever recovered this row's last owner may be about to store that
  }
  if (atomic.cmpxchg<i32>(at, from, mine, L.ROW_RECOVERER) != from) return 0;
  if (atomic.load<i32>(at, L.ROW_STATUS) == taken) return 1;
  atomic.store<i32>(at, 0, L.ROW_RECOVERER);
  return 0;
}

/** Lets go of a row that can't be finished yet: another thread still works for it. */
export function recoverPause(id: i32): void {
  atomic.store<i32>(rowAt(id), 0, L.ROW_RECOVERER);
}

/** Everything is given back: the row is free. */
export function recoverEnd(id: i32): void {
  const at = rowAt(id);
  // A free row names no thread: see `attach`. The right to recover goes last: nobody may win it while the row can still be
  // taken for one that has to be recovered.
  // Section.
  atomic.store<i32>(at, 0, L.ROW_TID);
  atomic.store<i32>(at, -1, L.ROW_THREAD);
  atomic.sub<i32>(at, L.ROW_RECOVERING, L.ROW_STATUS);
  atomic.store<i32>(at, 0, L.ROW_RECOVERER);
}

/** The before-image of a dead owner's update has been laid back: useq goes to even after that (I14). */
export function recoverUndone(id: i32, level: i32): void {
  const entry = rowAt(id) + <usize>(level * L.UPDATE_BYTES);
  const at = frameAt(frameUnder(rowAt(id), entry));
  assert((atomic.load<i32>(at, L.FRAME_STATE) & L.UPDATING) != 0);
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((useq & 1) == 1);
  // Section.
  store<i32>(entry, 1, L.UPDATE_STAGE);
  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
}

/**
 * Publishes the before-image of a dead owner's update that owns UPDATING, for its recoverer to change the range in its
 * place. The image is in its undo frame.
 */
export function recoverPublish(id: i32, level: i32, range: i32): void {
  const entry = rowAt(id) + <usize>(level * L.UPDATE_BYTES);
  const at = frameAt(frameUnder(rowAt(id), entry));
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((useq & 1) == 0);
  // Section.
  store<i32>(entry, range, L.UPDATE_RANGE);
  store<i32>(entry, 2, L.UPDATE_STAGE);
  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
}

/** Commits the update that `recoverPublish` or the dead owner published: useq even. `recoverUpdate` ends it. */
export function recoverCommit(id: i32, level: i32): void {
  const at = frameAt(frameUnder(rowAt(id), rowAt(id) + <usize>(level * L.UPDATE_BYTES)));
  const useq = atomic.load<i32>(at, L.FRAME_USEQ);
  assert((useq & 1) == 1);
  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);
}

// @ts-ignore: decorator
@inline function frameUnder(owner: usize, entry: usize): i32 {
  return load<i32>(owner + (<usize>(load<i32>(entry, L.UPDATE_SLOT) - 1) << 2), L.ROW_PINS) >>> 2;
}

/** Ends a dead owner's update whose useq is even: as never begun (stage 1), or as committed (stage 2). Its pin stays. */
export function recoverUpdate(id: i32, level: i32): void {
  const owner = rowAt(id);
  const entry = owner + <usize>(level * L.UPDATE_BYTES);
  const stage = load<i32>(entry, L.UPDATE_STAGE);
  if (stage == 0) return;
  const frame = frameUnder(owner, entry);
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  assert((atomic.load<i32>(at, L.FRAME_USEQ) & 1) == 0);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    assert((s & L.UPDATING) != 0);
    const dirties = stage == 2 && (s & L.ORPHAN) == 0;
    const after = (s & ~(L.UPDATING | L.WAITERS)) | (dirties ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      if (dirties) noteDirtied(at, frame, file, s);
      store<i32>(entry, 0, L.UPDATE_STAGE);
      account(s, after);
      if (s & L.WAITERS) wakeFrame(at);
      return;
    }
  }
}

/** Gives back the frame that a dead owner had claimed, by its stage: its page gets it back, or it is free. */
export function recoverClaim(id: i32): void {
  const owner = rowAt(id);
  const claim = atomic.load<i32>(owner, L.ROW_CLAIM);
  if (claim == 0) return;
  const at = frameAt(claim - 1);
  if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) == L.STAGE_TAKEN) {
    endClaimOf(owner, at, L.VALID);
    return;
  }
  if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) == L.STAGE_FILLING) detachClaimOf(owner);
  endClaimOf(owner, at, 0);
}

/** Ends a dead owner's writebacks as failed: its pages are dirty. Gives its staging areas back. */
export function recoverWritebacks(id: i32): void {
  const owner = rowAt(id);
  for (let slot = 0; slot < L.WRITEBACKS; slot++) {
    if (atomic.load<i32>(owner + (<usize>slot << 2), L.ROW_WRITEBACKS) != 0) giveBackOf(owner, slot);
  }
  for (let area = 0; area < L.MAX_STAGING; area++) {
    if (atomic.load<i32>(<usize>(area << 2), L.HEADER_STAGING) == id + 1) releaseStaging(area);
  }
}

/** Drops a dead owner's pins, write pins as dirty: who held them can't say that it stored nothing. */
export function recoverPins(id: i32): void {
  const owner = rowAt(id);
  for (let slot = 0; slot < maxPins; slot++) dropPinOf(owner, slot);
}

function dropPinOf(owner: usize, slot: i32): void {
  const slotAt = owner + (<usize>slot << 2);
  const held = load<i32>(slotAt, L.ROW_PINS);
  if (held <= 0) return; // free, or a slot of a row that nobody has ever used
  const frame = held >>> 2;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  const write = held & L.PIN_WRITE;
  if (write) atomic.add<i32>(at, 1, L.FRAME_VERSION);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    const dirties = write != 0 && (s & L.ORPHAN) == 0;
    const after = ((s - (write ? L.WRITE_ONE : L.READ_ONE)) & ~L.WAITERS) | (dirties ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      store<i32>(slotAt, -1, L.ROW_PINS);
      account(s, after);
      if (dirties) noteDirtied(at, frame, file, s);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return;
    }
  }
}

/**
 * What a dead owner had asked for is forgotten, and what a dead service thread was doing for others is to be done anew by
 * its successor: what requests ask for can be done twice. 0 while a service thread still works for the owner.
 */
export function recoverRequests(id: i32): i32 {
  const owner = rowAt(id);
  const opening = atomic.load<i32>(owner, L.ROW_OPENING) - 1;
  if (opening >= 0) {
    const fileRow = fileAt(opening);
    // Section. A reference that it had taken for a request, which will be served anew.
    atomic.store<i32>(owner, 0, L.ROW_OPENING);
    atomic.sub<i32>(fileRow, 1, L.FILE_REFS);
  }
  const kind = atomic.load<i32>(owner, L.ROW_KIND);
  for (let other = 0; other < rows && kind != L.KIND_USER; other++) {
    for (let slot = 0; slot < L.REQUESTS; slot++) {
      const at = rowAt(other);
      const request = at + <usize>(slot * L.REQUEST_BYTES);
      if (atomic.load<i32>(request, L.REQUEST_STATE) != L.REQUEST_RUNNING) continue;
      if (atomic.load<i32>(request, L.REQUEST_SERVER) != id + 1) continue;
      const serviceClass = kind == L.KIND_FILES ? 1 : 0;
      const free = (atomic.load<i32>(at, L.ROW_STATUS) & L.STATUS_MASK) == L.ROW_FREE;
      // Section: the bit first, since a taker clears it once it has the request. No server but the one that runs it is named.
      atomic.store<i32>(request, 0, L.REQUEST_SERVER);
      atomic.or<i32>(at + <usize>(serviceClass << 2), 1 << slot, L.ROW_PENDING);
      atomic.store<i32>(request, free ? L.REQUEST_FREE : L.REQUEST_PENDING + (serviceClass << 2), L.REQUEST_STATE);
    }
  }
  ring(0);
  ring(1);
  return i32(clearRequests(id));
}
