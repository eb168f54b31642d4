// What the scenario fsync has drawn: the portraits, which show what it is about; percentile curves at each hold; p50, p99 and throughput
// over the hold.
import type { Curve } from '../../histogram';
import type { Portrait } from '../../portrait';
import type { BenchReport, FsyncCell } from '../../schema';
import type { Chart, LineChart, PercentileChart, PortraitChart } from '../chart';
import { digits, ms } from '../format';
import { policyName, unusualOf } from '../fsync';

/** In the order of their colours, which are the same in all charts of the scenario. */
const POLICIES = ['bounce, redirty', 'bounce, keep', 'block', 'bare fs', 'skip (control)'];

export function fsyncCharts({ fsync, portraits, floors }: BenchReport): Chart[] {
  const cells = usualOf(fsync);
  const holds = [...new Set(cells.map(({ holdMs }) => holdMs))].sort((a, b) => a - b);
  const names = [...new Set(cells.map(policyName))].sort((a, b) => rank(a) - rank(b));
  const floor = floors.find(({ scenario }) => scenario === 'fsync')?.before.curve;
  return [
    ...portraitCharts(portraits),
    ...holds.map((holdMs) => curves(cells, names, holdMs, floor)),
    ...(holds.length > 1
      ? [
          overHold('p50 of fsync', 'ms', cells, names, holds, ({ latency }) => inMs(latency.p50Us)),
          overHold('p99 of fsync', 'ms', cells, names, holds, ({ latency }) => inMs(latency.p99Us)),
          overHold('fsyncs a second', 'fsyncs/s', cells, names, holds, ({ perSecond }) => perSecond),
        ]
      : []),
    ...holds.flatMap((holdMs) => otherPins(fsync, cells, holdMs)),
  ];
}

/** Holds that are all as long, and reads of a file; all cells, if there are none of those. */
function usualOf(cells: FsyncCell[]): FsyncCell[] {
  const usual = cells.filter((cell) => unusualOf(cell).length === 0);
  return usual.length > 0 ? usual : cells;
}

/** The same hold with other lengths around it, and with other pins: as shipped, beside the usual cell. */
function otherPins(all: FsyncCell[], usual: FsyncCell[], holdMs: number): PercentileChart[] {
  const isShipped = (cell: FsyncCell) =>
    cell.holdMs === holdMs && cell.policy === 'bounce' && cell.pinnedDirty === 'redirty';
  const others = all.filter((cell) => isShipped(cell) && !usual.includes(cell));
  if (others.length === 0) return [];
  const series = [...usual.filter(isShipped), ...others].map((cell) => ({
    name: unusualOf(cell).join(', ') || 'holds of one length, reads of a file',
    latency: cell.arms.pinned.latency,
  }));
  const said = series.map(({ name, latency }) => `${name} ${ms(latency.p50Us)}, ${ms(latency.p99Us)}`);
  return [
    {
      kind: 'percentiles',
      title: `Latency of fsync, pages pinned for ${holdMs} ms on average, by lengths of holds and by what pins`,
      description: `Bounce, redirty, from when each fsync was due; p50 and p99 in ms: ${said.join('; ')}.`,
      series: series.map(({ name, latency }) => ({ name, curve: latency.curve })),
    },
  ];
}

function rank(name: string): number {
  const at = POLICIES.indexOf(name);
  return at < 0 ? POLICIES.length : at;
}

function cellOf(cells: FsyncCell[], name: string, holdMs: number): FsyncCell | undefined {
  return cells.find((cell) => cell.holdMs === holdMs && policyName(cell) === name);
}

const isControl = (name: string): boolean => name.includes('control');

function curves(
  cells: FsyncCell[],
  names: string[],
  holdMs: number,
  floor: Curve | undefined,
): PercentileChart {
  const series = names.map((name) => ({
    name,
    control: isControl(name),
    curve: cellOf(cells, name, holdMs)?.arms.pinned.latency.curve ?? { percentiles: [], us: [] },
  }));
  const said = names.flatMap((name) => {
    const latency = cellOf(cells, name, holdMs)?.arms.pinned.latency;
    return latency === undefined || latency.p50Us === null
      ? []
      : [`${name} ${ms(latency.p50Us)}, ${ms(latency.p99Us)}`];
  });
  return {
    kind: 'percentiles',
    title: `Latency of fsync, pages pinned for ${holdMs} ms`,
    description: `From when each fsync was due, its pages pinned; p50 and p99 in ms: ${said.join('; ')}.`,
    series:
      floor === undefined
        ? series
        : [...series, { name: 'bare, alone (floor)', control: true, curve: floor }],
  };
}

const inMs = (us: number | null): number | null => (us === null ? null : us / 1e3);

function overHold(
  what: string,
  unit: string,
  cells: FsyncCell[],
  names: string[],
  holds: number[],
  of: (arm: FsyncCell['arms']['pinned']) => number | null,
): LineChart {
  const series = names.map((name) => ({
    name,
    control: isControl(name),
    values: holds.map((holdMs) => {
      const cell = cellOf(cells, name, holdMs);
      return cell === undefined ? null : of(cell.arms.pinned);
    }),
  }));
  const said = series
    .filter(({ values }) => values.some((value) => value !== null))
    .map(({ name, values }) => `${name} ${digits(values[0])} to ${digits(values.at(-1) ?? null)}`);
  return {
    kind: 'lines',
    title: `${what} by how long pages stay pinned`,
    description: `In ${unit}, from a hold of ${holds[0]} ms to one of ${holds.at(-1)} ms: ${said.join('; ')}.`,
    x: { label: 'hold, ms', scale: 'steps', values: holds },
    y: { label: unit, scale: 'log' },
    series,
  };
}

/** In the order of the policies. */
function portraitCharts(portraits: Portrait[]): PortraitChart[] {
  const named = portraits.map((portrait, n) => ({
    name: portraitName(portrait),
    chart: portraitChart(portrait, n),
  }));
  return named.sort((a, b) => rank(a.name) - rank(b.name)).map(({ chart }) => chart);
}

function portraitName({ policy, pinnedDirty }: Portrait): string {
  if (policy === 'skip') return 'skip (control)';
  return policy === 'bounce' ? `bounce, ${pinnedDirty}` : policy;
}

function portraitChart(portrait: Portrait, n: number): PortraitChart {
  const { holdMs, durationMs, fsyncs, holds } = portrait;
  const latencies = fsyncs.map(({ latencyMs }) => latencyMs);
  const range =
    latencies.length === 0
      ? 'no fsync ended'
      : `they took ${ms(1e3 * Math.min(...latencies))} to ${ms(1e3 * Math.max(...latencies))} ms from when they were due`;
  return {
    kind: 'portrait',
    title: `A look at ${portraitName(portrait)}, hold ${holdMs} ms`,
    description: `${fsyncs.length} fsyncs in ${Math.round(durationMs)} ms, above ${holds.length} times that their pages were to be pinned: ${range}. Below, the state of each page meanwhile. Made in a run of its own: looking costs time.`,
    portrait: n,
  };
}
