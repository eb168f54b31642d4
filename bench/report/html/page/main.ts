// The page's script: draws the charts, and serves the buttons. What is not drawn is there without it.
import type { Portrait } from '../../../portrait';
import type { Chart, PercentileChart } from '../../chart';
import { logRange } from './axes';
import { drawLines } from './lines';
import { drawPercentiles } from './percentiles';
import { drawPortrait, latencyRange } from './portrait';
import { themeButton } from './theme';

/** What the page knows of the report that it shows: a trend has no portraits. */
interface Data {
  portraits?: Portrait[];
}

function embedded<T>(id: string): T {
  return JSON.parse(document.getElementById(id)?.textContent ?? 'null') as T;
}

function drawCharts({ portraits = [] }: Data, charts: Record<string, Chart>): void {
  const latencies = latencyRange(portraits);
  for (const figure of document.querySelectorAll<HTMLElement>('[data-chart]')) {
    const chart = charts[figure.dataset.chart ?? ''];
    const plot = figure.querySelector<HTMLElement>('.plot');
    const legend = figure.querySelector<HTMLElement>('.legend');
    if (plot === null || legend === null) continue;
    switch (chart.kind) {
      case 'percentiles':
        drawPercentiles(chart, plot, legend, rangeInSection(figure, charts));
        break;
      case 'lines':
        drawLines(chart, plot, legend);
        break;
      case 'portrait':
        drawPortrait({ portrait: portraits[chart.portrait], plot, legend }, latencies);
    }
  }
}

/** The percentile curves of a section have one y axis, so that they can be compared. */
function rangeInSection(figure: HTMLElement, charts: Record<string, Chart>): [number, number] {
  const beside = figure.closest('section')?.querySelectorAll<HTMLElement>('.percentiles') ?? [];
  const of = (one: HTMLElement) => (charts[one.dataset.chart ?? ''] as PercentileChart).series;
  return logRange([...beside].flatMap((one) => of(one).flatMap(({ curve }) => curve.us)));
}

function saveButton(button: HTMLButtonElement, report: Data): void {
  button.addEventListener('click', () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(
      new Blob([`${JSON.stringify(report, null, 2)}\n`], { type: 'application/json' }),
    );
    link.download = button.dataset.file ?? 'bench-report.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href));
  });
  button.hidden = false;
}

const report = embedded<Data>('report');
themeButton(document.querySelector<HTMLButtonElement>('#theme')!);
saveButton(document.querySelector<HTMLButtonElement>('#save')!, report);
drawCharts(report, embedded('charts'));
