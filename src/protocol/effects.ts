// A protocol is a generator that yields effects: what it can't do itself. A driver performs them. The same source is
// run by the synchronous driver (in place), by the asynchronous one (on a thread whose event loop must not block) and
// by an explorer of schedules.

import { pinfoldError } from '../errors';
import type { Geometry } from '../kernel/geometry';
import { describeOwner, type FileId, type Kernel, type PageBytes } from '../kernel/kernel';
import { AHEAD_REQUEST, OPEN_REQUEST } from '../kernel/layout';
import type { References } from '../kernel/references';
import type { CheckedOptions } from '../options';
import { about } from './failure';

/** What a protocol works on: one thread's view of the cache. */
export interface Pool {
  readonly kernel: Kernel;
  readonly bytes: PageBytes;
  readonly geometry: Geometry;
  readonly options: CheckedOptions;
  readonly references: References;
  /** Hears of what a protocol does beside its effects, if anybody wants to. */
  readonly observer?: { reclaiming(file: FileId | -1): ((freed: boolean) => void) | undefined };
}

/** Sleep until the word at byte `at` is no longer `seq`, or `timeoutMs` passed. Whoever waits looks again afterwards. */
interface WaitEffect {
  readonly kind: 'wait';
  readonly at: number;
  readonly seq: number;
  /** Infinity: until woken (drivers sleep in slices and look around in between). */
  readonly timeoutMs: number;
}
/** Read into `bytes`: the bytes read, or the negated errno. */
interface ReadEffect {
  readonly kind: 'read';
  readonly file: FileId;
  readonly bytes: Uint8Array;
  readonly position: number;
}
/** Write all of `bytes`: 0 or more, or the negated errno. */
interface WriteEffect {
  readonly kind: 'write';
  readonly file: FileId;
  readonly bytes: Uint8Array;
  readonly position: number;
}
/** The store's barrier: 0 or the negated errno. */
interface FlushEffect {
  readonly kind: 'flush';
  readonly file: FileId;
}
/** Give the store's file a size: 0 or the negated errno. */
interface ResizeEffect {
  readonly kind: 'resize';
  readonly file: FileId;
  readonly size: number;
}
/** Make the file's directory entry stable: 0 or the negated errno. */
interface SyncDirectoryEffect {
  readonly kind: 'syncDirectory';
  readonly file: FileId;
}
/**
 * Work that does I/O. The synchronous driver runs `here` in place; the asynchronous one hands the request to a service
 * thread, which runs the same generator: no claim, writeback or round spans a turn of a user's event loop.
 */
interface AskEffect {
  readonly kind: 'ask';
  readonly request: Request;
  readonly here: () => Protocol<Answer>;
}

export type IoEffect = ReadEffect | WriteEffect | FlushEffect | ResizeEffect | SyncDirectoryEffect;
export type Effect = WaitEffect | IoEffect | AskEffect;

/** Four words; what they mean is the request's. */
export type Answer = readonly [number, number, number, number];

/** A request to the service threads of a class. */
export interface Request {
  readonly service: ServiceClass;
  readonly kind: RequestKind;
  readonly file: number;
  readonly a: number;
  readonly b: number;
}

export const serviceClass = { flushers: 0, files: 1 } as const;
export type ServiceClass = (typeof serviceClass)[keyof typeof serviceClass];

export const requestKind = {
  fill: 1,
  round: 2,
  open: OPEN_REQUEST,
  room: 4,
  truncate: 5,
  clean: 6,
  run: 7,
  ahead: AHEAD_REQUEST,
} as const;
type RequestKind = (typeof requestKind)[keyof typeof requestKind];

/** A protocol that ends with a `T`. Which effect was yielded decides the type of what comes back; see `perform*`. */
export type Protocol<T> = Generator<Effect, T, number & Answer>;

export function* wait(at: number, seq: number, timeoutMs = Number.POSITIVE_INFINITY): Protocol<void> {
  yield { kind: 'wait', at, seq, timeoutMs };
}

/** How others' work is waited for. `holder`: the owner + 1 who does it, or 0; for people. */
export interface Waiting {
  wait(at: number, seq: number, holder: () => number, timeoutMs?: number): Protocol<void>;
}

/** Without an end: for what must be done once it has begun. Dead threads' work ends all the same: drivers look for them. */
export const endless: Waiting = {
  *wait(at, seq, _holder, timeoutMs) {
    yield* wait(at, seq, timeoutMs);
  },
};

/**
 * A wait for other threads' work, with an end: a thread that is stuck in the system, though it lives, must not hold others
 * for ever. It throws ERR_PINFOLD_TIMEOUT after `waitTimeoutMs`, naming what was waited for and whom.
 */
export class Patience implements Waiting {
  readonly #pool: Pool;
  readonly #what: string;
  readonly #end: number;

  constructor(pool: Pool, what: string) {
    this.#pool = pool;
    this.#what = what;
    this.#end = performance.now() + pool.options.waitTimeoutMs;
  }

  *wait(at: number, seq: number, holder: () => number, timeoutMs = Number.POSITIVE_INFINITY): Protocol<void> {
    const left = this.#end - performance.now();
    if (left <= 0) {
      const owner = holder() - 1;
      const whom = owner >= 0 ? `, held by ${describeOwner(this.#pool.kernel, owner)}` : '';
      const error = pinfoldError(
        'ERR_PINFOLD_TIMEOUT',
        `waited ${this.#pool.options.waitTimeoutMs} ms for ${this.#what}${whom} (waitTimeoutMs)`,
      );
      throw about(error, owner + 1);
    }
    yield* wait(at, seq, Math.min(left, timeoutMs));
  }
}

/** Performs an I/O effect: its result, a count or a negated errno. */
export function* io(effect: IoEffect): Protocol<number> {
  return yield effect;
}

export function* ask(request: Request, here: () => Protocol<Answer>): Protocol<Answer> {
  return yield { kind: 'ask', request, here };
}
