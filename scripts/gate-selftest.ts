// `npm run gate:selftest`: does the gate find what is slower, and does it stay silent about what is not? Plants slowdowns of known sizes into
// copies of the project, gates each of them many times, and identical copies as often; docs/perf-ci.md has the table. It takes hours, so it
// goes on where an earlier one was stopped, as long as the sources are the same: each gate is a line of a file.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { markdownTable, withFigures } from '../bench/document/markdown';
import { percent } from '../bench/gate/report';
import type { GatedMetric, GateResult } from '../bench/gate/result';
import { median } from '../bench/statistics';
import { type Change, LOOKUP, plant, run } from './planted';

/** npm runs it there. */
const ROOT = process.cwd();
const PLACE = path.join(ROOT, '.pinfold-selftest');
const GATES = path.join(PLACE, 'gates.jsonl');
const STAMP = path.join(PLACE, 'stamp');
const DOCUMENT = path.join(ROOT, 'docs/perf-ci.md');
const MARKS = {
  begin: '<!-- self-test: made by npm run gate:selftest -->',
  end: '<!-- end of self-test -->',
};
const QUICK = ['view', 'pin', 'update', 'read', 'commit'];
const SIZES = [3, 5, 10, 30];

interface Kind {
  name: string;
  what: string;
  /** What it makes slower. */
  metric: string;
  /** How much is done in a build whose effect is measured first; undefined: what is planted is a share by itself. */
  trial: number | undefined;
  changes(amount: number): Change[];
}

const WHOLE = 1024;
const DECLARED = 'let atBuckets: usize = 0;\n';
const FLUSH =
  '      calls.fdatasyncSync(fd); // Node retries EINTR; should it come through, nobody knows what is stable: a failure\n';
const COPY = '  else fill.call(to as Buffer, source, at, at + length);\n';

const KINDS: Kind[] = [
  {
    name: 'hit',
    what: 'an atomic operation more in some lookups of a page',
    metric: 'pin',
    trial: 4 * WHOLE,
    changes: (amount) => [
      {
        ...LOOKUP,
        to: `  planted += ${amount};\n  while (planted >= ${WHOLE}) {\n    planted -= ${WHOLE};\n    atomic.add<i32>(atBuckets, 0);\n  }\n${LOOKUP.from}`,
      },
      { file: LOOKUP.file, from: DECLARED, to: `let planted: i32 = 0;\n${DECLARED}` },
    ],
  },
  {
    name: 'copy',
    what: 'some bytes copied twice by each read',
    metric: 'read',
    trial: 64,
    changes: (amount) => [
      {
        file: 'src/kernel/copyOut.ts',
        from: COPY,
        to: `${COPY}  for (let n = 0; n < ${amount}; n++) to[at + n] = source[n]!;\n`,
      },
    ],
  },
  {
    name: 'fsync',
    what: 'each fdatasync followed by a wait of a share of its time',
    metric: 'commit',
    trial: undefined,
    changes: (share) => [
      {
        file: 'src/store/file.ts',
        from: FLUSH,
        to: `      const begun = performance.now();\n${FLUSH}      const until = begun + (performance.now() - begun) * ${1 + share};\n      while (performance.now() < until);\n`,
      },
    ],
  },
];

interface Line {
  cell: string;
  verdict: GateResult['verdict'];
  seconds: number;
  metrics: GatedMetric[];
}

interface Cell {
  name: string;
  only: string[];
  directory: string;
}

const { values } = parseArgs({
  options: {
    gates: { type: 'string', default: '50' },
    only: { type: 'string', multiple: true, default: [] },
    table: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.gates);
if (!(Number.isInteger(wanted) && wanted >= 1))
  throw new Error(`--gates: '${values.gates}' is not a whole number from 1 on`);
const asked = values.only.flatMap((value) => value.split(','));

const cells: Cell[] = [
  { name: 'a/a', only: QUICK, directory: path.join(PLACE, 'same') },
  ...KINDS.flatMap(({ name, metric }) =>
    SIZES.map((size) => ({
      name: `${name} ${size}%`,
      only: [metric],
      directory: path.join(PLACE, `${name}-${size}`),
    })),
  ),
];
const unknown = asked.find((name) => cells.every((cell) => cell.name !== name));
if (unknown !== undefined)
  throw new Error(`--only: '${unknown}' is none of ${cells.map(({ name }) => name).join(', ')}`);
const chosen = asked.length === 0 ? cells : cells.filter(({ name }) => asked.includes(name));

if (!values.table) {
  startOver();
  for (const cell of chosen) build(cell);
  // In turns, so that one that is stopped has some of each.
  for (let n = 0; n < wanted; n++) {
    for (const cell of chosen) {
      const before = lines().filter((line) => line.cell === cell.name).length;
      if (before <= n) gate(cell, n);
    }
  }
}
writeTable();

/** What earlier gates were of other sources is worth nothing. */
function startOver(): void {
  const hash = createHash('sha256');
  for (const directory of ['src', 'bench']) {
    const names = fs.readdirSync(path.join(ROOT, directory), { recursive: true }) as string[];
    for (const name of names.filter((each) => each.endsWith('.ts')).sort())
      hash.update(`\0${name}\0`).update(fs.readFileSync(path.join(ROOT, directory, name)));
  }
  const stamp = hash.digest('hex');
  if (fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === stamp) return;
  fs.rmSync(PLACE, { recursive: true, force: true });
  fs.mkdirSync(PLACE);
  fs.writeFileSync(STAMP, stamp);
}

function lines(): Line[] {
  if (!fs.existsSync(GATES)) return [];
  const text = fs.readFileSync(GATES, 'utf8').trim();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line);
}

function build({ name, directory }: Cell): void {
  const [kind, size] = name.split(' ');
  const of = KINDS.find((each) => each.name === kind);
  if (of === undefined) made(directory, []);
  else
    made(
      directory,
      of.changes(
        of.trial === undefined ? Number.parseFloat(size) / 100 : amountFor(of, Number.parseFloat(size) / 100),
      ),
    );
}

function made(directory: string, changes: Change[]): void {
  const done = path.join(directory, 'planted');
  if (fs.existsSync(done)) return;
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory);
  console.log(`building ${path.basename(directory)}`);
  plant(ROOT, directory, changes);
  fs.writeFileSync(done, '');
}

/** How much of a kind makes its metric slower by `share`: in proportion to what a trial of it does. */
function amountFor({ name, metric, trial, changes }: Kind, share: number): number {
  const kept = path.join(PLACE, `${name}-effect`);
  if (!fs.existsSync(kept)) {
    const directory = path.join(PLACE, `${name}-trial`);
    made(directory, changes(trial!));
    // Large, so that it is known well whatever the machine does beside.
    const { verdict, confirming } = gated(directory, [metric], 0).metrics[0];
    if (verdict !== 'regression' || confirming === null)
      throw new Error(
        `what the trial of ${name} does to ${metric} could not be measured (${verdict}): is the machine busy?`,
      );
    const effect = confirming.median - 1;
    fs.writeFileSync(kept, String(effect));
    console.log(`${name}: ${trial} makes ${metric} slower by ${(100 * effect).toFixed(1)}%`);
  }
  return Math.max(1, Math.round((trial! * share) / Number(fs.readFileSync(kept, 'utf8'))));
}

function gated(directory: string, only: string[], seed: number): GateResult {
  const json = path.join(PLACE, 'gate.json');
  const args = [
    '--base-dir',
    ROOT,
    '--head-dir',
    directory,
    '--only',
    only.join(','),
    '--seed',
    String(seed),
  ];
  run(process.execPath, ['bench/dist/main.js', 'gate', ...args, '--json', json, '--force'], ROOT, 0, 1, 2);
  return JSON.parse(fs.readFileSync(json, 'utf8')) as GateResult;
}

function gate({ name, only, directory }: Cell, n: number): void {
  const { verdict, durationMs, metrics } = gated(directory, only, n + 1);
  const line: Line = { cell: name, verdict, seconds: durationMs / 1e3, metrics };
  fs.appendFileSync(GATES, `${JSON.stringify(line)}\n`);
  const told = metrics
    .map((metric) => `${metric.name} ${percent(metric.worse?.median ?? 1)} ${metric.verdict}`)
    .join(', ');
  console.log(`${name}, gate ${n + 1}: ${verdict}; ${told}; ${line.seconds.toFixed(0)} s`);
}

function writeTable(): void {
  const all = lines();
  const columns = [
    { head: 'planted', words: true },
    { head: 'metric', words: true },
    { head: 'margin' },
    { head: 'gates' },
    { head: 'regression' },
    { head: 'inconclusive' },
    { head: 'pass' },
    { head: 'measured, median' },
    { head: 'from … to' },
    { head: 'a gate, s' },
  ];
  const rows = cells.flatMap(({ name, only }) =>
    only.flatMap((metric) => {
      const of = all.filter(({ cell }) => cell === name);
      const found = of.flatMap(({ metrics }) => metrics.filter((each) => each.name === metric));
      if (found.length === 0) return [];
      const worse = found.map(({ worse: by }) => by?.median ?? Number.NaN);
      const count = (verdict: string) => String(found.filter((each) => each.verdict === verdict).length);
      return [
        [
          name === 'a/a' ? 'nothing (A/A)' : name,
          metric,
          `${Number((100 * found[0].margin).toPrecision(3))}%`,
          String(found.length),
          count('regression'),
          count('inconclusive'),
          count('pass'),
          percent(median(worse)),
          `${percent(Math.min(...worse))} … ${percent(Math.max(...worse))}`,
          median(of.map(({ seconds }) => seconds)).toFixed(0),
        ],
      ];
    }),
  );
  const what = KINDS.map(({ name, what: does, metric }) => `*${name}*: ${does} (${metric})`).join('; ');
  const table = `${markdownTable(columns, rows)}\n\nPlanted: ${what}. A gate of A/A has all these metrics, any other its own alone.`;
  fs.writeFileSync(DOCUMENT, withFigures(fs.readFileSync(DOCUMENT, 'utf8'), table, MARKS));
  console.log(`${DOCUMENT}\n\n${table}`);
}
