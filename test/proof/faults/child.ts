// A process that does jobs of the sweep, one after the other: its parent ends it if one does not end.
import { type Job, perform } from './jobs.ts';

process.on('message', async (job: Job) => {
  try {
    process.send!(await perform(job));
  } catch (error) {
    process.send!({ failed: (error as Error).stack });
  }
});
