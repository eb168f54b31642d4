// A thread that lives, and sits on what others need: their calls give up after `waitTimeoutMs` and name it.
import { threadId } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { AgentContext } from './support.ts';
import { until, World, within } from './support.ts';

const PAGE = 4096;

interface Stuck {
  on: string;
  hold: (context: AgentContext) => void;
  letGo: (context: AgentContext) => void;
  sync: (context: Pick<AgentContext, 'file' | 'cache' | 'path'>) => unknown;
  async: (context: Pick<AgentContext, 'file' | 'cache' | 'path'>) => Promise<unknown>;
}

const cases: Stuck[] = [
  {
    on: 'a fill',
    hold: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.reclaim(2 ** 30, -1, 0);
      attachment.kernel.control.install(id, 5, 0);
    },
    letGo: ({ file, engineOf }) => engineOf(file).attachment.kernel.control.abandonClaim(),
    sync: ({ file }) => file.viewSync(5, () => 0),
    async: ({ file }) => file.pin(5),
  },
  {
    on: 'a round',
    hold: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.roundLead(id);
    },
    letGo: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.roundYield(id);
    },
    sync: ({ file }) => file.fsyncSync(),
    async: ({ file }) => file.fsync(),
  },
  {
    on: 'the flush lock',
    hold: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.flushTry(id);
    },
    letGo: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.flushRelease(id, attachment.kernel.owner);
    },
    sync: ({ file }) => file.fsyncSync(),
    async: ({ file }) => file.fsync(),
  },
  {
    on: 'all staging areas',
    hold: ({ file, engineOf, keep }) => {
      keep.areas = [];
      for (;;) {
        const area = engineOf(file).attachment.kernel.control.claimStaging(0);
        if (area < 0) break;
        keep.areas.push(area);
      }
    },
    letGo: ({ file, engineOf, keep }) => {
      for (const area of keep.areas) engineOf(file).attachment.kernel.control.releaseStaging(area);
    },
    sync: ({ file }) => file.fsyncSync(),
    async: ({ file }) => file.fsync(),
  },
  {
    on: 'a truncate',
    hold: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.cutTry(id);
    },
    letGo: ({ file, engineOf }) => {
      const { attachment, id } = engineOf(file);
      attachment.kernel.control.cutEnd(id, attachment.kernel.owner);
    },
    sync: ({ file }) => file.truncateSync(4096),
    async: ({ file }) => file.truncate(4096),
  },
];

test.concurrent.for(cases)('on $on', async ({ hold, letGo, sync, async: call }, context) => {
  const world = new World();
  context.onTestFinished(() => world.end());
  const { cache } = await world.harness({
    memory: 1 << 20,
    waitTimeoutMs: 300,
    writebackIntervalMs: 60_000,
  });
  const path = world.create(64 * PAGE);
  const file = cache.openSync(path);
  const living = { cache, file, path };
  const agent = await world.agent(cache, path);
  file.writeSync(new Uint8Array(10).fill(1), 0);
  await agent.run(hold);
  const timedOut = {
    code: 'ERR_PINFOLD_TIMEOUT',
    message: expect.stringContaining(`thread ${agent.worker.threadId} `),
  };
  expect(() => sync(living)).toThrow(expect.objectContaining(timedOut));
  await expect(within(call(living), 'the call')).rejects.toMatchObject(timedOut);
  await agent.run(letGo);
  sync(living);
  await within(call(living), 'the call').then((page) => (page as { unpin?(): void } | undefined)?.unpin?.());
  await file.fsync();
  await until(() => cache.stats().dirty === 0, 'all to be clean');
  expect(threadId).toBe(0);
});
