// What the scenario replacement has drawn: Pinfold less the best of the others at the size of the aim, and each trace over the sizes.
import { AIM_SIZE } from '../../scenarios/replacement/aim';
import { PEER_NAMES } from '../../scenarios/replacement/policies';
import type { ReplacementCell } from '../../scenarios/replacement/result';
import type { BenchReport } from '../../schema';
import type { Bar, Chart } from '../chart';

export function replacementCharts({ replacement }: BenchReport): Chart[] {
  if (replacement === null || replacement.cells.length === 0) return [];
  const { cells } = replacement;
  const traces = [...new Set(cells.map(({ trace }) => trace))];
  return [...beside(cells), ...traces.flatMap((trace) => overSize(trace, cells))];
}

function beside(cells: ReplacementCell[]): Chart[] {
  const bars = cells
    .filter(({ size }) => size === AIM_SIZE)
    .map(({ trace, toBest, verdict }): Bar => {
      const points = 100 * toBest;
      return {
        name: trace,
        value: points,
        text: `${points >= 0 ? '+' : ''}${points.toFixed(1)}`,
        tone: verdict === 'ok' ? 'good' : 'bad',
      };
    });
  if (bars.length === 0) return [];
  return [
    {
      kind: 'bars',
      title: `Pinfold less the best of the others, cache of ${100 * AIM_SIZE}%`,
      description: `Percentage points of hits, one bar a trace; the others are ${PEER_NAMES.join(', ')}.`,
      label: 'points',
      bars,
      line: { at: 0, name: 'the best', from: true },
    },
  ];
}

function overSize(trace: string, all: ReplacementCell[]): Chart[] {
  const cells = all.filter((cell) => cell.trace === trace).sort((a, b) => a.size - b.size);
  if (cells.length < 2) return [];
  const said = cells.map(({ size, pinfold }) => `${(100 * pinfold).toFixed(1)}% in ${100 * size}%`);
  return [
    {
      kind: 'lines',
      title: trace,
      description: `Hits by the size of the cache as a share of the footprint; Pinfold: ${said.join(', ')}.`,
      x: { label: 'cache, % of the footprint', scale: 'log', values: cells.map(({ size }) => 100 * size) },
      y: { label: '% hits', scale: 'linear' },
      series: [
        { name: 'Pinfold', values: cells.map(({ pinfold }) => 100 * pinfold) },
        ...PEER_NAMES.map((name) => ({ name, values: cells.map(({ peers }) => 100 * peers[name]) })),
      ],
    },
  ];
}
