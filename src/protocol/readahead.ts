// Readahead: what a reader will need is brought in by the file worker while the reader goes on. Requests for that are posted
// and forgotten; their slots are collected when the next are posted. All of it is a hint: what it does not bring in the
// reader does.

import { formatOf } from '../kernel/format';
import type { FileId, Kernel } from '../kernel/kernel';
import * as L from '../kernel/layout';
import type { Access } from '../options';
import { type Pool, type Protocol, READAHEAD_REQUESTS, serviceClass, wait } from './effects';
import { bringInMissed } from './fill';
import { bringInRun, longestRun, RUN_MAX, type Run, runRequest, STRIDE_MAX } from './run';
import { Streams } from './streams';

/** The largest window, in bytes; and in frames, of which it may take no more than a part. */
const WINDOW_BYTES = 1024 * 1024;
const WINDOW_FRAMES = 1 / 16;
/** The largest window of pages that are apart. */
const STRIDED_WINDOW = 32;
/** How long a reader waits for a page that is on its way before it reads it itself, in ms. */
const LATE_MS = 100;

interface Posting {
  slot: number;
  file: number;
  first: number;
  count: number;
  stride: number;
}

/** The runs that one thread has posted and not collected: at most so many of its request slots (`READAHEAD_REQUESTS`). */
export class Posted {
  readonly #kernel: Kernel;
  readonly #postings: Posting[];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#postings = Array.from({ length: READAHEAD_REQUESTS }, () => ({
      slot: -1,
      file: 0,
      first: 0,
      count: 0,
      stride: 1,
    }));
  }

  /** Posts a run: false if there is no slot for it. */
  post(file: FileId, run: Run): boolean {
    const { control } = this.#kernel;
    this.#collect();
    const free = this.#postings.find(({ slot }) => slot < 0);
    if (free === undefined) return false;
    const { service, kind, a, b } = runRequest(file, run);
    const slot = control.post(service, kind, file, a, b);
    if (slot < 0) return false;
    free.slot = slot;
    free.file = file;
    free.first = run.first;
    free.count = run.count;
    free.stride = run.stride;
    return true;
  }

  #collect(): void {
    for (const posting of this.#postings) {
      if (posting.slot >= 0 && this.#kernel.control.collect(posting.slot) === 1) posting.slot = -1;
    }
  }

  /** The posted run that has the page, if it is not done. */
  #covering(file: FileId, index: number): Posting | undefined {
    this.#collect();
    return this.#postings.find(({ slot, file: of, first, count, stride }) => {
      const n = (index - first) / stride;
      return slot >= 0 && of === file && n >= 0 && n < count && Number.isInteger(n);
    });
  }

  /**
   * If the page is on its way, waits until the run that it belongs to is there. A run that nobody has begun is taken back: how
   * many of its pages, from this one on, are left to bring in here; else 0.
   */
  *arrival(file: FileId, index: number): Protocol<number> {
    const posting = this.#covering(file, index);
    if (posting === undefined) return 0;
    const kernel = this.#kernel;
    const { control } = kernel;
    const { slot, first, count, stride } = posting;
    if (control.withdraw(slot, serviceClass.files) === 1) {
      posting.slot = -1;
      return stride === 1 ? first + count - index : 1;
    }
    const wakeAt = kernel.rowAt(kernel.owner) + L.ROW_WAKE;
    const end = performance.now() + LATE_MS;
    for (;;) {
      const seq = kernel.load(wakeAt);
      if (posting.slot !== slot) return 0; // another call of this thread has collected it
      if (control.collect(slot) === 1) {
        posting.slot = -1;
        return 0;
      }
      const left = end - performance.now();
      if (left <= 0) return 0;
      yield* wait(wakeAt, seq, left);
    }
  }

  /** Takes back what nobody has begun. */
  withdraw(): void {
    for (const posting of this.#postings) {
      if (posting.slot >= 0 && this.#kernel.control.withdraw(posting.slot, serviceClass.files) === 1)
        posting.slot = -1;
    }
  }
}

/** One handle's. */
export class Readahead {
  readonly #pool: Pool;
  readonly #file: FileId;
  readonly #posted: Posted;
  readonly #once: boolean;
  readonly #streams: Streams | undefined;
  /** The page whose hit `reached` is to be told of; -1: none. */
  trigger = -1;

  constructor(pool: Pool, file: FileId, posted: Posted, access: Access) {
    this.#pool = pool;
    this.#file = file;
    this.#posted = posted;
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
   * are of a stream. Throws as `bringInMissed`.
   */
  *missed(index: number, pages: number): Protocol<void> {
    const pool = this.#pool;
    const { control } = pool.kernel;
    const needed = Math.min(pages, longestRun(pool, 1));
    let here = yield* this.#posted.arrival(this.#file, index);
    const isHere = () => control.lookup(this.#file, index | 0) >= 0;
    if (here === 0 && isHere()) {
      control.countMiss();
      return;
    }
    if (here === 0) {
      this.#streams?.missed(index, needed);
      this.#ask();
      here = this.#streams?.here ?? needed;
    }
    const count = Math.min(this.#upToEnd(index, 1), Math.max(here, needed));
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
    this.#streams?.reached();
    this.#ask();
  }

  /** Posts the window that the streams want, as runs. */
  #ask(): void {
    const streams = this.#streams;
    if (streams === undefined) return;
    const { from, stride } = streams;
    const step = Math.abs(stride);
    const longest = Math.min(RUN_MAX, longestRun(this.#pool, step));
    const wanted = Math.min(streams.ahead, this.#upToEnd(from, stride));
    let asked = 0;
    while (asked < wanted) {
      const count = Math.min(longest, wanted - asked);
      const first = from + (stride > 0 ? asked : asked + count - 1) * stride;
      if (!this.#posted.post(this.#file, { first, count, stride: step, demanded: 0, once: this.#once }))
        break;
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
