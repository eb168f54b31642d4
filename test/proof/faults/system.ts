// The system calls under the library's own store: over disks that can be cut, each numbered, and failing by a plan.
import { constants } from 'node:os';
import { systemError } from '../../../src/errors.ts';
import type { FileCalls } from '../../../src/store/file.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Disk } from '../../kernel/disk.ts';

const CALLS = ['read', 'write', 'flush', 'resize', 'syncDirectory'] as const;
export type Call = (typeof CALLS)[number];

const { EIO, ENOSPC, EDQUOT, EINTR, EINVAL } = constants.errno;

/** One way in which a call fails. */
export interface Failure {
  readonly name: string;
  /** Which calls can fail like this. */
  readonly calls: readonly Call[];
  /** What the call reports; 0: no error, though not all was done. */
  readonly errno: number;
  /** How much of the transfer is done: nothing, a byte, half, all of it. */
  readonly done: 'none' | 'byte' | 'half' | 'all';
  /** A failed flush does not only forget what it has not stored: it reads as before. */
  readonly reverts?: boolean;
  /** Not tried on many calls in a row: that would take long, or show what another one does. */
  readonly onceOnly?: boolean;
}

const changing: readonly Call[] = ['write', 'flush', 'resize', 'syncDirectory'];
export const failures: readonly Failure[] = [
  { name: 'EIO', calls: CALLS, errno: EIO, done: 'none' },
  { name: 'EIO, reverted', calls: ['flush'], errno: EIO, done: 'none', reverts: true },
  { name: 'EIO after half', calls: ['write', 'read'], errno: EIO, done: 'half' },
  { name: 'EIO, yet done', calls: changing, errno: EIO, done: 'all' },
  { name: 'ENOSPC', calls: changing, errno: ENOSPC, done: 'none' },
  { name: 'EDQUOT', calls: changing, errno: EDQUOT, done: 'none', onceOnly: true },
  { name: 'EINTR', calls: CALLS, errno: EINTR, done: 'none' },
  { name: 'half', calls: ['read', 'write'], errno: 0, done: 'half' },
  { name: 'one byte', calls: ['read', 'write'], errno: 0, done: 'byte', onceOnly: true },
  { name: 'nothing', calls: ['write'], errno: 0, done: 'none' },
];

/** Which calls fail from the chosen one on: it alone, those of its kind, all that can. */
export const REACHES = ['once', 'its kind', 'all'] as const;
export type Reach = (typeof REACHES)[number];

export interface Plan {
  readonly failure: Failure;
  readonly reach: Reach;
  /** The first call that fails, of those that can: from 0 on. */
  readonly nth: number;
}

/** A failure that happened. */
export interface Strike {
  readonly file: number;
  readonly call: Call;
  readonly failure: Failure;
}

/** A file as the system has it. Its descriptor is its number; for direct I/O there is another: see DIRECT. */
export interface SystemFile {
  readonly disk: Disk;
  /** Whether its directory entry is stable. */
  entryStable: boolean;
}

/** Errors as the system's; made once each, since a sweep raises millions. */
const errors = new Map<string, Error>();

function errorOf(errno: number, call: string): Error {
  const key = `${call} ${errno}`;
  const error = errors.get(key) ?? systemError(errno, call);
  errors.set(key, error);
  return error;
}

/** What is added to a file's number for its direct descriptor. */
export const DIRECT = 100;
/** Direct calls are for whole blocks, at whole blocks, in memory too; others are EINVAL. */
const BLOCK = 4096;

/** More calls than any workload can need. */
const CALLS_MAX = 20_000;

export class System {
  readonly files: SystemFile[] = [];
  readonly strikes: Strike[] = [];
  /** Calls for direct I/O. */
  direct = 0;
  #plans: { plan: Plan; seen: number; struck: Call | undefined }[] = [];
  /** All calls since the plans were set, or ended. */
  #calls = 0;

  /** From now on calls fail by these plans, counted from here. */
  fail(plans: readonly Plan[]): void {
    this.#plans = plans.map((plan) => ({ plan, seen: 0, struck: undefined }));
    this.strikes.length = 0;
    this.#calls = 0;
  }

  heal(): void {
    this.#plans = [];
    this.#calls = 0;
  }

  /** Whether something has called again and again: the store, which takes whatever is thrown for the system's error. */
  get isEndless(): boolean {
    return this.#calls > CALLS_MAX;
  }

  /** The library's store over these calls. */
  storeOf(storeOver: (calls: FileCalls) => Store): Store {
    const transfer =
      (call: 'read' | 'write') => (fd: number, bytes: Uint8Array, at: number, n: number, position: number) =>
        this.#transfer(call, fd, bytes.subarray(at, at + n), position);
    const store = storeOver({
      readSync: transfer('read') as FileCalls['readSync'],
      writeSync: transfer('write') as FileCalls['writeSync'],
      fdatasyncSync: (fd) => this.#flush(fd),
      ftruncateSync: (fd, size) => this.#do('resize', fd, () => this.files[fd]!.disk.resize(size ?? 0)),
      fstatSync: ((fd: number) => ({ size: this.files[fd]!.disk.length })) as FileCalls['fstatSync'],
    });
    return { ...store, identity: () => undefined, syncDirectory: (fd) => this.#syncDirectory(fd) };
  }

  #strike(call: Call, file: number): Failure | undefined {
    if (++this.#calls > CALLS_MAX) throw new Error('no end of calls');
    let hit: Failure | undefined;
    for (const state of this.#plans) {
      const { failure, reach, nth } = state.plan;
      if (!failure.calls.includes(call)) continue;
      const n = state.seen++;
      if (n === nth) state.struck = call;
      const again = n > nth && (reach === 'all' || (reach === 'its kind' && state.struck === call));
      if (n === nth || again) hit ??= failure;
    }
    if (hit) this.strikes.push({ file, call, failure: hit });
    return hit;
  }

  #transfer(call: 'read' | 'write', fd: number, bytes: Uint8Array, position: number): number {
    if (fd >= DIRECT) {
      this.direct++;
      const odd = [bytes.byteOffset, bytes.length, position].some((value) => value % BLOCK !== 0);
      if (odd) throw errorOf(EINVAL, call);
      return this.#transfer(call, fd - DIRECT, bytes, position);
    }
    const { disk } = this.files[fd]!;
    const whole = (part: Uint8Array) => disk[call](part, position);
    const failure = this.#strike(call, fd);
    if (failure === undefined) return whole(bytes);
    const length = { none: 0, byte: 1, half: Math.ceil(bytes.length / 2), all: bytes.length }[failure.done];
    const done = length === 0 ? 0 : whole(bytes.subarray(0, length));
    if (failure.errno !== 0) throw errorOf(failure.errno, call);
    return done;
  }

  #do(call: Call, fd: number, does: () => void): void {
    const failure = this.#strike(call, fd);
    if (failure === undefined || failure.done === 'all') does();
    if (failure !== undefined) throw errorOf(failure.errno, call);
  }

  #flush(fd: number): void {
    const { disk } = this.files[fd]!;
    const failure = this.#strike('flush', fd);
    disk.reverts = failure?.reverts === true;
    if (failure !== undefined && failure.done !== 'all') disk.failNextFlushes = 1;
    disk.flush()();
    if (failure !== undefined) throw errorOf(failure.errno, 'fdatasync');
  }

  #syncDirectory(fd: number): number {
    try {
      this.#do('syncDirectory', fd, () => {
        this.files[fd]!.entryStable = true;
      });
      return 0;
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno!;
    }
  }
}
