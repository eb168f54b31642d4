// Readahead: what a reader will need is brought in by the file worker while the reader goes on. Requests for that are posted
// and forgotten; their slots are collected when the next are posted. All of it is a hint: what it does not bring in the
// reader does.

import { formatOf } from '../kernel/format';
import type { FileId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { Access } from '../options';
import { type Pool, type Protocol, requestKind, serviceClass, wait } from './effects';
import { bringInMissed } from './fill';
import { bringInRun, fillRun, longestRun, packRun, RUN_MAX, runOf, STRIDE_MAX } from './run';
import { Streams } from './streams';

/** The largest window, in bytes; and in frames, of which it may take no more than a part. */
const WINDOW_BYTES = 1024 * 1024;
const WINDOW_FRAMES = 1 / 16;
/** The largest window of pages that are apart. */
const STRIDED_WINDOW = 32;
/**
 * How long a reader waits for a page that is on its way before it reads it itself, in ms. In place that costs it less than the
 * turn that a service thread waits for on a busy machine; the system's cache does not read twice.
 */
const LATE_MS = 100;
const LATE_IN_PLACE_MS = 1;

// What this thread has posted stands in the last slots of its requests until it is done.

const FIRST_SLOT = L.REQUESTS - L.AHEAD_REQUESTS;

/** Where a request slot of this thread is. */
function slotAt({ kernel }: Pool, slot: number): number {
  return kernel.rowAt(kernel.owner) + slot * L.REQUEST_BYTES;
}

/** The slot of the posted run that has the page, if it is not done; else -1. */
function slotOf(pool: Pool, file: FileId, index: number): number {
  const { kernel } = pool;
  for (let slot = FIRST_SLOT; slot < L.REQUESTS; slot++) {
    const at = slotAt(pool, slot);
    if (kernel.load(at + L.REQUEST_STATE) === L.REQUEST_FREE || kernel.load(at + L.REQUEST_FILE) !== file)
      continue;
    const { first, count, stride } = runOf(kernel.load(at + L.REQUEST_A), kernel.load(at + L.REQUEST_B));
    const n = (index - first) / stride;
    if (n >= 0 && n < count && Number.isInteger(n)) return slot;
  }
  return -1;
}

/**
 * If the page is on its way, waits until the run that it belongs to is there. `inPlace`: the caller's thread can do I/O, so it
 * does not sit idle: of what it has posted, what nobody has begun is taken back and brought in here, this page's run first.
 */
function* arrival(pool: Pool, file: FileId, index: number, inPlace: boolean): Protocol<void> {
  const slot = slotOf(pool, file, index);
  if (slot < 0) return;
  const { kernel } = pool;
  const at = slotAt(pool, slot);
  const a = kernel.load(at + L.REQUEST_A);
  const b = kernel.load(at + L.REQUEST_B);
  if (inPlace && (yield* takeBack(pool, file, slot))) return;
  const wakeAt = kernel.rowAt(kernel.owner) + L.ROW_WAKE;
  const end = performance.now() + (inPlace ? LATE_IN_PLACE_MS : LATE_MS);
  // Done: the slot is free, or the answer has begun to be stored, or another call of this thread has posted the next there.
  const isDone = () =>
    kernel.load(at + L.REQUEST_STATE) === L.REQUEST_FREE ||
    kernel.load(at + L.REQUEST_A) !== a ||
    kernel.load(at + L.REQUEST_B) !== b;
  for (let other = FIRST_SLOT; ; ) {
    const seq = kernel.load(wakeAt);
    if (isDone()) return;
    if (inPlace && other < L.REQUESTS) {
      yield* takeBack(pool, file, other++);
      continue;
    }
    const left = end - performance.now();
    if (left <= 0) return;
    yield* wait(wakeAt, seq, left);
  }
}

/** Brings the run of the file that is posted in a slot in here, if nobody has begun it: true if so. */
function* takeBack(pool: Pool, file: FileId, slot: number): Protocol<boolean> {
  const { kernel } = pool;
  const at = slotAt(pool, slot);
  if (kernel.load(at + L.REQUEST_FILE) !== file) return false;
  const run = runOf(kernel.load(at + L.REQUEST_A), kernel.load(at + L.REQUEST_B));
  if (kernel.control.withdraw(slot, serviceClass.files) !== 1) return false;
  yield* fillRun(pool, file, run);
  return true;
}

/** Takes back what this thread has posted and nobody has begun. */
export function withdrawPosted({ kernel }: Pool): void {
  for (let slot = FIRST_SLOT; slot < L.REQUESTS; slot++) kernel.control.withdraw(slot, serviceClass.files);
}

/** One handle's. */
export class Readahead {
  readonly #pool: Pool;
  readonly #file: FileId;
  readonly #once: boolean;
  readonly #streams: Streams | undefined;
  /** The page whose hit `reached` is to be told of; -1: none. */
  trigger = -1;

  constructor(pool: Pool, file: FileId, access: Access) {
    this.#pool = pool;
    this.#file = file;
    this.#once = access === 'once';
    const { frames, pageSize, stagingPages } = pool.geometry;
    const window = Math.floor(Math.min(WINDOW_BYTES / pageSize, frames * WINDOW_FRAMES));
    if (access === 'random' || window < 1) return;
    this.#streams = new Streams({
      window,
      stridedWindow: Math.min(window, STRIDED_WINDOW),
      run: Math.min(window, stagingPages),
      stride: STRIDE_MAX,
      sequential: access !== 'normal',
    });
  }

  /**
   * Has a page brought in that was looked up in vain, for a caller who needs `pages` from it on, and asks for more if they
   * are of a stream. `inPlace`: by a driver that does I/O in place. Throws as `bringInMissed`.
   */
  *missed(index: number, pages: number, inPlace: boolean): Protocol<void> {
    const pool = this.#pool;
    const { control } = pool.kernel;
    const needed = Math.min(pages, longestRun(pool, 1));
    const isHere = () => control.lookup(this.#file, index | 0) >= 0;
    yield* arrival(pool, this.#file, index, inPlace);
    if (isHere()) {
      control.countMiss();
      return;
    }
    this.#streams?.miss(index, needed);
    this.#ask();
    const count = Math.min(this.#upToEnd(index, 1), this.#streams?.here ?? needed);
    if (count > 1) {
      yield* bringInRun(pool, this.#file, {
        first: index,
        count,
        stride: 1,
        demanded: needed,
        once: this.#once,
      });
      if (isHere()) {
        control.countMiss();
        return;
      }
    }
    yield* bringInMissed(pool, this.#file, index, false, this.#once);
  }

  /** The trigger has been hit. */
  reached(): void {
    this.#streams?.hit();
    this.#ask();
  }

  /** Posts the window that the streams want, as runs. */
  #ask(): void {
    const streams = this.#streams;
    if (streams === undefined) return;
    const { control } = this.#pool.kernel;
    const { from, stride } = streams;
    const step = Math.abs(stride);
    const longest = Math.min(RUN_MAX, longestRun(this.#pool, step));
    const wanted = Math.min(streams.ahead, this.#upToEnd(from, stride));
    let asked = 0;
    while (asked < wanted) {
      const count = Math.min(longest, wanted - asked);
      const first = from + (stride > 0 ? asked : asked + count - 1) * stride;
      const b = packRun(count, step, 0, this.#once);
      if (control.post(serviceClass.files, requestKind.ahead, this.#file, first | 0, b) < 0) break;
      asked += count;
    }
    streams.asked(asked);
    this.trigger = streams.trigger;
  }

  /** How many pages from `index` on, `stride` apart, the file has. */
  #upToEnd(index: number, stride: number): number {
    if (stride < 0) return Math.floor(index / -stride) + 1;
    const { kernel } = this.#pool;
    const left = Math.ceil(kernel.size(this.#file) / formatOf(this.#pool, this.#file).payload) - index;
    return Math.max(0, Math.ceil(left / stride));
  }
}
