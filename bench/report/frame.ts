// What stands above and below the tables.
import type { BenchReport } from '../schema';
import { bad, doubtful, good } from './blocks';
import { digits } from './format';
import { coloured } from './terminal';

/** Load a core from which on other work must be expected to show in the figures. */
const BUSY_LOAD = 0.5;

export function opening({ machine }: BenchReport, dataFile: string): string {
  const { cpu, cores, memoryBytes, platform, kernel, arch, node, v8, fileSystem, device, loadAverage } =
    machine;
  const lines = [
    `${cpu} · ${cores} cores · ${Math.round(memoryBytes / 2 ** 30)} GiB · ${platform} ${kernel} ${arch}`,
    `Node ${node} (V8 ${v8}) · ${fileSystem} on ${device} · ${dataFile}`,
  ];
  if (loadAverage > BUSY_LOAD * cores) {
    lines.push(
      coloured(
        doubtful(`The machine is busy (load ${digits(loadAverage)}): expect high latencies and few verdicts`),
      ),
    );
  }
  if (!machine.durable) {
    lines.push(
      coloured(
        doubtful(
          `${fileSystem} keeps nothing over a power loss: fsync there costs and proves nothing; see --file`,
        ),
      ),
    );
  }
  return lines.join('\n');
}

export function closing({ interrupted, failures }: BenchReport): string {
  const lines = failures.map((failure) => coloured(bad(`FAILED: ${failure}`)));
  if (interrupted)
    lines.push(coloured(doubtful('Interrupted: the figures are of what had been measured until then.')));
  else if (failures.length === 0) lines.push(coloured(good('Every promise that was tested held.')));
  return `\n${lines.join('\n')}`;
}
