import { describe, expect, test } from 'vitest';
import { createRandom } from '../bench/random.ts';
import { generate, TRACE_NAMES } from '../bench/scenarios/replacement/generate.ts';
import { zipfRanks } from '../bench/zipf.ts';

const ACCESSES = 40_000;
const PAGES = 2_000;
const made = (name: string, seed = 1) => generate(name, ACCESSES, PAGES, seed);

function touches(accesses: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const page of accesses) counts.set(page, (counts.get(page) ?? 0) + 1);
  return counts;
}

describe.each(TRACE_NAMES)('%s', (name) => {
  test('is the same for the same seed, and another for another unless there is no chance in it', () => {
    const { accesses } = made(name);
    expect(made(name).accesses).toEqual(accesses);
    const isFixed = /^loops? over/.test(name);
    if (!isFixed) expect(made(name, 2).accesses).not.toEqual(accesses);
  });

  test('names pages from 0 to its number of pages, the last one too', () => {
    const { accesses, pages, footprint } = made(name);
    expect(footprint).toBe(PAGES);
    expect(accesses).toHaveLength(ACCESSES);
    expect(Math.max(...accesses)).toBe(pages - 1);
    expect(Math.min(...accesses)).toBeGreaterThanOrEqual(0);
  });

  test('leaves out of its footprint what is touched once, and nothing else but new pages that are touched again', () => {
    const beyond = [...touches(made(name).accesses)].filter(([page]) => page >= PAGES);
    if (/scans|singles/.test(name)) {
      expect(beyond.length).toBeGreaterThan(0);
      expect(beyond.every(([, count]) => count === 1)).toBe(true);
    } else expect(beyond.length > 0).toBe(name.startsWith('re-touches'));
  });
});

test.each([0.6, 1, 1.2])(
  'zipf %f: the second rank comes 2 ** exponent times less often than the first',
  (exponent) => {
    const rank = zipfRanks(100, exponent, createRandom(3));
    const counts = new Array<number>(100).fill(0);
    for (let i = 0; i < 400_000; i++) counts[rank()]!++;
    expect(counts[0]! / counts[1]!).toBeCloseTo(2 ** exponent, 0);
    expect(counts[0]! / counts[9]!).toBeGreaterThan(10 ** exponent * 0.9);
    expect(counts[0]! / counts[9]!).toBeLessThan(10 ** exponent * 1.1);
  },
);

test('a loop comes back to each page after its length', () => {
  const { accesses } = made('loop over 13%');
  const length = PAGES * 0.13;
  expect([...accesses]).toEqual(Array.from(accesses, (_, i) => i % length));
});

test('loops in turn share no page', () => {
  const { accesses } = made('loops over 12%');
  const first = new Set(accesses.subarray(0, ACCESSES / 8));
  const second = new Set(accesses.subarray(ACCESSES / 8, ACCESSES / 4));
  expect(first.size).toBe(PAGES * 0.12);
  expect([...second].filter((page) => first.has(page))).toEqual([]);
});

test('scans come as long runs of new pages', () => {
  const { accesses } = made('zipf 0.8 + scans');
  const period = PAGES * 0.6;
  const scan = accesses.subarray(PAGES * 0.4, period);
  expect([...scan]).toEqual(Array.from(scan, (_, n) => PAGES + n));
  expect(accesses.subarray(0, PAGES * 0.4).every((page) => page < PAGES)).toBe(true);
});

test('a new page is touched again 1 to 4 times within the next accesses, and then mostly never', () => {
  const { accesses } = made('re-touches, zipf');
  const at = new Map<number, number[]>();
  accesses.forEach((page, i) => {
    if (page >= PAGES) at.set(page, [...(at.get(page) ?? []), i]);
  });
  // The last ones may not have had their time; each gap is of 20 accesses and of what else is due then.
  const pages = [...at.values()].filter(([first]) => first! < ACCESSES - 500);
  expect(pages.every(([first, second]) => second! - first! < 100)).toBe(true);
  const fewTimes = pages.filter(({ length }) => length <= 5);
  expect(fewTimes.length / pages.length).toBeGreaterThan(0.85);
  const isBack = (times: number[]) => times.at(-1)! - times[0]! > 1_000;
  expect(pages.some(isBack)).toBe(true);
  expect(pages.filter(isBack).length / pages.length).toBeLessThan(0.1);
});

test('a hot set that jumps is another one afterwards; one that slides has been everywhere', () => {
  const hottest = (part: Int32Array) =>
    [...touches(part)]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 20)
      .map(([page]) => page);
  const jumps = made('zipf 0.9 jumps').accesses;
  const before = hottest(jumps.subarray(0, ACCESSES / 10));
  const after = hottest(jumps.subarray(ACCESSES / 10, ACCESSES / 5));
  expect(after.filter((page) => before.includes(page)).length).toBeLessThan(5);
  const slides = made('zipf 0.8 slides').accesses;
  expect(new Set(slides.subarray(0, ACCESSES / 20)).size).toBeLessThan(PAGES / 2);
  expect(touches(slides).size).toBeGreaterThan(PAGES * 0.95);
});
