// Runs that end before their time.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { BENCH, REPORTS, reportIn, runBench, startBench } from '../support/bench.ts';
import { benchReport, microRow } from '../support/bench-report.ts';
import { testDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** A role that hangs must not hang the test, ms. */
const LIMIT_MS = 60_000;

test('a signal before anything is measured leaves a report of nothing', async () => {
  const directory = testDirectory();
  const bench = startBench(directory, '--scenario', 'deadlock,micro', '--seconds', '12');
  await until('it has its files', () => bench.stdout.includes('Node '));
  bench.child.kill('SIGINT');
  expect(await bench.ended, bench.stderr).toBe(130);
  expect(fs.readdirSync(directory)).toEqual(REPORTS);
  const { interrupted, micro, failures } = reportIn(directory);
  expect({ interrupted, micro, failures }).toEqual({ interrupted: true, micro: [], failures: [] });
});

test.each(['SIGINT', 'SIGHUP'] as const)('%s that comes twice, as by npm, is one', async (signal) => {
  const directory = testDirectory();
  const bench = startBench(directory, '--scenario', 'fsync', '--hold', '100', '--seconds', '30');
  await until('the first cell runs', () => bench.stderr.includes('fsync · bare'));
  bench.child.kill(signal);
  await until('the first is heard', () => bench.stderr.includes('stopping'));
  bench.child.kill(signal);
  expect(await bench.ended).toBe(130);
  expect(fs.readdirSync(directory)).toEqual(REPORTS);
  expect(reportIn(directory).interrupted).toBe(true);
});

test('a second signal ends it at once: its files go all the same, there is no report', async () => {
  const directory = testDirectory();
  // An fsync that waits for its timeout, 500 ms, holds up the end.
  const bench = startBench(directory, '--scenario', 'deadlock', '--seconds', '3');
  await until('it runs', () => bench.stderr.includes('deadlock · block'));
  bench.child.kill('SIGINT');
  await until('the first is heard', () => bench.stderr.includes('stopping'));
  const signals = setInterval(() => bench.child.kill('SIGINT'), 20);
  expect(await bench.ended).toBe(130);
  clearInterval(signals);
  expect(fs.readdirSync(directory)).toEqual([]);
});

test('an earlier report is whole, whenever a run is killed', async () => {
  const directory = testDirectory();
  await runBench(directory, '--scenario', 'deadlock', '--seconds', '1');
  const before = fs.readFileSync(join(directory, 'bench-report.json'), 'utf8');
  const bench = startBench(directory, '--scenario', 'deadlock', '--seconds', '3');
  await until('it runs', () => bench.stderr.includes('deadlock'));
  bench.child.kill('SIGKILL');
  await bench.ended;
  expect(fs.readFileSync(join(directory, 'bench-report.json'), 'utf8')).toBe(before);
});

test('a run whose reader goes away stops with a report, and says nothing of it', async () => {
  const directory = testDirectory();
  const run = `"${process.execPath}" "${BENCH}" --scenario deadlock,mixed --seconds 12`;
  const { stderr } = await promisify(execFile)('sh', ['-c', `{ ${run}; echo $? > code; } | head -1`], {
    cwd: directory,
    timeout: LIMIT_MS,
  });
  expect(stderr).not.toMatch(/EPIPE| {4}at /);
  expect(fs.readFileSync(join(directory, 'code'), 'utf8')).toBe('130\n');
  expect(fs.readdirSync(directory)).toEqual([...REPORTS, 'code']);
  const { interrupted, deadlock } = reportIn(directory);
  expect(interrupted).toBe(true);
  expect(deadlock).toHaveLength(2); // its table was the first that nobody read
});

test('a report that nobody reads to its end is no error', async () => {
  const directory = testDirectory();
  const micro = Array.from({ length: 4_000 }, (_, n) => microRow(`row ${n}`, 1));
  fs.writeFileSync(join(directory, 'a.json'), JSON.stringify(benchReport({ micro })));
  const bench = startBench(directory, 'report', 'a.json');
  bench.child.stdout?.once('data', () => bench.child.stdout?.destroy());
  expect(await bench.ended).toBe(0);
  expect(bench.stderr).toBe('');
});
