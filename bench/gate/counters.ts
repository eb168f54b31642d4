// Figures that are the same in every run of the same code, beside a baseline that is kept with the code.
import fs from 'node:fs';
import { writeWhole } from '../output';
import { Refused } from '../refused';
import { bad, type Cell, doubtful, good, type TableBlock, table } from '../report/blocks';
import { fields, list, oneOf, problemsOf } from '../shape';
import type { Sample, SampleMetric } from './sample';

const BASELINE_SCHEMA = 'pinfold-counters';
const BASELINE_VERSION = 1;

interface BaselineCounter {
  name: string;
  value: number;
  unit: string;
  better: SampleMetric['better'];
  /** How much worse it may be, as a share of the value: 0, but for sizes that every change moves. Set by hand; an update keeps it. */
  slack: number;
}

export interface Baseline {
  schema: typeof BASELINE_SCHEMA;
  version: typeof BASELINE_VERSION;
  counters: BaselineCounter[];
}

const BASELINE = fields({
  schema: oneOf(BASELINE_SCHEMA),
  version: oneOf(BASELINE_VERSION),
  counters: list(
    fields({
      name: 'string',
      value: 'number',
      unit: 'string',
      better: oneOf('smaller', 'larger'),
      slack: 'number',
    }),
  ),
});

/** `moved`: within its slack. `new`, `gone`: only one of the two has it. */
type CounterStanding = 'same' | 'moved' | 'better' | 'worse' | 'new' | 'gone';

export interface ComparedCounter {
  name: string;
  unit: string;
  baseline: number | null;
  now: number | null;
  standing: CounterStanding;
}

/** @throws Refused when it can't be read, or is something else or of another version */
export function readBaseline(file: string): Baseline {
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Refused(`cannot read the baseline ${file}: ${(cause as Error).message} (--update makes one)`);
  }
  const { schema, version } = (value ?? {}) as { schema?: unknown; version?: unknown };
  if (schema !== BASELINE_SCHEMA) throw new Refused(`${file} is no baseline of counters`);
  if (version !== BASELINE_VERSION)
    throw new Refused(
      `${file} is a baseline of version ${JSON.stringify(version)}; this pinfold-bench reads version ${BASELINE_VERSION}`,
    );
  const problems = problemsOf(value, BASELINE, 'baseline');
  if (problems.length > 0) throw new Refused(`${file} is no valid baseline: ${problems.join('; ')}`);
  return value as Baseline;
}

/** @throws Refused for a figure that is not exact */
export function baselineOf({ metrics }: Sample, before: Baseline | undefined): Baseline {
  refuseInexact(metrics);
  const slack = new Map(before?.counters.map(({ name, slack: kept }) => [name, kept]));
  return {
    schema: BASELINE_SCHEMA,
    version: BASELINE_VERSION,
    counters: metrics.map(({ name, value, unit, better }) => ({
      name,
      value,
      unit,
      better,
      slack: slack.get(name) ?? 0,
    })),
  };
}

export function writeBaseline(file: string, baseline: Baseline): void {
  writeWhole(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

/** @throws Refused for a figure that is not exact */
export function compareCounters({ counters }: Baseline, { metrics }: Sample): ComparedCounter[] {
  refuseInexact(metrics);
  const now = new Map(metrics.map((metric) => [metric.name, metric]));
  const known = counters.map((counter): ComparedCounter => {
    const { name, unit, value: baseline } = counter;
    const value = now.get(name)?.value ?? null;
    return {
      name,
      unit,
      baseline,
      now: value,
      standing: value === null ? 'gone' : standingOf(counter, value),
    };
  });
  const unknown = metrics
    .filter(({ name }) => counters.every((counter) => counter.name !== name))
    .map(
      ({ name, unit, value }): ComparedCounter => ({
        name,
        unit,
        baseline: null,
        now: value,
        standing: 'new',
      }),
    );
  return [...known, ...unknown];
}

function standingOf({ value, better, slack }: BaselineCounter, now: number): CounterStanding {
  if (now === value) return 'same';
  const worseBy = better === 'smaller' ? now - value : value - now;
  if (Math.abs(worseBy) <= Math.abs(value) * slack) return 'moved';
  return worseBy > 0 ? 'worse' : 'better';
}

function refuseInexact(metrics: readonly SampleMetric[]): void {
  const inexact = metrics.find(({ exact }) => !exact);
  if (inexact !== undefined)
    throw new Refused(
      `'${inexact.name}' is not exact: what varies from run to run is for \`gate --command\``,
    );
}

const STANDING: Record<CounterStanding, Cell> = {
  same: good('same'),
  moved: good('within its slack'),
  better: good('better'),
  worse: bad('WORSE'),
  new: doubtful('not in the baseline'),
  gone: doubtful('gone'),
};

/** Of all counters, or, where nothing is to be said of most, of those that are not the same. */
export function countersTable(compared: readonly ComparedCounter[]): TableBlock {
  const columns = [
    { head: 'counter', words: true },
    { head: 'baseline' },
    { head: 'now' },
    { head: 'unit', words: true },
    { head: '', words: true },
  ];
  const shown = (value: number | null) => (value === null ? '–' : String(value));
  return table(
    columns,
    compared.map(({ name, baseline, now, unit, standing }) => [
      name,
      shown(baseline),
      shown(now),
      unit,
      STANDING[standing],
    ]),
  );
}
