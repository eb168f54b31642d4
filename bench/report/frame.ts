// What stands above and below the tables.
import type { BenchReport } from '../schema';
import { doubts, outcome } from './notices';
import { coloured } from './terminal';

export function opening(report: BenchReport, dataFile: string): string {
  const { cpu, cores, memoryBytes, platform, kernel, arch, node, v8, fileSystem, device } = report.machine;
  return [
    `${cpu} · ${cores} cores · ${Math.round(memoryBytes / 2 ** 30)} GiB · ${platform} ${kernel} ${arch}`,
    `Node ${node} (V8 ${v8}) · ${fileSystem} on ${device} · ${dataFile}`,
    ...doubts(report).map(coloured),
  ].join('\n');
}

export function closing(report: BenchReport): string {
  const lines = outcome(report).map(coloured);
  return `\n${lines.join('\n')}`;
}
