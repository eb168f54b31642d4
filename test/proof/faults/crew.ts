// Processes that share a list of jobs. One that does not end its job in time is killed: where the library spins or
// sleeps for ever nothing else helps, and that is a finding.
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root } from '../../support/root.ts';
import type { Done, Job } from './jobs.ts';

export interface Ended {
  readonly job: Job;
  /** What it came to; or why it came to nothing. */
  readonly done?: Done;
  readonly failed?: string;
}

/** Does the jobs, in their order, so many at a time as there are processors; none is begun once `isLate`. */
export async function doAll(
  jobs: readonly Job[],
  limitMs: number,
  onEnd: (ended: Ended) => void,
  isLate: () => boolean = () => false,
): Promise<void> {
  const left = [...jobs];
  const work = async () => {
    let child: ChildProcess | undefined;
    try {
      for (let job = left.shift(); job && !isLate(); job = left.shift()) {
        child ??= fork(`${root}test/proof/dist/faults/child.js`, { execArgv: ['--enable-source-maps'] });
        const ended = await doOne(child, job, limitMs);
        if (ended.done === undefined) {
          child.kill('SIGKILL');
          child = undefined;
        }
        onEnd(ended);
      }
    } finally {
      child?.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, work));
}

async function doOne(child: ChildProcess, job: Job, limitMs: number): Promise<Ended> {
  let timer: NodeJS.Timeout | undefined;
  const cleanups: (() => void)[] = [];
  try {
    return await new Promise<Ended>((resolve) => {
      timer = setTimeout(() => resolve({ job, failed: `does not end within ${limitMs} ms` }), limitMs);
      const onMessage = (message: unknown) => {
        const { failed } = message as { failed?: string };
        resolve(failed === undefined ? { job, done: message as Done } : { job, failed });
      };
      const onExit = (code: number | null, signal: string | null) =>
        resolve({ job, failed: `its process ends with ${code ?? signal}` });
      child.on('message', onMessage).on('exit', onExit);
      cleanups.push(() => child.off('message', onMessage).off('exit', onExit));
      child.send(job);
    });
  } finally {
    clearTimeout(timer);
    for (const cleanup of cleanups) cleanup();
  }
}
