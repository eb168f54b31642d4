// Which cells a run has time for.
import { MODES } from './shape';

export interface CellPlan {
  pinnedShare: number;
  holdMs: number;
  /** Of each mode, one mode after another in turns. */
  runs: number;
  runMs: number;
}

interface Grid {
  shares: number[];
  holdsMs: number[];
  /** With this much time for a run the grid is worth it, ms. */
  runMinMs: number;
}

/** The first one that there is time for is measured. */
const GRIDS: Grid[] = [
  { shares: [0, 0.3, 0.6, 0.9], holdsMs: [0, 1, 10, 100, 1_000], runMinMs: 700 },
  { shares: [0, 0.6], holdsMs: [1, 10, 100, 1_000], runMinMs: 700 },
  { shares: [0, 0.6], holdsMs: [1, 100], runMinMs: 500 },
  { shares: [0.6], holdsMs: [100], runMinMs: 0 },
];

/** A run of a mode: starting and closing its cache, and threads that attach, ms. */
const RUN_OVERHEAD_MS = 430;
const RUNS_MAX = 4;
/** Time for two runs of this is split, so that modes alternate, ms. */
const RUN_WORTH_MS = 1_200;
const RUN_LEAST_MS = 250;
/** A run sees so many of its holds at least. */
const HOLDS_A_RUN = 2.5;
const LONG_HOLD_MS = 1_000;
const LONG_WEIGHT = 2;

export function planCells(durationMs: number): CellPlan[] {
  for (const grid of GRIDS) {
    const cells = cellsOf(grid);
    const weights = cells.reduce((sum, { holdMs }) => sum + weightOf(holdMs), 0);
    const unitMs = durationMs / weights / MODES.length;
    if (unitMs - RUN_OVERHEAD_MS < grid.runMinMs && grid !== GRIDS.at(-1)) continue;
    return cells.map(({ pinnedShare, holdMs }) => {
      const modeMs = unitMs * weightOf(holdMs);
      const worthMs = Math.max(RUN_WORTH_MS, HOLDS_A_RUN * holdMs) + RUN_OVERHEAD_MS;
      const runs = Math.max(1, Math.min(RUNS_MAX, Math.floor(modeMs / worthMs)));
      return { pinnedShare, holdMs, runs, runMs: Math.max(RUN_LEAST_MS, modeMs / runs - RUN_OVERHEAD_MS) };
    });
  }
  return [];
}

/** Without pins there is no hold. */
function cellsOf({ shares, holdsMs }: Grid): { pinnedShare: number; holdMs: number }[] {
  return shares.flatMap((pinnedShare) =>
    (pinnedShare === 0 ? [0] : holdsMs).map((holdMs) => ({ pinnedShare, holdMs })),
  );
}

function weightOf(holdMs: number): number {
  return holdMs >= LONG_HOLD_MS ? LONG_WEIGHT : 1;
}
