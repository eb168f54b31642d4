// A worker of the explorer: searches what it is asked to.
import { parentPort, workerData } from 'node:worker_threads';
import { load } from './host.ts';
import type { Job } from './job.ts';
import { run } from './search.ts';

const code = await load((workerData as { root: string }).root);
parentPort!.postMessage('ready');
parentPort!.on('message', (job: Job) => {
  try {
    parentPort!.postMessage({ job, answer: run(code, job) });
  } catch (error) {
    parentPort!.postMessage({ job, failed: (error as Error).stack });
  }
});
