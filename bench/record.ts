// The record a commit writes into each page, and the judgement of what the file holds afterwards.
//
//   bytes 0..1023 of a page, as 256 words:
//   MAGIC | page | sequence | 252 words mixed from page, sequence and position | sequence
//
// A record says by itself which commit wrote it and whether it is whole, so the file alone shows if an fsync lied.

export const RECORD_BYTES = 1024;
export const RECORD_WORDS = RECORD_BYTES / 4;
const MAGIC = 0x70_69_6e_66; // 'pinf'
const PATTERN_START = 3;

/** `older`: the whole record of an earlier commit, or none yet. `torn`: no whole record at all. */
export type Judgement = 'kept' | 'older' | 'torn';

function mix(page: number, sequence: number, position: number): number {
  const h = Math.imul(page ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(sequence, 0xc2b2_ae35) ^ position;
  const spread = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
  return spread ^ (spread >>> 13);
}

/** Fills RECORD_WORDS words from `start` on as commit `sequence` of `page` writes them. */
export function fillRecord(words: Int32Array, start: number, page: number, sequence: number): void {
  words[start] = MAGIC;
  words[start + 1] = page;
  words[start + 2] = sequence;
  for (let i = PATTERN_START; i < RECORD_WORDS - 1; i++) words[start + i] = mix(page, sequence, i);
  words[start + RECORD_WORDS - 1] = sequence;
}

/** Which commit wrote the record at `start`, if it is whole. */
export function sequenceOf(words: Int32Array, start: number): number {
  return words[start + 2];
}

/** Judges the words at `start` against commit `sequence`, completed before the call; a newer commit's whole record is as good. */
export function judgeRecord(words: Int32Array, start: number, page: number, sequence: number): Judgement {
  const found = sequenceOf(words, start);
  if (words[start] === 0 && found === 0) return 'older'; // never written: the file starts as zeros
  if (words[start] !== MAGIC || words[start + 1] !== page || words[start + RECORD_WORDS - 1] !== found)
    return 'torn';
  for (let i = PATTERN_START; i < RECORD_WORDS - 1; i++) {
    if (words[start + i] !== mix(page, found, i)) return 'torn';
  }
  return found >= sequence ? 'kept' : 'older';
}
