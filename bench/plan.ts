// How the seconds asked for are divided.
import type { Scenario } from './scenario';
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

/** Time that no cell gets: starting threads and caches, laying out files, printing. */
const FIXED_MS = 2_000;
/** Attaching three threads to a cache before a cell, and detaching after it. */
const CELL_OVERHEAD_MS = 120;
const CELL_MIN_MS = 150;
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

/** What a scenario without a share in the default run is worth beside others that are asked for with it. */
const SHARE_BY_NAME = 30;

/** Milliseconds for each of these scenarios. */
export function planScenarios(scenarios: readonly Scenario[], seconds: number): number[] {
  const shares = scenarios.map(({ share }) => share || SHARE_BY_NAME);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const spendable = Math.max(500, seconds * 1_000 - FIXED_MS);
  return scenarios.map(({ maxMs = Number.POSITIVE_INFINITY }, n) =>
    Math.min(maxMs, (spendable * shares[n]) / whole),
  );
}

/** What a run of these scenarios takes, for the progress line. */
export function plannedSeconds(scenarios: readonly Scenario[], seconds: number): number {
  return planScenarios(scenarios, seconds).reduce((sum, ms) => sum + ms, FIXED_MS) / 1_000;
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

/** Of one portrait: a dozen holds and more. */
export const PORTRAIT_MS = 300;
/** The longest hold that a portrait shows several times, ms. */
const PORTRAIT_HOLD_MAX_MS = 20;
/** A scenario of less has no time for portraits, ms. */
const PORTRAITS_FROM_MS = 5_000;

/** One for each policy, at the longest of the holds of which it can show several; none in a short run, or where no page stays pinned. */
export function planPortraits(durationMs: number, holdsMs: number[]): CellPlan[] {
  const holdMs = Math.max(0, ...holdsMs.filter((ms) => ms <= PORTRAIT_HOLD_MAX_MS));
  if (durationMs < PORTRAITS_FROM_MS || holdMs === 0) return [];
  return POLICIES.filter(
    ({ policy, pinnedDirty }) => policy !== 'bare' && !(policy === 'bounce' && pinnedDirty === 'keep'),
  ).map(({ policy, pinnedDirty }) => ({ policy, pinnedDirty, holdMs, durationMs: PORTRAIT_MS }));
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
