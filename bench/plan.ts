// How the seconds asked for are divided.
import type { Scenario } from './scenario';
import type { FsyncPolicy, HoldShape, MixedArm, PinnedDirty, PinSource } from './schema';

export interface CellPlan {
  policy: FsyncPolicy;
  pinnedDirty: PinnedDirty;
  /** The mean of the holds. */
  holdMs: number;
  holdShape: HoldShape;
  pinSource: PinSource;
  durationMs: number;
}

/**
 * How much of the shapes and sources beside the first ones: a few of them at one hold; every combination at one hold; or at every hold, which
 * leaves little time for each.
 */
export type Breadth = 'sample' | 'one hold' | 'every hold';

/** What the cells of the fsync scenario are made of. */
export interface FsyncAsked {
  holdsMs: number[];
  holdShapes: HoldShape[];
  pinSources: PinSource[];
  breadth: Breadth;
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

/** What a scenario is worth of a run's time. */
function shareOf({ share, fullShare }: Scenario, isFull: boolean): number {
  return isFull ? fullShare : share || SHARE_BY_NAME;
}

/** Milliseconds for each of these scenarios. */
export function planScenarios(scenarios: readonly Scenario[], seconds: number, isFull: boolean): number[] {
  const shares = scenarios.map((scenario) => shareOf(scenario, isFull));
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const spendable = Math.max(500, seconds * 1_000 - FIXED_MS);
  return scenarios.map(({ maxMs = Number.POSITIVE_INFINITY }, n) =>
    Math.min(maxMs, (spendable * shares[n]) / whole),
  );
}

/** What a run of these scenarios takes, for the progress line. */
export function plannedSeconds(scenarios: readonly Scenario[], seconds: number, isFull: boolean): number {
  return planScenarios(scenarios, seconds, isFull).reduce((sum, ms) => sum + ms, FIXED_MS) / 1_000;
}

type CellKind = Omit<CellPlan, 'durationMs'> & { weight: number };

/** Of a combination beside the usual one. */
const OTHER_WEIGHT = 0.4;
/** The hold that a sample is taken of, or the one nearest to it, ms. */
const SAMPLE_HOLD_MS = 10;
/** What is sampled: as shipped, and a control for bytes that come otherwise than by reads of a file. */
const SAMPLED: { policy: FsyncPolicy; weight: number }[] = [
  { policy: 'bounce', weight: 0.8 },
  { policy: 'skip', weight: 0.2 },
];

/** Cells by policy, so that what is compared is near in time. */
export function planFsync(durationMs: number, asked: FsyncAsked): CellPlan[] {
  const cells = cellsOf(asked);
  const weights = cells.reduce((sum, { weight }) => sum + weight, 0);
  const measured = durationMs - cells.length * CELL_OVERHEAD_MS;
  return cells.map(({ weight, ...cell }) => ({
    ...cell,
    durationMs: Math.max(CELL_MIN_MS, (measured * weight) / weights),
  }));
}

function cellsOf(asked: FsyncAsked): CellKind[] {
  switch (asked.breadth) {
    case 'sample':
      return [...usualCells(asked), ...sampleOf(asked)];
    case 'one hold':
      return [...usualCells(asked), ...othersAtOneHold(asked)];
    case 'every hold':
      return wholeMatrix(asked);
  }
}

function usualCells({ holdsMs, holdShapes, pinSources }: Omit<FsyncAsked, 'breadth'>): CellKind[] {
  const [holdShape] = holdShapes;
  const [pinSource] = pinSources;
  return POLICIES.flatMap((of) =>
    holdsMs
      .filter((holdMs) => isPossible(holdMs, holdShape, pinSource))
      .map((holdMs) => ({ ...of, holdMs, holdShape, pinSource })),
  );
}

/** The floor and the control know nothing of the shape of holds. */
function wholeMatrix({ holdsMs, holdShapes, pinSources }: FsyncAsked): CellKind[] {
  return pinSources.flatMap((pinSource, source) =>
    holdShapes.flatMap((holdShape, shape) => {
      const cells = usualCells({ holdsMs, holdShapes: [holdShape], pinSources: [pinSource] });
      return cells
        .filter(({ policy }) => shape === 0 || (policy !== 'bare' && policy !== 'skip'))
        .map((cell) => ({ ...cell, weight: cell.weight * (source + shape === 0 ? 1 : OTHER_WEIGHT) }));
    }),
  );
}

/** The one of the holds that others than the usual cells are of. */
function sampledHold(holdsMs: number[]): number | undefined {
  const distance = (holdMs: number) => Math.abs(Math.log(holdMs / SAMPLE_HOLD_MS));
  return holdsMs.filter((ms) => ms > 0).sort((a, b) => distance(a) - distance(b))[0];
}

function othersAtOneHold({ holdsMs, ...asked }: FsyncAsked): CellKind[] {
  const holdMs = sampledHold(holdsMs);
  if (holdMs === undefined) return [];
  return wholeMatrix({ ...asked, holdsMs: [holdMs] }).filter(
    ({ holdShape, pinSource }) => holdShape !== asked.holdShapes[0] || pinSource !== asked.pinSources[0],
  );
}

function sampleOf({ holdsMs, holdShapes, pinSources }: FsyncAsked): CellKind[] {
  const holdMs = sampledHold(holdsMs);
  if (holdMs === undefined) return [];
  const [shape, ...shapes] = holdShapes;
  const [source, ...sources] = pinSources;
  const others = [
    ...shapes.map((holdShape) => ({ holdShape, pinSource: source })),
    ...sources.map((pinSource) => ({ holdShape: shape, pinSource })),
  ];
  return others.flatMap((other) =>
    SAMPLED.filter(({ policy }) => policy === 'bounce' || other.pinSource === 'socket').map((of) => ({
      ...of,
      ...other,
      pinnedDirty: 'redirty' as const,
      holdMs,
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
export function planPortraits(
  durationMs: number,
  { holdsMs, holdShapes, pinSources }: FsyncAsked,
): CellPlan[] {
  const holdMs = Math.max(0, ...holdsMs.filter((ms) => ms <= PORTRAIT_HOLD_MAX_MS));
  if (durationMs < PORTRAITS_FROM_MS || holdMs === 0) return [];
  return usualCells({ holdsMs: [holdMs], holdShapes, pinSources })
    .filter(
      ({ policy, pinnedDirty }) => policy !== 'bare' && !(policy === 'bounce' && pinnedDirty === 'keep'),
    )
    .map(({ weight: _, ...cell }) => ({ ...cell, durationMs: PORTRAIT_MS }));
}

/** Without a hold there is nothing to draw, and no time to store. */
function isPossible(holdMs: number, holdShape: HoldShape, pinSource: PinSource): boolean {
  return holdMs > 0 || (holdShape === 'fixed' && pinSource !== 'store');
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
