// Where the figures come from: the lines on top of every report.
import fs from 'node:fs';
import os from 'node:os';
import type { Machine } from './schema';

/** File systems without a device behind them: an fdatasync there costs, and proves, nothing. */
const VOLATILE = new Set(['tmpfs', 'ramfs', 'devtmpfs']);

interface Mount {
  point: string;
  type: string;
  device: string;
}

/** The mount that holds `directory`; undefined where there is no /proc/self/mounts. */
function mountOf(directory: string): Mount | undefined {
  let lines: string[];
  try {
    lines = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const real = `${fs.realpathSync(directory)}/`;
  let best: Mount | undefined;
  for (const line of lines) {
    const [device, escaped, type] = line.split(' ');
    if (type === undefined) continue;
    const point = escaped.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = real.startsWith(point.endsWith('/') ? point : `${point}/`);
    // Of mounts at one point the later hides the earlier.
    if (holds && (best === undefined || point.length >= best.point.length)) best = { point, type, device };
  }
  return best;
}

export function describeMachine(directory: string): Machine {
  const mount = mountOf(directory);
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    platform: process.platform,
    arch: process.arch,
    kernel: os.release(),
    node: process.versions.node,
    v8: process.versions.v8,
    fileSystem: mount?.type ?? 'unknown',
    device: mount?.device ?? 'unknown',
    durable: mount === undefined || !VOLATILE.has(mount.type),
    loadAverage: os.loadavg()[0],
  };
}
