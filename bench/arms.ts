// Ratios between arms that ran in alternating blocks: what may be quoted, and when nothing may.
import { median, type Spread, spreadOf } from './statistics';

/** Beyond this share the A/A control says that the machine, not the code, moved. */
export const CONTROL_TOLERANCE = 0.05;

export interface Ratio {
  /** Of the ratios of neighbouring blocks; null where blocks are too short to have the figure. */
  paired: Spread | null;
  /** Ratio of the arms' figures over all their blocks. */
  pooled: number;
}

export function ratioValue({ paired, pooled }: Ratio): number {
  return paired?.median ?? pooled;
}

/** A figure of one block, and the triple of neighbours it belongs to. */
export interface BlockFigure {
  triple: number;
  value: number;
}

/** Ratios within each triple: neighbours in time, so that drift of the machine cancels out. */
export function pairedRatio(over: BlockFigure[], under: BlockFigure[]): Spread | null {
  const below = new Map(under.map(({ triple, value }) => [triple, value]));
  const ratios: number[] = [];
  for (const { triple, value } of over) {
    const beside = below.get(triple);
    if (beside !== undefined) ratios.push(value / beside);
  }
  return ratios.length === 0 ? null : spreadOf(ratios);
}

/** Median latency of the fsyncs of each block. */
export function blockMedians(
  latencies: Map<number, number[]>,
  tripleOf: (block: number) => number,
): BlockFigure[] {
  return [...latencies].map(([block, values]) => ({ triple: tripleOf(block), value: median(values) }));
}

/** A ratio, how far off it may be, and the same ratio between two identical arms. */
export interface Judged {
  value: number;
  uncertainty: number;
  control: number;
}

/** Of McGill's notched box plots: the half width of a median's 95% interval is so many interquartile ranges ÷ √n. */
const NOTCH = 1.57;
/** Student's t at 97.5% for 1, 2, 3 … degrees of freedom, ÷ that of many: how much less a few values say. */
const T_OF_FEW = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262].map((t) => t / 1.96);

/** Of a median: infinite if it is of one value, whose spread is unknown. */
export function uncertaintyOf({ q1, q3, count }: Spread): number {
  if (count < 2) return Number.POSITIVE_INFINITY;
  return (NOTCH * (q3 - q1) * (T_OF_FEW[count - 2] ?? 1)) / Math.sqrt(count);
}

/**
 * `no verdict` when two identical arms differed by more than CONTROL_TOLERANCE in the same run, and when the figure is nearer to its bar than
 * it is exact, by its own spread or by what the identical arms differed: another run might then say the opposite.
 */
export function verdictOf(
  { value, uncertainty, control }: Judged,
  bar: number,
  direction: 'at most' | 'at least',
): 'ok' | 'short' | 'no verdict' {
  const moved = Math.abs(control - 1);
  if (!Number.isFinite(value) || !(moved <= CONTROL_TOLERANCE)) return 'no verdict';
  if (Math.abs(value - bar) <= Math.max(uncertainty, value * moved)) return 'no verdict';
  return (direction === 'at most' ? value <= bar : value >= bar) ? 'ok' : 'short';
}
