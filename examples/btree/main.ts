// npm run example:btree [-- --rounds N]: kills processes that use the store, by SIGKILL at random moments, and judges what they leave.
// In each of them threads are terminated, too.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PageCache } from 'pinfold';
import { faultsOf, fill, WRITERS } from './bank.ts';
import { BTree } from './btree.ts';
import type { WorkerData } from './worker.ts';

/** So small that pages are reclaimed and come back from the file. */
const MEMORY = 2 ** 19;
const START_MS = 30_000;
const LIFE_MS = { least: 100, most: 1000 };
/** From the end of one writer to that of the next, at the most. It is terminated wherever it is. */
const WRITER_MS = 60;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '10' }, commits: { type: 'string', default: '0' } },
});
const [mode, path] = positionals;
if (mode === 'work') await work(path, Number(values.commits));
else process.exitCode = await judge(Number(values.rounds));

/** The process that is to be killed. With `commits` it lets its threads live, and ends by itself when so many were made. */
async function work(path: string, commits: number): Promise<void> {
  process.stdin.on('close', () => process.exit(1)).resume();
  const cache = await PageCache.create({ memory: MEMORY, writebackIntervalMs: 5, dirtyExpireMs: 10 });
  const tree = BTree.open(cache, path);
  if (tree.get('count/0') === undefined) fill(tree);
  const start = (role: WorkerData['role'], id: number): Worker => {
    const workerData: WorkerData = { handle: tree.handle, role, id };
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    return worker.once('error', (error) => {
      process.stderr.write(`${error.stack}\n`);
      process.exit(2);
    });
  };
  const startWriter = (id: number) => {
    const worker = start('writer', id);
    return { id, worker, atWork: new Promise((resolve) => worker.once('message', resolve)) };
  };
  start('reader', 0);
  const writers = Array.from({ length: WRITERS }, (_, id) => startWriter(id));
  const first = tree.check().txn;
  for (let n = 0; commits === 0 || tree.check().txn < first + commits; n++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * WRITER_MS));
    if (commits !== 0) continue;
    const { id, worker, atWork } = writers[n % WRITERS];
    await atWork;
    await worker.terminate();
    process.stdout.write('terminated\n');
    writers[id] = startWriter(id);
  }
  process.exit();
}

/** Kills `rounds` processes, one after the other on the same store: the exit code. */
async function judge(rounds: number): Promise<number> {
  if (!(rounds >= 1)) throw new RangeError(`--rounds must be a number from 1 on, got '${values.rounds}'`);
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-btree-'));
  const path = join(directory, 'store');
  let child: ChildProcess | undefined;
  process.once('exit', () => {
    child?.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const acknowledged = new Array<number>(WRITERS).fill(0);
  let terminated = 0;
  let faults = 0;
  console.log('killed  transfers acknowledged  threads terminated  nodes  entries  height  faults');
  for (let round = 1; round <= rounds; round++) {
    child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'work', path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    for (const line of await untilKilled(child)) {
      if (line === 'terminated') terminated++;
      const [id, n] = line.split(' ').map(Number);
      if (n !== undefined) acknowledged[id] = n;
    }
    const cache = await PageCache.create({ memory: MEMORY });
    const tree = BTree.open(cache, path);
    const { nodes, entries, height } = tree.check();
    const found = [...faultsOf(tree, acknowledged)];
    for (const fault of found) console.error(fault);
    faults += found.length;
    const sum = acknowledged.reduce((a, b) => a + b);
    const row = [round, sum, terminated, nodes, entries, height, faults];
    console.log(row.map((n, i) => `${n}`.padStart([6, 22, 18, 5, 7, 6, 6][i])).join('  '));
    await cache.close();
  }
  console.log(faults === 0 ? 'No acknowledged transfer was lost.' : `${faults} faults`);
  return faults === 0 ? 0 : 1;
}

/** Kills the process some time after its first transfer: all lines that it had written. */
async function untilKilled(child: ChildProcess): Promise<string[]> {
  let told = '';
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (signal === 'SIGKILL' && told !== '') resolve();
      else reject(new Error(`the process ended too early: ${signal ?? `exit ${code}`}`));
    });
    child.stdout!.on('data', (part: Buffer) => {
      if (told === '') {
        clearTimeout(late);
        const lifeMs = LIFE_MS.least + Math.random() * (LIFE_MS.most - LIFE_MS.least);
        setTimeout(() => child.kill('SIGKILL'), lifeMs);
      }
      told += part;
    });
  });
  return told.split('\n').slice(0, -1);
}
