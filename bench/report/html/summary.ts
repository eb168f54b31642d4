// What stands on top: what became of the promises, and how the figures stand to their bars.
import type { BenchReport } from '../../schema';
import { type Cell, type Tone, table } from '../blocks';
import type { Figure, Verdict } from '../figure';
import { findings } from '../findings';
import { digits, ratio } from '../format';
import { doubts, outcome } from '../notices';
import { verdictCell } from '../verdict';
import { scrolledTable, signOf, toned } from './blocks';
import { html, type Markup } from './markup';

export interface Part {
  /** The section's id. */
  id: string;
  title: string;
  figures: Figure[];
}

const LATER: { verdict: Verdict; tone: Tone; label: string; what: string }[] = [
  { verdict: 'ok', tone: 'good', label: 'reach their bar', what: 'ok' },
  { verdict: 'short', tone: 'bad', label: 'fall short of it', what: 'short' },
  { verdict: 'no verdict', tone: 'doubtful', label: 'have no verdict', what: 'no verdict' },
];

export function summary(report: BenchReport, parts: readonly Part[]): Markup {
  const said = findings(report);
  const notices = [...outcome(report), ...doubts(report)];
  const judged = parts.map((part) => ({
    ...part,
    figures: part.figures.filter(({ verdict }) => verdict !== 'none'),
  }));
  const all = judged.flatMap(({ figures }) => figures);
  const behind = judged.flatMap(({ id, figures }) =>
    figures.filter(({ verdict }) => verdict !== 'ok').map((figure) => ({ id, figure })),
  );
  return html`<section id="summary" aria-labelledby="summary-title"><h2 id="summary-title">In short</h2><ul class="notices">${notices.map(
    ({ text, tone }) => html`<li class="notice ${tone}">${toned({ text, tone })}</li>`,
  )}</ul>${said.length > 0 && html`<ul class="findings">${said.map((sentence) => html`<li>${sentence}</li>`)}</ul>`}${all.length > 0 && tiles(all)}${behind.length > 0 && behindList(behind)}</section>`;
}

function tiles(figures: Figure[]): Markup {
  const counted = LATER.map((each) => ({
    ...each,
    count: figures.filter(({ verdict }) => verdict === each.verdict).length,
  }));
  return html`<dl class="tiles">${counted.map(
    ({ tone, label, count }) =>
      html`<div class="tile ${tone}"><dt><span class="sign" aria-hidden="true">${signOf(tone)}</span> ${label}</dt><dd>${count}<span class="of"> of ${figures.length}</span></dd></div>`,
  )}</dl><p class="reading">A bar is a target of the design. One that is missed is information and no failure; a promise that did not hold is a failure. "No verdict": two identical arms differed too much in this run, so the machine moved; or the figure is nearer to its bar than it is exact. Another run might say the opposite.</p>`;
}

function behindList(behind: { id: string; figure: Figure }[]): Markup {
  return html`<details class="behind"><summary>The ${behind.length} that do not reach theirs, or have no verdict</summary><ul>${behind.map(
    ({ id, figure }) =>
      html`<li>${toned(verdictCell(figure.verdict))} <a href="#${id}">${figure.name}</a>: ${valueText(figure)}${figure.bar !== null && ` (${barText(figure)})`}</li>`,
  )}</ul></details>`;
}

/** The figures of all scenarios, a table each. */
export function figureTables(parts: readonly Part[]): Markup {
  const columns = [
    { head: 'figure', words: true },
    { head: 'value' },
    { head: 'unit', words: true },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'bar' },
    { head: 'verdict', words: true },
  ];
  return html`${parts.map(({ title, figures }) => scrolledTable(table(columns, figures.map(figureRow), title), `Figures of: ${title}`))}`;
}

function figureRow(figure: Figure): Cell[] {
  const { name, spread, control, unit, verdict } = figure;
  return [
    name,
    figureText(figure),
    unit,
    spread === null ? '' : `${ratio(spread.q1)}–${ratio(spread.q3)}`,
    control === null ? '' : ratio(control),
    barText(figure),
    verdictCell(verdict),
  ];
}

const RATIO = '×';

const figureText = ({ value, unit }: Figure): string => (unit === RATIO ? ratio(value) : digits(value));

const valueText = (figure: Figure): string =>
  figure.unit === RATIO ? figureText(figure) : `${figureText(figure)} ${figure.unit}`;

const barText = ({ bar, better }: Figure): string =>
  bar === null ? '' : `${better === 'smaller' ? '≤' : '≥'} ${digits(bar)}`;
