// A cache lives as long as the thread that created it. When that is gone, the others are told so, whatever they wait for.
import fs from 'node:fs';
import type { PageCache, PageCacheHandle } from 'pinfold';
import { expect, type TestContext, test } from 'vitest';
import { attachHarness, createHarness, engineOf } from '#harness';
import { descriptorsOn, until, World, within } from './support.ts';

const PAGE = 4096;
const ways = ['terminate', 'exit', 'idle'] as const;
const GONE = { code: 'ERR_PINFOLD_OWNER_GONE' };

/** A cache of another thread, its file opened here and there; `end` has that thread end. */
async function scene(context: TestContext) {
  const world = new World();
  context.onTestFinished(() => world.end());
  const path = world.create(64 * PAGE);
  const creator = world.worker('./creator.mjs', { path });
  const handle = await within(
    new Promise<PageCacheHandle>((resolve) => creator.once('message', resolve)),
    'a handle',
  );
  const ended = new Promise<void>((resolve) => creator.once('exit', () => resolve()));
  const end = async (way: (typeof ways)[number]) => {
    if (way === 'terminate') void creator.terminate();
    else creator.postMessage(way);
    await within(ended, 'the creator to end');
  };
  const cache = attachHarness(handle);
  context.onTestFinished(() => cache.detach());
  const file = cache.openSync(path);
  const helper = await world.agent({ handle } as PageCache, path);
  return { world, path, handle, cache, file, helper, end };
}

test.concurrent.for(ways)('the creator ends (%s): calls say so, in a bounded time', async (way, context) => {
  const { cache, file, path, handle, helper, end } = await scene(context);
  await end(way);
  for (const call of [
    () => file.fsync(),
    () => file.view(20, () => 0),
    () => file.pin(21),
    () => file.write(new Uint8Array(1), 22 * PAGE),
    () => file.prefetch(23, 4),
    () => file.truncate(10),
    () => cache.open(path),
  ]) {
    await expect(within(call() as Promise<unknown>, String(call))).rejects.toMatchObject(GONE);
  }
  expect(() => file.fsyncSync()).toThrow(expect.objectContaining(GONE));
  expect(() => file.viewSync(30, () => 0)).toThrow(expect.objectContaining(GONE)); // it would have to be brought in
  expect(() => file.truncateSync(10)).toThrow(expect.objectContaining(GONE));
  expect(() => cache.openSync(path)).toThrow(expect.objectContaining(GONE));
  expect(() => cache.stats()).toThrow(expect.objectContaining(GONE));
  expect(() => attachHarness(handle)).toThrow(expect.objectContaining(GONE));
  await expect(helper.run(({ file }) => file.fsyncSync())).rejects.toMatchObject(GONE);
  // Its leases are gone, too: the file can be had by another cache.
  const next = await createHarness({ memory: 256 * 1024 });
  (await next.cache.open(path)).closeSync();
  await next.cache.close();
});

test.concurrent.for(['terminate', 'exit'] as const)(
  'the creator ends (%s) while others wait: their waits end',
  async (way, context) => {
    const { world, path, handle, file, helper, end } = await scene(context);
    const other = await world.agent({ handle } as PageCache, path);
    // This thread holds what they wait for, and does not let go.
    await helper.run(({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      const { control } = attachment.kernel;
      control.roundLead(id);
      control.reclaim(2 ** 30, -1, 0);
      control.install(id, 40, 0);
    });
    const waits = [
      other.run(({ file }) => file.viewSync(40, () => 0)),
      file.fsync(),
      file.view(40, () => 0),
      file.update(40, () => 0),
    ];
    const settled = Promise.allSettled(waits);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await end(way);
    for (const { reason } of (await within(settled, 'the waits')) as PromiseRejectedResult[]) {
      expect(reason).toMatchObject(GONE);
    }
  },
);

test.concurrent('the creator ends while main is blocked: it notices all the same', async (context) => {
  const { world, file, path, helper } = await scene(context);
  const { attachment, id } = engineOf(file);
  attachment.kernel.control.roundLead(id);
  const told = helper.run(({ file, shared }) => {
    let code: unknown;
    try {
      file.fsyncSync();
    } catch (error) {
      code = (error as { code: string }).code;
    }
    Atomics.store(shared, 0, 1);
    Atomics.notify(shared, 0);
    return code;
  });
  const [creator] = world.workers;
  void creator!.terminate();
  expect(Atomics.wait(world.shared, 0, 0, 20_000)).not.toBe('timed-out');
  expect(await told).toBe(GONE.code);
  attachment.kernel.control.roundYield(id);
  await until(() => descriptorsOn(path) === 0, 'descriptors to be closed');
});

test.concurrent('descriptors go with the creator; nobody closes their numbers again', async (context) => {
  const { cache, file, path, helper, end } = await scene(context);
  expect(descriptorsOn(path)).toBe(1);
  await end('terminate');
  expect(descriptorsOn(path)).toBe(0);
  // Others get the numbers.
  const taken = Array.from({ length: 40 }, () => fs.openSync('/dev/null', 'r'));
  await helper.run(({ cache }) => cache.detach());
  file.closeSync();
  cache.detach();
  for (const fd of taken) {
    expect(fs.readlinkSync(`/proc/self/fd/${fd}`)).toBe('/dev/null');
    fs.closeSync(fd);
  }
});
