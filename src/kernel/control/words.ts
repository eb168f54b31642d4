// Where things are, and the small straight-line pieces that every transition is made of. All functions here are
// inlined: a section made of them has no call in it.
import * as L from '../layout';

// Bases, biased by each structure's first field offset. Per instance, so per thread: no shared word.
export let me: i32 = -1;
export let row: usize = 0;
export let maxPins: i32 = 0;
export let frames: i32 = 0;
export let frameMask: i32 = 0;
export let frameBits: i32 = 0;
export let bucketMask: i32 = 0;
export let keep: i32 = 0;
export let groups: i32 = 0;
let fileWords: usize = 0;
let summaryWords: usize = 0;
export let rows: i32 = 0;
let rowBytes: usize = 0;
let atBuckets: usize = 0;
let atFrames: usize = 0;
let atDirty: usize = 0;
let atEpochs: usize = 0;
let atUnstable: usize = 0;
let atGroups: usize = 0;
let atSummary: usize = 0;
let atFiles: usize = 0;
let atRows: usize = 0;

/** Reads the header. Called once per instance, before anything else. */
export function readHeader(): void {
  frames = load<i32>(L.HEADER_FRAMES);
  frameBits = load<i32>(L.HEADER_FRAME_BITS);
  frameMask = (1 << frameBits) - 1;
  bucketMask = load<i32>(L.HEADER_BUCKET_MASK);
  maxPins = load<i32>(L.HEADER_MAX_PINS);
  keep = load<i32>(L.HEADER_KEEP);
  groups = (frames + 31) >>> 5;
  fileWords = load<i32>(L.HEADER_FILE_WORDS);
  summaryWords = load<i32>(L.HEADER_FILE_SUMMARY_WORDS);
  rows = load<i32>(L.HEADER_ROWS);
  rowBytes = load<i32>(L.HEADER_ROW_BYTES);
  atBuckets = load<i32>(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS;
  atFrames = load<i32>(L.HEADER_AT_FRAMES);
  atDirty = load<i32>(L.HEADER_AT_DIRTY) - L.DIRTY_BITS;
  atEpochs = load<i32>(L.HEADER_AT_EPOCHS) - L.GROUP_EPOCH;
  atUnstable = load<i32>(L.HEADER_AT_UNSTABLE) - L.UNSTABLE_BITS;
  atGroups = load<i32>(L.HEADER_AT_GROUPS) - L.FILE_GROUPS;
  atSummary = load<i32>(L.HEADER_AT_SUMMARY) - L.FILE_SUMMARY;
  atFiles = load<i32>(L.HEADER_AT_FILES) - L.FILE_BIAS;
  atRows = load<i32>(L.HEADER_AT_ROWS) - L.ROW_BIAS;
}

/** Makes this instance act as owner `id`. Inlined: it stands in a section. */
// @ts-ignore: decorator
@inline export function become(id: i32): void {
  me = id;
  row = rowAt(id);
}

// @ts-ignore: decorator
@inline export function frameAt(frame: i32): usize {
  return atFrames + (<usize>frame << 6);
}
// @ts-ignore: decorator
@inline export function fileAt(file: i32): usize {
  return atFiles + (<usize>file << 8);
}
// @ts-ignore: decorator
@inline export function rowAt(id: i32): usize {
  return atRows + <usize>id * rowBytes;
}
/** The word of an owner's row that holds the bit of `file`: whether it has a reference to it. */
// @ts-ignore: decorator
@inline export function heldFileAt(owner: usize, file: i32): usize {
  return owner + (<usize>(maxPins + (file >>> 5) - 1) << 2);
}
// @ts-ignore: decorator
@inline export function dirtyWordAt(frame: i32): usize {
  return atDirty + (<usize>(frame >>> 5) << 2);
}
// @ts-ignore: decorator
@inline export function epochAt(frame: i32): usize {
  return atEpochs + (<usize>(frame >>> 5) << 2);
}
// @ts-ignore: decorator
@inline export function unstableWordAt(frame: i32): usize {
  return atUnstable + (<usize>(frame >>> 5) << 2);
}
/** The level-1 word that holds the bit of `group`. */
// @ts-ignore: decorator
@inline export function groupWordAt(file: i32, group: i32): usize {
  return atGroups + ((<usize>file * fileWords + <usize>(group >>> 5)) << 2);
}
/** The level-2 word that holds the bit of that level-1 word. */
// @ts-ignore: decorator
@inline export function summaryWordAt(file: i32, group: i32): usize {
  return atSummary + ((<usize>file * summaryWords + <usize>(group >>> 10)) << 2);
}

/** The hash of a page's identity: its low bits choose the bucket, its high bits are the tag and the home entry. */
// @ts-ignore: decorator
@inline export function hashOf(file: i32, index: i32): i32 {
  const h = (index ^ (file * <i32>0x85ebca6b)) * <i32>0x9e3779b1;
  return h ^ (h >>> 16); // the product's high bits are good, its low bits only with these: a stride of 64 pages must spread
}
// @ts-ignore: decorator
@inline export function bucketAt(hash: i32): usize {
  return atBuckets + (<usize>(hash & bucketMask) << 6);
}
/** Where in its bucket the search for a key starts: 4 high bits, spread over the entries. */
// @ts-ignore: decorator
@inline export function homeOf(hash: i32): i32 {
  return ((hash >>> 28) * L.ENTRIES) >>> 4;
}

// @ts-ignore: decorator
@inline export function out(word: i32, value: i32): void {
  store<i32>(row + (<usize>word << 2), value, L.ROW_OUT);
}

/** Adds to a 64-bit counter of this owner's row. Plain: only the owner writes it. */
// @ts-ignore: decorator
@inline export function count(counter: i32, by: i64 = 1): void {
  const at = row + <usize>counter;
  store<i64>(at, load<i64>(at) + by);
}

/** Dirty pages that nobody has write-pinned, over all owners: near the truth while threads run, exact when quiet. */
export function cleanable(): i32 {
  let sum = 0;
  for (let id = 0; id < rows; id++) {
    const at = rowAt(id);
    sum += load<i32>(at, L.GAUGE_DIRTY) - load<i32>(at, L.GAUGE_PINNED_DIRTY);
  }
  return sum;
}

/** Moves this owner's share of the gauges by what a transition of the state word changed. */
// @ts-ignore: decorator
@inline export function account(before: i32, after: i32): void {
  store<i32>(row, load<i32>(row, L.GAUGE_DIRTY) + ((after >>> 1) & 1) - ((before >>> 1) & 1), L.GAUGE_DIRTY);
  store<i32>(
    row,
    load<i32>(row, L.GAUGE_PINNED_DIRTY) + pinnedDirty(after) - pinnedDirty(before),
    L.GAUGE_PINNED_DIRTY,
  );
  store<i32>(row, load<i32>(row, L.GAUGE_WRITEBACK) + ((after >>> 2) & 1) - ((before >>> 2) & 1), L.GAUGE_WRITEBACK);
}

// @ts-ignore: decorator
@inline function pinnedDirty(state: i32): i32 {
  return i32((state & L.DIRTY) != 0) & i32((state & L.WRITE_MASK) != 0);
}

/**
 * Makes sure that the dirty bits of `frame` are set, lowest level first. Part of the section of each CAS that sets
 * DIRTY, run even if DIRTY was set before: a writeback that clears the bit looks at DIRTY afterwards, this looks at
 * the bit after DIRTY; so one of the two sees the other. Likewise a scanner that clears a level-1 bit (dirty.ts)
 * looks at the dirty word afterwards.
 */
// @ts-ignore: decorator
@inline export function setDirtyBits(frame: i32, file: i32): void {
  const bit = 1 << (frame & 31);
  const word = dirtyWordAt(frame);
  if ((atomic.load<i32>(word, L.DIRTY_BITS) & bit) == 0) atomic.or<i32>(word, bit, L.DIRTY_BITS);
  const group = frame >>> 5;
  const groupBit = 1 << (group & 31);
  const groupWord = groupWordAt(file, group);
  if ((atomic.load<i32>(groupWord, L.FILE_GROUPS) & groupBit) == 0) {
    atomic.or<i32>(groupWord, groupBit, L.FILE_GROUPS);
  }
  const summaryBit = 1 << ((group >>> 5) & 31);
  const summaryWord = summaryWordAt(file, group);
  if ((atomic.load<i32>(summaryWord, L.FILE_SUMMARY) & summaryBit) == 0) {
    atomic.or<i32>(summaryWord, summaryBit, L.FILE_SUMMARY);
  }
}

/** What a transition that set DIRTY owes in its section: the bits, and the time if the page was clean. */
// @ts-ignore: decorator
@inline export function noteDirtied(at: usize, frame: i32, file: i32, before: i32): void {
  setDirtyBits(frame, file);
  if ((before & L.DIRTY) == 0) {
    atomic.store<i32>(at, atomic.load<i32>(0, L.HEADER_CLOCK), L.FRAME_DIRTIED_AT);
    count(L.COUNT_DIRTIED);
  }
}

/** Wakes all who sleep on the frame. For a transition whose CAS cleared WAITERS, in its section. */
// @ts-ignore: decorator
@inline export function wakeFrame(at: usize): void {
  atomic.add<i32>(at, 1, L.FRAME_WAKE);
  atomic.notify(at + L.FRAME_WAKE, -1);
}

/** Wakes all who sleep on the file: the ends of rounds and flushes. */
// @ts-ignore: decorator
@inline export function wakeFile(at: usize): void {
  atomic.add<i32>(at, 1, L.FILE_WAKE);
  atomic.notify(at + L.FILE_WAKE, -1);
}

/** Whether flush number `a` is at or after `b`, over wrap-around. */
// @ts-ignore: decorator
@inline export function reached(a: i32, b: i32): bool {
  return a - b >= 0;
}

/** Whether what was last written of the frame's page is covered by a flush that succeeded. */
// @ts-ignore: decorator
@inline export function stable(at: usize, file: i32): bool {
  const cover = atomic.load<i32>(at, L.FRAME_COVER);
  return cover == 0 || reached(atomic.load<i32>(fileAt(file), L.FILE_FLUSHED), cover);
}
