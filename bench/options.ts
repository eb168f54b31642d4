// The command line: what may be asked, and the refusal of what may not.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import type { Scenario } from './scenario';
import { SCENARIOS } from './scenarios';
import { REPORT_SCHEMA } from './schema';

const DEFAULT_HOLDS_MS = [0, 1, 10, 100];
const DEFAULT_REPORT = 'bench-report.json';
const DEFAULT_SECONDS = 90;
const QUICK_SECONDS = 20;
const SECONDS_MIN = 1;
const SECONDS_MAX = 86_400;
const HOLD_MS_MAX = 1_000;
const MIB = 1 << 20;

export interface BenchOptions {
  scenarios: Scenario[];
  /** What the whole run is planned to take. */
  seconds: number;
  holdsMs: number[];
  /** Bytes the writeback row streams in a pass. */
  streamBytes: number;
  file: string | undefined;
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
    scenarios: scenarios(values.scenario),
    seconds: seconds(values.seconds, values.quick),
    holdsMs: holds(values.hold),
    streamBytes: (values.full ? 1024 : values.quick ? 64 : 128) * MIB,
    file: values.file,
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
