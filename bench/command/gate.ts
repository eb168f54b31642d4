// `pinfold-bench gate`: is one build slower than another?
import fs from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { BenchFiles, DATA_PAGES } from '../files';
import { CommandSource, type SideCommand } from '../gate/commands';
import { runGate } from '../gate/gate';
import { appendHistory, readHistory } from '../gate/history';
import { GATE_METRICS } from '../gate/metrics';
import { type Build, ProbeSource } from '../gate/probes';
import { COMMENT_MARK, gateBlocks, gateMarkdown } from '../gate/report';
import { GATE_SCHEMA, GATE_VERSION, type GateResult, type GateSide, verdictOfAll } from '../gate/result';
import { endShells } from '../gate/shell';
import type { PairSource } from '../gate/source';
import { type Revision, Trees } from '../gate/trees';
import { type Limits, MARGIN_MAX } from '../gate/trial';
import { describeMachine } from '../machine';
import { type Output, refuseUnwritable, writeWhole } from '../output';
import { createRandom } from '../random';
import { Refused } from '../refused';
import { Progress } from '../report/progress';
import { inTerminal } from '../report/terminal';
import { INTERRUPTED } from './exit';
import { print } from './print';

/** How a gate ends. */
export const GATE_EXIT = { pass: 0, regression: 1, inconclusive: 2, error: 3 } as const;

const QUICK_SECONDS = 80;
const FULL_SECONDS = 300;
const SECONDS_MAX = 86_400;
const LIMIT_SECONDS = 120;
const COMMAND_MARGIN = 0.1;
const LIMITS: Record<'quick' | 'full', Limits> = {
  quick: { least: 8, step: 4, most: 24 },
  full: { least: 8, step: 4, most: 40 },
};
const SEED_MAX = 2 ** 31 - 1;
/** What a tree, or a directory, is measured by. */
const LIBRARY = 'dist/index.js';

export interface GateValues {
  base?: string;
  head?: string;
  baseDir?: string;
  headDir?: string;
  command: string[];
  only: string[];
  margin: string[];
  full: boolean;
  seconds?: string;
  limit?: string;
  install?: string;
  build: string;
  file?: string;
  seed?: string;
  json?: string;
  markdown?: string;
  history?: string;
  force: boolean;
}

const repeated = (value: string, earlier: string[]): string[] => [...earlier, value];

export function declareGateOptions(gate: Command): void {
  gate
    .option('--base <revision>', 'the commit to compare with: built in a clean git work tree')
    .option('--head <revision>', 'the commit that is judged (default: HEAD, with nothing uncommitted)')
    .option('--base-dir <path>', 'a directory to compare with, built already, instead of a revision')
    .option('--head-dir <path>', 'the directory that is judged, built already')
    .option(
      '--command <command>',
      'a benchmark of your own that prints a sample (docs/perf-ci.md), run in both trees or directories; given twice, without any: the base, then the head',
      repeated,
      [],
    )
    .option('--only <metric>', 'only this metric; repeat it or separate by commas', repeated, [])
    .option(
      '--margin <metric=percent>',
      `how much worse a metric may be, above 0; a percentage alone is for all (default: ${100 * COMMAND_MARGIN} for metrics of commands)`,
      repeated,
      [],
    )
    .option('--full', `all metrics, and up to ${LIMITS.full.most} pairs of each`, false)
    .option(
      '--seconds <n>',
      `how long is measured at most, builds not counted, and half as long again to confirm a suspicion (default ${QUICK_SECONDS}, with --full or --command ${FULL_SECONDS}); clear cases end earlier`,
    )
    .option('--limit <seconds>', `the longest that one run of a command may take (default ${LIMIT_SECONDS})`)
    .option(
      '--install <command>',
      'how a tree gets its packages (default: those of this directory if the lockfile is the same, else npm ci)',
    )
    .addOption(new Option('--build <command>', 'how a tree is built').default('npm run build'))
    .option(
      '--file <path>',
      'the data file (default: a temporary one in the current directory); its file system is what is measured',
    )
    .option('--seed <n>', `another order of turns, 0 to ${SEED_MAX} (default 1)`)
    .option('--json <path>', 'leave the result there, for programs')
    .option('--markdown <path>', 'leave it there for a comment on a pull request')
    .option('--history <path>', 'append it to this file of JSON lines; "trend" draws them')
    .option('--force', 'let --json and --markdown overwrite what exists', false);
}

export const gateMetricsHelp = (): string =>
  GATE_METRICS.map(
    ({ name, what, margin, quick }) =>
      `  ${name.padEnd(15)}${`${100 * margin}%`.padEnd(5)}${what}${quick ? '' : ' (--full)'}`,
  ).join('\n');

interface Asked {
  only: string[] | undefined;
  margins: Map<string, number>;
  marginOfAll: number | undefined;
  seconds: number;
  limitMs: number;
  limits: Limits;
  seed: number;
}

/** What is compared, before anything is built. */
interface Sides {
  base: GateSide;
  head: GateSide;
  /** Builds what has to be built. */
  directories(): Promise<[string, string]>;
}

class Stopped {
  now = false;
}

/** Ends with one of GATE_EXIT, or INTERRUPTED. */
export async function gate(values: GateValues): Promise<number> {
  const startMs = Date.now();
  let trees: Trees | undefined;
  let files: BenchFiles | undefined;
  const cleanUp = (): void => {
    endShells();
    files?.remove();
    trees?.remove();
  };
  process.once('exit', cleanUp);
  const stopped = new Stopped();
  try {
    const asked = parse(values);
    refuseContradictions(values);
    const outputs = outputsOf(values);
    for (const output of outputs) refuseUnwritable(output, values.force);
    if (values.history !== undefined && fs.existsSync(values.history)) readHistory(values.history);
    const needsTrees = values.base !== undefined || values.head !== undefined;
    if (needsTrees) trees = new Trees(process.cwd(), { install: values.install, build: values.build });
    const sides = sidesOf(values, trees);
    let result = emptyResult(sides, asked, startMs);
    const sourceOf = (directories: [string, string]): PairSource => {
      if (values.command.length > 0)
        return new CommandSource(...commandsOf(values, directories), asked.limitMs);
      files = BenchFiles.create(values.file, values.force);
      result.machine = machineOf(files.directory);
      const builds = directories.map((directory, n) => buildIn(directory, n === 0 ? 'the base' : 'the head'));
      return new ProbeSource(builds[0], builds[1], files.paths.data, DATA_PAGES, createRandom(asked.seed));
    };
    try {
      const measured = await measure(asked, values, sides, sourceOf, stopped);
      result = { ...result, ...measured, ...verdictOfAll(measured.metrics, measured.missing) };
    } catch (error) {
      if (stopped.now) return interrupted();
      if (!(error instanceof Refused)) throw error;
      result = { ...result, verdict: 'error', error: error.message };
    }
    if (stopped.now) return interrupted();
    result.durationMs = Date.now() - startMs;
    print(`${inTerminal(gateBlocks(result))}\n`);
    for (const { path: at, text } of outputs) writeWhole(at, text(result));
    if (values.history !== undefined && result.verdict !== 'error') appendHistory(values.history, result);
    return GATE_EXIT[result.verdict];
  } finally {
    process.removeListener('exit', cleanUp);
    cleanUp();
  }
}

function interrupted(): number {
  process.stderr.write('pinfold-bench: interrupted, nothing was judged\n');
  return INTERRUPTED;
}

async function measure(
  asked: Asked,
  values: GateValues,
  sides: Sides,
  sourceOf: (directories: [string, string]) => PairSource,
  stopped: Stopped,
): Promise<Pick<GateResult, 'metrics' | 'missing'>> {
  const progress = new Progress(asked.seconds);
  let source: PairSource | undefined;
  const stop = (): void => {
    if (stopped.now) process.exit(INTERRUPTED);
    stopped.now = true;
    source?.close();
    endShells();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    progress.begin('gate · work trees');
    source = sourceOf(await sides.directories());
    const isWanted = wanted(asked, values);
    const loads =
      values.command.length > 0
        ? ['']
        : [...new Set(GATE_METRICS.filter(({ name }) => isWanted(name)).map(({ load }) => load))];
    let pair = '';
    progress.begin('gate · pairs', () => pair);
    return await runGate({
      source,
      loads,
      isWanted,
      marginOf: (name) => marginOf(asked, name),
      limits: asked.limits,
      durationMs: asked.seconds * 1e3,
      seed: asked.seed,
      isStopped: () => stopped.now,
      onPair: (load, count) => {
        pair = `${count}${load && `, ${load}`}`;
      },
    });
  } finally {
    progress.pause();
    source?.close();
    for (const signal of signals) process.removeListener(signal, stop);
  }
}

function wanted({ only }: Asked, { command, full }: GateValues): (metric: string) => boolean {
  if (only !== undefined) return (name) => only.includes(name);
  if (command.length > 0 || full) return () => true;
  return (name) => GATE_METRICS.some((metric) => metric.name === name && metric.quick);
}

function marginOf({ margins, marginOfAll }: Asked, name: string): number {
  return (
    margins.get(name) ??
    marginOfAll ??
    GATE_METRICS.find((metric) => metric.name === name)?.margin ??
    COMMAND_MARGIN
  );
}

// What may be asked.

function parse(values: GateValues): Asked {
  const { command, full, only } = values;
  const isOwn = command.length > 0;
  const size = full || isOwn ? 'full' : 'quick';
  const margins = new Map<string, number>();
  let marginOfAll: number | undefined;
  for (const { name, margin } of values.margin.flatMap((value) => value.split(',')).map(parseMargin)) {
    if (name === undefined) marginOfAll = margin;
    else margins.set(name, margin);
  }
  const names =
    only.length === 0 ? undefined : only.flatMap((value) => value.split(',')).map((name) => name.trim());
  if (!isOwn) for (const name of [...(names ?? []), ...margins.keys()]) refuseUnknownMetric(name);
  return {
    only: names,
    margins,
    marginOfAll,
    seconds: numberOf(
      '--seconds',
      values.seconds,
      size === 'full' ? FULL_SECONDS : QUICK_SECONDS,
      SECONDS_MAX,
    ),
    limitMs: 1e3 * numberOf('--limit', values.limit, LIMIT_SECONDS, SECONDS_MAX),
    limits: LIMITS[size],
    seed: seedOf(values.seed),
  };
}

function refuseUnknownMetric(name: string): void {
  if (GATE_METRICS.some((metric) => metric.name === name)) return;
  throw new Refused(
    `'${name}' is no metric; there are ${GATE_METRICS.map((metric) => metric.name).join(', ')}`,
  );
}

function parseMargin(value: string): { name: string | undefined; margin: number } {
  const at = value.lastIndexOf('=');
  const text = value.slice(at + 1);
  const margin = Number(text) / 100;
  if (text.trim() === '' || !(margin > 0 && margin <= MARGIN_MAX))
    throw new Refused(
      `--margin: '${value}' is no percentage above 0 and up to ${100 * MARGIN_MAX}, nor NAME=PERCENTAGE`,
    );
  return { name: at < 0 ? undefined : value.slice(0, at).trim(), margin };
}

function numberOf(option: string, value: string | undefined, otherwise: number, most: number): number {
  if (value === undefined) return otherwise;
  const asked = Number(value);
  if (value.trim() === '' || !(asked >= 1 && asked <= most))
    throw new Refused(`${option}: '${value}' is not a number from 1 to ${most}`);
  return asked;
}

function seedOf(value: string | undefined): number {
  if (value === undefined) return 1;
  const asked = Number(value);
  if (!/^\d+$/.test(value) || asked > SEED_MAX)
    throw new Refused(`--seed: '${value}' is not a whole number from 0 to ${SEED_MAX}`);
  return asked;
}

// The two sides.

/** What can be said to be wrong without a look at the repository. */
function refuseContradictions({ base, head, baseDir, headDir, command }: GateValues): void {
  if (command.length > 2) throw new Refused('--command: one for both sides, or one for each');
  if (base !== undefined && baseDir !== undefined)
    throw new Refused('--base and --base-dir exclude each other');
  if (head !== undefined && headDir !== undefined)
    throw new Refused('--head and --head-dir exclude each other');
}

function sidesOf(values: GateValues, trees: Trees | undefined): Sides {
  const { base, head, baseDir, headDir, command } = values;
  if (command.length === 2) {
    if ([base, head, baseDir, headDir].some((value) => value !== undefined))
      throw new Refused(
        'two --commands are both sides: no --base, --head, --base-dir or --head-dir beside them',
      );
    const [a, b] = command.map((name) => ({ name, revision: null }));
    return { base: a, head: b, directories: async () => [process.cwd(), process.cwd()] };
  }
  if (base === undefined && baseDir === undefined)
    throw new Refused('what is it to be compared with? --base REVISION, --base-dir PATH, or --command twice');
  if (headDir === undefined && base === undefined && head === undefined)
    throw new Refused('--base-dir: which directory is judged? --head-dir PATH, or --head REVISION');
  // Without a --head-dir there is a revision, and so trees.
  if (head === undefined && headDir === undefined) trees!.refuseChanges();
  const baseRevision = base === undefined ? undefined : trees!.resolve('--base', base);
  const headRevision = headDir === undefined ? trees!.resolve('--head', head ?? 'HEAD') : undefined;
  for (const [option, directory] of Object.entries({ '--base-dir': baseDir, '--head-dir': headDir })) {
    if (directory !== undefined && !fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory())
      throw new Refused(`${option}: there is no directory ${directory}`);
  }
  const directoryOf = async (
    revision: Revision | undefined,
    directory: string | undefined,
  ): Promise<string> => (revision === undefined ? path.resolve(directory!) : await trees!.built(revision));
  return {
    base: sideOf(baseRevision, baseDir),
    head: sideOf(headRevision, headDir),
    directories: async () => [
      await directoryOf(baseRevision, baseDir),
      await directoryOf(headRevision, headDir),
    ],
  };
}

const sideOf = (revision: Revision | undefined, directory: string | undefined): GateSide =>
  revision === undefined
    ? { name: directory ?? '', revision: null }
    : { name: revision.asked, revision: revision.sha };

function commandsOf({ command }: GateValues, [base, head]: [string, string]): [SideCommand, SideCommand] {
  return [
    { name: 'the base', command: command[0], cwd: base },
    { name: 'the head', command: command.at(-1) ?? command[0], cwd: head },
  ];
}

function buildIn(directory: string, name: string): Build {
  const library = path.join(directory, LIBRARY);
  if (!fs.existsSync(library)) throw new Refused(`${name} has no ${LIBRARY} in ${directory}: is it built?`);
  return { name, library };
}

// What it leaves.

interface GateOutput extends Output {
  text(result: GateResult): string;
}

function outputsOf({ json, markdown }: GateValues): GateOutput[] {
  const outputs: GateOutput[] = [];
  if (json !== undefined)
    outputs.push({
      option: '--json',
      path: json,
      isOwn: isGateJson,
      text: (result) => `${JSON.stringify(result, null, 2)}\n`,
    });
  if (markdown !== undefined)
    outputs.push({
      option: '--markdown',
      path: markdown,
      isOwn: (text) => text.startsWith(COMMENT_MARK),
      text: gateMarkdown,
    });
  return outputs;
}

function isGateJson(text: string): boolean {
  try {
    return (JSON.parse(text) as { schema?: unknown } | null)?.schema === GATE_SCHEMA;
  } catch {
    return false;
  }
}

function machineOf(directory: string): GateResult['machine'] {
  const { cpu, cores, kernel, node, fileSystem, loadAverage } = describeMachine(directory);
  return { cpu, cores, kernel, node, fileSystem, loadAverage };
}

function emptyResult({ base, head }: Sides, { seed }: Asked, startMs: number): GateResult {
  return {
    schema: GATE_SCHEMA,
    version: GATE_VERSION,
    startedAt: new Date(startMs).toISOString(),
    durationMs: 0,
    verdict: 'error',
    error: null,
    base,
    head,
    seed,
    machine: machineOf(process.cwd()),
    metrics: [],
    missing: [],
  };
}
