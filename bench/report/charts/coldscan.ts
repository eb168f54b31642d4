// What the scenario coldscan has drawn: speed beside a plain loop, and what scans leave of a hot set.
import type { BenchReport } from '../../schema';
import type { Bar, Chart } from '../chart';
import { count, digits, ratio } from '../format';

export function coldScanCharts({ coldScan }: BenchReport): Chart[] {
  if (coldScan === null) return [];
  const charts: Chart[] = [];
  const arms = coldScan.arms.filter(({ arm }) => arm !== 'plain');
  if (arms.length > 0) {
    charts.push({
      kind: 'bars',
      title: 'A cold file from end to end, beside a plain loop',
      description: `Speed ÷ that of fs.readSync with 256 KiB in the same round: the median, and a thin line from quartile to quartile. "Plain again" is that loop by itself (A/A).`,
      label: '÷ plain',
      bars: arms.map(({ arm, ratio: value, q1, q3, bar, mibPerSecond, verdict }): Bar => {
        const aim = bar === null ? '' : ` (≥ ${bar})`;
        return {
          name: arm,
          value,
          q1,
          q3,
          text: `${ratio(value)}${aim}, ${digits(mibPerSecond)} MiB/s`,
          ...(verdict === 'none'
            ? {}
            : { tone: verdict === 'ok' ? 'good' : verdict === 'short' ? 'bad' : 'doubtful' }),
        };
      }),
      line: { at: 1, name: 'plain' },
    });
  }
  const hot = coldScan.hot.filter(({ touches }) => touches > 0);
  if (hot.length > 0) {
    charts.push({
      kind: 'bars',
      title: 'What a scan leaves of a hot set',
      description:
        "Of another thread's touches of its hot pages while the file is scanned, those that found their page.",
      label: '% hits',
      bars: hot.map(({ scan, touches, misses }) => {
        const share = 100 * (1 - misses / touches);
        return {
          name: scan === 'none' ? 'no scan (control)' : `scan, ${scan}`,
          value: share,
          text: `${share.toFixed(2)}% of ${count(touches)}`,
        };
      }),
    });
  }
  return charts;
}
