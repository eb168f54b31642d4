// What is drawn of the scenario keep-or-redirty, in the report and in docs/keep-or-redirty.md.
import type { KeepOrRedirtyCell, Mode, ModeFigures } from '../../scenarios/keep-or-redirty/shape';
import type { BenchReport } from '../../schema';
import type { Chart } from '../chart';

export interface DrawnFigure {
  name: string;
  title: string;
  /** Its unit. */
  label: string;
  scale: 'linear' | 'log';
  of(mode: ModeFigures): number | null;
}

export const DRAWN_FIGURES: readonly DrawnFigure[] = [
  {
    name: 'written',
    title: 'Pages written a second, by whomever',
    label: 'pages/s',
    scale: 'log',
    of: (mode) => mode.writtenPerSecond,
  },
  {
    name: 'vain',
    title: 'Visits of the flusher in vain',
    label: 'visits/s',
    scale: 'linear',
    of: (mode) => mode.vainVisitsPerSecond,
  },
  {
    name: 'gauge',
    title: 'Error of the gauge of dirty pages',
    label: '% of the pages that differ',
    scale: 'linear',
    of: ({ gauge }) =>
      gauge.truth === 0 ? null : (100 * (gauge.falseDirty - gauge.falseClean)) / gauge.truth,
  },
  {
    name: 'fsync',
    title: 'Latency of fsync, p50',
    label: 'ms',
    scale: 'linear',
    of: ({ fsync }) => (fsync.p50Us === null ? null : fsync.p50Us / 1e3),
  },
  {
    name: 'writer',
    title: 'Latency of updates, p99',
    label: 'ms',
    scale: 'log',
    of: ({ writer }) => (writer.p99Us === null ? null : writer.p99Us / 1e3),
  },
];

const LINES: { mode: Mode; name: string; control?: boolean }[] = [
  { mode: 'redirty', name: 'redirty' },
  { mode: 'keep', name: 'keep' },
  { mode: 'keepAgain', name: 'keep again (A/A)', control: true },
];

export function keepOrRedirtyCharts({ keepOrRedirty: cells }: BenchReport): Chart[] {
  const holds = holdsOf(cells);
  if (holds.length < 2) return [];
  return DRAWN_FIGURES.flatMap((figure) =>
    sharesOf(cells).map((share): Chart => {
      return {
        kind: 'lines',
        title: `${figure.title}, ${percent(share)} pinned`,
        description: `From a hold of ${endsOf(figure, cells, [share])}`,
        x: { label: 'hold, ms', scale: 'steps', values: holds },
        y: { label: figure.label, scale: figure.scale },
        series: LINES.map(({ mode, ...line }) => ({
          ...line,
          values: valuesOf(cells, share, mode, figure.of),
        })),
      };
    }),
  );
}

export const sharesOf = (cells: KeepOrRedirtyCell[]): number[] =>
  [...new Set(cells.map(({ pinnedShare }) => pinnedShare))].filter((share) => share > 0);

export const holdsOf = (cells: KeepOrRedirtyCell[]): number[] =>
  [...new Set(cells.filter(({ pinnedShare }) => pinnedShare > 0).map(({ holdMs }) => holdMs))].sort(
    (a, b) => a - b,
  );

export const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** One a hold. */
export function valuesOf(
  cells: KeepOrRedirtyCell[],
  share: number,
  mode: Mode,
  of: DrawnFigure['of'],
): (number | null)[] {
  return holdsOf(cells).map((holdMs) => {
    const cell = cells.find((each) => each.pinnedShare === share && each.holdMs === holdMs);
    return cell === undefined ? null : of(cell.modes[mode]);
  });
}

/** The chart in a sentence. */
export function descriptionOf(figure: DrawnFigure, cells: KeepOrRedirtyCell[]): string {
  const { title, label } = figure;
  return `${title} (${label}), from a hold of ${endsOf(figure, cells, sharesOf(cells))}`;
}

/** Where the lines of the chart begin and end. */
function endsOf({ of }: DrawnFigure, cells: KeepOrRedirtyCell[], shares: number[]): string {
  const holds = holdsOf(cells);
  const ends = shares.map((share) => {
    const of_ = (mode: Mode) => {
      const values = valuesOf(cells, share, mode, of);
      return `${mode} ${rounded(values[0])} to ${rounded(values.at(-1))}`;
    };
    return `at ${percent(share)} pinned ${of_('keep')}, ${of_('redirty')}`;
  });
  return `${holds[0]} ms to one of ${holds.at(-1)} ms: ${ends.join('; ')}.`;
}

function rounded(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'unknown';
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}
