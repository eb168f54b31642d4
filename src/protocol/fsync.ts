// fsync: group commit in rounds, and the blocking baseline's wait for pins.
import { constants } from 'node:os';
import { type PinfoldError, pinfoldError } from '../errors';
import { describeOwner, type FileId, type FrameId, type OwnerId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import {
  type Answer,
  ask,
  io,
  Patience,
  type Pool,
  type Protocol,
  requestKind,
  serviceClass,
  wait,
} from './effects';
import { flush } from './flush';

export type { PinnedPages } from './writeback';

import { dirtyPages, type PinnedPages, waitForWriteback, writeBack } from './writeback';

/** How often a round scans again because somebody else's writeback failed, or its thread died, under it. */
const SCANS_MAX = 16;
/** How often it scans again because a truncate came under it. */
const CUTS_MAX = 64;

/** How a round ended, as an answer: errno (0: all is stable), pages written, bounced among them, flushes. */
export type Outcome = Answer;

/** A round's own account, filled while it runs. */
interface Account {
  pages: number;
  bounced: number;
  flushes: number;
}

/**
 * Makes every write to the file that ended before the call stable, by joining a round; leads one if nobody does. A caller
 * waits for two rounds at most: the one that had closed before it came, and the one it joined. `giveUp` may throw while
 * others are waited for, never while this caller leads: that would fail those who joined it. `joined` is the ticket of a
 * caller who came earlier.
 */
export function* fsyncRound(
  pool: Pool,
  file: FileId,
  pinned: PinnedPages = 'bounce',
  giveUp: () => void = () => {},
  joined = openTicket(pool, file),
): Protocol<Outcome> {
  const { kernel } = pool;
  const { control } = kernel;
  const fileAt = kernel.fileAt(file);
  const patience = new Patience(pool, 'another fsync of the file');
  let ticket = joined;
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    const ended = control.roundOutcome(file, ticket);
    const abandoned = ended === 0 && kernel.out(0) === L.ABANDONED;
    if (ended === 0 && !abandoned) return [kernel.out(0), kernel.out(1), kernel.out(2), kernel.out(3)];
    giveUp();
    // Its leader died; or it ended so long ago that its outcome is forgotten. Another round's success means the same.
    if (ended === 1 || abandoned) ticket = kernel.load(fileAt + L.FILE_ROUND_OPEN);
    else if (control.roundLead(file) === 1) {
      // Between the look and the lead the round may have ended: then there is nothing to lead.
      if (((kernel.load(fileAt + L.FILE_ROUND_DONE) - ticket) | 0) >= 0) control.roundYield(file);
      else yield* lead(pool, file, pinned);
    } else yield* patience.wait(fileAt + L.FILE_WAKE, seq, () => kernel.load(fileAt + L.FILE_ROUND_LEADER));
  }
}

/** The ticket of the round that a caller joins now. */
export function openTicket({ kernel }: Pool, file: FileId): number {
  return kernel.fileWord(file, L.FILE_ROUND_OPEN);
}

/** Leads one round of the file. */
function* lead(pool: Pool, file: FileId, pinned: PinnedPages): Protocol<void> {
  const { kernel } = pool;
  const account: Account = { pages: 0, bounced: 0, flushes: 0 };
  let ticket: number | undefined;
  let errno: number = constants.errno.EIO; // if something unforeseen is thrown, the round has failed
  try {
    yield* even(pool, file, L.FILE_FAIL_SEQ);
    ticket = kernel.control.roundClose(file); // before the scan's first load
    errno = yield* commit(pool, file, pinned, account);
  } catch (error) {
    if ((error as PinfoldError).code === 'ERR_PINFOLD_TIMEOUT') errno = constants.errno.ETIMEDOUT;
    throw error;
  } finally {
    if (ticket === undefined) kernel.control.roundYield(file);
    else kernel.control.roundEnd(file, ticket, errno, account.pages, account.bounced, account.flushes);
  }
}

/**
 * Waits until a sequence of the file is even, and tells it: until no failed flush is making pages dirty again
 * (FILE_FAIL_SEQ), until no truncate is cutting pages off (FILE_CUT_SEQ). Both wait for I/O only.
 */
function* even(
  pool: Pool,
  file: FileId,
  field: typeof L.FILE_FAIL_SEQ | typeof L.FILE_CUT_SEQ,
): Protocol<number> {
  const { kernel } = pool;
  const fileAt = kernel.fileAt(file);
  const [what, lock] =
    field === L.FILE_FAIL_SEQ
      ? ['a failed flush of the file', L.FILE_FLUSH_LOCK]
      : ['a truncate', L.FILE_CUT_LOCK];
  const patience = new Patience(pool, what);
  for (;;) {
    const seq = kernel.load(fileAt + L.FILE_WAKE);
    const value = kernel.load(fileAt + field);
    if ((value & 1) === 0) return value;
    yield* patience.wait(fileAt + L.FILE_WAKE, seq, () => kernel.load(fileAt + lock));
  }
}

/** Scan, write, wait, flush: 0, or the errno that makes the round fail. */
function* commit(pool: Pool, file: FileId, pinned: PinnedPages, account: Account): Protocol<number> {
  const { kernel } = pool;
  const { control } = kernel;
  const fileAt = kernel.fileAt(file);
  let cuts = 0;
  for (let scan = 1; ; scan++) {
    const cutSeq = yield* even(pool, file, L.FILE_CUT_SEQ);
    const failSeq = yield* even(pool, file, L.FILE_FAIL_SEQ);
    const failures = kernel.load(fileAt + L.FILE_WB_FAIL);
    // One pass over the dirty set: no steady dirtier can hold the round.
    const first = yield* writeBack(pool, file, dirtyPages(pool, file), pinned, 0);
    account.pages += first.pages;
    account.bounced += first.bounced;
    if (first.errno !== 0) return first.errno;
    if (first.busy.length > 0) {
      // Their writebacks may have copied before our callers' last change: wait, and write what is dirty still. What is
      // busy even then was begun after that change: its end is waited for too.
      for (const { frame } of first.busy) yield* waitForWriteback(pool, frame);
      const second = yield* writeBack(pool, file, first.busy, pinned, 0);
      account.pages += second.pages;
      account.bounced += second.bounced;
      if (second.errno !== 0) return second.errno;
      for (const { frame } of second.busy) yield* waitForWriteback(pool, frame);
    }
    yield* waitForAllWritebacks(pool, file);
    // Pages beyond a size that a truncate had published were not written, and the system may have refused to cut them off.
    if (kernel.load(fileAt + L.FILE_CUT_SEQ) !== cutSeq && ++cuts <= CUTS_MAX) {
      scan--;
      continue;
    }
    if (kernel.load(fileAt + L.FILE_WB_FAIL) !== failures) {
      // A page left somebody's writeback unwritten after our scan had passed it.
      if (scan < SCANS_MAX) continue;
      return kernel.load(fileAt + L.FILE_ERRNO) || constants.errno.EIO;
    }
    if (control.needsFlush(file) === 1) {
      account.flushes++;
      const errno = yield* flush(pool, file);
      if (errno !== 0) return errno;
    }
    if (kernel.load(fileAt + L.FILE_FAIL_SEQ) !== failSeq) {
      // Another's flush failed while we wrote: pages that we wrote are dirty again. If only its thread died, nothing is
      // known to be wrong with the store, and they can be written once more.
      if (kernel.load(fileAt + L.FILE_FLUSH_ERRNO) === 0 && scan < SCANS_MAX) continue;
      return kernel.load(fileAt + L.FILE_ERRNO) || constants.errno.EIO;
    }
    if (kernel.load(fileAt + L.FILE_FLAGS) & L.FLAG_CREATED) {
      const result = yield* io({ kind: 'syncDirectory', file });
      if (result < 0) return -result;
      control.fileClearFlag(file, L.FLAG_CREATED);
    }
    return 0;
  }
}

/** Waits for every writeback of the file that is in flight now, whoever's: found in the rows. */
function* waitForAllWritebacks(pool: Pool, file: FileId): Protocol<void> {
  const { kernel } = pool;
  const rows = kernel.load(L.HEADER_ROWS);
  for (let owner = 0; owner < rows; owner++) {
    if (kernel.status(owner) === L.ROW_FREE) continue;
    let slot = 0;
    for (;;) {
      const frame = kernel.control.writebackOf(owner, file, slot);
      if (frame < 0) break;
      slot = kernel.out(0);
      yield* waitForWriteback(pool, frame);
    }
  }
}

/**
 * Has a round done for this caller, by a flusher if the driver must not block. The ticket goes along: of the callers whose
 * requests wait when a round ends that they had joined, none needs another.
 */
export function* fsyncByService(
  pool: Pool,
  file: FileId,
  ticket = openTicket(pool, file),
): Protocol<Outcome> {
  const request = { service: serviceClass.flushers, kind: requestKind.round, file, a: ticket, b: 0 } as const;
  return yield* ask(request, () => fsyncRound(pool, file, 'bounce', undefined, ticket));
}

/** Who holds a write pin on the frame, for people; undefined if nobody does any more. */
function writePinner(pool: Pool, frame: FrameId): OwnerId | undefined {
  for (const owner of pool.kernel.owners()) {
    for (const pin of pool.kernel.pinsOf(owner))
      if (pin.frame === frame && pin.mode === 'write') return owner;
  }
  return undefined;
}

/**
 * The blocking baseline's first half: sleeps until each page that is dirty now has been seen without write pins. It joins
 * and leads nothing meanwhile. Throws ERR_PINFOLD_PIN_TIMEOUT, naming the holder.
 */
export function* waitForWritePins(
  pool: Pool,
  file: FileId,
  timeoutMs: number,
  now: () => number,
): Protocol<void> {
  const { kernel } = pool;
  const end = now() + timeoutMs;
  for (const { frame, index } of dirtyPages(pool, file)) {
    while (kernel.control.prepareWait(frame, L.WRITE_MASK) === 1) {
      const seq = kernel.out(0);
      if (kernel.frameWord(frame, L.FRAME_STATE) & L.ORPHAN) break; // cut off: there is nothing to write
      const left = end - now();
      if (left <= 0) {
        const owner = writePinner(pool, frame);
        if (owner === undefined) break;
        throw pinfoldError(
          'ERR_PINFOLD_PIN_TIMEOUT',
          `fsync (policy 'block') waited ${timeoutMs} ms for the write pin on page ${index}, ` +
            `held by ${describeOwner(kernel, owner)}. Policy 'bounce' does not wait for pins`,
        );
      }
      yield* wait(kernel.frameAt(frame) + L.FRAME_WAKE, seq, left);
    }
  }
}
