// What the tests of many threads share: a cache over a file in a directory of its own, threads that run a test's
// functions, waits that end, and an end that leaves nothing behind.
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CachedFile, PageCache } from 'pinfold';
import {
  createHarness,
  type engineOf,
  type fsyncSyncWith,
  type HarnessCache,
  type HarnessOptions,
  type layout,
} from '#harness';
import { flagsOn } from '../support/direct.ts';

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
  /** Tells that it has come so far, and stays there until the thread is ended. */
  hold(): never;
  /** Has a function called before each call of the kernel that files opened after this, and protocols, make. */
  intercept(before: (name: string, n: number) => void): void;
  Worker: typeof Worker;
  /** The workers that the thread has started. */
  workers: Set<Worker>;
  /** The script of such threads. */
  script: URL;
}

/** What a thread that is about to be ended does; it ends with `hold()`. */
export type Holding<A> = (context: AgentContext, argument: A) => unknown;

/** Whose thread it is: this one's, or another worker's, that ends it, or that is ended itself. */
export type Lineage = 'child' | 'grandchild' | 'orphan';

/** A thread that holds something, and its end. */
export interface Victim {
  /** Has it ended, by `terminate()`. Nothing has happened when this returns. */
  kill(): void;
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
  readonly workers: Worker[] = [];
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

  async harness(options?: HarnessOptions, blind = false): Promise<HarnessCache> {
    const harness = await within(createHarness(options, 'debug', blind), 'the cache to start');
    this.#harnesses.push(harness);
    return harness;
  }

  async agent(cache: PageCache, path?: string): Promise<Agent> {
    const agent = new Agent(cache.handle, path, this.shared);
    this.workers.push(agent.worker);
    await within(agent.started, 'a thread to attach');
    return agent;
  }

  /** A thread in the middle of `work`. */
  async victim<A>(
    cache: PageCache,
    path: string,
    work: Holding<A>,
    argument?: A,
    lineage: Lineage = 'child',
  ): Promise<Victim> {
    const held = this.shared.length - 1;
    Atomics.store(this.shared, held, 0);
    const agent = await this.agent(cache, path);
    const failed =
      lineage === 'child'
        ? agent.run(work, argument)
        : agent.run(
            ({ cache, path, shared, keep, Worker, script }, { source, argument }) =>
              new Promise((_, reject) => {
                const workerData = { handle: cache.handle, path, shared: shared.buffer };
                keep.child = new Worker(script, { workerData });
                keep.child.on('message', ({ id, error }: { id: number; error?: Error }) => {
                  if (error) reject(error);
                  else if (id === 0) keep.child.postMessage({ id: 1, source, argument });
                });
                keep.child.on('error', reject);
              }),
            { source: work.toString(), argument },
          );
    let failure: unknown;
    failed.catch((error) => {
      failure = error;
    });
    await until(
      () => failure !== undefined || Atomics.load(this.shared, held) === 1,
      `a thread to do ${work}`,
    );
    if (failure !== undefined) throw failure;
    return {
      kill: () => {
        if (lineage !== 'grandchild') void agent.worker.terminate();
        else void agent.run(({ keep }) => void keep.child.terminate()).catch(() => {});
      },
    };
  }

  /** A thread of another script; ended with the test. */
  worker(script: string, workerData: unknown): Worker {
    const worker = new Worker(new URL(script, import.meta.url), { workerData });
    this.workers.push(worker);
    return worker;
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
    for (const { cache, heal } of this.#harnesses) {
      heal();
      // A thread that was ended may hold pins for ever: then the cache can't close, and goes with the process.
      await within(cache.close(), 'the cache to close', 5000).catch(() => {});
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** How many descriptors this process has open on the file. With `direct`: of the kind of which it has more. */
export function descriptorsOn(path: string): number {
  const flags = flagsOn(path);
  const direct = flags.filter((flag) => flag & fs.constants.O_DIRECT).length;
  return Math.max(direct, flags.length - direct);
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
