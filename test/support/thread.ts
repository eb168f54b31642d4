// Worker threads attached to a cache.
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { PageCache, PageCacheHandle } from 'pinfold';
import { root } from './root.ts';

const dist = (file: string) => pathToFileURL(`${root}dist/${file}`).href;

const directly = pathToFileURL(`${root}test/support/directly.mjs`).href;

const LIMIT_MS = 20_000;

/** The worker's program: `body` is put in as source, so it can use nothing but its two arguments. */
const program = (body: string) => `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { attachHarness } = await import(workerData.harness);
    (await import(workerData.directly)).openAsTest();
    const cache = attachHarness(workerData.handle);
    const value = await (${body})(cache, workerData.arg);
    if (workerData.detach) cache.detach();
    parentPort.postMessage({ value });
  })().catch(({ code, message }) => parentPort.postMessage({ code, message }));
`;

/**
 * Runs `body` in a worker thread that is attached to the cache: what it returns, once the thread has ended. It detaches
 * at its end unless `detach` is false. An error keeps its code and message.
 */
export async function inThread<A, R>(
  handle: PageCacheHandle,
  arg: A,
  body: (cache: PageCache, arg: A) => R | Promise<R>,
  { detach = true }: { detach?: boolean } = {},
): Promise<R> {
  const workerData = { harness: dist('harness.js'), directly, handle, arg, detach };
  const worker = new Worker(program(body.toString()), { eval: true, workerData });
  return await new Promise<R>((resolve, reject) => {
    let answer: { value?: R; code?: string; message?: string } | undefined;
    let failure: Error | undefined;
    const limit = setTimeout(() => {
      failure = new Error(`the thread did not end within ${LIMIT_MS} ms`);
      worker.terminate();
    }, LIMIT_MS);
    worker.on('message', (message) => {
      answer = message;
    });
    worker.on('error', (error) => {
      failure = error as Error;
    });
    worker.on('exit', () => {
      clearTimeout(limit);
      if (failure !== undefined) reject(failure);
      else if (answer === undefined) reject(new Error('the thread ended without an answer'));
      else if (answer.message !== undefined) {
        reject(Object.assign(new Error(answer.message), { code: answer.code }));
      } else resolve(answer.value as R);
    });
  });
}

/** Shared words for a test and its threads: by convention each is set once, from 0 to 1. */
export function sharedFlags(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * count));
}
