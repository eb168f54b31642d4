// What the example's threads and processes start from. The build puts these files beside each other.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Task } from './worker.ts';

export const startThread = (task: Task) =>
  new Worker(new URL('./worker.js', import.meta.url), { workerData: task });

export const victimProgram = fileURLToPath(new URL('./victim.js', import.meta.url));
