import type { Attachment } from './attachment';
import { type AsyncDriver, bounded } from './driver/async';
import { ioError, type PinfoldError, pinfoldError, rangeError, show, typeError } from './errors';
import { copyOut } from './kernel/copyOut';
import { formatWith } from './kernel/format';
import type { Control, FileId, FrameId, PageBytes, PinSlot } from './kernel/kernel';
import * as L from './kernel/layout';
import { lifeError } from './life';
import {
  type Access,
  type CheckedFsync,
  type CheckedRange,
  checkFsyncOptions,
  checkUpdateRange,
  checkWaitOptions,
  type FsyncOptions,
  type OpenOptions,
  splitSignal,
  UPDATE_TIMEOUT_MS,
  type UpdateRange,
  type Waiter,
  type WaitOptions,
} from './options';
import { Page, type PageSource, type PinMode } from './page';
import { type CopyPart, copyWhole } from './protocol/copy';
import { Patience, type Protocol, serviceClass } from './protocol/effects';
import { acquire, bringIn, pinError, waitForClaim } from './protocol/fill';
import {
  fsyncByService,
  fsyncRound,
  type Outcome,
  openTicket,
  type PinnedPages,
  waitForWritePins,
} from './protocol/fsync';
import { Readahead } from './protocol/readahead';
import { bringInRun, longestRun, type Run } from './protocol/run';
import { isPressed, pagesBetweenLooks, throttle } from './protocol/throttle';
import { truncateByService } from './protocol/truncate';
import {
  beginUpdate,
  isEndGood,
  prepareUpdate,
  reentrant,
  updateError,
  waitForCut,
  waitForUpdate,
} from './protocol/update';
import type { SyncReport } from './syncReport';
import type { Traces } from './traces';

/** What the cache gives its files. @internal */
export interface FileContext {
  readonly attachment: Attachment;
  readonly driver: AsyncDriver;
  /** Rounds that this thread has asked for and nobody has closed yet, by file: later callers join them. */
  readonly rounds: Map<FileId, { ticket: number; outcome: Promise<Outcome> }>;
  readonly isClosed: () => boolean;
  readonly onClose: (file: CachedFile) => void;
  /** Stacks of pins, if they are traced. */
  readonly traces?: Traces | undefined;
}

/** How often a page is copied in vain before other updates are kept from it. */
const COPY_TRIES = 16;
/** How often a view is tried before it reads a pinned page instead. */
const VIEW_TRIES = 8;
/** Page indexes are 32-bit: files up to 16 TiB with pages of 4 KiB. */
const PAGES_MAX = 2 ** 32;
/** If nobody has looked for the dead for so long, a call that is slow anyway does, in ms. */
const LOOK_MS = 1000;
/** Runs that one prefetch has under way at a time: one is asked for while another is read. */
const PREFETCH_WIDTH = 2;
/** What a write's update comes to if a truncate under way had made the size final that it wanted to raise. */
const REFUSED = -1;

/** An open file of the cache, for the thread that opened it. Other threads open it for themselves and share its pages. */
export class CachedFile {
  /** The path it was opened by. */
  readonly path: string;
  readonly mode: 'r' | 'r+';
  /** Bytes a page: 8 less than the cache's pages have, if the file has checksums. */
  readonly pageSize: number;
  readonly checksum: 'none' | 'crc32c';
  /** Whether it is read and written past the system's cache. */
  readonly direct: boolean;
  readonly access: Access;
  readonly #context: FileContext;
  readonly #attachment: Attachment;
  readonly #control: Control;
  readonly #bytes: PageBytes;
  /** The bytes of this file's pages, by frame, where this thread has touched it; see `#pageOf`. */
  readonly #views: readonly (Uint8Array | undefined)[];
  /** Where pins of this file find their bytes. */
  readonly #source: PageSource;
  readonly #id: FileId;
  readonly #ahead: Readahead;
  /** The page whose use asks for the next ones ahead of need; -1: none. A copy of `#ahead`'s: hits look here. */
  #trigger = -1;
  #closed = false;
  /** Errors from outside of rounds that this handle has told of. */
  #errorsSeen: number;
  /** Pages dirtied by this handle since it looked at the limits; and how many it dirties between two looks. */
  #sinceLook = 0;
  readonly #lookEvery: number;
  /** The file was opened with a torn end, and may have it still: looked at before pages are put behind it. */
  #endInDoubt: boolean;
  #lastRange: UpdateRange | undefined;
  #lastChecked: CheckedRange;
  readonly #wholePage: CheckedRange;
  readonly #namedRange: CheckedRange;

  /** @internal */
  constructor(context: FileContext, id: FileId, path: string, options: Required<OpenOptions>) {
    this.#context = context;
    this.#attachment = context.attachment;
    this.#control = context.attachment.kernel.control;
    this.#bytes = context.attachment.bytes;
    this.#id = id;
    this.path = path;
    this.mode = options.mode;
    this.checksum = options.checksum;
    this.direct = options.direct;
    this.access = options.access;
    this.#ahead = new Readahead(context.attachment, id, options.access);
    const { checksummed, payload } = formatWith(this.#attachment.geometry, options.checksum === 'crc32c');
    this.pageSize = payload;
    this.#views = checksummed ? this.#bytes.payloads : this.#bytes.views;
    this.#source = {
      kernel: this.#attachment.kernel,
      control: context.traces?.control ?? this.#control,
      bytes: checksummed ? { of: (frame) => this.#pageOf(frame) } : this.#bytes,
    };
    this.#lookEvery = pagesBetweenLooks(this.#attachment);
    const whole = { offset: 0, length: this.pageSize, timeout: UPDATE_TIMEOUT_MS };
    this.#wholePage = { ...whole, named: false, extends: false };
    this.#lastChecked = this.#wholePage;
    this.#namedRange = { ...whole, named: true, extends: true };
    this.#errorsSeen = this.#attachment.kernel.fileWord(id, L.FILE_ERROR_SEQ);
    this.#endInDoubt = (this.#attachment.kernel.fileWord(id, L.FILE_FLAGS) & L.FLAG_TORN) !== 0;
  }

  /** The file's size in bytes, what was written and not yet synced included. */
  get size(): number {
    this.#check();
    return this.#attachment.kernel.size(this.#id);
  }

  // -- view ----------------------------------------------------------------------------------------------------------

  /**
   * Reads a page in place: calls `fn` with its bytes (in shared memory: don't store, don't keep) and returns what `fn`
   * returns. `fn` may run more than once, since the page may change meanwhile; only a run that saw it whole counts. A
   * fixed function and an `arg` are faster than a fresh closure. Throws ERR_PINFOLD_CALLBACK if `fn` returns a promise.
   */
  viewSync<T>(index: number, fn: (bytes: Uint8Array) => T): T;
  viewSync<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg: A): T;
  viewSync<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg?: A): T {
    if (this.#closed || !isPageIndex(index) || index === this.#trigger) this.#haltAt(index);
    const control = this.#control;
    const frame = control.viewOpen(this.#id, index | 0);
    if (frame >= 0) {
      let result: T;
      try {
        result = fn(this.#views[frame] ?? this.#pageOf(frame), arg as A);
      } catch (error) {
        if (control.viewClose() === 1) throw error;
        return this.#viewAgain(index, fn, arg as A); // it may have thrown over bytes that were never together
      }
      if (control.viewClose() === 1) {
        if (isThenable(result)) throw notSynchronous('view');
        return result;
      }
    } else this.#viewMissed(index, frame);
    return this.#viewAgain(index, fn, arg as A);
  }

  /** The view's further tries: in place a few times, then on a pinned page, from a copy. */
  #viewAgain<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg: A): T {
    const control = this.#control;
    for (let n = 1; n < VIEW_TRIES; n++) {
      const frame = control.viewOpen(this.#id, index | 0);
      if (frame < 0) {
        this.#viewMissed(index, frame);
        continue;
      }
      let result: T;
      try {
        result = fn(this.#pageOf(frame), arg);
      } catch (error) {
        if (control.viewClose() === 1) throw error;
        continue;
      }
      if (control.viewClose() !== 1) continue;
      if (isThenable(result)) throw notSynchronous('view');
      return result;
    }
    const slot = this.#attachment.sync.run(this.#acquire(index, 'read', true));
    return this.#viewPinned(slot, fn, arg);
  }

  /** As `viewSync`; a page that is not in the cache is brought in by a service thread. */
  view<T>(index: number, fn: (bytes: Uint8Array) => T): Promise<T>;
  view<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg: A, options?: WaitOptions): Promise<T>;
  async view<T, A>(
    index: number,
    fn: (bytes: Uint8Array, arg: A) => T,
    arg?: A,
    options?: WaitOptions,
  ): Promise<T> {
    this.#check();
    this.#checkIndex(index);
    const waiter = checkWaitOptions(options, 'view');
    if (this.#attachment.kernel.control.lookup(this.#id, index | 0) >= 0) {
      const slot = this.#attachment.kernel.control.pin(this.#id, index | 0);
      if (slot >= 0) return this.#viewHeld(slot, index, fn, arg as A);
    }
    const slot = await this.#run(this.#acquire(index, 'read', false), waiter, this.#giveBack);
    return this.#viewHeld(slot, index, fn, arg as A);
  }

  /** A view of a page that a pin keeps in the cache, so that it can't miss. Drops the pin. */
  #viewHeld<T, A>(slot: PinSlot, index: number, fn: (bytes: Uint8Array, arg: A) => T, arg: A): T {
    try {
      return this.viewSync(index, fn, arg);
    } finally {
      this.#attachment.kernel.control.unpin(slot, 0);
    }
  }

  #viewPinned<T, A>(slot: PinSlot, fn: (bytes: Uint8Array, arg: A) => T, arg: A): T {
    const result = fn(this.#copyPinned(slot), arg);
    if (isThenable(result)) throw notSynchronous('view');
    return result;
  }

  /** A whole copy of the pinned page, whatever updates do. Drops the pin. */
  #copyPinned(slot: PinSlot): Uint8Array {
    const { kernel } = this.#attachment;
    const copy = new Uint8Array(this.#attachment.geometry.pageSize);
    const page = copy.subarray(0, this.pageSize);
    const part: CopyPart = (from, offset, length) =>
      copyOut(this.#bytes.of(from), offset, copy, offset, length);
    // An update that lasts does not stand in the way: its before-image does. Only one that ends during the copy does; if
    // that goes on and on, UPDATING is taken for the copy. It is never held around a user's function.
    const frame = kernel.frameOfPin(slot);
    for (let tries = 0; ; tries++) {
      if (copyWhole(this.#attachment, frame, part)) break;
      if (tries < COPY_TRIES || kernel.control.updateBegin(slot) < 0) continue;
      part(frame, 0, this.pageSize);
      kernel.control.updateAbort(); // drops the pin too
      return page;
    }
    kernel.control.unpin(slot, 0);
    return page;
  }

  /** The bytes of this file's page in the frame. */
  #pageOf(frame: FrameId): Uint8Array {
    return this.checksum === 'none' ? this.#bytes.of(frame) : this.#bytes.payload(frame, this.pageSize);
  }

  /** What a view or a read does about a page that it can't look at; `pages`: how many it needs, from this one on. */
  #viewMissed(index: number, status: number, pages = 1): void {
    const { kernel, sync } = this.#attachment;
    const frame = kernel.out(0) as FrameId; // before any other call: each has results of its own
    this.#checkIndex(index);
    if (status === L.MISS) sync.run(this.#missed(index, pages, true));
    else if (status === L.BUSY) {
      if (kernel.control.updates(frame) === 1) throw reentrant('view', index);
      sync.run(waitForClaim(this.#attachment, frame));
    } else throw pinfoldError('ERR_PINFOLD_CALLBACK', `views nest ${L.VIEW_DEPTH} deep at the most`);
  }

  // -- pin -----------------------------------------------------------------------------------------------------------

  /**
   * Pins a page: it stays in its frame, at one address, until `unpin`. Mode 'write' lets something outside the program's
   * control store into `page.bytes` meanwhile. Throws ERR_PINFOLD_RANGE past the last page (extend by `write`),
   * ERR_PINFOLD_READ_ONLY, ERR_PINFOLD_PIN_LIMIT, ERR_PINFOLD_FULL, ERR_PINFOLD_IO, ERR_PINFOLD_CHECKSUM.
   */
  pinSync(index: number, mode?: 'read'): Page<'read'>;
  pinSync(index: number, mode: 'write'): Page<'write'>;
  pinSync(index: number, mode?: PinMode): Page;
  pinSync(index: number, mode: PinMode = 'read'): Page {
    if (mode === 'write' && ++this.#sinceLook >= this.#lookEvery) this.#paceSync();
    const slot = this.#pinHit(index, mode);
    if (slot !== undefined) return new Page(this.#source, slot, index, mode);
    const acquired = this.#attachment.sync.run(this.#acquire(index, mode, true));
    return new Page(this.#source, acquired, index, mode);
  }

  /** As `pinSync`; a page that is not in the cache is brought in by a service thread. */
  pin(index: number, mode?: 'read', options?: WaitOptions): Promise<Page<'read'>>;
  pin(index: number, mode: 'write', options?: WaitOptions): Promise<Page<'write'>>;
  pin(index: number, mode?: PinMode, options?: WaitOptions): Promise<Page>;
  async pin(index: number, mode: PinMode = 'read', options?: WaitOptions): Promise<Page> {
    const waiter = checkWaitOptions(options, 'pin');
    if (mode === 'write' && ++this.#sinceLook >= this.#lookEvery) await this.#pace(waiter);
    const hit = this.#pinHit(index, mode);
    if (hit !== undefined) return new Page(this.#source, hit, index, mode);
    const slot = await this.#run(this.#acquire(index, mode, false), waiter, this.#giveBack);
    return new Page(this.#source, slot, index, mode);
  }

  /** Pins a page that is in the cache; undefined if it is not, or is just being brought in. */
  tryPin(index: number, mode?: 'read'): Page<'read'> | undefined;
  tryPin(index: number, mode: 'write'): Page<'write'> | undefined;
  tryPin(index: number, mode?: PinMode): Page | undefined;
  tryPin(index: number, mode: PinMode = 'read'): Page | undefined {
    const slot = this.#pinHit(index, mode);
    if (slot !== undefined) return new Page(this.#source, slot, index, mode);
    this.#control.bump(L.COUNT_MISSES);
    return undefined;
  }

  #pinHit(index: number, mode: PinMode): PinSlot | undefined {
    this.#check();
    if (mode !== 'read') this.#checkWriteMode(mode);
    if (!isPageIndex(index)) throw this.#badIndex(index);
    if (index === this.#trigger) this.#reached();
    const control = this.#control;
    const slot = control.pin(this.#id, index | 0);
    if (slot >= 0) {
      if (mode === 'read') return slot;
      const pastEnd = index * this.pageSize >= this.#attachment.kernel.size(this.#id); // as in `acquire`
      const status = pastEnd ? L.GONE : control.makeWritePin(slot);
      if (status === 0) return slot;
      control.unpin(slot, 0);
      if (status !== L.GONE) throw pinError(this.#attachment, index, L.PIN_COUNT_FULL, 'write');
    }
    if (slot >= 0 || slot === L.MISS || slot === L.BUSY) {
      this.#checkIndex(index); // a page in the cache is within the file, or will be; only now is the size worth a look
      return undefined;
    }
    throw pinError(this.#attachment, index, slot);
  }

  // -- read and write ------------------------------------------------------------------------------------------------

  /** Reads bytes from `position` into `target`: how many, fewer than `target.length` at the end of the file. */
  readSync(target: Uint8Array, position: number): number {
    this.#check();
    checkBytes('target', target);
    checkPosition(position);
    const length = this.#readable(target, position);
    for (let done = 0; done < length; ) {
      const n = this.#readPage(target, done, length, position + done);
      if (n === 0) return done;
      done += n;
    }
    return length;
  }

  /**
   * As `readSync`; pages that are not in the cache are brought in by a service thread. Once it was aborted nothing more is
   * stored into `target`.
   */
  async read(target: Uint8Array, position: number, options?: WaitOptions): Promise<number> {
    this.#check();
    checkBytes('target', target);
    checkPosition(position);
    const waiter = checkWaitOptions(options, 'read');
    const length = this.#readable(target, position);
    for (let done = 0; done < length; ) {
      const index = Math.floor((position + done) / this.pageSize);
      // Under a pin, so that nothing of it can miss or wait in place.
      let slot: PinSlot;
      try {
        if (index === this.#trigger) this.#reached();
        slot = await this.#run(
          this.#acquire(index, 'read', false, this.#pagesOf(position + done, length - done)),
          waiter,
          this.#giveBack,
        );
      } catch (error) {
        if (isRangeError(error)) return done;
        throw error;
      }
      try {
        const n = this.#readPage(target, done, length, position + done);
        if (n === 0) return done;
        done += n;
      } finally {
        this.#control.unpin(slot, 0);
      }
    }
    return length;
  }

  /** How many bytes a read gets. */
  #readable(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#attachment.kernel.size(this.#id) - position));
    if (length > 0 && position + length > PAGES_MAX * this.pageSize) {
      throw rangeError(
        'ERR_PINFOLD_RANGE',
        `a read of ${length} bytes at ${position} ends past the largest file that pages of ${this.pageSize} bytes can number`,
      );
    }
    return length;
  }

  /** Copies what one page has of the range: the bytes copied; 0 if a truncate has made the file end before them. */
  #readPage(target: Uint8Array, done: number, length: number, position: number): number {
    const index = Math.floor(position / this.pageSize);
    const from = position - index * this.pageSize;
    const n = Math.min(this.pageSize - from, length - done);
    if (index === this.#trigger) this.#reached();
    const control = this.#control;
    for (let tries = 0; tries < VIEW_TRIES; tries++) {
      const frame = control.viewOpen(this.#id, index | 0);
      if (frame < 0) {
        try {
          this.#viewMissed(index, frame, this.#pagesOf(position, length - done));
        } catch (error) {
          if (isRangeError(error)) return 0;
          throw error;
        }
        continue;
      }
      copyOut(this.#bytes.of(frame), from, target, done, n);
      if (control.viewClose() === 1) return this.#within(position, n);
    }
    const slot = this.#attachment.sync.run(this.#acquire(index, 'read', true));
    copyOut(this.#copyPinned(slot), from, target, done, n);
    return this.#within(position, n);
  }

  /** How many of `n` bytes just copied are in the file: a truncate publishes its size before it zeroes what is behind. */
  #within(position: number, n: number): number {
    return Math.max(0, Math.min(n, this.#attachment.kernel.size(this.#id) - position));
  }

  /**
   * Writes all of `source` at `position` into the cache: how many bytes. Extends the file if it ends behind. What is
   * written is on stable storage when an `fsync` called afterwards resolves.
   */
  writeSync(source: Uint8Array, position: number): number {
    this.#checkWrite(source, position);
    const total = source.length;
    for (let done = 0; done < total; ) {
      const { index, range } = this.#partOf(total, done, position + done);
      const at = done;
      done += this.#extendingSync(index, range, position + at, (frame) =>
        this.#writePart(frame, range, source, at, position + at),
      );
    }
    return total;
  }

  /**
   * As `writeSync`; pages that are not in the cache are brought in by a service thread. If it is aborted, the pages that it
   * had come to before are written, and no others.
   */
  async write(source: Uint8Array, position: number, options?: WaitOptions): Promise<number> {
    this.#checkWrite(source, position);
    const waiter = checkWaitOptions(options, 'write');
    const total = source.length;
    for (let done = 0; done < total; ) {
      const { index, range } = this.#partOf(total, done, position + done);
      const at = done;
      done += await this.#begin(
        index,
        range,
        (frame) => this.#writePart(frame, range, source, at, position + at),
        position + at,
        waiter,
      );
    }
    return total;
  }

  /**
   * Gives the file a size, in bytes. Cutting drops the pages beyond it at once, also those that are pinned: such a pin still
   * holds its bytes, which belong to no file any more. Extending adds zeros. The new size is on stable storage when an
   * `fsync` called afterwards resolves. Throws ERR_PINFOLD_UPDATE_TIMEOUT if an update of the new last page does not end,
   * ERR_PINFOLD_IO if the system refuses: then the file is as it was, and nothing is lost.
   */
  truncateSync(size: number): void {
    this.#checkTruncate(size);
    while (this.#mayCut(size)) {
      this.#attachment.sync.run(this.#cut(size));
      if (size <= this.size) return;
    }
    const { index, range } = this.#partOf(1, 0, size - 1);
    this.#extendingSync(index, range, size, (frame) => this.#change(frame, range, size, () => 0));
  }

  /**
   * As `truncateSync`; the work is done by a service thread. If it is aborted while the file is being cut, that goes on.
   */
  async truncate(size: number, options?: WaitOptions): Promise<void> {
    this.#checkTruncate(size);
    const waiter = checkWaitOptions(options, 'truncate');
    while (this.#mayCut(size)) {
      await this.#run(this.#cut(size), waiter);
      if (size <= this.size) return;
    }
    const { index, range } = this.#partOf(1, 0, size - 1);
    await this.#begin(index, range, (frame) => this.#change(frame, range, size, () => 0), size, waiter);
  }

  /**
   * Whether giving the file `size` bytes may be cutting it. While another truncate is under way that is not known: the size that it has published
   * comes back to what it was if the system refuses. The cut lock is to be waited for then.
   */
  #mayCut(size: number): boolean {
    const { kernel } = this.#attachment;
    const seq = kernel.fileWord(this.#id, L.FILE_CUT_SEQ);
    return (seq & 1) !== 0 || size <= this.size || kernel.fileWord(this.#id, L.FILE_CUT_SEQ) !== seq;
  }

  #cut(size: number): Protocol<void> {
    return truncateByService(this.#attachment, this.#id, size, this.path, UPDATE_TIMEOUT_MS);
  }

  #checkTruncate(size: number): void {
    this.#checkLife();
    this.#checkWriteMode('write');
    if (typeof size !== 'number') {
      throw typeError('ERR_PINFOLD_ARGUMENT', `size must be a number of bytes, got ${show(size)}`);
    }
    const most = Math.min(Number.MAX_SAFE_INTEGER, PAGES_MAX * this.pageSize);
    if (!Number.isSafeInteger(size) || size < 0 || size > most) {
      throw rangeError(
        'ERR_PINFOLD_RANGE',
        `size must be a whole number from 0 to ${most}, got ${show(size)}`,
      );
    }
  }

  /** Zeroes the rest of the file's last page if what is about to be written leaves a gap behind it. */
  #zeroGapSync(position: number): void {
    const tail = this.#tailBefore(position);
    if (tail === undefined) return;
    this.#extendingSync(tail, this.#namedRange, 0, (frame) => this.#zeroTail(frame, tail, position));
  }

  async #zeroGap(position: number, waiter: Waiter | undefined): Promise<void> {
    const tail = this.#tailBefore(position);
    if (tail === undefined) return;
    const zero = (frame: FrameId) => this.#zeroTail(frame, tail, position);
    await this.#begin(tail, this.#namedRange, zero, 0, waiter);
  }

  /** The page that holds the file's end, if a write at `position` leaves a gap behind it. */
  #tailBefore(position: number): number | undefined {
    const size = this.#attachment.kernel.size(this.#id);
    return position <= size || size % this.pageSize === 0 ? undefined : Math.floor(size / this.pageSize);
  }

  /**
   * Zeroes the page of the update just begun from the file's end on, as far as the gap before `position` goes: a write
   * pin may have left bytes there. The end is read now, under UPDATING: another thread may have extended the file.
   */
  #zeroTail(frame: FrameId, index: number, position: number): number {
    const size = this.#attachment.kernel.size(this.#id);
    const start = index * this.pageSize;
    const end = Math.min(position, start + this.pageSize);
    if (size >= end || size < start) {
      this.#undoExtension(frame);
      return 0;
    }
    const range = { ...this.#namedRange, offset: size - start, length: end - size };
    return this.#change(frame, range, end, (page) => {
      page.fill(0, size - start, end - start);
      return 0;
    });
  }

  /** The part of a write of `total` bytes, `done` of them done, that falls on one page. */
  #partOf(total: number, done: number, position: number): { index: number; range: CheckedRange } {
    const index = Math.floor(position / this.pageSize);
    const offset = position - index * this.pageSize;
    const length = Math.min(this.pageSize - offset, total - done);
    return { index, range: { offset, length, timeout: UPDATE_TIMEOUT_MS, named: true, extends: true } };
  }

  /** Fills the range of the update just begun from the source, and commits it: the bytes written, or REFUSED. */
  #writePart(
    frame: FrameId,
    range: CheckedRange,
    source: Uint8Array,
    done: number,
    position: number,
  ): number {
    const { offset, length } = range;
    return this.#change(frame, range, position + length, (page) => {
      if (done + length > source.length) {
        throw typeError('ERR_PINFOLD_ARGUMENT', 'source was detached or shrunk while it was being written');
      }
      page.set(length === source.length ? source : source.subarray(done, done + length), offset);
      return length;
    });
  }

  /**
   * Does an update that may extend the file, in place: again, if a truncate came between. The gap before `from`, if the
   * file ends before it, is zeroed first, and looked for again under UPDATING: from then on a truncate is noticed.
   */
  #extendingSync(index: number, range: CheckedRange, from: number, work: (frame: FrameId) => number): number {
    for (;;) {
      if (this.#endInDoubt && this.#attachment.sync.run(this.#isEndGood(index))) this.#endInDoubt = false;
      this.#zeroGapSync(from);
      if (++this.#sinceLook >= this.#lookEvery) this.#paceSync();
      const frame = this.#beginSync(index, range);
      if (this.#tailBefore(from) !== undefined) {
        this.#undoExtension(frame);
        continue;
      }
      const result = work(frame);
      if (result !== REFUSED) return result;
      this.#attachment.sync.run(waitForCut(this.#attachment, this.#id, this.#patienceForCut()));
    }
  }

  #isEndGood(index: number): Protocol<boolean> {
    return isEndGood(this.#attachment, this.#id, index, this.#patienceForCut());
  }

  #patienceForCut(): Patience {
    return new Patience(this.#attachment, 'a truncate');
  }

  // -- update --------------------------------------------------------------------------------------------------------

  /**
   * Changes a page: calls `fn` with the bytes of `range` (the whole page if none is named), which it may change, and
   * returns what `fn` returns. Exclusive among updates and writes of the page; invisible to views, reads and fsync until
   * it ends; undone if `fn` throws. Updates of different pages nest, four deep. Throws ERR_PINFOLD_REENTRANT inside an
   * update of the same page, ERR_PINFOLD_UPDATE_TIMEOUT if another's update does not end, ERR_PINFOLD_RANGE_REQUIRED if
   * the page has write pins and no range is named, ERR_PINFOLD_CALLBACK if `fn` returns a promise (it is undone then).
   */
  updateSync<T>(index: number, fn: (bytes: Uint8Array) => T): T;
  updateSync<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg: A, range?: UpdateRange): T;
  updateSync<T, A>(index: number, fn: (bytes: Uint8Array, arg: A) => T, arg?: A, range?: UpdateRange): T {
    if (this.#closed || this.mode === 'r' || !isPageIndex(index)) this.#refuseUpdate(index);
    const checked = this.#rangeOf(range);
    if (++this.#sinceLook >= this.#lookEvery) this.#paceSync();
    return this.#update(this.#beginSync(index, checked), checked, fn, arg as A);
  }

  /**
   * As `updateSync`; a page that is not in the cache is brought in by a service thread. Once it was aborted `fn` is not
   * called any more.
   */
  update<T>(index: number, fn: (bytes: Uint8Array) => T): Promise<T>;
  update<T, A>(
    index: number,
    fn: (bytes: Uint8Array, arg: A) => T,
    arg: A,
    options?: UpdateRange & WaitOptions,
  ): Promise<T>;
  async update<T, A>(
    index: number,
    fn: (bytes: Uint8Array, arg: A) => T,
    arg?: A,
    options?: UpdateRange & WaitOptions,
  ): Promise<T> {
    if (this.#closed || this.mode === 'r' || !isPageIndex(index)) this.#refuseUpdate(index);
    const [range, waiter] = splitSignal(options, 'update');
    const checked = this.#rangeOf(range);
    this.#checkIndex(index);
    const work = (frame: FrameId) => this.#update(frame, checked, fn, arg as A);
    return await this.#begin(index, checked, work, 0, waiter);
  }

  /** The range, checked. One that was checked by the last call, and has not changed, is taken as it is. */
  #rangeOf(range: UpdateRange | undefined): CheckedRange {
    if (range === undefined) return this.#wholePage;
    if (typeof range !== 'object' || range === null) return checkUpdateRange(range, this.pageSize); // which refuses it
    const last = this.#lastChecked;
    const { offset, length, timeout } = range;
    const same = range === this.#lastRange && offset === last.offset && length === last.length;
    if (same && timeout === undefined) return last;
    const checked = checkUpdateRange(range, this.pageSize);
    // Only a range of nothing but two numbers: a timeout may have changed unseen.
    if (timeout === undefined && offset === checked.offset && length === checked.length) {
      this.#lastRange = range;
      this.#lastChecked = checked;
    }
    return checked;
  }

  #refuseUpdate(index: number): never {
    this.#check();
    this.#checkWriteMode('write');
    throw this.#badIndex(index);
  }

  /** Begins an update in place: its page's frame, with UPDATING and a pin this thread's, and its undo frame in OUT[2]. */
  #beginSync(index: number, range: CheckedRange): FrameId {
    const frame = this.#control.updateOpen(this.#id, index | 0);
    if (frame >= 0) {
      this.#checkBegun(index, range);
      return frame;
    }
    if (!range.extends) this.#checkIndex(index);
    const attachment = this.#attachment;
    const level = attachment.sync.run(beginUpdate(attachment, this.#id, index, range.timeout, range.extends));
    this.#checkBegun(index, range);
    return attachment.kernel.frameOfUpdate(level);
  }

  /**
   * Begins an update on an event loop and does `work` at once: UPDATING spans no turn of it, not even a microtask. `from`:
   * as for `#extendingSync`.
   */
  async #begin<T>(
    index: number,
    range: CheckedRange,
    work: (frame: FrameId) => T,
    from: number,
    waiter: Waiter | undefined,
  ): Promise<T> {
    const attachment = this.#attachment;
    const end = performance.now() + range.timeout;
    for (;;) {
      if (this.#endInDoubt && range.extends && (await this.#run(this.#isEndGood(index), waiter)))
        this.#endInDoubt = false;
      if (this.#tailBefore(from) !== undefined) await this.#zeroGap(from, waiter);
      if (++this.#sinceLook >= this.#lookEvery) await this.#pace(waiter);
      const preparing = prepareUpdate(attachment, this.#id, index, range.extends);
      const slot = await this.#run(preparing, waiter, this.#giveBack);
      const status = this.#control.updateBegin(slot);
      if (status >= 0) {
        this.#checkBegun(index, range);
        const frame = attachment.kernel.frameOfUpdate(status);
        if (this.#tailBefore(from) !== undefined) {
          this.#undoExtension(frame);
          continue;
        }
        const result = work(frame);
        if (!range.extends || result !== REFUSED) return result;
        await this.#run(waitForCut(attachment, this.#id, this.#patienceForCut()), waiter);
        continue;
      }
      const frame = attachment.kernel.out(0) as FrameId;
      try {
        if (status === L.BUSY)
          await this.#run(waitForUpdate(attachment, frame, index, end, range.timeout), waiter);
      } finally {
        this.#control.unpin(slot, 0);
      }
      if (status === L.BUSY) continue;
      if (status !== L.GONE) throw updateError(status, index);
      if (!range.extends) this.#checkIndex(index); // cut off by a truncate since the lookup
    }
  }

  /**
   * Whether the update just begun may go on; else it is undone. A page past the end may be in the cache: another thread is
   * extending the file, and may come to nothing.
   */
  #checkBegun(index: number, range: CheckedRange): void {
    if (!range.named && this.#attachment.kernel.out(1) !== 0) this.#refuseUnnamed(index);
    if (!range.extends && index * this.pageSize >= this.#attachment.kernel.size(this.#id)) {
      this.#control.updateAbort();
      throw this.#badIndex(index);
    }
  }

  #refuseUnnamed(index: number): never {
    this.#control.updateAbort();
    throw pinfoldError(
      'ERR_PINFOLD_RANGE_REQUIRED',
      `page ${index} has write pins: an update must name the range that it changes ({ offset, length })`,
    );
  }

  /** Runs the user's function in the update just begun, and commits it. Whatever is thrown on the way undoes it. */
  #update<T, A>(frame: FrameId, range: CheckedRange, fn: (bytes: Uint8Array, arg: A) => T, arg: A): T {
    const { offset, length } = range;
    const packed = (offset << 16) | (length - 1);
    const bytes = this.#bytes;
    const control = this.#control;
    let result: T;
    try {
      bytes.copyRange(frame, this.#undoFrame(), offset, length);
      control.updatePublish(packed, 0, 0);
      result = fn(bytes.part(frame, packed), arg);
      if (isThenable(result)) throw notSynchronous('update');
    } catch (error) {
      this.#attachment.undoUpdate();
      throw error;
    }
    control.updateCommit();
    return result;
  }

  /**
   * As `#update` for a write's part: `change` gets the whole page. `size`: what the file's size must be at least
   * afterwards. REFUSED if a truncate has made the size final: undone, to be made again.
   */
  #change(
    frame: FrameId,
    { offset, length }: CheckedRange,
    size: number,
    change: (page: Uint8Array) => number,
  ): number {
    const control = this.#control;
    let result: number;
    try {
      this.#bytes.copyRange(frame, this.#undoFrame(), offset, length);
      control.updatePublish((offset << 16) | (length - 1), size | 0, Math.floor(size / 2 ** 32));
      result = change(this.#bytes.of(frame));
    } catch (error) {
      this.#undoExtension(frame);
      throw error;
    }
    if (control.updateCommit() === 1) return result;
    this.#undoExtension(frame);
    return REFUSED;
  }

  /** Undoes a write's update. A page past the file's end was brought in for it alone, and goes. */
  #undoExtension(frame: FrameId): void {
    const { kernel } = this.#attachment;
    const start = (kernel.frameWord(frame, L.FRAME_INDEX) >>> 0) * this.pageSize;
    this.#attachment.undoUpdate();
    if (start >= kernel.size(this.#id)) this.#control.evict(frame);
  }

  /** The undo frame of the update just begun: OUT[2], as long as no other call of the kernel came between. */
  #undoFrame(): FrameId {
    return this.#attachment.kernel.out(2) as FrameId;
  }

  // -- pacing --------------------------------------------------------------------------------------------------------

  /** Now and then: rings for flushers above the background limit; true above the limit where a writer cleans some itself. */
  #isPaced(): boolean {
    const attachment = this.#attachment;
    const { dirtyBackgroundRatio, dirtyRatio } = attachment.options;
    this.#sinceLook = 0;
    if (!isPressed(attachment, this.#id, dirtyBackgroundRatio)) return false;
    this.#control.ring(serviceClass.flushers);
    return isPressed(attachment, this.#id, dirtyRatio) && this.#control.updateDepth() === 0;
  }

  #paceSync(): void {
    if (!this.#isPaced()) return;
    const started = performance.now();
    if (this.#attachment.sync.run(throttle(this.#attachment, this.#id))) this.#throttled(started);
  }

  async #pace(waiter: Waiter | undefined): Promise<void> {
    if (!this.#isPaced()) return;
    const started = performance.now();
    if (await this.#run(throttle(this.#attachment, this.#id), waiter)) this.#throttled(started);
  }

  /** Looks again with the next page, until the limit is not passed any more, or there is nothing to clean. */
  #throttled(started: number): void {
    this.#attachment.observer?.throttled(performance.now() - started);
    this.#sinceLook = this.#lookEvery - 1;
  }

  #checkWrite(source: Uint8Array, position: number): void {
    this.#check();
    this.#checkWriteMode('write');
    checkBytes('source', source);
    checkPosition(position);
    const end = position + source.length;
    if (end > PAGES_MAX * this.pageSize || !Number.isSafeInteger(end)) {
      throw rangeError(
        'ERR_PINFOLD_RANGE',
        `a write of ${source.length} bytes at ${position} ends past the largest file`,
      );
    }
  }

  // -- ahead of need -------------------------------------------------------------------------------------------------

  #acquire(index: number, mode: 'read' | 'write', inPlace: boolean, pages = 1): Protocol<PinSlot> {
    const missed = () => this.#missed(index, pages, inPlace);
    return acquire(this.#attachment, this.#id, index, mode, false, missed);
  }

  *#missed(index: number, pages: number, inPlace: boolean): Protocol<void> {
    try {
      yield* this.#ahead.missed(index, pages, inPlace);
    } finally {
      this.#trigger = this.#ahead.trigger;
    }
  }

  #reached(): void {
    this.#ahead.reached();
    this.#trigger = this.#ahead.trigger;
  }

  /** How many pages `length` bytes at `position` are on. */
  #pagesOf(position: number, length: number): number {
    return Math.ceil((position + length) / this.pageSize) - Math.floor(position / this.pageSize);
  }

  /** Brings pages into the cache: those of `count` from `index` on that the file has. */
  async prefetch(index: number, count: number, options?: WaitOptions): Promise<void> {
    const waiter = checkWaitOptions(options, 'prefetch');
    const runs = this.#absent(index, count);
    const work = async () => {
      for (let run = runs.next(); !run.done; run = runs.next()) {
        await this.#run(bringInAll(this.#attachment, this.#id, run.value), waiter);
      }
    };
    await Promise.all(Array.from({ length: PREFETCH_WIDTH }, work));
  }

  /** As `prefetch`, in place. */
  prefetchSync(index: number, count: number): void {
    for (const run of this.#absent(index, count)) {
      this.#attachment.sync.run(bringInAll(this.#attachment, this.#id, run));
    }
  }

  /** Runs of those pages that are not in the cache when their turn comes. */
  *#absent(index: number, count: number): Generator<Run, undefined> {
    this.#check();
    if (!isPageIndex(index)) throw this.#badIndex(index);
    if (!Number.isSafeInteger(count) || count < 0) {
      throw rangeError('ERR_PINFOLD_RANGE', `count must be a whole number from 0 on, got ${show(count)}`);
    }
    const { control } = this.#attachment.kernel;
    const end = Math.min(index + count, Math.ceil(this.size / this.pageSize));
    const isAbsent = (page: number) => page < end && control.lookup(this.#id, page | 0) < 0;
    const longest = longestRun(this.#attachment, 1);
    const once = this.access === 'once';
    for (let first = index; first < end; ) {
      let pages = 0;
      while (pages < longest && isAbsent(first + pages)) pages++;
      if (pages > 0) yield { first, count: pages, stride: 1, demanded: pages, once };
      first += Math.max(1, pages);
    }
  }

  // -- fsync ---------------------------------------------------------------------------------------------------------

  /**
   * Makes every byte stable that was stored by a write, or under a write pin dropped, before this call, whichever thread's.
   * A page that is dirty while it is write-pinned is written from a copy, as it is now; once its pins drop it is dirty again,
   * whatever was stored under them. Rejects with
   * ERR_PINFOLD_IO if something could not be written: then it is dirty still, and the next fsync that resolves means what
   * it says. An error from the background since the last fsync of this handle is reported here, once.
   */
  async fsync(options?: FsyncOptions): Promise<SyncReport> {
    this.#checkLife();
    const checked = checkFsyncOptions(options, this.#attachment.options.fsyncPolicy);
    const work = () => this.#fsync(checked);
    const { observer } = this.#attachment;
    return observer === undefined ? await work() : await observer.fsync(this.#id, checked.policy, work);
  }

  async #fsync({ policy, timeout, waiter }: CheckedFsync): Promise<SyncReport> {
    const started = performance.now();
    if (policy === 'block') {
      const limit = timeout ?? this.#attachment.options.blockTimeoutMs;
      await this.#run(
        waitForWritePins(this.#attachment, this.#id, limit, () => performance.now()),
        waiter,
      );
    }
    const left = timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - started));
    const outcome = await bounded(this.#round(), {
      timeout: left === undefined ? undefined : { ms: left, error: () => timedOut(timeout) },
      waiter,
    });
    return this.#report(outcome, started);
  }

  /**
   * As `fsync`, in place: this thread does the round's I/O, or waits for the thread that does. `timeout` bounds the waits
   * for others; a round that this thread leads is finished.
   */
  fsyncSync(options?: FsyncOptions): SyncReport {
    this.#checkLife();
    const { policy, timeout } = checkFsyncOptions(options, this.#attachment.options.fsyncPolicy);
    const started = performance.now();
    const work = () =>
      this.#report(this.#fsyncInPlace(policy === 'block', 'bounce', started, timeout), started);
    const { observer } = this.#attachment;
    return observer === undefined ? work() : observer.fsyncSync(this.#id, policy, work);
  }

  /** One round for this thread's callers, run by a flusher. */
  async #round(): Promise<Outcome> {
    const { rounds } = this.#context;
    const joined = rounds.get(this.#id);
    const ticket = openTicket(this.#attachment, this.#id);
    if (joined?.ticket === ticket) return await joined.outcome;
    const outcome = this.#run(fsyncByService(this.#attachment, this.#id, ticket));
    rounds.set(this.#id, { ticket, outcome });
    try {
      return await outcome;
    } finally {
      if (rounds.get(this.#id)?.outcome === outcome) rounds.delete(this.#id);
    }
  }

  #fsyncInPlace(block: boolean, pinned: PinnedPages, started: number, timeout: number | undefined): Outcome {
    const { sync, options } = this.#attachment;
    const now = () => performance.now();
    if (block) sync.run(waitForWritePins(this.#attachment, this.#id, timeout ?? options.blockTimeoutMs, now));
    const giveUp = () => {
      if (timeout !== undefined && now() - started >= timeout) throw timedOut(timeout);
    };
    return sync.run(fsyncRound(this.#attachment, this.#id, pinned, giveUp));
  }

  #report(outcome: Outcome, started: number): SyncReport {
    const { kernel } = this.#attachment;
    const [errno, pages, bounced, flushes] = outcome;
    const errors = kernel.fileWord(this.#id, L.FILE_ERROR_SEQ);
    const earlier = errors !== this.#errorsSeen;
    this.#errorsSeen = errors;
    if (errno !== 0)
      throw ioError(
        `fsync of '${this.path}' failed; what it could not write is dirty still`,
        errno,
        'fsync',
        this.path,
      );
    if (earlier) {
      const cause = kernel.fileWord(this.#id, L.FILE_ERRNO);
      throw ioError(
        `writing '${this.path}' in the background failed since the last fsync; nothing is lost, and this fsync wrote it`,
        cause,
        'write',
        this.path,
      );
    }
    kernel.control.bump(L.COUNT_FSYNCS);
    return { pages, bounced, flushes, durationMs: performance.now() - started };
  }

  /** For the harness's control only: an fsync that passes write-pinned pages over, and so lies. @internal */
  fsyncSkipping(): SyncReport {
    this.#check();
    const started = performance.now();
    return this.#report(this.#fsyncInPlace(false, 'skip', started, undefined), started);
  }

  /** For the harness's micro-benchmarks only. @internal */
  get engine(): { attachment: Attachment; id: FileId } {
    return { attachment: this.#attachment, id: this.#id };
  }

  // -- close ---------------------------------------------------------------------------------------------------------

  /** Closes this handle. Does not imply fsync: dirty pages stay in the cache and are written in time. Pins stay valid. */
  async close(): Promise<void> {
    this.closeSync();
  }

  /** As `close`. Closing twice is no error. */
  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.onClose(this);
    if (this.#context.isClosed()) return;
    if (this.#attachment.references.release(this.#id)) this.#control.ring(serviceClass.files);
  }

  /** `using file = cache.openSync(path)`: closes this handle, as `close` does, without an fsync. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** `await using file = await cache.open(path)`: closes this handle, as `close` does, without an fsync. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.closeSync();
  }

  // -- checks --------------------------------------------------------------------------------------------------------

  /**
   * Runs a protocol on the event loop, until it ends or its caller's wait is ended: then it goes on by itself, and `late`
   * gets what it comes to.
   */
  #run<T>(protocol: Protocol<T>, waiter?: Waiter, late?: (value: T) => void): Promise<T> {
    return bounded(this.#runToItsEnd(protocol), { waiter }, late);
  }

  /** Drops a pin that came too late for its caller. */
  readonly #giveBack = (slot: PinSlot): void => {
    this.#control.unpin(slot, 0);
  };

  /** It holds the file open for itself: the handle may be closed meanwhile. */
  async #runToItsEnd<T>(protocol: Protocol<T>): Promise<T> {
    this.#check();
    const { references } = this.#attachment;
    references.retain(this.#id);
    try {
      return await this.#context.driver.run(protocol);
    } finally {
      if (references.release(this.#id)) this.#control.ring(serviceClass.files);
    }
  }

  #check(): void {
    if (this.#closed) throw this.#closedError();
  }

  /**
   * For calls that are slow anyway: whether the creator has closed the cache, or is gone. Hits end with the cache's pages,
   * which are gone too, or do no harm.
   */
  #checkLife(): void {
    this.#check();
    this.#attachment.glance(LOOK_MS); // flushers look more often; none is left if the creator is gone
    const life = this.#attachment.kernel.load(L.HEADER_LIFE);
    if (life >= L.LIFE_CLOSED) throw lifeError(life);
  }

  #closedError(): Error {
    return pinfoldError(
      'ERR_PINFOLD_CLOSED',
      `'${this.path}' is closed, or this thread has closed or detached its cache`,
    );
  }

  /** The page is one that a stream's reader was to tell of; or else the call is refused. */
  #haltAt(index: number): void {
    if (this.#closed) throw this.#closedError();
    if (!isPageIndex(index)) throw this.#badIndex(index);
    this.#reached();
  }

  #checkWriteMode(mode: unknown): void {
    if (mode !== 'write') {
      throw typeError('ERR_PINFOLD_ARGUMENT', `mode must be 'read' or 'write', got ${show(mode)}`);
    }
    if (this.mode === 'r') {
      throw pinfoldError('ERR_PINFOLD_READ_ONLY', `'${this.path}' is open for reading only (mode 'r')`);
    }
  }

  #checkIndex(index: number): void {
    if (!isPageIndex(index) || index * this.pageSize >= this.#attachment.kernel.size(this.#id)) {
      throw this.#badIndex(index);
    }
  }

  #badIndex(index: unknown): Error {
    if (typeof index !== 'number') {
      return typeError('ERR_PINFOLD_ARGUMENT', `a page index must be a number, got ${show(index)}`);
    }
    const pages = Math.ceil(this.#attachment.kernel.size(this.#id) / this.pageSize);
    const range = pages === 0 ? 'the file is empty' : `a whole number from 0 to ${pages - 1}`;
    return rangeError('ERR_PINFOLD_RANGE', `page index ${show(index)} of '${this.path}': ${range}`);
  }
}

/** Brings a run's pages in, together, or else one by one: throws what goes wrong with one. */
function* bringInAll(attachment: Attachment, file: FileId, run: Run): Protocol<void> {
  if (run.count > 1) yield* bringInRun(attachment, file, run);
  const { control } = attachment.kernel;
  for (let n = 0; n < run.count; n++) {
    const index = run.first + n;
    if (control.lookup(file, index | 0) < 0) yield* bringIn(attachment, file, index, false, run.once);
  }
}

function checkBytes(name: string, bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    throw typeError('ERR_PINFOLD_ARGUMENT', `${name} must be a Uint8Array, got ${show(bytes)}`);
  }
}

function checkPosition(position: unknown): asserts position is number {
  if (typeof position !== 'number') {
    throw typeError('ERR_PINFOLD_ARGUMENT', `position must be a number of bytes, got ${show(position)}`);
  }
  if (!Number.isSafeInteger(position) || position < 0) {
    throw rangeError(
      'ERR_PINFOLD_RANGE',
      `position must be a whole number from 0 to 2^53 - 1, got ${show(position)}`,
    );
  }
}

/** Whether a page of a read could not be had because a truncate has made the file end before it. */
const isRangeError = (error: unknown) => (error as PinfoldError).code === 'ERR_PINFOLD_RANGE';

/** Page indexes are 32-bit. Before it is a number, `>>>` must not be asked: it throws over a BigInt. */
const isPageIndex = (index: unknown): index is number => typeof index === 'number' && index >>> 0 === index;

const isThenable = (value: unknown) =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof (value as PromiseLike<unknown>).then === 'function';

function notSynchronous(what: string): Error {
  return typeError(
    'ERR_PINFOLD_CALLBACK',
    `the callback of ${what} returned a promise: it must be done when it returns`,
  );
}

function timedOut(timeout: number | undefined): Error {
  return pinfoldError('ERR_PINFOLD_TIMEOUT', `fsync was not done within ${timeout} ms; it goes on`);
}
