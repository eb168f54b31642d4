// The benchmark's program, built as it is published, on this Node: its threads start, and what it reports is what it reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url));
const LIMIT_MS = 40_000;

const directory = mkdtempSync(join(tmpdir(), 'pinfold-smoke-'));
const bench = (...args) => {
  const options = { cwd: directory, encoding: 'utf8', timeout: LIMIT_MS, killSignal: 'SIGKILL' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [BENCH, ...args], options);
  assert.equal(status, 0, `${args}: exit ${status}\n${stdout}${stderr}`);
  return stdout;
};
try {
  const tables = bench('run', '--scenario', 'deadlock', '--seconds', '1');
  assert.match(tables, new RegExp(`Node ${process.versions.node} `));
  assert.match(tables, /Every promise that was tested held/);
  assert.deepEqual(readdirSync(directory).sort(), ['bench-report.html', 'bench-report.json']);
  assert.match(bench('report', 'bench-report.json', '--check'), /is a valid report/);
  assert.match(bench('compare', 'bench-report.json', 'bench-report.json'), /deadlock, bounce, through/);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
