// fsync callers who come together share one round: fewer flushes than calls, and nobody is told more than is true.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { engineOf, layout as L } from '#harness';
import { violationsWhenQuiet } from './invariants.ts';
import { type Agent, onFile, until, World } from './support.ts';

const PAGE = 4096;
const CALLERS = 8;
const TIMES = 20;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** Callers in a thread: each writes its own page, fsyncs, and looks whether the file has it. How many times it had not. */
const commits = (agent: Agent, first: number, callers: number) =>
  agent.run(
    async ({ file, path, fs }, { first, callers, TIMES, PAGE }) => {
      const fd = fs.openSync(path, 'r');
      let lies = 0;
      const caller = async (page: number) => {
        const bytes = new Uint8Array(PAGE);
        const found = new Uint8Array(PAGE);
        for (let n = 1; n <= TIMES; n++) {
          file.writeSync(bytes.fill(n), page * PAGE);
          await file.fsync();
          fs.readSync(fd, found, 0, PAGE, page * PAGE);
          if (found.some((byte) => byte !== n)) lies++;
        }
      };
      await Promise.all(Array.from({ length: callers }, (_, n) => caller(first + n)));
      fs.closeSync(fd);
      return lies;
    },
    { first, callers, TIMES, PAGE },
  );

describe('group commit', () => {
  test.each([
    { threads: 1, flushers: 1 },
    { threads: 4, flushers: 1 },
    { threads: 4, flushers: 3 },
  ])('$threads threads, 8 callers in all, $flushers flushers', async ({ threads, flushers }) => {
    const { cache } = await world.harness({ memory: 4 << 20, flushers });
    const path = world.create(CALLERS * PAGE);
    const file = cache.openSync(path);
    const agents = await Promise.all(Array.from({ length: threads }, () => world.agent(cache, path)));
    const each = CALLERS / threads;
    const lies = await Promise.all(agents.map((agent, n) => commits(agent, n * each, each)));
    expect(lies).toEqual(lies.map(() => 0));
    const { fsyncs, flushes, writtenPages, errors } = cache.stats();
    expect(fsyncs).toBe(CALLERS * TIMES);
    expect(errors).toBe(0);
    expect(flushes).toBeGreaterThanOrEqual(TIMES);
    expect(flushes).toBeLessThan(fsyncs);
    // A caller's page is written once for each of its commits: sharing costs nobody anything.
    expect(writtenPages).toBe(CALLERS * TIMES);
    expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
  });

  test('who asks while a round runs is served by the next, not by the one that had closed', async () => {
    const { cache } = await world.harness({ memory: 4 << 20 });
    const path = world.create(CALLERS * PAGE);
    const file = cache.openSync(path);
    const seen: number[] = [];
    const ask = async (page: number) => {
      file.writeSync(new Uint8Array(PAGE).fill(1 + page), page * PAGE);
      await file.fsync();
      seen.push(onFile(path, page * PAGE, 1)[0]!);
    };
    const asked: Promise<void>[] = [];
    for (let page = 0; page < CALLERS; page++) {
      asked.push(ask(page));
      // Some come in the same turn, some while the round of others is under way.
      if (page % 3 === 2) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asked);
    expect(seen.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(cache.stats().flushes).toBeLessThan(CALLERS);
  });

  test.each(['flush', 'write'] as const)(
    'a %s that fails: every caller of the round hears of it',
    async (call) => {
      const { cache, fail } = await world.harness({ memory: 4 << 20, writebackIntervalMs: 60_000 });
      const path = world.create(CALLERS * PAGE);
      const file = cache.openSync(path);
      const agents = await Promise.all([0, 1, 2].map(() => world.agent(cache, path)));
      const { attachment, id } = engineOf(file);
      const { kernel } = attachment;
      for (let page = 0; page < CALLERS; page++) file.writeSync(new Uint8Array(PAGE).fill(5), page * PAGE);
      // Nobody else may lead until all have joined.
      expect(kernel.control.roundLead(id)).toBe(1);
      fail({ call, errno: 5, times: 1 });
      const code = (error: { code?: string }) => error.code;
      const here = Array.from({ length: CALLERS }, () => file.fsync().then(() => 'resolved', code));
      const there = agents.map((agent) =>
        agent.run(({ file }) => {
          try {
            file.fsyncSync();
            return 'resolved';
          } catch (error) {
            return (error as { code: string }).code;
          }
        }),
      );
      // The flusher, for the callers here, and the three threads sleep on the file.
      const wakeAt = (kernel.fileAt(id) + L.FILE_WAKE) >> 2;
      await until(() => Atomics.notify(kernel.words, wakeAt) === 4, 'all to join the round');
      kernel.control.roundYield(id);
      expect(await Promise.all([...here, ...there])).toEqual(Array(CALLERS + 3).fill('ERR_PINFOLD_IO'));
      expect(cache.stats().fsyncs).toBe(0);
      expect(cache.stats().errors).toBeGreaterThan(0);
      const reports = await Promise.all([
        file.fsync(),
        ...agents.map((agent) => agent.run(({ file }) => file.fsyncSync())),
      ]);
      // Whichever of them led it, one round wrote the pages again.
      expect(Math.max(...reports.map(({ pages }) => pages))).toBe(CALLERS);
      expect(new Set(onFile(path, 0, CALLERS * PAGE))).toEqual(new Set([5]));
      expect(cache.stats()).toMatchObject({ dirty: 0, unstable: 0 });
      expect(await violationsWhenQuiet(file, () => cache.stats())).toEqual([]);
    },
  );

  test('the tickets of rounds go on over the end of 32 bits', async () => {
    const { cache } = await world.harness({ memory: 4 << 20 });
    const path = world.create(PAGE);
    const file = cache.openSync(path);
    const agent = await world.agent(cache, path);
    const { attachment, id } = engineOf(file);
    const word = (field: number) => (attachment.kernel.fileAt(id) + field) >> 2;
    for (const open of [2 ** 31 - 2, -3]) {
      Atomics.store(attachment.kernel.words, word(L.FILE_ROUND_OPEN), open);
      Atomics.store(attachment.kernel.words, word(L.FILE_ROUND_DONE), open - 1);
      const done = await agent.run(({ file }) => {
        for (let n = 0; n < 6; n++) {
          file.writeSync(new Uint8Array([n]), 0);
          file.fsyncSync({ timeout: 5000 });
        }
        return true;
      });
      expect(done).toBe(true);
      expect(attachment.kernel.fileWord(id, L.FILE_ROUND_DONE)).toBe((open + 5) | 0);
    }
  });
});
