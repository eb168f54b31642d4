import { join } from 'node:path';
import { PageCache } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { fsyncSyncWith } from '#harness';
import type { PlainFile } from '../bench/roles/plain-file.ts';
import { PageCheck, storedWords } from '../bench/roles/stable/caller.ts';
import { isGoodPage } from '../bench/roles/stable/trailer.ts';
import { stableFailures } from '../bench/scenarios/stable/index.ts';
import type { StableArm, StableResult } from '../bench/scenarios/stable/shape.ts';
import { contentOf, PAGE, PAYLOAD, sealed } from './support/checksum.ts';
import { testDirectory } from './support/directory.ts';

const PAGES = 3;
const BAD = 1;

/** A page of `generation`, as it is stored word by word, up to `cut`; of the one before from there on. */
function stored(generation: number, cut = Number.POSITIVE_INFINITY): Buffer {
  const content = Buffer.alloc(PAYLOAD);
  const words = storedWords(content, PAYLOAD);
  words.forEach((_, n) => {
    words[n] = n < cut ? generation : generation - 1;
  });
  return content;
}

/** A file in memory; `looked` is told of each wait for writes, and may change it. */
function fileInMemory(looked: (bytes: Buffer, waits: number) => void = () => {}) {
  const bytes = Buffer.concat(Array.from({ length: PAGES }, (_, index) => sealed(index, stored(7))));
  let waits = 0;
  const file: PlainFile = {
    read: (target, page) => target.set(bytes.subarray(page * PAGE, page * PAGE + target.length)),
    outwait: () => looked(bytes, ++waits),
  };
  return { bytes, check: new PageCheck(file, PAGE, PAGES) };
}

const breakPage = (bytes: Buffer, n = 0) =>
  bytes.writeUInt8(bytes.readUInt8(BAD * PAGE + n) ^ 1, BAD * PAGE + n);

describe('a page', () => {
  test('is good as its index, whole', () => {
    expect(isGoodPage(sealed(5, stored(1)), 5)).toBe(true);
    expect(isGoodPage(sealed(5, stored(1)), 6)).toBe(false);
  });

  test.each([0, PAYLOAD - 1, PAYLOAD, PAGE - 1])('is bad if byte %d is another', (at) => {
    const page = sealed(5, stored(1));
    page.writeUInt8(page.readUInt8(at) ^ 0x10, at);
    expect(isGoodPage(page, 5)).toBe(false);
  });

  test('of zeros is bad: the file has none', () => {
    expect(isGoodPage(Buffer.alloc(PAGE), 0)).toBe(false);
  });
});

describe('the check after an fsync', () => {
  test('finds good pages good', () => {
    const { check } = fileInMemory();
    check.run();
    expect(check).toMatchObject({ checked: PAGES, failed: 0, mixed: 0, passing: 0 });
  });

  test('counts a page that stays bad', () => {
    const { check, bytes } = fileInMemory();
    breakPage(bytes);
    check.run();
    expect(check).toMatchObject({ checked: PAGES, failed: 1, passing: 0 });
  });

  test('does not count one that was torn by the read', () => {
    const { check, bytes } = fileInMemory((mended) => breakPage(mended));
    breakPage(bytes);
    check.run();
    expect(check).toMatchObject({ failed: 0, passing: 1 });
  });

  test('counts one that is bad in another way each time', () => {
    const { check, bytes } = fileInMemory((changed, waits) => breakPage(changed, waits));
    breakPage(bytes);
    check.run();
    expect(check).toMatchObject({ failed: 1, passing: 0 });
  });

  test('tells good pages that mix stores', () => {
    const { check, bytes } = fileInMemory();
    bytes.set(sealed(BAD, stored(8, 100)), BAD * PAGE);
    check.run();
    expect(check).toMatchObject({ failed: 0, mixed: 1 });
  });
});

describe('a run fails for', () => {
  const result = (...cells: [StableArm, failed: number, mixed: number][]): StableResult => ({
    checksum: [],
    cells: cells.map(([arm, failed, mixed]) => ({
      arm,
      pageSize: PAGE,
      pages: PAGES,
      seconds: 1,
      fsyncs: 10,
      fsyncsPerSecond: 10,
      fsyncUs: 100,
      written: 30,
      bounced: 30,
      writtenMiBPerSecond: 1,
      truth: { checked: 30, failed, mixed, passing: 0 },
      pins: 3,
      storedBytes: 1,
      readBytes: 1,
    })),
  });

  test('nothing, if the copies are good and the control is seen to fail', () => {
    expect(stableFailures(result(['bounce', 0, 2], ['direct', 3, 0]), false)).toEqual([]);
    expect(stableFailures(null, false)).toEqual([]);
  });

  test('a copy that is bad', () => {
    expect(stableFailures(result(['bounce', 1, 2]), true)).toEqual([expect.stringContaining('checksum')]);
  });

  test('a control without a failure, and copies nobody stored into, unless a signal cut it short', () => {
    const blind = result(['bounce', 0, 0], ['direct', 0, 5]);
    expect(stableFailures(blind, false)).toEqual([
      expect.stringContaining('check of stable pages is broken'),
      expect.stringContaining('check of stable pages is broken'),
    ]);
    expect(stableFailures(blind, true)).toEqual([]);
  });

  test('a control only if it shows nothing with pages of any size', () => {
    expect(stableFailures(result(['bounce', 0, 2], ['direct', 0, 5], ['direct', 1, 5]), false)).toEqual([]);
    expect(stableFailures(result(['bounce', 0, 2]), false)).toHaveLength(1);
  });
});

test('written from where they are, pages that nobody stores into are what was written', async () => {
  const path = join(testDirectory(), 'data');
  const cache = await PageCache.create({ memory: 1 << 20 });
  try {
    const file = cache.openSync(path, { create: true, checksum: 'crc32c' });
    const content = Buffer.alloc(PAYLOAD * 2 + 100, 'x');
    file.writeSync(content, 0);
    const page = file.pinSync(1, 'write');
    expect(fsyncSyncWith(file, { policy: 'direct' })).toMatchObject({ pages: 3, bounced: 1, flushes: 1 });
    expect(contentOf(path).equals(content)).toBe(true);
    page.unpin();
  } finally {
    await cache.close();
  }
});
