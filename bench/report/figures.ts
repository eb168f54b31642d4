// The figures of each scenario by name, so that two reports can be laid beside one another.
import type { Latency } from '../histogram';
import { MODES } from '../scenarios/keep-or-redirty/shape';
import type { TurnsRatio } from '../scenarios/memory/result';
import { type BenchReport, MIXED_ROLES, type RatioFigures } from '../schema';
import type { Figure } from './figure';
import { unusualOf } from './fsync';

const RATIO = '×';

/** Fields that most figures have nothing for. */
const BARE = { spread: null, control: null, bar: null, verdict: 'none' } as const;

/** The percentiles of a latency that are comparable between runs of minutes. */
function latencies(name: string, { p50Us, p99Us }: Latency): Figure[] {
  return [
    { ...BARE, name: `${name}, p50`, value: p50Us, unit: 'µs', better: 'smaller' },
    { ...BARE, name: `${name}, p99`, value: p99Us, unit: 'µs', better: 'smaller' },
  ];
}

export function fsyncFigures({ fsync }: BenchReport): Figure[] {
  return fsync.flatMap((cell) => {
    const { policy, pinnedDirty, holdMs, arms, ratios } = cell;
    const kind = policy === 'bounce' ? `${policy}, ${pinnedDirty}` : policy;
    const name = ['fsync', kind, `hold ${holdMs} ms`, ...unusualOf(cell)].join(', ');
    return [
      ratioFigure(`${name}, p50 pinned ÷ none`, ratios.p50),
      ratioFigure(`${name}, p99 pinned ÷ none`, ratios.p99),
      ...latencies(name, arms.pinned.latency),
    ];
  });
}

function ratioFigure(name: string, { paired, pooled, control, bar, verdict }: RatioFigures): Figure {
  return {
    name,
    value: paired?.median ?? pooled,
    unit: RATIO,
    better: 'smaller',
    spread: paired && { q1: paired.q1, q3: paired.q3 },
    control: control.paired ?? control.pooled,
    bar,
    verdict,
  };
}

export function deadlockFigures({ deadlock }: BenchReport): Figure[] {
  return deadlock.flatMap(({ policy, rounds, through, latency }) => [
    {
      ...BARE,
      name: `deadlock, ${policy}, through`,
      value: rounds === 0 ? null : through / rounds,
      unit: 'of all rounds',
      better: 'larger',
    },
    ...latencies(`deadlock, ${policy}`, latency),
  ]);
}

export function mixedFigures({ mixed }: BenchReport): Figure[] {
  return mixed
    .filter(({ arm }) => arm === 'updates')
    .flatMap(({ pinnedDirty, roles, hitRatio }) => [
      ...MIXED_ROLES.flatMap((role) => latencies(`mixed, ${pinnedDirty}, ${role}`, roles[role].latency)),
      {
        ...BARE,
        name: `mixed, ${pinnedDirty}, hits`,
        value: hitRatio === null ? null : 100 * hitRatio,
        unit: '% hits',
        better: 'larger',
      },
    ]);
}

export function microFigures({ micro }: BenchReport): Figure[] {
  return micro.map(({ name, value, q1, q3, control, bar, direction, verdict }) => ({
    name,
    value,
    unit: RATIO,
    better: direction === 'at most' ? 'smaller' : 'larger',
    spread: q1 === null || q3 === null ? null : { q1, q3 },
    control,
    bar,
    verdict: verdict === 'not measured' ? 'no verdict' : verdict,
  }));
}

export function memoryFigures({ memory }: BenchReport): Figure[] {
  if (memory === null) return [];
  const turns = (name: string, { median, q1, q3, control }: TurnsRatio): Figure => ({
    ...BARE,
    name,
    value: median,
    unit: RATIO,
    better: 'smaller',
    spread: q1 === null || q3 === null ? null : { q1, q3 },
    control,
  });
  const pools = memory.pools.flatMap(({ memoryBytes, hit, controlBytes }): Figure[] => {
    const pool = `memory, pool of ${memoryBytes / 2 ** 20} MiB`;
    return [
      turns(`${pool}, hit ÷ smallest`, hit),
      {
        ...BARE,
        name: `${pool}, metadata`,
        value: (100 * controlBytes) / memoryBytes,
        unit: '%',
        better: 'smaller',
      },
    ];
  });
  if (memory.files === null) return pools;
  const { open, hit, fsyncSync, fsync, miss } = memory.files;
  const files = `memory, ${open} files open ÷ 1`;
  return [
    ...pools,
    turns(`${files}, hit`, hit),
    turns(`${files}, fsyncSync`, fsyncSync),
    turns(`${files}, fsync`, fsync),
    turns(`${files}, miss`, miss),
  ];
}

export function keepOrRedirtyFigures({ keepOrRedirty }: BenchReport): Figure[] {
  return keepOrRedirty.flatMap(({ pinnedShare, holdMs, modes }) =>
    MODES.flatMap((mode): Figure[] => {
      const name = `keep or redirty, ${Math.round(100 * pinnedShare)}% pinned, hold ${holdMs} ms, ${mode}`;
      const { writtenPerSecond, fsync } = modes[mode];
      return [
        { ...BARE, name: `${name}, written`, value: writtenPerSecond, unit: 'pages/s', better: 'smaller' },
        ...latencies(`${name}, fsync`, fsync),
      ];
    }),
  );
}

export function stableFigures({ stable }: BenchReport): Figure[] {
  if (stable === null) return [];
  return stable.checksum.map(({ pageSize, crcGBPerSecond, control, bar, verdict }) => ({
    ...BARE,
    name: `stable pages, crc32c of ${pageSize >>> 10} KiB`,
    value: crcGBPerSecond,
    unit: 'GB/s',
    better: 'larger',
    control,
    bar,
    verdict,
  }));
}

export function pressureFigures({ pressure }: BenchReport): Figure[] {
  return pressure.map(({ name, pinnedShare, own, batch, control, verdict }) => ({
    ...BARE,
    name: `pressure, ${name}, ${Math.round(100 * pinnedShare)}% pinned, longest write ÷ longest batch`,
    value: own.maxUs === null || batch.maxUs === null ? null : own.maxUs / batch.maxUs,
    unit: RATIO,
    better: 'smaller',
    bar: 1,
    control,
    verdict,
  }));
}

export function coldScanFigures({ coldScan }: BenchReport): Figure[] {
  if (coldScan === null) return [];
  const again = coldScan.arms.find(({ arm }) => arm === 'plain again')?.ratio ?? null;
  return coldScan.arms.map(({ arm, ratio, q1, q3, bar, verdict }) => ({
    name: `cold scan, ${arm} ÷ plain`,
    value: ratio,
    unit: RATIO,
    better: 'larger',
    spread: { q1, q3 },
    control: again,
    bar,
    verdict,
  }));
}

export function replacementFigures({ replacement }: BenchReport): Figure[] {
  if (replacement === null) return [];
  return replacement.cells.map(({ trace, size, pinfold, verdict }) => ({
    ...BARE,
    name: `replacement, ${trace}, ${100 * size}%`,
    value: 100 * pinfold,
    unit: '% hits',
    better: 'larger',
    verdict,
  }));
}
