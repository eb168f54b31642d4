// What service threads do for others: take a request, run its protocol in place, answer.
import { constants } from 'node:os';
import type { Attachment } from '../attachment';
import type { FileId } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { type Answer, type Protocol, requestKind, type ServiceClass } from '../protocol/effects';
import { statusOf } from '../protocol/failure';
import { fill, makeRoom } from '../protocol/fill';
import { fsyncRound } from '../protocol/fsync';
import { fillRun, runOf } from '../protocol/run';
import { cleanForWriter } from '../protocol/throttle';
import { cut } from '../protocol/truncate';

/** What only the file worker can do. */
export interface Opener {
  open(area: number, flags: number): Answer;
}

/**
 * Serves every request of the class that waits now. `turn`: the row to begin with. The row to begin with next; undefined if
 * there was no request.
 */
export function serveAll(
  attachment: Attachment,
  service: ServiceClass,
  turn: number,
  opener?: Opener,
): number | undefined {
  const { kernel, geometry } = attachment;
  let next: number | undefined;
  while (kernel.control.take(service, next ?? turn) === 1) {
    const [owner, slot, kind, file, a, b] = [0, 1, 2, 3, 4, 5].map((word) => kernel.out(word)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    let answer: Answer;
    try {
      answer = serve(attachment, kind, file as FileId, a, b, opener);
    } catch (error) {
      if (!isOpen(attachment)) return next; // whoever asked sees that for himself
      answer = [...statusOf(error), 0, 0];
    }
    kernel.control.answer(owner, slot, ...answer);
    next = (owner + 1) % geometry.rows;
  }
  return next;
}

function serve(
  attachment: Attachment,
  kind: number,
  file: FileId,
  a: number,
  b: number,
  opener?: Opener,
): Answer {
  if (kind === requestKind.open && opener) return opener.open(a, b);
  // The caller's handle may be closed meanwhile: the service holds the file open for itself.
  if (!attachment.references.retain(file)) return [constants.errno.EBADF, 0, 0, 0];
  try {
    return attachment.sync.run(protocolFor(attachment, kind, file, a, b));
  } finally {
    if (attachment.references.release(file)) attachment.kernel.control.ring(1);
  }
}

function protocolFor(
  attachment: Attachment,
  kind: number,
  file: FileId,
  a: number,
  b: number,
): Protocol<Answer> {
  if (kind === requestKind.fill) {
    return fill(attachment, file, a >>> 0, (b & 1) !== 0, (b & 2) !== 0);
  }
  if (kind === requestKind.run || kind === requestKind.ahead) return fillRun(attachment, file, runOf(a, b));
  if (kind === requestKind.room) return makeRoom(attachment);
  if (kind === requestKind.clean) return cleanForWriter(attachment, file);
  if (kind === requestKind.truncate) return cut(attachment, file, (a >>> 0) + b * 2 ** 32);
  if (kind === requestKind.round) return fsyncRound(attachment, file, 'bounce', undefined, a);
  throw new Error(`no request has kind ${kind}`);
}

/** Sleeps until the class's bell rings or `ms` passed. */
export function awaitBell(attachment: Attachment, service: ServiceClass, seen: number, ms: number): void {
  Atomics.wait(
    attachment.kernel.words,
    (L.HEADER_BELL >> 2) + service,
    seen,
    Math.max(1, Math.min(ms, 1000)),
  );
}

export function isOpen(attachment: Attachment): boolean {
  return attachment.kernel.load(L.HEADER_LIFE) < L.LIFE_CLOSED;
}
