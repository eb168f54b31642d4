// A flusher: runs rounds for asynchronous callers, and writes dirty pages back in the background.
import type { Attachment } from '../attachment';
import type { PinfoldError } from '../errors';
import type { FileId, FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { elders } from '../liveness';
import { type Protocol, serviceClass } from '../protocol/effects';
import { isResting, RETRY_MS } from '../protocol/fill';
import { flush } from '../protocol/flush';
import { overRatio, pagesBetweenFlushes, unflushed } from '../protocol/throttle';
import { dirtyPages, writeBack } from '../protocol/writeback';
import { awaitBell, isOpen, serveAll } from './requests';

/** How often to look for dead owners, in ms; less often if a look takes more than a 50th of that. */
const LOOK_MS = 250;
/** The same when a thread has just been seen to end, or its row waits for a service thread; twice as long each time. */
const ENDING_LOOK_MS = 2;
/** How many files it looks at between two looks for requests: some 0.1 ms in a pool of 8 GiB. */
const FILES_AT_ONCE = 256;
/** Share of the frames that may hold unstable pages before flushers flush, ahead of the reclaimer's need. */
const UNSTABLE_RATIO = 1 / 8;

export function runFlusher(attachment: Attachment): void {
  const { kernel, options } = attachment;
  // Two threads may have started a successor for the same dead one.
  if (elders(kernel, L.KIND_FLUSHER) >= options.flushers) return;
  const bellAt = L.HEADER_BELL + 4 * serviceClass.flushers;
  let turn = 0;
  const serve = () => {
    turn = serveAll(attachment, serviceClass.flushers, turn) ?? turn;
  };
  const deaths = new DeathWatch(attachment);
  let nextLook = 0;
  while (isOpen(attachment)) {
    const bell = kernel.load(bellAt);
    serve();
    deaths.look();
    const now = attachment.now();
    kernel.control.tick(now);
    flushAsked(attachment);
    if (now >= nextLook || overRatio(attachment, options.dirtyBackgroundRatio)) {
      writeBackInTime(attachment, now, serve);
      nextLook = attachment.now() + options.writebackIntervalMs;
    }
    awaitBell(attachment, serviceClass.flushers, bell, Math.min(nextLook, deaths.nextAt) - attachment.now());
  }
}

/** Looks for dead owners now and then, so that they are recovered though nobody waits for them. */
class DeathWatch {
  readonly #attachment: Attachment;
  #nextAt = 0;
  #gapMs = LOOK_MS;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
  }

  /** When it wants to look again, by the attachment's clock. */
  get nextAt(): number {
    return this.#nextAt;
  }

  look(): void {
    const started = this.#attachment.now();
    const ending = this.#attachment.kernel.control.anyEnding() === 1;
    const fresh = ending && this.#gapMs >= LOOK_MS; // nothing was ending at the last look
    if (started < this.#nextAt && !fresh) return;
    this.#attachment.look(1);
    const took = this.#attachment.now() - started;
    // A thread can be held by a read that does not end: then it is looked at ever more seldom.
    if (this.#attachment.kernel.control.anyEnding() !== 1) this.#gapMs = LOOK_MS;
    else this.#gapMs = fresh ? ENDING_LOOK_MS : Math.min(2 * this.#gapMs, LOOK_MS - 1);
    this.#nextAt = started + Math.max(this.#gapMs, this.#gapMs < LOOK_MS ? 0 : 50 * took);
  }
}

/** Looks at every file. */
function writeBackInTime(attachment: Attachment, now: number, serve: () => void): void {
  inTime(attachment, lookAround(attachment, now, serve));
}

/** Flushes the file that a writer waits for, if one does. */
function flushAsked(attachment: Attachment): void {
  const file = attachment.kernel.control.takeFlushAsked();
  if (file >= 0) inTime(attachment, flushFor(attachment, file));
}

/** What others hold for too long is waited for again at the next look. */
function inTime(attachment: Attachment, work: Protocol<void>): void {
  try {
    attachment.sync.run(work);
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_TIMEOUT') throw error;
  }
}

function* flushFor(attachment: Attachment, file: FileId): Protocol<void> {
  const { kernel } = attachment;
  const now = attachment.now();
  if (isResting(attachment, file, now) || !attachment.references.retain(file)) return;
  try {
    const errno = kernel.control.needsFlush(file) === 1 ? yield* flush(attachment, file) : 0;
    if (errno !== 0) kernel.control.noteError(file, errno, now + RETRY_MS);
  } finally {
    if (attachment.references.release(file)) kernel.control.ring(serviceClass.files);
  }
}

/** One look at every file: write back what is over the limit or has expired, flush if much is unstable. */
export function* lookAround(attachment: Attachment, now: number, serve: () => void): Protocol<void> {
  const { kernel, options, geometry } = attachment;
  const all = overRatio(attachment, options.dirtyBackgroundRatio);
  const expired = (frame: FrameId) =>
    ((now - kernel.frameWord(frame, L.FRAME_DIRTIED_AT)) | 0) >= options.dirtyExpireMs;
  const flushAll = kernel.control.countUnstable() > UNSTABLE_RATIO * geometry.frames;
  for (const file of busyFiles(attachment, serve)) {
    if (isResting(attachment, file, now)) continue;
    if (!attachment.references.retain(file)) continue;
    try {
      yield* visit(attachment, file, now, all ? undefined : expired, flushAll, serve);
    } finally {
      if (attachment.references.release(file)) kernel.control.ring(serviceClass.files);
    }
  }
}

/** The files that have something to write or to flush. Who waits for this thread does not wait for a look at all. */
function* busyFiles({ kernel, geometry }: Attachment, serve: () => void): Generator<FileId> {
  for (let first = 0; first < geometry.files; first += FILES_AT_ONCE) {
    if (first > 0) serve();
    const end = Math.min(first + FILES_AT_ONCE, geometry.files);
    for (let from = first; ; ) {
      const file = kernel.control.nextBusyFile(from, end, 1);
      if (file < 0) break;
      yield file;
      from = file + 1;
    }
  }
}

function* visit(
  attachment: Attachment,
  file: FileId,
  now: number,
  wanted: ((frame: FrameId) => boolean) | undefined,
  flushToo: boolean,
  serve: () => void,
): Protocol<void> {
  const { kernel } = attachment;
  const idle = kernel.fileWord(file, L.FILE_REFS) === 1; // ours: nobody has the file open
  const most = pagesBetweenFlushes(attachment);
  // A page that is write-pinned is passed over: a visit in vain.
  const pages = dirtyPages(attachment, file, idle ? undefined : wanted);
  let errno = 0;
  for (let from = 0; errno === 0 && from < pages.length; from += attachment.geometry.stagingPages) {
    const batch = pages.slice(from, from + attachment.geometry.stagingPages);
    ({ errno } = yield* writeBack(attachment, file, batch, 'skip', 1));
    serve(); // an fsync that was asked for waits for one batch, not for all
    if (errno === 0 && unflushed(attachment, file) >= most) errno = yield* flush(attachment, file);
  }
  if (errno === 0 && (flushToo || idle) && kernel.control.needsFlush(file) === 1)
    errno = yield* flush(attachment, file);
  if (errno !== 0) kernel.control.noteError(file, errno, now + RETRY_MS);
}
