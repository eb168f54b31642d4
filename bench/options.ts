// The command line: what may be asked, and the refusal of what may not.
import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Scenario } from './scenario';
import { SCENARIOS } from './scenarios';
import { FOOTPRINT_MIN } from './scenarios/replacement';
import { BadTrace, readTrace } from './scenarios/replacement/csv';
import type { Trace } from './scenarios/replacement/trace';
import { type HoldShape, type PinSource, REPORT_SCHEMA, type RunSize } from './schema';

const DEFAULT_HOLDS_MS = [0, 1, 10, 100];
const DEFAULT_REPORT = 'bench-report.json';
const DEFAULT_SECONDS = 90;
const QUICK_SECONDS = 20;
const SECONDS_MIN = 1;
const SECONDS_MAX = 86_400;
const HOLD_MS_MAX = 1_000;
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
  report: string;
}

export type Command = { kind: 'run'; options: BenchOptions } | { kind: 'help' } | { kind: 'list' };

/** The message names the option and what it accepts; the process then ends with code 2. */
export class BadOption extends Error {}

export const HELP = `pinfold's benchmark: does fsync wait for pins, and does it lie?

Usage: npm run bench -- [options]        (once built: node bench/dist/main.js [options])

  --scenario NAME   run only this one; repeat it or separate by commas (--list shows all, also those that a default run leaves out)
  --seconds N       planned time of the whole run, ${SECONDS_MIN} to ${SECONDS_MAX} (default ${DEFAULT_SECONDS}); more time, more samples
  --quick           --seconds ${QUICK_SECONDS} and a smaller writeback row: a look, not a measurement
  --full            1 GiB a pass in the writeback rows instead of 128 MiB (takes half a minute more)
  --hold MS         how long pages stay pinned, 0 to ${HOLD_MS_MAX}; repeat it or separate by commas (default ${DEFAULT_HOLDS_MS.join(',')})
  --file PATH       the data file (default: a temporary one in the current directory); its file system is what is measured
  --force           let --file and --json overwrite what exists; such a data file then stays, with the bench's bytes in it
  --json PATH       where the report goes (default ${DEFAULT_REPORT}); bench/schema.ts describes it
  --seed N          another set of generated traces, 0 to ${SEED_MAX} (default ${DEFAULT_SEED})
  --trace FILE      the replacement scenario plays this trace instead: a line an access, "page" or "time,page", further columns unread;
                    whole numbers; a header may name the column (page, block, lba, key, id)
  --list            name the scenarios
  --help            this text

Exit code: 0 when every promise held, 1 when an fsync lied or half an update was seen (or a check could not have seen it),
2 for a bad option, 130 when interrupted. A bar that a row falls short of is shown and does not change the exit code.
`;

/** @throws BadOption */
export function parseCommand(args: string[]): Command {
  const values = parseStrictly(args);
  if (values.help) return { kind: 'help' };
  if (values.list) return { kind: 'list' };
  if (values.quick && values.full) throw new BadOption('--quick and --full exclude each other');
  const options: BenchOptions = {
    scenarios: scenarios(values.trace === undefined ? values.scenario : withTrace(values.scenario)),
    size: values.quick ? 'quick' : values.full ? 'full' : values.seconds === undefined ? 'default' : 'asked',
    seconds: seconds(values.seconds, values.quick),
    holdsMs: holds(values.hold),
    holdShapes: ['fixed'],
    pinSources: ['file'],
    threads: availableParallelism(),
    streamBytes: (values.full ? 1024 : values.quick ? 64 : 128) * MIB,
    file: values.file,
    seed: seed(values.seed),
    trace: trace(values.trace),
    force: values.force,
    report: values.json ?? DEFAULT_REPORT,
  };
  if (options.file === '') throw new BadOption('--file: the path is empty');
  refuseForeignReport(options.report, options.force);
  return { kind: 'run', options };
}

function parseStrictly(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: false,
      options: {
        scenario: { type: 'string', multiple: true, default: [] },
        seconds: { type: 'string' },
        hold: { type: 'string', multiple: true, default: [] },
        file: { type: 'string' },
        json: { type: 'string' },
        seed: { type: 'string' },
        trace: { type: 'string' },
        force: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        full: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    // "Unknown option '--x'. To specify a positional argument …": the second sentence does not apply here.
    throw new BadOption((error as Error).message.split('. To specify')[0]);
  }
}

function separated(values: string[]): string[] {
  return values.flatMap((value) => value.split(',')).map((value) => value.trim());
}

function scenarios(values: string[]): Scenario[] {
  if (values.length === 0) return SCENARIOS.filter(({ share }) => share > 0);
  const asked = separated(values);
  const known = SCENARIOS.map(({ name }) => name);
  for (const name of asked) {
    if (!known.includes(name)) {
      throw new BadOption(`--scenario: '${name}' is not a scenario; there are ${known.join(', ')}`);
    }
  }
  return SCENARIOS.filter(({ name }) => asked.includes(name));
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

function seconds(value: string | undefined, quick: boolean): number {
  if (value === undefined) return quick ? QUICK_SECONDS : DEFAULT_SECONDS;
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

function trace(path: string | undefined): Trace | undefined {
  if (path === undefined) return undefined;
  try {
    const read = readTrace(path);
    if (read.footprint < FOOTPRINT_MIN) {
      throw new BadTrace(
        `${path} has ${read.footprint} pages, too few to tell policies apart: at least ${FOOTPRINT_MIN}`,
      );
    }
    return read;
  } catch (error) {
    if (error instanceof BadTrace) throw new BadOption(`--trace: ${error.message}`);
    throw error;
  }
}

/** An earlier report is replaced; anything else that exists is somebody's file. */
function refuseForeignReport(path: string, force: boolean): void {
  if (path === '') throw new BadOption('--json: the path is empty');
  if (force || !fs.existsSync(path)) return;
  try {
    const earlier: { schema?: unknown } | null = JSON.parse(fs.readFileSync(path, 'utf8'));
    if (earlier?.schema === REPORT_SCHEMA) return;
  } catch {
    // Not JSON, or not readable: refused below.
  }
  throw new BadOption(`--json: ${path} exists and is no report of this bench; --force overwrites it`);
}
