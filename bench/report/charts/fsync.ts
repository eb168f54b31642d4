// What the scenario fsync has drawn: percentile curves at each hold, p50 and p99 over the hold, and the portraits.
import type { Curve } from '../../histogram';
import type { Portrait } from '../../portrait';
import type { BenchReport, FsyncCell } from '../../schema';
import type { Chart, LineChart, PercentileChart, PortraitChart } from '../chart';
import { ms } from '../format';
import { policyName, unusualOf } from '../fsync';

/** In the order of their colours, which are the same in all charts of the scenario. */
const POLICIES = ['bounce, redirty', 'bounce, keep', 'block', 'bare fs', 'skip (control)'];

export function fsyncCharts({ fsync, portraits, floors }: BenchReport): Chart[] {
  const cells = usualOf(fsync);
  const holds = [...new Set(cells.map(({ holdMs }) => holdMs))].sort((a, b) => a - b);
  const names = [...new Set(cells.map(policyName))].sort((a, b) => rank(a) - rank(b));
  const floor = floors.find(({ scenario }) => scenario === 'fsync')?.before.curve;
  return [
    ...holds.map((holdMs) => curves(cells, names, holdMs, floor)),
    ...(holds.length > 1
      ? [
          overHold('p50', cells, names, holds, ({ latency }) => latency.p50Us),
          overHold('p99', cells, names, holds, ({ latency }) => latency.p99Us),
        ]
      : []),
    ...holds.flatMap((holdMs) => otherPins(fsync, cells, holdMs)),
    ...portraits.map(portraitChart),
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

function overHold(
  what: string,
  cells: FsyncCell[],
  names: string[],
  holds: number[],
  usOf: (arm: FsyncCell['arms']['pinned']) => number | null,
): LineChart {
  const series = names.map((name) => ({
    name,
    control: isControl(name),
    values: holds.map((holdMs) => {
      const cell = cellOf(cells, name, holdMs);
      const us = cell === undefined ? null : usOf(cell.arms.pinned);
      return us === null ? null : us / 1e3;
    }),
  }));
  const said = series
    .filter(({ values }) => values.some((value) => value !== null))
    .map(({ name, values }) => `${name} ${msText(values[0])} to ${msText(values.at(-1))}`);
  return {
    kind: 'lines',
    title: `${what} of fsync by how long pages stay pinned`,
    description: `In ms, from a hold of ${holds[0]} ms to one of ${holds.at(-1)} ms: ${said.join('; ')}.`,
    x: { label: 'hold, ms', scale: 'steps', values: holds },
    y: { label: 'ms', scale: 'log' },
    series,
  };
}

function msText(value: number | null | undefined): string {
  return ms(value === null || value === undefined ? null : value * 1e3);
}

function portraitChart(portrait: Portrait, n: number): PortraitChart {
  const { policy, pinnedDirty, holdMs, durationMs, fsyncs, holds } = portrait;
  const name = policy === 'bounce' ? `bounce, ${pinnedDirty}` : policy;
  const latencies = fsyncs.map(({ latencyMs }) => latencyMs);
  const range =
    latencies.length === 0
      ? 'no fsync ended'
      : `they took ${ms(1e3 * Math.min(...latencies))} to ${ms(1e3 * Math.max(...latencies))} ms from when they were due`;
  return {
    kind: 'portrait',
    title: `A look at ${name}, hold ${holdMs} ms`,
    description: `${fsyncs.length} fsyncs in ${Math.round(durationMs)} ms, above ${holds.length} times that their pages were pinned: ${range}. Below, the state of each page meanwhile. Made in a run of its own: looking costs time.`,
    portrait: n,
  };
}
