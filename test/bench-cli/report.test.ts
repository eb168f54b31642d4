// `pinfold-bench report`: what a run has left, again and otherwise.
import fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ActionEntry } from '../../bench/report/github-action-benchmark.ts';
import { reportIn, runBench } from '../support/bench.ts';
import { benchReport, microRow } from '../support/bench-report.ts';
import { testDirectory } from '../support/directory.ts';

let directory: string;

const put = (name: string, value: unknown) => fs.writeFileSync(join(directory, name), JSON.stringify(value));

beforeEach(() => {
  directory = testDirectory();
  put(
    'a.json',
    benchReport({
      micro: [
        microRow('a hit', 1.25),
        microRow('a copy', 0.8, { direction: 'at least', bar: 0.5, verdict: 'ok' }),
        microRow('near its bar', 1.49, { verdict: 'no verdict', control: 0.99 }),
        microRow('noise', 1.4, { verdict: 'no verdict', control: 1.06 }),
        microRow('noise, nobody knows why', 1.4, { verdict: 'no verdict', control: null }),
        microRow('nothing', 0, { value: null, q1: null, q3: null, verdict: 'not measured', note: 'no time' }),
      ],
      failures: ['fsync lied 3 times of 4'],
    }),
  );
});

test('prints what the run has printed', async () => {
  const run = await runBench(directory, '--scenario', 'deadlock', '--seconds', '1', '--json', 'run.json');
  const again = await runBench(directory, 'report', 'run.json');
  expect(again).toMatchObject({ status: 0, stderr: '' });
  const withoutPaths = (text: string) =>
    text.split('\n').filter((line) => !/ on .* · |s · report:/.test(line) && line !== '');
  expect(withoutPaths(again.stdout)).toEqual(withoutPaths(run.stdout));
  expect(withoutPaths(run.stdout).length).toBeGreaterThan(5);
});

test('shows machine, tables and failures of a report made elsewhere', async () => {
  const { status, stdout } = await runBench(directory, 'report', 'a.json');
  expect(status).toBe(0); // it tells of a run, it is none
  for (const text of ['A CPU', 'Node 20.19.0', 'a hit', '1.25', 'FAILED: fsync lied 3 times of 4'])
    expect(stdout).toContain(text);
});

describe('--html', () => {
  test('writes it as HTML, and replaces only what it wrote itself', async () => {
    const html = join(directory, 'a.html');
    for (let again = 0; again < 2; again++) {
      const { status, stdout, stderr } = await runBench(directory, 'report', 'a.json', '--html', 'a.html');
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'a.html\n', stderr: '' });
    }
    expect(fs.readFileSync(html, 'utf8')).toContain('a hit');
    fs.writeFileSync(html, '<!doctype html>mine');
    const refused = await runBench(directory, 'report', 'a.json', '--html', 'a.html');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('--force');
    expect(fs.readFileSync(html, 'utf8')).toBe('<!doctype html>mine');
    const forced = await runBench(directory, 'report', 'a.json', '--html', 'a.html', '--force');
    expect(forced.status).toBe(0);
    expect(fs.readFileSync(html, 'utf8')).toContain('a hit');
  });

  test('is refused where nothing can be written', async () => {
    const { status, stderr } = await runBench(directory, 'report', 'a.json', '--html', 'no/such/a.html');
    expect(status).toBe(2);
    expect(stderr).toContain('no directory');
  });
});

describe('--check', () => {
  test('accepts a report, also of a run', async () => {
    expect(await runBench(directory, 'report', 'a.json', '--check')).toMatchObject({ status: 0 });
    await runBench(directory, '--scenario', 'deadlock', '--seconds', '1', '--json', 'run.json');
    reportIn(directory, 'run.json');
    const { status, stdout } = await runBench(directory, 'report', 'run.json', '--check');
    expect(status).toBe(0);
    expect(stdout).toContain('run.json is a valid report');
  });

  test.each([
    ['no JSON', '{"schema":', ['no JSON']],
    ['nothing', 'null', ['no report of this bench']],
    ['something else', '{"schema":"other"}', ['no report of this bench']],
    ['an older version', JSON.stringify({ ...benchReport(), version: 4 }), ['version 4', 'version 5']],
    ['a newer version', JSON.stringify({ ...benchReport(), version: 6 }), ['version 6', 'version 5']],
    [
      'a report with fields too few, too many and of another kind',
      JSON.stringify({ ...benchReport(), cpu: undefined, extra: 1, durationMs: 'long' }),
      ['report.cpu', 'report.extra', 'report.durationMs'],
    ],
  ])('refuses %s, and says why', async (_, text, told) => {
    fs.writeFileSync(join(directory, 'b.json'), text);
    for (const args of [
      ['report', 'b.json', '--check'],
      ['report', 'b.json'],
      ['compare', 'a.json', 'b.json'],
    ]) {
      const { status, stdout, stderr } = await runBench(directory, ...args);
      expect(status).toBe(2);
      expect(stdout).toBe('');
      for (const part of ['b.json', ...told]) expect(stderr).toContain(part);
      expect(stderr).not.toContain('    at ');
    }
  });
});

describe('--format github-action-benchmark', () => {
  const exported = async (better: string): Promise<ActionEntry[]> => {
    const args = ['report', 'a.json', '--format', 'github-action-benchmark', '--better', better];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout) as ActionEntry[];
  };

  test('has for each tool what is measured and judged, and nothing else', async () => {
    expect(await exported('smaller')).toEqual([
      {
        name: 'a hit',
        unit: '×',
        value: 1.25,
        range: '1.23 to 1.27',
        extra: 'bar: at most 1.50\nverdict: ok\nA/A: 1.00',
      },
      {
        name: 'near its bar',
        unit: '×',
        value: 1.49,
        range: '1.46 to 1.52',
        extra: 'bar: at most 1.50\nverdict: no verdict\nA/A: 0.990',
      },
    ]);
    expect(await exported('larger')).toEqual([
      {
        name: 'a copy',
        unit: '×',
        value: 0.8,
        range: '0.784 to 0.816',
        extra: 'bar: at least 0.500\nverdict: ok\nA/A: 1.00',
      },
    ]);
  });

  test('of a real run is what the action reads: name, unit and value; range and extra as text', async () => {
    await runBench(directory, '--scenario', 'deadlock', '--seconds', '1', '--json', 'a.json');
    expect(reportIn(directory, 'a.json').interrupted).toBe(false);
    const entries = [...(await exported('smaller')), ...(await exported('larger'))];
    expect(entries.length).toBeGreaterThanOrEqual(4);
    for (const { name, unit, value, range, extra, ...others } of entries) {
      expect([typeof name, typeof unit, Number.isFinite(value)]).toEqual(['string', 'string', true]);
      for (const text of [range, extra]) expect(['string', 'undefined']).toContain(typeof text);
      expect(others).toEqual({});
    }
    expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  });
});
