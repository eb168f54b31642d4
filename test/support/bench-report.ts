// Reports as a run leaves them, with the figures that a test asks for.
import {
  type BenchReport,
  type MicroRow,
  noResults,
  REPORT_SCHEMA,
  REPORT_VERSION,
} from '../../bench/schema.ts';

/** A report of a run that found nothing, but for `parts`. */
export function benchReport(parts: Partial<BenchReport> = {}): BenchReport {
  return {
    schema: REPORT_SCHEMA,
    version: REPORT_VERSION,
    startedAt: '2026-01-02T03:04:05.000Z',
    durationMs: 299_600,
    interrupted: false,
    command: {
      scenarios: ['micro'],
      size: 'asked',
      seconds: 300,
      holdsMs: [],
      holdShapes: ['fixed'],
      pinSources: ['file'],
      threads: 2,
      streamBytes: 0,
      file: null,
      seed: 1,
      trace: null,
    },
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      platform: 'linux',
      arch: 'x64',
      kernel: '6.1',
      node: '20.19.0',
      v8: '11.3',
      fileSystem: 'ext4',
      device: '/dev/sda',
      durable: true,
      loadAverage: 0.25,
    },
    floors: [],
    cpu: [],
    calibration: null,
    failures: [],
    ...noResults(),
    ...parts,
  };
}

/** A row whose quartiles lie 2% from its value, and whose identical arms do not differ; its bar is 1.5, at most. */
export function microRow(name: string, value: number, parts: Partial<MicroRow> = {}): MicroRow {
  return {
    name,
    value,
    q1: value * 0.98,
    q3: value * 1.02,
    bar: 1.5,
    direction: 'at most',
    control: 1,
    verdict: value <= 1.5 ? 'ok' : 'short',
    parts: [{ label: 'over', value: value * 10, unit: 'ns' }],
    note: null,
    ...parts,
  };
}
