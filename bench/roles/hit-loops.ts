// The loops that a hit's cost is measured of. They know of an open file, and of no library that it came from: another build's will do.
import fs from 'node:fs';
import { LRUCache } from 'lru-cache';
import type { CachedFile } from 'pinfold';
import { PAGE_BYTES } from '../files';
import type { Variant } from '../interleave';
import type { HitVariant } from '../tasks';

/** Operations of one call: some 200 µs of hits, some 500 µs of reads. */
export const HITS = 8_192;
const READS = 512;
/** Both sides of a ratio follow the same xorshift sequence of keys, from here on. */
export const SEED = 12_345;

export type HitCost = Variant<HitVariant>;
export type Closers = (() => void)[];

/** How many pages of the file are hot: a power of two. */
export interface HotPages {
  pages: number;
}

// Each loop below is written out: a shared one would call its body through a function that sees every row.

export function mapGet({ pages }: HotPages): HitCost {
  const map = new Map<number, number>();
  for (let page = 0; page < pages; page++) map.set(page, page);
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'Map.get',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += map.get(x & mask) as number;
      }
      return sum;
    },
  };
}

/**
 * Where in a page its 8 bytes stand: on another cache line from page to page. At one offset in every page all 1,024 lines would fall
 * into one set of the processor's cache, and the row would measure that.
 */
const LINE_SHIFT = 6;
const LINES = PAGE_BYTES >> LINE_SHIFT;

function eightBytes(bytes: Uint8Array, at: number): number {
  return (
    bytes[at] +
    bytes[at + 1] +
    bytes[at + 2] +
    bytes[at + 3] +
    bytes[at + 4] +
    bytes[at + 5] +
    bytes[at + 6] +
    bytes[at + 7]
  );
}

export function viewSync(file: CachedFile, { pages }: HotPages): HitCost {
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'viewSync',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += file.viewSync(x & mask, eightBytes, (x & (LINES - 1)) << LINE_SHIFT);
      }
      return sum;
    },
  };
}

/** The same 8 bytes out of this thread's own buffers: what the sharing costs. */
export function mapGetView({ pages }: HotPages): HitCost {
  const map = new Map<number, Uint8Array>();
  for (let page = 0; page < pages; page++) map.set(page, new Uint8Array(PAGE_BYTES));
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'Map.get + the same 8 bytes',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += eightBytes(map.get(x & mask) as Uint8Array, (x & (LINES - 1)) << LINE_SHIFT);
      }
      return sum;
    },
  };
}

export function pinSync(file: CachedFile, { pages }: HotPages): HitCost {
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'pinSync + unpin',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        const page = file.pinSync(x & mask);
        sum += page.index;
        page.unpin();
      }
      return sum;
    },
  };
}

/** 64 bytes on a line of their own, of which the callback stores the first: what is measured is the update, not the bytes. */
const UPDATED = { offset: 1024, length: 64 };

function storeFirst(bytes: Uint8Array, value: number): number {
  bytes[0] = value;
  return value;
}

export function updateSync(file: CachedFile, { pages }: HotPages): HitCost {
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'updateSync',
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += file.updateSync(x & mask, storeFirst, i, UPDATED);
      }
      return sum;
    },
  };
}

export function readSync(file: CachedFile, { pages }: HotPages): HitCost {
  const target = Buffer.alloc(PAGE_BYTES);
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'readSync',
    operations: READS,
    run() {
      let sum = 0;
      for (let i = 0; i < READS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += file.readSync(target, (x & mask) * PAGE_BYTES);
      }
      return sum + target[0];
    },
  };
}

export function fsReadSync({ pages, dataPath }: HotPages & { dataPath: string }, closers: Closers): HitCost {
  const fd = fs.openSync(dataPath, 'r');
  closers.push(() => fs.closeSync(fd));
  const target = Buffer.alloc(PAGE_BYTES);
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'fs.readSync',
    operations: READS,
    run() {
      let sum = 0;
      for (let i = 0; i < READS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += fs.readSync(fd, target, 0, PAGE_BYTES, (x & mask) * PAGE_BYTES);
      }
      return sum + target[0];
    },
  };
}

/** What a program would do without a shared cache: buffers of this thread alone, kept by lru-cache. */
export function lruGet({ pages }: HotPages): HitCost {
  const lru = new LRUCache<number, Buffer>({ max: pages });
  for (let page = 0; page < pages; page++) lru.set(page, Buffer.alloc(PAGE_BYTES, page));
  const target = Buffer.alloc(PAGE_BYTES);
  const mask = pages - 1;
  let x = SEED;
  return {
    name: 'lru-cache get + copy',
    operations: READS,
    run() {
      let sum = 0;
      for (let i = 0; i < READS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += (lru.get(x & mask) as Buffer).copy(target);
      }
      return sum + target[0];
    },
  };
}
