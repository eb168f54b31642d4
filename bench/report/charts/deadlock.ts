import type { BenchReport } from '../../schema';
import type { Chart } from '../chart';
import { count, ms } from '../format';

export function deadlockCharts({ deadlock }: BenchReport): Chart[] {
  const bars = deadlock.flatMap(({ policy, rounds, through, latency }) =>
    latency.p50Us === null
      ? []
      : [
          {
            name: policy,
            value: latency.p50Us / 1e3,
            text: `${ms(latency.p50Us)} ms, ${count(through)} of ${count(rounds)} through`,
            tone: through === rounds ? ('good' as const) : ('bad' as const),
          },
        ],
  );
  if (bars.length === 0) return [];
  return [
    {
      kind: 'bars',
      title: 'How long fsync took while the pin could not drop',
      description: 'The median of each policy. What was not let through ended by its timeout.',
      label: 'ms, p50',
      bars,
    },
  ];
}
