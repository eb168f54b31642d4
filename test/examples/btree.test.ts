import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { PageCache } from 'pinfold';
import { expect, test } from 'vitest';
import { faultsOf, WRITERS } from '../../examples/btree/bank.ts';
import { BTree } from '../../examples/btree/btree.ts';
import { Random } from '../storm/random.ts';
import { testDirectory } from '../support/directory.ts';
import { root } from '../support/root.ts';
import { WriteLog } from './power-cut.ts';

const MAIN = join(root, 'examples/btree/dist/main.js');
const PRELOAD = join(root, 'test/examples/write-log.cjs');
const SOURCES = ['page.ts', 'transaction.ts', 'btree.ts'].map((name) => join(root, 'examples/btree', name));
const LIMIT_MS = 60_000;

async function withTree<T>(path: string, use: (tree: BTree) => T): Promise<T> {
  const cache = await PageCache.create({ memory: 2 ** 20 });
  try {
    return use(BTree.open(cache, path));
  } finally {
    await cache.close();
  }
}

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

test('has 600 lines at the most', () => {
  const lines = SOURCES.flatMap((path) => fs.readFileSync(path, 'utf8').trimEnd().split('\n'));
  expect(lines.length).toBeLessThanOrEqual(600);
});

test('does as a sorted map does, and is a sound tree all the time', async () => {
  const key = fc.integer({ min: 0, max: 400 }).map((n) => `${n}`.padStart((n % 7) * 80 + 3, 'k'));
  const put = fc.record({ key, value: fc.integer({ min: 0, max: 500 }).map((n) => 'v'.repeat(n)) });
  const transaction = fc.record({
    puts: fc.array(put, { maxLength: 60 }),
    deletes: fc.array(key, { maxLength: 60 }),
    fails: fc.boolean(),
  });
  const path = join(testDirectory(), 'store');
  let runs = 0;
  await withTree(path, (tree) => {
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 12 }), (transactions) => {
        runs++;
        const model = new Map<string, string>();
        tree.transact((txn) => {
          for (const { key } of [...tree.entries()]) txn.delete(key);
        });
        expect(tree.check()).toMatchObject({ nodes: 1, entries: 0 });
        for (const { puts, deletes, fails } of transactions) {
          const next = new Map(model);
          const change = () =>
            tree.transact((txn) => {
              for (const { key, value } of puts) txn.put(key, value);
              for (const { key, value } of puts) next.set(key, value);
              for (const key of deletes) expect(txn.delete(key)).toBe(next.delete(key));
              for (const { key } of puts) expect(text(txn.get(key))).toBe(next.get(key));
              if (fails) throw new Error('given up');
            });
          if (fails) expect(change).toThrow('given up');
          else change();
          if (!fails) {
            model.clear();
            for (const [key, value] of next) model.set(key, value);
          }
          expect(tree.check().entries).toBe(model.size);
        }
        const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
        expect([...tree.entries()].map(({ key, value }) => [text(key), text(value)])).toEqual(sorted);
        for (const [key, value] of model) expect(text(tree.get(key))).toBe(value);
        const [from] = sorted[sorted.length >> 1] ?? ['nothing'];
        expect([...tree.entries(from)].length).toBe(sorted.filter(([key]) => key >= from).length);
        expect(tree.get('there is no such key')).toBeUndefined();
      }),
      { numRuns: 40 },
    );
  });
  expect(runs).toBeGreaterThanOrEqual(40);
});

test('refuses what does not fit, and says how much does', async () => {
  await withTree(join(testDirectory(), 'store'), (tree) => {
    const put = () => tree.transact((txn) => txn.put('key', 'v'.repeat(2000)));
    expect(put).toThrow('an entry has 1013 bytes at the most, this one has 2003');
  });
});

test('a full store says so, loses nothing, and takes what fits', async () => {
  const cache = await PageCache.create({ memory: 2 ** 20 });
  const tree = BTree.open(cache, join(testDirectory(), 'store'), 32);
  tree.transact((txn) => txn.put('first', 'stays'));
  const tooMuch = () =>
    tree.transact((txn) => {
      for (let n = 0; n < 1000; n++) txn.put(`key ${n}`, 'v'.repeat(500));
    });
  expect(tooMuch).toThrow(/is full: it has 32 pages/);
  expect(tree.check()).toMatchObject({ entries: 1 });
  tree.transact((txn) => txn.put('second', 'fits'));
  expect(text(tree.get('first'))).toBe('stays');
  await cache.close();
});

test('is there again when the process is', async () => {
  const path = join(testDirectory(), 'store');
  await withTree(path, (tree) => {
    tree.transact((txn) => {
      for (let n = 0; n < 500; n++) txn.put(`${n}`, `value ${n}`);
    });
  });
  await withTree(path, (tree) => {
    expect(tree.check()).toMatchObject({ entries: 500 });
    expect(text(tree.get('321'))).toBe('value 321');
  });
});

test('loses no acknowledged transfer when processes are killed and threads terminated', {
  timeout: LIMIT_MS,
}, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, '--rounds', '2'], {
    timeout: LIMIT_MS,
  });
  expect(stdout).toContain('No acknowledged transfer was lost.');
  const [, acknowledged, terminated] = stdout.trim().split('\n').at(-2)!.trim().split(/\s+/).map(Number);
  expect(acknowledged).toBeGreaterThan(0);
  expect(terminated).toBeGreaterThanOrEqual(0);
});

/** The log of a process in which several threads use a store. */
async function writeLog(): Promise<WriteLog> {
  const directory = testDirectory();
  const [path, log] = ['store', 'log'].map((name) => join(fs.realpathSync(directory), name));
  const args = [MAIN, 'work', path, '--commits', '40'];
  const child = promisify(execFile)(process.execPath, args, {
    // By the environment: the cache's own threads take no arguments from the process.
    env: { ...process.env, NODE_OPTIONS: `--require ${PRELOAD}`, WRITE_LOG: log, WRITE_LOG_OF: path },
    timeout: LIMIT_MS,
  });
  await child;
  return new WriteLog(log);
}

/** What is wrong with the store that power lost at a random moment has left. Throws if it can't even be opened. */
async function faultsAfterCut(log: WriteLog, random: Random, believesFlushes: boolean): Promise<string[]> {
  const first = log.lines.findIndex(({ kind }) => kind === 'told');
  const end = first + 1 + random.below(log.lines.length - first);
  const acknowledged = new Array<number>(WRITERS).fill(0);
  for (const line of log.toldBefore(end)) {
    const [id, n] = line.split(' ').map(Number);
    acknowledged[id] = n;
  }
  const path = join(testDirectory(), 'store');
  fs.writeFileSync(
    path,
    log.fileAt(end, () => random.below(2 ** 30) / 2 ** 30, believesFlushes),
  );
  return await withTree(path, (tree) => {
    tree.check();
    const faults = [...faultsOf(tree, acknowledged)];
    // It must go on, over the pages that are torn.
    for (let n = 0; n < 5; n++) {
      tree.transact((txn) => {
        for (let i = 0; i < 20; i++) txn.put(`later ${n} ${i}`, 'v'.repeat(900));
      });
    }
    tree.check();
    return faults;
  });
}

test('loses nothing durable when power is lost, at whatever moment', { timeout: 3 * LIMIT_MS }, async () => {
  const log = await writeLog();
  const seed = Number(process.env.PINFOLD_TEST_SEED ?? Date.now() % 2 ** 31);
  const random = new Random(seed);
  for (let n = 0; n < 25; n++) expect(await faultsAfterCut(log, random, true), `seed ${seed}`).toEqual([]);
  // The check is worth something: it finds what a disk that forgets flushed writes does.
  let found = 0;
  for (let n = 0; n < 6; n++) {
    found += await faultsAfterCut(log, random, false).then(
      ({ length }) => Math.min(length, 1),
      () => 1,
    );
  }
  expect(found).toBeGreaterThan(2);
});
