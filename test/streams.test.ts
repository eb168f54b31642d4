// Which pages of a reader follow each other, and how many of the next are asked for.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type StreamLimits, Streams } from '../src/protocol/streams.ts';

const LIMITS: StreamLimits = { window: 64, stridedWindow: 16, run: 32, stride: 100, sequential: false };

/**
 * A reader with a cache that forgets nothing and has what was asked for at once: its misses, and the pages asked for, each
 * with the page whose use asked for it.
 */
class Reader {
  readonly streams: Streams;
  readonly cached = new Set<number>();
  readonly asked = new Map<number, number>();
  readonly windows: number[] = [];
  misses = 0;

  constructor(limits: Partial<StreamLimits> = {}) {
    this.streams = new Streams({ ...LIMITS, ...limits });
  }

  read(index: number, pages = 1): void {
    for (let page = index; page < index + pages; page++) {
      if (page === this.streams.trigger) {
        this.streams.hit();
        this.#ask(page);
      }
      if (this.cached.has(page)) continue;
      this.misses++;
      this.streams.miss(page, index + pages - page);
      for (let n = 0; n < Math.max(1, this.streams.here); n++) this.#bring(page + n, page);
      this.#ask(page);
    }
  }

  #bring(page: number, by: number): void {
    this.cached.add(page);
    if (!this.asked.has(page)) this.asked.set(page, by);
  }

  #ask(by: number): void {
    const { ahead, from, stride } = this.streams;
    if (ahead > 0) this.windows.push(ahead);
    for (let n = 0; n < ahead; n++) this.#bring(from + n * stride, by);
    this.streams.asked(ahead);
  }

  /** Pages that were brought in and not read. */
  waste(read: ReadonlySet<number>): number {
    return [...this.cached].filter((page) => !read.has(page)).length;
  }
}

describe('neighbours', () => {
  test('two are a stream; its windows double up to the largest', () => {
    const reader = new Reader();
    for (let page = 7; page < 2000; page++) reader.read(page);
    expect(reader.misses).toBe(2);
    expect(reader.windows.slice(0, 7)).toEqual([4, 8, 16, 32, 64, 64, 64]);
    expect(new Set(reader.windows.slice(5))).toEqual(new Set([64]));
  });

  test('the next window is asked for when the last is entered', () => {
    const reader = new Reader();
    for (let page = 0; page < 1000; page++) reader.read(page);
    for (const [page, by] of reader.asked) if (page > 300) expect(page - by).toBeLessThanOrEqual(2 * 64);
    for (const [page, by] of reader.asked) if (page > 300) expect(page - by).toBeGreaterThanOrEqual(64);
  });

  test('reads of many pages are a stream as reads of one are', () => {
    const reader = new Reader();
    for (let page = 0; page < 2000; page += 20) reader.read(page, 20);
    expect(reader.misses).toBeLessThan(10);
  });

  test('scans that take turns are told apart', () => {
    const reader = new Reader();
    for (let page = 0; page < 1000; page++) for (const scan of [0, 1e5, 2e5]) reader.read(scan + page);
    expect(reader.misses).toBeLessThan(3 * 60);
    expect(Math.max(...reader.windows)).toBe(64);
  });

  test('a page that was asked for and is not there any more makes the window small', () => {
    const reader = new Reader();
    for (let page = 0; page < 500; page++) reader.read(page);
    reader.windows.length = 0;
    reader.cached.delete(500);
    reader.read(500);
    expect(reader.windows).toEqual([4]);
  });
});

describe.each([2, 7, 100, -1, -5])('pages %i apart', (stride) => {
  test('are a stream after three equal distances', () => {
    const reader = new Reader();
    const at = (n: number) => 100_000 + n * stride;
    for (let n = 0; n < 4; n++) reader.read(at(n));
    expect(reader.misses).toBe(4);
    expect(reader.windows).toEqual([4]);
    for (let n = 4; n < 500; n++) reader.read(at(n));
    expect(reader.misses).toBe(4);
    expect(Math.max(...reader.windows)).toBe(16);
    for (const page of reader.cached) expect(Math.abs((page - 100_000) % stride)).toBe(0);
  });
});

test('nothing before page 0 is asked for', () => {
  const reader = new Reader();
  for (let page = 30; page >= 0; page -= 3) reader.read(page);
  expect(Math.min(...reader.cached)).toBe(0);
});

test('a stride longer than the limit is none', () => {
  const reader = new Reader();
  for (let n = 0; n < 50; n++) reader.read(n * 101);
  expect(reader.windows).toEqual([]);
});

test('who says that it goes through the file gets the largest window at once', () => {
  const reader = new Reader({ sequential: true });
  reader.read(5);
  expect(reader.windows).toEqual([64]);
});

test('where nothing could be asked for, the next miss asks again', () => {
  const streams = new Streams(LIMITS);
  streams.miss(1, 1);
  streams.miss(2, 1);
  expect(streams.ahead).toBe(4);
  streams.asked(0);
  expect(streams.trigger).toBe(-1);
  streams.miss(streams.from, 1);
  expect(streams.ahead).toBe(8);
});

test('a whole scan misses twice at the most, and wastes two windows at the most, wherever it begins and ends', () => {
  fc.assert(
    fc.property(
      fc.nat(1e6),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 80 }),
      (first, count, block) => {
        const reader = new Reader();
        const read = new Set<number>();
        let blocks = 0;
        for (let page = first; page < first + count; page += block) {
          reader.read(page, block);
          blocks++;
          for (let n = 0; n < block; n++) read.add(page + n);
        }
        // A read of more pages than come in at once misses on each part, until the windows are ahead of it.
        expect(reader.misses).toBeLessThanOrEqual(2 + 3 * block);
        expect(reader.misses).toBeLessThanOrEqual(Math.max(2, blocks * block));
        expect(reader.waste(read)).toBeLessThanOrEqual(3 * 64 + 3 * block);
      },
    ),
  );
});

test('pages at random are hardly ever taken for a stream', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e7), { minLength: 50, maxLength: 300 }), (pages) => {
      const reader = new Reader();
      const read = new Set<number>();
      for (const page of pages) {
        reader.read(page);
        read.add(page);
      }
      const neighbours = pages.filter((page) => read.has(page + 1)).length;
      expect(reader.waste(read)).toBeLessThanOrEqual(100 * neighbours);
    }),
  );
});

test('whatever is read, the file’s first page is the least, and no window is longer than the largest', () => {
  const any = fc.record({ page: fc.nat(400), pages: fc.integer({ min: 1, max: 9 }), forget: fc.boolean() });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 400 }), fc.boolean(), (reads, sequential) => {
      const reader = new Reader({ sequential });
      for (const { page, pages, forget } of reads) {
        reader.read(page, pages);
        if (forget) for (const each of [...reader.cached]) if (each % 3 === 0) reader.cached.delete(each);
      }
      for (const window of reader.windows) expect(window).toBeLessThanOrEqual(64);
      for (const page of reader.cached) expect(page).toBeGreaterThanOrEqual(0);
    }),
  );
});
