import type { BenchReport, MicroRow } from '../../schema';
import type { Bar, Chart } from '../chart';
import { ratio } from '../format';

/** Each row against its own bar: to the right of the line it is reached. */
export function microCharts({ micro }: BenchReport): Chart[] {
  const bars = micro.flatMap((row) => (row.value === null ? [] : [against(row, row.value)]));
  if (bars.length === 0) return [];
  const reached = micro.filter(({ verdict }) => verdict === 'ok').length;
  return [
    {
      kind: 'bars',
      title: 'How far each ratio is from its bar',
      description: `To the right of the dashed line it is reached, to the left it is not; the thin line goes from quartile to quartile. ${reached} of ${micro.length} reach theirs.`,
      label: 'of its bar, logarithmic',
      scale: 'log',
      bars,
      line: { at: 1, name: 'bar', from: true },
    },
  ];
}

function against({ name, q1, q3, bar, direction, verdict }: MicroRow, value: number): Bar {
  const atMost = direction === 'at most';
  const share = (figure: number) => (atMost ? bar / figure : figure / bar);
  const [low, high] = atMost ? [q3, q1] : [q1, q3];
  return {
    name,
    value: share(value),
    text: `${ratio(value)} (${atMost ? '≤' : '≥'} ${bar})`,
    ...(low === null || high === null ? {} : { q1: share(low), q3: share(high) }),
    tone: verdict === 'ok' ? 'good' : verdict === 'short' ? 'bad' : 'doubtful',
  };
}
