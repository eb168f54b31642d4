// Runs sets of programs over the build, each program a process, on the current Node or on newer lines.
//   node scripts/on-node.mjs smoke|facts... [--only 22]...
// Without --only: smoke programs on all lines, facts on the current one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const current = process.versions.node.split('.')[0];
const known = [...new Set([current, ...Object.keys(versions)])];
const sets = { smoke: known, facts: [current] };
const INSTALL_TIMEOUT_MS = 120_000;
const PROGRAM_TIMEOUT_MS = 60_000;

/** Path of a Node binary of that line, installed from npm on first use. */
function nodeOfLine(line) {
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(root, 'node_modules/.cache/node-lines', versions[line]);
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

const programsOf = (set) =>
  readdirSync(join(root, 'test', set))
    .filter((name) => /\.[cm]js$/.test(name))
    .sort()
    .map((name) => `test/${set}/${name}`);

/** Runs one program; prints one line, and below it what the program said, of errors only if it failed. */
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
  const why =
    result.error?.message ?? (result.signal ? `killed by ${result.signal}` : `exit ${result.status}`);
  const said = passed ? [result.stdout] : [why, result.stdout, result.stderr];
  const text = said.filter(Boolean).join('\n').trimEnd();
  if (text) console.log(text.replace(/^/gm, '  '));
  return passed;
}

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
});
if (positionals.length === 0) throw new Error(`which? ${Object.keys(sets).join(', ')}`);
let failed = false;
for (const set of positionals) {
  if (!(set in sets)) throw new Error(`no set of programs is called ${set}`);
  for (const line of values.only ?? sets[set]) {
    try {
      if (!known.includes(line)) throw new Error(`only ${known.join(', ')} are known`);
      const binary = line === current ? process.execPath : nodeOfLine(line);
      const label = line === current ? process.versions.node : versions[line];
      for (const program of programsOf(set)) failed = !run(label, binary, program) || failed;
    } catch (error) {
      console.log(`FAIL node ${line}: ${error.message}`);
      failed = true;
    }
  }
}
process.exitCode = failed ? 1 : 0;
