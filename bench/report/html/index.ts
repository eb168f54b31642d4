// A report as one HTML file that needs nothing else: no network, no font, no script but its own.
import type { Scenario } from '../../scenario';
import { SCENARIOS } from '../../scenarios';
import type { BenchReport } from '../../schema';
import type { Block } from '../blocks';
import type { Chart } from '../chart';
import { blocksOf } from '../scenario';
import { cpuSection, machineSection, methodSection } from './about';
import { blocksAsHtml } from './blocks';
import { chartFigure } from './charts';
import { html, type Markup } from './markup';
import { page } from './page-frame';
import { figureTables, type Part, summary } from './summary';

interface Section extends Part {
  what: string;
  blocks: Block[];
  charts: Chart[];
}

/** The page of `report`: give it to a file whose name ends in .html. */
export function htmlReport(report: BenchReport): string {
  const sections = SCENARIOS.map((scenario) => sectionOf(scenario, report)).filter(
    ({ blocks, charts }) => blocks.length + charts.length > 0,
  );
  const titles = new Map(sections.map(({ id, title }) => [id, title]));
  const charts = new Map(
    sections.flatMap((section) => section.charts.map((chart, n) => [chartId(section, n), chart] as const)),
  );
  const figures = sections.filter(({ figures: own }) => own.length > 0);
  const cpu = cpuSection(report, titles);
  const links: [string, string][] = [
    ['summary', 'In short'],
    ...sections.map(({ id, title }): [string, string] => [id, title]),
    ...(figures.length > 0 ? [['figures', 'All figures'] as [string, string]] : []),
    ...(cpu === false ? [] : [['cpu', 'CPU time'] as [string, string]]),
    ['machine', 'Machine and command'],
    ['method', 'Method'],
  ];
  const body = html`<a class="skip" href="#content">Skip to the report</a>
<header class="top"><div class="title"><h1>Pinfold benchmark</h1><p class="when">${whenOf(report)}</p></div><div class="tools"><button type="button" id="theme" hidden>Dark</button><button type="button" id="save" hidden>Save as JSON</button></div></header>
<div class="frame"><nav aria-label="Contents"><ol>${links.map(
    ([id, title]) => html`<li><a href="#${id}">${title}</a></li>`,
  )}</ol></nav>
<main id="content" tabindex="-1"><p class="lead">Pinfold is a page cache that the worker threads of a Node process share. Pages may be pinned while something outside the program stores into them. Does <code>fsync</code> then wait for the pins, does it tell the truth, and what does the rest cost?</p>
<noscript><p class="notice doubtful">A script draws the charts. Without it their figures are in the tables below each.</p></noscript>
${summary(report, figures)}
${sections.map((section) => sectionMarkup(section, report))}
${figures.length > 0 && html`<section id="figures" aria-labelledby="figures-title"><h2 id="figures-title">All figures</h2>${figureTables(figures)}<p class="reading">× is a ratio of neighbours in time. It holds between runs, where times do not.</p></section>`}
${cpu}
${machineSection(report)}
${methodSection()}
</main></div>`;
  const title = `Pinfold benchmark, ${report.startedAt.slice(0, 10)}`;
  return page({
    title,
    body,
    data: report,
    charts: Object.fromEntries(charts),
  });
}

function sectionOf(scenario: Scenario, report: BenchReport): Section {
  const [first, ...others] = blocksOf(scenario, report);
  const headed = first?.kind === 'heading';
  return {
    id: scenario.name,
    title: titled(headed ? first.text : scenario.name),
    what: scenario.what,
    blocks: headed || first === undefined ? others : [first, ...others],
    charts: scenario.charts(report),
    figures: scenario.figures(report),
  };
}

/** With a capital, unless it begins with a name of the API. */
const titled = (text: string): string =>
  text.startsWith('fsync') ? text : text.slice(0, 1).toUpperCase() + text.slice(1);

const chartId = ({ id }: Section, n: number): string => `${id}-chart-${n + 1}`;

/** What introduces the tables comes first, then the charts, then the tables. */
function sectionMarkup(section: Section, report: BenchReport): Markup {
  const { id, title, what, blocks, charts } = section;
  const firstTable = blocks.findIndex(({ kind }) => kind !== 'text');
  const before = firstTable < 0 ? blocks.length : firstTable;
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2><p class="what">${what}</p>${blocksAsHtml(blocks.slice(0, before), title)}${
    charts.length > 0 &&
    html`<div class="charts">${charts.map((chart, n) => chartFigure(chart, chartId(section, n), report.portraits))}</div>`
  }${blocksAsHtml(blocks.slice(before), title)}</section>`;
}

function whenOf({ startedAt, durationMs, interrupted, machine }: BenchReport): Markup {
  const started = new Date(startedAt);
  const when = Number.isNaN(started.getTime())
    ? startedAt
    : `${new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(started)} UTC`;
  return html`<time datetime="${startedAt}">${when}</time>, ${Math.round(durationMs / 1e3)} s${interrupted && ' (interrupted)'} · ${machine.cpu}, ${machine.cores} cores · ${machine.fileSystem} · Node ${machine.node}`;
}
