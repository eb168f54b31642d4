// The SQLite example: its demo, a small storm, and that the storm finds what it is to find.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { testDirectory } from '../support/directory.ts';

const program = fileURLToPath(new URL('../../examples/sqlite/dist/main.js', import.meta.url));
const LIMIT_MS = 60_000;

/** What the program prints, and its exit code. It leaves nothing behind. */
async function example(...args: string[]): Promise<{ code: number; text: string }> {
  const cwd = testDirectory();
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], {
      cwd,
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, text: stdout + stderr };
  } finally {
    expect(fs.readdirSync(cwd)).toEqual([]);
  }
}

test('four threads write to one database', async () => {
  const { code, text } = await example();
  expect(text).toContain('integrity_check: ok');
  expect(text.match(/: 25 rows, the last "number 25 from/g)).toHaveLength(4);
  expect(code).toBe(0);
});

test('threads that are terminated while they hold locks lose nothing', async () => {
  const { code, text } = await example('storm', '--terminations', '30', '--kills', '0');
  expect(text, text).toMatch(/audits .*: ok\./);
  expect(text).toMatch(/[1-9]\d* (RESERVED|PENDING|EXCLUSIVE)/);
  expect(code).toBe(0);
});

test('processes that are killed lose nothing', async () => {
  const { code, text } = await example('storm', '--terminations', '0', '--kills', '3');
  expect(text, text).toMatch(/3 killed by SIGKILL[\s\S]*: ok\./);
  expect(code).toBe(0);
});

test.each([
  ['locks', '--terminations', /in entries|integrity_check|malformed|counted/],
  ['rollback', '--terminations', /integrity_check|malformed|counted|balances|half there/],
  ['sync', '--kills', /was acknowledged|malformed|integrity_check|no such table/],
] as const)('without %s the storm finds what is wrong', async (duty, storm, found) => {
  const other = storm === '--kills' ? '--terminations' : '--kills';
  const { code, text } = await example('storm', '--without', duty, storm, '300', other, '0');
  expect(text).toMatch(found);
  expect(code, text).toBe(1);
});

test('reads, scans and transactions are measured, and what is read is looked at', async () => {
  const { code, text } = await example('speed', '--rounds', '1', '--block-ms', '5', '--rows', '3000');
  expect(text, text).toContain('points');
  expect(text.match(/(points|scans|transactions) +│ [14] /g)).toHaveLength(12);
  expect(text).not.toContain('NaN');
  expect(code, text).toBe(0);
});

test('a command line that is wrong is refused', async () => {
  const { code, text } = await example('storm', '--kills', 'many');
  expect(text).toContain("'many'");
  expect(code).toBe(1);
});
