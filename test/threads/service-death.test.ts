// Service threads that die: what they were doing for others is done by their successors, which anybody who needs them
// starts, and the files that the dead file worker had opened stay open.
import fs from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { CachedFile, CacheOptions } from 'pinfold';
import { expect, type TestContext, test } from 'vitest';
import { createHarness, engineOf, type HarnessCache, layout as L } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { type Agent, descriptorsOn, onFile, until, World, within } from './support.ts';

const PAGE = 4096;
const PAGES = 200;
/** The kind of request that brings a page in. */
const FILL = 1;

/** Every worker that this thread has started and that runs. */
const workers = new Set<Worker>();
process.on('worker', (worker) => {
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
});

interface Scene extends HarnessCache {
  world: World;
  path: string;
  file: CachedFile;
  owners: number;
}

async function scene(context: TestContext, options?: CacheOptions): Promise<Scene> {
  const world = new World();
  context.onTestFinished(() => world.end());
  const harness = await world.harness({ memory: 1 << 20, waitTimeoutMs: 15_000, ...options });
  const path = world.create(PAGES * PAGE);
  const file = harness.cache.openSync(path);
  return { ...harness, world, path, file, owners: harness.cache.stats().owners };
}

const kinds = { flusher: L.KIND_FLUSHER, files: L.KIND_FILES };
type Kind = keyof typeof kinds;

/** The `threadId`s of the service threads of the kind. */
function threadsOf({ file }: Scene, kind: Kind): number[] {
  const { kernel } = engineOf(file).attachment;
  const ofKind = [...kernel.owners()].filter(
    (owner) => kernel.rowWord(owner, L.ROW_KIND) === kinds[kind] && kernel.status(owner) === L.ROW_LIVE,
  );
  return ofKind.map((owner) => kernel.rowWord(owner, L.ROW_THREAD));
}

/** A service thread of the kind that this thread has started, once it has attached. */
async function serviceOf(here: Scene, kind: Kind): Promise<Worker> {
  const find = () => {
    const threads = threadsOf(here, kind);
    return [...workers].find(({ threadId }) => threads.includes(threadId));
  };
  await until(() => find() !== undefined, `a ${kind} thread`);
  return find()!;
}

async function settled({ cache, file, owners }: Scene): Promise<void> {
  await until(() => cache.stats().owners === owners, 'the service threads to be replaced');
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
}

/** All that service threads do for promises, on pages from `first` on; then the same in place. */
async function everyCall({ cache, path, file }: Scene, first: number): Promise<void> {
  const bytes = new Uint8Array(PAGE).fill(first);
  const calls = [
    file.write(bytes, first * PAGE).then(() => file.fsync()),
    file.fsync(),
    file.view(first + 1, (page) => page[0]),
    file.pin(first + 2).then((page) => page.unpin()),
    file.prefetch(first + 3, 10),
    cache.open(`${path}-${first}`, { create: true }).then(async (other) => {
      await other.write(bytes, 0);
      await other.truncate(10);
      await other.fsync();
      await other.close();
    }),
    cache.open(path).then((again) => again.close()),
  ];
  await within(Promise.all(calls), 'the calls');
  expect(onFile(path, first * PAGE, PAGE).equals(bytes)).toBe(true);
  expect(fs.readFileSync(`${path}-${first}`)).toEqual(Buffer.alloc(10, first));
  cache.openSync(`${path}-${first}`).closeSync();
}

test.concurrent.for<Kind>(['flusher', 'files'])('a %s thread dies under calls', async (kind, context) => {
  const here = await scene(context);
  const { cache, file, path } = here;
  for (let n = 1; n <= 3; n++) {
    const victim = await serviceOf(here, kind);
    const calls = everyCall(here, 10 * n);
    if (n > 1) await new Promise((resolve) => setTimeout(resolve, n));
    await victim.terminate();
    await calls;
    await everyCall(here, 10 * n + 100);
    await settled(here);
  }
  // The file is the same for all who open it, and nobody else's.
  expect(descriptorsOn(path)).toBe(1);
  const other = await createHarness({ memory: 256 * 1024 });
  await expect(other.cache.open(path)).rejects.toThrow('another cache');
  await other.cache.close();
  file.closeSync();
  await cache.close();
  expect(descriptorsOn(path)).toBe(0);
  for (let n = 1; n <= 3; n++) expect(descriptorsOn(`${path}-${10 * n}`)).toBe(0);
});

test.concurrent.for<Kind>(['flusher', 'files'])(
  'a %s thread dies in the middle of a request: its successor does it',
  async (kind, context) => {
    const here = await scene(context);
    const { file } = here;
    const { attachment, id } = engineOf(file);
    const { kernel } = attachment;
    const { control } = kernel;
    const victim = await serviceOf(here, kind);
    file.writeSync(new Uint8Array(10).fill(1), 0);
    // What the request waits for: a flush, or a truncate of the page that is to be brought in.
    if (kind === 'flusher') control.flushTry(id);
    else control.cutTry(id);
    if (kind === 'files') control.cutPublish(id, 100 * PAGE, 0, 0);
    const fsync = kind === 'flusher' ? file.fsync() : undefined;
    const slot = kind === 'files' ? control.post(1, FILL, id, 150, 0) : -1;
    const running = () =>
      Array.from({ length: L.REQUESTS }, (_, slot) =>
        kernel.rowWord(kernel.owner, L.REQUEST_STATE + slot * L.REQUEST_BYTES),
      ).includes(L.REQUEST_RUNNING);
    await until(running, 'the request to be served');
    await victim.terminate();
    if (kind === 'flusher') control.flushRelease(id, kernel.owner);
    else control.cutEnd(id, kernel.owner);
    if (fsync) await within(fsync, 'fsync');
    else await until(() => control.collect(slot) === 1, 'the fill');
    await settled(here);
  },
);

test.concurrent('the file worker dies and main sleeps in openSync: main replaces it', async (context) => {
  const here = await scene(context);
  const { cache, path } = here;
  for (let n = 0; n < 3; n++) {
    void (await serviceOf(here, 'files')).terminate();
    const file = cache.openSync(`${path}-${n}`, { create: true }); // no event loop turns before this
    file.writeSync(new Uint8Array(10).fill(n), 0);
    file.fsyncSync();
    file.closeSync();
    expect(fs.readFileSync(`${path}-${n}`)).toEqual(Buffer.alloc(10, n));
  }
  await settled(here);
});

test.concurrent('a flusher dies and main sleeps: who needs it replaces it', async (context) => {
  const here = await scene(context);
  const { world, cache, path } = here;
  const helper = await world.agent(cache, path);
  here.owners++;
  const awake = 0;
  const flusher = await serviceOf(here, 'flusher');
  void flusher.terminate();
  const work = helper.run(async ({ file, shared }, awake) => {
    await file.write(new Uint8Array(4096).fill(7), 0);
    await file.fsync();
    await file.truncate(20 * 4096);
    Atomics.store(shared, awake, 1);
    Atomics.notify(shared, awake);
  }, awake);
  expect(Atomics.wait(world.shared, awake, 0, 20_000), 'the work').not.toBe('timed-out');
  expect(workers.has(flusher), 'main has heard of the death').toBe(true); // so it has done nothing
  expect(onFile(path, 0, 1)[0]).toBe(7);
  await work;
  // What a thread has started ends with it, and is replaced in its turn.
  await helper.worker.terminate();
  here.owners--;
  here.file.truncateSync(PAGES * PAGE);
  await everyCall(here, 20);
  await settled(here);
});

// Node would close the descriptors with the thread that has started it.
test.concurrent('the file worker dies and main sleeps: no other thread replaces it', async (context) => {
  const here = await scene(context);
  const { world, cache, path } = here;
  const helper = await world.agent(cache, path);
  void (await serviceOf(here, 'files')).terminate();
  const work = helper.run(({ cache, path }) => cache.openSync(`${path}2`, { create: true }).closeSync());
  Atomics.wait(world.shared, 0, 0, 1500); // three times as long as other threads wait before they replace a flusher
  await work;
  await helper.worker.terminate();
  await everyCall(here, 20);
  expect(descriptorsOn(path)).toBe(1);
  await settled(here);
});

// It was ended before the row of a file had got what it had opened: which it may have got all the same, just before.
test.concurrent.for(['ROW_FD', 'ROW_FD_DIRECT'] as const)(
  'what the dead file worker had opened, by %s, is closed by its successor if no file has it',
  async (word, context) => {
    const here = await scene(context);
    const { cache, file, path } = here;
    const { attachment, id } = engineOf(file);
    const { kernel } = attachment;
    const note = (fd: number) => {
      const row = [...kernel.owners()].find((owner) => kernel.rowWord(owner, L.ROW_KIND) === L.KIND_FILES)!;
      kernel.words[(kernel.rowAt(row) + L[word]) >> 2] = fd + 1;
    };
    const other = `${path}-other`;
    fs.writeFileSync(other, '');
    note(fs.openSync(other, 'r'));
    await (await serviceOf(here, 'files')).terminate();
    cache.openSync(`${path}-1`, { create: true }).closeSync(); // by the successor
    expect(descriptorsOn(other)).toBe(0);
    note(kernel.fileWord(id, L.FILE_FD_READ) - 1);
    await (await serviceOf(here, 'files')).terminate();
    cache.openSync(`${path}-2`, { create: true }).closeSync();
    expect(descriptorsOn(path)).toBe(1);
    await settled(here);
  },
);

/** Commits of its own pages until it is told to stop: how many of them were not in the file, and how many there were. */
const commits = (agent: Agent, first: number, form: 'sync' | 'async') =>
  agent.run(
    async ({ cache, file, path, fs, shared }, { first, form }) => {
      const fd = fs.openSync(path, 'r');
      const found = new Uint8Array(4096);
      let lies = 0;
      let n = 0;
      while (Atomics.load(shared, 0) === 0) {
        const page = first + (n % 30);
        const value = 1 + (++n % 250);
        const bytes = new Uint8Array(4096).fill(value);
        if (form === 'sync') {
          file.writeSync(bytes, page * 4096);
          file.fsyncSync();
          cache.openSync(`${path}-${first}`, { create: true }).closeSync();
        } else {
          await file.write(bytes, page * 4096);
          await file.fsync();
          await (await cache.open(`${path}-${first}`, { create: true })).close();
        }
        fs.readSync(fd, found, 0, 4096, page * 4096);
        if (found.some((byte) => byte !== value)) lies++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      fs.closeSync(fd);
      return { lies, n };
    },
    { first, form },
  );

/** Of one file: for reading, for writing. */
const DESCRIPTORS = 2;

test.concurrent('all service threads die again and again while threads work', async (context) => {
  const here = await scene(context, { memory: 256 * 1024, flushers: 4, writebackIntervalMs: 10 });
  const { world, cache, path, file } = here;
  const agents = [await world.agent(cache, path), await world.agent(cache, path)] as const;
  const work = [commits(agents[0], 0, 'sync'), commits(agents[1], 100, 'async')];
  let kills = 0;
  while (kills < 20) {
    const threads = [...threadsOf(here, 'files'), ...threadsOf(here, 'flusher')];
    for (const worker of workers) if (threads.includes(worker.threadId)) void worker.terminate();
    // Those that others have started, these end.
    for (const agent of agents) {
      const killed = agent.run(({ workers }, threads) => {
        for (const worker of workers) if (threads.includes(worker.threadId)) worker.terminate();
      }, threads);
      killed.catch(() => {});
    }
    kills += threads.length;
    await new Promise((resolve) => setTimeout(resolve, (kills * 7) % 97));
  }
  Atomics.store(world.shared, 0, 1);
  for (const { lies, n } of await within(Promise.all(work), 'the threads')) {
    expect(lies).toBe(0);
    expect(n).toBeGreaterThan(0);
  }
  here.owners += 2;
  await file.fsync();
  await settled(here);
  // One that is ended between taking a file's descriptors out of its row and closing them leaves those open (`closeDescriptors`).
  const open = () => descriptorsOn(`${path}-0`) + descriptorsOn(`${path}-100`);
  await until(() => open() <= DESCRIPTORS, 'files to be closed');
  expect(descriptorsOn(path)).toBe(1);
});
