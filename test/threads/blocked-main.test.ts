// The thread that created the cache is blocked: all that other threads ask for is done without it.
import fs from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { onFile, World } from './support.ts';

const PAGE = 4096;
const PAGES = 400;
const STEP = 0;
const WAIT_MS = 20_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

test.each(['sync', 'async'] as const)(
  'main sleeps in Atomics.wait: opens, misses, fsyncs of a thread end (%s)',
  async (form) => {
    const { cache } = await world.harness({ memory: 256 * 1024 });
    const path = world.create(PAGES * PAGE);
    for (let page = 0; page < PAGES; page++) {
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, Buffer.alloc(PAGE, page % 251), 0, PAGE, page * PAGE);
      fs.closeSync(fd);
    }
    const other = world.create(PAGE, 'other');
    const agent = await world.agent(cache);
    const work = agent.run(
      async ({ cache, shared }, { form, path, other, STEP, PAGE, PAGES }) => {
        const sync = form === 'sync';
        const step = () => {
          Atomics.add(shared, STEP, 1);
          Atomics.notify(shared, STEP);
        };
        // From here on main sleeps until the last step.
        await new Promise((resolve) => setTimeout(resolve, 50));
        const file = sync ? cache.openSync(path) : await cache.open(path);
        step();
        for (let page = 0; page < PAGES; page++) {
          const pin = sync ? file.pinSync(page) : await file.pin(page);
          if (pin.bytes[0] !== page % 251) throw new Error(`page ${page} has ${pin.bytes[0]}`);
          pin.unpin();
        }
        step();
        // More dirty pages than there are frames: room is made by writing and flushing.
        for (let page = 0; page < PAGES; page++) {
          const bytes = new Uint8Array(PAGE).fill(250 - (page % 251));
          if (sync) file.writeSync(bytes, page * PAGE);
          else await file.write(bytes, page * PAGE);
        }
        step();
        if (sync) file.fsyncSync();
        else await file.fsync();
        step();
        const second = sync ? cache.openSync(other) : await cache.open(other);
        second.writeSync(new Uint8Array([7]), 0);
        if (sync) second.fsyncSync();
        else await second.fsync();
        second.closeSync();
        step();
      },
      { form, path, other, STEP, PAGE, PAGES },
    );
    // This thread's event loop stands still from here to the thread's last step.
    for (const step of [1, 2, 3, 4, 5]) if (Atomics.load(world.shared, STEP) < step) sleepThrough(step);
    for (let page = 0; page < PAGES; page++) {
      expect(onFile(path, page * PAGE, 1)[0], `page ${page}`).toBe(250 - (page % 251));
    }
    expect(onFile(other, 0, 1)[0]).toBe(7);
    await work;
  },
);

function sleepThrough(step: number): void {
  // The thread may be steps ahead by the time that this one looks.
  const end = performance.now() + WAIT_MS;
  for (let now = Atomics.load(world.shared, STEP); now < step; now = Atomics.load(world.shared, STEP)) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MS} ms: step ${step}, it is ${now}`);
    Atomics.wait(world.shared, STEP, now, 50);
  }
}
