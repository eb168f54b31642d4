// What a service thread's work failed with, on its way to who asked for it: a request is answered in numbers. A positive
// status is an errno; protocols have small negative ones of their own.
import { constants } from 'node:os';
import { type PinfoldError, type PinfoldErrorCode, pinfoldError } from '../errors';

/** The codes that can cross, and what is said then: who threw knew more, but only the code goes over. */
const CROSSING: readonly [PinfoldErrorCode, string][] = [
  ['ERR_PINFOLD_CLOSED', 'the cache is closed: its creator has closed it'],
  ['ERR_PINFOLD_OWNER_GONE', 'the thread that created the cache has ended, and the cache with it'],
  ['ERR_PINFOLD_TIMEOUT', "a service thread waited longer than waitTimeoutMs for other threads' work"],
  ['ERR_PINFOLD_UPDATE_TIMEOUT', 'a service thread waited too long for an update of the page'],
  ['ERR_PINFOLD_FULL', 'no frame could be taken. Drop pins, or create the cache with more memory'],
  ['ERR_PINFOLD_RANGE', 'the page is past the end of the file, which was truncated'],
  ['ERR_PINFOLD_PIN_COUNT', 'the page has as many pins as can be counted'],
];
const FIRST = -100;

/** The status that tells of a thrown error. */
export function statusOf(error: unknown): number {
  const { code, errno, cause } = error as PinfoldError & { errno?: number };
  const n = CROSSING.findIndex(([crossing]) => crossing === code);
  if (n >= 0) return FIRST - n;
  const systems = errno ?? (cause as NodeJS.ErrnoException | undefined)?.errno;
  return typeof systems === 'number' && systems < 0 ? -systems : constants.errno.EIO;
}

/** The error that a status made by `statusOf` stands for; undefined if it is an errno, or a protocol's own. */
export function failureOf(status: number, what: string): PinfoldError | undefined {
  const crossing = CROSSING[FIRST - status];
  return crossing && pinfoldError(crossing[0], `${what}: ${crossing[1]}`);
}
