// Replacement: which page goes when a frame is needed. S3-FIFO's shape, Clock2Q+'s correlation window, and a size of
// probation that follows what comes back, as ARC's does.
//
//   brought in --> probation: a ring, 7% of the frames or more     --> the oldest: used? --> main
//        |                                                                 |
//        |                                                                 +-- not used: taken, an early ghost
//        +-- there is an early ghost of it: main                                            (a fingerprint, no bytes)
//   main: frames in the order of their numbers, swept by one hand: a used page loses a use, one without is taken, a late ghost
//
// Benefits: a scan passes through probation and leaves main alone. A page that is touched often in its first moments, as
// the pages of an index are by the operation that brought them in, counts as touched once: touches don't count while it
// is among the newest of probation. A hit stores nothing shared once the page's use count is full, and none before they
// count. Costs: a page must come back to be believed, so a new hot set takes two misses a page.
//
// What comes back tells if the shares are right. Early ghosts: with more probation that would have been a hit. Late ones:
// with more of main. Each return moves the target, weighed by how many pages were taken on either side: so it rests where a
// page taken here is as likely to come back as one taken there.
//
// A page that comes back after a longer time than four tenths of the hand's revolution would be taken before its next use: main is
// not for those, or a loop that is larger than the cache would leave nothing in it.
//
// Everything here is a hint. Whatever these words hold, a frame is claimed by its state alone, and a sweep that finds
// nothing by them goes through all frames by number; so a thread may die anywhere in here, and rings may hold frames that
// have long had other pages. An entry of a ring counts if the frame says that it was admitted with that number.
import * as L from '../layout';
import { frameAt, frames } from './words';

let probation: i32 = 0;
let probationMost: i32 = 0;
let latelyMask: i32 = 0;
let window: i32 = 0;
let onceMost: i32 = 0;
let ringMask: i32 = 0;
let onceMask: i32 = 0;
let ghostLines: i32 = 0;
let ghostAge: i32 = 0;
let ghostShift: i32 = 0;
let atRing: usize = 0;
let atOnce: usize = 0;
let atGhosts: usize = 0;

/** Reads the header. Called once per instance. */
export function readPolicy(): void {
  probation = load<i32>(L.HEADER_PROBATION);
  probationMost = load<i32>(L.HEADER_PROBATION_MOST);
  latelyMask = load<i32>(L.HEADER_LATELY_MASK);
  window = load<i32>(L.HEADER_WINDOW);
  onceMost = load<i32>(L.HEADER_ONCE);
  ringMask = load<i32>(L.HEADER_RING_MASK);
  onceMask = load<i32>(L.HEADER_ONCE_MASK);
  ghostLines = load<i32>(L.HEADER_GHOST_LINES);
  ghostAge = load<i32>(L.HEADER_GHOST_AGE);
  ghostShift = load<i32>(L.HEADER_GHOST_SHIFT);
  atRing = load<i32>(L.HEADER_AT_RING) - L.RING;
  atOnce = load<i32>(L.HEADER_AT_ONCE) - L.RING;
  atGhosts = load<i32>(L.HEADER_AT_GHOSTS) - L.GHOSTS;
}

/** Admissions are numbered with 30 bits: how far `a` is behind `b`, over wrap-around. */
// @ts-ignore: decorator
@inline function behind(a: i32, b: i32): i32 {
  return ((b - a) << 2) >> 2;
}

/** Whether a touch of the frame's page raises its use count. For pages whose count is not full: a hot page is not asked. */
// @ts-ignore: decorator
@inline export function touchCounts(at: usize): bool {
  if (probation == 0) return true;
  const queue = atomic.load<i32>(at, L.FRAME_QUEUE);
  if (queue & L.PLACE_MAIN) {
    if ((queue & 3) != L.PLACE_FRESH) return true;
    atomic.store<i32>(at, L.PLACE_MAIN, L.FRAME_QUEUE);
    return false;
  }
  return (queue & L.PLACE_ONCE) == 0 && behind(queue >>> 2, atomic.load<i32>(0, L.HEADER_ADMITTED)) > window;
}

/** What a state word is after a touch. */
// @ts-ignore: decorator
@inline export function touched(at: usize, s: i32): i32 {
  return (s & L.USE_MASK) < L.USE_FULL && touchCounts(at) ? s + L.USE_ONE : s;
}

/** Use counts that a page begins with. */
// @ts-ignore: decorator
@inline export function firstUses(): i32 {
  return probation == 0 ? L.USE_ONE : 0;
}

/** Pages on probation from which on its oldest are taken. */
// @ts-ignore: decorator
@inline function target(): i32 {
  return atomic.load<i32>(0, L.HEADER_TARGET) >>> 4;
}

// -- Rings -----------------------------------------------------------------------------------------------------------

/** More than its share may be on probation by so many: other threads' sweeps take pages out before they put one in. */
const SLACK: i32 = 32;

/** The counters of either ring, behind those of probation. */
const OF_PROBATION: usize = 0;
const OF_ONCE: usize = L.HEADER_ONCE_ADMITTED - L.HEADER_ADMITTED;

/** Makes the frame's page the newest of a ring. */
// @ts-ignore: decorator
@inline function enter(counters: usize, entries: usize, mask: i32, place: i32, frame: i32): void {
  const number = atomic.add<i32>(counters, 1, L.HEADER_ADMITTED);
  atomic.store<i32>(frameAt(frame), (number << 2) | place, L.FRAME_QUEUE);
  atomic.store<i32>(entries + (<usize>(number & mask) << 2), frame + 1, L.RING);
}

/** The oldest page of a ring, if more than `most` are in it; or −1. It is out of the ring then. */
function oldestOf(counters: usize, entries: usize, mask: i32, place: i32, most: i32): i32 {
  while (true) {
    const left = atomic.load<i32>(counters, L.HEADER_LEFT);
    const there = behind(left, atomic.load<i32>(counters, L.HEADER_ADMITTED));
    if (there <= most) return -1;
    if (there > mask + 1) {
      atomic.store<i32>(counters, left + there - mask - 1, L.HEADER_LEFT); // what is further behind has been displaced
      continue;
    }
    const number = atomic.add<i32>(counters, 1, L.HEADER_LEFT);
    const frame = atomic.load<i32>(entries + (<usize>(number & mask) << 2), L.RING) - 1;
    // It may have another page by now, or have been put elsewhere.
    if (frame < 0 || atomic.load<i32>(frameAt(frame), L.FRAME_QUEUE) != ((number << 2) | place)) continue;
    return frame;
  }
}

// @ts-ignore: decorator
@inline function oldestAbove(most: i32): i32 {
  return oldestOf(OF_PROBATION, atRing, ringMask, L.PLACE_PROBATION, most);
}

/** Puts the frame's page on probation. */
function admit(frame: i32): void {
  enter(OF_PROBATION, atRing, ringMask, L.PLACE_PROBATION, frame);
  // While there are free frames nobody is taken: the oldest are main's then.
  const oldest = oldestAbove(target() + SLACK);
  if (oldest >= 0) promote(frameAt(oldest));
}

// @ts-ignore: decorator
@inline function admitOnce(frame: i32): void {
  enter(OF_ONCE, atOnce, onceMask, L.PLACE_ONCE, frame);
}

/** Decides where a page that was just installed in the claimed frame stands. `fingerprint`: of the page. */
export function place(frame: i32, fingerprint: i32, once: i32): void {
  if (probation == 0) return;
  if (once) {
    admitOnce(frame);
    return;
  }
  const ghost = findGhost(fingerprint);
  if (ghost != 0) {
    atomic.store<i32>(ghostAt, 0, L.GHOSTS);
    learn(ghost);
    if (isMains(ghost)) {
      atomic.store<i32>(frameAt(frame), L.PLACE_FRESH, L.FRAME_QUEUE);
      return;
    }
  }
  admit(frame);
}

/** Whether the page will stand in main if it is brought in now. */
export function belongsToMain(fingerprint: i32): bool {
  if (probation == 0) return false;
  const ghost = findGhost(fingerprint);
  return ghost != 0 && isMains(ghost);
}

/** A page has come back: which share it would have taken to keep it. */
function learn(ghost: i32): void {
  if (!isWithin(ghost, GROWTH_TENTHS)) return; // no sensible share, of either, would have kept it
  let by = 16;
  if (!isEarly(ghost)) {
    const ratio =
      (18 * (atomic.load<i32>(0, L.HEADER_TAKEN_EARLY) + 1)) / (atomic.load<i32>(0, L.HEADER_TAKEN_LATE) + 1);
    by = -min<i32>(ratio, STEP_MOST);
  }
  const was = atomic.load<i32>(0, L.HEADER_TARGET);
  atomic.store<i32>(0, max<i32>(probation << 4, min<i32>(probationMost << 4, was + by)), L.HEADER_TARGET);
}

/** The most that one page's return takes from the target, in 16ths of a page. */
const STEP_MOST: i32 = 16 * 55;

/** Whether the page stands in a ring, where the hand passes it over. */
// @ts-ignore: decorator
@inline function inRing(frame: i32): bool {
  const queue = atomic.load<i32>(frameAt(frame), L.FRAME_QUEUE);
  if (queue & L.PLACE_MAIN) return false;
  const left = queue & L.PLACE_ONCE ? atomic.load<i32>(0, L.HEADER_ONCE_LEFT) : atomic.load<i32>(0, L.HEADER_LEFT);
  return behind(left, queue >>> 2) >= 0;
}

// -- Candidates ------------------------------------------------------------------------------------------------------

/** Where `candidate` found its frame. */
export let origin: i32 = 0;
/** By number: nothing is known of it. */
export const FROM_FREE: i32 = 0;
/** By the hand. */
export const FROM_HAND: i32 = 1;
/** The oldest of probation. */
export const FROM_PROBATION: i32 = 2;
/** The oldest of those read once. */
export const FROM_ONCE: i32 = 3;

/** How many frames of the rings the hand passes over before one of a ring is taken instead. */
const PASSED_MOST: i32 = 1024;

/**
 * The next frame to look at. `handOnly`: the sweep has met enough of the rings that are in somebody's hands. `toMain`: the
 * page that comes belongs to main, so main makes room, and it stands where the hand has just been.
 */
export function candidate(handOnly: bool, toMain: bool): i32 {
  origin = FROM_HAND;
  if (probation == 0) return next(L.HEADER_HAND);
  // One look for a free frame: in a new pool they all are; later those of files that were closed or cut are found by and by.
  const free = next(L.HEADER_SEEK);
  if (atomic.load<i32>(frameAt(free), L.FRAME_STATE) == 0) {
    origin = FROM_FREE;
    return free;
  }
  if (!handOnly) {
    const once = oldestOf(OF_ONCE, atOnce, onceMask, L.PLACE_ONCE, onceMost);
    if (once >= 0) {
      origin = FROM_ONCE;
      return once;
    }
    const oldest = oldestAbove(target() - i32(!toMain));
    if (oldest >= 0) {
      origin = FROM_PROBATION;
      return oldest;
    }
  }
  let frame = nextOfMain();
  for (let n = 0; inRing(frame); n++) {
    if (n == PASSED_MOST || n == frames) {
      // Neighbours are brought in together: the hand is in a large pool's probation.
      const oldest = oldestAbove(0);
      if (oldest < 0) return frame;
      origin = FROM_PROBATION;
      return oldest;
    }
    frame = nextOfMain();
  }
  return frame;
}

/** The hand's next frame. A revolution that ends tells how long a page of main has until it is looked at again. */
// @ts-ignore: decorator
@inline function nextOfMain(): i32 {
  const frame = next(L.HEADER_HAND);
  if (frame == 0) revolved();
  return frame;
}

function revolved(): void {
  const now = atomic.load<i32>(0, L.HEADER_GHOSTED);
  const took = now - atomic.load<i32>(0, L.HEADER_REVOLVED_AT);
  const before = atomic.load<i32>(0, L.HEADER_REVOLUTION);
  // Longer at once, shorter by and by: one quick revolution says little.
  const after = <u32>took > <u32>before ? took : before - ((before - took) >>> 3);
  atomic.store<i32>(0, after, L.HEADER_REVOLUTION);
  atomic.store<i32>(0, now, L.HEADER_REVOLVED_AT);
}

// @ts-ignore: decorator
@inline function next(counter: usize): i32 {
  return <i32>(<u32>atomic.add<i32>(counter, 1) % <u32>frames);
}

/** The candidate was used: it stays. One that was on probation is main's from now on. */
// @ts-ignore: decorator
@inline export function promote(at: usize): void {
  atomic.store<i32>(at, L.PLACE_MAIN, L.FRAME_QUEUE);
}

/** The candidate can't be taken now, since it is dirty, unstable or pinned: it has another time on probation. */
export function readmit(frame: i32, whence: i32): void {
  if (whence == FROM_PROBATION) admit(frame);
  else if (whence == FROM_ONCE) admitOnce(frame);
}

// -- Ghosts: pages that were taken, by fingerprint. --------------------------------------------------------------------------

/** Names a page among those whose ghosts share a line. */
// @ts-ignore: decorator
@inline export function fingerprintOf(file: i32, index: i32): i32 {
  const h = (index ^ (file * <i32>0x27d4eb2f)) * <i32>0x85ebca77;
  return (h ^ (h >>> 15)) * <i32>0xc2b2ae3d;
}

// @ts-ignore: decorator
@inline function lineAt(fingerprint: i32): usize {
  return atGhosts + (<usize>(<u32>fingerprint % <u32>ghostLines) << 5);
}

// A ghost: 18 bits of its fingerprint, whether it is a late one, a bit that is always set, 12 bits of the time.
const TIME_MASK: i32 = 0xfff;
const IS_GHOST: i32 = 0x1000;
const LATE: i32 = 0x2000;
const TAG_MASK: i32 = ~0x3fff;

// @ts-ignore: decorator
@inline function time(): i32 {
  return (atomic.load<i32>(0, L.HEADER_GHOSTED) >>> ghostShift) & TIME_MASK;
}

// @ts-ignore: decorator
@inline function isEarly(ghost: i32): bool {
  return (ghost & LATE) == 0;
}

/** Tenths of a revolution of the hand for which a page may stay away, and be main's, or move the target. */
const MAIN_TENTHS: u32 = 4;
const GROWTH_TENTHS: u32 = 3;

/** Whether a page with this ghost belongs to main. One that stays away for longer would be taken before its next use. */
// @ts-ignore: decorator
@inline function isMains(ghost: i32): bool {
  return isEarly(ghost) && isWithin(ghost, MAIN_TENTHS);
}

/** Whether the page was away for so many tenths of a revolution at the most. */
function isWithin(ghost: i32, tenths: u32): bool {
  const now = atomic.load<i32>(0, L.HEADER_GHOSTED);
  const age = (((now >>> ghostShift) - ghost) & TIME_MASK) << ghostShift;
  const running = now - atomic.load<i32>(0, L.HEADER_REVOLVED_AT);
  const last = atomic.load<i32>(0, L.HEADER_REVOLUTION);
  const revolution = <u32>running > <u32>last ? <u32>running : <u32>last;
  return <u32>age <= (revolution / 10) * tenths;
}

/** Remembers a page that is taken, from probation or by the hand. The oldest ghost of its line makes room. */
export function addGhost(fingerprint: i32, early: bool): void {
  if (probation == 0) return;
  const told = atomic.add<i32>(0, 1, L.HEADER_GHOSTED);
  const taken = early ? L.HEADER_TAKEN_EARLY : L.HEADER_TAKEN_LATE;
  atomic.store<i32>(taken, atomic.load<i32>(taken) + 1);
  if ((told & latelyMask) == 0) fade();
  const now = time();
  const line = lineAt(fingerprint);
  let oldest = 0;
  let age = -1;
  for (let n = 0; n < L.GHOSTS_PER_LINE; n++) {
    const ghost = atomic.load<i32>(line + (<usize>n << 2), L.GHOSTS);
    const its = ghost == 0 ? TIME_MASK + 1 : (now - ghost) & TIME_MASK;
    if (its > age) {
      age = its;
      oldest = n;
    }
  }
  const ghost = (fingerprint & TAG_MASK) | (early ? 0 : LATE) | IS_GHOST | now;
  atomic.store<i32>(line + (<usize>oldest << 2), ghost, L.GHOSTS);
}

/** What was taken some time ago counts less. */
function fade(): void {
  const early = atomic.load<i32>(0, L.HEADER_TAKEN_EARLY);
  const late = atomic.load<i32>(0, L.HEADER_TAKEN_LATE);
  atomic.store<i32>(0, early - (early >>> 3), L.HEADER_TAKEN_EARLY);
  atomic.store<i32>(0, late - (late >>> 3), L.HEADER_TAKEN_LATE);
}

/** Where `findGhost` found it. */
let ghostAt: usize = 0;

/** The page's ghost, if it was taken not long ago; or 0. */
function findGhost(fingerprint: i32): i32 {
  const now = time();
  const line = lineAt(fingerprint);
  for (let n = 0; n < L.GHOSTS_PER_LINE; n++) {
    const at = line + (<usize>n << 2);
    const ghost = atomic.load<i32>(at, L.GHOSTS);
    if (((ghost ^ fingerprint) & TAG_MASK) != 0 || (ghost & IS_GHOST) == 0) continue;
    if (((now - ghost) & TIME_MASK) > ghostAge) continue;
    ghostAt = at;
    return ghost;
  }
  return 0;
}
