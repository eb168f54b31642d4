// A page that somebody is just bringing in: others wait for it, and a promise's wait holds up no event loop.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineOf } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { until, World } from './support.ts';

const PAGE = 4096;
const BEGUN = 0;
const TICKS = 1;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** Sets `page` up as being filled by this thread; the end of that fill. */
async function beingFilled() {
  const { cache } = await world.harness({ memory: 1 << 20, writebackIntervalMs: 60_000 });
  const path = world.create(64 * PAGE);
  const file = cache.openSync(path);
  const agent = await world.agent(cache, path);
  const { attachment, id } = engineOf(file);
  const { control } = attachment.kernel;
  const frame = control.reclaim(2 ** 30, -1, 0);
  expect(frame).toBeGreaterThanOrEqual(0);
  expect(control.install(id, 5, 0)).toBe(0);
  attachment.bytes.of(frame).fill(9);
  return { cache, file, agent, done: () => control.fillDone(), failed: () => control.abandonClaim() };
}

const calls = ['viewSync', 'readSync', 'pinSync', 'writeSync', 'prefetchSync'] as const;

test.each(calls)('%s waits for the fill', async (call) => {
  const { cache, file, agent, done } = await beingFilled();
  const result = agent.run(
    ({ file, shared }, { call, BEGUN, PAGE }) => {
      const bytes = new Uint8Array(1);
      Atomics.store(shared, BEGUN, 1);
      if (call === 'viewSync') return file.viewSync(5, (page) => page[7]);
      if (call === 'readSync') file.readSync(bytes, 5 * PAGE + 7);
      if (call === 'pinSync') {
        const pin = file.pinSync(5);
        bytes[0] = pin.bytes[7]!;
        pin.unpin();
      }
      if (call === 'writeSync') {
        file.writeSync(new Uint8Array([1]), 5 * PAGE);
        bytes[0] = file.viewSync(5, (page) => page[7]!);
      }
      if (call === 'prefetchSync') {
        file.prefetchSync(4, 3);
        bytes[0] = file.viewSync(5, (page) => page[7]!);
      }
      return bytes[0];
    },
    { call, BEGUN, PAGE },
  );
  await until(() => Atomics.load(world.shared, BEGUN) === 1, 'the call');
  await new Promise((resolve) => setTimeout(resolve, 120)); // more than two slices of its sleep
  done();
  expect(await result).toBe(9);
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});

test.each(['view', 'read', 'pin', 'write'] as const)(
  '%s waits for the fill, its event loop goes on',
  async (call) => {
    const { cache, file, agent, done } = await beingFilled();
    const result = agent.run(
      async ({ file, shared }, { call, BEGUN, TICKS, PAGE }) => {
        const ticking = setInterval(() => Atomics.add(shared, TICKS, 1), 1);
        const bytes = new Uint8Array(1);
        Atomics.store(shared, BEGUN, 1);
        try {
          if (call === 'view') return await file.view(5, (page) => page[7]);
          if (call === 'read') await file.read(bytes, 5 * PAGE + 7);
          if (call === 'pin') {
            const pin = await file.pin(5);
            bytes[0] = pin.bytes[7]!;
            pin.unpin();
          }
          if (call === 'write') {
            await file.write(new Uint8Array([1]), 5 * PAGE);
            bytes[0] = file.viewSync(5, (page) => page[7]!);
          }
          return bytes[0];
        } finally {
          clearInterval(ticking);
        }
      },
      { call, BEGUN, TICKS, PAGE },
    );
    await until(() => Atomics.load(world.shared, BEGUN) === 1, 'the call');
    try {
      const ticks = Atomics.load(world.shared, TICKS);
      await until(() => Atomics.load(world.shared, TICKS) >= ticks + 5, 'the event loop to go on', 5000);
    } finally {
      done();
    }
    expect(await result).toBe(9);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  },
);

test('a fill that fails: who waited for it tries for itself', async () => {
  const { cache, file, agent, failed } = await beingFilled();
  const result = agent.run(
    ({ file, shared }, { BEGUN }) => {
      Atomics.store(shared, BEGUN, 1);
      return file.viewSync(5, (page) => page[7]);
    },
    { BEGUN },
  );
  await until(() => Atomics.load(world.shared, BEGUN) === 1, 'the call');
  failed();
  expect(await result).toBe(0); // what the file has
  expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
});
