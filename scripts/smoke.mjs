// Runs the smoke programs against the built package on the current Node and on newer lines.
//   node scripts/smoke.mjs [--only 22]...
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const programs = ['test/smoke/smoke.mjs', 'test/smoke/smoke.cjs'];
const INSTALL_TIMEOUT_MS = 120_000;
const PROGRAM_TIMEOUT_MS = 60_000;

/** Path of a Node binary of that line, installed from npm on first use. */
function nodeOfLine(line) {
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(root, 'node_modules/.cache/smoke-node', versions[line]);
  const binary = join(prefix, 'node_modules', name, 'bin/node');
  if (!existsSync(binary)) {
    mkdirSync(prefix, { recursive: true });
    const flags = ['--prefix', prefix, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    const result = spawnSync('npm', ['install', ...flags, `${name}@${versions[line]}`], {
      encoding: 'utf8',
      timeout: INSTALL_TIMEOUT_MS,
    });
    if (result.status !== 0 || !existsSync(binary)) {
      throw new Error(`cannot install ${name}@${versions[line]}: ${result.stderr || result.error}`);
    }
  }
  return binary;
}

/** Runs one program; prints one line, and its output if it failed. */
function run(label, binary, program) {
  const started = performance.now();
  const result = spawnSync(binary, [program], {
    cwd: root,
    encoding: 'utf8',
    timeout: PROGRAM_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const passed = result.status === 0;
  const duration_ms = Math.round(performance.now() - started);
  console.log(`${passed ? 'PASS' : 'FAIL'} node ${label} ${program} (${duration_ms} ms)`);
  if (!passed) {
    const why =
      result.error?.message ?? (result.signal ? `killed by ${result.signal}` : `exit ${result.status}`);
    console.log([why, result.stdout, result.stderr].filter(Boolean).join('\n'));
  }
  return passed;
}

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
const current = process.versions.node.split('.')[0];
const known = [...new Set([current, ...Object.keys(versions)])];
const lines = values.only ?? known;
let failed = false;
for (const line of lines) {
  try {
    if (!known.includes(line)) throw new Error(`only ${known.join(', ')} are known`);
    const binary = line === current ? process.execPath : nodeOfLine(line);
    const label = line === current ? process.versions.node : versions[line];
    for (const program of programs) failed = !run(label, binary, program) || failed;
  } catch (error) {
    console.log(`FAIL node ${line}: ${error.message}`);
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
