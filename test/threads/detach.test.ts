// A thread that leaves while calls of its own are under way takes nothing from the next owner of its row.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { violationsWhenQuiet } from './invariants.ts';
import { onFile, World, within } from './support.ts';

const PAGE = 4096;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

test('detach with calls under way is refused; without, it goes through', async () => {
  const { cache } = await world.harness({ memory: 1 << 20 });
  const path = world.create(64 * PAGE);
  const file = cache.openSync(path);
  const agent = await world.agent(cache, path);
  const outcome = await agent.run(async ({ cache, file }) => {
    file.writeSync(new Uint8Array(10), 0);
    const calls = [
      file.fsync(),
      file.pin(7),
      file.pin(8, 'write'),
      file.read(new Uint8Array(5), 5 * 4096),
    ] as const;
    let code: unknown = 'no error';
    try {
      cache.detach();
    } catch (error) {
      code = (error as { code: string }).code;
    }
    const [report, first, second] = await Promise.all(calls);
    first.unpin();
    second.unpin();
    cache.detach();
    return { code, pages: report.pages };
  });
  expect(outcome.code).toBe('ERR_PINFOLD_BUSY');
  // The page that was written; and the one that was write-pinned, if its pin came before the round's scan.
  expect([1, 2]).toContain(outcome.pages);
  await file.fsync();
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});

test.each(['exit', 'idle'] as const)(
  'threads that end (%s) with requests under way leave their request slots behind',
  async (end) => {
    const { cache } = await world.harness({ memory: 1 << 20, maxThreads: 2 });
    const path = world.create(64 * PAGE);
    const file = cache.openSync(path);
    // One row for all of them, and more of them than it has request slots.
    for (let n = 1; n <= 20; n++) {
      const worker = world.worker('./leaver.mjs', { handle: cache.handle, path, value: n, end });
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.on('error', () => {});
      await within(ended, `thread ${n} to end`);
    }
    const agent = await world.agent(cache, path);
    const report = await agent.run(async ({ file }) => {
      file.writeSync(new Uint8Array(10).fill(99), 4096);
      return await Promise.all([file.fsync(), file.read(new Uint8Array(5), 9 * 4096)]);
    });
    expect(report[1]).toBe(5);
    expect(onFile(path, PAGE, 1)[0]).toBe(99);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  },
);
