import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TRACE_NAMES } from '../bench/scenarios/replacement/generate.ts';
import { replacementFailures } from '../bench/scenarios/replacement/index.ts';
import type { Replacement } from '../bench/scenarios/replacement/result.ts';
import { type BenchReport, validateReport } from '../bench/schema.ts';
import { testDirectory } from './support/directory.ts';

const BENCH = fileURLToPath(new URL('../bench/dist/main.js', import.meta.url));
const LIMIT_MS = 120_000;

function bench(directory: string, ...args: string[]) {
  return spawnSync(process.execPath, [BENCH, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
    timeout: LIMIT_MS,
  });
}

function resultIn(directory: string): Replacement {
  const report: unknown = JSON.parse(fs.readFileSync(join(directory, 'bench-report.json'), 'utf8'));
  expect(validateReport(report)).toEqual([]);
  const { replacement } = report as BenchReport;
  expect(replacement).not.toBeNull();
  return replacement!;
}

test(
  'generated traces are played at each size, by several threads, and with the control; no promise is broken',
  () => {
    const directory = testDirectory();
    const { status, stdout, stderr } = bench(directory, '--scenario', 'replacement', '--seconds', '1');
    expect(stderr).not.toContain('    at ');
    expect(status).toBe(0);
    const { cells, threads, control, seed } = resultIn(directory);
    expect(seed).toBe(1);
    for (const name of TRACE_NAMES) expect(stdout).toContain(name);
    for (const size of [0.01, 0.1, 0.3]) {
      expect(cells.filter((cell) => cell.size === size).map(({ trace }) => trace)).toEqual(TRACE_NAMES);
    }
    for (const cell of cells) {
      const ratios = [cell.pinfold, ...Object.values(cell.peers)];
      expect(ratios.every((ratio) => ratio >= 0 && ratio <= 1)).toBe(true);
      expect(cell.toLru).toBeCloseTo(cell.pinfold - cell.peers.LRU, 10);
      expect(cell.toBest).toBeCloseTo(cell.pinfold - Math.max(...Object.values(cell.peers)), 10);
    }
    expect(new Set(threads.map(({ threads: by }) => by))).toEqual(new Set([1, 2, 4]));
    expect(control).toHaveLength(1);
  },
  LIMIT_MS,
);

describe('--trace', () => {
  const traceFile = (directory: string, pages: number, header = '') => {
    const lines = Array.from({ length: 8 * pages }, (_, i) => `${i},${(i * i) % pages},4096`);
    fs.writeFileSync(join(directory, 'mine.csv'), `${header}${lines.join('\n')}`);
  };

  test(
    'plays that trace alone, at the sizes for which it has pages enough, the same each time',
    () => {
      const directory = testDirectory();
      traceFile(directory, 1_009, 'time,page,size\n');
      const run = () => {
        const { status, stdout } = bench(directory, '--trace', 'mine.csv', '--seconds', '1');
        expect(status).toBe(0);
        expect(stdout).toContain('mine.csv');
        return resultIn(directory);
      };
      const first = run();
      const footprint = new Set(Array.from({ length: 1_009 }, (_, i) => (i * i) % 1_009)).size;
      expect(first.cells.map(({ size }) => size)).toEqual([0.3]);
      expect(first.cells[0]).toMatchObject({ trace: 'mine.csv', footprint, accesses: 8 * 1_009 });
      expect(first.threads).toEqual([]);
      expect(run()).toEqual(first);
    },
    LIMIT_MS,
  );

  test.each([
    [['--trace', 'none.csv'], 'none.csv'],
    [['--trace', 'wrong.csv'], 'line 2'],
    [['--trace', 'small.csv'], 'too few'],
    [['--trace', 'small.csv', '--scenario', 'fsync'], 'replacement'],
    [['--seed', '-1'], '--seed'],
    [['--seed', '1.5'], '--seed'],
  ])('%j is refused with code 2', (args, named) => {
    const directory = testDirectory();
    fs.writeFileSync(join(directory, 'wrong.csv'), '1\nwhat\n');
    fs.writeFileSync(join(directory, 'small.csv'), '1\n2\n');
    const { status, stderr, stdout } = bench(directory, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(named);
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
  });
});

describe('what counts as a failure', () => {
  const truth = { wrongPages: 0, unaccounted: 0, unfilled: 0, overfull: 0 };
  const cell = {
    trace: 'some',
    accesses: 100,
    warmup: 25,
    footprint: 10,
    size: 0.1,
    frames: 64,
    pinfold: 0.1,
    peers: { LRU: 0.5, CLOCK: 0.5, '2Q': 0.5, ARC: 0.5, SIEVE: 0.5, 'S3-FIFO': 0.5 },
    toBest: -0.4,
    toLru: -0.4,
    verdict: 'short',
    queues: { fills: 1, admitted: 1, ghosted: 0 },
    truth,
  } as const;
  const threads = { trace: 'some', frames: 64, threads: 2, ratio: 0.1, toOne: 0, again: 0, truth };
  const control = { trace: 'some', frames: 64, handAlone: 0.1, queues: 0.2 };
  const failures = (part: Partial<Replacement>) =>
    replacementFailures({ replacement: { seed: 1, cells: [], threads: [], control: [], ...part } });

  test('to be short of the aim is none, nor is a page that another thread brought in', () => {
    expect(failures({ cells: [cell], threads: [threads], control: [control] })).toEqual([]);
    expect(failures({ threads: [{ ...threads, truth: { ...truth, unfilled: 3 } }] })).toEqual([]);
    expect(replacementFailures({ replacement: null })).toEqual([]);
  });

  test.each([
    ['wrongPages', 'another page'],
    ['unaccounted', 'hits and misses'],
    ['unfilled', 'fills'],
    ['overfull', 'more than frames'],
  ])('%s is one', (figure, named) => {
    const found = failures({ cells: [{ ...cell, truth: { ...truth, [figure]: 3 } }] });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(named);
    expect(found[0]).toContain('3');
  });

  test('a control that does as well as what it is the control of is one', () => {
    const found = failures({ control: [{ ...control, handAlone: 0.2 }] });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('broken');
  });
});
