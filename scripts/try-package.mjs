// Packs the package, installs it where nothing else is, and uses it there: the library, and the programs that it brings.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const STEP_MS = 60_000;
/** Nothing has to be fetched: the package has no dependencies. */
const INSTALL = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
/** The program of TypeScript, and the types of Node, that a project would have of its own. */
const TSC = join(root, 'node_modules/typescript/bin/tsc');
const TYPES = join(root, 'node_modules/@types');
/** What the quick starts end with: both workers have added one. */
const COUNT = /^2$/m;

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const quickStart = readme.slice(
  readme.indexOf('## Quick start'),
  readme.indexOf('\n## ', readme.indexOf('## Quick start') + 1),
);
const blockOf = (language) => {
  const block = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(quickStart);
  expect(block !== null, `the README's quick start has no block of ${language}`);
  return block[1];
};
/** Both ways of loading the library are one: a cache of one is served by the other. */
const TOP = `import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { PageCache } from 'pinfold';
const { serveTop } = createRequire(import.meta.url)('pinfold/top');
const cache = await PageCache.create();
const server = await serveTop(cache, 'top.sock');
const { stdout } = await promisify(execFile)(process.argv[2], ['top.sock', '--once', '--json']);
process.stdout.write(stdout);
await server.close();
await cache.close();
console.log('closed');`;

const directory = mkdtempSync(join(tmpdir(), 'pinfold-package-'));
try {
  run('npm', ['pack', '--silent', '--pack-destination', directory], root);
  const [tarball] = readdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
  run('npm', [...INSTALL, join(directory, tarball)], directory);
  const installed = readdirSync(join(directory, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.join() === 'pinfold', `installed: ${installed}`);

  // Nothing but what the README says: a file is opened, shared with two workers, pinned, updated, synced and closed.
  for (const [language, name] of [
    ['js', 'use.mjs'],
    ['cjs', 'use.cjs'],
  ]) {
    writeFileSync(join(directory, name), blockOf(language));
    use(name);
  }
  writeFileSync(join(directory, 'use.ts'), blockOf('js'));
  const options = [
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--typeRoots',
    TYPES,
    '--types',
    'node',
  ];
  run(process.execPath, [TSC, ...options, 'use.ts'], directory);
  use('use.js');

  const top = join(directory, 'node_modules/.bin/pinfold-top');
  expect(run(top, ['--help'], directory).includes('serveTop'), 'the help of pinfold-top');
  writeFileSync(join(directory, 'top.mjs'), TOP);
  const [snapshot, after] = run(process.execPath, ['top.mjs', top], directory).split('\n');
  expect(JSON.parse(snapshot).stats.frames > 0 && after === 'closed', 'what pinfold-top shows');

  const bench = join(directory, 'node_modules/.bin/pinfold-bench');
  const tables = run(bench, ['run', '--scenario', 'deadlock', '--seconds', '2'], directory);
  expect(tables.includes('Every promise that was tested held.'), tables);
  const { deadlock } = JSON.parse(readFileSync(join(directory, 'bench-report.json'), 'utf8'));
  expect(deadlock.length > 0, 'figures in the report');
  expect(run(bench, ['report', 'bench-report.json', '--check'], directory) !== '', 'the check of the report');
  run(bench, ['compare', 'bench-report.json', 'bench-report.json'], directory);
  console.log(
    `${tarball}: installs alone; what its README says works as ESM, CommonJS and TypeScript; its programs run`,
  );
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Runs a program in the new project, on a file of its own. */
function use(program) {
  const output = run(process.execPath, [program], directory);
  expect(COUNT.test(output), `${program} printed:\n${output}`);
  rmSync(join(directory, 'data.bin'));
}

/** Output of a command; throws if it fails. */
function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: STEP_MS,
    killSignal: 'SIGKILL',
  });
  expect(
    status === 0,
    `${command} ${args.join(' ')}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`,
  );
  return stdout;
}

function expect(holds, what) {
  if (!holds) throw new Error(what);
}
