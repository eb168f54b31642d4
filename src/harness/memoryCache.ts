// A cache of one file over the memory store, without service threads: for measuring what the cache itself decides. In the
// harness's build only.
import { Attachment, type HandleParts } from '../attachment';
import { newHandle, type Wiring } from '../cache';
import { pinfoldError } from '../errors';
import { geometryOf } from '../kernel/geometry';
import type { FileId, FrameId, PageBytes } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type CheckedOptions, checkCacheOptions } from '../options';
import { bringInMissed, waitForClaim } from '../protocol/fill';
import { type CacheCounts, countsOf } from '../stats';
import { memoryStore, STAMP_BYTES } from '../store/memory';

export interface MemoryCacheOptions {
  /** How many pages fit, at the least; `MemoryCache.frames` tells how many do. */
  readonly frames: number;
  /** Pages of the file. */
  readonly pages: number;
  /** Threads that may attach, the creator among them. */
  readonly threads: number;
  /** Replacement by the hand alone, as in a pool too small for queues: CLOCK with the use counts. A control. */
  readonly handAlone: boolean;
}

/** For `attach` in another thread. Structured-cloneable. */
export interface MemoryCacheHandle {
  readonly parts: HandleParts;
  readonly pages: number;
}

/** What replacement did since the cache was created, in pages. */
export interface QueueFigures {
  /** Put on probation, those that had another time there included. */
  admitted: number;
  /** Taken, from probation or by the hand: each left a ghost. */
  ghosted: number;
}

/** The only file. */
const FILE = 0 as FileId;
const PAGE_BYTES = 4096;
/** A file as long as the layout counts. */
const PAGES_MAX = 2 ** 32 - 1;
/** The least that a cache accepts, bytes. */
const MEMORY_MIN = 256 * 1024;

export class MemoryCache {
  readonly handle: MemoryCacheHandle;
  readonly #attachment: Attachment;
  readonly #bytes: PageBytes;
  #wrong = 0;
  #again = 0;

  private constructor(handle: MemoryCacheHandle) {
    this.handle = handle;
    this.#attachment = new Attachment(handle.parts, memoryStore(PAGE_BYTES), 'user');
    this.#bytes = this.#attachment.bytes;
  }

  /** @throws RangeError for a number of pages that no file has, and what `PageCache.create` throws for its memory */
  static create(
    options: MemoryCacheOptions,
    wiring: Omit<Wiring, 'serviceSource' | 'storeFor'>,
  ): MemoryCache {
    const { frames, pages, threads, handAlone } = options;
    if (!(Number.isInteger(pages) && pages >= 1 && pages <= PAGES_MAX)) {
      throw new RangeError(`pages must be a whole number from 1 to ${PAGES_MAX}, got ${pages}`);
    }
    const parts = newHandle(optionsFor(frames, threads), { ...wiring, blind: true });
    const words = new Int32Array(parts.control.buffer);
    // Before the first instance of the kernel reads it.
    if (handAlone) words[L.HEADER_PROBATION >> 2] = 0;
    const cache = new MemoryCache({ parts, pages });
    const { kernel } = cache.#attachment;
    kernel.setSize(FILE, pages * PAGE_BYTES);
    kernel.control.fileOpen(FILE, 0, 0, 1, 0, 0);
    return cache;
  }

  static attach(handle: MemoryCacheHandle): MemoryCache {
    return new MemoryCache(handle);
  }

  get frames(): number {
    return this.#attachment.geometry.frames;
  }

  /** Views that showed another page than was asked for. */
  get wrong(): number {
    return this.#wrong;
  }

  /** Views that had to be made again, since the page changed under them: the kernel has counted each of them. */
  get again(): number {
    return this.#again;
  }

  /**
   * Views a page as `viewSync` does, brought in as any page is, and looks whether it is the right one.
   * @throws PinfoldError what a view throws
   */
  touch(page: number): void {
    const { control } = this.#attachment.kernel;
    for (;;) {
      const frame = control.viewOpen(FILE, page | 0);
      if (frame < 0) {
        this.#missed(page, frame);
        continue;
      }
      const right = this.#hasStamp(frame, page);
      if (control.viewClose() !== 1) {
        this.#again++;
        continue;
      }
      if (!right) this.#wrong++;
      return;
    }
  }

  #missed(page: number, status: number): void {
    const { kernel, sync } = this.#attachment;
    if (status === L.MISS) sync.run(bringInMissed(this.#attachment, FILE, page));
    else if (status === L.BUSY) sync.run(waitForClaim(this.#attachment, kernel.out(0) as FrameId));
    else throw pinfoldError('ERR_PINFOLD_PIN_LIMIT', `views are nested too deep for page ${page}`);
  }

  #hasStamp(frame: FrameId, page: number): boolean {
    const bytes = this.#bytes.of(frame);
    let stamp = 0;
    for (let n = STAMP_BYTES - 1; n >= 0; n--) stamp = stamp * 256 + bytes[n]!;
    return stamp === page;
  }

  /** Of all threads. */
  stats(): CacheCounts {
    return countsOf(this.#attachment.kernel);
  }

  queues(): QueueFigures {
    const { kernel } = this.#attachment;
    return {
      admitted: kernel.load(L.HEADER_ADMITTED) >>> 0,
      ghosted: kernel.load(L.HEADER_GHOSTED) >>> 0,
    };
  }

  /** Ends this thread's attachment. */
  detach(): void {
    this.#attachment.kernel.control.detach();
  }
}

/** Options of the smallest cache that has so many frames. */
function optionsFor(frames: number, threads: number): CheckedOptions {
  const of = (memory: number) =>
    checkCacheOptions({
      memory,
      pageSize: PAGE_BYTES,
      maxThreads: threads,
      maxFiles: 1,
      maxPinsPerThread: 1,
    });
  let memory = Math.max(MEMORY_MIN, frames * PAGE_BYTES);
  while (geometryOf(of(memory)).frames < frames) memory += PAGE_BYTES;
  return of(memory);
}
