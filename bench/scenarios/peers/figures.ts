// The figures of the scenario peers by name, and what is drawn of it.
import type { Chart } from '../../report/chart';
import type { Figure } from '../../report/figure';
import type { BenchReport } from '../../schema';
import { inThreads } from './plan';
import type { PeerRow } from './shape';

export function peersFigures({ peers }: BenchReport): Figure[] {
  if (peers === null) return [];
  const { reads, commits, memory, start } = peers;
  return [
    ...reads.flatMap(({ bytes, threads, rows }) =>
      ratios(`read of ${bytes} bytes, ${inThreads(threads)}`, rows),
    ),
    ...ratios('durable write', commits),
    ...memory.flatMap(({ threads, rows }) => ratios(`memory, ${inThreads(threads)}`, rows)),
    ...ratios('start-up', start),
  ];
}

/** Of each peer; it has no bar, but a reading that the control may forbid. */
function ratios(what: string, rows: PeerRow[]): Figure[] {
  return rows
    .filter(({ ratio }) => ratio !== null)
    .map(({ arm, ratio, q1, q3, control, verdict }) => ({
      name: `peers, ${what}, ${arm} ÷ pinfold`,
      value: ratio,
      unit: '×',
      better: 'larger',
      spread: q1 === null || q3 === null ? null : { q1, q3 },
      control,
      bar: null,
      verdict: verdict === 'no verdict' ? 'no verdict' : 'none',
    }));
}

export function peersCharts({ peers }: BenchReport): Chart[] {
  if (peers === null) return [];
  const { reads, commits, memory } = peers;
  const charts: Chart[] = [];
  for (const [bytes, size] of [
    [8, '8 bytes'],
    [4096, '4 KiB'],
  ] as const) {
    const cells = reads.filter((cell) => cell.bytes === bytes);
    if (cells.length > 0)
      charts.push(
        overThreads(
          `Cached reads of ${size}`,
          cells,
          'reads a second, all threads together',
          ({ value }, threads) => (value === null ? null : (threads * 1e9) / value),
        ),
      );
  }
  if (commits.length > 0)
    charts.push({
      kind: 'percentiles',
      title: 'Durable write of one page',
      description: 'Latency by percentile of each peer, and of bare fs, the floor of the machine.',
      series: commits.flatMap(({ name, calls, latency }) =>
        latency === null ? [] : [{ name: `${name}: ${calls}`, curve: latency.curve }],
      ),
    });
  if (memory.length > 0)
    charts.push(
      overThreads('Memory for a cached file', memory, 'MiB', ({ value }) =>
        value === null ? null : value / 2 ** 20,
      ),
    );
  return charts;
}

function overThreads(
  title: string,
  cells: { threads: number; rows: PeerRow[] }[],
  label: string,
  show: (row: PeerRow, threads: number) => number | null,
): Chart {
  const arms = cells[0]?.rows.filter(({ arm }) => !arm.endsWith('again')) ?? [];
  return {
    kind: 'lines',
    title,
    description: `${title} by number of threads, for pinfold and each peer: ${label}.`,
    x: { label: 'threads', scale: 'linear', values: cells.map(({ threads }) => threads) },
    y: { label, scale: 'log' },
    series: arms.map(({ arm, name, calls }) => ({
      name: `${name}: ${calls}`,
      values: cells.map(({ threads, rows }) => {
        const row = rows.find((other) => other.arm === arm);
        return row === undefined ? null : show(row, threads);
      }),
    })),
  };
}
