// What the tests of many threads share: a cache over a file in a directory of its own, threads that run a test's
// functions, waits that end, and an end that leaves nothing behind.
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CachedFile, CacheOptions, PageCache } from 'pinfold';
import { createHarness, type engineOf, type fsyncSyncWith, type HarnessCache, type layout } from '#harness';

const WAIT_MS = 20_000;
/** Words that a test's threads share. */
const SHARED_WORDS = 64;

/** Resolves or rejects as `work` does, or rejects with what was waited for. */
export async function within<T>(work: Promise<T>, what: string, ms = WAIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits, with the event loop going on, until the condition holds. */
export async function until(condition: () => boolean, what: string, ms = WAIT_MS): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What a function that runs in another thread gets. */
export interface AgentContext {
  cache: PageCache;
  file: CachedFile;
  path: string;
  shared: Int32Array;
  // biome-ignore lint/suspicious/noExplicitAny: each test keeps what it wants
  keep: any;
  fs: typeof fs;
  engineOf: typeof engineOf;
  fsyncSyncWith: typeof fsyncSyncWith;
  layout: typeof layout;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Agent {
  readonly worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  readonly started: Promise<unknown>;
  readonly ended: Promise<number>;

  constructor(handle: unknown, path: string | undefined, shared: Int32Array) {
    this.worker = new Worker(new URL('./agent.mjs', import.meta.url), {
      workerData: { handle, path, shared: shared.buffer },
    });
    this.started = this.#answer();
    this.worker.on('message', ({ id, result, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(Object.assign(new Error(error.message), error));
      else waiting?.resolve(result);
    });
    this.worker.on('error', (error) => this.#fail(error as Error));
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', (code) => {
        this.#fail(new Error('the thread has ended'));
        resolve(code);
      });
    });
  }

  /** Runs `work` there. It is sent as source: it may use its two parameters and globals only. */
  async run<A, T>(work: (context: AgentContext, argument: A) => T | Promise<T>, argument?: A): Promise<T> {
    const answer = this.#answer();
    this.worker.postMessage({ id: this.#next - 1, source: work.toString(), argument });
    return (await within(answer, `a thread to do ${work}`)) as T;
  }

  #answer(): Promise<unknown> {
    const id = this.#next++;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    answer.catch(() => {});
    return answer;
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** One test's world. `end` is for afterEach. */
export class World {
  readonly directory = fs.mkdtempSync(join(os.tmpdir(), 'pinfold-threads-'));
  readonly shared = new Int32Array(new SharedArrayBuffer(SHARED_WORDS * 4));
  readonly #workers: Worker[] = [];
  readonly #harnesses: HarnessCache[] = [];

  path(name = 'data'): string {
    return join(this.directory, name);
  }

  /** A file of `bytes` zeros. */
  create(bytes: number, name = 'data'): string {
    const path = this.path(name);
    fs.writeFileSync(path, '');
    fs.truncateSync(path, bytes);
    return path;
  }

  async harness(options?: CacheOptions): Promise<HarnessCache> {
    const harness = await within(createHarness(options), 'the cache to start');
    this.#harnesses.push(harness);
    return harness;
  }

  async agent(cache: PageCache, path?: string): Promise<Agent> {
    const agent = new Agent(cache.handle, path, this.shared);
    this.#workers.push(agent.worker);
    await within(agent.started, 'a thread to attach');
    return agent;
  }

  /** A thread of another script; ended with the test. */
  worker(script: string, workerData: unknown): Worker {
    const worker = new Worker(new URL(script, import.meta.url), { workerData });
    this.#workers.push(worker);
    return worker;
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    for (const { cache, heal } of this.#harnesses) {
      heal();
      // A thread that was ended may hold pins for ever: then the cache can't close, and goes with the process.
      await within(cache.close(), 'the cache to close', 5000).catch(() => {});
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What is in the file itself, past the cache. */
export function onFile(path: string, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = fs.openSync(path, 'r');
  try {
    fs.readSync(fd, bytes, 0, length, position);
  } finally {
    fs.closeSync(fd);
  }
  return bytes;
}
