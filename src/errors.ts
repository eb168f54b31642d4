import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Every code that an error of this library can carry. */
export type PinfoldErrorCode =
  /** An option is unknown, of the wrong type or out of range. */
  | 'ERR_PINFOLD_OPTION'
  /** An argument is of the wrong type. */
  | 'ERR_PINFOLD_ARGUMENT'
  /** An index, position or size is negative, fractional, not a number, or past what there is. */
  | 'ERR_PINFOLD_RANGE'
  /** The cache, the file handle or this thread's attachment is closed. */
  | 'ERR_PINFOLD_CLOSED'
  /** The thread that created the cache has ended, and the cache with it. */
  | 'ERR_PINFOLD_OWNER_GONE'
  /** The handle was opened with mode 'r'. */
  | 'ERR_PINFOLD_READ_ONLY'
  /** A call of the operating system failed: `cause` says which and how. Nothing that was written is lost. */
  | 'ERR_PINFOLD_IO'
  /** What the store has of a page is not what was written there: `page` and `path` say where. No byte of it was returned. */
  | 'ERR_PINFOLD_CHECKSUM'
  /** The file was to be opened with `direct`, and there is no direct I/O on it: `cause` and `path` say why and where. */
  | 'ERR_PINFOLD_DIRECT'
  /** Every frame is pinned, or dirty and not writable: there is no room for another page. */
  | 'ERR_PINFOLD_FULL'
  /** This thread holds `maxPinsPerThread` pins. */
  | 'ERR_PINFOLD_PIN_LIMIT'
  /** One page has as many pins as can be counted (4,095 read pins, 1,023 write pins). */
  | 'ERR_PINFOLD_PIN_COUNT'
  /** The page was unpinned already. */
  | 'ERR_PINFOLD_UNPINNED'
  /** Pins are live: the message lists them. Nothing was changed; try again when they are dropped. */
  | 'ERR_PINFOLD_BUSY'
  /** What was given is no handle of a cache, or one of another version of this library. */
  | 'ERR_PINFOLD_HANDLE'
  /** `maxThreads` threads are attached. */
  | 'ERR_PINFOLD_THREADS'
  /** `maxFiles` files are open or have pages in the cache. */
  | 'ERR_PINFOLD_FILES'
  /** `fsync` with policy 'block' waited longer than its timeout for a write pin; the message names its holder. */
  | 'ERR_PINFOLD_PIN_TIMEOUT'
  /** The caller's timeout passed, or other threads' work took longer than `waitTimeoutMs`. The work goes on. */
  | 'ERR_PINFOLD_TIMEOUT'
  /** The caller's signal was aborted; `cause` is its reason. The work goes on. */
  | 'ERR_PINFOLD_ABORTED'
  /** The file is open in this process with other options, or in another cache. */
  | 'ERR_PINFOLD_CONFLICT'
  /** An update waited too long for another update of the page; the message names who makes it. */
  | 'ERR_PINFOLD_UPDATE_TIMEOUT'
  /** A view or update of a page inside an update of that page by the same thread. */
  | 'ERR_PINFOLD_REENTRANT'
  /** An update of a page with live write pins must name its range. */
  | 'ERR_PINFOLD_RANGE_REQUIRED'
  /** A callback returned a promise, or nested deeper than views can. */
  | 'ERR_PINFOLD_CALLBACK';

/** What every error thrown or rejected by Pinfold has in common. */
export interface PinfoldError extends Error {
  code: PinfoldErrorCode;
  /** With ERR_PINFOLD_CHECKSUM: the index of the page. With that and ERR_PINFOLD_DIRECT: the path of the file. */
  page?: number;
  path?: string;
}

function withCode<E extends Error>(error: E, code: PinfoldErrorCode, cause?: unknown): E & PinfoldError {
  const result = Object.assign(error, { code });
  if (cause !== undefined) Object.defineProperty(result, 'cause', { value: cause, configurable: true });
  Error.captureStackTrace(result, withCode);
  return result;
}

export function pinfoldError(code: PinfoldErrorCode, message: string, cause?: unknown): PinfoldError {
  return withCode(new Error(message), code, cause);
}

export function typeError(code: PinfoldErrorCode, message: string): PinfoldError {
  return withCode(new TypeError(message), code);
}

export function rangeError(code: PinfoldErrorCode, message: string): PinfoldError {
  return withCode(new RangeError(message), code);
}

/** The caller's signal ended its wait for `what`. Its name is that of every aborted call's error. */
export function abortedError(what: string, reason: unknown): PinfoldError {
  const message = `the wait for ${what} was aborted; what is under way for it ends by itself`;
  const error = new Error(message);
  error.name = 'AbortError';
  return withCode(error, 'ERR_PINFOLD_ABORTED', reason);
}

/** Shows an offending value in a message: short, and told apart by type ('4096' is no number). */
export function show(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `'${value.slice(0, 57)}…'` : `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'no prototype'})`;
  }
  return String(value);
}

/** An error as Node's `fs` makes it, from the errno that a service thread or a store reported (positive). */
export function systemError(errno: number, syscall: string, path?: string): NodeJS.ErrnoException {
  const code = errnoName(errno);
  const text = getSystemErrorMap().get(-errno)?.[1] ?? 'unknown error';
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${syscall}${path ? ` '${path}'` : ''}`);
  error.errno = -errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

/** 'EIO' for 5. libuv does not know all that a file system reports: EDQUOT is the system's own. */
function errnoName(errno: number): string {
  const known = getSystemErrorMap().get(-errno)?.[0];
  return known ?? Object.entries(constants.errno).find(([, n]) => n === errno)?.[0] ?? `errno ${errno}`;
}

/** An I/O error: what was tried, on what, and the system's error as `cause`. */
export function ioError(what: string, errno: number, syscall: string, path?: string): PinfoldError {
  const cause = systemError(errno, syscall, path);
  return pinfoldError('ERR_PINFOLD_IO', `${what}: ${cause.message}`, cause);
}

/** A page of a file with checksums is not the one that was written. */
export function checksumError(page: number, path: string, why: string): PinfoldError {
  const error = pinfoldError('ERR_PINFOLD_CHECKSUM', `page ${page} of '${path}' ${why}`);
  return Object.assign(error, { page, path });
}

/** A file can't be read and written past the system's cache. */
export function directError(path: string, errno: number): PinfoldError {
  const cause = systemError(errno, 'open', path);
  const error = pinfoldError(
    'ERR_PINFOLD_DIRECT',
    `no direct I/O on '${path}': its file system, or this system, has none (${cause.code}). ` +
      'Open it without `direct`, or keep it on a file system that has it, as ext4 and XFS do',
    cause,
  );
  return Object.assign(error, { path });
}
