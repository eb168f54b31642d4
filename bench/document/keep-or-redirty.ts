// The figures of docs/keep-or-redirty.md: tables, and charts beside it.
import {
  DRAWN_FIGURES,
  type DrawnFigure,
  descriptionOf,
  holdsOf,
  percent,
  sharesOf,
  valuesOf,
} from '../report/charts/keep-or-redirty';
import { keepOrRedirtyFigures } from '../report/keep-or-redirty';
import type { KeepOrRedirtyCell, Mode } from '../scenarios/keep-or-redirty/shape';
import type { BenchReport } from '../schema';
import { markdownTable } from './markdown';
import { type Line, lineCharts } from './svg';

export interface Document {
  markdown: string;
  /** By file name. */
  charts: Map<string, string>;
}

const LINES: { mode: Mode; name: string; style: Line['style'] }[] = [
  { mode: 'keep', name: 'keep', style: 'first' },
  { mode: 'redirty', name: 'redirty', style: 'second' },
  { mode: 'keepAgain', name: 'keep again (A/A)', style: 'control' },
];

/** `folder`: where the document finds the charts. */
export function keepOrRedirtyDocument(report: BenchReport, folder: string): Document {
  const { keepOrRedirty: cells } = report;
  if (cells.length === 0) throw new Error('the report has nothing of the scenario keep-or-redirty');
  const charts = new Map(DRAWN_FIGURES.map((figure) => [fileOf(figure), chartOf(figure, cells)]));
  const images = DRAWN_FIGURES.map(
    (figure) => `![${descriptionOf(figure, cells)}](${folder}/${fileOf(figure)})`,
  );
  const tables = keepOrRedirtyFigures(cells).map(({ title, columns, rows, text }) =>
    [`#### ${title[0]?.toUpperCase()}${title.slice(1)}`, text.join(' '), markdownTable(columns, rows)].join(
      '\n\n',
    ),
  );
  return { markdown: [origin(report), ...images, pairs(), ...tables].join('\n\n'), charts };
}

const fileOf = ({ name }: DrawnFigure): string => `${name}.svg`;

function origin({ machine, startedAt, command, durationMs }: BenchReport): string {
  const { cpu, cores, memoryBytes, platform, kernel, arch, node, v8, fileSystem, loadAverage } = machine;
  return [
    `\`npm run bench -- --scenario ${command.scenarios.join(',')} --seconds ${command.seconds}\`, ${startedAt.slice(0, 10)}, ${Math.round(durationMs / 1e3)} s:`,
    `${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform} ${kernel} ${arch}, ${fileSystem}; Node ${node} (V8 ${v8}).`,
    `Load average before the run: ${loadAverage.toFixed(1)}.`,
  ].join(' ');
}

function pairs(): string {
  return 'Of a pair of columns the first is `keep`, the second `redirty`; ÷ is the second divided by the first. A/A is `keep` once more, in runs of its own, divided by `keep`: where it is far from 1, so may be what stands beside it without meaning anything.';
}

function chartOf(figure: DrawnFigure, cells: KeepOrRedirtyCell[]): string {
  return lineCharts({
    title: figure.title,
    description: descriptionOf(figure, cells),
    panels: sharesOf(cells).map((share) => ({
      title: `${percent(share)} pinned`,
      lines: LINES.map(({ mode, name, style }) => ({
        name,
        style,
        values: valuesOf(cells, share, mode, figure.of),
      })),
    })),
    x: { label: 'How long pages stay pinned, ms', ticks: holdsOf(cells).map(String) },
    y: {
      label: figure.scale === 'log' ? `${figure.label}, logarithmic` : figure.label,
      scale: figure.scale,
    },
  });
}
