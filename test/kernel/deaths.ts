// Every death of a scenario's victim, and of who recovers it.
import type { Engine } from './mortal.ts';
import { type Scenario, type Survival, World } from './world.ts';

export interface Count {
  /** Steps of the victim's life; those after which a death leaves something else than one step earlier. */
  steps: number;
  deaths: number;
  /** Deaths of a recoverer that were tried. */
  second: number;
}

/** Numbers that look random, the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = (seed * 2654435761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/**
 * Lets the victim die before each of its steps, and its recoverer before `second` of its steps (Infinity: before each of
 * them). Throws what is wrong after the first death that was not survived.
 */
export function allDeaths(
  scenario: Scenario,
  engine: Engine,
  module: WebAssembly.Module,
  second: number,
): Count {
  const world = new World(scenario, engine, module);
  const random = numbers(scenario.name.length);
  const seen = new Set<number>();
  const every = second === Infinity;
  const count: Count = { steps: 0, deaths: 0, second: 0 };
  for (;;) {
    const victim = world.live(count.steps);
    const { dead, last } = victim.life;
    const told = dead ? `death at step ${count.steps}, ${last}` : 'no death';
    const print = world.fingerprint();
    if (!seen.has(print)) {
      seen.add(print);
      if (dead) count.deaths++;
      const again = (survival: Survival) => {
        const { steps, followed } = survival;
        const first = steps === undefined ? '' : `, its recoverer's at step ${steps}`;
        return attempt(`${told}${first}${followed ? ', followed' : ''}`, () =>
          world.outlive(world.live(count.steps), survival),
        );
      };
      const even = count.deaths % 2 === 0;
      for (const followed of every ? [even, !even] : [even]) {
        const total = again({ followed });
        const known = new Set<number>();
        for (let n = 0; n < Math.min(second, total); n++) {
          again(every ? { followed, steps: n, known } : { followed: random(2) === 0, steps: random(total) });
          count.second++;
        }
      }
    }
    if (!dead) return count;
    count.steps++;
  }
}

function attempt<T>(what: string, does: () => T): T {
  try {
    return does();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
