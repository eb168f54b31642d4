import type { PressureCell, StallFigures } from '../../scenarios/pressure/result';
import type { BenchReport } from '../../schema';
import type { Chart } from '../chart';
import { ms } from '../format';

/** The report has these percentiles of a write, and no curve. */
const PERCENTILES: { name: string; at: number; of: (stalls: StallFigures) => number | null }[] = [
  { name: '50%', at: 50, of: ({ p50Us }) => p50Us },
  { name: '99%', at: 99, of: ({ p99Us }) => p99Us },
  { name: '99.9%', at: 99.9, of: ({ p999Us }) => p999Us },
  { name: 'max', at: 100, of: ({ maxUs }) => maxUs },
];

export function pressureCharts({ pressure }: BenchReport): Chart[] {
  return pressure.map(chartOf);
}

function chartOf({ name, own, service, batch }: PressureCell): Chart {
  const values = (stalls: StallFigures) =>
    PERCENTILES.map(({ of }) => {
      const us = of(stalls);
      return us === null ? null : us / 1e3;
    });
  return {
    kind: 'lines',
    title: `A write of a page under pressure: ${name}`,
    description: `The longest write took ${ms(own.maxUs)} ms of its thread's own time, the longest batch with its flush ${ms(batch.maxUs)} ms.`,
    x: {
      label: 'percentile',
      scale: 'steps',
      values: PERCENTILES.map(({ at }) => at),
      names: PERCENTILES.map(({ name }) => name),
    },
    y: { label: 'ms', scale: 'log' },
    series: [
      { name: 'write', values: values(own) },
      { name: 'with waits for a core', values: values(service) },
      { name: 'batch + fdatasync', control: true, values: values(batch) },
    ],
  };
}
