import fs from 'node:fs';
import type { Kernel, OwnerId } from '../kernel/kernel';
import * as L from '../kernel/layout';

/**
 * Whether an owner's OS thread is there. It is gone only after its system calls have ended, its reads into pinned pages
 * among them. Without /proc (no Linux) the answer is no: then a thread that says it leaves counts as gone.
 */
export function isAlive(kernel: Kernel, owner: OwnerId): boolean {
  const tid = kernel.rowWord(owner, L.ROW_TID);
  if (tid === 0) return false;
  try {
    const stat = fs.readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
    const start = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
    // The same number with another start time is another thread.
    return Number(BigInt.asIntN(32, start)) === kernel.rowWord(owner, L.ROW_START_LO);
  } catch (error) {
    // Only the system's word that there is no such thread counts: another error (EMFILE, say) tells nothing.
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ESRCH';
  }
}
