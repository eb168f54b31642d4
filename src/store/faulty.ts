// A buffered store whose system calls fail by a plan that all threads share. In the harness's build only.
import fs from 'node:fs';
import type { HandleParts } from '../attachment';
import { systemError } from '../errors';
import { fileStore, fileStoreOver } from './file';
import type { Store } from './store';

type FaultyCall = 'read' | 'write' | 'flush' | 'resize' | 'syncDirectory';

export interface Fault {
  readonly call: FaultyCall;
  /** The errno that the call fails with; 0: the transfer is cut short, at half. */
  readonly errno: number;
  /** How many calls pass before. */
  readonly after?: number;
  /** How many calls fail, once they do. Default: all. */
  readonly times?: number;
  /** The call does its work and then reports failure. */
  readonly yetDone?: boolean;
}

const CALLS: readonly FaultyCall[] = ['read', 'write', 'flush', 'resize', 'syncDirectory'];
const WORDS = 5;
const [ERRNO, AFTER, TIMES, YET_DONE, STRUCK] = [0, 1, 2, 3, 4] as const;
const NO_LIMIT = -1;

/** A plan without faults: `planFault` puts them in. */
export function faultPlan(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(CALLS.length * WORDS * 4));
}

/** Sets what the next calls of a kind do, in every thread of the cache. */
export function planFault(plan: Int32Array, fault: Fault): void {
  const at = CALLS.indexOf(fault.call) * WORDS;
  Atomics.store(plan, at + TIMES, 0);
  Atomics.store(plan, at + ERRNO, fault.errno);
  Atomics.store(plan, at + AFTER, fault.after ?? 0);
  Atomics.store(plan, at + YET_DONE, fault.yetDone ? 1 : 0);
  Atomics.store(plan, at + TIMES, fault.times ?? NO_LIMIT);
}

/** How many calls of a kind have failed so far. */
export function struck(plan: Int32Array, call: FaultyCall): number {
  return Atomics.load(plan, CALLS.indexOf(call) * WORDS + STRUCK);
}

/** Lets every call succeed again. */
export function heal(plan: Int32Array): void {
  for (let call = 0; call < CALLS.length; call++) Atomics.store(plan, call * WORDS + TIMES, 0);
}

/** What this call is to do: undefined (as usual), or the fault. */
function strike(plan: Int32Array, call: FaultyCall): { errno: number; yetDone: boolean } | undefined {
  const at = CALLS.indexOf(call) * WORDS;
  const times = Atomics.load(plan, at + TIMES);
  if (times === 0) return undefined;
  if (Atomics.load(plan, at + AFTER) > 0) {
    Atomics.sub(plan, at + AFTER, 1);
    return undefined;
  }
  if (times !== NO_LIMIT) Atomics.sub(plan, at + TIMES, 1);
  Atomics.add(plan, at + STRUCK, 1);
  return { errno: Atomics.load(plan, at + ERRNO), yetDone: Atomics.load(plan, at + YET_DONE) === 1 };
}

type Transfer = (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => number;

export function faultyStore(handle: HandleParts): Store {
  const plan = handle.faults;
  if (plan === undefined) return fileStore;
  const failing =
    (call: FaultyCall, real: Transfer): Transfer =>
    (fd, bytes, offset, length, position) => {
      const fault = strike(plan, call);
      if (fault === undefined) return real(fd, bytes, offset, length, position);
      if (fault.errno === 0) return real(fd, bytes, offset, Math.ceil(length / 2), position);
      if (fault.yetDone) real(fd, bytes, offset, length, position);
      throw systemError(fault.errno, call);
    };
  const store = fileStoreOver({
    readSync: failing('read', fs.readSync as Transfer) as typeof fs.readSync,
    writeSync: failing('write', fs.writeSync as Transfer) as typeof fs.writeSync,
    fdatasyncSync: (fd) => {
      const fault = strike(plan, 'flush');
      if (fault === undefined || fault.yetDone) fs.fdatasyncSync(fd);
      if (fault !== undefined) throw systemError(fault.errno, 'fdatasync');
    },
    ftruncateSync: (fd, size) => {
      const fault = strike(plan, 'resize');
      if (fault === undefined || fault.yetDone) fs.ftruncateSync(fd, size);
      if (fault !== undefined) throw systemError(fault.errno, 'ftruncate');
    },
    fstatSync: fs.fstatSync,
  });
  return {
    ...store,
    syncDirectory(fd) {
      const fault = strike(plan, 'syncDirectory');
      const result = fault === undefined || fault.yetDone ? store.syncDirectory(fd) : 0;
      return fault === undefined ? result : -fault.errno;
    },
  };
}
