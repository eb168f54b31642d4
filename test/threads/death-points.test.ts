// A thread is ended before each call of the kernel that an operation makes, one after the other: whatever it had done by
// then, each page has its old or its new content, nothing is held any more, and the file can be worked with.
import fs from 'node:fs';
import type { CachedFile, PageCache } from 'pinfold';
import { expect, test } from 'vitest';
import { violationsWhenQuiet } from './invariants.ts';
import { onFile, until, World, within } from './support.ts';

const PAGE = 4096;
const PAGES = 12;
/** The file ends in the middle of a page. */
const SIZE = (PAGES - 0.5) * PAGE;
const NEW = 50;
const DONE = 0;

interface Operation {
  /** What is done before, without an end. */
  first?: (file: CachedFile) => void;
  run: (file: CachedFile, cache: PageCache) => void;
  /** Pages that it changes. */
  pages: readonly number[];
  /** What `first` has done is not undone. */
  kept?: readonly number[];
  /** The sizes that the file may have. */
  sizes?: readonly number[];
}

const operations: Record<string, Operation> = {
  write: {
    run: (file) => file.writeSync(new Uint8Array(2 * 4096).fill(50), 2 * 4096),
    pages: [2, 3],
  },
  'write behind the end': {
    run: (file) => file.writeSync(new Uint8Array(4096).fill(50), 13 * 4096),
    pages: [13],
    sizes: [SIZE, PAGES * PAGE, 14 * PAGE],
  },
  update: {
    run: (file) =>
      file.updateSync(3, (outer) => {
        outer.fill(50);
        file.updateSync(4, (inner) => inner.fill(50));
      }),
    pages: [3, 4],
  },
  view: { run: (file) => file.viewSync(5, () => file.readSync(new Uint8Array(100), 6 * 4096)), pages: [] },
  pin: {
    run: (file) => {
      const read = file.pinSync(4);
      const pin = file.pinSync(5, 'write');
      pin.bytes.fill(50);
      pin.unpin();
      read.unpin();
    },
    pages: [5],
  },
  fsync: {
    first: (file) => {
      file.writeSync(new Uint8Array(2 * 4096).fill(50), 2 * 4096);
      file.writeSync(new Uint8Array(4096).fill(50), 5 * 4096);
      file.pinSync(5, 'write');
    },
    run: (file) => void file.fsyncSync(),
    pages: [],
    kept: [2, 3, 5],
  },
  truncate: {
    first: (file) => {
      file.writeSync(new Uint8Array(3 * 4096).fill(50), 2 * 4096);
      file.pinSync(4, 'write');
    },
    run: (file) => file.truncateSync(3 * 4096),
    pages: [],
    kept: [2, 3, 4],
    sizes: [SIZE, 3 * PAGE],
  },
  'truncate within a page': {
    first: (file) => {
      file.writeSync(new Uint8Array(3 * 4096).fill(50), 2 * 4096);
    },
    run: (file) => file.truncateSync(3 * 4096 + 100),
    pages: [],
    kept: [2, 3, 4],
    sizes: [SIZE, 3 * PAGE + 100],
  },
  open: {
    run: (file, cache) => {
      const other = cache.openSync(`${file.path}2`, { create: true });
      other.writeSync(new Uint8Array(10), 0);
      other.closeSync();
    },
    pages: [],
  },
};

function create(world: World, name: string): string {
  const path = world.path(name);
  fs.writeFileSync(
    path,
    Uint8Array.from({ length: SIZE }, (_, at) => 1 + Math.floor(at / PAGE)),
  );
  return path;
}

/** Every page is old or new as a whole; what is behind its end, or was never written, is zero. */
function check(path: string, { pages, kept = [], sizes = [SIZE] }: Operation): void {
  const { size } = fs.statSync(path);
  expect(sizes).toContain(size);
  const bytes = onFile(path, 0, size);
  for (let page = 0; page * PAGE < size; page++) {
    const old = page < PAGES ? Math.min(PAGE, SIZE - page * PAGE) : 0;
    const length = Math.min(PAGE, size - page * PAGE);
    const before = Buffer.alloc(length);
    if (kept.includes(page)) before.fill(NEW);
    else before.fill(1 + page, 0, Math.min(old, length));
    const allowed = pages.includes(page) ? [before, Buffer.alloc(length, NEW)] : [before];
    const found = bytes.subarray(page * PAGE, page * PAGE + length);
    expect(
      allowed.some((each) => each.equals(found)),
      `page ${page}`,
    ).toBe(true);
  }
}

async function everyPoint(world: World, operation: Operation): Promise<number> {
  const { cache } = await world.harness({
    memory: 1 << 20,
    pinnedDirty: 'redirty',
    waitTimeoutMs: 10_000,
    writebackIntervalMs: 60_000,
    maxThreads: 4,
  });
  const { owners } = cache.stats();
  const source = { first: String(operation.first ?? (() => {})), run: String(operation.run) };
  let point = 0;
  for (let ended = false; !ended; point++) {
    const path = create(world, `data${point}`);
    const file = await cache.open(path);
    Atomics.store(world.shared, DONE, 0);
    const victim = await world.victim(
      cache,
      path,
      ({ cache, path, shared, intercept, hold }, { source, point, DONE }) => {
        let left = Number.POSITIVE_INFINITY;
        intercept(() => {
          if (left-- === 0) hold();
        });
        // biome-ignore lint/security/noGlobalEval: functions of this test, which can't be posted
        const [first, run] = [source.first, source.run].map((code) => globalThis.eval(`(${code})`));
        const mine = cache.openSync(path);
        first(mine);
        left = point;
        run(mine, cache);
        Atomics.store(shared, DONE, 1);
        hold();
      },
      { source, point, DONE },
    );
    ended = Atomics.load(world.shared, DONE) === 1;
    victim.kill();
    // Whoever comes now waits for it, if it has to.
    await within(file.fsync(), 'fsync');
    await within(
      file.update(2, (bytes) => bytes[0], undefined, { offset: 0, length: 1 }),
      'an update',
    );
    await until(() => cache.stats().owners === owners, 'its row to be free');
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
    await within(file.fsync(), 'fsync');
    check(path, operation);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    file.closeSync();
  }
  return point;
}

// Most of their time they wait, and none of them measures any.
test.concurrent.each(Object.entries(operations))(
  '%s: ended before each call of the kernel',
  async (_name, operation) => {
    const world = new World();
    try {
      expect(await everyPoint(world, operation)).toBeGreaterThan(8);
    } finally {
      await world.end();
    }
  },
);
