// What a scenario is to the bench. `scenarios/index.ts` lists them.
import type { Block } from './report/blocks';
import type { Chart } from './report/chart';
import type { Figure } from './report/figure';
import type { Run } from './run';
import type { BenchReport } from './schema';

export interface Scenario {
  /** As `--scenario` takes it. */
  name: string;
  /** One line for `list`. */
  what: string;
  /** What it is worth of the default run's time, in seconds of 92 or so; 0: it runs only with --full, or when it is asked for by name. */
  share: number;
  /** What it is worth of a full run's time, in seconds of 360. */
  fullShare: number;
  /** Pages of an fsync in it: the machine's own floor is measured for as many, before it and after it. Undefined: its latencies are of no fsync. */
  floorPages?: number;
  /** It has no use for more time than this. */
  maxMs?: number;
  /** Why it can't be run here when it is asked for by name, and what to do about it; undefined if it can. */
  refusal?(): string | undefined;
  /** Why this machine can't run it with a full run's others; undefined: it can. */
  unfit?(): string | undefined;
  /** Measures for about `durationMs` and puts what it finds into `run.report`, as it finds it. Ends soon when `run.stop` is raised. */
  measure(run: Run, durationMs: number): Promise<void>;
  /** Tables of what the report has of it, with what is to be read beside them; empty if that is nothing. */
  blocks(report: BenchReport): Block[];
  /** What two reports are compared by; empty if the report has nothing of it. */
  figures(report: BenchReport): Figure[];
  /** What the HTML report draws of it. */
  charts(report: BenchReport): Chart[];
  /** Promises that did not hold, and controls that did not show what they are there for. */
  failures(report: BenchReport): string[];
}
