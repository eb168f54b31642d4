// What the scenario mixed has drawn: the percentile curves of its roles, and how much of what was due each did.
import type { Curve } from '../../histogram';
import { type BenchReport, MIXED_ROLES, type MixedCell } from '../../schema';
import type { Chart } from '../chart';
import { digits, rate } from '../format';
import { ROLE_NAME } from '../mixed';

export function mixedCharts({ mixed, floors }: BenchReport): Chart[] {
  const cells = mixed.filter(({ arm }) => arm === 'updates');
  const floor = floors.find(({ scenario }) => scenario === 'mixed')?.before.curve;
  return cells.flatMap((cell) => [curves(cell, floor), throughput(cell)]);
}

function curves({ pinnedDirty, roles }: MixedCell, floor: Curve | undefined): Chart {
  const series = MIXED_ROLES.map((role) => ({ name: ROLE_NAME[role], curve: roles[role].latency.curve }));
  const said = MIXED_ROLES.map((role) => {
    const { p50Us, p99Us } = roles[role].latency;
    return `${ROLE_NAME[role]} ${digits(p50Us)}, ${digits(p99Us)}`;
  });
  return {
    kind: 'percentiles',
    title: `Latency of each role, bounce, ${pinnedDirty}`,
    description: `From when each operation was due, all roles at once; p50 and p99 in µs: ${said.join('; ')}.`,
    series:
      floor === undefined
        ? series
        : [...series, { name: 'bare, alone (floor)', control: true, curve: floor }],
  };
}

function throughput({ pinnedDirty, roles }: MixedCell): Chart {
  return {
    kind: 'bars',
    title: `Throughput of each role, bounce, ${pinnedDirty}`,
    description:
      'Of both threads of a role. What is due is fixed beforehand, so less than that means that a role could not keep up.',
    label: 'operations a second',
    bars: MIXED_ROLES.map((role) => {
      const { perSecond, duePerSecond } = roles[role];
      return {
        name: ROLE_NAME[role],
        value: perSecond,
        text: `${rate(perSecond)}/s of ${rate(duePerSecond)}/s due`,
      };
    }),
  };
}
