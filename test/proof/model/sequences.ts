// Sequences of steps by fast-check: random ones, and when one fails the shortest that still does, with what repeats it.
import fc from 'fast-check';
import { Attachment } from '../../../src/attachment.ts';
import { CachedFile } from '../../../src/file.ts';
import { recover } from '../../../src/protocol/recovery.ts';
import { builtKernel } from '../../kernel/compile.ts';
import type { Engine } from '../../kernel/mortal.ts';
import { withPoints } from '../../kernel/points.ts';
import { Cache, type Config, FILES, THREADS } from './cache.ts';
import { perform, type Step, tell, type UpdateStep } from './steps.ts';

/** The library as it is. */
export const asIs: Engine = { Attachment, CachedFile, recover };

export function builtModule(): WebAssembly.Module {
  return new WebAssembly.Module(withPoints(builtKernel('control.debug')) as BufferSource);
}

export const CONFIGS: readonly Config[] = [
  { pinnedDirty: 'keep', pageSize: 4096 },
  { pinnedDirty: 'redirty', pageSize: 4096 },
  { pinnedDirty: 'redirty', pageSize: 8192 },
  { pinnedDirty: 'keep', pageSize: 8192 },
];

const MAX_STEPS = 50;
/** How long a counterexample is made shorter unless told otherwise, in ms. */
const SHRINK_MS = 15_000;

// -- what is chosen ----------------------------------------------------------------------------------------------------

const on = { t: fc.nat(THREADS - 1), f: fc.nat(FILES - 1) };
/** Few pages most of the time, so that steps meet; any page now and then. */
export const page = fc.oneof({ weight: 4, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(90) });
export const offset = fc.oneof(fc.constantFrom(0, 1, 512, 4095), fc.nat(8191));
const position = fc.tuple(page, offset).map(([index, within]) => index * 4096 + within);
export const length = fc.oneof(fc.nat(64), fc.nat(3 * 4096));
const ends = fc.constantFrom('returns', 'returns', 'returns', 'throws', 'promises');
const pin = fc.nat(9);

const simple: fc.WeightedArbitrary<Step>[] = [
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read'), ...on, at: position, length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('view'), ...on, page, ends }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write'), ...on, at: position, length }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('truncate'), ...on, size: position }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('pin'),
      ...on,
      page,
      mode: fc.constantFrom('read', 'write', 'write'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('dma'), pin, offset, length: fc.integer({ min: 1, max: 700 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('unpin'), pin, dirty: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('fsync'),
      ...on,
      policy: fc.constantFrom('bounce', 'bounce', 'block'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('prefetch'), ...on, page, count: fc.nat(12) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('writeback'), ...on, flush: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fault'),
      f: on.f,
      call: fc.constantFrom('write', 'write', 'flush', 'flush', 'resize', 'none'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pressure'), t: on.t }) },
] as fc.WeightedArbitrary<Step>[];

function updateOf(inside: fc.Arbitrary<Step>, most: number): fc.Arbitrary<Step> {
  const step: fc.Arbitrary<UpdateStep> = fc.record({
    kind: fc.constant('update'),
    page,
    offset,
    length: fc.integer({ min: 1, max: 3000 }),
    named: fc.oneof(fc.constant(true), fc.boolean()),
    ends: ends as fc.Arbitrary<UpdateStep['ends']>,
    inside: fc.array(inside, { maxLength: most }),
  });
  return fc.tuple(step, fc.record(on)).map(([update, where]) => ({ ...where, ...update }));
}

const inner = fc.oneof(...simple);
// Four deep is what there may be: now and then one more is tried.
const nested = [1, 2, 3].reduce<fc.Arbitrary<Step>>(
  (inside) => fc.oneof({ weight: 2, arbitrary: inner }, { weight: 1, arbitrary: updateOf(inside, 2) }),
  updateOf(inner, 1),
);
const update = updateOf(nested, 3);
const plain = fc.oneof(...simple, { weight: 8, arbitrary: update });
// Most calls take a few dozen steps, an fsync or a recovery some hundred.
const steps = fc.oneof(fc.nat(60), fc.nat(60), fc.nat(250), fc.nat(1500));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 44, arbitrary: plain },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hog' as const), t: on.t }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), ...on }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'power cut' as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('die' as const), steps, second: steps, in: plain }) },
);

class StepCommand implements fc.Command<object, Cache> {
  readonly #step: Step;

  constructor(step: Step) {
    this.#step = step;
  }

  check(): boolean {
    return true;
  }

  run(_: object, cache: Cache): void {
    perform(cache, this.#step);
  }

  toString(): string {
    return tell(this.#step);
  }
}

// -- running -----------------------------------------------------------------------------------------------------------

export interface Found {
  readonly what: string;
  /** What `again` takes: seed, path, path of the steps. */
  readonly replay: string;
  /** The shortest sequence found that fails. */
  readonly steps: readonly string[];
}

export interface Ran {
  readonly sequences: number;
  readonly found: Found | undefined;
}

type Sequence = Iterable<fc.Command<object, Cache>>;

/** What fast-check has found, and what names it. */
export function foundBy<T>(details: fc.RunDetails<[T]>): Found {
  const [sequence] = details.counterexample!;
  const [told, path] = String(sequence).split(/\s*\/\*replayPath="(.*)"\*\//) as [string, string?];
  return {
    what: (details.errorInstance as Error).message,
    replay: `${details.seed}/${details.counterexamplePath}/${path ?? ''}`,
    steps: told.split(','),
  };
}

/** What fast-check needs to find it again. */
export function replayed(replay: string): { parameters: object; replayPath: string } {
  const [, seed, path, replayPath] = /^(-?\d+)\/([\d:]+)\/(.*)$/.exec(replay) ?? [];
  if (replayPath === undefined) throw new Error(`no sequence is named '${replay}'`);
  return { parameters: { seed: Number(seed), path, endOnFailure: true, numRuns: 1 }, replayPath };
}

export class Sequences {
  readonly cache: Cache;

  constructor(engine: Engine, module: WebAssembly.Module, config: Config) {
    this.cache = new Cache(engine, module, config);
  }

  /** Runs sequences until `ms` have passed, `most` have run, or one has failed. */
  run(seed: number, ms: number, { most = Number.POSITIVE_INFINITY, shrinkMs = SHRINK_MS } = {}): Ran {
    const end = performance.now() + ms;
    let sequences = 0;
    for (let batch = 0; performance.now() < end && sequences < most; batch++) {
      const numRuns = Math.min(100, most - sequences);
      const left = () => (failing === undefined ? end : failing + shrinkMs) - performance.now();
      let failing: number | undefined;
      let ran = 0;
      const details = this.#check(
        { seed: (seed + batch * 7919) | 0, numRuns },
        '',
        () => {
          if (left() <= 0) return false;
          ran++;
          return true;
        },
        () => {
          failing ??= performance.now();
        },
      );
      sequences += failing === undefined ? ran : details.numRuns;
      if (details.failed) return { sequences, found: foundBy(details) };
    }
    return { sequences, found: undefined };
  }

  /** Runs one sequence again. */
  again(replay: string): Found | undefined {
    const { parameters, replayPath } = replayed(replay);
    const details = this.#check(
      parameters,
      replayPath,
      () => true,
      () => {},
    );
    return details.failed ? foundBy(details) : undefined;
  }

  #check(
    parameters: fc.Parameters<[Sequence]>,
    replayPath: string,
    goesOn: () => boolean,
    onFailure: () => void,
  ): fc.RunDetails<[Sequence]> {
    const options = { maxCommands: MAX_STEPS, size: 'max' as const, ...(replayPath ? { replayPath } : {}) };
    const sequences = fc.commands([step.map((one) => new StepCommand(one))], options);
    const property = fc.property(sequences, (sequence) => {
      if (!goesOn()) return;
      try {
        fc.modelRun(() => {
          this.cache.begin();
          return { model: {}, real: this.cache };
        }, sequence);
      } catch (error) {
        onFailure();
        throw error;
      }
    });
    return fc.check(property, parameters) as fc.RunDetails<[Sequence]>;
  }
}
