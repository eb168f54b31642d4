// Sequences on a whole cache, chosen and made short by fast-check as those in one thread are.
import fc from 'fast-check';
import type { Config } from './cache.ts';
import { RealCache, type RealCall, type RealStep } from './real.ts';
import { type Found, foundBy, length, offset, page, type Ran, replayed } from './sequences.ts';

const MAX_STEPS = 30;
const SHRINK_MS = 15_000;

const on = { t: fc.nat(1), f: fc.nat(1), sync: fc.boolean() };
const position = fc.tuple(page, offset).map(([index, within]) => index * 4096 + within);
const pin = fc.nat(9);

const calls = [
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read'), ...on, at: position, length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('view'), ...on, page }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('update'),
      ...on,
      page,
      offset,
      length: fc.integer({ min: 1, max: 3000 }),
      ends: fc.constantFrom('returns', 'returns', 'throws', 'promises'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('write'), ...on, at: position, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prefetch'), ...on, page, count: fc.nat(12) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fsync'),
      ...on,
      policy: fc.constantFrom('bounce', 'bounce', 'bounce', 'block'),
    }),
  },
] as fc.WeightedArbitrary<RealCall>[];

const call = fc.oneof(...calls);
const step = fc.oneof(
  ...(calls as fc.WeightedArbitrary<RealStep>[]),
  ...([
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('truncate'), ...on, size: position }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('pin'),
        ...on,
        page,
        mode: fc.constantFrom('read', 'write', 'write'),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('dma'),
        pin,
        offset,
        length: fc.integer({ min: 1, max: 700 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('unpin'), pin, dirty: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen'), ...on }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pressure'), t: on.t }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('fault'), call: fc.constantFrom('write', 'flush') }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('at once'),
        calls: fc.array(call, { minLength: 2, maxLength: 7 }),
      }),
    },
  ] as fc.WeightedArbitrary<RealStep>[]),
);

class RealCommand implements fc.AsyncCommand<object, RealCache> {
  readonly #step: RealStep;

  constructor(step: RealStep) {
    this.#step = step;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, cache: RealCache): Promise<void> {
    await cache.perform(this.#step);
  }

  toString(): string {
    return JSON.stringify(this.#step).replaceAll(',', ' ');
  }
}

type Sequence = Iterable<fc.AsyncCommand<object, RealCache>>;

async function check(
  cache: RealCache,
  parameters: fc.Parameters<[Sequence]>,
  replayPath: string,
  goesOn: () => boolean,
  onFailure: () => void,
): Promise<fc.RunDetails<[Sequence]>> {
  const options = { maxCommands: MAX_STEPS, size: 'max' as const, ...(replayPath ? { replayPath } : {}) };
  const sequences = fc.commands([step.map((one) => new RealCommand(one))], options);
  const property = fc.asyncProperty(sequences, async (sequence) => {
    if (!goesOn()) return;
    try {
      await cache.begin();
      await fc.asyncModelRun(() => ({ model: {}, real: cache }), sequence);
      await cache.finish();
    } catch (error) {
      onFailure();
      throw error;
    }
  });
  return (await fc.check(property, parameters)) as fc.RunDetails<[Sequence]>;
}

export interface RealRan extends Ran {
  readonly counts: ReadonlyMap<string, number>;
}

/** Runs sequences on one cache until `ms` have passed, `most` have run, or one has failed. */
export async function runReal(
  config: Config,
  seed: number,
  ms: number,
  { most = Number.POSITIVE_INFINITY, skips = false, shrinkMs = SHRINK_MS } = {},
): Promise<RealRan> {
  const cache = await RealCache.start(config, skips);
  const end = performance.now() + ms;
  let failing: number | undefined;
  let sequences = 0;
  const goesOn = () => {
    const left = (failing === undefined ? end : failing + shrinkMs) - performance.now();
    if (left > 0 && failing === undefined) sequences++;
    return left > 0;
  };
  const fails = () => {
    failing ??= performance.now();
  };
  let found: Found | undefined;
  for (let batch = 0; performance.now() < end && sequences < most && !found; batch++) {
    const numRuns = Math.min(50, most - sequences);
    const details = await check(cache, { seed: (seed + batch * 7919) | 0, numRuns }, '', goesOn, fails);
    if (details.failed) found = foundBy(details);
  }
  await cache.end();
  return { sequences, found, counts: cache.counts };
}

/** Runs one sequence again; what flushers do meanwhile is not the same. */
export async function againReal(config: Config, replay: string): Promise<Found | undefined> {
  const { parameters, replayPath } = replayed(replay);
  const cache = await RealCache.start(config);
  const details = await check(
    cache,
    parameters,
    replayPath,
    () => true,
    () => {},
  );
  await cache.end();
  return details.failed ? foundBy(details) : undefined;
}
