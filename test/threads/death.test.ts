// Threads that are ended (worker.terminate()) in the middle of everything: what they held is given back, what they had
// half done is completed or undone, and whoever waits for it goes on, even if every event loop that could hear of the end
// is blocked.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import type { CachedFile } from 'pinfold';
import Piscina from 'piscina';
import { describe, expect, type TestContext, test } from 'vitest';
import { engineOf, type HarnessCache, type HarnessOptions, layout as L } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import {
  type Agent,
  type AgentContext,
  descriptorsOn,
  type Holding,
  type Lineage,
  onFile,
  until,
  World,
  within,
} from './support.ts';

const PAGE = 4096;
const PAGES = 64;
/** Of these bytes of a page the calls of the living change the first; the rest is the dead thread's. */
const LIVING = 5;

/** A file whose page n is full of n + 1. */
function create(world: World, name?: string): string {
  const path = world.create(PAGES * PAGE, name);
  const fd = fs.openSync(path, 'r+');
  for (let page = 0; page < PAGES; page++)
    fs.writeSync(fd, Buffer.alloc(PAGE, 1 + page), 0, PAGE, page * PAGE);
  fs.closeSync(fd);
  return path;
}

interface Scene extends HarnessCache {
  world: World;
  path: string;
  file: CachedFile;
  /** A thread that lives on. */
  helper: Agent;
  owners: number;
}

async function scene(context: TestContext, options?: HarnessOptions, blind = false): Promise<Scene> {
  const world = new World();
  context.onTestFinished(() => world.end());
  // Waits that hang reject before the test's own limit; flushers come only when they are called.
  const harness = await world.harness(
    {
      memory: 1 << 20,
      pinnedDirty: 'redirty',
      waitTimeoutMs: 10_000,
      writebackIntervalMs: 60_000,
      maxThreads: 8,
      ...options,
    },
    blind,
  );
  const path = create(world);
  const file = harness.cache.openSync(path);
  const helper = await world.agent(harness.cache, path);
  return { ...harness, world, path, file, helper, owners: harness.cache.stats().owners };
}

/** The dead thread's row is free, nothing is held any more, and the rest of what must hold does. */
async function settled({ cache, file, owners }: Scene): Promise<void> {
  await until(() => cache.stats().owners === owners, "the dead thread's row to be free");
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
}

/** What each page of the file itself is full of; −1 if of more than one value. Bytes of the living don't count. */
function values(path: string): number[] {
  const bytes = onFile(path, 0, fs.statSync(path).size);
  return Array.from({ length: Math.ceil(bytes.length / PAGE) }, (_, page) => {
    const found = new Set(bytes.subarray(page * PAGE, (page + 1) * PAGE).filter((_, at) => at !== LIVING));
    return found.size === 1 ? [...found][0]! : -1;
  });
}

const original = (changed: Record<number, number> = {}) =>
  Array.from({ length: PAGES }, (_, page) => changed[page] ?? 1 + page);

type Living = Pick<AgentContext, 'cache' | 'file' | 'path'>;
interface Call {
  sync(living: Living, argument: number): unknown;
  async(living: Living, argument: number): Promise<unknown>;
}

/** What the living call meanwhile. These go to other threads as source. */
const calls = {
  /** Adds one to a byte of the page: what it was. */
  update: {
    sync: ({ file }, page) => file.updateSync(page, (bytes) => bytes[5]!++),
    async: ({ file }, page) => file.update(page, (bytes) => bytes[5]!++),
  },
  view: {
    sync: ({ file }, page) => file.viewSync(page, (bytes) => bytes[7]),
    async: ({ file }, page) => file.view(page, (bytes) => bytes[7]),
  },
  fsync: {
    sync: ({ file }) => void file.fsyncSync(),
    async: async ({ file }) => void (await file.fsync()),
  },
  block: {
    sync: ({ file }) => void file.fsyncSync({ policy: 'block' }),
    async: async ({ file }) => void (await file.fsync({ policy: 'block' })),
  },
  truncate: {
    sync: ({ file }, pages) => {
      file.truncateSync(pages * 4096);
      return file.size;
    },
    async: async ({ file }, pages) => {
      await file.truncate(pages * 4096);
      return file.size;
    },
  },
  /** Adds a byte behind the end of a file of so many pages. */
  extend: {
    sync: ({ file }, pages) => file.writeSync(new Uint8Array(1), pages * 4096),
    async: ({ file }, pages) => file.write(new Uint8Array(1), pages * 4096),
  },
  open: {
    sync: ({ cache, path }) => {
      cache.openSync(`${path}2`, { create: true }).closeSync();
    },
    async: async ({ cache, path }) => {
      await (await cache.open(`${path}2`, { create: true })).close();
    },
  },
} satisfies Record<string, Call>;

interface Death {
  /** What the thread is in the middle of. */
  readonly during: string;
  readonly hold: Holding<undefined>;
  /** What a thread that lives calls then, and main too. */
  readonly call: keyof typeof calls;
  readonly argument?: number;
  /** What the two calls return, in the order of their values. */
  readonly results: readonly unknown[];
  /** What the file's pages are full of after the next fsync, where that is not what they were. */
  readonly changed?: Record<number, number>;
  /** Whether it is worth to have its parent ended, too. */
  readonly orphan?: true;
  readonly before?: (scene: Scene) => Promise<void> | void;
  readonly after?: (scene: Scene) => Promise<void> | void;
}

/** Pages 10 to 13 are written and not yet flushed, and a disk that takes nothing has lost them. */
async function unstablePages({ file, cache, path }: Scene): Promise<void> {
  for (let page = 10; page < 14; page++) file.writeSync(new Uint8Array(PAGE).fill(200 + page), page * PAGE);
  writeBackAll(file);
  expect(cache.stats()).toMatchObject({ unstable: 4, dirty: 0 });
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, Buffer.alloc(4 * PAGE, 0xee), 0, 4 * PAGE, 10 * PAGE);
  fs.closeSync(fd);
}
const rewritten = { 10: 210, 11: 211, 12: 212, 13: 213 };

/** What a flusher does, here: the pages are written, and no flush covers them. */
function writeBackAll(file: CachedFile): void {
  const { attachment, id } = engineOf(file);
  const { kernel, store, bytes } = attachment;
  const { control } = kernel;
  for (let index = 0; index < PAGES; index++) {
    const frame = control.lookup(id, index);
    if (frame < 0 || control.startWriteback(frame, id, 0, 0) < 0) continue;
    store.write(kernel.fileWord(id, L.FILE_FD_WRITE) - 1, bytes.of(frame).slice(), index * PAGE);
    control.endWriteback(0, kernel.fileWord(id, L.FILE_FAIL_SEQ));
  }
}

const deaths: Death[] = [
  {
    during: 'pins',
    orphan: true,
    hold: ({ file, hold }) => {
      for (let page = 0; page < 8; page++) file.pinSync(page);
      file.pinSync(1, 'write').bytes.fill(70);
      file.pinSync(2, 'write').bytes.fill(71);
      hold();
    },
    call: 'view',
    argument: 3,
    results: [4, 4],
    changed: { 1: 70, 2: 71 },
  },
  {
    during: 'a write pin that an fsync with policy block waits for',
    hold: ({ file, hold }) => {
      file.writeSync(new Uint8Array(4096).fill(69), 4096);
      file.pinSync(1, 'write').bytes.fill(70);
      hold();
    },
    call: 'block',
    results: [undefined, undefined],
    changed: { 1: 70 },
  },
  {
    during: 'an update',
    orphan: true,
    hold: ({ file, hold }) =>
      file.updateSync(3, (bytes) => {
        bytes.fill(99);
        hold();
      }),
    call: 'update',
    argument: 3,
    results: [4, 5],
  },
  {
    during: 'an update of a part of a page with a write pin',
    hold: ({ file, hold }) => {
      const pin = file.pinSync(3, 'write');
      pin.bytes.fill(80);
      const range = { offset: 1000, length: 100 };
      file.updateSync(
        3,
        (bytes) => {
          bytes.fill(99);
          hold();
        },
        undefined,
        range,
      );
    },
    call: 'view',
    argument: 3,
    results: [80, 80],
    changed: { 3: 80 },
  },
  {
    during: 'nested updates, of the outer one',
    hold: ({ file, hold }) =>
      file.updateSync(3, (outer) => {
        outer.fill(99);
        file.updateSync(4, (inner) => {
          inner.fill(98);
          file.updateSync(5, (innermost) => innermost.fill(60));
          hold();
        });
      }),
    call: 'update',
    argument: 3,
    results: [4, 5],
    changed: { 5: 60 },
  },
  {
    during: 'nested updates, of the inner one',
    hold: ({ file, hold }) =>
      file.updateSync(3, (outer) => {
        outer.fill(99);
        file.updateSync(4, (inner) => {
          inner.fill(98);
          hold();
        });
      }),
    call: 'update',
    argument: 4,
    results: [5, 6],
  },
  {
    during: 'a write of many pages',
    hold: ({ file, hold }) => {
      class Source extends Uint8Array {
        override subarray(begin: number, end: number) {
          if (begin === 6 * 4096) hold();
          return super.subarray(begin, end);
        }
      }
      file.writeSync(new Source(12 * 4096).fill(50), 2 * 4096);
    },
    call: 'update',
    argument: 8,
    results: [9, 10],
    changed: { 2: 50, 3: 50, 4: 50, 5: 50, 6: 50, 7: 50 },
  },
  {
    during: 'a fill',
    orphan: true,
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      const frame = control.reclaim(2 ** 30, -1, 0);
      control.install(id, 5, 0);
      attachment.bytes.of(frame).fill(99);
      hold();
    },
    call: 'view',
    argument: 5,
    results: [6, 6],
  },
  {
    during: 'taking a frame',
    hold: ({ file, hold, engineOf }) => {
      engineOf(file).attachment.kernel.control.reclaim(2 ** 30, -1, 0);
      hold();
    },
    call: 'view',
    argument: 5,
    results: [6, 6],
  },
  {
    during: 'a writeback',
    hold: ({ file, hold, engineOf }) => {
      file.writeSync(new Uint8Array(4096).fill(50), 6 * 4096);
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.startWriteback(control.lookup(id, 6), id, 0, 0);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: { 6: 50 },
  },
  {
    during: 'a copy for writeback that keeps updates off',
    hold: ({ file, hold, engineOf }) => {
      file.writeSync(new Uint8Array(4096).fill(7), 6 * 4096);
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.startWriteback(control.lookup(id, 6), id, 0, 0);
      control.hold(control.lookup(id, 6));
      hold();
    },
    call: 'update',
    argument: 6,
    results: [7, 8],
  },
  {
    during: 'a round, not closed',
    hold: ({ file, hold, engineOf }) => {
      file.writeSync(new Uint8Array(4096).fill(50), 6 * 4096);
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.roundLead(id);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: { 6: 50 },
  },
  {
    during: 'a round, closed',
    orphan: true,
    hold: ({ file, hold, engineOf }) => {
      file.writeSync(new Uint8Array(4096).fill(50), 6 * 4096);
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.roundLead(id);
      attachment.kernel.control.roundClose(id);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: { 6: 50 },
  },
  {
    during: 'holding the flush lock',
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.flushTry(id);
      hold();
    },
    before: ({ file }) => void file.writeSync(new Uint8Array(PAGE).fill(50), 6 * PAGE),
    call: 'fsync',
    results: [undefined, undefined],
    changed: { 6: 50 },
  },
  {
    during: 'a flush',
    before: unstablePages,
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.flushTry(id);
      control.flushBegin(id);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: rewritten, // nobody knows whether the flush failed: everything is written again
  },
  {
    during: 'making pages dirty again after a failed flush',
    before: unstablePages,
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.flushTry(id);
      control.flushBegin(id);
      control.flushFailing(id, 0);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: rewritten,
  },
  {
    during: 'all staging areas',
    hold: ({ file, hold, engineOf }) => {
      file.writeSync(new Uint8Array(4096).fill(50), 6 * 4096);
      const { control } = engineOf(file).attachment.kernel;
      while (control.claimStaging(0) >= 0);
      hold();
    },
    call: 'fsync',
    results: [undefined, undefined],
    changed: { 6: 50 },
  },
  {
    during: 'all places for paths',
    hold: ({ file, hold, engineOf }) => {
      const { control } = engineOf(file).attachment.kernel;
      while (control.claimPath() >= 0);
      hold();
    },
    call: 'open',
    results: [undefined, undefined],
  },
  {
    during: 'a truncate, its lock taken',
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.cutTry(id);
      hold();
    },
    call: 'truncate',
    argument: 60,
    results: [60 * PAGE, 60 * PAGE],
    after: ({ path }) => expect(fs.statSync(path).size).toBe(60 * PAGE),
  },
  {
    during: 'a truncate, its size published',
    hold: ({ file, hold, engineOf }) => {
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.cutTry(id);
      control.cutPublish(id, 40 * 4096, 0, 0);
      hold();
    },
    call: 'extend',
    argument: 40,
    results: [1, 1],
    after: ({ path }) => expect(fs.statSync(path).size).toBe(40 * PAGE + 1),
  },
  {
    during: 'calls under way',
    hold: ({ file, cache, path, hold }) => {
      const ignore = () => {};
      file.fsync().catch(ignore);
      file.view(20, () => 0).catch(ignore);
      file.pin(21, 'write').catch(ignore);
      file.prefetch(22, 30).catch(ignore);
      file.update(31, () => 0).catch(ignore);
      cache.open(`${path}3`, { create: true }).catch(ignore);
      hold();
    },
    call: 'view',
    argument: 25,
    results: [26, 26],
    // Whether the open was served before or after the death: nobody has the file.
    after: ({ path }) => until(() => descriptorsOn(`${path}3`) === 0, 'the file to be closed'),
  },
];

const inOrder = (results: unknown[]) => results.sort((a, b) => Number(a) - Number(b));

async function checkAfter(death: Death, scene: Scene, results: unknown[]): Promise<void> {
  expect(inOrder(results)).toEqual(death.results);
  await settled(scene);
  await within(scene.file.fsync(), 'fsync');
  if (death.after) await death.after(scene);
  const size = fs.statSync(scene.path).size;
  expect(values(scene.path).slice(0, Math.floor(size / PAGE))).toEqual(
    original(death.changed).slice(0, Math.floor(size / PAGE)),
  );
  expect(await violationsWhenQuiet(scene.file, () => scene.cache.stats())).toEqual([]);
}

// They wait most of their time, and none of them measures any; so many at a time.
describe.concurrent.for(deaths)('a thread that is ended during $during', (death) => {
  const call: Call = calls[death.call];
  const argument = death.argument ?? 0;

  test('main hears of it, and calls on its event loop', async (context) => {
    const here = await scene(context);
    await death.before?.(here);
    const victim = await here.world.victim(here.cache, here.path, death.hold);
    // The calls are under way when it dies.
    const results = [call.async(here, argument), here.helper.run(call.sync, argument)];
    await new Promise((resolve) => setTimeout(resolve, 10));
    victim.kill();
    await checkAfter(death, here, await within(Promise.all(results), 'the calls'));
  });

  // Neither needs main to hear of it: its parent ends it, or ends itself.
  test.for<Lineage>(death.orphan ? ['grandchild', 'orphan'] : ['grandchild'])(
    'main is blocked (%s)',
    async (lineage, context) => {
      const here = await scene(context);
      await death.before?.(here);
      const victim = await here.world.victim(here.cache, here.path, death.hold, undefined, lineage);
      const theirs = here.helper.run(call.async, argument);
      victim.kill();
      const ours = call.sync(here, argument);
      // Its parent is attached, too: it goes with an orphan only.
      if (lineage === 'grandchild') here.owners++;
      await checkAfter(death, here, [ours, await within(theirs, 'the call')]);
    },
  );
});

test.concurrent('main sleeps outside of all calls: other threads recover the dead', async (context) => {
  const here = await scene(context);
  const { world, file, cache, path, helper } = here;
  const DONE = 0;
  const victim = await world.victim(cache, path, ({ file, hold }) => {
    file.pinSync(1, 'write').bytes.fill(70);
    file.updateSync(3, (bytes) => {
      bytes.fill(99);
      hold();
    });
  });
  victim.kill();
  const found = helper.run(({ file, shared }, DONE) => {
    const before = file.updateSync(3, (bytes) => bytes[5]!++);
    file.fsyncSync();
    Atomics.store(shared, DONE, 1);
    Atomics.notify(shared, DONE);
    return before;
  }, DONE);
  expect(Atomics.wait(world.shared, DONE, 0, 10_000)).not.toBe('timed-out');
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, owners: here.owners });
  expect(await found).toBe(4);
  await file.fsync();
  expect(values(path)).toEqual(original({ 1: 70 }));
  await settled(here);
});

test.concurrent('a thread that leads a round is ended: those who had joined it are served by another', async (context) => {
  const here = await scene(context);
  const { world, file, cache, path, helper } = here;
  const LEADS = 0;
  const GO = 1;
  file.writeSync(new Uint8Array(PAGE).fill(50), 6 * PAGE);
  const closing = world.victim(
    cache,
    path,
    ({ file, hold, engineOf, shared }, { LEADS, GO }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.roundLead(id);
      Atomics.store(shared, LEADS, 1);
      while (Atomics.load(shared, GO) === 0) Atomics.wait(shared, GO, 0, 10);
      attachment.kernel.control.roundClose(id);
      hold();
    },
    { LEADS, GO },
  );
  await until(() => Atomics.load(world.shared, LEADS) === 1, 'the round');
  const followers = [helper.run(({ file }) => file.fsyncSync()), file.fsync(), file.fsync()];
  await new Promise((resolve) => setTimeout(resolve, 50)); // they join
  Atomics.store(world.shared, GO, 1);
  (await closing).kill();
  const reports = await within(Promise.all(followers), 'the followers');
  expect(Math.max(...reports.map(({ flushes }) => flushes))).toBe(1);
  expect(values(path)).toEqual(original({ 6: 50 }));
  await settled(here);
});

test.concurrent('a thread that is ended lets go of pages that were cut off while it had them pinned', async (context) => {
  const here = await scene(context);
  const { world, file, cache, path } = here;
  const victim = await world.victim(cache, path, ({ file, hold }) => {
    file.pinSync(20);
    file.pinSync(21, 'write').bytes.fill(99);
    hold();
  });
  file.truncateSync(10 * PAGE);
  expect(cache.stats()).toMatchObject({ readPins: 1, writePins: 1, orphans: 2 });
  victim.kill();
  await settled(here);
  expect(cache.stats().resident).toBe(0);
  file.truncateSync(30 * PAGE);
  expect(file.viewSync(21, (bytes) => bytes.every((byte) => byte === 0))).toBe(true);
});

test.concurrent('files that only the dead had open are closed', async (context) => {
  const here = await scene(context);
  const { world, cache, path } = here;
  const names = ['a', 'b', 'c'];
  for (const name of names) create(world, name);
  const victim = await world.victim(
    cache,
    path,
    ({ cache, path, hold }, names) => {
      for (const name of names) for (let n = 0; n < 3; n++) cache.openSync(path.replace('data', name));
      hold();
    },
    names,
  );
  for (const name of names) expect(descriptorsOn(world.path(name))).toBe(1);
  victim.kill();
  for (const name of names)
    await until(() => descriptorsOn(world.path(name)) === 0, 'the files to be closed');
  expect(descriptorsOn(path)).toBe(1);
  await settled(here);
});

// Without /proc the parent's word counts, which comes as late.
test.concurrent.for([false, true])(
  'a read that is under way when its thread is ended lands in the page that it was meant for (blind: %s)',
  async (blind, context) => {
    const here = await scene(context, { memory: 256 * 1024 }, blind);
    const { world, file, cache, path } = here;
    const fifo = world.path('fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const fd = fs.openSync(fifo, 'r+'); // both ends: opening waits for nobody
    try {
      const victim = await world.victim(
        cache,
        path,
        ({ file, hold, fs }, fd) =>
          new Promise(() => {
            const pin = file.pinSync(5, 'write');
            fs.read(fd, pin.bytes, 0, 4096, null, () => {});
            fs.stat('.', () => hold()); // it was asked for later: libuv has begun with the read
          }),
        fd,
      );
      victim.kill();
      // Every other frame gets another page meanwhile, looks for the dead included.
      for (let n = 0; n < 3; n++) {
        for (let page = 6; page < PAGES; page++) {
          expect(file.viewSync(page, (bytes) => new Set(bytes))).toEqual(new Set([1 + page]));
        }
        await file.fsync();
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      expect(cache.stats()).toMatchObject({ owners: here.owners + 1, writePins: 1 });
      fs.writeSync(fd, Buffer.alloc(PAGE, 123));
      await settled(here);
      expect(file.viewSync(5, (bytes) => new Set(bytes))).toEqual(new Set([123]));
      await file.fsync();
      expect(values(path)).toEqual(original({ 5: 123 }));
    } finally {
      fs.closeSync(fd);
    }
  },
);

test.concurrent.for(['pins', 'update'] as const)(
  'a piscina task that is aborted holds nothing any more (%s)',
  async (during, context) => {
    const here = await scene(context);
    const { world, file, cache, path } = here;
    const pool = new Piscina({
      filename: new URL('./piscina-task.mjs', import.meta.url).href,
      maxThreads: 1,
    });
    try {
      for (let n = 1; n <= 3; n++) {
        const abort = new AbortController();
        const task = { handle: cache.handle, path, page: 3, value: 90 + n, during, shared: world.shared };
        Atomics.store(world.shared, 0, 0);
        const run = pool.run(task, { signal: abort.signal });
        const aborted = expect(run).rejects.toThrow('aborted');
        await until(() => Atomics.load(world.shared, 0) === 1, 'the task');
        abort.abort();
        await aborted;
        if (during === 'pins') await settled(here); // an update would have to name its range
        const found = await within(
          file.update(3, (bytes) => bytes[0]),
          'an update',
        );
        expect(found).toBe(during === 'pins' ? 90 + n : 4);
        await settled(here);
      }
    } finally {
      await pool.destroy();
    }
  },
);
