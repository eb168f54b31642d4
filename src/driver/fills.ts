// Which requests are for pages that their caller waits for: those that an observer hears of.
import type { PinfoldError } from '../errors';
import type { FileId } from '../kernel/kernel';
import type { Fill } from '../observer';
import { type Answer, type Request, requestKind } from '../protocol/effects';
import { runOf } from '../protocol/run';

/** What an answer to a request for a page means for its caller. */
export type FillFailure = (request: Request, answer: Answer) => PinfoldError | undefined;

export function fillOf(request: Request, failure: FillFailure): Fill<Answer> | undefined {
  const { kind, file, a, b } = request;
  if (kind !== requestKind.fill && kind !== requestKind.run) return undefined;
  const pages = kind === requestKind.run ? runOf(a, b).count : 1;
  return {
    file: file as FileId,
    page: a >>> 0,
    pages,
    failure: (answer) => failure(request, answer),
  };
}
