// Pinfold beside its peers: those that need no install, end to end; what the check sees; how an install that fails is told.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { Mode, StoreName } from '../../bench/roles/peers/arms.ts';
import { ARMS } from '../../bench/roles/peers/arms.ts';
import { Calls } from '../../bench/roles/peers/calls.ts';
import type { Checked, OpenParams, TaskName } from '../../bench/roles/peers/messages.ts';
import packages from '../../bench/roles/peers/packages.json' with { type: 'json' };
import { fillPage, isPage, LAID_OUT, laidOutPages, PAGE } from '../../bench/roles/peers/pages.ts';
import { peersFailures } from '../../bench/scenarios/peers/failures.ts';
import { rowsOf, Truths, verdictOf } from '../../bench/scenarios/peers/rows.ts';
import type { PeerRow } from '../../bench/scenarios/peers/shape.ts';
import { type BenchReport, noResults, validateReport } from '../../bench/schema.ts';
import { REPORTS } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';

const built = (name: string) => fileURLToPath(new URL(`../../bench/dist/${name}`, import.meta.url));
const INSTALLER = fileURLToPath(new URL('../../scripts/install-peers.mjs', import.meta.url));
/** Against hangs: on a machine that has much else to do, dozens of processes take their time. */
const LIMIT_MS = 240_000;
const FOLDER = `modules-${process.versions.modules}`;

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

interface End {
  status: number | null;
  stdout: string;
  stderr: string;
}

async function runProgram(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<End> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  running.push(child);
  const end: End = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    end.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    end.stderr += chunk;
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...end, status }));
  });
}

/** A folder as the installer leaves it when nothing could be installed. */
function nothingInstalled(): string {
  const folder = testDirectory();
  fs.mkdirSync(join(folder, FOLDER));
  const state = Object.entries(packages).map(([name, { version }]) => [
    name,
    { version, why: 'no compiler' },
  ]);
  fs.writeFileSync(join(folder, FOLDER, 'state.json'), JSON.stringify(Object.fromEntries(state)));
  return folder;
}

function hasNodeSqlite(): boolean {
  try {
    createRequire(import.meta.url)('node:sqlite');
    return true;
  } catch {
    return false;
  }
}

describe('the scenario', () => {
  test(
    'measures those that need no install, names those that are missing, and finds each read right',
    async () => {
      const directory = testDirectory();
      const args = ['--scenario', 'peers', '--seconds', '1'];
      const env = { PINFOLD_PEERS: nothingInstalled() };
      const { status, stdout, stderr } = await runProgram(built('main.js'), args, env, directory);
      expect(status, stdout + stderr).toBe(0);
      expect(fs.readdirSync(directory).sort()).toEqual(REPORTS); // its files are gone
      const report: BenchReport = JSON.parse(fs.readFileSync(join(directory, 'bench-report.json'), 'utf8'));
      expect(validateReport(report)).toEqual([]);
      const { libraries, reads, commits, memory, start } = report.peers!;
      for (const name of ['lmdb', '@riaskov/mmap-io']) {
        expect(libraries).toContainEqual(
          expect.objectContaining({ name, missing: 'not installed: no compiler' }),
        );
        expect(stdout).toContain(name);
      }
      const sqlite = hasNodeSqlite() ? ['sqlite'] : [];
      const readers = ['pinfold', 'pinfold-again', 'fs', 'fs-async', 'lru-cache', ...sqlite];
      const writers = ['pinfold', 'pinfold-again', 'pinfold-async', 'pinfold-async-again', 'fs', 'fs-async'];
      const kept = ['pinfold', 'pinfold-again', 'fs', 'lru-cache', ...sqlite];
      const arms = (rows: PeerRow[]) => rows.map(({ arm }) => arm);
      expect(reads.map(({ bytes, threads }) => `${bytes} by ${threads}`)).toEqual(
        [1, 2, 4].flatMap((threads) => [`8 by ${threads}`, `${PAGE} by ${threads}`]),
      );
      for (const { rows } of reads) expect(arms(rows)).toEqual(readers);
      expect(arms(commits)).toEqual([...writers, ...sqlite]);
      expect(memory.map(({ threads }) => threads)).toEqual([1, 2, 4]);
      for (const { rows } of memory) expect(arms(rows)).toEqual(kept);
      expect(arms(start)).toEqual([...kept, 'bare']);
      for (const row of [...reads.flatMap(({ rows }) => rows), ...commits, ...start]) {
        expect(row.value, row.arm).toBeGreaterThan(0);
        expect(row.truth.wrong).toBe(0);
        expect(row.truth.plantedSeen).toBe(true);
        if (row.arm !== 'bare') expect(row.truth.checked).toBeGreaterThan(0);
      }
      for (const { latency } of commits) expect(latency?.count).toBeGreaterThan(0);
      // Each thread has buffers of its own.
      const lru = memory.map(({ rows }) => rows.find(({ arm }) => arm === 'lru-cache')?.value ?? 0);
      expect(lru[2]).toBeGreaterThan(2 * lru[0]!);
    },
    LIMIT_MS,
  );

  test('says what to run where nothing was installed, and creates nothing', async () => {
    const directory = testDirectory();
    const env = { PINFOLD_PEERS: testDirectory() };
    const { status, stdout, stderr } = await runProgram(
      built('main.js'),
      ['--scenario', 'peers'],
      env,
      directory,
    );
    expect(status).toBe(2);
    expect(stderr).toContain('npm run bench:peers');
    expect(stdout).toBe('');
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

describe('a check', () => {
  const PAGES = 64;

  /** A file of PAGES pages, and the planted one behind them. */
  function store(): string {
    const path = join(testDirectory(), 'store.bin');
    for (const { bytes } of laidOutPages(PAGES)) fs.appendFileSync(path, bytes);
    return path;
  }

  function writePage(path: string, page: number, bytes: Uint8Array): void {
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, bytes, 0, PAGE, page * PAGE);
    fs.closeSync(fd);
  }

  /** Has one thread of an arm's own process do tasks, one after the other; their parameters are made when it is their turn. */
  async function played(params: OpenParams, tasks: [TaskName, () => unknown][]): Promise<unknown[]> {
    const child = fork(built('peer-process.js'), { execArgv: [], serialization: 'advanced' });
    running.push(child);
    const calls = new Calls((request) => child.send(request));
    child.on('message', (reply) => calls.settle(reply as never));
    child.on('exit', (code) => calls.break(new Error(`it ended with code ${code}`)));
    await calls.call('open', { ...params, threads: 1 });
    const results: unknown[] = [];
    for (const [task, each] of tasks) {
      const [result] = (await calls.call('play', { task, each: [each()] })) as unknown[];
      results.push(result);
    }
    await calls.call('close', null);
    child.disconnect();
    return results;
  }

  /** Reads for so long that every page is read, and what the check found then. */
  async function checked(params: OpenParams, whole: boolean): Promise<Checked> {
    const blocks = () => {
      const startNs = Number(process.hrtime.bigint());
      return [{ startNs, endNs: startNs + 500e6 }];
    };
    const [, , check] = await played(params, [
      ['draw', () => ({ seed: 3 })],
      ['reads', () => ({ whole, blocks: blocks(), thread: 0 })],
      ['check', () => ({ whole, seed: 3 })],
    ]);
    return check as Checked;
  }

  const arms: [StoreName, Mode][] = [
    ['pinfold', 'sync'],
    ['fs', 'sync'],
    ['fs', 'async'],
    ['lru', 'sync'],
  ];

  test.each(arms)(
    'of %s, %s, finds every read right, and the planted page wrong',
    { timeout: LIMIT_MS },
    async (name, mode) => {
      const params: OpenParams = { store: name, mode, path: store(), pages: PAGES };
      for (const whole of [false, true]) {
        const { checked: all, wrong, plantedSeen } = await checked(params, whole);
        expect(all).toBeGreaterThan(PAGES);
        expect({ wrong, plantedSeen }).toEqual({ wrong: 0, plantedSeen: true });
      }
    },
  );

  test.each(arms)(
    'of %s, %s, finds one wrong page among those that are read',
    { timeout: LIMIT_MS },
    async (name, mode) => {
      const path = store();
      const bytes = new Uint8Array(PAGE);
      fillPage(bytes, 7, LAID_OUT);
      writePage(path, 8, bytes);
      const { wrong } = await checked({ store: name, mode, path, pages: PAGES }, true);
      expect(wrong).toBeGreaterThan(0);
    },
  );

  test('of durable writes finds one that is not in the file', async () => {
    const path = store();
    const bytes = new Uint8Array(PAGE);
    const written = new Int32Array(PAGES);
    for (const page of [3, 4]) {
      written[page] = 10 + page;
      fillPage(bytes, page, written[page]!);
      writePage(path, page, bytes);
    }
    const params: OpenParams = { store: 'fs', mode: 'sync', path, pages: PAGES };
    const [right] = await played(params, [['verify', () => ({ written })]]);
    expect(right).toEqual({ checked: 2, wrong: 0, plantedSeen: true });
    // The control has left page 3 as an earlier commit wrote it.
    const [wrong] = await played(params, [['verify', () => ({ written })]]);
    expect(wrong).toEqual({ checked: 2, wrong: 1, plantedSeen: true });
  });

  test('knows a page by all of its bytes', () => {
    const bytes = new Uint8Array(PAGE);
    fillPage(bytes, 5, 2);
    expect(isPage(bytes, 5, 2)).toBe(true);
    expect(isPage(bytes, 5, 1)).toBe(false);
    expect(isPage(bytes, 4, 2)).toBe(false);
    bytes[PAGE - 1]! ^= 1;
    expect(isPage(bytes, 5, 2)).toBe(false);
  });
});

describe('rows', () => {
  const truths = new Truths();
  for (const { id } of ARMS) truths.add(id, { checked: 1, wrong: 0, plantedSeen: true });
  const rows = (samples: Record<string, (number | null)[]>) =>
    rowsOf('eight', ARMS, new Map(Object.entries(samples)), truths);
  const rowOf = (arm: string, samples: Record<string, (number | null)[]>) =>
    rows(samples).find((row) => row.arm === arm)!;

  test('divide neighbours in time, whatever the machine does meanwhile', () => {
    const samples = { pinfold: [1, 10, 100], 'pinfold-again': [1, 10, 100], fs: [4, 40, null] };
    expect(rowOf('fs', samples)).toMatchObject({ value: 22, ratio: 4, q1: 4, q3: 4, verdict: 'pinfold' });
    expect(rowOf('lru-cache', samples)).toMatchObject({ value: null, ratio: null, verdict: 'none' });
  });

  test.each([
    [0.5, 0.1, 1, 'peer'],
    [0.98, 0.02, 1.02, 'level'],
    [1.5, 0.1, 0.96, 'pinfold'],
    [1.5, 0.1, 1.06, 'no verdict'],
    [0.5, 0.1, 0.94, 'no verdict'],
    [0.5, 0.1, null, 'no verdict'],
    [1.07, 0.01, 1.03, 'no verdict'], // nearer to level than identical arms were
    [1.1, 0.4, 1, 'no verdict'], // nearer to level than it is exact
  ])('%d, quartiles %d apart, beside an A/A of %s: %s', (median, apart, control, verdict) => {
    const spread = { median, q1: median - apart / 2, q3: median + apart / 2, count: 25 };
    expect(verdictOf(spread, control)).toBe(verdict);
  });
});

describe('a run fails', () => {
  const row = (arm: string, changed: Partial<PeerRow> = {}): PeerRow => ({
    arm,
    name: arm,
    calls: '',
    value: 1,
    ratio: 1,
    q1: 1,
    q3: 1,
    control: 1,
    verdict: 'level',
    latency: null,
    flushes: 1,
    truth: { checked: 9, wrong: 0, plantedSeen: true },
    ...changed,
  });
  const failures = (commit: PeerRow) =>
    peersFailures({
      ...noResults(),
      interrupted: false,
      peers: {
        fileBytes: 1,
        memoryFileBytes: 1,
        libraries: [],
        reads: [{ bytes: 8, threads: 1, rows: [row('fs')] }],
        commits: [row('fs'), commit],
        memory: [{ threads: 1, rows: [row('fs')] }],
        start: [row('fs')],
      },
    } as unknown as BenchReport);

  test('not, when all was right', () => expect(failures(row('lmdb'))).toEqual([]));
  test.each<[string, Partial<PeerRow>, string]>([
    ['a read was wrong', { truth: { checked: 9, wrong: 2, plantedSeen: true } }, '2 of 9'],
    ['a check could have seen nothing', { truth: { checked: 9, wrong: 0, plantedSeen: false } }, 'planted'],
    ['a write did not wait for the disk', { flushes: 0.2 }, '0.20 times'],
  ])('when %s', (_, changed, said) => {
    expect(failures(row('lmdb', changed))).toEqual([expect.stringContaining(said)]);
  });
});

// npm is a program of the test's own here: nothing is fetched.
describe.skipIf(process.platform === 'win32')('the installer', () => {
  const NPM = `#!/usr/bin/env node
    const fs = require('node:fs');
    fs.appendFileSync(process.env.NPM_CALLS, process.cwd() + '\\n');
    const [name] = Object.keys(JSON.parse(fs.readFileSync('package.json', 'utf8')).dependencies);
    if (name !== 'lmdb') {
      console.error('npm error code 1\\nnpm error gyp ERR! not found: make');
      process.exit(1);
    }
    fs.mkdirSync('node_modules/lmdb', { recursive: true });
    fs.writeFileSync('node_modules/lmdb/index.js', '');
  `;

  test('goes on after a peer that can not be installed, says why, and uses again what is there', async () => {
    const [bin, folder, cwd] = [testDirectory(), testDirectory(), testDirectory()];
    fs.writeFileSync(join(bin, 'npm'), NPM, { mode: 0o755 });
    const calls = join(bin, 'calls');
    const env = {
      PATH: `${bin}:${fileURLToPath(new URL('.', `file://${process.execPath}`))}:${process.env.PATH}`,
      PINFOLD_PEERS: folder,
      NPM_CALLS: calls,
    };
    const first = await runProgram(INSTALLER, [], env, cwd);
    expect(first.status, first.stderr).toBe(0);
    expect(first.stderr).toContain('lmdb 3.5.6 is installed');
    expect(first.stderr).toMatch(/better-sqlite3 \S+ is not installed: .*not found: make/);
    const state = JSON.parse(fs.readFileSync(join(folder, FOLDER, 'state.json'), 'utf8'));
    expect(Object.keys(state)).toEqual(Object.keys(packages));
    expect(state.lmdb.why).toBeNull();
    expect(state['better-sqlite3'].why).toContain('not found: make');
    const installs = () => fs.readFileSync(calls, 'utf8').trim().split('\n').length;
    expect(installs()).toBe(3);
    const second = await runProgram(INSTALLER, [], env, cwd);
    expect(second.status, second.stderr).toBe(0);
    expect(second.stderr).toContain('lmdb 3.5.6 is there');
    expect(installs()).toBe(5); // the two that failed, once more
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
});
