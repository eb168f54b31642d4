// What the report holds of this scenario.
import { SCAN_ARMS, type ScanArm } from '../../roles/coldscan/task';
import { fields, list, nullable, oneOf } from '../../shape';

export interface ColdScanResult {
  fileBytes: number;
  memoryBytes: number;
  arms: ScanRow[];
  hot: HotRow[];
}

export interface ScanRow {
  arm: ScanArm;
  passes: number;
  /** The median. */
  mibPerSecond: number;
  /** Its speed ÷ that of the plain loop in the same round: median and quartiles. */
  ratio: number;
  q1: number;
  q3: number;
  /** The most that a pass found in the system's cache before it, of the file; null where that can't be told. */
  warmBytes: number | null;
  /** The most that a pass left there. */
  leftBytes: number | null;
  pages: number;
  wrong: number;
  /** A pass's mean. */
  readahead: number;
  misses: number;
  bar: number | null;
  verdict: 'ok' | 'short' | 'no verdict' | 'none';
}

/** What scans leave of a hot set that another thread uses meanwhile. */
export interface HotRow {
  scan: HotScan;
  hotPages: number;
  frames: number;
  scans: number;
  touches: number;
  misses: number;
}

export const HOT_SCANS = ['none', 'normal', 'sequential', 'once'] as const;
export type HotScan = (typeof HOT_SCANS)[number];

export const COLD_SCAN = fields({
  fileBytes: 'number',
  memoryBytes: 'number',
  arms: list(
    fields({
      arm: oneOf(...SCAN_ARMS),
      passes: 'number',
      mibPerSecond: 'number',
      ratio: 'number',
      q1: 'number',
      q3: 'number',
      warmBytes: nullable('number'),
      leftBytes: nullable('number'),
      pages: 'number',
      wrong: 'number',
      readahead: 'number',
      misses: 'number',
      bar: nullable('number'),
      verdict: oneOf('ok', 'short', 'no verdict', 'none'),
    }),
  ),
  hot: list(
    fields({
      scan: oneOf(...HOT_SCANS),
      hotPages: 'number',
      frames: 'number',
      scans: 'number',
      touches: 'number',
      misses: 'number',
    }),
  ),
});
