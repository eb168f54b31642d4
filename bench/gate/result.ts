// What a gate found, as JSON: `gate --json`.
import type { Machine } from '../schema';
import { fields, list, nullable, oneOf, type Shape } from '../shape';
import type { Interval } from './bootstrap';
import type { Missing } from './source';

export const GATE_SCHEMA = 'pinfold-gate';
export const GATE_VERSION = 1;

export const VERDICTS = ['pass', 'regression', 'inconclusive', 'error'] as const;
export type GateVerdict = (typeof VERDICTS)[number];

/** What is compared with what. */
export interface GateSide {
  /** As it was asked for: a revision, a directory, a command. */
  name: string;
  /** The commit's full hash; null if it is none. */
  revision: string | null;
}

/** Of ratios, head ÷ base: above 1 is worse, whichever way the figure counts. */
export interface WorseBy {
  median: number;
  low: number;
  high: number;
  pairs: number;
}

export interface GatedMetric {
  name: string;
  unit: string;
  better: 'smaller' | 'larger';
  /** Medians of all pairs. */
  base: number;
  head: number;
  /** Null of an exact figure. */
  worse: WorseBy | null;
  control: WorseBy | null;
  /** The same of the pairs that were to confirm a suspicion; null: there was none. */
  confirming: WorseBy | null;
  /** As a share; 0 of an exact figure. */
  margin: number;
  verdict: Exclude<GateVerdict, 'error'>;
  why: string;
}

export interface GateResult {
  schema: typeof GATE_SCHEMA;
  version: typeof GATE_VERSION;
  /** ISO 8601. */
  startedAt: string;
  durationMs: number;
  verdict: GateVerdict;
  /** Why there is no verdict on the code; null: there is one. */
  error: string | null;
  base: GateSide;
  head: GateSide;
  seed: number;
  machine: Pick<Machine, 'cpu' | 'cores' | 'kernel' | 'node' | 'fileSystem' | 'loadAverage'>;
  metrics: GatedMetric[];
  missing: Missing[];
}

const WORSE: Shape = fields({ median: 'number', low: 'number', high: 'number', pairs: 'number' });
const SIDE: Shape = fields({ name: 'string', revision: nullable('string') });

export const GATE_RESULT: Shape = fields({
  schema: oneOf(GATE_SCHEMA),
  version: oneOf(GATE_VERSION),
  startedAt: 'string',
  durationMs: 'number',
  verdict: oneOf(...VERDICTS),
  error: nullable('string'),
  base: SIDE,
  head: SIDE,
  seed: 'number',
  machine: fields({
    cpu: 'string',
    cores: 'number',
    kernel: 'string',
    node: 'string',
    fileSystem: 'string',
    loadAverage: 'number',
  }),
  metrics: list(
    fields({
      name: 'string',
      unit: 'string',
      better: oneOf('smaller', 'larger'),
      base: 'number',
      head: 'number',
      worse: nullable(WORSE),
      control: nullable(WORSE),
      confirming: nullable(WORSE),
      margin: 'number',
      verdict: oneOf('pass', 'regression', 'inconclusive'),
      why: 'string',
    }),
  ),
  missing: list(fields({ name: 'string', side: oneOf('base', 'head'), why: 'string' })),
});

export function worseBy({ median, low, high, count }: Interval): WorseBy | null {
  if (count === 0) return null;
  return { median: Math.exp(median), low: Math.exp(low), high: Math.exp(high), pairs: count };
}

/** The worst of them; what nothing was measured of passes nothing. */
export function verdictOfAll(
  metrics: readonly GatedMetric[],
  missing: readonly Missing[],
): { verdict: GateVerdict; error: string | null } {
  const gone = missing.filter(({ side }) => side === 'head');
  if (gone.length > 0)
    return {
      verdict: 'error',
      error: `the head has nothing to compare: ${gone.map(({ name, why }) => `${name} (${why})`).join(', ')}`,
    };
  if (metrics.length === 0) {
    const why = missing.map(({ name, why: reason }) => `${name} (the base: ${reason})`).join(', ');
    return { verdict: 'error', error: `nothing could be compared${why === '' ? '' : `: ${why}`}` };
  }
  const has = (verdict: GateVerdict) => metrics.some((metric) => metric.verdict === verdict);
  return {
    verdict: has('regression') ? 'regression' : has('inconclusive') ? 'inconclusive' : 'pass',
    error: null,
  };
}
