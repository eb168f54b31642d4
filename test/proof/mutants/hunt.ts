// Hunts a mutant down: where it is expected to be found, then in every scenario of the explorer at growing bounds.
import { scenarios } from '../explorer/subject/scenarios/index.ts';
import { Build } from './build.ts';
import { put } from './checks.ts';
import { type Check, type Mutant, nameOf } from './mutant.ts';

export interface Hunt {
  readonly name: string;
  /** What killed it; undefined: a survivor, or time was up. */
  readonly by?: string;
  readonly wrong?: string;
  /** Schedules, deaths or tests until then, over all checks. */
  readonly tries: number;
  readonly ms: number;
  /** Found elsewhere than expected. */
  readonly strayed: boolean;
}

/** Preemptions, and how many may die, of the rounds over all scenarios. */
const ROUNDS: readonly (readonly [preemptions: number, dying: boolean])[] = [
  [0, false],
  [0, true],
  [1, false],
  [1, true],
  [2, false],
];

function* everywhere(): Generator<Check> {
  for (const [preemptions, dying] of ROUNDS) {
    for (const { name, actors } of scenarios) {
      if (!dying) yield { by: 'explorer', scenario: name, preemptions };
      for (const [actor, { immortal }] of Object.entries(actors)) {
        if (dying && !immortal) yield { by: 'explorer', scenario: name, preemptions, dies: actor };
      }
    }
  }
}

/** `avoid`: checks that the code as it is does not pass, so what they say of a mutant says nothing. `seconds`: for all of it; a check that has begun, and is none of the explorer's, is not cut short. */
export async function hunt(mutant: Mutant, seconds: number, avoid: readonly string[] = []): Promise<Hunt> {
  const began = performance.now();
  const until = began + seconds * 1000;
  const build = new Build(mutant.changes);
  let tries = 0;
  let expected = mutant.found.length;
  for (const check of [...mutant.found, ...everywhere()]) {
    const strayed = expected-- <= 0;
    if (avoid.includes(nameOf(check))) continue;
    if (strayed && performance.now() > until) break;
    const outcome = await put(build, check, until);
    tries += outcome.tries;
    if (outcome.wrong === undefined) continue;
    const ms = performance.now() - began;
    return { name: mutant.name, by: nameOf(check), wrong: outcome.wrong, tries, ms, strayed };
  }
  return { name: mutant.name, tries, ms: performance.now() - began, strayed: true };
}
