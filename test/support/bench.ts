// The bench as a program: the build, as a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import { type BenchReport, validateReport } from '../../bench/schema.ts';

export const BENCH = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url));
/** A role that hangs must not hang the test, ms. */
const LIMIT_MS = 60_000;

export interface Bench {
  child: ChildProcess;
  stdout: string;
  stderr: string;
  /** Exit code; null when a signal ended it. */
  ended: Promise<number | null>;
}

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** What decides on colours, but for what a test says. */
const PLAIN: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, CI: undefined };

/** Starts the bench in `directory`, where it puts its files. */
export function startBench(directory: string, ...args: string[]): Bench {
  return startBenchWith(PLAIN, directory, ...args);
}

/** `environment`: on top of that of this process. */
export function startBenchWith(environment: NodeJS.ProcessEnv, directory: string, ...args: string[]): Bench {
  const child = spawn(process.execPath, [BENCH, ...args], {
    cwd: directory,
    env: { ...PLAIN, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  running.push(child);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const bench: Bench = { child, stdout: '', stderr: '', ended };
  child.stdout.on('data', (chunk) => {
    bench.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    bench.stderr += chunk;
  });
  return bench;
}

/** Waits for its end. */
export async function endOf(bench: Bench): Promise<Ended> {
  const status = await bench.ended;
  return { status, stdout: bench.stdout, stderr: bench.stderr };
}

/** Runs it to its end. */
export async function runBench(directory: string, ...args: string[]): Promise<Ended> {
  return await endOf(startBench(directory, ...args));
}

/** What a run leaves in its directory. */
export const REPORTS = ['bench-report.html', 'bench-report.json'];

export function reportIn(directory: string, name = 'bench-report.json'): BenchReport {
  const report: unknown = JSON.parse(fs.readFileSync(join(directory, name), 'utf8'));
  expect(validateReport(report)).toEqual([]);
  return report as BenchReport;
}
