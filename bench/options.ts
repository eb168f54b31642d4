// The options of a run: what may be asked, and the refusal of what may not.
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import type { Breadth } from './plan';
import { Refused } from './refused';
import type { Scenario } from './scenario';
import { SCENARIOS } from './scenarios';
import { FOOTPRINT_MIN } from './scenarios/replacement';
import { BadTrace, readTrace } from './scenarios/replacement/csv';
import type { Trace } from './scenarios/replacement/trace';
import { HOLD_SHAPES, type HoldShape, PIN_SOURCES, type PinSource, type RunSize } from './schema';

const DEFAULT_HOLDS_MS = [0, 1, 10, 100];
const DEFAULT_REPORT = 'bench-report.json';
const DEFAULT_SECONDS = 92;
const QUICK_SECONDS = 30;
const FULL_SECONDS = 360;
const SECONDS_MIN = 1;
const SECONDS_MAX = 86_400;
const HOLD_MS_MAX = 1_000;
const THREADS_MAX = 64;
/** So many are tried also on a machine with fewer cores: what waits for the disk needs none. */
const DEFAULT_THREADS = Math.min(THREADS_MAX, Math.max(4, availableParallelism()));
const MIB = 1 << 20;
const DEFAULT_SEED = 1;
const SEED_MAX = 2 ** 31 - 1;
/** The scenario that plays traces. */
const TRACE_SCENARIO = 'replacement';

export interface BenchOptions {
  scenarios: Scenario[];
  size: RunSize;
  /** What the whole run is planned to take. */
  seconds: number;
  holdsMs: number[];
  holdShapes: HoldShape[];
  pinSources: PinSource[];
  /** How many combinations of those. */
  breadth: Breadth;
  /** Scenarios that this machine can't run, and that nobody asked for by name. */
  leftOut: { name: string; why: string }[];
  /** The most threads of the scenarios that try several numbers. */
  threads: number;
  /** Bytes the writeback row streams in a pass. */
  streamBytes: number;
  file: string | undefined;
  /** What generated traces follow from. */
  seed: number;
  /** The only trace of the replacement scenario. */
  trace: Trace | undefined;
  force: boolean;
  /** Where the report goes, as JSON and as HTML. */
  report: string;
  html: string;
}

/** The message names the option and what it accepts. */
class BadOption extends Refused {}

/** As they are on the command line. */
export interface RunValues {
  scenario: string[];
  seconds?: string;
  quick: boolean;
  full: boolean;
  hold: string[];
  holdShape: string[];
  pins: string[];
  threads?: string;
  file?: string;
  json?: string;
  html?: string;
  force: boolean;
  seed?: string;
  trace?: string;
}

const repeated = (value: string, earlier: string[]): string[] => [...earlier, value];

/** What `run` takes; `parseRun` judges the values. */
export function declareRunOptions(run: Command): void {
  run
    .option(
      '--scenario <name>',
      'run only this one; repeat it or separate by commas ("pinfold-bench list" shows all, also those that a default run leaves out)',
      repeated,
      [],
    )
    .option(
      '--seconds <n>',
      `planned time of the whole run, ${SECONDS_MIN} to ${SECONDS_MAX} (default ${DEFAULT_SECONDS}); more time, more samples`,
    )
    .option(
      '--quick',
      `--seconds ${QUICK_SECONDS} and a smaller writeback row: a look, not a measurement`,
      false,
    )
    .option(
      '--full',
      `--seconds ${FULL_SECONDS}, every scenario, all shapes of holds and sources of pins (at one hold), 1 GiB a pass in the writeback rows instead of 128 MiB (takes some minutes more)`,
      false,
    )
    .option(
      '--hold <ms>',
      `how long pages stay pinned, 0 to ${HOLD_MS_MAX}; repeat it or separate by commas (default ${DEFAULT_HOLDS_MS.join(',')})`,
      repeated,
      [],
    )
    .option(
      '--hold-shape <name>',
      `how the lengths of holds are drawn around that: ${HOLD_SHAPES.join(', ')} (a bounded Pareto distribution); repeat it or separate by commas (default: fixed, and a few cells of the others; --quick: fixed; named here: at every hold)`,
      repeated,
      [],
    )
    .option(
      '--pins <name>',
      `what stores into the pinned pages: ${PIN_SOURCES.join(', ')} (reads of a file, receives over loopback, a thread word by word); repeat it or separate by commas (default: file, and a few cells of the others; --quick: file; named here: at every hold)`,
      repeated,
      [],
    )
    .option(
      '--threads <n>',
      `the most threads of the scenarios that try several numbers, 1 to ${THREADS_MAX} (default ${DEFAULT_THREADS})`,
    )
    .option(
      '--file <path>',
      'the data file (default: a temporary one in the current directory); its file system is what is measured',
    )
    .option(
      '--force',
      "let --file, --json and --html overwrite what exists; such a data file then stays, with the bench's bytes in it",
      false,
    )
    .option('--json <path>', `where the report goes, for programs (default ${DEFAULT_REPORT})`)
    .option('--html <path>', 'where it goes for people (default: beside the JSON, under its name with .html)')
    .option('--seed <n>', `another set of generated traces, 0 to ${SEED_MAX} (default ${DEFAULT_SEED})`)
    .option(
      '--trace <file>',
      'the replacement scenario plays this trace instead: a line an access, "page" or "time,page", further columns unread; whole numbers; a header may name the column (page, block, lba, key, id)',
    );
}

/** @throws BadOption */
export function parseRun(values: RunValues): BenchOptions {
  if (values.quick && values.full) throw new BadOption('--quick and --full exclude each other');
  const asked = values.trace === undefined ? values.scenario : withTrace(values.scenario);
  const isMatrixAsked = values.holdShape.length + values.pins.length > 0;
  const report = values.json ?? DEFAULT_REPORT;
  const options: BenchOptions = {
    ...scenarios(asked, values.full),
    size: values.quick ? 'quick' : values.full ? 'full' : values.seconds === undefined ? 'default' : 'asked',
    seconds: seconds(
      values.seconds,
      values.quick ? QUICK_SECONDS : values.full ? FULL_SECONDS : DEFAULT_SECONDS,
    ),
    holdsMs: holds(values.hold),
    holdShapes: oneOfThese('--hold-shape', HOLD_SHAPES, values.holdShape, isMatrixAsked || values.quick),
    pinSources: oneOfThese('--pins', PIN_SOURCES, values.pins, isMatrixAsked || values.quick),
    breadth: isMatrixAsked ? 'every hold' : values.full ? 'one hold' : 'sample',
    threads: threads(values.threads),
    streamBytes: (values.full ? 1024 : values.quick ? 64 : 128) * MIB,
    file: values.file,
    seed: seed(values.seed),
    trace: trace(values.trace),
    force: values.force,
    report,
    html: values.html ?? besideReport(report),
  };
  if (options.file === '') throw new BadOption('--file: the path is empty');
  refuseSharedPaths(options);
  return options;
}

/** `out/a.json` has `out/a.html`. */
function besideReport(report: string): string {
  const { dir, name } = path.parse(report);
  return path.join(dir, `${name}.html`);
}

/** Two of the run's files at one path: the later would replace the earlier. */
function refuseSharedPaths({ file, report, html }: BenchOptions): void {
  const named = { '--file': file, '--json': report, '--html': html };
  const byPath = new Map<string, string>();
  for (const [option, at] of Object.entries(named)) {
    if (at === undefined) continue;
    const other = byPath.get(path.resolve(at));
    if (other !== undefined) throw new BadOption(`${other} and ${option} are the same file, ${at}`);
    byPath.set(path.resolve(at), option);
  }
}

function separated(values: string[]): string[] {
  return values.flatMap((value) => value.split(',')).map((value) => value.trim());
}

function scenarios(values: string[], isFull: boolean): Pick<BenchOptions, 'scenarios' | 'leftOut'> {
  if (values.length === 0) {
    const wanted = SCENARIOS.filter(({ share }) => isFull || share > 0);
    const leftOut = wanted.flatMap((each) => {
      const why = each.unfit?.();
      return why === undefined ? [] : [{ name: each.name, why }];
    });
    return {
      scenarios: wanted.filter(({ name }) => leftOut.every((out) => out.name !== name)),
      leftOut,
    };
  }
  const asked = separated(values);
  const known = SCENARIOS.map(({ name }) => name);
  for (const name of asked) {
    if (!known.includes(name)) {
      throw new BadOption(`--scenario: '${name}' is not a scenario; there are ${known.join(', ')}`);
    }
  }
  const chosen = SCENARIOS.filter(({ name }) => asked.includes(name));
  for (const { refusal } of chosen) {
    const why = refusal?.();
    if (why !== undefined) throw new BadOption(`--scenario: ${why}`);
  }
  return { scenarios: chosen, leftOut: [] };
}

/** Of `known`, those that were asked for, in their own order; if none was, the first one or all. */
function oneOfThese<T extends string>(
  option: string,
  known: readonly T[],
  values: string[],
  isFirstAlone: boolean,
): T[] {
  if (values.length === 0) return isFirstAlone ? known.slice(0, 1) : [...known];
  const asked = separated(values);
  for (const name of asked) {
    if (!(known as readonly string[]).includes(name))
      throw new BadOption(`${option}: '${name}' is none of ${known.join(', ')}`);
  }
  return known.filter((name) => asked.includes(name));
}

function threads(value: string | undefined): number {
  if (value === undefined) return DEFAULT_THREADS;
  const asked = Number(value);
  if (!/^\d+$/.test(value) || asked < 1 || asked > THREADS_MAX) {
    throw new BadOption(`--threads: '${value}' is not a whole number from 1 to ${THREADS_MAX}`);
  }
  return asked;
}

function holds(values: string[]): number[] {
  if (values.length === 0) return DEFAULT_HOLDS_MS;
  const asked = separated(values).map((value) => {
    const ms = Number(value);
    if (value === '' || !(ms >= 0 && ms <= HOLD_MS_MAX)) {
      throw new BadOption(`--hold: '${value}' is not a number of milliseconds from 0 to ${HOLD_MS_MAX}`);
    }
    return ms;
  });
  return [...new Set(asked)].sort((a, b) => a - b);
}

function seconds(value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  const asked = Number(value);
  if (value.trim() === '' || !(asked >= SECONDS_MIN && asked <= SECONDS_MAX)) {
    throw new BadOption(`--seconds: '${value}' is not a number from ${SECONDS_MIN} to ${SECONDS_MAX}`);
  }
  return asked;
}

/** A trace asks for its scenario, and for no other. */
function withTrace(values: string[]): string[] {
  for (const name of separated(values)) {
    if (name !== TRACE_SCENARIO)
      throw new BadOption(`--trace is for the scenario ${TRACE_SCENARIO}, not '${name}'`);
  }
  return [TRACE_SCENARIO];
}

function seed(value: string | undefined): number {
  if (value === undefined) return DEFAULT_SEED;
  const asked = Number(value);
  if (!/^\d+$/.test(value) || asked > SEED_MAX) {
    throw new BadOption(`--seed: '${value}' is not a whole number from 0 to ${SEED_MAX}`);
  }
  return asked;
}

function trace(file: string | undefined): Trace | undefined {
  if (file === undefined) return undefined;
  try {
    const read = readTrace(file);
    if (read.footprint < FOOTPRINT_MIN) {
      throw new BadTrace(
        `${file} has ${read.footprint} pages, too few to tell policies apart: at least ${FOOTPRINT_MIN}`,
      );
    }
    return read;
  } catch (error) {
    if (error instanceof BadTrace) throw new BadOption(`--trace: ${error.message}`);
    throw error;
  }
}
