// How the seconds asked for are divided.
import type { ScenarioName } from './options';
import type { FsyncPolicy, MixedArm, PinnedDirty } from './schema';

export interface CellPlan {
  policy: FsyncPolicy;
  pinnedDirty: PinnedDirty;
  holdMs: number;
  durationMs: number;
}

export interface MixedPlan {
  arm: MixedArm;
  pinnedDirty: PinnedDirty;
  durationMs: number;
}

/** What each scenario is worth of a whole run's time. */
const SHARE: Record<ScenarioName, number> = { fsync: 60, deadlock: 3, mixed: 8, micro: 22 };
/** Time that no cell gets: starting threads and caches, laying out files, printing. */
const FIXED_MS = 2_000;
/** Attaching three threads to a cache before a cell, and detaching after it. */
const CELL_OVERHEAD_MS = 120;
const CELL_MIN_MS = 150;
/** The deadlock has little to repeat. */
const DEADLOCK_MAX_MS = 3_000;
/** Attaching eight threads to a cache of their own, and detaching them. */
const MIXED_OVERHEAD_MS = 250;
/** Long enough for the controls to show what they are there for. */
const MIXED_MIN_MS = 400;

/** Policies in the order they run. `pinnedDirty` is shown for bounce alone: the others do not write pinned pages. */
const POLICIES: { policy: FsyncPolicy; pinnedDirty: PinnedDirty; weight: number }[] = [
  { policy: 'bare', pinnedDirty: 'keep', weight: 0.35 },
  { policy: 'skip', pinnedDirty: 'keep', weight: 0.25 },
  { policy: 'block', pinnedDirty: 'keep', weight: 0.7 },
  { policy: 'bounce', pinnedDirty: 'keep', weight: 1.2 },
  { policy: 'bounce', pinnedDirty: 'redirty', weight: 1.2 },
];

/** Cells of the mixed scenario in the order they run; the controls need no percentiles. */
const MIXED: { arm: MixedArm; pinnedDirty: PinnedDirty; weight: number }[] = [
  { arm: 'updates', pinnedDirty: 'keep', weight: 1 },
  { arm: 'updates', pinnedDirty: 'redirty', weight: 1 },
  { arm: 'stores', pinnedDirty: 'keep', weight: 0.4 },
  { arm: 'skip', pinnedDirty: 'keep', weight: 0.2 },
];

/** Milliseconds for each scenario asked for. */
export function planScenarios(scenarios: ScenarioName[], seconds: number): Record<ScenarioName, number> {
  const whole = scenarios.reduce((sum, name) => sum + SHARE[name], 0);
  const spendable = Math.max(500, seconds * 1_000 - FIXED_MS);
  const ms = (name: ScenarioName) => (scenarios.includes(name) ? (spendable * SHARE[name]) / whole : 0);
  return {
    fsync: ms('fsync'),
    deadlock: Math.min(DEADLOCK_MAX_MS, ms('deadlock')),
    mixed: ms('mixed'),
    micro: ms('micro'),
  };
}

/** What a run of these scenarios takes, for the progress line. */
export function plannedSeconds(scenarios: ScenarioName[], seconds: number): number {
  const { fsync, deadlock, mixed, micro } = planScenarios(scenarios, seconds);
  return (FIXED_MS + fsync + deadlock + mixed + micro) / 1_000;
}

export function planFsync(durationMs: number, holdsMs: number[]): CellPlan[] {
  const weights = POLICIES.reduce((sum, { weight }) => sum + weight, 0) * holdsMs.length;
  const measured = durationMs - POLICIES.length * holdsMs.length * CELL_OVERHEAD_MS;
  return POLICIES.flatMap(({ policy, pinnedDirty, weight }) =>
    holdsMs.map((holdMs) => ({
      policy,
      pinnedDirty,
      holdMs,
      durationMs: Math.max(CELL_MIN_MS, (measured * weight) / weights),
    })),
  );
}

export function planMixed(durationMs: number): MixedPlan[] {
  const weights = MIXED.reduce((sum, { weight }) => sum + weight, 0);
  const measured = durationMs - MIXED.length * MIXED_OVERHEAD_MS;
  return MIXED.map(({ arm, pinnedDirty, weight }) => ({
    arm,
    pinnedDirty,
    durationMs: Math.max(MIXED_MIN_MS, (measured * weight) / weights),
  }));
}
