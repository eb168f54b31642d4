// Mistakes planted in the library, one at a time: each has to be found. Here a sample, another with each seed; all of them by
// `npm run mutants`.
import { numbers } from '../explorer/machine.ts';
import type { Context, Outcome, Part, Violation } from '../part.ts';
import { doAll } from './crew.ts';
import type { Hunt } from './hunt.ts';
import { type Check, type Mutant, nameOf } from './mutant.ts';
import { lineOf, summarize } from './report.ts';
import { mutants } from './table/index.ts';

/** Of the time, for the hunt; the rest is for the code as it is. */
const HUNTING = 0.6;
/** For one mutant at the most, in seconds. */
const PATIENCE = 60;

/** In an order of the seed, but first those that between them break each invariant. Test files need a build each: not here. */
function sampleOf(seed: number): Mutant[] {
  const left = mutants.filter(
    ({ equivalent, found: [first] }) => equivalent === undefined && first?.by !== 'test',
  );
  const random = numbers(seed);
  for (let n = left.length - 1; n > 0; n--) {
    const other = random(n + 1);
    [left[n], left[other]] = [left[other]!, left[n]!];
  }
  const covered = new Set<number>();
  const first = left.filter(({ breaks }) => {
    const news = breaks.filter((invariant) => !covered.has(invariant));
    for (const invariant of news) covered.add(invariant);
    return news.length > 0;
  });
  return [...first, ...left.filter((mutant) => !first.includes(mutant))];
}

async function huntUntil(
  chosen: readonly Mutant[],
  until: number,
  { log, seconds }: Context,
): Promise<Map<string, Hunt>> {
  const hunts = new Map<string, Hunt>();
  const limit = Math.min(PATIENCE, seconds * HUNTING);
  const jobs = chosen.map(({ name }) => ({ kind: 'hunt', name, seconds: limit }) as const);
  const done = ({ hunt, error }: { hunt?: Hunt; error?: string }) => {
    if (hunt === undefined) throw new Error(error);
    hunts.set(hunt.name, hunt);
    log(lineOf(hunt));
  };
  await doAll(
    jobs,
    (_, result) => done(result),
    () => performance.now() > until,
  );
  return hunts;
}

/** Puts the code as it is through the checks that found something: how many, and what is wrong. */
async function control(
  hunted: readonly Mutant[],
  until: number,
): Promise<{ passed: number; violations: Violation[] }> {
  const checks = new Map<string, Check>();
  for (const { found } of hunted) checks.set(nameOf(found[0]!), found[0]!);
  const violations: Violation[] = [];
  let passed = 0;
  const jobs = [...checks.values()].map((check) => ({ kind: 'control', check, seconds: PATIENCE }) as const);
  await doAll(
    jobs,
    (_, { control: run, error }) => {
      if (run === undefined) throw new Error(error);
      if (run.wrong === undefined) passed++;
      else
        violations.push({
          what: `the code as it is: ${run.name}: ${run.wrong}`,
          replay: `check:${run.name}`,
        });
    },
    () => performance.now() > until,
  );
  return { passed, violations };
}

const survivorsOf = (survivors: readonly Hunt[]): Violation[] =>
  survivors.map(({ name }) => ({ what: `the mutant ${name} is found by no check`, replay: name }));

export const mutantsPart: Part = {
  name: 'mutants',
  summary: 'mistakes planted in the library, each of which a check has to find: a sample by the seed',
  weight: 6,

  async run(context: Context): Promise<Outcome> {
    const began = performance.now();
    const sample = sampleOf(context.seed);
    const at = (share: number) => began + context.seconds * 1000 * share;
    const hunts = await huntUntil(sample, at(HUNTING), context);
    const hunted = sample.filter(({ name }) => hunts.has(name));
    const { killed, survivors, kinds, invariants } = summarize(hunted, hunts);
    const { passed, violations } = await control(hunted, at(1));
    const tried = invariants.filter((one) => one.mutants > 0).length;
    return {
      figures: [
        [
          'mutants planted',
          `${hunted.length} of ${mutants.filter((one) => one.equivalent === undefined).length}`,
        ],
        ['killed', `${killed}`],
        ...[...kinds].map(([kind, count]) => [`  by ${kind}`, `${count}`] as const),
        ['invariants broken by them', `${tried} of ${invariants.length}`],
        ['checks that the code as it is passes', `${passed}`],
      ],
      violations: [...survivorsOf(survivors), ...violations],
      controls: [
        {
          what: 'what is found in mutants is not found in the code as it is',
          caught: passed > 0 && violations.length === 0,
        },
      ],
    };
  },

  async replay(what: string, context: Context): Promise<Outcome> {
    if (what.startsWith('check:')) {
      const name = what.slice('check:'.length);
      const using = mutants.filter(({ found: [first] }) => first !== undefined && nameOf(first) === name);
      if (using.length === 0) throw new Error(`no mutant is expected to be found by '${name}'`);
      const { passed, violations } = await control(using, Number.POSITIVE_INFINITY);
      return { figures: [['passes', `${passed}`]], violations, controls: [] };
    }
    const chosen = mutants.filter(({ name }) => name === what);
    if (chosen.length === 0) throw new Error(`no mutant '${what}'`);
    const hunts = await huntUntil(chosen, Number.POSITIVE_INFINITY, context);
    const { killed, survivors } = summarize(chosen, hunts);
    return { figures: [['killed', `${killed}`]], violations: survivorsOf(survivors), controls: [] };
  },
};
