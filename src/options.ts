import { abortedError, rangeError, show, typeError } from './errors';

/** What `fsync` does about a page that is write-pinned. */
export type FsyncPolicy = 'bounce' | 'block';

export interface CacheOptions {
  /**
   * Bytes for page frames and staging areas. Default 64 MiB, 128 GiB at the most. Metadata comes on top: 2 to 2.5 percent from
   * 64 MiB on, more with a larger `maxFiles`. It can be 2 GiB at the most: that is enough for some 100 GiB of pages of 4 KiB.
   */
  memory?: number;
  /** Bytes a page: a power of two, 4,096 to 65,536. Default 4,096. */
  pageSize?: number;
  /** Threads that write dirty pages back in the background and run asynchronous fsyncs. 1 to 8, default 1. */
  flushers?: number;
  /** Default 'bounce': a write-pinned page is written from a copy. 'block' waits until write pins of dirty pages drop. */
  fsyncPolicy?: FsyncPolicy;
  /** Share of frames that may be dirty (and not pinned) before flushers start. Above 0, up to 1; default 0.10. */
  dirtyBackgroundRatio?: number;
  /** Share of frames that may be dirty (and not pinned) before a writer cleans some itself. Default 0.20. */
  dirtyRatio?: number;
  /** Age in ms at which a dirty page is written back anyway. Default 30,000. */
  dirtyExpireMs?: number;
  /** How often flushers look, in ms. Default 1,000. */
  writebackIntervalMs?: number;
  /** How long an fsync with policy 'block' waits for write pins, in ms. Default 10,000. */
  blockTimeoutMs?: number;
  /**
   * How long a call waits for other threads' work (a fill, a writeback, a round of fsync) before it rejects with
   * ERR_PINFOLD_TIMEOUT, in ms. Dead threads' work is given up long before. Default 60,000.
   */
  waitTimeoutMs?: number;
  /** How many threads may be attached at a time, the creator included. 1 to 1,024, default 64. */
  maxThreads?: number;
  /** How many pins one thread may hold at a time. 1 to 4,096, default 256. */
  maxPinsPerThread?: number;
  /**
   * How many files may be open or have pages in the cache at a time. 1 to 65,536, default 512. An open file takes two descriptors
   * of the process.
   */
  maxFiles?: number;
  /**
   * Note the stack that takes each pin, in every thread: `pages()` and the error of `close` and `detach` then show it. A pin
   * takes some µs more. Default false.
   */
  trace?: boolean;
}

export interface AttachOptions {
  /** As for `create`, for this thread alone. If the creator does not trace, only this thread sees its stacks. Default: as the creator. */
  trace?: boolean;
}

export interface OpenOptions {
  /** 'r': reading only. 'r+' (default): reading and writing. */
  mode?: 'r' | 'r+';
  /** Create the file, empty, if it does not exist. Needs 'r+'. Default false. */
  create?: boolean;
  /**
   * 'crc32c': each page ends with a checksum in its last 8 bytes, which the cache keeps for itself: pages, positions and sizes
   * count the bytes before it. Such a file must be new, or have been written so, with pages of the same size. Default 'none'.
   */
  checksum?: 'none' | 'crc32c';
  /**
   * Read and write the file past the system's cache (O_DIRECT), so that its pages are in memory once and not twice. Linux
   * only, and not on every file system: see ERR_PINFOLD_DIRECT. Default false.
   */
  direct?: boolean;
  /**
   * How this handle will read, which decides what is brought in ahead of it. 'normal' (default): what follows, once reads have
   * been seen to follow each other, or to be a fixed number of pages apart. 'sequential': as much as it may, from the first
   * read on. 'random': nothing. 'once': as 'sequential', and nothing that is read will be needed again, so its pages are the
   * first that make room for others. Other handles of the file may say otherwise.
   */
  access?: Access;
}

/** How a handle reads: see `OpenOptions.access`. */
export type Access = 'normal' | 'sequential' | 'random' | 'once';

/** What every call takes that returns a promise and may wait. */
export interface WaitOptions {
  /**
   * Ends this caller's wait: the promise rejects with ERR_PINFOLD_ABORTED at once, whose `cause` is the signal's reason. The
   * I/O that is under way goes on, and nobody else's wait ends. What the call had still to do it does not do; a pin or a file
   * that comes too late is given back. If the signal is aborted already, nothing is begun.
   */
  signal?: AbortSignal;
}

export interface FsyncOptions extends WaitOptions {
  /** Default: the cache's `fsyncPolicy`. */
  policy?: FsyncPolicy;
  /** How long this caller waits, in ms. The work goes on after it. Default: no limit ('block': `blockTimeoutMs` for pins). */
  timeout?: number;
}

export interface UpdateRange {
  /** First byte of the page that the update may change. Default 0. */
  offset?: number;
  /** How many bytes. Default: to the end of the page. */
  length?: number;
  /** How long to wait for another update of the page, in ms. Default 10,000. */
  timeout?: number;
}

const MIB = 1 << 20;

interface NumberRule {
  default: number;
  min: number;
  max: number;
  integer: boolean;
}

const whole = (value: number, min: number, max: number): NumberRule => ({
  default: value,
  min,
  max,
  integer: true,
});

const NUMBERS = {
  memory: whole(64 * MIB, 256 * 1024, 2 ** 37),
  pageSize: whole(4096, 4096, 65_536),
  flushers: whole(1, 1, 8),
  dirtyBackgroundRatio: { default: 0.1, min: 0.0001, max: 1, integer: false },
  dirtyRatio: { default: 0.2, min: 0.0001, max: 1, integer: false },
  dirtyExpireMs: whole(30_000, 0, 2 ** 30),
  writebackIntervalMs: whole(1000, 1, 2 ** 30),
  blockTimeoutMs: whole(10_000, 0, 2 ** 30),
  waitTimeoutMs: whole(60_000, 1, 2 ** 30),
  maxThreads: whole(64, 1, 1024),
  maxPinsPerThread: whole(256, 1, 4096),
  maxFiles: whole(512, 1, 65_536),
} satisfies Partial<Record<keyof CacheOptions, NumberRule>>;

const ACCESS = ['normal', 'sequential', 'random', 'once'] as const;

const CHOICES = {
  fsyncPolicy: ['bounce', 'block'],
} as const;

/** The options of a cache, all present, checked. Structured-cloneable: they travel in its handle. */
export type CheckedOptions = Required<CacheOptions>;

/** Whose wait it is that a signal may end; undefined: no signal was given. */
export interface Waiter {
  readonly signal: AbortSignal;
  readonly what: string;
}

function checkSignal(signal: unknown, what: string): Waiter | undefined {
  if (signal === undefined) return undefined;
  if (!(signal instanceof AbortSignal)) {
    throw typeError('ERR_PINFOLD_OPTION', `signal must be an AbortSignal, got ${show(signal)}`);
  }
  if (signal.aborted) throw abortedError(what, signal.reason);
  return { signal, what };
}

/** The options of a call that may wait. Throws ERR_PINFOLD_OPTION; ERR_PINFOLD_ABORTED if the signal is aborted already. */
export function checkWaitOptions(given: unknown, what: string): Waiter | undefined {
  if (given === undefined) return undefined;
  const options = plainObject(given, `${what} options`);
  refuseUnknown(options, ['signal'], what);
  return checkSignal(options.signal, what);
}

/** Takes the signal out of a call's own options: what is left, and whose wait it ends. Throws as `checkWaitOptions`. */
export function splitSignal<T extends object>(
  given: T | undefined,
  what: string,
): [Omit<T, 'signal'> | undefined, Waiter | undefined] {
  if (typeof given !== 'object' || given === null || !('signal' in given)) return [given, undefined];
  const { signal, ...rest } = given as T & WaitOptions;
  return [rest, checkSignal(signal, what)];
}

function plainObject(value: unknown, what: string): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw typeError('ERR_PINFOLD_OPTION', `${what} must be an object, got ${show(value)}`);
  }
  return value as Record<string, unknown>;
}

function refuseUnknown(options: Record<string, unknown>, known: readonly string[], what: string): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw typeError('ERR_PINFOLD_OPTION', `${what}: unknown option '${name}'. Known: ${known.join(', ')}`);
  }
}

function checkNumber(name: string, value: unknown, rule: NumberRule): number {
  if (value === undefined) return rule.default;
  const range = `${rule.integer ? 'a whole number' : 'a number'} from ${rule.min} to ${rule.max}`;
  if (typeof value !== 'number') {
    throw typeError('ERR_PINFOLD_OPTION', `${name} must be ${range}, got ${show(value)}`);
  }
  if (!(value >= rule.min && value <= rule.max) || (rule.integer && !Number.isInteger(value))) {
    throw rangeError('ERR_PINFOLD_OPTION', `${name} must be ${range}, got ${show(value)}`);
  }
  return value;
}

function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  if (!choices.includes(value as T)) {
    const list = choices.map((choice) => `'${choice}'`).join(' or ');
    throw typeError('ERR_PINFOLD_OPTION', `${name} must be ${list}, got ${show(value)}`);
  }
  return value as T;
}

/** Fills in defaults. Throws ERR_PINFOLD_OPTION with the option's name and the value. */
export function checkCacheOptions(given: unknown): CheckedOptions {
  const options = plainObject(given, 'options');
  refuseUnknown(options, [...Object.keys(NUMBERS), ...Object.keys(CHOICES), 'trace'], 'PageCache.create');
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, rule]) => [name, checkNumber(name, options[name], rule)]),
  ) as Record<keyof typeof NUMBERS, number>;
  const checked: CheckedOptions = {
    ...numbers,
    fsyncPolicy: checkChoice('fsyncPolicy', options.fsyncPolicy, CHOICES.fsyncPolicy, 'bounce'),
    trace: checkFlag('trace', options.trace),
  };
  const { pageSize, memory, dirtyBackgroundRatio, dirtyRatio } = checked;
  if ((pageSize & (pageSize - 1)) !== 0) {
    throw rangeError('ERR_PINFOLD_OPTION', `pageSize must be a power of two, got ${pageSize}`);
  }
  if (memory < 32 * pageSize) {
    throw rangeError(
      'ERR_PINFOLD_OPTION',
      `memory must hold 32 pages (${32 * pageSize} bytes), got ${memory}`,
    );
  }
  if (dirtyBackgroundRatio > dirtyRatio) {
    throw rangeError(
      'ERR_PINFOLD_OPTION',
      `dirtyBackgroundRatio (${dirtyBackgroundRatio}) must not exceed dirtyRatio (${dirtyRatio})`,
    );
  }
  return checked;
}

/** Whether a thread that attaches traces its pins. `creator`: whether the creator does. */
export function checkAttachOptions(given: unknown, creator: boolean): boolean {
  const options = plainObject(given, 'attach options');
  refuseUnknown(options, ['trace'], 'PageCache.attach');
  return checkFlag('trace', options.trace ?? creator);
}

/** Throws ERR_PINFOLD_OPTION for what `pages` does not know: whether only pinned pages are wanted. */
export function checkPagesFilter(given: unknown): boolean {
  const options = plainObject(given, 'filter');
  refuseUnknown(options, ['pinned'], 'pages');
  return checkFlag('pinned', options.pinned);
}

export function checkOpenOptions(given: unknown): Required<OpenOptions> {
  const options = plainObject(given, 'open options');
  refuseUnknown(options, ['mode', 'create', 'checksum', 'direct', 'access'], 'open');
  const mode = checkChoice('mode', options.mode, ['r', 'r+'] as const, 'r+');
  const create = checkFlag('create', options.create);
  if (create && mode === 'r') {
    throw typeError('ERR_PINFOLD_OPTION', `create needs mode 'r+', got mode 'r'`);
  }
  const checksum = checkChoice('checksum', options.checksum, ['none', 'crc32c'] as const, 'none');
  const access = checkChoice('access', options.access, ACCESS, 'normal');
  return { mode, create, checksum, direct: checkFlag('direct', options.direct), access };
}

function checkFlag(name: string, value: unknown): boolean {
  const flag = value ?? false;
  if (typeof flag !== 'boolean') {
    throw typeError('ERR_PINFOLD_OPTION', `${name} must be true or false, got ${show(flag)}`);
  }
  return flag;
}

/** The range of an update: whether it was named, and whether the update is of a write, which may extend the file. */
export interface CheckedRange {
  offset: number;
  length: number;
  timeout: number;
  named: boolean;
  extends: boolean;
}

/** How long an update waits for another of its page, in ms, if its caller does not say. */
export const UPDATE_TIMEOUT_MS = 10_000;

export function checkUpdateRange(given: unknown, pageSize: number): CheckedRange {
  // The usual case first: two whole numbers, within the page, and nothing else.
  if (typeof given === 'object' && given !== null) {
    const { offset, length } = given as { offset?: unknown; length?: unknown };
    let others = 0;
    for (const name in given) if (name !== 'offset' && name !== 'length') others++;
    if (
      others === 0 &&
      typeof offset === 'number' &&
      typeof length === 'number' &&
      offset >>> 0 === offset &&
      length >>> 0 === length &&
      length > 0 &&
      offset + length <= pageSize
    ) {
      return { offset, length, timeout: UPDATE_TIMEOUT_MS, named: true, extends: false };
    }
  }
  const options = plainObject(given, 'range');
  refuseUnknown(options, ['offset', 'length', 'timeout'], 'update');
  const offset = checkNumber('offset', options.offset, whole(0, 0, pageSize - 1));
  const length = checkNumber('length', options.length, whole(pageSize - offset, 1, pageSize - offset));
  const timeout = checkNumber('timeout', options.timeout, {
    default: UPDATE_TIMEOUT_MS,
    min: 0,
    max: 2 ** 30,
    integer: false,
  });
  const named = options.offset !== undefined || options.length !== undefined;
  return { offset, length, timeout, named, extends: false };
}

export interface CheckedFsync {
  policy: FsyncPolicy;
  timeout?: number;
  waiter?: Waiter;
}

/** The options of one fsync. `skip` exists for the harness's control only, which does not come this way. */
export function checkFsyncOptions(given: unknown, fallback: FsyncPolicy): CheckedFsync {
  if (given === undefined) return { policy: fallback };
  const options = plainObject(given, 'fsync options');
  refuseUnknown(options, ['policy', 'timeout', 'signal'], 'fsync');
  const checked: CheckedFsync = {
    policy: checkChoice('policy', options.policy, CHOICES.fsyncPolicy, fallback),
  };
  if (options.timeout !== undefined) {
    checked.timeout = checkNumber('timeout', options.timeout, {
      default: 0,
      min: 0,
      max: 2 ** 30,
      integer: false,
    });
  }
  const waiter = checkSignal(options.signal, 'fsync');
  if (waiter !== undefined) checked.waiter = waiter;
  return checked;
}
