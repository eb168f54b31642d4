// Which arm works when: round after round, each round in another order, so that the arms of a round are neighbours in time.
import { NS_PER_MS, nowNs } from '../../clock';
import { shuffle } from '../../random';
import type { Arm } from '../../roles/peers/arms';
import type { Block } from '../../roles/peers/messages';

/** Every process has its part of the schedule by then, ms. */
const LEAD_MS = 80;

export interface Schedule {
  /** By arm: its blocks, one a round. */
  blocks: Map<string, Block[]>;
  endNs: number;
}

/** `gapMs`: between two blocks, for what the first has begun to end. */
export function scheduleOf(
  arms: readonly Arm[],
  rounds: number,
  blockMs: number,
  gapMs: number,
  random: () => number,
): Schedule {
  const blocks = new Map<string, Block[]>(arms.map(({ id }) => [id, []]));
  let at = nowNs() + LEAD_MS * NS_PER_MS;
  for (let round = 0; round < rounds; round++) {
    for (const { id } of shuffle([...arms], random)) {
      blocks.get(id)!.push({ startNs: at, endNs: at + blockMs * NS_PER_MS });
      at += (blockMs + gapMs) * NS_PER_MS;
    }
  }
  return { blocks, endNs: at };
}

/** Rounds that fit into so much time; at least `min`. */
export function roundsIn(
  ms: number,
  arms: readonly Arm[],
  blockMs: number,
  gapMs: number,
  min: number,
): number {
  return Math.max(min, Math.floor((ms - LEAD_MS) / (arms.length * (blockMs + gapMs))));
}

export const leftMs = ({ endNs }: Schedule): number => (endNs - nowNs()) / NS_PER_MS;
