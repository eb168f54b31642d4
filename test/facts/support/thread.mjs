// Worker threads that run a function of a program, and what the OS tells about them.
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Number of the OS thread that runs this, 0 where it can't be told. */
const osThread = () => {
  if (process.platform !== 'linux') return 0;
  return Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').pop());
};

/**
 * The program of a worker that runs `body`. `body` goes in as source, so it can use nothing but its arguments: the worker's
 * data, its `require`, and a function that tells the number of the OS thread that calls it. Such a worker starts in half
 * the time that one with a file of its own takes.
 */
export function sourceOf(body) {
  return `(${body})(require('node:worker_threads').workerData, require, ${osThread});`;
}

/** Starts a worker that runs `body`; see `sourceOf`. It keeps no process alive: a fact that fails may leave it behind. */
export function startThread(body, data, options) {
  const worker = new Worker(sourceOf(body), { ...options, eval: true, workerData: data });
  worker.unref();
  return worker;
}

/** Start time of an OS thread of this process, in clock ticks since boot; undefined if there is none. */
export function startTimeOf(tid) {
  let stat;
  try {
    stat = fs.readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
  // Field 22. The second one is a name in parentheses, with spaces and parentheses in it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** Words that threads share. */
export function sharedWords(count) {
  return new Int32Array(new SharedArrayBuffer(4 * count));
}

/** Waits, with the event loop going on, until the condition holds. */
export async function until(what, condition, limitMs = 10_000) {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Waits, asleep, until the condition holds: the event loop of this thread stands still. */
export function untilBlocked(what, condition, limitMs = 10_000) {
  const asleep = sharedWords(1);
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    Atomics.wait(asleep, 0, 0, 1);
  }
}
