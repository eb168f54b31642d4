// `npm run bench:slowed`: does the bench notice a slower kernel? Builds one with two deliberate delays beside the one that is shipped, runs
// the same scenarios with both, and lays the reports beside each other. Fails unless the verdicts that the delays must turn are turned.
import fs from 'node:fs';
import path from 'node:path';
import type { Comparison } from '../bench/compare';
import { LOOKUP, plant, run } from './planted';

/** npm runs it there. */
const ROOT = process.cwd();
/** Fast and slow take turns; a machine that moved (no verdict) gets another try. */
const TRIES = 3;
const RUN = ['--scenario', 'fsync,micro', '--hold', '10', '--seconds', '30', '--force'];

/** `word`: what is at hand there to be loaded. An atomic load is never dropped. */
const SPIN = (turns: number, word: string) =>
  `for (let spin = 0; spin < ${turns}; spin++) atomic.load<i32>(${word});\n`;
const BOUNCED = '      if (held & 1) count(L.COUNT_BOUNCED);\n';
/** What is slowed, and a figure that was fast enough before and must not be any more. */
const DELAYS = [
  {
    what: 'each lookup of a page, by some 0.3 µs',
    ...LOOKUP,
    to: `  ${SPIN(300, 'atBuckets')}${LOOKUP.from}`,
    turns: /^pinSync \+ unpin ÷ Map\.get$/,
  },
  {
    what: 'each bounced page, by some 0.1 ms',
    file: 'src/kernel/control/writeback.ts',
    from: BOUNCED,
    to: `      if (held & 1) { ${SPIN(100_000, 'at').trim()}\n      }\n${BOUNCED}`,
    turns: /^fsync, bounce, redirty, hold 10 ms, p50 pinned ÷ none$/,
  },
];

function slowedCopy(): string {
  const directory = fs.mkdtempSync(path.join(ROOT, '.pinfold-slowed-'));
  plant(ROOT, directory, DELAYS);
  return directory;
}

/** The figures' verdicts by name: those of the two reports, as `compare` tells them. */
function compared(a: string, b: string): Comparison['figures'] {
  const { stdout } = run(process.execPath, ['bench/dist/main.js', 'compare', a, b, '--json'], ROOT, 0, 1);
  return (JSON.parse(stdout) as Comparison).figures;
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
