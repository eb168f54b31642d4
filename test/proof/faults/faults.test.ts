// The sweep itself: that it finds what it must, and goes through. `npm run prove -- faults` does all of it.
import { expect, test } from 'vitest';
import { debugKernel, engine } from './engine.ts';
import { mistakes, plant } from './mistakes.ts';
import { RealRunner, realWorkloads } from './real.ts';
import { Runner, Sums } from './sweep.ts';
import { failures } from './system.ts';
import { workloads } from './workloads.ts';
import { WAYS } from './world.ts';

const failure = (name: string) => failures.find((one) => one.name === name)!;

test.each(workloads.map((workload) => [workload.name, workload] as const))(
  '%s: goes well without failures, and with each call failing once',
  async (_, workload) => {
    for (const way of WAYS) {
      const sums = new Sums();
      const setting = { workload, pinnedDirty: 'redirty', way, direct: way === 'by service' } as const;
      const runner = new Runner(setting, engine, debugKernel(), sums);
      expect((await runner.run([])).found).toBeUndefined();
      expect(sums.direct > 0).toBe(setting.direct);
      if (way === 'in place') continue;
      expect(await runner.sweep(failure('EIO'), 'once')).toBeUndefined();
      expect(sums.runs).toBe(sums.calls + 2); // the first and the last have no failure
      expect(sums.calls).toBeGreaterThan(1);
      expect(sums.raised).toBe(sums.calls);
    }
  },
);

// A run's read that fails is silent: the first reads of the second workload are of runs.
test.each([
  ['a failed write is ended as if it had succeeded', 0],
  ['a read that failed leaves its claim behind', 4],
])('finds that %s', async (what, call) => {
  const mistake = mistakes.find((one) => one.what === what)!;
  expect((await plant(mistake))?.what).toContain(`EIO from call ${call} on (once)`);
});

test('goes through a real cache', async () => {
  const runner = new RealRunner(realWorkloads[0]!);
  const sums = { runs: 0, calls: 0, raised: 0, heard: 0, fsyncs: 0 };
  await runner.sweep({ call: 'flush', errno: 5, times: 1 }, sums);
  await runner.end();
  expect(sums).toMatchObject({ calls: 3, raised: 3, heard: 3 });
});
