// The command line itself: what it tells, what it refuses, and in which colours.
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { version } from '../../package.json';
import { endOf, runBench, startBenchWith } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';

const COMMANDS = ['run', 'list', 'report', 'compare', 'schema'];
const ESCAPE = '\u001b[';

describe('help', () => {
  test('names the commands, the default one, and the exit codes', async () => {
    const { status, stdout } = await runBench(testDirectory(), '--help');
    expect(status).toBe(0);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    for (const text of ['(default)', 'Exit code', '--no-color', '--version']) expect(stdout).toContain(text);
  });

  test.each(COMMANDS)('of %s has an example that is of it', async (name) => {
    const { status, stdout } = await runBench(testDirectory(), name, '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/Examples?:/);
    expect(stdout).toContain(`$ pinfold-bench ${name}`);
    expect(stdout).not.toMatch(/default: (false|\[\])/);
  });

  test('is also had by "help COMMAND"', async () => {
    const { status, stdout } = await runBench(testDirectory(), 'help', 'compare');
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: pinfold-bench compare');
  });
});

test.each(['--version', '-V'])('%s is that of the package', async (option) => {
  expect(await runBench(testDirectory(), option)).toMatchObject({ status: 0, stdout: `${version}\n` });
});

describe('is refused with code 2, and says what is wrong', () => {
  test.each([
    [
      ['--secnds', '5'],
      ["'--secnds'", 'Did you mean --seconds?'],
    ],
    [['rn'], ["'rn'", 'Did you mean run?']],
    [['run', 'stray'], ['too many arguments']],
    [['--list'], ["'--list'"]],
    [['list', '--seconds', '5'], ["'--seconds'"]],
    [['--json'], ["'--json <path>' argument missing"]],
    [['report'], ["missing required argument 'report'"]],
    [['compare', 'a.json'], ["missing required argument 'b'"]],
    [['compare', 'a.json', 'b.json', 'c.json'], ['too many arguments']],
    [
      ['report', 'a.json', '--format', 'xml'],
      ['--format', "'xml'", 'github-action-benchmark'],
    ],
    [['report', 'a.json', '--format', 'github-action-benchmark'], ['--better']],
    [['report', 'a.json', '--better', 'smaller'], ['--format']],
    [['report', 'a.json', '--check', '--html', 'a.html'], ['--check']],
    [['report', 'a.json'], ['a.json']],
    [['compare', 'a.json', 'b.json'], ['a.json']],
    [
      ['--json', 'a', '--html', './a'],
      ['--json', '--html', 'same file'],
    ],
    [
      ['--json', 'a', '--file', 'a'],
      ['--file', '--json', 'same file'],
    ],
  ])('%j', async (args, told) => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^pinfold-bench: .*/);
    expect(stderr).toContain('Try --help.');
    for (const text of told) expect(stderr).toContain(text);
    expect(stderr).not.toContain('    at '); // no stack
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

describe('colours', () => {
  const deadlock = ['--scenario', 'deadlock', '--seconds', '1'];
  const run = (environment: NodeJS.ProcessEnv, ...args: string[]) =>
    endOf(startBenchWith(environment, testDirectory(), ...args));

  test('are not in a pipe', async () => {
    const { stdout, stderr } = await run({ NO_COLOR: undefined }, ...deadlock);
    expect(stdout + stderr).not.toContain(ESCAPE);
    expect(stdout).toContain('Every promise that was tested held.');
  });

  test('are there under FORCE_COLOR, unless --no-color is', async () => {
    const forced = { NO_COLOR: undefined, FORCE_COLOR: '1' };
    expect((await run(forced, ...deadlock)).stdout).toContain(ESCAPE);
    for (const args of [
      [...deadlock, '--no-color'],
      ['--no-color', ...deadlock],
    ]) {
      const { status, stdout } = await run(forced, ...args);
      expect(status).toBe(0);
      expect(stdout).not.toContain(ESCAPE);
    }
  });
});
