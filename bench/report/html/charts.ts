// Charts as figures: a place for the script to draw in, what is to be seen in words, and the figures as a table.
import type { Portrait } from '../../portrait';
import { PAGE_LOOKS } from '../../portrait';
import { type TableBlock, table } from '../blocks';
import type { Chart, LineChart, PercentileChart } from '../chart';
import { digits } from '../format';
import { barRows } from './bars';
import { scrolledTable } from './blocks';
import { html, type Markup } from './markup';

/** Points of a curve that a table leaves out between two of its rows: those have half as much above them each. */
const POINTS_A_ROW = 4;
/** A chart of more bars has the whole width. */
const BARS_BESIDE = 4;

export function chartFigure(chart: Chart, id: string, portraits: readonly Portrait[]): Markup {
  const { kind, title, description } = chart;
  const caption = html`<figcaption><h4 id="${id}-title">${title}</h4><p id="${id}-text">${description}</p></figcaption>`;
  if (kind === 'bars')
    return html`<figure class="chart bars-chart${chart.bars.length > BARS_BESIDE && ' wide'}" id="${id}" aria-labelledby="${id}-title">${caption}${barRows(chart)}</figure>`;
  return html`<figure class="chart ${kind}" id="${id}" data-chart="${id}" aria-labelledby="${id}-title">${caption}<div class="legend" role="group" aria-label="Shown in: ${title}"></div><div class="plot" role="img" aria-labelledby="${id}-title" aria-describedby="${id}-text"></div><details><summary>Figures</summary>${figuresOf(chart, portraits)}</details></figure>`;
}

function figuresOf(chart: Exclude<Chart, { kind: 'bars' }>, portraits: readonly Portrait[]): Markup {
  switch (chart.kind) {
    case 'percentiles':
      return scrolledTable(percentileTable(chart), `Figures of: ${chart.title}`);
    case 'lines':
      return scrolledTable(lineTable(chart), `Figures of: ${chart.title}`);
    case 'portrait': {
      const portrait = portraits[chart.portrait];
      return html`${scrolledTable(fsyncTable(portrait), `fsyncs of: ${chart.title}`)}${scrolledTable(shareTable(portrait), `Pages of: ${chart.title}`)}`;
    }
  }
}

function percentileTable({ series }: PercentileChart): TableBlock {
  const longest = series.reduce<number[]>(
    (most, { curve }) => (curve.percentiles.length > most.length ? curve.percentiles : most),
    [],
  );
  const inner = longest.slice(0, -1).filter((_, n) => n % POINTS_A_ROW === POINTS_A_ROW - 1);
  const rows = inner.map((percentile) => [
    `${Number(percentile.toFixed(4))}%`,
    ...series.map(({ curve }) => {
      const at = curve.percentiles.slice(0, -1).indexOf(percentile);
      return digits(at < 0 ? null : curve.us[at]);
    }),
  ]);
  const most = ['max', ...series.map(({ curve }) => digits(curve.us.at(-1) ?? null))];
  const columns = [{ head: 'percentile' }, ...series.map(({ name }) => ({ head: `${name}, µs` }))];
  return table(columns, [...rows, most]);
}

function lineTable({ x, y, series }: LineChart): TableBlock {
  const columns = [{ head: x.label }, ...series.map(({ name }) => ({ head: name }))];
  const rows = x.values.map((value, n) => [
    x.names?.[n] ?? String(Number(value.toPrecision(6))),
    ...series.map(({ values }) => digits(values[n])),
  ]);
  return table(columns, rows, y.label);
}

function fsyncTable({ fsyncs, holds }: Portrait): TableBlock {
  const columns = [
    { head: 'due at ms' },
    { head: 'took ms' },
    { head: 'pages to be pinned when due', words: true },
  ];
  const rows = fsyncs.map(({ dueMs, latencyMs }) => [
    dueMs.toFixed(2),
    digits(latencyMs),
    holds.some(({ startMs, endMs }) => startMs <= dueMs && dueMs < endMs) ? 'yes' : 'no',
  ]);
  return table(columns, rows, 'fsyncs');
}

function shareTable({ looks }: Portrait): TableBlock {
  const counts = PAGE_LOOKS.map(() => 0);
  for (const states of looks.states) for (const state of states) counts[Number(state)]++;
  const all = looks.states.length * looks.pages;
  const columns = [{ head: 'state', words: true }, { head: 'of all looks %' }];
  const rows = PAGE_LOOKS.map((look, n) => [
    look,
    all === 0 ? digits(null) : digits((100 * counts[n]) / all),
  ]);
  return table(columns, rows, `${looks.pages} pages, ${looks.states.length} looks`);
}
