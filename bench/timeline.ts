// The timeline of one cell: which arm runs when, and when pages are pinned.
// The main thread draws it once and every role follows it by the shared clock, so nobody waits for anybody.
import { NS_PER_MS } from './clock';
import { createRandom, shuffle } from './random';

/**
 * `pinned`: the pinners hold the very pages that fsync must write. `none`: the same pinners hold pages of another file, so that fsync has
 * the same pages to write beside the same load. (Pages of the same file would not do: DMA dirties them, and fsync would have more to
 * write in this arm.) `noneAgain`: the same as `none`; `noneAgain ÷ none` shows how far two identical arms drift apart (A/A control).
 */
export const ARMS = ['pinned', 'none', 'noneAgain'] as const;
export const ARM_PINNED = 0;

export interface Timeline {
  startNs: number;
  endNs: number;
  /** Start of each block, ascending; a block ends where the next one starts. */
  blockStartNs: Float64Array;
  /** Index into ARMS, one a block. Blocks 3k, 3k+1 and 3k+2 hold each arm once. */
  blockArm: Uint8Array;
  /** Pages are pinned from `holdStartNs` on and released from `holdEndNs` on (0 ms holds: as soon as the DMA has landed). */
  holdStartNs: Float64Array;
  holdEndNs: Float64Array;
  holdArm: Uint8Array;
  /** Pages of one hold are released one after another over this time. */
  staggerNs: number;
}

export interface TimelineShape {
  startNs: number;
  durationMs: number;
  holdMs: number;
  seed: number;
}

interface Rhythm {
  blockMs: number;
  /** At least as many fit in a block. */
  holdsPerBlock: number;
  gapMinMs: number;
  gapMaxMs: number;
  staggerMs: number;
}

/** A block is as many holds as fit in this, ms, and one at least: short, so that drift of the machine cancels out between neighbours. */
const BLOCK_MS = 50;
/** Pinning, DMA and late timers, ms: the last hold of a block ends this long before the block does. */
const SLACK_MS = 0.6;

/** Between two holds all pages are free for a random gap, else `block` would starve until the block ends. */
export function rhythmOf(holdMs: number): Rhythm {
  const staggerMs = Math.min(2, holdMs * 0.05);
  const gapMinMs = holdMs === 0 ? 0.25 : 0.2 + Math.min(1, holdMs * 0.02);
  const gapMaxMs = holdMs === 0 ? 0.75 : gapMinMs + 0.2 + Math.min(1, holdMs * 0.05);
  const cycleMs = holdMs + staggerMs + gapMaxMs;
  const holdsPerBlock = Math.max(1, Math.floor(BLOCK_MS / cycleMs));
  return { blockMs: holdsPerBlock * cycleMs + SLACK_MS, holdsPerBlock, gapMinMs, gapMaxMs, staggerMs };
}

/** Blocks in shuffled triples of the three arms, as many whole triples as fit in the duration (one at least). */
export function drawTimeline({ startNs, durationMs, holdMs, seed }: TimelineShape): Timeline {
  const random = createRandom(seed);
  const { blockMs, gapMinMs, gapMaxMs, staggerMs } = rhythmOf(holdMs);
  const triples = Math.max(1, Math.round(durationMs / (blockMs * ARMS.length)));
  const blockStart: number[] = [];
  const blockArm: number[] = [];
  const holdStart: number[] = [];
  const holdEnd: number[] = [];
  const holdArm: number[] = [];
  let blockAtMs = 0;
  for (let triple = 0; triple < triples; triple++) {
    for (const arm of shuffle([0, 1, 2], random)) {
      blockStart.push(startNs + blockAtMs * NS_PER_MS);
      blockArm.push(arm);
      const lastEndMs = blockAtMs + blockMs - staggerMs - SLACK_MS;
      let atMs = blockAtMs;
      while (atMs + holdMs <= lastEndMs) {
        holdStart.push(startNs + atMs * NS_PER_MS);
        holdEnd.push(startNs + (atMs + holdMs) * NS_PER_MS);
        holdArm.push(arm);
        atMs += holdMs + staggerMs + gapMinMs + random() * (gapMaxMs - gapMinMs);
      }
      blockAtMs += blockMs;
    }
  }
  return {
    startNs,
    endNs: startNs + blockAtMs * NS_PER_MS,
    blockStartNs: Float64Array.from(blockStart),
    blockArm: Uint8Array.from(blockArm),
    holdStartNs: Float64Array.from(holdStart),
    holdEndNs: Float64Array.from(holdEnd),
    holdArm: Uint8Array.from(holdArm),
    staggerNs: staggerMs * NS_PER_MS,
  };
}

/** The block that contains `ns`, searched from block `from` on: callers go forward in time. */
export function blockAt({ blockStartNs }: Timeline, ns: number, from = 0): number {
  let block = from;
  while (block + 1 < blockStartNs.length && blockStartNs[block + 1] <= ns) block++;
  return block;
}
