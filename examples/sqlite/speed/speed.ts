// Pieces of work a second, of each arm on 1 and 4 threads. The arms take turns in short blocks, so that whatever slows the
// machine slows them all; what is said of two arms is the median of the ratios within one round.
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import Table from 'cli-table3';
import { PageCache } from 'pinfold';
import { quantile } from '../../../bench/statistics.ts';
import { startThread } from '../programs.ts';
import { shareDatabase } from '../vfs/share.ts';
import { ARMS, type Arm, open, type Target } from './arms.ts';
import type { Answer, Block, SpeedTask } from './thread.ts';
import { create, SCAN_ROWS, WORKLOADS, type Workload } from './workloads.ts';

export interface SpeedOptions {
  readonly directory: string;
  readonly rounds: number;
  readonly blockMs: number;
  /** Of the table; 100,000 are some 12 MB. */
  readonly rows: number;
}

const THREADS = [1, 4] as const;
/** SQLite's own cache, that of each connection: next to none, so that what is below it is measured; and what it has by itself. */
const CACHES = { '10 pages': 'cache_size = 10', 'default, 2 MB': 'cache_size = -2000' } as const;
/** Bytes of the cache that the threads share. */
const MEMORY = 64 << 20;
/** A thread that does not answer for so long has gone wrong, in ms. */
const LIMIT_MS = 60_000;

/** True when all was measured; a thread that reads something wrong ends it with an error. */
export async function speed({ directory, rounds, blockMs, rows }: SpeedOptions): Promise<boolean> {
  if (rows < SCAN_ROWS) throw new RangeError(`a scan needs ${SCAN_ROWS} rows, got ${rows}`);
  fs.mkdirSync(directory, { recursive: true });
  const cache = await PageCache.create({ memory: MEMORY });
  try {
    const targets: Record<Arm, Target> = {
      pinfold: await shareDatabase(join(directory, 'pinfold.db'), cache),
      fs: await shareDatabase(join(directory, 'fs.db'), undefined),
      'node-sqlite3-wasm': join(directory, 'node-sqlite3-wasm.db'),
    };
    for (const arm of ARMS) {
      const sql = await open(targets[arm], [], cache);
      sql.exec(create(rows));
      sql.close();
    }
    console.log(`Node ${process.version}, ${os.availableParallelism()} processors (${os.cpus()[0]?.model}).`);
    console.log(`Per second: medians of ${rounds} rounds, blocks of ${blockMs} ms in turn; [quartiles].`);
    for (const [name, pragma] of Object.entries(CACHES)) {
      const table = new Table({
        head: ['', 'threads', ...ARMS, 'pinfold ÷ fs'],
        style: { head: [], border: [] },
      });
      for (const threads of THREADS) {
        const crews = await startCrews(targets, threads, { pragmas: [pragma], rows });
        for (const workload of Object.keys(WORKLOADS) as Workload[]) {
          const rates = await measure(crews, { workload, ms: blockMs }, rounds);
          table.push([workload, threads, ...ARMS.map((arm) => perSecond(rates[arm])), ratio(rates)]);
        }
        await Promise.all(crews.flatMap(({ members }) => members.map((member) => ask(member, 'close'))));
      }
      console.log(`\nSQLite's own cache: ${name}\n${table}`);
    }
    for (const [workload, what] of Object.entries(WORKLOADS)) console.log(`${workload}: ${what}`);
  } finally {
    await cache.close();
  }
  return true;
}

interface Crew {
  readonly arm: Arm;
  readonly members: readonly Worker[];
}

async function startCrews(
  targets: Record<Arm, Target>,
  threads: number,
  task: Pick<SpeedTask, 'pragmas' | 'rows'>,
): Promise<Crew[]> {
  const crews = ARMS.map((arm) => ({
    arm,
    members: Array.from({ length: threads }, () =>
      startThread({ role: 'speed', target: targets[arm], ...task }),
    ),
  }));
  await Promise.all(crews.flatMap(({ members }) => members.map((member) => answerOf(member))));
  return crews;
}

type Rates = Record<Arm, number[]>;

/** Pieces a second, by arm and round; a round before them, to warm up, is not counted. Each round begins with another arm. */
async function measure(
  crews: readonly Crew[],
  work: Pick<Block, 'workload' | 'ms'>,
  rounds: number,
): Promise<Rates> {
  const rates: Rates = { pinfold: [], fs: [], 'node-sqlite3-wasm': [] };
  for (let round = -1; round < rounds; round++) {
    for (let n = 0; n < crews.length; n++) {
      const { arm, members } = crews[(n + round + crews.length) % crews.length] as Crew;
      const ready = new Int32Array(new SharedArrayBuffer(4));
      const block: Block = { ...work, ready, threads: members.length };
      const answers = await Promise.all(members.map((member) => ask(member, block)));
      if (round < 0) continue;
      rates[arm].push(answers.reduce((sum, answer) => sum + rateOf(answer), 0));
    }
  }
  return rates;
}

const rateOf = (answer: Answer) => (typeof answer === 'string' ? 0 : (answer.pieces * 1000) / answer.ms);

function ask(worker: Worker, message: Block | 'close'): Promise<Answer> {
  const answer = answerOf(worker);
  worker.postMessage(message);
  return answer;
}

function answerOf(worker: Worker): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`a thread has not answered for ${LIMIT_MS} ms`)),
      LIMIT_MS,
    );
    const settle = (act: () => void) => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
      act();
    };
    const onMessage = (answer: Answer) => settle(() => resolve(answer));
    const onError = (error: Error) => settle(() => reject(error));
    worker.on('message', onMessage);
    worker.on('error', onError);
  });
}

function perSecond(rates: readonly number[]): string {
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((q) => Math.round(quantile(rates, q)).toLocaleString('en'));
  return `${median} [${q1} – ${q3}]`;
}

function ratio({ pinfold, fs: plain }: Rates): string {
  const ratios = pinfold.map((rate, round) => rate / (plain[round] ?? Number.NaN));
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(2));
  return `${median} [${q1} – ${q3}]`;
}
