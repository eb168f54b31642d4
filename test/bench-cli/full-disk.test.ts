// A disk that becomes full: a clear message, nothing left behind, and what was measured is reported all the same.
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPORTS, reportIn, runBench } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';
import { mayMount, tmpfsDirectory } from '../support/tmpfs.ts';

const MIB = 1 << 20;
const FULL_BYTES = 8 * 1024;

describe.skipIf(!mayMount)('a disk that becomes full', () => {
  test('while the run lays out its files: they go, and the report takes their place', async () => {
    // Room for the files that every run has (9 MiB), not for those of a cold scan (64 MiB).
    const directory = tmpfsDirectory(16 * MIB);
    const args = ['--scenario', 'deadlock,coldscan', '--quick', '--seconds', '2'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(1);
    expect(stdout).toContain('the disk is full');
    expect(stdout).toContain(directory);
    expect(stdout).toContain('deadlock'); // the table of what had been measured
    expect(stderr).not.toContain('    at ');
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { deadlock, coldScan, failures, interrupted } = reportIn(directory);
    expect(deadlock).toHaveLength(2);
    expect(coldScan?.arms ?? []).toEqual([]);
    expect(failures).toContainEqual(expect.stringContaining('ENOSPC'));
    expect(interrupted).toBe(false);
  });

  test('before the run has its files: refused, and nothing is left', async () => {
    const directory = tmpfsDirectory(2 * MIB);
    const { status, stdout, stderr } = await runBench(directory, '--scenario', 'deadlock', '--seconds', '1');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('ENOSPC');
    expect(stderr).not.toContain('    at ');
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test.each([
    ['--json', 'r.html'],
    ['--html', 'r.json'],
  ])('where %s goes: told, the tables are printed, the other report is written', async (option, other) => {
    const full = tmpfsDirectory(FULL_BYTES);
    fs.writeFileSync(join(full, 'filler'), Buffer.alloc(FULL_BYTES)); // there is room for a name, and for nothing in it
    const directory = testDirectory();
    const others = option === '--json' ? ['--html', 'r.html'] : ['--json', 'r.json'];
    const run = ['--scenario', 'deadlock', '--seconds', '1', ...others, option, join(full, 'report')];
    const { status, stdout, stderr } = await runBench(directory, ...run);
    expect(status, stdout + stderr).toBe(1);
    expect(stdout).toContain('deadlock\n  policy');
    expect(stderr).toMatch(new RegExp(`${option}: .*could not be written: ENOSPC`));
    expect(stderr).not.toContain('    at ');
    expect(fs.readdirSync(directory)).toEqual([other]);
    expect(fs.readdirSync(full)).toEqual(['filler']);
  });
});
