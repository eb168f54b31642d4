// What a benchmark prints that the gate compares: figures by name, as JSON. Any program can; docs/perf-ci.md describes it.
import { Refused } from '../refused';
import { fields, list, oneOf, problemsOf } from '../shape';

export const SAMPLE_SCHEMA = 'pinfold-gate-sample';
export const SAMPLE_VERSION = 1;

export interface SampleMetric {
  /** One of its kind in a sample, and the same from run to run. */
  name: string;
  value: number;
  unit: string;
  better: 'smaller' | 'larger';
  /** The same in every run of the same code: compared without statistics. */
  exact: boolean;
}

export interface Sample {
  schema: typeof SAMPLE_SCHEMA;
  version: typeof SAMPLE_VERSION;
  metrics: SampleMetric[];
}

const SAMPLE_METRIC = fields({
  name: 'string',
  value: 'number',
  unit: 'string',
  better: oneOf('smaller', 'larger'),
  exact: 'boolean',
});

const SAMPLE = fields({
  schema: oneOf(SAMPLE_SCHEMA),
  version: oneOf(SAMPLE_VERSION),
  metrics: list(SAMPLE_METRIC),
});

/** Of what is no JSON, so much is shown. */
const SHOWN = 200;

/**
 * The sample that `from` has printed.
 * @throws Refused, with what is wrong with it
 */
export function parseSample(text: string, from: string): Sample {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(`${from} has printed no JSON: ${JSON.stringify(text.trim().slice(0, SHOWN))}`);
  }
  const { schema, version } = (value ?? {}) as { schema?: unknown; version?: unknown };
  if (schema !== SAMPLE_SCHEMA)
    throw new Refused(
      `${from} has printed JSON whose schema is ${JSON.stringify(schema)}, not '${SAMPLE_SCHEMA}'`,
    );
  if (version !== SAMPLE_VERSION)
    throw new Refused(
      `${from} has printed a sample of version ${JSON.stringify(version)}; this pinfold-bench reads version ${SAMPLE_VERSION}`,
    );
  const problems = problemsOf(value, SAMPLE, 'sample');
  if (problems.length > 0) throw new Refused(`${from} has printed no valid sample: ${problems.join('; ')}`);
  const { metrics } = value as Sample;
  if (metrics.length === 0) throw new Refused(`${from} has printed a sample without metrics`);
  const twice = metrics.find(({ name }, n) => metrics.findIndex((each) => each.name === name) < n);
  if (twice !== undefined) throw new Refused(`${from} has printed the metric '${twice.name}' twice`);
  return value as Sample;
}
