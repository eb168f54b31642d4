// Pages that other threads read all the time are in use, not held: when room is needed, one of them is taken.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { violationsWhenQuiet } from './invariants.ts';
import { until, World } from './support.ts';

const PAGE = 4096;
const PAGES = 200;
const STOP = 0;
const SEEN = 1;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  Atomics.store(world.shared, STOP, 1);
  await world.end();
});

test('a miss finds a frame though each that is not pinned is viewed without pause', async () => {
  const { cache } = await world.harness({
    memory: 256 * 1024,
    maxPinsPerThread: 64,
    writebackIntervalMs: 60_000,
  });
  const path = world.create(PAGES * PAGE);
  const file = cache.openSync(path);
  const { frames } = cache.stats();
  const hot = 3;
  const pins = Array.from({ length: frames - hot }, (_, page) => file.pinSync(page));
  const agent = await world.agent(cache, path);
  const viewing = agent.run(
    ({ file, shared }, { STOP, SEEN, first, hot }) => {
      const end = performance.now() + 15_000;
      const look = (bytes: Uint8Array) => bytes[0];
      while (Atomics.load(shared, STOP) === 0 && performance.now() < end) {
        for (let n = 0; n < 1000; n++)
          for (let page = first; page < first + hot; page++) file.viewSync(page, look);
        Atomics.add(shared, SEEN, 1);
      }
    },
    { STOP, SEEN, first: frames - hot, hot },
  );
  await until(() => Atomics.load(world.shared, SEEN) > 3, 'the views to begin');
  let full = 0;
  const seen = Atomics.load(world.shared, SEEN);
  for (let n = 0; n < 3000; n++) {
    try {
      file.pinSync(frames + 10 + (n % 100)).unpin();
    } catch (error) {
      if ((error as { code: string }).code !== 'ERR_PINFOLD_FULL') throw error;
      full++;
    }
  }
  await until(() => Atomics.load(world.shared, SEEN) > seen, 'the views to go on');
  Atomics.store(world.shared, STOP, 1);
  await viewing;
  expect(full, 'misses that were told that the cache is full').toBe(0);
  // All of them pinned: now it is.
  const rest: ReturnType<typeof file.pinSync>[] = [];
  expect(() => {
    for (let page = frames; page <= 2 * frames; page++) rest.push(file.pinSync(page));
  }).toThrow(expect.objectContaining({ code: 'ERR_PINFOLD_FULL' }));
  expect(rest.length).toBe(hot);
  for (const pin of [...pins, ...rest]) pin.unpin();
  file.pinSync(150).unpin();
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});
