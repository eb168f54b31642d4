// What the scenario memory has drawn: what the size of a pool does to a hit, and what fsync makes of many dirty pages.
import type { MemoryFigures } from '../../scenarios/memory/result';
import type { BenchReport } from '../../schema';
import type { Chart } from '../chart';
import { count, digits, ratio } from '../format';

const MIB = 2 ** 20;

export function memoryCharts({ memory }: BenchReport): Chart[] {
  if (memory === null || memory.pools.length === 0) return [];
  return [...hits(memory), ...fsyncs(memory)];
}

function hits({ pools }: MemoryFigures): Chart[] {
  if (pools.length < 2) return [];
  return [
    {
      kind: 'lines',
      title: 'A hit by the size of the pool',
      description: `As many hot pages in each; divided by a hit in the smallest: ${pools
        .map(({ memoryBytes, hit }) => `${count(memoryBytes / MIB)} MiB ${ratio(hit.median)}`)
        .join(', ')}. "Loads alone": what the processor makes of the distance, without a cache.`,
      x: { label: 'pool, MiB', scale: 'log', values: pools.map(({ memoryBytes }) => memoryBytes / MIB) },
      y: { label: '÷ smallest', scale: 'linear' },
      series: [
        { name: 'hit', values: pools.map(({ hit }) => hit.median) },
        { name: 'loads alone', values: pools.map(({ loads }) => loads) },
      ],
    },
  ];
}

function fsyncs({ pools }: MemoryFigures): Chart[] {
  return pools
    .filter(({ fsync }) => fsync.length > 1)
    .map(({ memoryBytes, fsync }) => ({
      kind: 'lines' as const,
      title: `fsync by its dirty pages, pool of ${count(memoryBytes / MIB)} MiB`,
      description: `One fsync of so many pages: ${fsync
        .map(({ pages, fsyncUs }) => `${count(pages)} ${digits(fsyncUs)} µs`)
        .join(', ')}. "Bare": writeSync and fdatasyncSync of as many bytes.`,
      x: { label: 'dirty pages', scale: 'log' as const, values: fsync.map(({ pages }) => pages) },
      y: { label: 'µs', scale: 'log' as const },
      series: [
        { name: 'fsync', values: fsync.map(({ fsyncUs }) => fsyncUs) },
        { name: 'without a disk', values: fsync.map(({ withoutDiskUs }) => withoutDiskUs) },
        { name: 'bare', control: true, values: fsync.map(({ bareUs }) => bareUs) },
      ],
    }));
}
