// Packs the package, installs it where nothing else is, and uses it there: the library, and the program that it brings.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const STEP_MS = 60_000;
/** Nothing has to be fetched: the package has no dependencies. */
const INSTALL = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
const USE = `import { PageCache } from 'pinfold';
const cache = await PageCache.create();
console.log(cache.stats().frames > 0);
await cache.close();`;

const directory = mkdtempSync(join(tmpdir(), 'pinfold-package-'));
try {
  run('npm', ['pack', '--silent', '--pack-destination', directory], root);
  const [tarball] = readdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
  run('npm', [...INSTALL, join(directory, tarball)], directory);
  const installed = readdirSync(join(directory, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.join() === 'pinfold', `installed: ${installed}`);
  writeFileSync(join(directory, 'use.mjs'), USE);
  expect(run(process.execPath, ['use.mjs'], directory) === 'true\n', 'the library');

  const bench = join(directory, 'node_modules/.bin/pinfold-bench');
  const tables = run(bench, ['run', '--scenario', 'deadlock', '--seconds', '2'], directory);
  expect(tables.includes('Every promise that was tested held.'), tables);
  const { deadlock } = JSON.parse(readFileSync(join(directory, 'bench-report.json'), 'utf8'));
  expect(deadlock.length > 0, 'figures in the report');
  expect(run(bench, ['report', 'bench-report.json', '--check'], directory) !== '', 'the check of the report');
  run(bench, ['compare', 'bench-report.json', 'bench-report.json'], directory);
  console.log(`${tarball}: installs alone, and its program runs`);
} finally {
  rmSync(directory, { recursive: true, force: true });
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
