// What a service thread's work failed with, on its way to who asked for it: a request is answered in numbers. A positive
// status is an errno; protocols have small negative ones of their own.
import { constants } from 'node:os';
import { type PinfoldError, type PinfoldErrorCode, pinfoldError } from '../errors';
import { describeOwner, type Kernel } from '../kernel/kernel';

/** The codes that can cross, and what is said then: who threw knew more, but only the code and an owner go over. */
const CROSSING: readonly [PinfoldErrorCode, string][] = [
  ['ERR_PINFOLD_TIMEOUT', 'a service thread waited too long for what another thread does (waitTimeoutMs)'],
  ['ERR_PINFOLD_UPDATE_TIMEOUT', 'a service thread waited too long for another update of the page'],
  ['ERR_PINFOLD_FULL', 'no frame could be taken. Drop pins, or create the cache with more memory'],
  ['ERR_PINFOLD_CHECKSUM', 'a page that was needed does not match its checksum'],
  ['ERR_PINFOLD_RANGE', 'the page is past the end of the file, which was truncated'],
  ['ERR_PINFOLD_PIN_COUNT', 'the page has as many pins as can be counted'],
  ['ERR_PINFOLD_CLOSED', 'the cache is being closed by its creator'],
  ['ERR_PINFOLD_OWNER_GONE', 'the thread that created the cache has ended, and the cache with it'],
];
const FIRST = -100;

/** Owners + 1 that errors of waits name. */
const holders = new WeakMap<object, number>();

/** Notes whom an error is about: `holder` is the owner + 1, or 0. */
export function about<E extends object>(error: E, holder: number): E {
  holders.set(error, holder);
  return error;
}

/** The first two words of the answer that tells of a thrown error. */
export function statusOf(error: unknown): [status: number, holder: number] {
  const { code, errno, cause } = error as PinfoldError & { errno?: number };
  const n = CROSSING.findIndex(([crossing]) => crossing === code);
  if (n >= 0) return [FIRST - n, holders.get(error as object) ?? 0];
  const systems = errno ?? (cause as NodeJS.ErrnoException | undefined)?.errno;
  return [typeof systems === 'number' && systems < 0 ? -systems : constants.errno.EIO, 0];
}

/** Throws the error that an answer made by `statusOf` stands for; returns if it is an errno, or a protocol's own. */
export function throwFailure(kernel: Kernel, [status, holder]: readonly [number, number, ...number[]]): void {
  const crossing = CROSSING[FIRST - status];
  if (crossing === undefined) return;
  const whom = holder > 0 ? `, held by ${describeOwner(kernel, holder - 1)}` : '';
  throw pinfoldError(crossing[0], crossing[1] + whom);
}
