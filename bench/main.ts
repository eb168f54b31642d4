// `npm run bench`: parses the command line, runs the scenarios, prints and stores what they found.
import fs from 'node:fs';
import { createStopWord, isStopped, raiseStop } from './clock';
import { BenchFiles, FileRefused } from './files';
import { describeMachine } from './machine';
import { measureScenario } from './measure';
import { BadOption, type BenchOptions, HELP, parseCommand } from './options';
import { plannedSeconds, planScenarios } from './plan';
import { closing, opening } from './report/frame';
import { Progress } from './report/progress';
import { blocksOf } from './report/scenario';
import { inTerminal } from './report/terminal';
import { Interrupted, type Run } from './run';
import { SCENARIOS } from './scenarios';
import { type BenchReport, noResults, REPORT_SCHEMA, REPORT_VERSION } from './schema';

const OK = 0;
const FAILED = 1;
const BAD_OPTION = 2;
const INTERRUPTED = 130;
/** A handle that lingers after the report must not keep the command from ending, ms. */
const LINGER_MS = 3_000;

async function main(args: string[]): Promise<number> {
  try {
    const command = parseCommand(args);
    if (command.kind === 'help') {
      print(HELP);
      return OK;
    }
    if (command.kind === 'list') {
      const width = Math.max(...SCENARIOS.map(({ name }) => name.length)) + 2;
      for (const { name, what } of SCENARIOS) print(`${name.padEnd(width)}${what}\n`);
      return OK;
    }
    const files = BenchFiles.create(command.options.file, command.options.force);
    // However the process ends, short of SIGKILL, its files go.
    process.once('exit', () => files.remove());
    return await bench(command.options, files);
  } catch (error) {
    if (!(error instanceof BadOption || error instanceof FileRefused)) throw error;
    process.stderr.write(`bench: ${error.message}\nTry --help.\n`);
    return BAD_OPTION;
  }
}

async function bench(options: BenchOptions, files: BenchFiles): Promise<number> {
  const startMs = Date.now();
  const report = emptyReport(options, files);
  const progress = new Progress(plannedSeconds(options.scenarios, options.seconds));
  const run: Run = { options, files, progress, stop: createStopWord(), report, nextSequence: 1 };
  stopOnSignal(run);
  print(`${opening(report, files.paths.data)}\n`);
  const failure = await runScenarios(run);
  progress.end();
  report.durationMs = Date.now() - startMs;
  report.failures = options.scenarios.flatMap((scenario) => scenario.failures(report));
  if (failure !== undefined) {
    report.failures.push(`the run broke off: ${failure instanceof Error ? failure.message : failure}`);
    process.stderr.write(`${failure instanceof Error ? failure.stack : failure}\n`);
  }
  fs.writeFileSync(options.report, `${JSON.stringify(report, null, 2)}\n`);
  print(`${closing(report, options.report)}\n`);
  if (report.interrupted) return INTERRUPTED;
  return report.failures.length === 0 ? OK : FAILED;
}

/** Runs and prints one scenario after another; what was measured is printed also when a signal or an error, which is returned, ends it. */
async function runScenarios(run: Run): Promise<unknown> {
  const { scenarios, seconds } = run.options;
  const plan = planScenarios(scenarios, seconds);
  let failure: unknown;
  for (const [n, scenario] of scenarios.entries()) {
    if (isStopped(run.stop)) break;
    try {
      await measureScenario(run, scenario, plan[n]);
    } catch (error) {
      raiseStop(run.stop);
      if (!(error instanceof Interrupted)) failure = error;
    }
    run.progress.pause();
    const blocks = blocksOf(scenario, run.report);
    if (blocks.length > 0) print(`${inTerminal(blocks)}\n`);
  }
  return failure;
}

/** The first signal ends every role soon and reports what there is; the second ends the process at once. */
function stopOnSignal(run: Run): void {
  const onSignal = (): void => {
    if (run.report.interrupted) process.exit(INTERRUPTED);
    run.report.interrupted = true;
    raiseStop(run.stop);
    run.progress.begin('stopping (a second signal: at once)');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

function emptyReport(
  {
    scenarios,
    size,
    seconds,
    holdsMs,
    holdShapes,
    pinSources,
    threads,
    streamBytes,
    file,
    seed,
    trace,
  }: BenchOptions,
  files: BenchFiles,
): BenchReport {
  return {
    schema: REPORT_SCHEMA,
    version: REPORT_VERSION,
    startedAt: new Date().toISOString(),
    durationMs: 0,
    interrupted: false,
    command: {
      scenarios: scenarios.map(({ name }) => name),
      size,
      seconds,
      holdsMs,
      holdShapes,
      pinSources,
      threads,
      streamBytes,
      file: file ?? null,
      seed,
      trace: trace?.name ?? null,
    },
    machine: describeMachine(files.directory),
    floors: [],
    cpu: [],
    calibration: null,
    failures: [],
    ...noResults(),
  };
}

function print(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
