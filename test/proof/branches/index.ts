// The part 'branches' of the proof: which branches of the shipped kernel the explorer and the tests of the kernel take, counted on
// the lowered module.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../support/root.ts';
import { taken } from '../explorer/branches.ts';
import { lower, toJavaScript } from '../explorer/lower.ts';
import type { Context, Outcome, Part } from '../part.ts';
import { keep } from './lowered.ts';

/** The share of the branches that has to be taken. */
const SHARE = 0.95;
/** Tests that take longer hang. */
const TESTS_MS = 300_000;
/** Those that need assertions of the kernel, or threads of their own, see other builds than the shipped one. */
const TESTS = [
  'batches',
  'chains',
  'checksum',
  'dirty',
  'flush-failure',
  'gap',
  'past-end',
  'pins',
  'recovery',
  'replacement',
  'requests',
  'rows',
  'run',
  'schedules',
  'table',
  'truncate',
];

function runTests(directory: string): Promise<string> {
  const files = TESTS.map((name) => `test/kernel/${name}.test.ts`);
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'test/proof/branches/vitest.config.ts',
    ...files,
  ];
  const env = { ...process.env, PINFOLD_BRANCHES: directory, NO_COLOR: '1' };
  const child = spawn(process.execPath, args, { cwd: root, env, timeout: TESTS_MS });
  let out = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    out += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(out);
      else
        reject(new Error(`tests of the kernel fail on the lowered module (${code}):\n${out.slice(-4000)}`));
    });
  });
}

const share = (branches: Uint8Array) => branches.reduce((sum, was) => sum + was, 0) / branches.length;
const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

async function run({ log }: Context): Promise<Outcome> {
  const lowered = lower(toJavaScript(readFileSync(join(root, 'build/kernel/control.wasm'))), false);
  const directory = mkdtempSync(join(tmpdir(), 'pinfold-branches-'));
  try {
    keep(directory, lowered);
    log(`tests of the kernel on the lowered module: ${TESTS.join(', ')}`);
    await runTests(directory);
    const explored = taken(lowered.branches.length);
    const all = explored.slice();
    for (const name of readdirSync(directory).filter((file) => file.endsWith('.taken'))) {
      for (const [n, was] of readFileSync(join(directory, name)).entries()) if (was) all[n] = 1;
    }
    const missed = lowered.branches.filter((_, n) => all[n] === 0);
    for (const what of missed) log(`never taken: ${what}`);
    const reached = share(all);
    const figures = [
      ['branches of the shipped kernel, lowered', String(lowered.branches.length)],
      ['taken by the explorer', percent(share(explored))],
      ['taken by the explorer or by tests of the kernel', percent(reached)],
    ] as const;
    const what = `only ${percent(reached)} of the branches are taken, ${percent(SHARE)} are asked for`;
    return { figures, violations: reached >= SHARE ? [] : [{ what, replay: 'again' }], controls: [] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const branches: Part = {
  name: 'branches',
  summary: 'branches of the lowered kernel that the explorer and the tests of the kernel take: 95 % at least',
  weight: 1,
  run,
  replay: (_, context) => run(context),
};
