// Gates over time: a file of JSON lines, one a gate.
import fs from 'node:fs';
import { Refused } from '../refused';
import { fields, list, nullable, oneOf, problemsOf } from '../shape';
import { type GateResult, type GateVerdict, VERDICTS } from './result';

const HISTORY_SCHEMA = 'pinfold-gate-history';
const HISTORY_VERSION = 1;

export interface HistoryMetric {
  name: string;
  unit: string;
  head: number;
  /** head ÷ base, above 1 is worse; null of an exact figure, whose base and head say all. */
  worse: number | null;
  low: number | null;
  high: number | null;
  verdict: GateVerdict;
}

export interface HistoryLine {
  schema: typeof HISTORY_SCHEMA;
  version: typeof HISTORY_VERSION;
  at: string;
  base: string;
  head: string;
  cpu: string;
  node: string;
  verdict: GateVerdict;
  metrics: HistoryMetric[];
}

const LINE = fields({
  schema: oneOf(HISTORY_SCHEMA),
  version: oneOf(HISTORY_VERSION),
  at: 'string',
  base: 'string',
  head: 'string',
  cpu: 'string',
  node: 'string',
  verdict: oneOf(...VERDICTS),
  metrics: list(
    fields({
      name: 'string',
      unit: 'string',
      head: 'number',
      worse: nullable('number'),
      low: nullable('number'),
      high: nullable('number'),
      verdict: oneOf(...VERDICTS),
    }),
  ),
});

export function historyLine({ startedAt, base, head, machine, verdict, metrics }: GateResult): HistoryLine {
  return {
    schema: HISTORY_SCHEMA,
    version: HISTORY_VERSION,
    at: startedAt,
    base: base.revision ?? base.name,
    head: head.revision ?? head.name,
    cpu: machine.cpu,
    node: machine.node,
    verdict,
    metrics: metrics.map(({ name, unit, head: value, worse, verdict: own }) => ({
      name,
      unit,
      head: value,
      worse: worse?.median ?? null,
      low: worse?.low ?? null,
      high: worse?.high ?? null,
      verdict: own,
    })),
  };
}

/** @throws Refused when the file can't be read, or a line of it is of something else or of another version */
export function readHistory(file: string): HistoryLine[] {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Refused(`cannot read ${file}: ${(cause as Error).message}`);
  }
  return text
    .split('\n')
    .flatMap((line, n) => (line.trim() === '' ? [] : [parsedLine(line, `${file}, line ${n + 1}`)]));
}

function parsedLine(text: string, at: string): HistoryLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Refused(`${at} is no JSON: ${(cause as Error).message}`);
  }
  const { schema, version } = (value ?? {}) as { schema?: unknown; version?: unknown };
  if (schema !== HISTORY_SCHEMA) throw new Refused(`${at} is no line of a gate's history`);
  if (version !== HISTORY_VERSION)
    throw new Refused(
      `${at} is of version ${JSON.stringify(version)}; this pinfold-bench reads version ${HISTORY_VERSION}`,
    );
  const problems = problemsOf(value, LINE, 'line');
  if (problems.length > 0)
    throw new Refused(`${at} is no valid line of a gate's history: ${problems.join('; ')}`);
  return value as HistoryLine;
}

/** One write: what another gate appends at the same time stays whole. */
export function appendHistory(file: string, result: GateResult): void {
  fs.appendFileSync(file, `${JSON.stringify(historyLine(result))}\n`);
}
