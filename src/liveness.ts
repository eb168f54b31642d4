// Whether an owner's thread is there, by the system's word where it gives one.
import fs from 'node:fs';
import type { Kernel, OwnerId } from './kernel/kernel';
import * as L from './kernel/layout';

/** The OS thread and its start time, which tell a living thread from a later one with the same id; zeros where unknown. */
export function osThread(): { tid: number; start: bigint } {
  try {
    const tid = Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
    return { tid, start: startOf(tid) };
  } catch {
    return { tid: 0, start: 0n };
  }
}

/** When a thread of this process started, in clock ticks since boot. Throws what the system says if it is not there. */
function startOf(tid: number): bigint {
  const stat = fs.readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
  // Field 22, counted after the command's name, which may hold spaces and parentheses.
  return BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
}

/**
 * Whether an owner's OS thread is there. It is gone only after its system calls have ended, its reads into pinned pages
 * among them. Without /proc (no Linux) a thread is there until its creator has seen it end, or until it says that it ends.
 */
export function isAlive(kernel: Kernel, owner: OwnerId): boolean {
  const tid = kernel.rowWord(owner, L.ROW_TID);
  if (tid === 0) return kernel.status(owner) !== L.ROW_LEAVING;
  try {
    // The same number with another start time is another thread.
    return Number(BigInt.asIntN(32, startOf(tid))) === kernel.rowWord(owner, L.ROW_START_LO);
  } catch (error) {
    // Only the system's word that there is no such thread counts: another error (EMFILE, say) tells nothing.
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ESRCH';
  }
}

/** Living owners of a kind, other than this one, whose threads are older: of service threads that are too many these stay. */
export function elders(kernel: Kernel, kind: number): number {
  const age = (owner: OwnerId) => kernel.rowWord(owner, L.ROW_START_LO) >>> 0;
  const mine = age(kernel.owner);
  let count = 0;
  for (const owner of kernel.owners()) {
    if (owner === kernel.owner || kernel.rowWord(owner, L.ROW_KIND) !== kind) continue;
    if (kernel.status(owner) !== L.ROW_LIVE || !isAlive(kernel, owner)) continue;
    if (age(owner) < mine || (age(owner) === mine && owner < kernel.owner)) count++;
  }
  return count;
}

/** A dead owner as found: its row's status word, and who recovers it already (0: nobody, or one who is dead too). */
export interface DeadOwner {
  readonly owner: OwnerId;
  readonly status: number;
  readonly recoverer: number;
}

/** Owners that are dead and that nobody recovers. */
export function* deadOwners(kernel: Kernel): Generator<DeadOwner, undefined> {
  const rows = kernel.load(L.HEADER_ROWS);
  for (let id = 0; id < rows; id++) {
    const owner = id as OwnerId;
    if (owner === kernel.owner) continue;
    const status = kernel.rowWord(owner, L.ROW_STATUS); // before all else: the row is taken over by a CAS of this word
    const recoverer = kernel.rowWord(owner, L.ROW_RECOVERER);
    switch (status & L.STATUS_MASK) {
      case L.ROW_FREE:
        continue;
      case L.ROW_DEAD:
        break;
      case L.ROW_RECOVERING:
        if (recoverer !== 0 && isRecovererAlive(kernel, recoverer)) continue;
        break;
      default:
        if (isAlive(kernel, owner)) continue;
    }
    yield { owner, status, recoverer };
  }
}

/** Whether the owner that signed as a recoverer, with its generation, is still there. */
function isRecovererAlive(kernel: Kernel, signature: number): boolean {
  const owner = ((signature & 2047) - 1) as OwnerId;
  const status = kernel.rowWord(owner, L.ROW_STATUS);
  if (((status >>> 3) & 0x1fffff) !== signature >>> 11) return false;
  const live = [L.ROW_LIVE, L.ROW_LEAVING].includes(status & L.STATUS_MASK);
  return live && isAlive(kernel, owner);
}

/** Whether the thread that created the cache is there. */
export function isCreatorAlive(kernel: Kernel): boolean {
  const creator = kernel.load(L.HEADER_CREATOR) as OwnerId;
  if (creator < 0) return true; // it is just creating the cache
  if (kernel.rowWord(creator, L.ROW_STATUS) !== kernel.load(L.HEADER_CREATOR_STATUS)) return false;
  return isAlive(kernel, creator);
}

/** Marks the rows of a thread that has been seen to end, by its `threadId`: true if there were any. */
export function declareDead(kernel: Kernel, thread: number): boolean {
  const rows = kernel.load(L.HEADER_ROWS);
  let found = false;
  for (let id = 0; id < rows; id++) {
    const owner = id as OwnerId;
    const status = kernel.rowWord(owner, L.ROW_STATUS);
    if (![L.ROW_LIVE, L.ROW_STARTING, L.ROW_LEAVING].includes(status & L.STATUS_MASK)) continue;
    if (kernel.rowWord(owner, L.ROW_THREAD) !== thread) continue;
    if (kernel.control.declareDead(owner, status) === 1) found = true;
  }
  return found;
}
