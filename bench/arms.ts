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

/** `no verdict` when two identical arms differed by more than CONTROL_TOLERANCE in the same run. */
export function verdictOf(
  value: number,
  bar: number,
  direction: 'at most' | 'at least',
  control: number,
): 'ok' | 'short' | 'no verdict' {
  if (!Number.isFinite(value) || !Number.isFinite(control)) return 'no verdict';
  if (Math.abs(control - 1) > CONTROL_TOLERANCE) return 'no verdict';
  return (direction === 'at most' ? value <= bar : value >= bar) ? 'ok' : 'short';
}
