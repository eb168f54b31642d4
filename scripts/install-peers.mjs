// Installs what the scenario `peers` measures pinfold beside, by exact version, into .peers (or PINFOLD_PEERS): not into this package,
// whose `npm ci` compiles nothing. One that can't be installed is left out, and the bench says why; a second run installs only what is
// missing.
//   node scripts/install-peers.mjs
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packages = JSON.parse(readFileSync(join(root, 'bench/roles/peers/packages.json'), 'utf8'));
// Native code is for one line of Node: as bench/roles/peers/installed.ts looks for it.
const folder = join(process.env.PINFOLD_PEERS ?? join(root, '.peers'), `modules-${process.versions.modules}`);
const INSTALL_TIMEOUT_MS = 600_000;
const LOAD_TIMEOUT_MS = 20_000;
const TICK_MS = process.stderr.isTTY ? 500 : 10_000;

const folderOf = (name) => join(folder, name.replace('/', '+'));

/** Undefined if the package can be loaded, in a thread too, as the bench does; else why not. */
function loadFailure(name) {
  const program = `const { Worker } = require('node:worker_threads');
    const load = 'require(' + JSON.stringify(${JSON.stringify(name)}) + ')';
    require(${JSON.stringify(name)});
    new Worker(load, { eval: true }).on('error', (error) => { console.error(error.message); process.exit(1); });`;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', program], {
    cwd: folderOf(name),
    encoding: 'utf8',
    timeout: LOAD_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return undefined;
  return reasonIn(stderr) ?? `loading it ended with ${signal ?? `code ${status}`}`;
}

/** The line that says most about a failure. */
function reasonIn(text) {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return (
    lines.find(
      (line) => /\berr(or)?\b/i.test(line) && !/^npm (error|ERR!) (code|path|command)\b/.test(line),
    ) ?? lines.at(-1)
  );
}

let current;

/** Runs npm, and says from time to time that it still runs. Its own words go to a log. */
function install(name, { version, overrides }) {
  const own = folderOf(name);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const manifest = { private: true, dependencies: { [name]: version }, ...(overrides && { overrides }) };
  writeFileSync(join(own, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const logPath = join(own, 'install.log');
  const log = openSync(logPath, 'w');
  const startMs = Date.now();
  const say = (end) => {
    const line = `peers: installing ${name} ${version}, ${Math.round((Date.now() - startMs) / 1000)} s`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${line}${end}` : `${line}\n`);
  };
  return new Promise((resolve) => {
    say('');
    const ticks = setInterval(() => say(''), TICK_MS);
    // A group of its own: what compiles ends with npm.
    const child = spawn('npm', ['install', '--no-audit', '--no-fund', '--foreground-scripts'], {
      cwd: own,
      stdio: ['ignore', log, log],
      detached: true,
    });
    current = child;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endGroup(child);
    }, INSTALL_TIMEOUT_MS);
    const ended = (why) => {
      clearInterval(ticks);
      clearTimeout(timer);
      closeSync(log);
      current = undefined;
      if (process.stderr.isTTY) say('\n');
      resolve(why);
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code) => {
      if (late) ended(`it took more than ${INSTALL_TIMEOUT_MS / 1000} s (${logPath})`);
      else if (code !== 0)
        ended(`${reasonIn(readFileSync(logPath, 'utf8')) ?? `npm ended with code ${code}`} (${logPath})`);
      else ended(loadFailure(name) ?? null);
    });
  });
}

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (current !== undefined) endGroup(current);
    process.exit(130);
  });
}

mkdirSync(folder, { recursive: true });
const statePath = join(folder, 'state.json');
const state = existsSync(statePath) ? JSON.parse(readFileSync(statePath, 'utf8')) : {};
for (const [name, wanted] of Object.entries(packages)) {
  const { version } = wanted;
  if (state[name]?.version === version && state[name].why === null && loadFailure(name) === undefined) {
    process.stderr.write(`peers: ${name} ${version} is there\n`);
    continue;
  }
  const why = await install(name, wanted);
  state[name] = { version, why };
  writeFileSync(statePath, `${JSON.stringify(state, null, 2)}\n`);
  process.stderr.write(
    why === null
      ? `peers: ${name} ${version} is installed\n`
      : `peers: ${name} ${version} is not installed: ${why}\n`,
  );
}
