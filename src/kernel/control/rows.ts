// Rows (owners), their requests to service threads, staging areas and path areas.
import * as L from '../layout';
import { readPolicy } from './policy';
import { become, count, fileAt, heldFileAt, me, out, readHeader, row, rowAt, rows } from './words';
import { clearPins } from './pins';
import { clearUpdates } from './update';

/**
 * Takes a free row between `from` (inclusive) and `to` and makes this instance its owner: its id, or NO_ROW. The row is
 * STARTING, so nobody asks it anything, until `attached`.
 */
export function attach(from: i32, to: i32, kind: i32, tid: i32, startLo: i32, startHi: i32, thread: i32): i32 {
  readHeader();
  readPolicy();
  for (let id = from; id < to; id++) {
    const at = rowAt(id);
    const status = atomic.load<i32>(at, L.ROW_STATUS);
    if ((status & L.STATUS_MASK) != L.ROW_FREE) continue;
    const starting = status + L.GENERATION_ONE + L.ROW_STARTING;
    if (atomic.cmpxchg<i32>(at, status, starting, L.ROW_STATUS) != status) continue;
    // Section. Who looks whether the owner lives may come between any two of these: a free row names no thread, and the
    // OS thread is named last.
    become(id);
    atomic.store<i32>(at, kind, L.ROW_KIND);
    atomic.store<i32>(at, startLo, L.ROW_START_LO);
    atomic.store<i32>(at, startHi, L.ROW_START_HI);
    atomic.store<i32>(at, thread, L.ROW_THREAD);
    atomic.store<i32>(at, tid, L.ROW_TID);
    if (!clearRequests(id)) {
      // A service thread still works for the row's last owner.
      freeRow(at, L.ROW_STARTING);
      continue;
    }
    clearPins();
    clearUpdates();
    atomic.sub<i32>(at, L.ROW_STARTING - L.ROW_LIVE, L.ROW_STATUS);
    return id;
  }
  return L.NO_ROW;
}

/**
 * Forgets the requests of an owner that is gone, which may have ended with calls under way: false while a service thread
 * still works for one. Then its path areas stay taken too.
 */
// @ts-ignore: decorator
@inline export function clearRequests(id: i32): bool {
  const at = rowAt(id);
  let idle = true;
  for (let slot = 0; slot < L.REQUESTS; slot++) {
    const request = at + <usize>(slot * L.REQUEST_BYTES);
    const state = atomic.load<i32>(request, L.REQUEST_STATE);
    if (state == L.REQUEST_FREE) continue;
    if (state == L.REQUEST_DONE) {
      dropAnswer(request);
      continue;
    }
    if (state == L.REQUEST_RUNNING || atomic.cmpxchg<i32>(request, state, L.REQUEST_FREE, L.REQUEST_STATE) != state) {
      idle = false;
    }
  }
  if (idle) {
    atomic.store<i32>(at, 0, L.ROW_PENDING);
    atomic.store<i32>(at, 0, L.ROW_PENDING_FILES);
    for (let area = 0; area < L.PATH_AREAS; area++) {
      if (atomic.load<i32>(<usize>(area << 2), L.HEADER_PATHS) == id + 1) releasePath(area);
    }
  }
  return idle;
}

/** Frees an answered request that nobody will collect, and the reference to a file that it may carry. */
// @ts-ignore: decorator
@inline function dropAnswer(request: usize): void {
  const opened =
    atomic.load<i32>(request, L.REQUEST_KIND) == L.OPEN_REQUEST && atomic.load<i32>(request, L.REQUEST_RESULT) == 0;
  const file = opened ? fileAt(atomic.load<i32>(request, L.REQUEST_RESULT_B)) : 0;
  // Section.
  atomic.store<i32>(request, L.REQUEST_FREE, L.REQUEST_STATE);
  if (opened) atomic.sub<i32>(file, 1, L.FILE_REFS);
  if (opened) ring(1);
}

/** This thread ends by itself: its row, and the write pins in it, wait for a recoverer who sees it gone. */
export function leave(): void {
  atomic.add<i32>(row, L.ROW_LEAVING - L.ROW_LIVE, L.ROW_STATUS);
}

/** Gives this owner's row back. It must hold nothing. */
export function detach(): void {
  assert(load<i32>(row, L.ROW_CLAIM) == 0 && load<i32>(row, L.ROW_ROUND) == 0 && load<i32>(row, L.ROW_FLUSH) == 0);
  assert(load<i32>(row, L.ROW_CUT) == 0);
  freeRow(row, L.ROW_LIVE);
}

/** Frees this owner's row, which has `status`. */
// @ts-ignore: decorator
@inline function freeRow(at: usize, status: i32): void {
  // Section. A free row names no thread: see `attach`.
  atomic.store<i32>(at, 0, L.ROW_TID);
  atomic.store<i32>(at, -1, L.ROW_THREAD);
  atomic.sub<i32>(at, status, L.ROW_STATUS);
}

// -- Requests: a user's thread posts, a service thread takes and answers. --------------------------------------------

/**
 * Posts a request for service class 0 (flushers) or 1 (the file worker) and rings: its slot, or −1 if all that its kind may
 * have are taken.
 */
export function post(serviceClass: i32, kind: i32, file: i32, a: i32, b: i32): i32 {
  const ahead = kind == L.AHEAD_REQUEST;
  const to = ahead ? L.REQUESTS : L.REQUESTS - L.AHEAD_REQUESTS;
  for (let slot = ahead ? L.REQUESTS - L.AHEAD_REQUESTS : 0; slot < to; slot++) {
    const at = row + <usize>(slot * L.REQUEST_BYTES);
    if (atomic.load<i32>(at, L.REQUEST_STATE) != L.REQUEST_FREE) continue;
    atomic.store<i32>(at, kind, L.REQUEST_KIND);
    atomic.store<i32>(at, file, L.REQUEST_FILE);
    atomic.store<i32>(at, a, L.REQUEST_A);
    atomic.store<i32>(at, b, L.REQUEST_B);
    atomic.store<i32>(at, L.REQUEST_PENDING + (serviceClass << 2), L.REQUEST_STATE);
    atomic.or<i32>(row + <usize>(serviceClass << 2), 1 << slot, L.ROW_PENDING);
    ring(serviceClass);
    return slot;
  }
  return -1;
}

/** Wakes the service threads of a class. */
export function ring(serviceClass: i32): void {
  const at = <usize>(serviceClass << 2);
  atomic.add<i32>(at, 1, L.HEADER_BELL);
  atomic.notify(at + L.HEADER_BELL, -1);
}

/**
 * Takes a request of the class from row `from` or a later one: 1 with OUT = row, slot, kind, file, a, b; or 0. Callers
 * start at another row each time, so that no thread starves the others.
 */
export function take(serviceClass: i32, from: i32): i32 {
  for (let n = 0; n < rows; n++) {
    const id = (from + n) % rows;
    const at = rowAt(id);
    const pendingAt = at + <usize>(serviceClass << 2);
    let pending = atomic.load<i32>(pendingAt, L.ROW_PENDING);
    while (pending != 0) {
      const slot = ctz(pending);
      pending &= pending - 1;
      const request = at + <usize>(slot * L.REQUEST_BYTES);
      const mine = L.REQUEST_PENDING + (serviceClass << 2);
      if (atomic.cmpxchg<i32>(request, mine, L.REQUEST_RUNNING, L.REQUEST_STATE) != mine) continue;
      // Section.
      atomic.store<i32>(request, me + 1, L.REQUEST_SERVER);
      atomic.and<i32>(pendingAt, ~(1 << slot), L.ROW_PENDING);
      out(0, id);
      out(1, slot);
      out(2, atomic.load<i32>(request, L.REQUEST_KIND));
      out(3, atomic.load<i32>(request, L.REQUEST_FILE));
      out(4, atomic.load<i32>(request, L.REQUEST_A));
      out(5, atomic.load<i32>(request, L.REQUEST_B));
      return 1;
    }
  }
  return 0;
}

/**
 * Answers a request that this service thread took, and wakes its owner; one that nobody waits for is free. With the answer to an open its path area is free,
 * and the reference to the file is the request's.
 */
export function answer(id: i32, slot: i32, result: i32, b: i32, c: i32, d: i32): void {
  const at = rowAt(id);
  const request = at + <usize>(slot * L.REQUEST_BYTES);
  const kind = atomic.load<i32>(request, L.REQUEST_KIND);
  const opens = kind == L.OPEN_REQUEST;
  const done = kind == L.AHEAD_REQUEST ? L.REQUEST_FREE : L.REQUEST_DONE;
  const area = <usize>(atomic.load<i32>(request, L.REQUEST_A) << 2);
  if (opens) {
    // Section, with the next one.
    atomic.store<i32>(row, 0, L.ROW_OPENING);
    atomic.store<i32>(area, 0, L.HEADER_PATHS);
    atomic.add<i32>(0, 1, L.HEADER_PATHS_WAKE);
    atomic.notify(L.HEADER_PATHS_WAKE, -1);
  }
  // Section.
  atomic.store<i32>(request, result, L.REQUEST_RESULT);
  atomic.store<i32>(request, b, L.REQUEST_RESULT_B);
  atomic.store<i32>(request, c, L.REQUEST_A);
  atomic.store<i32>(request, d, L.REQUEST_B);
  atomic.store<i32>(request, 0, L.REQUEST_SERVER);
  atomic.store<i32>(request, done, L.REQUEST_STATE);
  atomic.add<i32>(at, 1, L.ROW_WAKE);
  atomic.notify(at + L.ROW_WAKE, -1);
}

/** Collects the answer to this owner's request: 1 with OUT = the answer's four words, and the slot is free; or 0, not yet. */
export function collect(slot: i32): i32 {
  const request = row + <usize>(slot * L.REQUEST_BYTES);
  if (atomic.load<i32>(request, L.REQUEST_STATE) != L.REQUEST_DONE) return 0;
  out(0, atomic.load<i32>(request, L.REQUEST_RESULT));
  out(1, atomic.load<i32>(request, L.REQUEST_RESULT_B));
  out(2, atomic.load<i32>(request, L.REQUEST_A));
  out(3, atomic.load<i32>(request, L.REQUEST_B));
  const opened = atomic.load<i32>(request, L.REQUEST_KIND) == L.OPEN_REQUEST && load<i32>(row, L.ROW_OUT) == 0;
  const file = opened ? atomic.load<i32>(request, L.REQUEST_RESULT_B) : 0;
  const at = fileAt(file);
  const word = heldFileAt(row, file);
  const held = load<i32>(word, L.ROW_FILES);
  const bit = opened ? 1 << (file & 31) : 0;
  const surplus = i32((held & bit) != 0);
  // Section. The reference passes from the request to this owner, which needs one for each file only.
  store<i32>(word, held | bit, L.ROW_FILES);
  atomic.sub<i32>(at, surplus, L.FILE_REFS);
  atomic.store<i32>(request, L.REQUEST_FREE, L.REQUEST_STATE);
  return 1;
}

/**
 * Takes back a request that no service thread has taken: 1. 0: one has, and will answer it. The path area of an open is
 * given back too.
 */
export function withdraw(slot: i32, serviceClass: i32): i32 {
  const request = row + <usize>(slot * L.REQUEST_BYTES);
  const mine = L.REQUEST_PENDING + (serviceClass << 2);
  const opens = atomic.load<i32>(request, L.REQUEST_KIND) == L.OPEN_REQUEST;
  const area = atomic.load<i32>(request, L.REQUEST_A);
  if (atomic.cmpxchg<i32>(request, mine, L.REQUEST_FREE, L.REQUEST_STATE) != mine) return 0;
  atomic.and<i32>(row + <usize>(serviceClass << 2), ~(1 << slot), L.ROW_PENDING);
  if (opens) releasePath(area);
  return 1;
}

// -- Staging areas: owner + 1 in the area's own word is claim and journal in one. ------------------------------------

/** Claims a staging area at or after `from`, or −1. Flushers start at 1: area 0 is kept for fsync. */
export function claimStaging(from: i32): i32 {
  const areas = load<i32>(L.HEADER_STAGING_AREAS);
  for (let area = areas - 1; area >= from; area--) {
    if (atomic.cmpxchg<i32>(<usize>(area << 2), 0, me + 1, L.HEADER_STAGING) == 0) return area;
  }
  return -1;
}

export function releaseStaging(area: i32): void {
  atomic.store<i32>(<usize>(area << 2), 0, L.HEADER_STAGING);
  atomic.add<i32>(0, 1, L.HEADER_STAGING_WAKE);
  atomic.notify(L.HEADER_STAGING_WAKE, -1);
}

// -- Path areas: from just before an open is posted to the moment the file worker has read the path. Owner + 1 likewise.

export function claimPath(): i32 {
  for (let area = 0; area < L.PATH_AREAS; area++) {
    if (atomic.cmpxchg<i32>(<usize>(area << 2), 0, me + 1, L.HEADER_PATHS) == 0) return area;
  }
  return -1;
}

export function releasePath(area: i32): void {
  atomic.store<i32>(<usize>(area << 2), 0, L.HEADER_PATHS);
  atomic.add<i32>(0, 1, L.HEADER_PATHS_WAKE);
  atomic.notify(L.HEADER_PATHS_WAKE, -1);
}

/** Asks flushers to flush the file. Another writer's wish may take this one's place: who waits asks again. */
export function askFlush(file: i32): void {
  atomic.store<i32>(0, file + 1, L.HEADER_FLUSH_ASKED);
  ring(0);
}

/** Takes what was asked for: the file, or −1. */
export function takeFlushAsked(): i32 {
  if (atomic.load<i32>(0, L.HEADER_FLUSH_ASKED) == 0) return -1;
  return atomic.xchg<i32>(0, 0, L.HEADER_FLUSH_ASKED) - 1;
}

/** Moves the coarse clock. */
export function tick(now: i32): void {
  atomic.store<i32>(0, now, L.HEADER_CLOCK);
}

/** Opens, closes the cache's life; wakes every service thread. */
export function setLife(life: i32): void {
  // Closed, and gone, are for ever: somebody may find its creator gone while that takes back an attempt to close it.
  while (true) {
    const old = atomic.load<i32>(0, L.HEADER_LIFE);
    if (old >= L.LIFE_CLOSED) return;
    if (atomic.cmpxchg<i32>(0, old, life, L.HEADER_LIFE) == old) break;
  }
  ring(0);
  ring(1);
}

/** Remembers this owner as the cache's creator. */
export function beCreator(): void {
  atomic.store<i32>(0, atomic.load<i32>(row, L.ROW_STATUS), L.HEADER_CREATOR_STATUS); // who sees the row compares it with this
  atomic.store<i32>(0, me, L.HEADER_CREATOR);
}

/** Whether a row is about to be free: its owner is leaving, dead or being recovered. 1 or 0. */
export function anyEnding(): i32 {
  for (let id = 0; id < rows; id++) {
    if ((atomic.load<i32>(rowAt(id), L.ROW_STATUS) & L.STATUS_MASK) >= L.ROW_LEAVING) return 1;
  }
  return 0;
}

/** Lets one of all threads look for dead owners at a time, if nobody did for `gap` ms: 1, it is this one. */
export function lookTry(gap: i32, now: i32): i32 {
  const last = atomic.load<i32>(0, L.HEADER_LOOKED);
  if (<u32>(now - last) < <u32>gap) return 0;
  return i32(atomic.cmpxchg<i32>(0, last, now, L.HEADER_LOOKED) == last);
}

/** A service thread that this thread had started for row `id` has ended: another may be started at once. */
export function startAgain(id: i32, now: i32): void {
  atomic.store<i32>(rowAt(id), now - 0x40000000, L.ROW_STARTED);
}

/** Lets one of all threads start a service thread for row `id`, if nobody did for `gap` ms: 1, it is this one. */
export function startTry(id: i32, gap: i32, now: i32): i32 {
  const at = rowAt(id);
  const last = atomic.load<i32>(at, L.ROW_STARTED);
  if (<u32>(now - last) < <u32>gap) return 0;
  return i32(atomic.cmpxchg<i32>(at, last, now, L.ROW_STARTED) == last);
}

/** Adds one to a counter of this owner (a COUNT_ offset). */
export function bump(counter: i32): void {
  count(counter);
}
