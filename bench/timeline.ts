// The timeline of one cell: which arm runs when, and when pages are pinned.
// The main thread draws it once and every role follows it by the shared clock, so nobody waits for anybody.
import { NS_PER_MS } from './clock';
import { holdsOf } from './holds';
import { createRandom, shuffle } from './random';
import type { HoldShape } from './schema';

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
  /** Blocks from the first one on that warm up: what comes in them does not count. */
  warmUpBlocks: number;
  /** Pages of one hold are released one after another over this time. */
  staggerNs: number;
}

export interface TimelineShape {
  startNs: number;
  durationMs: number;
  /** The mean of all holds. */
  holdMs: number;
  holdShape: HoldShape;
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
/** Of fewer triples none can be spared to warm up. */
const WARM_UP_FROM_TRIPLES = 4;
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

interface BlockDraw {
  lengthMs: number;
  /** From the start of the block. */
  holds: { startMs: number; endMs: number }[];
}

/**
 * Blocks in shuffled triples of the three arms, as many whole triples as fit in the duration (one at least). The blocks of a triple have the
 * same holds, so that what is compared differs in nothing but where the pins are.
 */
export function drawTimeline({ startNs, durationMs, holdMs, holdShape, seed }: TimelineShape): Timeline {
  const random = createRandom(seed);
  const rhythm = rhythmOf(holdMs);
  const length = holdsOf(holdShape, holdMs, random);
  const draw = () =>
    holdShape === 'fixed' ? fixedBlock(rhythm, holdMs, random) : longBlock(rhythm, length, random);
  const blockStart: number[] = [];
  const blockArm: number[] = [];
  const holdStart: number[] = [];
  const holdEnd: number[] = [];
  const holdArm: number[] = [];
  let blockAtMs = 0;
  // The last triple may be over the time by as much as it is under it without.
  for (
    let block = draw();
    blockAtMs === 0 || blockAtMs + (block.lengthMs * ARMS.length) / 2 <= durationMs;
    block = draw()
  ) {
    for (const arm of shuffle([0, 1, 2], random)) {
      blockStart.push(startNs + blockAtMs * NS_PER_MS);
      blockArm.push(arm);
      for (const { startMs, endMs } of block.holds) {
        holdStart.push(startNs + (blockAtMs + startMs) * NS_PER_MS);
        holdEnd.push(startNs + (blockAtMs + endMs) * NS_PER_MS);
        holdArm.push(arm);
      }
      blockAtMs += block.lengthMs;
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
    warmUpBlocks: blockStart.length >= WARM_UP_FROM_TRIPLES * ARMS.length ? ARMS.length : 0,
    staggerNs: rhythm.staggerMs * NS_PER_MS,
  };
}

function gapOf({ gapMinMs, gapMaxMs }: Rhythm, random: () => number): number {
  return gapMinMs + random() * (gapMaxMs - gapMinMs);
}

/** All blocks are equally long, and hold as many holds as the gaps leave room for. */
function fixedBlock(rhythm: Rhythm, holdMs: number, random: () => number): BlockDraw {
  const { blockMs, staggerMs } = rhythm;
  const lastEndMs = blockMs - staggerMs - SLACK_MS;
  const holds: BlockDraw['holds'] = [];
  for (let atMs = 0; atMs + holdMs <= lastEndMs; atMs += holdMs + staggerMs + gapOf(rhythm, random))
    holds.push({ startMs: atMs, endMs: atMs + holdMs });
  return { lengthMs: blockMs, holds };
}

/** Holds by chance, none of them cut off: a block ends once it is long enough, and its last hold is over. */
function longBlock(rhythm: Rhythm, length: () => number, random: () => number): BlockDraw {
  const { staggerMs } = rhythm;
  const holds: BlockDraw['holds'] = [];
  let atMs = 0;
  while (atMs < BLOCK_MS) {
    const endMs = atMs + length();
    holds.push({ startMs: atMs, endMs });
    atMs = endMs + staggerMs + gapOf(rhythm, random);
  }
  return { lengthMs: atMs + SLACK_MS, holds };
}

/** Of the blocks of an arm, together: the same for each arm. */
export function armMsOf({ startNs, endNs }: Timeline): number {
  return (endNs - startNs) / ARMS.length / NS_PER_MS;
}

/** The block that contains `ns`, searched from block `from` on: callers go forward in time. */
export function blockAt({ blockStartNs }: Timeline, ns: number, from = 0): number {
  let block = from;
  while (block + 1 < blockStartNs.length && blockStartNs[block + 1] <= ns) block++;
  return block;
}
