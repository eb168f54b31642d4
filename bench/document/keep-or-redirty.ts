// The figures of docs/keep-or-redirty.md: tables, and charts beside it.
import { keepOrRedirtyFigures } from '../report/keep-or-redirty';
import type { KeepOrRedirtyCell, Mode, ModeFigures } from '../scenarios/keep-or-redirty/shape';
import type { BenchReport } from '../schema';
import { markdownTable } from './markdown';
import { type Charts, type Line, lineCharts } from './svg';

export interface Document {
  markdown: string;
  /** By file name. */
  charts: Map<string, string>;
}

interface Figure {
  file: string;
  title: string;
  label: string;
  scale: Charts['y']['scale'];
  of(mode: ModeFigures): number | null;
}

const FIGURES: Figure[] = [
  {
    file: 'written.svg',
    title: 'Pages written a second, by whomever',
    label: 'pages/s, logarithmic',
    scale: 'log',
    of: (mode) => mode.writtenPerSecond,
  },
  {
    file: 'vain.svg',
    title: 'Visits of the flusher in vain',
    label: 'visits/s',
    scale: 'linear',
    of: (mode) => mode.vainVisitsPerSecond,
  },
  {
    file: 'gauge.svg',
    title: 'Error of the gauge of dirty pages',
    label: '% of the pages that differ',
    scale: 'linear',
    of: ({ gauge }) =>
      gauge.truth === 0 ? null : (100 * (gauge.falseDirty - gauge.falseClean)) / gauge.truth,
  },
  {
    file: 'fsync.svg',
    title: 'Latency of fsync, p50',
    label: 'ms',
    scale: 'linear',
    of: ({ fsync }) => (fsync.p50Us === null ? null : fsync.p50Us / 1e3),
  },
  {
    file: 'writer.svg',
    title: 'Latency of updates, p99',
    label: 'ms, logarithmic',
    scale: 'log',
    of: ({ writer }) => (writer.p99Us === null ? null : writer.p99Us / 1e3),
  },
];

const LINES: { mode: Mode; name: string; style: Line['style'] }[] = [
  { mode: 'keep', name: 'keep', style: 'first' },
  { mode: 'redirty', name: 'redirty', style: 'second' },
  { mode: 'keepAgain', name: 'keep again (A/A)', style: 'control' },
];

/** `folder`: where the document finds the charts. */
export function keepOrRedirtyDocument(report: BenchReport, folder: string): Document {
  const { keepOrRedirty: cells } = report;
  if (cells.length === 0) throw new Error('the report has nothing of the scenario keep-or-redirty');
  const charts = new Map(FIGURES.map((figure) => [figure.file, chartOf(figure, cells)]));
  const images = FIGURES.map(
    ({ file, ...figure }) => `![${descriptionOf(figure, cells)}](${folder}/${file})`,
  );
  const tables = keepOrRedirtyFigures(cells).map(({ title, columns, rows, text }) =>
    [`#### ${title[0]?.toUpperCase()}${title.slice(1)}`, text.join(' '), markdownTable(columns, rows)].join(
      '\n\n',
    ),
  );
  return { markdown: [origin(report), ...images, pairs(), ...tables].join('\n\n'), charts };
}

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

const sharesOf = (cells: KeepOrRedirtyCell[]) =>
  [...new Set(cells.map(({ pinnedShare }) => pinnedShare))].filter((share) => share > 0);
const holdsOf = (cells: KeepOrRedirtyCell[]) =>
  [...new Set(cells.filter(({ pinnedShare }) => pinnedShare > 0).map(({ holdMs }) => holdMs))].sort(
    (a, b) => a - b,
  );
const percent = (share: number) => `${Math.round(share * 100)}%`;

function valuesOf(
  cells: KeepOrRedirtyCell[],
  share: number,
  mode: Mode,
  of: Figure['of'],
): (number | null)[] {
  return holdsOf(cells).map((holdMs) => {
    const cell = cells.find((each) => each.pinnedShare === share && each.holdMs === holdMs);
    return cell === undefined ? null : of(cell.modes[mode]);
  });
}

function chartOf(figure: Figure, cells: KeepOrRedirtyCell[]): string {
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
    y: { label: figure.label, scale: figure.scale },
  });
}

/** The chart in a sentence: where its lines begin and end. */
function descriptionOf({ title, label, of }: Omit<Figure, 'file'>, cells: KeepOrRedirtyCell[]): string {
  const holds = holdsOf(cells);
  const ends = sharesOf(cells).map((share) => {
    const of_ = (mode: Mode) => {
      const values = valuesOf(cells, share, mode, of);
      return `${mode} ${rounded(values[0])} to ${rounded(values.at(-1))}`;
    };
    return `at ${percent(share)} pinned ${of_('keep')}, ${of_('redirty')}`;
  });
  return `${title} (${label}), from a hold of ${holds[0]} ms to one of ${holds.at(-1)} ms: ${ends.join('; ')}.`;
}

function rounded(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'unknown';
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}
