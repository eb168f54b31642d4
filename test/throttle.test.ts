// The limits on dirty pages: flushers above the one, writers themselves above the other; pinned pages count for neither.
import fs from 'node:fs';
import { constants } from 'node:os';
import type { CachedFile, CacheOptions, CacheStats } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { pinDirty, SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf } from './support/directory.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const { EIO } = constants.errno;
const FOREVER = 2 ** 30;

/** One limit for flushers and writers, so that a writer meets it before a flusher can. 247 frames. */
const LIMITED: CacheOptions = { dirtyBackgroundRatio: 0.2, dirtyRatio: 0.2, writebackIntervalMs: FOREVER };
const LIMIT = 49;
/** What a writer dirties between two looks, and what a batch in writeback hides. */
const SLACK = 16;

const ways: [string, (file: CachedFile, bytes: Uint8Array, position: number) => Promise<unknown>][] = [
  ['writeSync', async (file, bytes, position) => file.writeSync(bytes, position)],
  ['write', (file, bytes, position) => file.write(bytes, position)],
  [
    'updateSync',
    async (file, bytes, position) => file.updateSync(position / PAGE, (page) => page.set(bytes)),
  ],
  ['update', (file, bytes, position) => file.update(position / PAGE, (page) => page.set(bytes))],
  ['pinSync', async (file, bytes, position) => store(file.pinSync(position / PAGE, 'write'), bytes)],
  ['pin', async (file, bytes, position) => store(await file.pin(position / PAGE, 'write'), bytes)],
];

function store(page: ReturnType<CachedFile['pinSync']>, bytes: Uint8Array): void {
  page.bytes.set(bytes);
  page.unpin();
}

const cleanable = ({ dirty, pinnedDirty }: CacheStats) => dirty - pinnedDirty;

describe.each(ways)('a writer by %s', (_name, write) => {
  test('cleans pages itself above dirtyRatio, and nothing is lost', async () => {
    const { file, cache, path } = await startWithFile(240, LIMITED);
    let most = 0;
    // A flusher may look just before the writer does: then the writer finds nothing to do, for once.
    for (let round = 0; round < 20 && cache.stats().throttles === 0; round++) {
      for (let index = 0; index < 240; index++) {
        await write(file, new Uint8Array(PAGE).fill(index + 1), index * PAGE);
        most = Math.max(most, cleanable(cache.stats()));
      }
    }
    expect(cache.stats().throttles).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(LIMIT + SLACK);
    await file.fsync();
    for (const index of [0, 50, 239]) expect(bytesInFile(path, index * PAGE, 1)[0]).toBe((index + 1) & 0xff);
  });

  test('is not held up when all dirty pages are pinned, however many', async () => {
    const { file, cache } = await startWithFile(240, LIMITED);
    const pins = Array.from({ length: 180 }, (_, index) => pinDirty(file, index));
    expect(cache.stats().pinnedDirty).toBe(180);
    const before = cache.stats().throttles;
    for (let index = 180; index < 190; index++) await write(file, new Uint8Array(PAGE), index * PAGE);
    expect(cache.stats().throttles).toBe(before); // ten pages that could be cleaned are below the limit
    for (const pin of pins) pin.unpin();
  });
});

test('with 95% of the dirty pages pinned a writer goes on, and what it dirties stays within the limit', async () => {
  const { file, cache } = await startWithFile(240, { ...LIMITED, maxPinsPerThread: 256 });
  const other = await cache.open(fileOf(400 * PAGE));
  const pins = Array.from({ length: 150 }, (_, index) => pinDirty(file, index));
  let most = 0;
  for (let round = 0; round < 4; round++) {
    for (let index = 0; index < 400; index++) {
      other.writeSync(Uint8Array.of(round), index * PAGE);
      most = Math.max(most, cleanable(cache.stats()));
    }
  }
  expect(most).toBeLessThanOrEqual(LIMIT + SLACK);
  expect(cache.stats()).toMatchObject({ pinnedDirty: 150, writePins: 150 });
  for (const pin of pins) pin.unpin();
});

test('a writer to a file whose pages are all pinned cleans those of another', async () => {
  const { file, cache } = await startWithFile(240, { ...LIMITED, maxPinsPerThread: 256 });
  const other = await cache.open(fileOf(240 * PAGE));
  const pins = Array.from({ length: 20 }, (_, index) => file.pinSync(index, 'write'));
  let throttled = false;
  // A flusher may look between the two, and leave nothing to the writer: then once more.
  for (let round = 0; round < 50 && !throttled; round++) {
    const dropped = Array.from({ length: LIMIT + SLACK }, (_, index) => other.pinSync(index, 'write'));
    for (const pin of dropped) pin.unpin(); // now they count, and the limit is passed at once
    const before = cache.stats();
    for (let n = 0; n < SLACK; n++) {
      file.updateSync(n, (bytes) => bytes.fill(2), undefined, { offset: 0, length: 1 });
    }
    const after = cache.stats();
    throttled = after.throttles > before.throttles;
    if (throttled) expect(after.writtenPages + after.writeback).toBeGreaterThan(before.writtenPages);
  }
  expect(throttled).toBe(true);
  for (const pin of pins) pin.unpin();
});

test('a store that fails is the next fsync to tell, not the writer; and is left alone for a while', async () => {
  const { file, cache, fail, heal } = await startWithFile(240, LIMITED);
  fail({ call: 'write', errno: EIO });
  for (let index = 0; index < 120; index++) file.writeSync(Uint8Array.of(7), index * PAGE);
  const { errors } = cache.stats();
  expect(errors).toBeGreaterThan(0);
  // One batch of at most `stagingPages` writes; the file is not tried again with each page that is dirtied.
  expect(errors).toBeLessThanOrEqual(2 * 64);
  heal();
  await expect(file.fsync()).rejects.toMatchObject({ code: 'ERR_PINFOLD_IO' });
  await file.fsync();
});

test('a page is written when it has been dirty for dirtyExpireMs, without an fsync; a pinned one when it is dropped', async () => {
  const { file, cache, path } = await startWithFile(8, {
    ...SMALL,
    dirtyExpireMs: 50,
    writebackIntervalMs: 10,
  });
  const pin = pinDirty(file, 3);
  pin.bytes[0] = 0xee;
  file.writeSync(Uint8Array.of(0xdd), 5 * PAGE);
  await until('the page to be written', () => bytesInFile(path, 5 * PAGE, 1)[0] === 0xdd);
  expect(bytesInFile(path, 3 * PAGE, 1)[0]).not.toBe(0xee);
  expect(cache.stats()).toMatchObject({ dirty: 1, pinnedDirty: 1 });
  pin.unpin();
  await until('the other one to be written', () => bytesInFile(path, 3 * PAGE, 1)[0] === 0xee);
});

/** CPU time of each OS thread of this process so far, in clock ticks (10 ms). */
function cpuTicks(): Map<string, number> {
  const ticks = new Map<string, number>();
  for (const task of fs.readdirSync('/proc/self/task')) {
    const stat = fs.readFileSync(`/proc/self/task/${task}/stat`, 'latin1').split(') ')[1]!.split(' ');
    ticks.set(task, Number(stat[11]) + Number(stat[12]));
  }
  return ticks;
}

test.runIf(process.platform === 'linux')(
  'flushers hardly run while nothing can be cleaned: 95% of the dirty pages pinned and expired',
  async () => {
    const options = { memory: 8 << 20, maxPinsPerThread: 2048, dirtyExpireMs: 0, writebackIntervalMs: 50 };
    const before = new Set(cpuTicks().keys());
    const { cache } = await startCache(options);
    const service = [...cpuTicks().keys()].filter((task) => !before.has(task));
    const file = await cache.open(fileOf(1200 * PAGE));
    const pins = Array.from({ length: 1140 }, (_, index) => file.pinSync(index, 'write'));
    for (let index = 1140; index < 1200; index++) file.writeSync(Uint8Array.of(1), index * PAGE);
    await until('the other pages to be written', () => cleanable(cache.stats()) === 0);
    const started = performance.now();
    const from = cpuTicks();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const to = cpuTicks();
    const ms = performance.now() - started;
    for (const task of service) {
      if (to.has(task)) expect((to.get(task)! - from.get(task)!) * 10).toBeLessThan(0.05 * ms);
    }
    for (const pin of pins) pin.unpin();
  },
);
