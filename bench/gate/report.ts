// What a gate found, for people: the same table in the terminal and as Markdown.
import { markdownTable } from '../document/markdown';
import {
  type Block,
  bad,
  type Cell,
  doubtful,
  good,
  heading,
  reading,
  type TableBlock,
  table,
  textOf,
} from '../report/blocks';
import { digits } from '../report/format';
import { CONFIDENCE } from './bootstrap';
import type { GatedMetric, GateResult, GateSide, GateVerdict, WorseBy } from './result';
import { shortSha } from './trees';

/** By which a workflow finds its own comment. */
export const COMMENT_MARK = '<!-- pinfold-gate -->';

const WORDS: Record<GateVerdict, string> = {
  pass: 'pass: nothing is slower than its margin allows',
  regression: 'REGRESSION',
  inconclusive: 'inconclusive: this machine, or this much time, does not tell',
  error: 'error: nothing can be said of the code',
};

export function toned(verdict: GateVerdict, text: string = verdict): Cell {
  return verdict === 'pass' ? good(text) : verdict === 'inconclusive' ? doubtful(text) : bad(text);
}

const nameOf = ({ name, revision }: GateSide): string =>
  revision === null || revision.startsWith(name) ? name : `${name} (${shortSha(revision)})`;

export function percent(ratio: number): string {
  const by = 100 * (ratio - 1);
  return `${by < 0 ? '−' : '+'}${Math.abs(by).toFixed(1)}%`;
}

const between = (worse: WorseBy | null): string =>
  worse === null ? '' : `${percent(worse.low)} … ${percent(worse.high)}`;

function metricsTable(metrics: readonly GatedMetric[]): TableBlock {
  const columns = [
    { head: 'metric', words: true },
    { head: 'base' },
    { head: 'head' },
    { head: 'unit', words: true },
    { head: 'worse by' },
    { head: 'interval' },
    { head: 'margin' },
    { head: 'again' },
    { head: 'A/A' },
    { head: 'pairs' },
    { head: 'verdict', words: true },
    { head: '', words: true },
  ];
  const rows = metrics.map(({ name, base, head, unit, worse, control, confirming, margin, verdict, why }) => [
    name,
    worse === null ? String(base) : digits(base),
    worse === null ? String(head) : digits(head),
    unit,
    worse === null ? '' : percent(worse.median),
    between(worse),
    worse === null ? 'exact' : `${digits(100 * margin)}%`,
    confirming === null ? '' : percent(confirming.median),
    control === null ? '' : percent(control.median),
    worse === null ? '' : String(worse.pairs + (confirming?.pairs ?? 0)),
    toned(verdict),
    why,
  ]);
  return table(columns, rows);
}

const READING = [
  `"Worse by" is the median of pairs of neighbours in time, head ÷ base, with its ${100 * CONFIDENCE}% interval.`,
  'A regression is an interval that lies beyond the margin, and does so again in new pairs.',
  '"A/A" are two builds of the base: where they differ by more than half the margin the machine moved.',
];

function notes({ missing, machine, durationMs, seed }: GateResult): string[] {
  const { cpu, cores, fileSystem, node, loadAverage } = machine;
  return [
    ...missing.map(({ name, side, why }) => `Not compared: ${name}, which the ${side} lacks (${why}).`),
    `${cpu}, ${cores} cores, ${fileSystem}, Node ${node}, load ${loadAverage.toFixed(1)} before; ${Math.round(durationMs / 1e3)} s, seed ${seed}.`,
  ];
}

export function gateBlocks(result: GateResult): Block[] {
  const { metrics, base, head, verdict, error } = result;
  return [
    heading(`gate: ${nameOf(head)} against ${nameOf(base)}`),
    ...(metrics.length === 0 ? [] : [metricsTable(metrics), reading(...READING)]),
    ...notes(result).map((note) => reading(note)),
    ...(error === null ? [] : [reading(error)]),
    reading(`Verdict: ${WORDS[verdict]}.`),
  ];
}

/** For a pull request's comment, or a job's summary. */
export function gateMarkdown(result: GateResult): string {
  const { metrics, base, head, verdict, error } = result;
  const { columns, rows } = metricsTable(metrics);
  const signs = rows.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? cell : `**${textOf(cell)}**`)),
  );
  return `${[
    COMMENT_MARK,
    `### Performance gate: ${WORDS[verdict]}`,
    `\`${nameOf(head)}\` against \`${nameOf(base)}\``,
    ...(error === null ? [] : [fenced(error)]),
    ...(metrics.length === 0 ? [] : [markdownTable(columns, signs), READING.join(' ')]),
    ...notes(result),
  ].join('\n\n')}\n`;
}

/** Text of somebody else's: output of a build, say. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}
