// The first half of the storm: threads of this process write and read, and are terminated at any instant.
import { PageCache } from 'pinfold';
import { startThread } from '../programs.ts';
import { LockTable } from '../vfs/locks.ts';
import { connect, shareDatabase } from '../vfs/share.ts';
import { audit, createBank } from './bank.ts';
import { type Control, vfsWithout } from './controls.ts';
import type { StormTask } from './writer.ts';

export interface TerminationsReport {
  readonly terminated: number;
  /** Transactions that were acknowledged. */
  readonly acknowledged: number;
  /** By the highest lock that they held, how many connections died. */
  readonly deaths: Record<string, number>;
  readonly rollbacks: number;
  readonly audits: number;
  readonly problems: string[];
}

interface Options {
  readonly path: string;
  readonly terminations: number;
  readonly control: Control | undefined;
  readonly say: (line: string) => void;
}

/** Threads at a time: writers, and one that reads. */
const WRITERS = 3;
/** So small that pages leave the cache and come back, in bytes. */
const MEMORY = 2 << 20;
/** How long a thread lives after it has begun to work, at most, in ms. */
const LIFE_MS = 60;
/** The share of threads that are terminated before they work, perhaps while they start. */
const EARLY = 0.1;
/** No thread needs so long for its first transaction, in ms: waiting for a lock ends in 10 s. */
const STALL_MS = 40_000;
/** Terminations between two audits. */
const AUDIT_EVERY = 20;
const SAY_EVERY = 100;

export async function terminations({
  path,
  terminations,
  control,
  say,
}: Options): Promise<TerminationsReport> {
  const cache = await PageCache.create({ memory: MEMORY });
  const shared = await shareDatabase(path, cache);
  const db = await connect(shared, cache, [], vfsWithout(control));
  const locks = new LockTable(shared.locks);
  createBank(db);
  const acks = new Int32Array(new SharedArrayBuffer(4 * (terminations + (WRITERS + 1) * 2)));
  const problems: string[] = [];
  const readers = new Set<number>();
  let begun = 0;
  let terminated = 0;
  let audits = 0;

  const acknowledged = () =>
    new Map(
      [...acks].map((seq, number) => [number, seq] as const).filter(([number]) => !readers.has(number)),
    );
  const check = (done: boolean) => {
    audits++;
    const before = acknowledged(); // before the audit's own view of the database
    problems.push(...attempt(() => audit(db, before, done)));
  };

  const live = async (role: StormTask['role']) => {
    while (begun < terminations && problems.length === 0) {
      const number = begun++;
      if (role === 'reader') readers.add(number);
      await oneLife({ role, shared, number, acks, control }, acks, problems);
      terminated++;
      if (terminated % AUDIT_EVERY === 0) check(false);
      if (terminated % SAY_EVERY !== 0) continue;
      say(
        `${terminated} of ${terminations} threads terminated, ${sum(acknowledged())} transactions acknowledged`,
      );
    }
  };
  await Promise.all([...Array.from({ length: WRITERS }, () => live('writer')), live('reader')]);
  check(true);
  const deaths = locks.cleanUpAfterAll();
  const { rollbacks } = locks;
  db.close();
  await cache.close();
  return { terminated, acknowledged: sum(acknowledged()), deaths, rollbacks, audits, problems };
}

/** Starts a thread, lets it work for a random time, and ends it. */
async function oneLife(task: StormTask, acks: Int32Array, problems: string[]): Promise<void> {
  const worker = startThread(task);
  let failed = false;
  worker.on('error', (error) => {
    failed = true;
    problems.push(`${task.role} ${task.number}: ${describe(error)}`);
  });
  if (Math.random() >= EARLY) {
    const end = performance.now() + STALL_MS;
    while (Atomics.load(acks, task.number) === 0 && !failed && performance.now() < end) await pause(1);
    if (Atomics.load(acks, task.number) === 0 && !failed) problems.push(`${task.role} ${task.number} hangs`);
  }
  await pause(Math.random() * LIFE_MS);
  await worker.terminate();
}

/** The problems that `look` finds, or the one that it has. */
function attempt(look: () => string[]): string[] {
  try {
    return look();
  } catch (error) {
    return [describe(error)];
  }
}

function describe(error: unknown): string {
  const { message, cause } = error as Error;
  return cause === undefined ? message : `${message}: ${(cause as Error).message}`;
}

const sum = (acks: Map<number, number>) => [...acks.values()].reduce((total, seq) => total + seq, 0);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
