// The command line of pinfold-bench: its commands, their help, and what the process ends with.
import { Command, CommanderError, Help, Option } from 'commander';
import { version } from '../../package.json';
import { reportJsonSchema } from '../json-schema';
import { declareRunOptions, parseRun, type RunValues } from '../options';
import { Refused } from '../refused';
import { SCENARIOS } from '../scenarios';
import { compare } from './compare';
import { type CountersValues, counters } from './counters';
import { BAD_INPUT, OK } from './exit';
import { declareGateOptions, GATE_EXIT, type GateValues, gate, gateMetricsHelp } from './gate';
import { print } from './print';
import { BETTER, REPORT_FORMATS, type ReportValues, showReport } from './report';
import { runBench } from './run';
import { type TrendValues, trend } from './trend';

const NAME = 'pinfold-bench';
const DEFAULT_COMMAND = 'run';
const HELP_WIDTH = 118;
/** Before a command these are the program's own; whatever else begins with a dash belongs to the default command. */
const OWN_OPTIONS = ['-h', '--help', '-V', '--version'];
const NO_COLOR = '--no-color';
/** Their code 2 has a meaning of its own: for bad input they have 3. */
const GATES = ['gate', 'counters', 'trend'];

const EXIT_CODES = `
Exit code: 0 when every promise held (run), when no verdict differs (compare); 1 when an fsync lied or half an update was seen,
when a check could not have seen it, when the run broke off or a report could not be written, when verdicts differ (compare);
2 for a bad option or a file that can't be used, before anything is done; 130 when interrupted. A bar that a row falls short of
is shown and does not change the exit code of a run.
`;

/** Carries out a command line, without the program's name, and returns the exit code. */
export async function commandLine(args: string[]): Promise<number> {
  let ended = OK;
  const program = declare((code) => {
    ended = code;
  });
  const words = withDefaultCommand(args);
  const badInput = GATES.includes(words.find((word) => word !== NO_COLOR) ?? '')
    ? GATE_EXIT.error
    : BAD_INPUT;
  try {
    await program.parseAsync(words, { from: 'user' });
    return ended;
  } catch (error) {
    // commander has printed the help, the version, or what is wrong with the arguments.
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : badInput;
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${NAME}: ${error.message}\nTry --help.\n`);
    return badInput;
  }
}

function withDefaultCommand(args: string[]): string[] {
  const at = args.findIndex((arg) => arg !== NO_COLOR);
  const first = at < 0 ? undefined : args[at];
  if (first !== undefined && (!first.startsWith('-') || OWN_OPTIONS.includes(first))) return args;
  return [...args.slice(0, Math.max(at, 0)), DEFAULT_COMMAND, ...args.slice(Math.max(at, 0))];
}

function declare(end: (code: number) => void): Command {
  // What is set here holds for the commands too, if it is set before they are declared.
  const program = new Command(NAME)
    .description(
      'Does fsync wait for pinned pages, and does it lie? What does a hit cost, a commit, a thread that dies?',
    )
    .version(version)
    .option(NO_COLOR, 'no colours; so does NO_COLOR=1, and FORCE_COLOR=1 has them in a pipe')
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => Math.min(process.stdout.columns || HELP_WIDTH, HELP_WIDTH),
      outputError: (text, write) => write(text.replace(/^error: /, `${NAME}: `)),
    })
    .showHelpAfterError('Try --help.')
    .configureHelp({ showGlobalOptions: true, optionDescription: describe })
    .addHelpText(
      'after',
      `
"${NAME} COMMAND --help" has the options of a command, and examples. Without a command, ${DEFAULT_COMMAND} is meant:
  ${NAME} --quick                    is  ${NAME} run --quick
  npm run bench -- --seconds 30            is the same in the project itself
${EXIT_CODES}`,
    );

  const run = program
    .command(DEFAULT_COMMAND)
    .summary('run the scenarios, print their tables and leave a report (default)')
    .description(
      'Runs the scenarios one after another in temporary files, prints their tables, and leaves a report as JSON and as HTML.\nCtrl-C stops it, removes its files, and reports what was measured so far.',
    )
    .allowExcessArguments(false)
    .action(async (values: RunValues) => end(await runBench(parseRun(values))));
  declareRunOptions(run);
  run.addHelpText(
    'after',
    `
Examples:
  $ ${NAME} run --quick                                 a look
  $ ${NAME} run --seconds 300 --file /mnt/disk/data     another disk than the one you are on
  $ ${NAME} run --scenario fsync,mixed --hold 0,10      two scenarios only
  $ ${NAME} run --json a.json                           leaves a.json and a.html
${EXIT_CODES}`,
  );

  program
    .command('list')
    .summary('name the scenarios')
    .description('Names the scenarios, with what each one asks.')
    .allowExcessArguments(false)
    .action(() => end(list()))
    .addHelpText(
      'after',
      `
Example:
  $ ${NAME} list
`,
    );

  program
    .command('report')
    .summary('show a report again, check it, or turn it into HTML or another format')
    .description('Prints the tables of a report that a run has left, or turns it into something else.')
    .argument('<report>', 'a report as JSON')
    .option('--html <path>', 'write it as HTML instead')
    .option('--force', 'let --html overwrite what exists', false)
    .addOption(new Option('--format <format>', 'how it is printed').choices(REPORT_FORMATS).default('text'))
    .addOption(
      new Option(
        '--better <direction>',
        'with --format github-action-benchmark: only figures that are better the smaller (for the tool customSmallerIsBetter) or the larger they are (customBiggerIsBetter)',
      ).choices(BETTER),
    )
    .option(
      '--check',
      'only tell whether it is a valid report of this version, and what is wrong with it',
      false,
    )
    .allowExcessArguments(false)
    .action((file: string, values: ReportValues) => end(showReport(file, values)))
    .addHelpText(
      'after',
      `
Examples:
  $ ${NAME} report bench-report.json
  $ ${NAME} report bench-report.json --html for-a-colleague.html
  $ ${NAME} report bench-report.json --check
  $ ${NAME} report bench-report.json --format github-action-benchmark --better smaller > smaller.json
`,
    );

  program
    .command('compare')
    .summary('lay two reports beside one another: what changed, and do their verdicts agree?')
    .description(
      'Lays two reports beside one another, figure by figure: what changed, by more than chance, and whether the verdicts agree.',
    )
    .argument('<a>', 'a report as JSON')
    .argument('<b>', 'another one, of the same version')
    .option('--json', 'print it for programs', false)
    .allowExcessArguments(false)
    .action((a: string, b: string, values: { json: boolean }) => end(compare(a, b, values)))
    .addHelpText(
      'after',
      `
Examples:
  $ ${NAME} compare before.json after.json
  $ ${NAME} compare before.json after.json --json

Exit code: 0 when all verdicts agree, 1 when one differs or promises held in one run only, 2 when they can't be compared.
`,
    );

  const gateCommand = program
    .command('gate')
    .summary('is one revision slower than another? Fails only if it is, twice')
    .description(
      'Builds two revisions in clean work trees, runs them in turns in fresh processes, and fails if one is slower by more than a margin\nand is so again when it is measured anew. docs/perf-ci.md has it in full.',
    )
    .allowExcessArguments(false)
    .action(async (values: GateValues) => end(await gate(values)));
  declareGateOptions(gateCommand);
  gateCommand.addHelpText(
    'after',
    `
Metrics of a build of the library, and how much worse each may be:
${gateMetricsHelp()}

Examples:
  $ ${NAME} gate --base main                            HEAD against main
  $ ${NAME} gate --base v1.0.0 --head v1.1.0 --full --markdown comment.md
  $ ${NAME} gate --base-dir ../before --head-dir . --only view,pin
  $ ${NAME} gate --base main --command 'node bench.js'  a benchmark of your own, in both trees

Exit code: 0 nothing is slower, 1 something is, 2 inconclusive (the machine moved, or the time did not do), 3 an error: nothing can
be said (bad options, a revision that does not build, a metric that the head lacks); 130 when interrupted.
`,
  );

  program
    .command('counters')
    .summary('compare exact figures with a baseline that is kept with the code')
    .description(
      'Runs a command that prints a sample of exact figures (docs/perf-ci.md) and compares each with a baseline: no statistics.',
    )
    .requiredOption('--baseline <path>', 'the file of the baseline')
    .requiredOption('--command <command>', 'what prints the figures')
    .option('--update', 'make what is printed the baseline', false)
    .option('--all', 'show all of them, not those alone that have changed', false)
    .allowExcessArguments(false)
    .action(async (values: CountersValues) => end(await counters(values)))
    .addHelpText(
      'after',
      `
Examples:
  $ ${NAME} counters --baseline counters.json --command 'node count.js'
  $ ${NAME} counters --baseline counters.json --command 'node count.js' --update

Exit code: 0 none is worse, 1 one is, 3 an error: one is in the baseline and not printed, or the other way round, or nothing could be had.
`,
    );

  program
    .command('trend')
    .summary('draw what gates have found over time, as one HTML file')
    .description(
      'Draws the history that "gate --history" has written, metric by metric, as one HTML file that needs no network.',
    )
    .argument('<history>', 'the file of JSON lines')
    .requiredOption('--html <path>', 'where it goes')
    .option('--force', 'let --html overwrite what exists', false)
    .allowExcessArguments(false)
    .action((file: string, values: TrendValues) => end(trend(file, values)))
    .addHelpText(
      'after',
      `
Example:
  $ ${NAME} trend gates.jsonl --html trend.html

Exit code: 0 when it is written, 3 when it can't be.
`,
    );

  program
    .command('schema')
    .summary('print the JSON Schema of a report')
    .description('Prints the JSON Schema (draft 2020-12) of a report as this version writes it.')
    .allowExcessArguments(false)
    .action(() => {
      print(`${JSON.stringify(reportJsonSchema(), null, 2)}\n`);
      end(OK);
    })
    .addHelpText(
      'after',
      `
Example:
  $ ${NAME} schema > report.schema.json
`,
    );
  return program;
}

/** As commander describes an option, without "(default: false)" and "(default: [])". */
function describe(option: Option): string {
  const { defaultValue } = option;
  const isNothing = defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0);
  const shown = isNothing ? Object.assign(Object.create(option), { defaultValue: undefined }) : option;
  return new Help().optionDescription(shown);
}

function list(): number {
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length)) + 2;
  for (const { name, what } of SCENARIOS) print(`${name.padEnd(width)}${what}\n`);
  const usual = SCENARIOS.filter(({ share }) => share > 0).map(({ name }) => name);
  print(`\nA run without --scenario has ${usual.join(', ')}; the others are run by name.\n`);
  return OK;
}
