// A thread of one arm: connects, then does blocks of work as it is told, all threads of the arm at once.
import { parentPort } from 'node:worker_threads';
import { open, type Target } from './arms.ts';
import { pieceOf, type Workload } from './workloads.ts';

export interface SpeedTask {
  readonly role: 'speed';
  readonly target: Target;
  readonly pragmas: readonly string[];
  readonly rows: number;
}

/** What a thread is told, and what it answers when it has done that. */
export interface Block {
  readonly workload: Workload;
  readonly ms: number;
  /** One word: how many threads are ready. */
  readonly ready: Int32Array;
  readonly threads: number;
}
export type Answer = { readonly pieces: number; readonly ms: number } | 'connected' | 'closed';

/** Between two looks at the clock. */
const PIECES = { points: 32, scans: 1, transactions: 1 } as const;
/** How long others are waited for, in ms. */
const READY_MS = 30_000;

export async function measure({ target, pragmas, rows }: SpeedTask): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('this is a thread of the measurement');
  const sql = await open(target, pragmas);
  const works = new Map<Workload, () => void>();
  const answer = (value: Answer) => port.postMessage(value);
  port.on('message', (block: Block | 'close') => {
    if (block === 'close') {
      sql.close();
      answer('closed');
      port.close();
      return;
    }
    const work = works.get(block.workload) ?? pieceOf(block.workload, sql, rows);
    works.set(block.workload, work);
    answer(runBlock(block, work));
  });
  answer('connected');
}

function runBlock({ workload, ms, ready, threads }: Block, work: () => void): { pieces: number; ms: number } {
  const late = performance.now() + READY_MS;
  Atomics.add(ready, 0, 1);
  Atomics.notify(ready, 0);
  for (let n = Atomics.load(ready, 0); n < threads; n = Atomics.load(ready, 0)) {
    if (performance.now() > late)
      throw new Error(`${n} of ${threads} threads are ready after ${READY_MS} ms`);
    Atomics.wait(ready, 0, n, 10);
  }
  const started = performance.now();
  let pieces = 0;
  let now = started;
  while (now < started + ms) {
    for (let n = 0; n < PIECES[workload]; n++) work();
    pieces += PIECES[workload];
    now = performance.now();
  }
  return { pieces, ms: now - started };
}
