// The server, a process of its own: threads that share one cache, or that cache each for itself.
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { PageCache } from 'pinfold';
import type { WorkerData } from './worker.ts';

export interface ServeOptions {
  readonly tiles: string;
  readonly rows: string;
  readonly zoom: number;
  readonly threads: number;
  /** Bytes of the shared cache, or of each thread's own. */
  readonly memory: number;
  readonly isShared: boolean;
}

/** What the process takes, in bytes: as it runs, and when garbage has been collected. */
export interface Memory {
  readonly running: number;
  readonly collected: number;
}

/** Serves until stdin ends. Tells the threads' ports; for each line that comes in, how much memory the process takes. */
export async function serve({ tiles, rows, zoom, threads, memory, isShared }: ServeOptions): Promise<void> {
  const shared = isShared ? await PageCache.create({ memory }) : undefined;
  const workerData: WorkerData = { tiles, rows, zoom, cache: shared?.handle ?? memory };
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('./worker.js', import.meta.url), { workerData }),
  );
  const answers = () =>
    Promise.all(
      workers.map(
        (worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      ),
    );
  console.log(JSON.stringify(await answers()));
  process.stdin.on('data', async () => {
    const running = residentBytes();
    const collected = answers();
    for (const worker of workers) worker.postMessage('collect');
    await collected;
    console.log(JSON.stringify({ running, collected: residentBytes() } satisfies Memory));
  });
  process.stdin.once('end', () => process.exit());
}

/** Proportional set size where the system tells it: what the process alone takes, shared libraries by parts. */
function residentBytes(): number {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/smaps_rollup', 'utf8'))!;
    return Number(kilobytes) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}
