// The pages that every arm reads and writes, and how a read is told from a wrong one.
//
// Word i of a page is mixed from the page, the commit that wrote it, and i; so 8 bytes tell that they are those of their page and
// place. Pages are drawn by zipf, as in YCSB, and each with a place in it.
import { createRandom, shuffle } from '../../random';
import { zipfRanks } from '../../zipf';

export const PAGE = 4096;
const WORDS = PAGE / 4;
/** As the file is laid out; commits count from 1. */
export const LAID_OUT = 0;
const EXPONENT = 0.99;
const DRAWN = 1 << 16;
/** Reads whose sum is compared at once. */
export const GRANULE = 64;
export const GRANULES = DRAWN / GRANULE;
/** Places in a page: 8 bytes each. */
const PLACES = PAGE / 8;

function wordOf(page: number, commit: number, i: number): number {
  const h =
    Math.imul(page ^ 0x9e37_79b9, 0x85eb_ca6b) ^
    Math.imul(commit + 1, 0xc2b2_ae35) ^
    Math.imul(i, 0x27d4_eb2f);
  const spread = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
  return spread ^ (spread >>> 13);
}

/** Fills `bytes`, PAGE of them, with what `commit` writes into the page. */
export function fillPage(bytes: Uint8Array, page: number, commit: number): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, WORDS);
  for (let i = 0; i < WORDS; i++) words[i] = wordOf(page, commit, i);
}

/**
 * The store has one page more than those that are drawn, the planted one, number `pages`: it has what page 0 has. Whoever reads it
 * must see that it is not itself, else reads can't be checked.
 */
export function* laidOutPages(pages: number): Generator<{ page: number; bytes: Uint8Array }> {
  const bytes = new Uint8Array(PAGE);
  for (let page = 0; page <= pages; page++) {
    fillPage(bytes, page === pages ? 0 : page, LAID_OUT);
    yield { page, bytes };
  }
}

/** Whether `bytes` are what `commit` wrote into the page, all of them. */
export function isPage(bytes: Uint8Array, page: number, commit: number): boolean {
  const right = new Uint8Array(PAGE);
  fillPage(right, page, commit);
  return bytes.length === PAGE && Buffer.compare(bytes, right) === 0;
}

/** A figure that is made of all 8 bytes from `at` on. */
export function eightOf(bytes: Uint8Array, at: number): number {
  const low = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
  return (low + Math.imul(high, 31)) | 0;
}

/** Reads: which page, and where in it. */
export interface Draws {
  /** page * PLACES + place. */
  entries: Int32Array;
  /** By granule: the sum of what its reads must find. */
  sums: Int32Array;
}

export const pageOf = (entry: number): number => entry >>> 9;
/** In bytes. */
export const placeOf = (entry: number): number => (entry & (PLACES - 1)) << 3;

/** What the read of an entry must find. */
export function expected(entry: number): number {
  const words = new Int32Array(2);
  const i = placeOf(entry) / 4;
  words[0] = wordOf(pageOf(entry), LAID_OUT, i);
  words[1] = wordOf(pageOf(entry), LAID_OUT, i + 1);
  return eightOf(new Uint8Array(words.buffer), 0);
}

function drawsOf(entries: Int32Array): Draws {
  const sums = new Int32Array(entries.length / GRANULE);
  for (const [n, entry] of entries.entries()) sums[Math.floor(n / GRANULE)] += expected(entry);
  return { entries, sums };
}

/** Reads of the store's pages, some far more often than others. */
export function zipfDraws(pages: number, seed: number): Draws {
  const random = createRandom(seed);
  const rank = zipfRanks(pages, EXPONENT, random);
  const numbers = shuffle(
    Array.from({ length: pages }, (_, page) => page),
    random,
  );
  const entry = () => numbers[rank()]! * PLACES + Math.floor(random() * PLACES);
  return drawsOf(Int32Array.from({ length: DRAWN }, entry));
}

/** One granule, of which one read is of the planted page. */
export function plantedDraws(pages: number): Draws {
  const entry = (_: unknown, n: number) => (n === GRANULE - 1 ? pages : n % pages) * PLACES + n;
  return drawsOf(Int32Array.from({ length: GRANULE }, entry));
}
