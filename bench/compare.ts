// Two reports, figure by figure: what changed, by more than chance, and whether their verdicts agree.
import type { Figure, Verdict } from './report/figure';
import { SCENARIOS } from './scenarios';
import type { BenchReport } from './schema';

const COMPARISON_SCHEMA = 'pinfold-bench-comparison';
const COMPARISON_VERSION = 1;

export interface Side {
  value: number | null;
  spread: Figure['spread'];
  control: number | null;
  verdict: Verdict;
}

/** `open`: one of them says nothing about a bar, or both. `no bar`: there is none to judge by. */
export type Agreement = 'agree' | 'differ' | 'open' | 'no bar';

export interface ComparedFigure {
  name: string;
  unit: string;
  better: Figure['better'];
  a: Side;
  b: Side;
  /** b ÷ a; null where either was not measured, or a is 0. */
  change: number | null;
  /**
   * Whether the change is more than chance: each value lies outside the other's quartiles, and the change is greater than that between the
   * identical arms (A/A) of either. Null where the figure has neither quartiles nor identical arms.
   */
  beyond: boolean | null;
  verdicts: Agreement;
}

interface Compared {
  file: string;
  startedAt: string;
  interrupted: boolean;
  /** Promises that did not hold in that run. */
  failures: string[];
}

/** What `compare --json` prints; docs/report-format.md describes it. */
export interface Comparison {
  schema: typeof COMPARISON_SCHEMA;
  version: typeof COMPARISON_VERSION;
  a: Compared;
  b: Compared;
  /** Why the two may not be comparable. */
  warnings: string[];
  figures: ComparedFigure[];
  /** Names of figures that only one of them has. */
  onlyInA: string[];
  onlyInB: string[];
  counts: Record<Agreement, number>;
  /** Whether no verdict differs, and promises were kept in both or broken in both. */
  agree: boolean;
}

export function compareReports(
  fileA: string,
  reportA: BenchReport,
  fileB: string,
  reportB: BenchReport,
): Comparison {
  const ofA = figuresOf(reportA);
  const ofB = figuresOf(reportB);
  const figures = [...ofA.values()].flatMap((a) => {
    const b = ofB.get(a.name);
    return b === undefined ? [] : [comparedFigure(a, b)];
  });
  const counts: Comparison['counts'] = { agree: 0, differ: 0, open: 0, 'no bar': 0 };
  for (const { verdicts } of figures) counts[verdicts]++;
  return {
    schema: COMPARISON_SCHEMA,
    version: COMPARISON_VERSION,
    a: comparedOf(fileA, reportA),
    b: comparedOf(fileB, reportB),
    warnings: warnings(reportA, reportB),
    figures,
    onlyInA: [...ofA.keys()].filter((name) => !ofB.has(name)),
    onlyInB: [...ofB.keys()].filter((name) => !ofA.has(name)),
    counts,
    agree: counts.differ === 0 && (reportA.failures.length === 0) === (reportB.failures.length === 0),
  };
}

function figuresOf(report: BenchReport): Map<string, Figure> {
  return new Map(
    SCENARIOS.flatMap((scenario) => scenario.figures(report)).map((figure) => [figure.name, figure]),
  );
}

function comparedOf(file: string, { startedAt, interrupted, failures }: BenchReport): Compared {
  return { file, startedAt, interrupted, failures };
}

const sideOf = ({ value, spread, control, verdict }: Figure): Side => ({ value, spread, control, verdict });

export function comparedFigure(a: Figure, b: Figure): ComparedFigure {
  return {
    name: a.name,
    unit: a.unit,
    better: a.better,
    a: sideOf(a),
    b: sideOf(b),
    change: a.value === null || b.value === null || a.value === 0 ? null : b.value / a.value,
    beyond: beyondChance(a, b),
    verdicts: agreementOf(a.verdict, b.verdict),
  };
}

function beyondChance(a: Side, b: Side): boolean | null {
  if (a.value === null || b.value === null) return null;
  const outside = [
    ...(a.spread === null ? [] : [b.value < a.spread.q1 || b.value > a.spread.q3]),
    ...(b.spread === null ? [] : [a.value < b.spread.q1 || a.value > b.spread.q3]),
    ...(a.control === null ? [] : [isFartherFromOne(b.value / a.value, a.control)]),
    ...(b.control === null ? [] : [isFartherFromOne(b.value / a.value, b.control)]),
  ];
  return outside.length === 0 ? null : outside.every((each) => each);
}

/** As ratios: 0.5 is as far from 1 as 2 is. */
function isFartherFromOne(ratio: number, than: number): boolean {
  return Math.abs(Math.log(ratio)) > Math.abs(Math.log(than));
}

function agreementOf(a: Verdict, b: Verdict): Agreement {
  if (a === 'none' && b === 'none') return 'no bar';
  if (a === 'none' || b === 'none' || a === 'no verdict' || b === 'no verdict') return 'open';
  return a === b ? 'agree' : 'differ';
}

function warnings(a: BenchReport, b: BenchReport): string[] {
  // The load differs from run to run; it is a warning of its own in each report.
  const { loadAverage: loadA, node: nodeA, v8: v8A, ...machineA } = a.machine;
  const { loadAverage: loadB, node: nodeB, v8: v8B, ...machineB } = b.machine;
  return [
    ...differences('another machine', machineA, machineB),
    ...differences('another Node', { node: nodeA, v8: v8A }, { node: nodeB, v8: v8B }),
    ...differences('another command', a.command, b.command),
    ...(a.interrupted ? ['A was interrupted: figures are missing, or of less time'] : []),
    ...(b.interrupted ? ['B was interrupted: figures are missing, or of less time'] : []),
  ];
}

function differences<T extends object>(what: string, a: T, b: T): string[] {
  return (Object.keys(a) as (keyof T & string)[]).flatMap((field) => {
    const [ofA, ofB] = [JSON.stringify(a[field]), JSON.stringify(b[field])];
    return ofA === ofB ? [] : [`${what}: ${field} is ${ofA} in A, ${ofB} in B`];
  });
}
