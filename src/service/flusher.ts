// A flusher: runs rounds for asynchronous callers, and writes dirty pages back in the background.
import type { Attachment } from '../attachment';
import type { FileId, FrameId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Protocol, serviceClass } from '../protocol/effects';
import { RETRY_MS } from '../protocol/fill';
import { flush } from '../protocol/flush';
import { dirtyPages, writeBack } from '../protocol/writeback';
import { gauges } from '../stats';
import { isAlive } from './liveness';
import { awaitBell, isOpen, serveAll } from './requests';

/** How often to look whether a thread that leaves is gone, in ms. */
const LEAVING_LOOK_MS = 2;
/** Share of the frames that may hold unstable pages before flushers flush, ahead of the reclaimer's need. */
const UNSTABLE_RATIO = 1 / 8;

export function runFlusher(attachment: Attachment): void {
  const { kernel, options } = attachment;
  const bellAt = L.HEADER_BELL + 4 * serviceClass.flushers;
  let turn = 0;
  const serve = () => {
    turn = serveAll(attachment, serviceClass.flushers, turn);
  };
  let nextLook = 0;
  while (isOpen(attachment)) {
    const bell = kernel.load(bellAt);
    serve();
    const leaving = releaseGone(attachment);
    const now = attachment.now();
    kernel.control.tick(now);
    if (now >= nextLook || overBackgroundLimit(attachment)) {
      attachment.sync.run(lookAround(attachment, now, serve));
      nextLook = attachment.now() + options.writebackIntervalMs;
    }
    const sleep = nextLook - attachment.now();
    awaitBell(attachment, serviceClass.flushers, bell, leaving ? Math.min(sleep, LEAVING_LOOK_MS) : sleep);
  }
}

/** Frees the rows of threads that left with write pins and are gone: true if one is still there. */
function releaseGone({ kernel }: Attachment): boolean {
  let leaving = false;
  for (const owner of kernel.owners()) {
    if ((kernel.rowWord(owner, L.ROW_STATUS) & 3) !== L.ROW_LEAVING) continue;
    if (isAlive(kernel, owner)) leaving = true;
    else kernel.control.release(owner);
  }
  return leaving;
}

/** Whether more pages that could be cleaned are dirty than `dirtyBackgroundRatio` allows. */
function overBackgroundLimit({ kernel, options, geometry }: Attachment): boolean {
  const { dirty, pinnedDirty } = gauges(kernel);
  return dirty - pinnedDirty > options.dirtyBackgroundRatio * geometry.frames;
}

/** One look at every file: write back what is over the limit or has expired, flush if much is unstable. */
function* lookAround(attachment: Attachment, now: number, serve: () => void): Protocol<void> {
  const { kernel, options, geometry } = attachment;
  const all = overBackgroundLimit(attachment);
  const expired = (frame: FrameId) =>
    ((now - kernel.frameWord(frame, L.FRAME_DIRTIED_AT)) | 0) >= options.dirtyExpireMs;
  const flushAll = kernel.control.countUnstable() > UNSTABLE_RATIO * geometry.frames;
  for (let id = 0; id < geometry.files; id++) {
    const file = id as FileId;
    if (kernel.fileWord(file, L.FILE_REFS) < 0) continue;
    if (kernel.control.nextDirtyGroup(file, 0) < 0 && kernel.control.needsFlush(file) === 0) continue;
    if (((now - kernel.fileWord(file, L.FILE_RETRY_AT)) | 0) < 0) continue;
    if (kernel.control.fileRetain(file) !== 1) continue;
    try {
      yield* visit(attachment, file, now, all ? undefined : expired, flushAll, serve);
    } finally {
      if (kernel.control.fileRelease(file) === 0) kernel.control.ring(serviceClass.files);
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
  // A page that is write-pinned is passed over: a visit in vain.
  const pages = dirtyPages(attachment, file, idle ? undefined : wanted);
  let errno = 0;
  for (let from = 0; errno === 0 && from < pages.length; from += attachment.geometry.stagingPages) {
    const batch = pages.slice(from, from + attachment.geometry.stagingPages);
    ({ errno } = yield* writeBack(attachment, file, batch, 'skip', 1));
    serve(); // an fsync that was asked for waits for one batch, not for all
  }
  if (errno === 0 && (flushToo || idle) && kernel.control.needsFlush(file) === 1)
    errno = yield* flush(attachment, file);
  if (errno !== 0) kernel.control.noteError(file, errno, now + RETRY_MS);
}
