// `pinfold-bench compare`: two reports beside one another.
import fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Comparison } from '../../bench/compare.ts';
import type { BenchReport } from '../../bench/schema.ts';
import { type Ended, runBench } from '../support/bench.ts';
import { benchReport, microRow } from '../support/bench-report.ts';
import { testDirectory } from '../support/directory.ts';

let directory: string;

beforeEach(() => {
  directory = testDirectory();
});

function compared(a: BenchReport, b: BenchReport, ...options: string[]): Promise<Ended> {
  fs.writeFileSync(join(directory, 'a.json'), JSON.stringify(a));
  fs.writeFileSync(join(directory, 'b.json'), JSON.stringify(b));
  return runBench(directory, 'compare', 'a.json', 'b.json', ...options);
}

async function comparison(a: BenchReport, b: BenchReport): Promise<Comparison & { status: number | null }> {
  const { status, stdout, stderr } = await compared(a, b, '--json');
  expect(stderr).toBe('');
  return { ...(JSON.parse(stdout) as Comparison), status };
}

const before = benchReport({ micro: [microRow('a hit', 1.2), microRow('a commit', 1.1)] });

test('two that agree: code 0, each figure, its change, and whether that is chance', async () => {
  const after = benchReport({ micro: [microRow('a hit', 1.21), microRow('a commit', 1.32)] });
  const { status, stdout, stderr } = await compared(before, after);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/a hit +1\.20 +1\.21 +× +\+0\.8% +yes +ok +ok +agree/);
  expect(stdout).toMatch(/a commit +1\.10 +1\.32 +× +\+20% +no +ok +ok +agree/);
  expect(stdout).toContain('2 figures in both, 1 changed by more than chance.');
  expect(stdout).toContain('All 2 verdicts agree.');
  expect(stdout).not.toContain('careful');
});

test('a verdict that differs: code 1', async () => {
  const after = benchReport({ micro: [microRow('a hit', 1.2), microRow('a commit', 1.7)] });
  const { status, stdout } = await compared(before, after);
  expect(status).toBe(1);
  expect(stdout).toMatch(/a commit .* ok +short +DIFFER/);
  expect(stdout).toContain('1 of 2 verdicts differ.');
  expect(await comparison(before, after)).toMatchObject({
    status: 1,
    schema: 'pinfold-bench-comparison',
    version: 1,
    agree: false,
    counts: { agree: 1, differ: 1, open: 0, 'no bar': 0 },
  });
});

test('a run without a verdict neither agrees nor differs', async () => {
  const noisy = benchReport({ micro: [microRow('a hit', 1.9, { verdict: 'no verdict' })] });
  const { status, stdout } = await compared(before, noisy);
  expect(status).toBe(0);
  expect(stdout).toMatch(/a hit .* ok +no verdict +open/);
  expect(stdout).toContain('There is no figure on which both have a verdict.');
  expect(stdout).toContain('1 have no verdict');
});

test('figures in one of them only are named', async () => {
  const after = benchReport({ micro: [microRow('a hit', 1.2), microRow('a view', 1.1)] });
  const { status, stdout } = await compared(before, after);
  expect(status).toBe(0);
  expect(stdout).toMatch(/only in A\n +a commit/);
  expect(stdout).toMatch(/only in B\n +a view/);
  expect(await comparison(before, after)).toMatchObject({ onlyInA: ['a commit'], onlyInB: ['a view'] });
  expect((await comparison(before, benchReport())).figures).toEqual([]);
});

test('promises that were broken in one run only count as a difference', async () => {
  const { status, stdout } = await compared(before, { ...before, failures: ['fsync lied'] });
  expect(status).toBe(1);
  expect(stdout).toContain('Promises were broken in B, and held in A.');
  expect((await compared({ ...before, failures: ['x'] }, { ...before, failures: ['y'] })).status).toBe(0);
});

describe('what makes two runs hard to compare is told, and does not change the code', () => {
  const { machine, command } = before;
  test.each<[string, Partial<BenchReport>, string]>([
    [
      'another machine',
      { machine: { ...machine, cpu: 'Other CPU', cores: 64 } },
      'cpu is "A CPU" in A, "Other CPU" in B',
    ],
    [
      'another disk',
      { machine: { ...machine, fileSystem: 'tmpfs' } },
      'fileSystem is "ext4" in A, "tmpfs" in B',
    ],
    [
      'another Node',
      { machine: { ...machine, node: '24.0.0' } },
      'another Node: node is "20.19.0" in A, "24.0.0" in B',
    ],
    [
      'another command',
      { command: { ...command, seconds: 5 } },
      'another command: seconds is 300 in A, 5 in B',
    ],
    ['an interruption', { interrupted: true }, 'B was interrupted'],
  ])('%s', async (_, parts, told) => {
    const { status, stdout } = await compared(before, { ...before, ...parts });
    expect(status).toBe(0);
    expect(stdout).toContain('careful');
    expect(stdout).toContain(told);
    expect((await comparison(before, { ...before, ...parts })).warnings).toContainEqual(
      expect.stringContaining(told),
    );
  });

  test('but the load before it is not', async () => {
    expect(
      (await comparison(before, { ...before, machine: { ...machine, loadAverage: 9 } })).warnings,
    ).toEqual([]);
  });
});

test('a report of another version is refused, whichever it is', async () => {
  const old = { ...before, version: 4 } as unknown as BenchReport;
  for (const [a, b, name] of [
    [old, before, 'a.json'],
    [before, old, 'b.json'],
    [old, old, 'a.json'],
  ] as const) {
    const { status, stdout, stderr } = await compared(a, b);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(`${name} is a report of version 4; this pinfold-bench reads version 5`);
  }
});

test('two real runs have each figure in both', async () => {
  for (const name of ['one.json', 'two.json']) {
    const run = await runBench(directory, '--scenario', 'deadlock', '--seconds', '1', '--json', name);
    expect(run.status, run.stderr).toBe(0);
  }
  const { status, stdout, stderr } = await runBench(directory, 'compare', 'one.json', 'two.json', '--json');
  expect(stderr).toBe('');
  const { figures, onlyInA, onlyInB, warnings } = JSON.parse(stdout) as Comparison;
  expect({ status, onlyInA, onlyInB, warnings }).toEqual({
    status: 0,
    onlyInA: [],
    onlyInB: [],
    warnings: [],
  });
  expect(figures.map(({ name }) => name)).toContain('deadlock, bounce, through');
  expect(figures.find(({ name }) => name === 'deadlock, block, through')).toMatchObject({
    a: { value: 0 },
    b: { value: 0 },
    change: null,
    verdicts: 'no bar',
  });
});
