// Which thread this is, and whether another is still there, by the system's word.
import fs from 'node:fs';

/**
 * A thread of this process in one word: its OS id in the upper 32 bits, in the lower ones the low half of when it started
 * (clock ticks since boot), which tells it from a later thread with the same id. Never 0.
 */
export type ThreadIdentity = bigint;

/** Throws where the system does not tell its threads: not Linux, or no /proc. */
export function thisThread(): ThreadIdentity {
  let tid: number;
  try {
    tid = Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch (cause) {
    throw new Error('locks that outlive no thread need /proc/thread-self, which this system has not', {
      cause,
    });
  }
  return identityOf(tid);
}

/**
 * Whether the thread is there. terminate() alone does not end one: it is there until its last system call has ended, and so
 * has what it was storing. Nothing but the system's word that there is no such thread counts as its death.
 */
export function isAlive(identity: ThreadIdentity): boolean {
  try {
    return identityOf(Number(identity >> 32n)) === identity;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ESRCH';
  }
}

function identityOf(tid: number): ThreadIdentity {
  const stat = fs.readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
  // Field 22, counted after the command's name, which may hold spaces and parentheses.
  const started = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
  return (BigInt(tid) << 32n) | BigInt.asUintN(32, started);
}
