// Pages pinned for writing and filled by something that the program does not control, while others write into the same
// pages and fsync: what had been written before an fsync is in the file after it.
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fsyncSyncWith } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { type Agent, onFile, until, World, within } from './support.ts';

const PAGE = 4096;
const RECORD = 1024;
const PAGES = 24;
const modes = ['keep', 'redirty'] as const;

// Words that the threads share.
const STOP = 0;
const FILLED = 1; // fills by DMA that have ended
const STORED = 2; // stores of the word-by-word thread
const HELD = 3; // the long hold: 1 held, 2 dropped, in the order of things
const ORDER = 4; // hands out the numbers of that order
const AT_UNPIN = 5;
const AT_FSYNC = 6;
const WRITTEN = 16; // by page: number of the last record written

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  Atomics.store(world.shared, STOP, 1);
  await world.end();
});

/** Records into the first 1 KiB of every page, over and over; the number is published when the write has returned. */
const writeRecords = (agent: Agent) =>
  agent.run(
    async ({ file, shared }, { STOP, WRITTEN, PAGES, PAGE, RECORD }) => {
      const record = new Uint32Array(RECORD / 4);
      let n = 0;
      while (Atomics.load(shared, STOP) === 0) {
        n++;
        for (let page = 0; page < PAGES; page++) {
          record.fill(n);
          file.writeSync(new Uint8Array(record.buffer), page * PAGE);
          Atomics.store(shared, WRITTEN + page, n);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      return n;
    },
    { STOP, WRITTEN, PAGES, PAGE, RECORD },
  );

/** Fills the rest of every page from another file by asynchronous reads into the pinned page. */
const fillByDma = (agent: Agent, source: string) =>
  agent.run(
    async ({ file, shared, fs }, { source, STOP, FILLED, PAGES, PAGE, RECORD }) => {
      const fd = fs.openSync(source, 'r');
      const read = (bytes: Uint8Array, from: number) =>
        new Promise<void>((resolve, reject) =>
          fs.read(fd, bytes, RECORD, PAGE - RECORD, from, (error, n) =>
            error || n !== PAGE - RECORD ? reject(error ?? new Error(`${n} bytes read`)) : resolve(),
          ),
        );
      const rounds: number[] = new Array(PAGES).fill(0);
      const lane = async (first: number) => {
        for (let page = first; Atomics.load(shared, STOP) === 0; page = (page + 4) % PAGES) {
          const pin = await file.pin(page, 'write');
          const round = 1 + (rounds[page]! % 7);
          await read(pin.bytes, (round * PAGES + page) * PAGE + RECORD);
          // The device works on: a second transfer into the same page under the same pin.
          await read(pin.bytes, (round * PAGES + page) * PAGE + RECORD);
          rounds[page] = round;
          pin.unpin();
          Atomics.add(shared, FILLED, 1);
        }
      };
      await Promise.all([0, 1, 2, 3].map(lane));
      fs.closeSync(fd);
      return rounds;
    },
    { source, STOP, FILLED, PAGES, PAGE, RECORD },
  );

/** Another file: in its page `round * PAGES + page` every byte tells both. */
function createSource(): string {
  const path = world.path('source');
  const bytes = Buffer.alloc(8 * PAGES * PAGE);
  for (let n = 0; n < 8 * PAGES; n++) bytes.fill(1 + (n % 251), n * PAGE, (n + 1) * PAGE);
  fs.writeFileSync(path, bytes);
  return path;
}

const sourceByte = (round: number, page: number) => 1 + ((round * PAGES + page) % 251);

/** How many of the records that had been written before are not in the file. */
function missing(path: string, before: readonly number[]): number {
  const bytes = onFile(path, 0, PAGES * PAGE);
  let lies = 0;
  for (let page = 0; page < PAGES; page++) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + page * PAGE, RECORD / 4);
    if (words.some((word) => word < before[page]!)) lies++;
  }
  return lies;
}

const written = () => Array.from({ length: PAGES }, (_, page) => Atomics.load(world.shared, WRITTEN + page));

describe.each(modes)('%s', (pinnedDirty) => {
  test.each(['sync', 'async'] as const)(
    'fsync (%s) while pages are filled by fs.read and written',
    async (form) => {
      const { cache } = await world.harness({ memory: 2 << 20, pinnedDirty, writebackIntervalMs: 20 });
      const path = world.create(PAGES * PAGE);
      const file = cache.openSync(path);
      const [writer, device] = [await world.agent(cache, path), await world.agent(cache, path)];
      const records = writeRecords(writer);
      const fills = fillByDma(device, createSource());
      let lies = 0;
      let bounced = 0;
      for (let n = 0; n < 60; n++) {
        const before = written();
        bounced += (form === 'sync' ? file.fsyncSync() : await file.fsync()).bounced;
        lies += missing(path, before);
        // This thread's event loop is not the device's: it may rest as well as work.
        await until(() => Atomics.load(world.shared, FILLED) > n, 'the device to go on');
      }
      expect(lies).toBe(0);
      expect(bounced).toBeGreaterThan(0);
      Atomics.store(world.shared, STOP, 1);
      const [last, rounds] = await Promise.all([records, fills]);
      expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
      await file.fsync();
      const bytes = onFile(path, 0, PAGES * PAGE);
      for (let page = 0; page < PAGES; page++) {
        const words = new Uint32Array(bytes.buffer, bytes.byteOffset + page * PAGE, RECORD / 4);
        expect(new Set(words), `records of page ${page}`).toEqual(new Set([last]));
        const rest = new Set(bytes.subarray(page * PAGE + RECORD, (page + 1) * PAGE));
        const round = rounds[page]!;
        expect(rest, `the device's bytes of page ${page}`).toEqual(
          new Set([round === 0 ? 0 : sourceByte(round, page)]),
        );
      }
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );

  test('a thread stores word by word for a long time: fsync goes through, again and again', async () => {
    const { cache } = await world.harness({ memory: 2 << 20, pinnedDirty });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    const [storer, writer] = [await world.agent(cache, path), await world.agent(cache, path)];
    const storing = storer.run(
      ({ file, shared }, { STOP, STORED, PAGES, RECORD }) => {
        const pins = Array.from({ length: PAGES }, (_, page) => file.pinSync(page, 'write'));
        const words = pins.map(
          ({ bytes }) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
        );
        let n = 0;
        const end = performance.now() + 20_000;
        while (Atomics.load(shared, STOP) === 0 && performance.now() < end) {
          n++;
          for (const page of words) for (let k = RECORD / 4; k < page.length; k++) page[k] = n;
          Atomics.store(shared, STORED, n);
        }
        for (const pin of pins) pin.unpin();
        return n;
      },
      { STOP, STORED, PAGES, RECORD },
    );
    await until(() => Atomics.load(world.shared, STORED) > 0, 'the first store');
    const records = writeRecords(writer);
    await until(() => written().every((n) => n > 0), 'a record in each page');
    for (let n = 0; n < 30; n++) {
      const before = written();
      const stored = Atomics.load(world.shared, STORED);
      const report = n % 2 ? file.fsyncSync() : await file.fsync();
      expect(missing(path, before)).toBe(0);
      expect(report.bounced).toBe(report.pages); // every page is held
      if (n % 10 === 9) await until(() => Atomics.load(world.shared, STORED) > stored, 'the stores to go on');
    }
    expect(cache.stats().writePins).toBeGreaterThanOrEqual(PAGES);
    Atomics.store(world.shared, STOP, 1);
    const [last] = await Promise.all([storing, records]);
    file.fsyncSync();
    const bytes = onFile(path, 0, PAGES * PAGE);
    for (let page = 0; page < PAGES; page++) {
      const at = bytes.byteOffset + page * PAGE + RECORD;
      expect(new Set(new Uint32Array(bytes.buffer, at, (PAGE - RECORD) / 4))).toEqual(new Set([last]));
    }
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test.each(['sync', 'async'] as const)(
    "policy 'block' (%s) ends after the unpin that it waits for",
    async (form) => {
      const { cache } = await world.harness({ memory: 2 << 20, pinnedDirty, blockTimeoutMs: 20_000 });
      const path = world.create(PAGES * PAGE);
      const file = cache.openSync(path);
      const [holder, caller] = [await world.agent(cache, path), await world.agent(cache, path)];
      file.writeSync(new Uint8Array(RECORD).fill(7), 0);
      await holder.run(({ file, keep }) => {
        keep.pin = file.pinSync(0, 'write');
      });
      const dropped = holder.run(
        async ({ keep, shared }, { HELD, ORDER, AT_UNPIN }) => {
          while (Atomics.load(shared, HELD) !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
          await new Promise((resolve) => setTimeout(resolve, 60)); // so that a caller who does not wait is there first
          keep.pin.bytes.fill(9, 1024);
          Atomics.store(shared, AT_UNPIN, Atomics.add(shared, ORDER, 1));
          keep.pin.unpin();
        },
        { HELD, ORDER, AT_UNPIN },
      );
      const synced = caller.run(
        async ({ file, shared }, { form, HELD, ORDER, AT_FSYNC }) => {
          Atomics.store(shared, HELD, 1);
          const report =
            form === 'sync' ? file.fsyncSync({ policy: 'block' }) : await file.fsync({ policy: 'block' });
          Atomics.store(shared, AT_FSYNC, Atomics.add(shared, ORDER, 1));
          return report;
        },
        { form, HELD, ORDER, AT_FSYNC },
      );
      const [report] = await Promise.all([synced, dropped]);
      expect(Atomics.load(world.shared, AT_UNPIN)).toBe(0);
      expect(Atomics.load(world.shared, AT_FSYNC)).toBe(1);
      expect(report).toMatchObject({ pages: 1, bounced: 0 });
      expect(onFile(path, 0, 1)[0]).toBe(7);
      expect(onFile(path, RECORD, 1)[0]).toBe(9);
    },
  );

  test.each(['sync', 'async'] as const)("policy 'block' (%s) gives up and names the holder", async (form) => {
    const { cache } = await world.harness({ memory: 2 << 20, pinnedDirty });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    const holder = await world.agent(cache, path);
    file.writeSync(new Uint8Array(RECORD).fill(7), 3 * PAGE);
    const thread = await holder.run(({ file, keep, fs }) => {
      keep.pin = file.pinSync(3, 'write');
      return Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
    });
    const options = { policy: 'block', timeout: 80 } as const;
    const failed = async () => (form === 'sync' ? file.fsyncSync(options) : await file.fsync(options));
    const error = await within(
      failed().then(
        () => undefined,
        (reason) => reason as Error & { code: string },
      ),
      'the timeout',
    );
    expect(error?.code).toBe('ERR_PINFOLD_PIN_TIMEOUT');
    expect(error?.message).toContain(`thread ${holder.worker.threadId} (OS thread ${thread})`);
    expect(error?.message).toContain('page 3');
    // Nothing is lost by it: a bounce goes through.
    expect(file.fsyncSync({ policy: 'bounce' }).bounced).toBe(1);
    expect(onFile(path, 3 * PAGE, 1)[0]).toBe(7);
    await holder.run(({ keep }) => keep.pin.unpin());
  });

  test("control: policy 'skip' lies, and the check above sees it", async () => {
    const { cache } = await world.harness({ memory: 2 << 20, pinnedDirty });
    const path = world.create(PAGES * PAGE);
    const file = cache.openSync(path);
    const [holder, writer] = [await world.agent(cache, path), await world.agent(cache, path)];
    await holder.run(({ file, keep }, pages) => {
      keep.pins = Array.from({ length: pages }, (_, page) => file.pinSync(page, 'write'));
    }, PAGES);
    const records = writeRecords(writer);
    await until(() => written().every((n) => n > 0), 'a record in each page');
    const before = written();
    const report = fsyncSyncWith(file, { policy: 'skip' });
    expect(report.pages).toBe(0);
    expect(missing(path, before)).toBe(PAGES);
    expect(cache.stats().skippedPinned).toBeGreaterThan(0);
    fsyncSyncWith(file, { policy: 'bounce' });
    expect(missing(path, before)).toBe(0);
    Atomics.store(world.shared, STOP, 1);
    await records;
    await holder.run(({ keep }) => {
      for (const pin of keep.pins) pin.unpin();
    });
    file.fsyncSync();
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });
});
