// The part's work in pieces, each done by a process of its own choosing: what a piece found, and what it covered.
import { debugKernel, engine } from './engine.ts';
import { mistakes, plant } from './mistakes.ts';
import { describeFault, faultsOf, RealRunner, type RealSums, realWorkloads } from './real.ts';
import { allFailures, type Found, type PinnedDirty, Runner, type Setting, Sums } from './sweep.ts';
import { failures, type Plan, REACHES } from './system.ts';
import { workloads } from './workloads.ts';
import { WAYS } from './world.ts';

export type Job =
  /** A setting, swept with every failure. */
  | { readonly kind: 'sweep'; readonly setting: number }
  /** A setting, with two failures at random places, for so long. */
  | { readonly kind: 'pairs'; readonly setting: number; readonly seed: number; readonly ms: number }
  /** A mistake that has to be found. */
  | { readonly kind: 'mistake'; readonly mistake: number }
  /** A workload over real caches. */
  | { readonly kind: 'real'; readonly workload: number };

export interface Done {
  readonly found: readonly { readonly what: string; readonly replay: string }[];
  readonly sums: Sums | RealSums;
}

export const settings: readonly Setting[] = workloads.flatMap((workload) =>
  (['keep', 'redirty'] as const).flatMap((pinnedDirty: PinnedDirty) =>
    // Half of them direct: with each of the two, once.
    WAYS.map((way) => ({
      workload,
      pinnedDirty,
      way,
      direct: (pinnedDirty === 'keep') === (way === 'in place'),
    })),
  ),
);

/** Of one setting, more would be the same again. */
const FOUND_MAX = 3;

export async function perform(job: Job): Promise<Done> {
  if (job.kind === 'sweep') return await sweep(job.setting);
  if (job.kind === 'pairs') return await pairs(job.setting, job.seed, job.ms);
  if (job.kind === 'real') return await real(job.workload);
  const found = await plant(mistakes[job.mistake]!);
  return { found: found ? [{ what: found.what, replay: '' }] : [], sums: new Sums() };
}

async function sweep(setting: number): Promise<Done> {
  const sums = new Sums();
  const runner = new Runner(settings[setting]!, engine, debugKernel(), sums);
  const found: Found[] = [];
  const { found: unfit } = await runner.run([]);
  if (unfit) found.push(unfit);
  for (const [failure, reach] of unfit ? [] : allFailures()) {
    const caught = await runner.sweep(failure, reach);
    if (caught) found.push(caught);
    if (found.length >= FOUND_MAX) break;
  }
  return { found: found.map((one) => ({ what: one.what, replay: replayOf(setting, one.plans) })), sums };
}

/** Two failures in one run. */
async function pairs(setting: number, seed: number, ms: number): Promise<Done> {
  const sums = new Sums();
  const runner = new Runner(settings[setting]!, engine, debugKernel(), sums);
  const random = numbers(seed);
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const plan = (): Plan => {
      const failure = failures[random(failures.length)]!;
      const reach = failure.onceOnly ? 'once' : REACHES[random(REACHES.length)]!;
      return { failure, reach, nth: random(24) };
    };
    const { found } = await runner.run([plan(), plan()]);
    if (found) return { found: [{ what: found.what, replay: replayOf(setting, found.plans) }], sums };
  }
  return { found: [], sums };
}

async function real(index: number): Promise<Done> {
  const workload = realWorkloads[index]!;
  const sums: RealSums = { runs: 0, calls: 0, raised: 0, heard: 0, fsyncs: 0 };
  const runner = new RealRunner(workload);
  for (const fault of faultsOf(workload)) {
    try {
      await runner.sweep(fault, sums);
    } catch (error) {
      const { message } = error as Error;
      // The cache may hang: it is left to the end of the process.
      const what = `${workload.name}, over a real cache: ${describeFault(fault)}: ${message}`;
      return { found: [{ what, replay: `real/${index}` }], sums };
    }
  }
  await runner.end();
  return { found: [], sums };
}

/** What `replay` takes: setting, and of each failure its number, reach and place. */
const replayOf = (setting: number, plans: readonly Plan[]) =>
  [
    'world',
    setting,
    ...plans.map(
      ({ failure, reach, nth }) => `${failures.indexOf(failure)}.${REACHES.indexOf(reach)}.${nth}`,
    ),
  ].join('/');

/** Runs again what a violation names, and tells each call. */
export async function replay(what: string, log: (line: string) => void): Promise<Done> {
  const [kind, index, ...rest] = what.split('/');
  if (kind === 'real') return await real(Number(index));
  const setting = settings[Number(index)];
  if (kind !== 'world' || !setting) throw new Error(`nothing to show again: '${what}'`);
  const plans = rest.map((text): Plan => {
    const [failure, reach, nth] = text.split('.').map(Number);
    return { failure: failures[failure!]!, reach: REACHES[reach!]!, nth: nth! };
  });
  const sums = new Sums();
  const runner = new Runner(setting, engine, debugKernel(), sums);
  runner.tell(log);
  const { found } = await runner.run(plans);
  return { found: found ? [{ what: found.what, replay: what }] : [], sums };
}

/** Numbers that look random, the same each time. */
export function numbers(seed: number): (below: number) => number {
  let state = (seed * 2654435761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
