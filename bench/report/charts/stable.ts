// What the scenario stable has drawn: pages that failed their checksum, and the speed of the checksum.
import type { BenchReport } from '../../schema';
import type { Bar, Chart } from '../chart';
import { count, digits } from '../format';

export function stableCharts({ stable }: BenchReport): Chart[] {
  if (stable === null) return [];
  const failed = stable.cells
    .filter(({ truth }) => truth.checked > 0)
    .map(({ arm, pageSize, truth }): Bar => {
      const share = (100 * truth.failed) / truth.checked;
      // The control has to fail.
      const right = truth.failed > 0 === (arm === 'direct');
      return {
        name: `${arm === 'direct' ? 'direct (control)' : 'bounce'}, ${pageSize >>> 10} KiB`,
        value: share,
        text: `${digits(share)}% of ${count(truth.checked)}`,
        tone: right ? 'good' : 'bad',
      };
    });
  const speeds = stable.checksum.flatMap(({ pageSize, crcGBPerSecond, copyGBPerSecond }): Bar[] => [
    { name: `crc32c, ${pageSize >>> 10} KiB`, value: crcGBPerSecond },
    { name: `memory.copy, ${pageSize >>> 10} KiB`, value: copyGBPerSecond },
  ]);
  const charts: Chart[] = [];
  if (failed.length > 0) {
    charts.push({
      kind: 'bars',
      title: 'Pages in the file that are not what their checksum says',
      description:
        'Stored into all the time while they were written. Written from a copy none may fail; written from where they are, some must.',
      label: '% of the pages checked',
      bars: failed,
    });
  }
  if (speeds.length > 0) {
    charts.push({
      kind: 'bars',
      title: 'Speed of the checksum, beside a copy',
      description: "Pages in the processor's cache, one after another.",
      label: 'GB/s',
      bars: speeds,
    });
  }
  return charts;
}
