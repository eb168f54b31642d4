// Two threads that share the work.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Done, Job } from './worker.ts';

const THREADS = 2;

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
    const worker = new Worker(workerFile());
    try {
      for (let job = left.shift(); job !== undefined && !stopped(); job = left.shift()) {
        done(job, await ask(worker, job));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(THREADS, jobs.length) }, work));
}

/** A job is limited by its own seconds; a thread that ends has lost it. */
function ask(worker: Worker, job: Job): Promise<Done> {
  return new Promise((resolve, reject) => {
    const settle = (does: () => void) => {
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
