// The tables of the memory scenario.

import { type Block, heading, reading, table } from '../../report/blocks';
import { digits, ratio } from '../../report/format';
import type { BenchReport } from '../../schema';
import type { MemoryFigures, TurnsRatio } from './result';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const size = (bytes: number): string => (bytes >= GIB ? `${bytes / GIB} GiB` : `${bytes / MIB} MiB`);
const mib = (bytes: number | null): string => digits(bytes === null ? null : bytes / MIB);
const spread = ({ q1, q3 }: TurnsRatio): string => (q1 === null ? ratio(null) : `${ratio(q1)}–${ratio(q3)}`);

export function memoryTables({ memory }: BenchReport): Block[] {
  if (memory === null) return [];
  return [
    heading('memory'),
    pools(memory),
    reading(
      'Hit: viewSync of one of 1,024 hot pages, at frames all over the pool, divided by one in the smallest pool: the median and the quartiles of neighbours in time; "A/A" is the smallest by itself. "Loads alone": the same of the five loads that any cache makes for a hit, without one: what the processor makes of lines and pages that are further apart.',
      'Resident: what the process had more than before, for the pages touched. Allowed on top of the memory: metadata, and 16 MiB and 200 bytes a frame for each thread.',
    ),
    fsyncs(memory),
    reading(
      'One fsync of so many dirty pages, at frames all over the pool; ÷ bare: by writeSync and fdatasyncSync of as many bytes, a turn about. Without a disk: the same of a file in /dev/shm, so what it costs the processor.',
    ),
    ...(memory.files === null ? [] : files(memory.files)),
  ];
}

function pools({ pools: found }: MemoryFigures): Block {
  const columns = [
    { head: 'pool', words: true },
    { head: 'data memories' },
    { head: 'metadata' },
    { head: 'hit ns' },
    { head: '÷ smallest' },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'loads alone' },
    { head: 'resident MiB' },
    { head: 'allowed' },
    { head: 'create ms' },
  ];
  const rows = found.map((pool) => [
    size(pool.memoryBytes),
    `${pool.dataMemories}`,
    `${((100 * pool.controlBytes) / pool.memoryBytes).toFixed(2)}%`,
    digits(pool.hit.overNs),
    ratio(pool.hit.median),
    spread(pool.hit),
    ratio(pool.hit.control),
    ratio(pool.loads),
    mib(pool.residentBytes),
    mib(pool.memoryBytes + pool.allowanceBytes),
    digits(pool.createMs),
  ]);
  return table(columns, rows);
}

function fsyncs({ pools: found }: MemoryFigures): Block {
  const columns = [
    { head: 'dirty pages' },
    { head: 'pool', words: true },
    { head: 'fsync µs' },
    { head: 'a page' },
    { head: '÷ bare' },
    { head: 'bare µs' },
    { head: 'without a disk µs' },
    { head: 'a page' },
  ];
  const counts = found[0]?.fsync.map(({ pages }) => pages) ?? [];
  const rows = counts.flatMap((pages, n) =>
    found.map(({ memoryBytes, fsync }, at) => {
      const { fsyncUs, bareUs, ratio: over, withoutDiskUs } = fsync[n];
      const each = (us: number | null) => digits(us === null ? null : us / pages);
      return [
        at === 0 ? pages.toLocaleString('en-US') : '',
        size(memoryBytes),
        digits(fsyncUs),
        each(fsyncUs),
        ratio(over),
        digits(bareUs),
        digits(withoutDiskUs),
        each(withoutDiskUs),
      ];
    }),
  );
  return table(columns, rows);
}

function files(found: NonNullable<MemoryFigures['files']>): Block[] {
  const columns = [
    { head: `${found.open.toLocaleString('en-US')} files open ÷ 1`, words: true },
    { head: 'ratio' },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'µs' },
  ];
  const row = (what: string, turns: TurnsRatio) => [
    what,
    ratio(turns.median),
    spread(turns),
    ratio(turns.control),
    digits(turns.overNs === null ? null : turns.overNs / 1_000),
  ];
  const rows = [
    row('hit (viewSync)', found.hit),
    row('write + fsyncSync of one page', found.fsyncSync),
    row('write + fsync of one page', found.fsync),
    row('miss (view)', found.miss),
  ];
  const share = ((100 * found.controlBytes) / (64 * MIB)).toFixed(2);
  return [
    table(columns, rows),
    reading(
      `Both caches are made for ${found.maxFiles.toLocaleString('en-US')} files in 64 MiB, which takes ${share}% of metadata.`,
    ),
  ];
}
