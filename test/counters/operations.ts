// Operations of a cache over a real file, each done some times, and what one of them costs in things that can be counted.
import fs from 'node:fs';
import type { CachedFile, Page, PageCache as PageCacheClass } from 'pinfold';
import type { SampleMetric } from '../../bench/gate/sample.ts';
import { median } from '../../bench/statistics.ts';
import { type Counts, none } from './counted.ts';

const PAGE = 4096;
const PAGES = 1024;
const MEMORY = 16 << 20;
/** Once in a second a call also looks for dead threads: the median of so many does not. */
const TIMES = 33;
/** Pages of an fsync of many. */
const MANY = 64;
const RANGE = { offset: 1024, length: 64 };

interface Operation {
  name: string;
  /** Has no business with the store. */
  isHit?: boolean;
  /** What does not count, before each. */
  before?(file: CachedFile, n: number): void;
  run(file: CachedFile, n: number): void;
  after?(): void;
}

const one = new Uint8Array(PAGE).fill(7);
const target = Buffer.alloc(PAGE);
const firstByte = (bytes: Uint8Array): number => bytes[0];
const storeByte = (bytes: Uint8Array, value: number): void => {
  bytes[0] = value;
};
const pinned: Page[] = [];

const OPERATIONS: Operation[] = [
  { name: 'view', isHit: true, run: (file, n) => file.viewSync(n, firstByte) },
  { name: 'pin + unpin', isHit: true, run: (file, n) => file.pinSync(n).unpin() },
  {
    name: 'update of 64 bytes',
    isHit: true,
    run: (file, n) => file.updateSync(n, storeByte, n & 0xff, RANGE),
  },
  { name: 'read of 4 KiB', isHit: true, run: (file, n) => file.readSync(target, n * PAGE) },
  { name: 'write of 4 KiB', isHit: true, run: (file, n) => file.writeSync(one, n * PAGE) },
  {
    name: 'commit of a page',
    run(file, n) {
      file.writeSync(one, n * PAGE);
      file.fsyncSync();
    },
  },
  {
    name: `fsync of ${MANY} pages in a row`,
    before: (file) => dirty(file, 1),
    run: (file) => file.fsyncSync(),
  },
  {
    name: `fsync of ${MANY} pages apart`,
    before: (file) => dirty(file, 2),
    run: (file) => file.fsyncSync(),
  },
  {
    name: `fsync of ${MANY} pinned pages`,
    before(file) {
      dirty(file, 1);
      for (let page = 0; page < MANY; page++) pinned.push(file.pinSync(page, 'write'));
    },
    run: (file) => file.fsyncSync(),
    after() {
      for (const page of pinned.splice(0)) page.unpin();
    },
  },
];

function dirty(file: CachedFile, apart: number): void {
  file.fsyncSync();
  for (let page = 0; page < MANY; page++) file.writeSync(one, page * apart * PAGE);
}

/** In a file four times what the cache holds, and each page once: none is there. */
const MISSES: Operation[] = [
  { name: 'miss of a page', run: (file, n) => file.readSync(target, n * 16 * PAGE) },
];

/** What each operation costs. `directory`: for the files. */
export async function countOperations(
  PageCache: typeof PageCacheClass,
  counts: Counts,
  directory: string,
): Promise<SampleMetric[]> {
  const quiet = { flushers: 1, dirtyBackgroundRatio: 1, dirtyRatio: 1, dirtyExpireMs: 2 ** 30 };
  const hot = await countIn(PageCache, { memory: MEMORY, ...quiet }, directory, OPERATIONS, counts, true);
  const cold = await countIn(PageCache, { memory: MEMORY / 16, ...quiet }, directory, MISSES, counts, false);
  return [...hot, ...cold];
}

async function countIn(
  PageCache: typeof PageCacheClass,
  options: Parameters<typeof PageCacheClass.create>[0],
  directory: string,
  operations: Operation[],
  counts: Counts,
  warm: boolean,
): Promise<SampleMetric[]> {
  const path = `${directory}/${warm ? 'hot' : 'cold'}`;
  fs.writeFileSync(path, Buffer.alloc(PAGES * PAGE, 1));
  const cache = await PageCache.create(options);
  try {
    const file = cache.openSync(path, { mode: 'r+', access: 'random' });
    if (warm) for (let page = 0; page < PAGES; page++) file.pinSync(page).unpin();
    // As every thread that updates, it has its undo frame by then.
    if (warm) file.updateSync(0, storeByte, 1, RANGE);
    const found = operations.flatMap((operation) => metricsOf(operation, counted(file, operation, counts)));
    file.closeSync();
    return found;
  } finally {
    await cache.close();
  }
}

function counted(file: CachedFile, { before, run, after }: Operation, counts: Counts): Counts {
  const each: Counts[] = [];
  for (let n = 0; n < TIMES; n++) {
    before?.(file, n);
    const from = { ...counts };
    run(file, n);
    each.push(minus(counts, from));
    after?.();
  }
  const result = none();
  for (const key of keys) result[key] = median(each.map((one) => one[key]));
  return result;
}

const keys = Object.keys(none()) as (keyof Counts)[];

function minus(a: Counts, b: Counts): Counts {
  const result = none();
  for (const key of keys) result[key] = a[key] - b[key];
  return result;
}

const KINDS: { key: keyof Counts; name: string; unit: string; ofHits: boolean }[] = [
  { key: 'atomicLoads', name: 'atomic loads', unit: '', ofHits: true },
  { key: 'atomicWrites', name: 'atomic writes', unit: '', ofHits: true },
  { key: 'copiedBytes', name: 'copied', unit: 'bytes', ofHits: true },
  { key: 'ioCalls', name: 'reads and writes of the store', unit: '', ofHits: true },
  { key: 'ioBytes', name: 'read or written', unit: 'bytes', ofHits: false },
  { key: 'flushes', name: 'flushes', unit: '', ofHits: false },
];

function metricsOf({ name, isHit }: Operation, found: Counts): SampleMetric[] {
  return KINDS.filter(({ ofHits }) => ofHits || isHit !== true).map(({ key, name: what, unit }) => ({
    name: `${name}: ${what}`,
    value: found[key],
    unit,
    better: 'smaller',
    exact: true,
  }));
}
