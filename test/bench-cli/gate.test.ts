// `pinfold-bench gate`, `counters` and `trend`, end to end.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { GATE_RESULT, type GateResult } from '../../bench/gate/result.ts';
import { problemsOf } from '../../bench/shape.ts';
import { BENCH, type Ended, endOf, runBench, startBench, startBenchWith } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';
import { root } from '../support/root.ts';

let directory: string;

beforeEach(() => {
  directory = testDirectory();
});

const gate = (...args: string[]): Promise<Ended> => runBench(directory, 'gate', ...args);

function resultIn(name = 'gate.json'): GateResult {
  const result = JSON.parse(fs.readFileSync(join(directory, name), 'utf8')) as GateResult;
  expect(problemsOf(result, GATE_RESULT, 'result')).toEqual([]);
  return result;
}

/** A program that prints a sample of these metrics; `noise` as a share. */
function program(
  name: string,
  metrics: Record<string, number>,
  parts: { version?: number; exact?: boolean; noise?: number } = {},
): string {
  const { version = 1, exact = false, noise = 0.01 } = parts;
  const code = `const metrics = Object.entries(${JSON.stringify(metrics)}).map(([name, value]) => ({
    name, value: value * (1 + ${exact ? 0 : noise} * (Math.random() - 0.5)), unit: 'ms', better: 'smaller', exact: ${exact} }));
  console.log(JSON.stringify({ schema: 'pinfold-gate-sample', version: ${version}, metrics }));`;
  fs.writeFileSync(join(directory, `${name}.mjs`), code);
  return `${JSON.stringify(process.execPath)} ${name}.mjs`;
}

/** Nobody's settings but these; whoever owns this repository, it may be cloned. */
const GIT_CONFIG = `[user]
  name = a
  email = a@example.org
[commit]
  gpgsign = false
[safe]
  directory = *
`;

function git(at: string, ...args: string[]): string {
  const config = join(directory, 'gitconfig');
  fs.writeFileSync(config, GIT_CONFIG);
  return execFileSync('git', args, {
    cwd: at,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, GIT_CONFIG_GLOBAL: config, GIT_CONFIG_NOSYSTEM: '1' },
  });
}

/** A repository with one commit of these files. */
function repository(files: Record<string, string>): string {
  git(directory, 'init', '--quiet');
  return commit(files);
}

function commit(files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(join(directory, name), text);
  git(directory, 'add', '--all');
  git(directory, 'commit', '--quiet', '--message', 'a commit');
  return git(directory, 'rev-parse', 'HEAD').trim();
}

describe('two commands', () => {
  test('that cost the same pass: code 0, and all that it leaves', async () => {
    const command = program('a', { time: 5 });
    const left = ['--json', 'gate.json', '--markdown', 'gate.md', '--history', 'gates.jsonl'];
    const { status, stdout } = await gate('--command', command, '--command', command, ...left);
    expect(status, stdout).toBe(0);
    expect(stdout).toContain('Verdict: pass');
    expect(resultIn()).toMatchObject({
      verdict: 'pass',
      error: null,
      metrics: [{ name: 'time', verdict: 'pass', margin: 0.1 }],
    });
    expect(fs.readFileSync(join(directory, 'gate.md'), 'utf8')).toContain('### Performance gate: pass');
    const trend = await runBench(directory, 'trend', 'gates.jsonl', '--html', 'trend.html');
    expect(trend).toMatchObject({ status: 0, stdout: 'trend.html: 1 gates\n' });
    expect(fs.readFileSync(join(directory, 'trend.html'), 'utf8')).toContain('Performance gates');
  });

  test('of which the second is slower fail: code 1, after twice as many pairs', async () => {
    const { status, stdout } = await gate(
      '--command',
      program('a', { time: 5 }),
      '--command',
      program('b', { time: 6 }),
      '--json',
      'gate.json',
    );
    expect(status, stdout).toBe(1);
    const [time] = resultIn().metrics;
    expect(time).toMatchObject({ verdict: 'regression', worse: { pairs: 8 }, confirming: { pairs: 8 } });
    expect(time.worse!.median).toBeCloseTo(1.2, 1);
  });

  test('that vary too much are inconclusive: code 2', async () => {
    const command = program('a', { time: 5 }, { noise: 1.9 });
    const { status, stdout } = await gate(
      '--command',
      command,
      '--command',
      command,
      '--seconds',
      '4',
      '--margin',
      'time=0.1',
    );
    expect(status, stdout).toBe(2);
    expect(stdout).toContain('Verdict: inconclusive');
  });

  test('of exact figures need no statistics', async () => {
    const a = program('a', { writes: 3 }, { exact: true });
    expect(
      (await gate('--command', a, '--command', program('b', { writes: 4 }, { exact: true }))).status,
    ).toBe(1);
    const less = await gate('--command', a, '--command', program('b', { writes: 2 }, { exact: true }));
    expect(less.status).toBe(0);
    expect(less.stdout).toMatch(/writes +3 +2 +ms +exact +pass +better/);
  });

  test('a metric that only the head has is named; one that only the base has is an error', async () => {
    const [few, more] = [program('a', { time: 5 }), program('b', { time: 5, other: 1 })];
    const added = await gate('--command', few, '--command', more);
    expect(added.status, added.stdout).toBe(0);
    expect(added.stdout).toContain('Not compared: other, which the base lacks');
    const gone = await gate('--command', more, '--command', few, '--json', 'gate.json');
    expect(gone.status).toBe(3);
    expect(resultIn()).toMatchObject({
      verdict: 'error',
      error: 'the head has nothing to compare: other (it has printed no such metric)',
    });
  });

  test.each([
    ['fails', 'echo told >&2; exit 7', /the head: `echo told >&2; exit 7` ended with code 7:\s+told/],
    ['prints no JSON', 'echo hello', /has printed no JSON: "hello"/],
    ['does not end', 'sleep 30', /did not end within 1 s/],
  ])('one that %s: code 3', async (_, command, message) => {
    const { status, stdout } = await gate(
      '--command',
      program('a', { time: 5 }),
      '--command',
      command,
      '--limit',
      '1',
    );
    expect({ status, stdout }).toMatchObject({ status: 3, stdout: expect.stringMatching(message) });
  });

  test('a sample of another version: code 3', async () => {
    const { status, stdout } = await gate(
      '--command',
      program('a', { time: 5 }),
      '--command',
      program('b', { time: 5 }, { version: 2 }),
    );
    expect({ status, stdout }).toMatchObject({
      status: 3,
      stdout: expect.stringContaining('a sample of version 2'),
    });
  });
});

describe('bad input: code 3, and what is wrong', () => {
  test.each<[string, string[], string]>([
    ['nothing to compare with', [], 'what is it to be compared with?'],
    ['both kinds of base', ['--base', 'HEAD', '--base-dir', '.'], '--base and --base-dir exclude each other'],
    ['no head', ['--base-dir', '.'], 'which directory is judged?'],
    [
      'three commands',
      ['--command', 'a', '--command', 'b', '--command', 'c'],
      'one for both sides, or one for each',
    ],
    [
      'an unknown metric',
      ['--base-dir', '.', '--head-dir', '.', '--only', 'pins'],
      "'pins' is no metric; there are view, pin",
    ],
    ['a bad margin', ['--base-dir', '.', '--head-dir', '.', '--margin', 'pin=-1'], "--margin: 'pin=-1'"],
    [
      'bad seconds',
      ['--base-dir', '.', '--head-dir', '.', '--seconds', '0'],
      "--seconds: '0' is not a number from 1",
    ],
    [
      'a bad seed',
      ['--base-dir', '.', '--head-dir', '.', '--seed', 'x'],
      "--seed: 'x' is not a whole number",
    ],
    ['an unknown option', ['--bass', 'HEAD'], "unknown option '--bass'"],
    ['no directory', ['--base-dir', 'nowhere', '--head-dir', '.'], 'there is no directory nowhere'],
    ['no repository', ['--base', 'HEAD'], 'is in no git repository'],
  ])('%s', async (_, args, message) => {
    expect(await gate(...args)).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
  });

  test('a directory that is not built', async () => {
    const { status, stdout } = await gate('--base-dir', '.', '--head-dir', '.', '--only', 'pin');
    expect({ status, stdout }).toMatchObject({
      status: 3,
      stdout: expect.stringContaining('has no dist/index.js'),
    });
  });

  test('an unknown revision', async () => {
    repository({ a: '1' });
    expect(await gate('--base', 'v9')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("--base: there is no commit 'v9' here"),
    });
    expect(await gate('--base', '--all')).toMatchObject({ status: 3 });
  });

  test('a work tree with changes, unless the head is named', async () => {
    repository({ a: '1' });
    fs.writeFileSync(join(directory, 'a'), '2');
    const { status, stderr } = await gate('--base', 'HEAD');
    expect({ status, stderr }).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('changes that are not committed, and would not be measured (a)'),
    });
    const named = await gate('--base', 'HEAD', '--head', 'HEAD', '--build', 'echo broken; exit 4');
    expect(named.stdout).toContain('broken');
  });

  test('a revision that does not build: its output, a report of it, and no tree left behind', async () => {
    const first = repository({ a: '1' });
    commit({ broken: '' });
    const build = 'if [ -e broken ]; then echo "a.ts(3,1): what is this?" >&2; exit 2; fi';
    const { status, stdout } = await gate(
      '--base',
      first,
      '--build',
      build,
      '--markdown',
      'gate.md',
      '--json',
      'gate.json',
      '--command',
      'true',
    );
    expect(status).toBe(3);
    expect(stdout).toMatch(
      /'HEAD' \([0-9a-f]{10}\) can't be measured, it does not build: .*ended with code 2/s,
    );
    expect(stdout).toContain('a.ts(3,1): what is this?');
    expect(resultIn()).toMatchObject({ verdict: 'error', base: { revision: first } });
    expect(fs.readFileSync(join(directory, 'gate.md'), 'utf8')).toContain('a.ts(3,1): what is this?');
    expect(git(directory, 'worktree', 'list').trim().split('\n')).toHaveLength(1);
  });

  test('no git', async () => {
    repository({ a: '1' });
    const bench = startBenchWith({ PATH: '/nowhere' }, directory, 'gate', '--base', 'HEAD');
    expect(await endOf(bench)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('there is no git on this machine'),
    });
  });

  test('a history, or a file of the result, that is something else', async () => {
    fs.writeFileSync(join(directory, 'x'), '{"a":1}\n');
    const command = program('a', { time: 5 });
    const both = ['--command', command, '--command', command];
    expect(await gate(...both, '--history', 'x')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("is no line of a gate's history"),
    });
    expect(await gate(...both, '--json', 'x')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('--force overwrites it'),
    });
    expect(await runBench(directory, 'trend', 'x', '--html', 'y.html')).toMatchObject({ status: 3 });
  });
});

test('a command in two revisions is run in the tree of each', async () => {
  program('bench', { time: 5 });
  const first = repository({});
  program('bench', { time: 7 });
  commit({});
  const args = [
    '--base',
    first,
    '--command',
    `${JSON.stringify(process.execPath)} bench.mjs`,
    '--build',
    'true',
  ];
  const { status, stdout } = await gate(...args);
  expect(status, stdout).toBe(1);
  expect(git(directory, 'worktree', 'list').trim().split('\n')).toHaveLength(1);
});

test('a signal ends it, and all that it has started', async () => {
  const bench = startBench(directory, 'gate', '--command', 'sleep 60', '--command', 'sleep 60');
  await expect.poll(() => bench.stderr, { timeout: 20_000 }).toContain('pairs');
  bench.child.kill('SIGINT');
  expect(await bench.ended).toBe(130);
});

describe('counters', () => {
  const counters = (...args: string[]) => runBench(directory, 'counters', '--baseline', 'base.json', ...args);

  test('an update makes the baseline; then 0 the same, 1 worse, 3 unknown', async () => {
    const now = (writes: number, more = {}) => program('count', { writes, ...more }, { exact: true });
    expect(await counters('--command', now(3))).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('--update makes one'),
    });
    expect(await counters('--command', now(3), '--update')).toMatchObject({
      status: 0,
      stdout: 'base.json: 1 counters\n',
    });
    expect(await counters('--command', now(3))).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('1 counters: 1 the same'),
    });
    const worse = await counters('--command', now(4));
    expect(worse).toMatchObject({ status: 1, stdout: expect.stringMatching(/writes +3 +4 +ms +WORSE/) });
    expect((await counters('--command', now(2))).status).toBe(0);
    expect((await counters('--command', now(3, { reads: 1 }))).status).toBe(3);
  });

  test('of this build are as the baseline has them', { timeout: 80_000 }, async () => {
    const args = [
      'counters',
      '--baseline',
      'bench/counters.json',
      '--command',
      `${JSON.stringify(process.execPath)} test/counters/dist/main.js`,
    ];
    const { status, stdout } = await runBench(root, ...args);
    expect(status, stdout).toBe(0);
  });
});

/** Of the library alone, without declarations: what the gate needs. The kernel is built anew only if its sources differ from those of this build. */
const QUICK_BUILD = `cp -r '${root}build' . && node scripts/build-kernel.mjs && npx tsup --config quick.config.ts`;
const QUICK_CONFIG = `import configs from './tsup.config';
const [library] = configs as { name: string }[];
export default { ...library, dts: false };
`;

/** Exit code of a gate that can't tell. */
const INCONCLUSIVE = 2;
const TRIES = 3;

test.runIf(fs.existsSync(join(root, '.git')))(
  'in a clone: a planted regression is found, and a commit of documents passes',
  { timeout: 480_000 },
  async () => {
    const clone = join(directory, 'clone');
    git(directory, 'clone', '--quiet', '--no-hardlinks', root, clone);
    fs.symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'), 'junction');
    const commitAs = (file: string, text: string): void => {
      fs.writeFileSync(join(clone, file), text);
      git(clone, 'add', file);
      git(clone, 'commit', '--quiet', '--message', 'a commit');
    };
    const common = [
      '--only',
      'read',
      '--margin',
      'read=100',
      '--build',
      QUICK_BUILD,
      '--seconds',
      '40',
      '--json',
      'gate.json',
      '--force',
    ];
    const gateIn = (head: string) => {
      const args = [BENCH, 'gate', '--base', 'base', '--head', head, ...common];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: clone,
        encoding: 'utf8',
        timeout: 180_000,
      });
      const result = JSON.parse(fs.readFileSync(join(clone, 'gate.json'), 'utf8')) as GateResult;
      return { status, said: stdout + stderr, result };
    };
    commitAs('quick.config.ts', QUICK_CONFIG);
    git(clone, 'tag', 'base');
    commitAs('README.md', 'Other words.\n');
    const documents = gateIn('HEAD');
    expect(documents.status, documents.said).not.toBe(1);
    expect(documents.result.metrics[0].verdict).not.toBe('regression');
    const source = fs.readFileSync(join(clone, 'src/kernel/copyOut.ts'), 'utf8');
    // Each read copies ten times over.
    const copy = '  else fill.call(to as Buffer, source, at, at + length);\n';
    expect(source).toContain(copy);
    commitAs(
      'src/kernel/copyOut.ts',
      source.replace(
        copy,
        `  else for (let n = 0; n < 10; n++) fill.call(to as Buffer, source, at, at + length);\n`,
      ),
    );
    // A machine that moves leaves a gate inconclusive, as it should: another one may know.
    let slower = gateIn('HEAD');
    for (let tries = 1; tries < TRIES && slower.status === INCONCLUSIVE; tries++) slower = gateIn('HEAD');
    expect(slower.status, slower.said).toBe(1);
    expect(slower.result.metrics).toMatchObject([{ name: 'read', verdict: 'regression' }]);
  },
);
