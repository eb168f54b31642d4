// The process of one arm: it has the store as a program of its own would have it, with threads that read and write. It ends with the
// bench, however that ends.
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { PageCache } from 'pinfold';
import { NS_PER_MS, nowNs } from '../../clock';
import { answer, Calls, READY } from './calls';
import type { OpenParams, ProcessCalls, Ready, Request, StartResult, TaskName, ThreadData } from './messages';
import { expected } from './pages';

/** Built beside this file. */
const THREAD_URL = new URL('./peer-thread.js', import.meta.url);

class Thread {
  readonly #worker: Worker;
  readonly #calls: Calls;
  readonly ended: Promise<void>;
  readonly ready: Promise<Ready>;

  constructor(data: ThreadData) {
    this.#worker = new Worker(THREAD_URL, { workerData: data });
    this.#calls = new Calls((request) => this.#worker.postMessage(request));
    this.ready = this.#calls.expect(READY) as Promise<Ready>;
    this.ready.catch(() => {}); // whoever waits for it hears of it
    this.#worker.on('message', (reply) => this.#calls.settle(reply));
    this.#worker.on('error', (error) => this.#calls.break(error));
    this.ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#calls.break(new Error(`a thread ended with code ${code}`));
        resolve();
      });
    });
  }

  play(task: TaskName, params: unknown): Promise<unknown> {
    return this.#calls.call(task, params);
  }

  async close(): Promise<void> {
    await this.play('close', null);
    await this.ended;
  }
}

let opened: OpenParams | undefined;
let cache: PageCache | undefined;
const threads: Thread[] = [];

const dataOf = (readFirst: boolean): ThreadData => ({
  ...(opened as OpenParams),
  handle: cache?.handle ?? null,
  readFirst,
});

const calls: ProcessCalls = {
  async open({ threads: count, ...params }) {
    opened = params;
    if (params.store === 'pinfold') {
      const { createCache } = await import('./stores/pinfold');
      cache = await createCache(params.pages);
    }
    for (let n = 0; n < count; n++) threads.push(new Thread(dataOf(false)));
    for (const { ready } of threads) await ready;
    return null;
  },

  play: ({ task, each }) => Promise.all(each.map((params, n) => threads[n].play(task, params))),

  async memory() {
    try {
      const [, kib] = /^Pss:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/smaps_rollup', 'utf8'))!;
      return Number(kib) * 1024;
    } catch {
      return process.memoryUsage.rss(); // not Linux
    }
  },

  async start({ seed }): Promise<StartResult> {
    const beganNs = nowNs();
    const thread = new Thread(dataOf(true));
    const { readyNs, sum } = await thread.ready;
    const elapsedMs = (readyNs - beganNs) / NS_PER_MS;
    const bare = opened?.store === 'none';
    const checked = bare
      ? { checked: 0, wrong: 0, plantedSeen: true }
      : ((await thread.play('check', { whole: false, seed })) as StartResult['checked']);
    if (!bare && sum !== expected(0)) checked.wrong++;
    await thread.close();
    return { elapsedMs, checked };
  },

  async close() {
    for (const thread of threads.splice(0)) await thread.close();
    await cache?.close();
    return process.cpuUsage();
  },
};

process.on('message', (request: Request) => {
  const call = calls[request.name as keyof ProcessCalls] as (params: unknown) => Promise<unknown>;
  void answer(request, call, (reply) => process.send?.(reply));
});
// The bench is gone, or wants no more of this process.
process.on('disconnect', () => process.exit());
// A terminal's signal comes to this process too; the bench decides when it ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
