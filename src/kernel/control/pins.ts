// Pins and views: the hit path.
import * as L from '../layout';
import {
  account, bucketAt, count, frameAt, hashOf, keep, maxPins, noteDirtied, out, row, wakeFrame,
} from './words';
import { freeOrphan } from './orphans';
import { touched } from './policy';
import { atHome, find, isPage } from './table';

/** Head of this owner's list of free pin slots; `maxPins` when all are taken. */
let freePin: i32 = 0;
let viewDepth: i32 = 0;
/** The innermost open view: its frame's descriptor, useq, version. Outer ones are on the row's stack. */
let viewAt: usize = 0;
let viewUseq: i32 = 0;
let viewVersion: i32 = 0;
/**
 * Counts a miss that a fill follows, and takes back the hit that the lookup after the fill will count.
 */
export function countMiss(): void {
  count(L.COUNT_MISSES);
  count(L.COUNT_HITS, -1);
}

/** Takes the head of the free list for a pin on `frame`: part of the section that takes the pin. */
// @ts-ignore: decorator
@inline export function takePinSlot(slotAt: usize, frame: i32, mode: i32): void {
  // A plain store: others read it only when this owner is dead, or to show it to people.
  const next = ~load<i32>(slotAt, L.ROW_PINS);
  store<i32>(slotAt, (frame << 2) | mode, L.ROW_PINS);
  freePin = next;
}

/** The slot that the next pin takes; `maxPins` when there is none. */
// @ts-ignore: decorator
@inline export function nextPinSlot(): i32 {
  return freePin;
}

/** Puts a pin slot back on the free list: part of the section that drops the pin. */
// @ts-ignore: decorator
@inline export function freePinSlot(slot: i32): void {
  store<i32>(row + (<usize>slot << 2), ~freePin, L.ROW_PINS);
  freePin = slot;
}

/** Makes the pin slots of a row that this thread just took one list of free slots. */
export function clearPins(): void {
  for (let slot = 0; slot < maxPins; slot++) store<i32>(row + (<usize>slot << 2), ~(slot + 1), L.ROW_PINS);
  freePin = 0;
  viewDepth = 0;
}

/**
 * Takes a read pin on the page: the pin slot that journals it, or MISS, BUSY (OUT[0] is the frame to wait for),
 * NO_PIN_SLOT, PIN_COUNT_FULL. The identity is checked under the pin: it can't change while the pin is held (I2).
 */
export function pin(file: i32, index: i32): i32 {
  const slot = freePin;
  if (slot == maxPins) return L.NO_PIN_SLOT;
  const slotAt = row + (<usize>slot << 2);
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  let frame = atHome(bucket, hash);
  while (true) {
    if (frame < 0) {
      frame = find(bucket, hash, file, index);
      if (frame < 0) return L.MISS;
    }
    const at = frameAt(frame);
    let s = atomic.load<i32>(at, L.FRAME_STATE);
    let pinned = false;
    while ((s & (L.VALID | L.CLAIMED | L.ORPHAN)) == L.VALID && (s & L.READ_MASK) != L.READ_MASK) {
      const after = touched(at, s) + L.READ_ONE;
      const seen = atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE);
      if (seen == s) {
        // Section.
        takePinSlot(slotAt, frame, L.PIN_READ);
        pinned = true;
        break;
      }
      s = seen;
    }
    if (!pinned) {
      if (isPage(at, file, index)) {
        if (s & L.CLAIMED) {
          out(0, frame);
          return L.BUSY;
        }
        if ((s & L.READ_MASK) == L.READ_MASK) return L.PIN_COUNT_FULL;
      }
      frame = -1; // a wrong guess, or freed or cut off since the walk
      continue;
    }
    if (isPage(at, file, index)) {
      assert((atomic.load<i32>(at, L.FRAME_STATE) & (L.VALID | L.CLAIMED)) == L.VALID); // I2: a pin excludes claims
      count(L.COUNT_HITS);
      return slot;
    }
    unpin(slot, 0);
    frame = -1;
  }
  return L.MISS; // never reached; the compiler does not see it
}

/**
 * Makes the read pin in `slot` a write pin; under `keep` the page is dirty from now on. PIN_COUNT_FULL, or GONE (the page
 * was cut off) if it can't.
 * The slot says WRITE in the section of the CAS, so the recoverer of a dead owner knows which count to lower.
 */
export function makeWritePin(slot: i32): i32 {
  const slotAt = row + (<usize>slot << 2);
  const frame = load<i32>(slotAt, L.ROW_PINS) >>> 2;
  const at = frameAt(frame);
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    assert((s & L.READ_MASK) != 0);
    if (s & L.ORPHAN) return L.GONE;
    if ((s & L.WRITE_MASK) == L.WRITE_MASK) return L.PIN_COUNT_FULL;
    const after = (s - L.READ_ONE + L.WRITE_ONE) | (keep ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      store<i32>(slotAt, (frame << 2) | L.PIN_WRITE, L.ROW_PINS);
      account(s, after);
      if (keep) noteDirtied(at, frame, file, s);
      return 0;
    }
  }
}

/**
 * Drops the pin in `slot`. A write pin moves the version before its CAS (a view that ran meanwhile then starts again)
 * and sets DIRTY in it if `dirty`.
 */
export function unpin(slot: i32, dirty: i32): i32 {
  const slotAt = row + (<usize>slot << 2);
  const held = load<i32>(slotAt, L.ROW_PINS);
  if (held < 0) return L.NOT_PINNED;
  const frame = held >>> 2;
  const at = frameAt(frame);
  if (held & L.PIN_READ) {
    const s = atomic.sub<i32>(at, L.READ_ONE, L.FRAME_STATE);
    // Section.
    store<i32>(slotAt, ~freePin, L.ROW_PINS);
    freePin = slot;
    assert((s & L.READ_MASK) != 0);
    if (s & L.ORPHAN) freeOrphan(frame);
    return 0;
  }
  const file = atomic.load<i32>(at, L.FRAME_FILE);
  assert(file >= 0); // I2
  atomic.add<i32>(at, 1, L.FRAME_VERSION);
  while (true) {
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    assert((s & L.WRITE_MASK) != 0); // I6
    // What came into a page that was cut off is dropped with it.
    const dirties = dirty != 0 && (s & L.ORPHAN) == 0;
    const after = ((s - L.WRITE_ONE) & ~L.WAITERS) | (dirties ? L.DIRTY : 0);
    if (atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE) == s) {
      // Section.
      store<i32>(slotAt, ~freePin, L.ROW_PINS);
      freePin = slot;
      account(s, after);
      if (dirties) noteDirtied(at, frame, file, s);
      if (s & L.WAITERS) wakeFrame(at);
      if (s & L.ORPHAN) freeOrphan(frame);
      return 0;
    }
  }
}

const VIEWABLE = L.VALID | L.CLAIMED | L.UPDATING | L.ORPHAN;

/**
 * Opens an optimistic read: the frame, or MISS, BUSY (OUT[0] is the frame), TOO_DEEP. Nothing shared is stored once
 * the use count is full. Each open is matched by one close, last in first out.
 */
export function viewOpen(file: i32, index: i32): i32 {
  if (viewDepth == L.VIEW_DEPTH) return L.TOO_DEEP;
  const hash = hashOf(file, index);
  const bucket = bucketAt(hash);
  let frame = atHome(bucket, hash);
  while (true) {
    if (frame < 0) {
      frame = find(bucket, hash, file, index);
      if (frame < 0) return L.MISS;
    }
    const at = frameAt(frame);
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if ((s & VIEWABLE) != L.VALID) {
      if (s & (L.CLAIMED | L.UPDATING) && isPage(at, file, index)) {
        out(0, frame);
        return L.BUSY;
      }
      frame = -1;
      continue;
    }
    const useq = atomic.load<i32>(at, L.FRAME_USEQ);
    const version = atomic.load<i32>(at, L.FRAME_VERSION);
    // The identity is read after the version: a claim that changes it moves the version before it ends.
    if (!isPage(at, file, index)) {
      frame = -1;
      continue;
    }
    const after = touched(at, s);
    if (after != s) atomic.cmpxchg<i32>(at, s, after, L.FRAME_STATE);
    if (viewDepth != 0) pushView();
    viewDepth++;
    viewAt = at;
    viewUseq = useq;
    viewVersion = version;
    count(L.COUNT_HITS);
    return frame;
  }
}

/** Closes the view opened last: 1 if what it read was one page, whole, all the time. The state is read first. */
export function viewClose(): i32 {
  assert(viewDepth > 0);
  const at = viewAt;
  const moved =
    ((atomic.load<i32>(at, L.FRAME_STATE) & VIEWABLE) ^ L.VALID) |
    (viewUseq & 1) |
    (atomic.load<i32>(at, L.FRAME_USEQ) ^ viewUseq) |
    (atomic.load<i32>(at, L.FRAME_VERSION) ^ viewVersion);
  if (--viewDepth != 0) popView();
  return i32(moved == 0);
}

/** Keeps the view that a nested one is about to displace: entry `viewDepth` of the stack. */
function pushView(): void {
  const entry = row + <usize>(viewDepth * L.VIEW_BYTES);
  store<i32>(entry, <i32>viewAt, L.ROW_VIEWS);
  store<i32>(entry, viewUseq, L.ROW_VIEWS + 4);
  store<i32>(entry, viewVersion, L.ROW_VIEWS + 8);
}

function popView(): void {
  const entry = row + <usize>(viewDepth * L.VIEW_BYTES);
  viewAt = <usize>load<i32>(entry, L.ROW_VIEWS);
  viewUseq = load<i32>(entry, L.ROW_VIEWS + 4);
  viewVersion = load<i32>(entry, L.ROW_VIEWS + 8);
}

/**
 * Prepares to sleep until one of the bits `mask` of the frame's state is gone. 1: WAITERS is set, OUT[0] is the wake
 * sequence to sleep on (read before the state: a wake in between has moved it). 0: none of the bits is set.
 */
export function prepareWait(frame: i32, mask: i32): i32 {
  const at = frameAt(frame);
  while (true) {
    const seq = atomic.load<i32>(at, L.FRAME_WAKE);
    const s = atomic.load<i32>(at, L.FRAME_STATE);
    if ((s & mask) == 0) return 0;
    if (s & L.WAITERS || atomic.cmpxchg<i32>(at, s, s | L.WAITERS, L.FRAME_STATE) == s) {
      out(0, seq);
      return 1;
    }
  }
}
