import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { createMemoryCache, memoryStore } from '#harness';

const PAGE = 4096;

describe('the memory store', () => {
  const store = memoryStore(PAGE);
  const numberAt = (bytes: Uint8Array, at = 0) => new DataView(bytes.buffer).getUint32(at, true);

  test('begins each page with its number, and zeros what was there', () => {
    const bytes = new Uint8Array(2 * PAGE).fill(255);
    expect(store.read(0, bytes, 70_000 * PAGE)).toBe(2 * PAGE);
    expect(numberAt(bytes)).toBe(70_000);
    expect(numberAt(bytes, PAGE)).toBe(70_001);
    expect(bytes.subarray(4, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(PAGE + 4).every((byte) => byte === 0)).toBe(true);
  });

  test('reads at any position, far beyond 4 GiB too', () => {
    const position = 2 ** 31 * PAGE + PAGE - 6;
    const bytes = new Uint8Array(10).fill(255);
    expect(store.read(0, bytes, position)).toBe(10);
    expect(bytes.subarray(0, 6)).toEqual(new Uint8Array(6));
    expect(bytes[6]).toBe(1); // of 2 ** 31 + 1
    expect(bytes[9]).toBe(128);
  });

  test('changes nothing', () => {
    expect(store.write(0, new Uint8Array(8), 0)).toBe(-constants.errno.EROFS);
    expect(store.resize(0, 0)).toBe(-constants.errno.EROFS);
    expect(store.flush(0)).toBe(0);
  });
});

describe('a cache over it', () => {
  test('counts each touch once, as a hit or as a miss that filled a frame, and shows the right pages', () => {
    const cache = createMemoryCache({ frames: 100, pages: 1_000, threads: 1, handAlone: false }, 'debug');
    for (let round = 0; round < 3; round++) {
      for (let page = 0; page < 1_000; page += 1 + (page % 3)) cache.touch(page);
    }
    const { hits, misses, fills, reclaims, resident, frames } = cache.stats();
    expect(hits + misses).toBe(3 * [...countsOf(1_000)].length);
    expect(fills).toBe(misses);
    expect(resident).toBe(frames);
    expect(reclaims).toBe(fills - frames);
    expect(cache.frames).toBe(frames);
    expect(frames).toBeGreaterThanOrEqual(100);
    expect(cache.wrong).toBe(0);
    expect(cache.again).toBe(0);
    cache.detach();
  });

  function* countsOf(pages: number): Iterable<number> {
    for (let page = 0; page < pages; page += 1 + (page % 3)) yield page;
  }

  test('has as many frames as were asked for, where a cache may be as small as that', () => {
    for (const frames of [64, 100, 999, 3_000, 20_000]) {
      const cache = createMemoryCache({ frames, pages: 1, threads: 1, handAlone: false });
      expect(cache.frames).toBeGreaterThanOrEqual(frames);
      expect(cache.frames).toBeLessThan(frames + 64);
      cache.detach();
    }
  });

  test('the hand alone puts nothing on probation', () => {
    const played = [true, false].map((handAlone) => {
      const cache = createMemoryCache({ frames: 100, pages: 1_000, threads: 1, handAlone });
      for (let page = 0; page < 1_000; page++) cache.touch(page);
      const { admitted, ghosted } = cache.queues();
      cache.detach();
      return { admitted, ghosted };
    });
    expect(played[0]).toEqual({ admitted: 0, ghosted: 0 });
    expect(played[1]!.admitted).toBe(1_000);
    expect(played[1]!.ghosted).toBeGreaterThan(0);
  });

  test('a number of pages that no file has is refused', () => {
    for (const pages of [0, 1.5, 2 ** 32]) {
      expect(() => createMemoryCache({ frames: 100, pages, threads: 1, handAlone: false })).toThrow(
        RangeError,
      );
    }
  });
});
