// Two threads that share the work.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { nameOf } from './mutant.ts';
import type { Done, Job } from './worker.ts';

const THREADS = 2;
/** How long after the end of its time a job may still be busy with what can't be cut short, in seconds: a test file. */
const GRACE = 45;

/** Beside this file where each entry of the bundle has its own, in the folder of the part where pieces are shared. */
function workerFile(): URL {
  const places = ['./mutants/worker.js', './worker.js'].map((name) => new URL(name, import.meta.url));
  const found = places.find((place) => existsSync(fileURLToPath(place)));
  if (!found) throw new Error('no worker.js beside the bundle: run npm run build');
  return found;
}

/** Does all jobs, two at a time, in this order; `done` is told of each. Ends early, between jobs, once `stopped` says so. */
export async function doAll(
  jobs: readonly Job[],
  done: (job: Job, result: Done) => void,
  stopped: () => boolean = () => false,
): Promise<void> {
  const left = [...jobs];
  const work = async () => {
    let worker = new Worker(workerFile());
    try {
      for (let job = left.shift(); job !== undefined && !stopped(); job = left.shift()) {
        const result = await ask(worker, job);
        if (result === undefined) {
          await worker.terminate();
          worker = new Worker(workerFile());
        }
        done(job, result ?? hanging(job));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(THREADS, jobs.length) }, work));
}

/** Code may hang where nothing can stop it: in a loop of the kernel that a check calls. That is not counted as found. */
function hanging(job: Job): Done {
  const wrong = `it never ends: ${job.seconds + GRACE} s`;
  if (job.kind === 'control')
    return { control: { name: nameOf(job.check), wrong, tries: 0, complete: false } };
  const ms = (job.seconds + GRACE) * 1000;
  return { hunt: { name: job.name, wrong, tries: 0, ms, strayed: true } };
}

/** A job is limited by its own seconds, and by more than that here: undefined. A thread that ends has lost it. */
function ask(worker: Worker, job: Job): Promise<Done | undefined> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => settle(() => resolve(undefined)), (job.seconds + GRACE) * 1000);
    const settle = (does: () => void) => {
      clearTimeout(limit);
      worker.off('message', heard).off('error', failed).off('exit', ended);
      does();
    };
    const heard = (result: Done) => settle(() => resolve(result));
    const failed = (error: Error) => settle(() => reject(error));
    const ended = () => settle(() => reject(new Error('a worker of the mutants has ended')));
    worker.on('message', heard).on('error', failed).on('exit', ended);
    worker.postMessage(job);
  });
}
