// Where the system does not tell which threads live, a thread's end is known to the thread that created it: it follows
// those that it creates while it is attached, and adopts those from before.
import { Worker } from 'node:worker_threads';
import { expect, type TestContext, test } from 'vitest';
import { attachHarness, createHarness } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { until, World, within } from './support.ts';

const PAGE = 4096;

/** Holds what a dead thread must not. */
const holdAll = ({ file, hold }: { file: import('pinfold').CachedFile; hold: () => void }) => {
  file.pinSync(1, 'write').bytes.fill(70);
  file.updateSync(2, (bytes) => {
    bytes.fill(71);
    hold();
  });
};

async function scene(context: TestContext) {
  const world = new World();
  context.onTestFinished(() => world.end());
  const { cache } = await world.harness({ memory: 1 << 20, pinnedDirty: 'redirty' }, true);
  const path = world.create(16 * PAGE);
  return { world, cache, path, file: cache.openSync(path), owners: cache.stats().owners };
}

test.concurrent('a worker that was created while attached is followed', async (context) => {
  const { world, cache, path, file, owners } = await scene(context);
  const victim = await world.victim(cache, path, holdAll);
  expect([...cache.pages()].flatMap(({ pins }) => pins)).toHaveLength(2);
  victim.kill();
  expect(
    await within(
      file.update(2, (bytes) => bytes[0]),
      'an update',
    ),
  ).toBe(0);
  await until(() => cache.stats().owners === owners, 'its row to be free');
  expect(file.viewSync(1, (bytes) => bytes[0])).toBe(70);
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});

/** A worker that attaches when it gets a handle, pins a page, and tells. */
const late = `
  const { parentPort, workerData } = require('node:worker_threads');
  parentPort.on('message', async ({ handle, path }) => {
    const { attachHarness } = await import(workerData.harness);
    (await import(workerData.directly)).openAsTest();
    const pin = attachHarness(handle).openSync(path).pinSync(1, 'write');
    pin.bytes.fill(70);
    parentPort.postMessage('pinned');
  });
`;
const harness = new URL('../../dist/harness.js', import.meta.url).href;
const directly = new URL('../support/directly.mjs', import.meta.url).href;

test.concurrent.for([true, false])('a worker from before: adopted (%s)', async (adopted, context) => {
  const worker = new Worker(late, { eval: true, workerData: { harness, directly } });
  context.onTestFinished(async () => void (await worker.terminate()));
  await within(new Promise((resolve) => worker.once('online', resolve)), 'the worker');
  const { world, cache, path, file, owners } = await scene(context);
  if (adopted) {
    cache.adopt(worker);
    cache.adopt(worker);
  }
  worker.postMessage({ handle: cache.handle, path });
  await within(new Promise((resolve) => worker.once('message', resolve)), 'its pin');
  await worker.terminate();
  if (adopted) {
    await until(() => cache.stats().owners === owners, 'its row to be free');
    expect(cache.stats()).toMatchObject({ writePins: 0, dirty: 1 });
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    return;
  }
  // Nobody can know. (Time for several looks of the flushers.)
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(cache.stats()).toMatchObject({ owners: owners + 1, writePins: 1 });
  await expect(cache.close()).rejects.toMatchObject({ code: 'ERR_PINFOLD_BUSY' });
  // Another thread may have created it, and can tell. It is all the same which.
  expect(world.workers).toEqual([]);
});

test.concurrent('what is no running worker is refused', async (context) => {
  const { cache } = await scene(context);
  const refused = { code: 'ERR_PINFOLD_ARGUMENT' };
  for (const worker of [undefined, null, {}, 'worker', 3]) {
    expect(() => cache.adopt(worker as never), String(worker)).toThrow(expect.objectContaining(refused));
  }
  const ended = new Worker('', { eval: true });
  await within(new Promise((resolve) => ended.once('exit', resolve)), 'the worker to end');
  expect(() => cache.adopt(ended)).toThrow(expect.objectContaining(refused));
  const other = attachHarness(cache.handle);
  other.detach();
  expect(() => other.adopt(new Worker('', { eval: true }))).toThrow(
    expect.objectContaining({ code: 'ERR_PINFOLD_CLOSED' }),
  );
});

test.concurrent('a worker that ends after its adopter has closed the cache disturbs nobody', async () => {
  const worker = new Worker(late, { eval: true, workerData: { harness, directly } });
  const { cache } = await createHarness({ memory: 256 * 1024 }, 'debug', true);
  cache.adopt(worker);
  await cache.close();
  await worker.terminate();
});
