// A process that does jobs of the sweep, one after the other: its parent ends it if one does not end.
import { Worker } from 'node:worker_threads';
import { type Job, perform } from './jobs.ts';

// A library that spins would outlive a parent that was killed: nothing in this thread would notice.
const watch = `const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGKILL'), 500);`;
new Worker(watch, { eval: true }).unref();

process.on('message', async (job: Job) => {
  try {
    process.send!(await perform(job));
  } catch (error) {
    process.send!({ failed: (error as Error).stack });
  }
});
