// What the report has of the scenario churn: tables, figures, charts.
import { type Block, bad, type Cell, good, heading, reading, table } from '../../report/blocks';
import type { Chart } from '../../report/chart';
import { controlCell } from '../../report/control';
import type { Figure } from '../../report/figure';
import { count, digits, ms, rate, ratio } from '../../report/format';
import type { BenchReport } from '../../schema';
import {
  CHURN_ARMS,
  type ChurnArm,
  type ChurnResult,
  type ChurnTruth,
  type SteadyFigures,
  type SteadyRole,
} from './shape';

const ROLE_NAME: Record<SteadyRole, string> = {
  view: 'view',
  update: 'update',
  fsync: 'fsync',
  bare: 'bare write + fdatasync',
};

const ARM_NAME: Record<ChurnArm, string> = {
  calm: 'calm',
  churn: 'churn',
  bystanders: 'bystanders',
  calmAgain: 'calm again',
};

export function churnTables({ churn }: BenchReport): Block[] {
  if (churn === null) return [];
  const { blockMs, blocks, workers } = churn;
  return [
    heading('worker churn'),
    reading(
      `Four threads stay; each does one thing at fixed times. In blocks of ${Math.round(blockMs)} ms, ${blocks} of each kind, nobody comes (calm), workers start, use the cache and go (churn), or as many start and go and leave the cache alone (bystanders).`,
    ),
    latencyTable(churn),
    reading(
      'Latencies from the moment each operation was due. "÷ calm" is p50 and p99 in churn divided by calm, "bystanders" the same without the cache, A/A calm again ÷ calm. What churn has above bystanders is the cache\'s.',
    ),
    workersTable(churn),
    truthTable(churn),
    reading(
      `Half of the workers are terminated in the middle. Each updates a page, stores into another through a pin, and calls fsync; ${count(workers.commits)} fsyncs of theirs returned. Whoever called fsync reads the file itself after it; once a worker has gone, what it was promised is looked for again.`,
      `Skip, the control whose fsync passes pages over, lied ${count(churn.skip.lies)} times of ${count(churn.skip.checked)}.`,
    ),
  ];
}

const over = ({ latency }: SteadyFigures, arm: ChurnArm, figure: 'p50Us' | 'p99Us'): number | null => {
  const [above, below] = [latency[arm][figure], latency.calm[figure]];
  return above === null || below === null ? null : above / below;
};

function latencyTable({ steady }: ChurnResult): Block {
  const columns = [
    { head: 'thread that stays', words: true },
    { head: 'due/s' },
    { head: 'calm p50 ms' },
    { head: 'p99' },
    { head: 'churn p50 ms' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'p50 ÷ calm' },
    { head: 'bystanders' },
    { head: 'A/A' },
    { head: 'p99 ÷ calm' },
    { head: 'bystanders' },
    { head: 'A/A' },
  ];
  const rows = steady.map((figures) => {
    const { role, duePerSecond, latency } = figures;
    return [
      ROLE_NAME[role],
      rate(duePerSecond),
      ms(latency.calm.p50Us),
      ms(latency.calm.p99Us),
      ms(latency.churn.p50Us),
      ms(latency.churn.p99Us),
      ms(latency.churn.maxUs),
      ratio(over(figures, 'churn', 'p50Us')),
      ratio(over(figures, 'bystanders', 'p50Us')),
      controlCell(over(figures, 'calmAgain', 'p50Us')),
      ratio(over(figures, 'churn', 'p99Us')),
      ratio(over(figures, 'bystanders', 'p99Us')),
      controlCell(over(figures, 'calmAgain', 'p99Us')),
    ];
  });
  return table(columns, rows);
}

function workersTable({ workers, leaks }: ChurnResult): Block {
  const columns = [
    { head: 'workers' },
    { head: 'a second' },
    { head: 'terminated' },
    { head: 'new Worker to first hit p50 ms' },
    { head: 'p99' },
    { head: 'left behind', words: true },
  ];
  const found = Object.entries(leaks).filter(([, number]) => number !== 0);
  return table(columns, [
    [
      count(workers.started),
      digits(workers.perSecond),
      count(workers.terminated),
      ms(workers.firstHit.p50Us),
      ms(workers.firstHit.p99Us),
      found.length === 0
        ? good('nothing')
        : bad(found.map(([what, number]) => `${number} ${what}`).join(', ')),
    ],
  ]);
}

function truthTable({ steadyTruth, workersTruth, left }: ChurnResult): Block {
  const columns = [
    { head: 'fsyncs looked at in the file', words: true },
    { head: 'checked' },
    { head: 'lies' },
  ];
  const row = (whose: string, { checked, lies }: ChurnTruth): Cell[] => [
    whose,
    count(checked),
    lies === 0 ? good('0') : bad(count(lies)),
  ];
  return table(columns, [
    row('of the thread that stays', steadyTruth),
    row('of workers, by themselves', workersTruth),
    row('of workers, once they had gone', left),
  ]);
}

export function churnFigures({ churn }: BenchReport): Figure[] {
  if (churn === null) return [];
  const bare = { spread: null, bar: null, verdict: 'none' } as const;
  const ratios = churn.steady.flatMap((figures) =>
    (['p50Us', 'p99Us'] as const).map(
      (figure): Figure => ({
        ...bare,
        name: `worker churn, ${figures.role}, ${figure.slice(0, 3)} in churn ÷ calm`,
        value: over(figures, 'churn', figure),
        unit: '×',
        better: 'smaller',
        control: over(figures, 'calmAgain', figure),
      }),
    ),
  );
  const { firstHit } = churn.workers;
  return [
    ...ratios,
    {
      ...bare,
      control: null,
      name: 'worker churn, new Worker to first hit, p50',
      value: firstHit.p50Us,
      unit: 'µs',
      better: 'smaller',
    },
  ];
}

export function churnCharts({ churn }: BenchReport): Chart[] {
  if (churn === null) return [];
  return churn.steady.map(
    ({ role, latency }): Chart => ({
      kind: 'percentiles',
      title: `Latency of ${ROLE_NAME[role]} while workers come and go`,
      description: `From when it was due; p50 and p99 in ms: ${CHURN_ARMS.map((arm) => `${ARM_NAME[arm]} ${ms(latency[arm].p50Us)}, ${ms(latency[arm].p99Us)}`).join('; ')}. Bystanders leave the cache alone.`,
      series: CHURN_ARMS.map((arm) => ({
        name: ARM_NAME[arm],
        control: arm === 'calmAgain' || arm === 'bystanders',
        curve: latency[arm].curve,
      })),
    }),
  );
}
