// What the report holds of this scenario.
import { fields, list, oneOf } from '../../shape';

export type StableArm = 'bounce' | 'direct';

export interface StableResult {
  cells: StableCell[];
  checksum: ChecksumRow[];
}

export interface StableCell {
  /** `direct` is a control: pages are written from where they are, with a checksum over what is there. */
  arm: StableArm;
  pageSize: number;
  pages: number;
  /** Measured, over all runs. */
  seconds: number;
  fsyncs: number;
  fsyncsPerSecond: number;
  /** Of an fsync, the mean. */
  fsyncUs: number;
  written: number;
  /** Of those: while write-pinned. */
  bounced: number;
  /** While fsync ran. */
  writtenMiBPerSecond: number;
  truth: {
    /** Pages read again after an fsync, those whose checksum was wrong, and good ones that mixed generations of stores. */
    checked: number;
    failed: number;
    mixed: number;
    /** Pages torn by the read itself: good when they were read again. */
    passing: number;
  };
  /** Pins taken, bytes stored by the thread, bytes read into pinned pages by libuv. */
  pins: number;
  storedBytes: number;
  readBytes: number;
}

/** Speed of the shipped CRC over pages that are in the processor's cache. */
export interface ChecksumRow {
  pageSize: number;
  crcGBPerSecond: number;
  copyGBPerSecond: number;
  /** Median, and quartiles, of the time of a CRC divided by that of a copy beside it. */
  ratio: number;
  q1: number;
  q3: number;
  /** The time of a CRC ÷ that of the same again beside it. */
  control: number;
  bar: number;
  verdict: 'ok' | 'short' | 'no verdict';
}

export const STABLE = fields({
  cells: list(
    fields({
      arm: oneOf('bounce', 'direct'),
      pageSize: 'number',
      pages: 'number',
      seconds: 'number',
      fsyncs: 'number',
      fsyncsPerSecond: 'number',
      fsyncUs: 'number',
      written: 'number',
      bounced: 'number',
      writtenMiBPerSecond: 'number',
      truth: fields({ checked: 'number', failed: 'number', mixed: 'number', passing: 'number' }),
      pins: 'number',
      storedBytes: 'number',
      readBytes: 'number',
    }),
  ),
  checksum: list(
    fields({
      pageSize: 'number',
      crcGBPerSecond: 'number',
      copyGBPerSecond: 'number',
      ratio: 'number',
      q1: 'number',
      q3: 'number',
      control: 'number',
      bar: 'number',
      verdict: oneOf('ok', 'short', 'no verdict'),
    }),
  ),
});
