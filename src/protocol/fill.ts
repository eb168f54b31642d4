// From a lookup that missed to a frame that holds the page.

import { checksumError, ioError, type PinfoldError, pinfoldError, rangeError } from '../errors';
import { formatOf, type PageFormat } from '../kernel/format';
import type { FileId, FrameId, PinSlot } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { pathOf } from '../kernel/path';
import { lifeError } from '../life';
import {
  type Answer,
  ask,
  endless,
  io,
  Patience,
  type Pool,
  type Protocol,
  type Request,
  requestKind,
  serviceClass,
  type Waiting,
  wait,
} from './effects';
import { flush } from './flush';
import { clean } from './writeback';

/** What a fill can fail with, beside an errno (positive): no frame could be taken. Answers carry it as a number. */
const NO_ROOM = -1;
/** The cache was closed. */
const CLOSED = -2;
/** The page is past the file's end, and its caller does not extend the file. */
const BEYOND = -3;
/** What the store has is not the page that was written. */
const CORRUPT = -4;
/** An answer's second word: it failed while a frame was freed, not on the page itself. */
const FOR_ROOM = 1;
/** After an error, how long flushers leave the file alone, in ms. */
export const RETRY_MS = 1000;
/** Whether flushers and writers leave a file alone because writing it failed a moment ago. `now`: the coarse clock, which wraps. */
export function isResting({ kernel }: Pool, file: FileId, now: number): boolean {
  const left = (kernel.fileWord(file, L.FILE_RETRY_AT) - now) | 0;
  return left > 0 && left <= RETRY_MS;
}
/** Sweeps before a fill gives up: each of them cleaned or flushed something, or waited for somebody's I/O. */
const SWEEPS_MAX = 64;
/** How many dirty or unstable pages a sweep passes at least before it has some of them cleaned. */
const ENOUGH_MIN = 64;
/** How long to wait at a time for another's flush, in ms: frames may be had before it ends. */
const FLUSH_WAIT_MS = 0.5;
/** How long to wait when every frame that could be taken is in somebody else's hands, in ms. */
const BUSY_WAIT_MS = 5;
/** So often at the most: 10 s. */
const BUSY_WAITS_MAX = 2000;
/** And for others' flushes, before it waits for them to end: 0.5 s. */
const FLUSH_WAITS_MAX = 1000;

/**
 * After so many pages that cleaning or a flush would free, a sweep ends and that is done: more than writers leave, so that
 * one that passes all of theirs finds what is clean behind them.
 */
function enoughOf({ geometry, options }: Pool): number {
  return Math.max(ENOUGH_MIN, Math.floor(Math.max(1 / 8, 1.25 * options.dirtyRatio) * geometry.frames));
}

/** Claims a frame without identity, for the page if one is named: 0, an errno, or NO_ROOM. Cleans and flushes what stands in the way. */
function* claimFrame(pool: Pool, file: FileId | -1 = -1, index = 0): Protocol<number> {
  let ended: ((freed: boolean) => void) | undefined;
  let status = NO_ROOM;
  try {
    status = yield* sweep(pool, file, index, () => {
      ended ??= pool.observer?.reclaiming(file);
    });
  } finally {
    ended?.(status === 0);
  }
  return status;
}

/** `missed`: called when a sweep has found no frame. */
function* sweep(pool: Pool, file: FileId | -1, index: number, missed: () => void): Protocol<number> {
  const { kernel, geometry } = pool;
  const { control } = kernel;
  let waits = 0;
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    if (control.reclaim(enoughOf(pool), file, index | 0) >= 0) return 0;
    const dirty = kernel.out(1);
    const unstable = kernel.out(2);
    const busy = kernel.out(3);
    const dirtyFile = kernel.out(4) as FileId;
    const unstableFile = kernel.out(5) as FileId;
    missed();
    // A flush frees all that was written; it is worth its price once it frees much, or nothing is left to write.
    const flushing = unstable > 0 && unstable >= dirty;
    const other = flushing ? unstableFile : dirtyFile;
    if (flushing && kernel.fileWord(other, L.FILE_FLUSH_LOCK) !== 0 && ++waits <= FLUSH_WAITS_MAX) {
      sweep--;
      const wakeAt = kernel.fileAt(other) + L.FILE_WAKE;
      yield* wait(wakeAt, kernel.load(wakeAt), FLUSH_WAIT_MS);
      continue;
    }
    if (dirty + unstable > 0 && other >= 0) {
      if (!pool.references.retain(other)) continue; // closed since the look
      let errno = 0;
      try {
        errno = flushing ? yield* flush(pool, other) : yield* clean(pool, other);
      } finally {
        if (pool.references.release(other)) control.ring(serviceClass.files);
      }
      if (errno === 0) continue;
      control.noteError(other, errno, kernel.load(L.HEADER_CLOCK) + RETRY_MS);
      // That file can't be written. Is there no frame at all without it?
      return control.reclaim(geometry.frames + 1, file, index | 0) >= 0 ? 0 : errno;
    }
    if (dirty + unstable + busy === 0) return NO_ROOM;
    if (++waits > BUSY_WAITS_MAX) return NO_ROOM;
    sweep--; // nothing was done: it does not count
    yield* wait(L.HEADER_STAGING_WAKE, kernel.load(L.HEADER_STAGING_WAKE), BUSY_WAIT_MS);
  }
  return NO_ROOM;
}

/** Sees to it that a frame is free, for a moment: [0], [errno] or [NO_ROOM]. */
export function* makeRoom(pool: Pool): Protocol<Answer> {
  const status = yield* claimFrame(pool);
  if (status === 0) pool.kernel.control.abandonClaim();
  return [status, FOR_ROOM, 0, 0];
}

/** How often a thread that needs a frame for itself has one freed before it gives up. */
const ROOM_TRIES = 64;

/** Claims a frame, detached, for this thread's own use, in between two effects: nothing is left to others to wait for. */
export function* claimForSelf(pool: Pool, file: FileId, index: number): Protocol<void> {
  const { control } = pool.kernel;
  for (let n = 0; n < ROOM_TRIES; n++) {
    if (control.reclaim(enoughOf(pool), -1, 0) >= 0) return;
    const request = { service: serviceClass.files, kind: requestKind.room, file, a: 0, b: 0 } as const;
    const [status] = yield* ask(request, () => makeRoom(pool));
    if (status !== 0) throw fillError(pool, file, index, status, FOR_ROOM);
  }
  throw fillError(pool, file, index, NO_ROOM, FOR_ROOM);
}

/**
 * Brings the page into the cache unless it is there: [0], [errno], or one of the statuses above. Leaves no claim behind. A
 * page past the file's end comes for a write that extends the file only: in the cache it would be taken for the file's.
 */
export function* fill(
  pool: Pool,
  file: FileId,
  index: number,
  extending: boolean,
  once = false,
): Protocol<Answer> {
  const failed = yield* claimFrame(pool, file, index);
  if (failed !== 0) return [failed, FOR_ROOM, 0, 0];
  const admitted = admit(pool, file, index, once);
  if (admitted === L.EXISTS) return [0, 0, 0, 0];
  if (admitted !== 0) return [admitted, 0, 0, 0];
  return [yield* readIn(pool, file, index, extending), 0, 0, 0];
}

/** Claims a frame, detached, if one is to be had without waiting or I/O. */
export function claimAtOnce(pool: Pool, file: FileId, index: number): boolean {
  return pool.kernel.control.reclaim(enoughOf(pool), file, index | 0) >= 0;
}

/**
 * Gives the page to the frame that this thread has claimed, to be filled: 0. EXISTS or CLOSED: the claim is given up. `once`:
 * nobody will need the page again after its first use.
 */
export function admit({ kernel }: Pool, file: FileId, index: number, once: boolean): number {
  const { control } = kernel;
  if (control.install(file, index | 0, once ? 1 : 0) === L.EXISTS) {
    control.abandonClaim();
    return L.EXISTS;
  }
  // The cache may have been closed since the caller looked: closing takes the pages out after it has said so.
  if (kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) {
    control.abandonClaim();
    return CLOSED;
  }
  return 0;
}

/** Reads the page just admitted and ends its claim: 0, an errno, or one of the statuses above. */
export function* readIn(pool: Pool, file: FileId, index: number, extending: boolean): Protocol<number> {
  const { kernel, bytes, geometry } = pool;
  const { control } = kernel;
  const frame = claimedFrame(pool);
  let length = 0;
  const cutSeq = kernel.fileWord(file, L.FILE_CUT_SEQ);
  const format = formatOf(pool, file);
  const start = index * format.payload;
  const size = yield* settledSize(pool, file, start);
  if (start >= size && !extending) {
    control.abandonClaim();
    return BEYOND;
  }
  if (start < size) {
    const position = index * geometry.pageSize;
    length = yield* io({ kind: 'read', file, bytes: bytes.of(frame), position });
    if (length < 0) {
      control.abandonClaim();
      return -length;
    }
  }
  // A read beside the cut that drops this page may get half of it, or nothing: what is there now is looked up again.
  const cut = kernel.fileWord(file, L.FILE_CUT_SEQ) !== cutSeq;
  if (cut && start < size && length < geometry.pageSize) {
    control.abandonClaim();
    return 0;
  }
  const status = settle(pool, format, index, length);
  return cut && status === CORRUPT ? 0 : status;
}

/** The frame that this thread has claimed. */
export function claimedFrame({ kernel }: Pool): FrameId {
  return (kernel.rowWord(kernel.owner, L.ROW_CLAIM) - 1) as FrameId;
}

/**
 * Ends the claim of an admitted page of which the store has `length` bytes, which are in the frame: 0, or CORRUPT, and it is
 * given up.
 */
export function settle(pool: Pool, format: PageFormat, index: number, length: number): number {
  const { kernel, bytes, geometry } = pool;
  const frame = claimedFrame(pool);
  if (length < geometry.pageSize) bytes.zero(frame, length);
  // Pages are written whole: of one that is there in part the rest is missing, and not zeros that may make it a hole.
  const inPart = length > 0 && length < geometry.pageSize;
  if (format.checksummed && length > 0 && (inPart || bytes.check(frame, index) === 0)) {
    kernel.control.abandonClaim();
    return CORRUPT;
  }
  kernel.control.fillDone();
  return 0;
}

/**
 * The file's size, read after the install: who cuts the file from now on finds this fill in the table. A cut that makes the
 * page one beyond the end may still be refused by the system, so its end is waited for: it waits for I/O only.
 */
function* settledSize(pool: Pool, file: FileId, position: number): Protocol<number> {
  const { kernel } = pool;
  const fileAt = kernel.fileAt(file);
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    const size = kernel.size(file);
    const cutting = (kernel.load(fileAt + L.FILE_CUT_SEQ) & 1) !== 0;
    if (position < size || !cutting) return size;
    yield* endless.wait(fileAt + L.FILE_WAKE, seq, () => 0);
  }
}

/** The error that a failed fill is for the caller who needs the page. */
function fillError(pool: Pool, file: FileId, index: number, status: number, what: number): PinfoldError {
  if (status === CORRUPT) return corruptError(pool, file, index);
  if (status !== NO_ROOM && what === FOR_ROOM) {
    return ioError(
      `no frame for page ${index}: other pages could not be written to make room`,
      status,
      'write',
    );
  }
  if (status !== NO_ROOM) return ioError(`page ${index} could not be read`, status, 'read');
  const { kernel, geometry } = pool;
  let pins = 0;
  for (const owner of kernel.owners()) for (const _ of kernel.pinsOf(owner)) pins++;
  return pinfoldError(
    'ERR_PINFOLD_FULL',
    `no frame for page ${index}: of ${geometry.frames} frames none could be taken, ${pins} pins are held. ` +
      'Drop pins, or create the cache with more memory',
  );
}

/** What the answer to a request for a page means for its caller; undefined if that is no error, or he sees it otherwise. */
export function fillFailure(
  pool: Pool,
  { kind, file, a }: Request,
  [status, what]: Answer,
): PinfoldError | undefined {
  const silent = status === 0 || status === CLOSED || status === BEYOND;
  if (kind !== requestKind.fill || silent) return undefined;
  return fillError(pool, file as FileId, a >>> 0, status, what);
}

/** For a page that the store has not as it was written. */
export function corruptError({ kernel }: Pool, file: FileId, index: number): PinfoldError {
  return checksumError(index, pathOf(kernel, file), 'does not match its checksum');
}

/** Has the page brought in, here or by the file worker: false if it is past the end. Throws what went wrong. */
export function* bringIn(
  pool: Pool,
  file: FileId,
  index: number,
  extending = false,
  once = false,
): Protocol<boolean> {
  const b = (extending ? 1 : 0) | (once ? 2 : 0);
  const request = { service: serviceClass.files, kind: requestKind.fill, file, a: index | 0, b } as const;
  if (pool.kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) {
    throw lifeError(pool.kernel.load(L.HEADER_LIFE));
  }
  const [status, what] = yield* ask(request, () => fill(pool, file, index, extending, once));
  if (status === CLOSED) throw lifeError(pool.kernel.load(L.HEADER_LIFE));
  if (status === BEYOND) return false;
  if (status !== 0) throw fillError(pool, file, index, status, what);
  return true;
}

/** As `bringIn`, for a lookup that missed and will be made again. Throws ERR_PINFOLD_RANGE. */
export function* bringInMissed(
  pool: Pool,
  file: FileId,
  index: number,
  extending = false,
  once = false,
): Protocol<void> {
  if (!(yield* bringIn(pool, file, index, extending, once))) {
    throw rangeError('ERR_PINFOLD_RANGE', `page index ${index}: a truncate has made the file end before it`);
  }
  pool.kernel.control.countMiss();
}

/** Waits until nobody has the frame CLAIMED, or somebody woke its sleepers. */
export function* waitForClaim(
  pool: Pool,
  frame: FrameId,
  patience: Waiting = new Patience(pool, 'a page to be brought in'),
): Protocol<void> {
  const { kernel } = pool;
  if (kernel.control.prepareWait(frame, L.CLAIMED) === 1) {
    const claimer = () => kernel.frameWord(frame, L.FRAME_CLAIMER);
    yield* patience.wait(kernel.frameAt(frame) + L.FRAME_WAKE, kernel.out(0), claimer);
  }
}

/**
 * Whether the file ends before the page, which may be in the cache all the same: a write that extends the file has brought it
 * in, and may come to nothing. Nobody else may store into it before.
 */
function isPastEnd(pool: Pool, file: FileId, index: number): boolean {
  return index * formatOf(pool, file).payload >= pool.kernel.size(file);
}

/**
 * Pins the page, whatever it takes: its pin slot. `extending`: for a write that extends the file, if need be. `missed` has it
 * brought in when the lookup has missed.
 */
export function* acquire(
  pool: Pool,
  file: FileId,
  index: number,
  mode: 'read' | 'write',
  extending = false,
  missed?: () => Protocol<void>,
): Protocol<PinSlot> {
  const { kernel } = pool;
  const { control } = kernel;
  let patience: Patience | undefined;
  for (;;) {
    const slot = control.pin(file, index | 0);
    if (slot >= 0) {
      if (mode === 'read') return slot;
      if (isPastEnd(pool, file, index)) {
        control.unpin(slot, 0);
        throw rangeError('ERR_PINFOLD_RANGE', `page index ${index}: the file ends before it`);
      }
      const status = control.makeWritePin(slot);
      if (status === 0) return slot;
      control.unpin(slot, 0);
      if (status === L.GONE) continue; // cut off since the lookup
      throw pinError(pool, index, L.PIN_COUNT_FULL, 'write');
    }
    if (slot === L.MISS) yield* missed?.() ?? bringInMissed(pool, file, index, extending);
    else if (slot === L.BUSY) {
      const frame = kernel.out(0) as FrameId;
      patience ??= new Patience(pool, `page ${index} to be brought in`);
      yield* waitForClaim(pool, frame, patience);
    } else throw pinError(pool, index, slot);
  }
}

/** The error for a pin status that no waiting mends. */
export function pinError(
  pool: Pool,
  index: number,
  status: number,
  mode: 'read' | 'write' = 'read',
): PinfoldError {
  return status === L.NO_PIN_SLOT
    ? pinfoldError(
        'ERR_PINFOLD_PIN_LIMIT',
        `this thread holds ${pool.geometry.maxPins} pins, the most it may (maxPinsPerThread): page ${index} was not pinned`,
      )
    : pinfoldError(
        'ERR_PINFOLD_PIN_COUNT',
        `page ${index} has ${mode === 'write' ? '1,023 write' : '4,095 read'} pins: no more can be counted`,
      );
}
