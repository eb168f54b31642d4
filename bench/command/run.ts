// `pinfold-bench run`: runs the scenarios, prints and stores what they found.
import { createStopWord, isStopped, raiseStop } from '../clock';
import { BenchFiles } from '../files';
import { describeMachine } from '../machine';
import { measureScenario } from '../measure';
import type { BenchOptions } from '../options';
import { isDiskFull, type Output, refuseUnwritable, writeWhole } from '../output';
import { plannedSeconds, planScenarios } from '../plan';
import { doubtful } from '../report/blocks';
import { closing, opening } from '../report/frame';
import { Progress } from '../report/progress';
import { blocksOf } from '../report/scenario';
import { coloured, inTerminal } from '../report/terminal';
import { isReport, reportText } from '../report-file';
import { Interrupted, type Run } from '../run';
import { type BenchReport, noResults, REPORT_SCHEMA, REPORT_VERSION } from '../schema';
import { FAILED, INTERRUPTED, OK } from './exit';
import { htmlText, isOwnHtml } from './html';
import { print } from './print';

/** npm passes a Ctrl-C on to a process that the terminal has sent it to already. */
const SAME_SIGNAL_MS = 200;

interface ReportOutput extends Output {
  text(report: BenchReport): string;
}

/** @throws Refused before anything is measured */
export async function runBench(options: BenchOptions): Promise<number> {
  const startMs = Date.now();
  const outputs: ReportOutput[] = [
    { option: '--json', path: options.report, isOwn: isReport, text: reportText },
    { option: '--html', path: options.html, isOwn: isOwnHtml, text: htmlText },
  ];
  for (const output of outputs) refuseUnwritable(output, options.force);
  // From here on, before there is a file to remove; heard is a signal only once all of this is there.
  stopOnSignals(() => run);
  const files = BenchFiles.create(options.file, options.force);
  // However the process ends, short of SIGKILL, its files go.
  process.once('exit', () => files.remove());
  const report = emptyReport(options, files);
  const progress = new Progress(plannedSeconds(options.scenarios, options.seconds, options.size === 'full'));
  const run: Run = {
    options,
    files,
    progress,
    stop: createStopWord(),
    report,
    childrenCpu: { user: 0, system: 0 },
    nextSequence: 1,
  };

  print(`${opening(report, files.paths.data)}\n`);
  const failure = await runScenarios(run);
  progress.pause();
  // First: on a disk that is full they make room for the report.
  files.remove();
  report.durationMs = Date.now() - startMs;
  // A control that an error kept from its end is none that is broken.
  const asFound = failure === undefined ? report : { ...report, interrupted: true };
  report.failures = options.scenarios.flatMap((scenario) => scenario.failures(asFound));
  if (failure !== undefined) report.failures.push(brokenOff(failure, files.directory));
  const written = outputs.filter((output) => writeReport(report, output)).map(({ path }) => path);
  print(`${closing(report)}\n${(report.durationMs / 1e3).toFixed(1)} s · ${reportedIn(written)}\n`);
  if (report.interrupted) return INTERRUPTED;
  return report.failures.length === 0 && written.length === outputs.length ? OK : FAILED;
}

/** Runs and prints one scenario after another; what was measured is printed also when a signal or an error, which is returned, ends it. */
async function runScenarios(run: Run): Promise<unknown> {
  const { scenarios, seconds, size, leftOut } = run.options;
  const plan = planScenarios(scenarios, seconds, size === 'full');
  for (const { name, why } of leftOut) print(`${coloured(doubtful(`${name} is left out: ${why}`))}\n`);
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
function stopOnSignals(runNow: () => Run): void {
  let firstMs: number | undefined;
  const onSignal = (): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      stop(runNow());
    } else if (performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(INTERRUPTED);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // Nobody reads the tables any more: as Ctrl-C.
  process.stdout.once('error', () => stop(runNow()));
}

function stop(run: Run): void {
  if (run.report.interrupted) return;
  run.report.interrupted = true;
  raiseStop(run.stop);
  run.progress.begin('stopping (a second signal: at once)');
}

/** What the report says of an error that ended the run. A disk that is full is no defect, and needs no stack. */
function brokenOff(failure: unknown, directory: string): string {
  const message = failure instanceof Error ? failure.message : String(failure);
  if (isDiskFull(failure))
    return `the run broke off: the disk is full, or the quota used up, where its files are (${directory}): ${message}`;
  process.stderr.write(`${failure instanceof Error ? failure.stack : failure}\n`);
  return `the run broke off: ${message}`;
}

/** False, and a message, when the system refuses. */
function writeReport(report: BenchReport, { option, path, text }: ReportOutput): boolean {
  try {
    writeWhole(path, text(report));
    return true;
  } catch (error) {
    process.stderr.write(
      `pinfold-bench: ${option}: ${path} could not be written: ${(error as Error).message}\n`,
    );
    return false;
  }
}

function reportedIn(written: string[]): string {
  return written.length === 0 ? 'no report could be written' : `report: ${written.join(', ')}`;
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
