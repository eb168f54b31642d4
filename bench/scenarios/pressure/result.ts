// What the pressure scenario finds.
import { fields, list, nullable, oneOf, type Shape } from '../../shape';

export interface StallFigures {
  count: number;
  p50Us: number | null;
  p99Us: number | null;
  p999Us: number | null;
  maxUs: number | null;
}

/** Writers that dirty several times more than the disk takes, with a share of the dirty pages pinned. */
export interface PressureCell {
  name: string;
  memoryBytes: number;
  /** Share of the dirty pages that was to be pinned, and that was, in the middle of many looks. */
  pinnedShare: number;
  pinnedMedian: number | null;
  pinnedPages: number;
  /** Pages that may be dirty, and not pinned, before writers are throttled. */
  dirtyLimit: number;
  diskPagesPerSecond: number;
  duePerSecond: number;
  donePerSecond: number;
  /** Of each writeSync of a page: from when it began; that without the time in which its thread had no core; from when it was due. */
  service: StallFigures;
  own: StallFigures;
  fromDue: StallFigures;
  /** A batch's own I/O, in blocks of time between: 64 pages by one writeSync; and that with an fdatasync. Of the time with a core. */
  batchWrite: StallFigures;
  batch: StallFigures;
  /** Writes that took longer than the longest batch with its flush. */
  longer: number;
  /** The longest of every second batch ÷ the longest of the others: how far the maxima of two identical arms are apart. */
  control: number | null;
  verdict: 'ok' | 'short' | 'no verdict';
  throttles: number;
  flushes: number;
  /** Pages looked at in the file itself after the last fsync, and those that were not as promised. */
  checked: number;
  lies: number;
}

const STALLS: Shape = fields({
  count: 'number',
  p50Us: nullable('number'),
  p99Us: nullable('number'),
  p999Us: nullable('number'),
  maxUs: nullable('number'),
});

export const PRESSURE = list(
  fields({
    name: 'string',
    memoryBytes: 'number',
    pinnedShare: 'number',
    pinnedMedian: nullable('number'),
    pinnedPages: 'number',
    dirtyLimit: 'number',
    diskPagesPerSecond: 'number',
    duePerSecond: 'number',
    donePerSecond: 'number',
    service: STALLS,
    own: STALLS,
    fromDue: STALLS,
    batchWrite: STALLS,
    batch: STALLS,
    longer: 'number',
    control: nullable('number'),
    verdict: oneOf('ok', 'short', 'no verdict'),
    throttles: 'number',
    flushes: 'number',
    checked: 'number',
    lies: 'number',
  }),
);
