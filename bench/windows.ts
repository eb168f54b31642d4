// Short windows in which one arm at a time works as fast as it can: round after round of all arms, each round in an order of its own,
// so that the arms of a round are neighbours in time. The main thread draws them once; every role follows them by the shared clock.
import { uncertaintyOf, verdictOf } from './arms';
import { NS_PER_MS } from './clock';
import { createRandom, shuffle } from './random';
import { type Spread, spreadOf } from './statistics';

export interface Windows {
  /** From when all threads begin, ascending. A window ends before the next one starts: what was under way at its end has a gap to end in. */
  startNs: Float64Array;
  lengthNs: number;
  /** Which arm's window each is. The first `arms` of them hold each arm once, and so on. */
  arm: Uint8Array;
  arms: number;
}

interface WindowsShape {
  durationMs: number;
  arms: number;
  /** Lengths between which a window may be, ms: as long as leaves time for enough rounds. */
  windowMinMs: number;
  windowMaxMs: number;
  gapMs: number;
  seed: number;
}

/** The first round warms up and does not count; so many are to be left for a median. */
const ROUNDS_WORTH = 8;
const ROUNDS_MIN = 2;

export function drawWindows(shape: WindowsShape): Windows {
  const { durationMs, arms, windowMinMs, windowMaxMs, gapMs, seed } = shape;
  const wanted = durationMs / (ROUNDS_WORTH * arms) - gapMs;
  const windowMs = Math.min(windowMaxMs, Math.max(windowMinMs, wanted));
  const rounds = Math.max(ROUNDS_MIN, Math.floor(durationMs / (arms * (windowMs + gapMs))));
  const random = createRandom(seed);
  const order = Array.from({ length: rounds }, () =>
    shuffle(
      Array.from({ length: arms }, (_, arm) => arm),
      random,
    ),
  ).flat();
  return {
    startNs: Float64Array.from(order, (_, n) => n * (windowMs + gapMs) * NS_PER_MS),
    lengthNs: windowMs * NS_PER_MS,
    arm: Uint8Array.from(order),
    arms,
  };
}

export function durationMsOf({ startNs, lengthNs }: Windows): number {
  return (startNs[startNs.length - 1] + lengthNs) / NS_PER_MS;
}

/** Whether window `n` belongs to the round that warms up. */
export const warmsUp = ({ arms }: Windows, n: number): boolean => n < arms;

/**
 * Figures of an arm, one a round that counts, from one figure a window. Of rounds that all windows were played of: a run that was
 * stopped has fewer.
 */
export function roundsOf({ arm, arms }: Windows, figures: number[], which: number): number[] {
  const whole = Math.floor(figures.length / arms) * arms;
  return figures.filter((_, n) => n >= arms && n < whole && arm[n] === which);
}

/** Ratios of two arms' figures in the same rounds; null without a round. */
export function ratioOfRounds(over: number[], under: number[]): Spread | null {
  const ratios = over.map((value, round) => value / under[round]).filter(Number.isFinite);
  return ratios.length === 0 ? null : spreadOf(ratios);
}

/** Whether a ratio of rounds is at least the bar; `control`: that of two identical arms. */
export function atLeast(ratio: Spread, control: number, bar: number): ReturnType<typeof verdictOf> {
  return verdictOf({ value: ratio.median, uncertainty: uncertaintyOf(ratio), control }, bar, 'at least');
}
