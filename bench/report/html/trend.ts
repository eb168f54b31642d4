// What gates have found over time, as one HTML file.
import type { HistoryLine, HistoryMetric } from '../../gate/history';
import { percent, toned as tonedVerdict } from '../../gate/report';
import { shortSha } from '../../gate/trees';
import { table } from '../blocks';
import type { LineChart } from '../chart';
import { digits } from '../format';
import { scrolledTable } from './blocks';
import { chartFigure } from './charts';
import { html } from './markup';
import { page } from './page-frame';

/** A name of the axis: a commit's is short, any other is as it is. */
const COMMIT = /^[0-9a-f]{40}$/;
const nameOf = (head: string): string => (COMMIT.test(head) ? shortSha(head) : head);

/** `history`: one line at least, oldest first. */
export function trendHtml(history: readonly HistoryLine[]): string {
  const names = [...new Set(history.flatMap(({ metrics }) => metrics.map(({ name }) => name)))];
  const charts = new Map(names.map((name, n) => [`trend-${n + 1}`, chartOf(name, history)] as const));
  const first = history[0];
  const last = history[history.length - 1];
  const body = html`<a class="skip" href="#content">Skip to the trend</a>
<header class="top"><div class="title"><h1>Performance gates</h1><p class="when">${history.length} gates, ${first.at.slice(0, 10)} to ${last.at.slice(0, 10)}</p></div><div class="tools"><button type="button" id="theme" hidden>Dark</button><button type="button" id="save" data-file="gates.json" hidden>Save as JSON</button></div></header>
<div class="frame"><nav aria-label="Contents"><ol><li><a href="#metrics">Metrics</a></li><li><a href="#gates">Gates</a></li></ol></nav>
<main id="content" tabindex="-1"><p class="lead">Each gate compares a head with its base, in turns on one machine. Such ratios can be followed over time and machines, where times can't: the second line of a chart is the product of all ratios so far, so what each gate let pass adds up there.</p>
<noscript><p class="notice doubtful">A script draws the charts. Without it their figures are in the tables below each.</p></noscript>
<section id="metrics" aria-labelledby="metrics-title"><h2 id="metrics-title">Metrics</h2><div class="charts">${[...charts].map(([id, chart]) => chartFigure(chart, id, []))}</div></section>
<section id="gates" aria-labelledby="gates-title"><h2 id="gates-title">Gates</h2>${scrolledTable(gatesTable(history), 'Gates')}</section>
</main></div>`;
  return page({
    title: `Performance gates, ${last.at.slice(0, 10)}`,
    body,
    data: { history },
    charts: Object.fromEntries(charts),
  });
}

function chartOf(name: string, history: readonly HistoryLine[]): LineChart {
  const found = history.flatMap(({ head, metrics }) => {
    const metric = metrics.find((each) => each.name === name);
    return metric === undefined ? [] : [{ head, metric }];
  });
  const unit = found[0].metric.unit;
  const x: LineChart['x'] = {
    label: 'head',
    scale: 'steps',
    values: found.map((_, n) => n),
    names: found.map(({ head }) => nameOf(head)),
  };
  const exact = found.every(({ metric }) => metric.worse === null);
  if (exact) {
    const values = found.map(({ metric }) => metric.head);
    return {
      kind: 'lines',
      title: name,
      description: `${name} of each head; it is exact.`,
      x,
      y: { label: unit, scale: 'linear' },
      series: [{ name, values }],
    };
  }
  let product = 1;
  const worse = (metric: HistoryMetric) => metric.worse ?? 1;
  const each = found.map(({ metric }) => 100 * (worse(metric) - 1));
  const all = found.map(({ metric }) => {
    product *= worse(metric);
    return 100 * (product - 1);
  });
  return {
    kind: 'lines',
    title: name,
    description: `How much slower each head was than its base, and all of them together; the last took ${digits(found[found.length - 1].metric.head)} ${unit} on its machine.`,
    x,
    y: { label: 'slower by, %', scale: 'linear' },
    series: [
      { name: 'all so far', values: all },
      { name: 'this gate', values: each, control: true },
    ],
  };
}

function gatesTable(history: readonly HistoryLine[]) {
  const columns = [
    { head: 'when', words: true },
    { head: 'base', words: true },
    { head: 'head', words: true },
    { head: 'verdict', words: true },
    { head: 'beyond the margin, or unclear', words: true },
    { head: 'machine', words: true },
  ];
  const rows = history.toReversed().map(({ at, base, head, verdict, metrics, cpu, node }) => [
    at.slice(0, 16).replace('T', ' '),
    nameOf(base),
    nameOf(head),
    tonedVerdict(verdict),
    metrics
      .filter((metric) => metric.verdict !== 'pass')
      .map(({ name, worse }) => `${name}${worse === null ? '' : ` ${percent(worse)}`}`)
      .join(', '),
    `${cpu}, Node ${node}`,
  ]);
  return table(columns, rows);
}
