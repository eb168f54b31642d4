// Where reports go: refused before anything is measured if they can't be written; written whole or not at all.
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPORTS, reportIn, runBench } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';
import { makeReadOnly, mayMount, tmpfsDirectory } from '../support/tmpfs.ts';

const SHORT = ['--scenario', 'deadlock', '--seconds', '1'];

/** Refused, with nothing measured and nothing left. */
async function expectRefused(directory: string, args: string[], told: string[]): Promise<void> {
  const before = fs.readdirSync(directory);
  const { status, stdout, stderr } = await runBench(directory, ...SHORT, ...args);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  for (const text of told) expect(stderr).toContain(text);
  expect(stderr).not.toContain('    at ');
  expect(fs.readdirSync(directory)).toEqual(before);
}

describe.each(['--json', '--html'])('%s is refused', (option) => {
  test('in a directory that is not there', async () => {
    await expectRefused(testDirectory(), [option, 'no/such/report'], [option, 'no directory', 'no/such']);
  });

  test('below a file', async () => {
    const directory = testDirectory();
    fs.writeFileSync(join(directory, 'file'), '');
    await expectRefused(directory, [option, 'file/report'], [option, 'file']);
  });

  test('in the place of a directory', async () => {
    const directory = testDirectory();
    fs.mkdirSync(join(directory, 'taken'));
    await expectRefused(directory, [option, 'taken', '--force'], [option, 'taken is a directory']);
  });

  test('in the place of a device', async () => {
    await expectRefused(testDirectory(), [option, '/dev/null', '--force'], [option, 'not a regular file']);
    expect(fs.statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('without a path', async () => {
    await expectRefused(testDirectory(), [option, ''], [option, 'empty']);
  });

  test.skipIf(process.getuid?.() === 0)('in a directory that is not ours to write in', async () => {
    const directory = testDirectory();
    fs.mkdirSync(join(directory, 'theirs'), { mode: 0o555 });
    await expectRefused(directory, [option, 'theirs/report'], [option, 'cannot write in', 'theirs']);
  });

  test.skipIf(!mayMount)('on a file system that is read-only', async () => {
    const directory = tmpfsDirectory(1 << 20);
    makeReadOnly(directory);
    await expectRefused(
      testDirectory(),
      [option, join(directory, 'report')],
      [option, 'cannot write in', directory],
    );
  });
});

test('reports that an earlier run has left are replaced, other files beside them are not', async () => {
  const directory = testDirectory();
  fs.writeFileSync(join(directory, 'mine'), 'precious');
  for (let run = 0; run < 2; run++) {
    const { status, stderr } = await runBench(directory, ...SHORT);
    expect(status, stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual([...REPORTS, 'mine']);
  }
  expect(fs.readFileSync(join(directory, 'mine'), 'utf8')).toBe('precious');
});

test('--force overwrites what is no report', async () => {
  const directory = testDirectory();
  for (const name of REPORTS) fs.writeFileSync(join(directory, name), 'precious');
  const { status, stderr } = await runBench(directory, ...SHORT, '--force');
  expect(status, stderr).toBe(0);
  expect(reportIn(directory).deadlock).not.toEqual([]);
  expect(fs.readFileSync(join(directory, 'bench-report.html'), 'utf8')).toContain('<!doctype html>');
});

test('a link keeps its place, and what it leads to is replaced', async () => {
  const directory = testDirectory();
  fs.mkdirSync(join(directory, 'elsewhere'));
  fs.writeFileSync(join(directory, 'elsewhere/real.json'), 'old');
  fs.symlinkSync('elsewhere/real.json', join(directory, 'link.json'));
  const { status, stderr } = await runBench(directory, ...SHORT, '--json', 'link.json', '--force');
  expect(status, stderr).toBe(0);
  expect(fs.lstatSync(join(directory, 'link.json')).isSymbolicLink()).toBe(true);
  expect(fs.readdirSync(join(directory, 'elsewhere'))).toEqual(['real.json']);
  expect(reportIn(directory, 'elsewhere/real.json').interrupted).toBe(false);
});
