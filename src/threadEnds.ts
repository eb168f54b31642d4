// The ends of workers that this thread creates: the earliest safe moment to recover what they held, since their system
// calls have ended by then. Where the system does not tell which threads live, it is the only one.
import type { Worker } from 'node:worker_threads';

type Listener = (thread: number) => void;

const listeners = new Set<Listener>();
let listening = false;

/** Calls `ended` with the `threadId` of each worker, created in this thread from now on, that has ended. */
export function onWorkerEnd(ended: Listener): void {
  listeners.add(ended);
  if (listening) return;
  listening = true;
  process.on('worker', (worker) =>
    followWorker(worker, (thread) => {
      for (const listener of [...listeners]) listener(thread);
    }),
  );
}

export function offWorkerEnd(ended: Listener): void {
  listeners.delete(ended);
}

/** Calls `ended` once with the worker's `threadId`, which it has no more when it has ended. */
export function followWorker(worker: Worker, ended: Listener): void {
  const thread = worker.threadId;
  worker.once('exit', () => ended(thread));
}
