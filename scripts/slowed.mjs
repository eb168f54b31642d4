// `npm run bench:slowed`: does the bench notice a slower kernel? Builds one with two deliberate delays beside the one that is shipped, runs
// the same scenarios with both, and lays the reports beside each other. Fails unless the verdicts that the delays must turn are turned.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Fast and slow take turns; a machine that moved (no verdict) gets another try. */
const TRIES = 3;
const RUN = ['--scenario', 'fsync,micro', '--hold', '10', '--seconds', '30', '--force'];

const SPIN = (turns) =>
  `for (let spin = 0; spin < ${turns}; spin++) atomic.load<i32>(atBuckets); // kept: an atomic load is never dropped\n`;
/** What is slowed, and a figure that was fast enough before and must not be any more. */
const DELAYS = [
  {
    what: 'each lookup of a page, by some 0.3 µs',
    file: 'src/kernel/control/words.ts',
    from: '  return atBuckets + (<usize>(hash & bucketMask) << 6);\n',
    to: (line) => `  ${SPIN(300)}${line}`,
    turns: /^pinSync \+ unpin ÷ Map\.get$/,
  },
  {
    what: 'each bounced page, by some 0.1 ms',
    file: 'src/kernel/control/writeback.ts',
    from: '      if (held & 1) count(L.COUNT_BOUNCED);\n',
    to: (line) => `      if (held & 1) { ${SPIN(100_000).trim()}\n      }\n${line}`,
    turns: /^fsync, bounce, redirty, hold 10 ms, p50 pinned ÷ none$/,
  },
];

const COPIED = [
  'src',
  'bench',
  'scripts',
  'test',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsup.config.ts',
];

/** Longer than any of them takes on a slow machine, ms. */
const LIMIT_MS = 600_000;

function run(command, args, cwd, ...ended) {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd,
    timeout: LIMIT_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (error) throw error;
  if (!ended.includes(status))
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}`);
  return stdout;
}

function slowedCopy() {
  const directory = fs.mkdtempSync(path.join(ROOT, '.pinfold-slowed-'));
  for (const name of COPIED) {
    fs.cpSync(path.join(ROOT, name), path.join(directory, name), {
      recursive: true,
      filter: (from) => path.basename(from) !== 'dist',
    });
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(directory, 'node_modules'));
  for (const { file, from, to } of DELAYS) {
    const source = fs.readFileSync(path.join(directory, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`${file} no longer has, once: ${from}`);
    fs.writeFileSync(path.join(directory, file), source.replace(from, to(from)));
  }
  run('npm', ['run', 'build'], directory, 0);
  return directory;
}

/** The figures' verdicts by name: those of the two reports, as `compare` tells them. */
function compared(a, b) {
  const told = run(process.execPath, ['bench/dist/main.js', 'compare', a, b, '--json'], ROOT, 0, 1);
  return JSON.parse(told).figures;
}

const slowed = slowedCopy();
try {
  for (const { what } of DELAYS) console.log(`slowed: ${what}`);
  const left = new Set(DELAYS);
  for (let n = 1; n <= TRIES && left.size > 0; n++) {
    const [fast, slow] = [ROOT, slowed].map((directory, i) => {
      const report = path.join(slowed, `report-${n}-${i}.json`);
      const html = report.replace('.json', '.html');
      run(
        process.execPath,
        ['bench/dist/main.js', 'run', ...RUN, '--json', report, '--html', html],
        directory,
        0,
      );
      return report;
    });
    const figures = compared(fast, slow);
    for (const delay of left) {
      for (const { name, a, b } of figures.filter((figure) => delay.turns.test(figure.name))) {
        console.log(`  ${name}: ${a.value?.toFixed(2)} ${a.verdict} -> ${b.value?.toFixed(2)} ${b.verdict}`);
        if (a.verdict === 'ok' && b.verdict === 'short') left.delete(delay);
      }
    }
  }
  for (const { what } of left) {
    console.log(`NOT NOTICED: ${what}`);
    process.exitCode = 1;
  }
  if (left.size === 0) console.log('the slower kernel was noticed');
} finally {
  fs.rmSync(slowed, { recursive: true, force: true });
}
