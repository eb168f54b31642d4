// Threads that are terminated and processes that are killed, at moments that nobody has chosen, and what is there then.
import type { Context, Control, Outcome, Part, Violation } from '../part.ts';
import type { Plant } from './child.ts';
import { type KillCounts, Lane, noKills } from './kills.ts';
import { storm } from './terminations.ts';

/** Of the part's time: for threads that are terminated. */
const TERMINATIONS_SHARE = 0.3;
/** Terminations a second, where little else runs. */
const TERMINATIONS_A_SECOND = 8;
/** Processes that live at a time, each on files of its own: there are as many cores. */
const LANES = 2;
/** Kills in which a mistake made on purpose must be found; most took one to four. */
const CONTROL_KILLS = 40;
/** How often progress is told, in kills. */
const TOLD_EVERY = 50;

const MISTAKES: readonly { what: string; plant: Plant; pinnedDirty: 'keep' | 'redirty' }[] = [
  { what: 'fsync passes write-pinned pages over', plant: 'skip', pinnedDirty: 'keep' },
  { what: 'an fsync is told before it is done', plant: 'early', pinnedDirty: 'redirty' },
  { what: 'an unpin forgets that its page is dirty', plant: 'clean', pinnedDirty: 'redirty' },
];

// -- terminate() -------------------------------------------------------------------------------------------------------

const STORMS: readonly (readonly string[])[] = [
  ['--pinned', 'keep', '--faults', '--services', '3'],
  ['--pinned', 'redirty'],
];

async function terminations(context: Context, violations: Violation[]): Promise<number> {
  const kills = Math.ceil((context.seconds * TERMINATIONS_SHARE * TERMINATIONS_A_SECOND) / STORMS.length);
  let total = 0;
  for (const [n, args] of STORMS.entries()) {
    const all = ['--kills', String(kills), '--seed', String(context.seed + n), ...args];
    const { kills: killed, wrong } = await storm(all);
    total += killed;
    context.log(`storm ${all.join(' ')}: ${killed} threads terminated`);
    for (const what of wrong) violations.push({ what, replay: `storm ${all.join(' ')}` });
  }
  return total;
}

// -- SIGKILL -----------------------------------------------------------------------------------------------------------

/** Kills on one lane after the other, as long as `goesOn`. */
async function lane(
  { log }: Context,
  { seed, goesOn, counts }: { seed: number; goesOn: () => boolean; counts: KillCounts },
): Promise<Violation[]> {
  let one = new Lane(seed, counts);
  while (goesOn()) {
    const wrong = await one.kill();
    if (wrong.length > 0) {
      const replay = `kills ${one.seed} ${one.generation}`;
      one.keep();
      log(`the files of kill ${one.generation}, seed ${one.seed}, stay in ${one.directory}`);
      return wrong.map((what) => ({ what: `after kill ${one.generation}: ${what}`, replay }));
    }
    if (counts.kills % TOLD_EVERY === 0) log(`${counts.kills} processes killed`);
    if (one.isOver) {
      one.end();
      one = new Lane(one.seed + 1, counts);
    }
  }
  one.end();
  return [];
}

async function control(
  { what, plant, pinnedDirty }: (typeof MISTAKES)[number],
  context: Context,
): Promise<Control> {
  const one = new Lane(context.seed, noKills(), pinnedDirty, plant);
  let found: string | undefined;
  for (let n = 0; n < CONTROL_KILLS && found === undefined; n++) [found] = await one.kill();
  one.end();
  if (found) context.log(`mistake '${what}' is found after ${one.generation} kills: ${found}`);
  return { what, caught: found !== undefined };
}

function figuresOf(terminated: number, counts: KillCounts): (readonly [string, string])[] {
  return [
    ['threads terminated', String(terminated)],
    ['processes killed', String(counts.kills)],
    ['of these while the size was about to change', String(counts.whileResizing)],
    ['of these while pages were write-pinned', String(counts.whilePinned)],
    ['fsyncs that they had told of', String(counts.synced)],
    ['places judged', String(counts.places)],
  ];
}

async function run(context: Context): Promise<Outcome> {
  const { seed, seconds, log } = context;
  const began = performance.now();
  const violations: Violation[] = [];
  const terminated = await terminations(context, violations);
  const controls = await Promise.all(MISTAKES.map((mistake) => control(mistake, context)));
  const end = began + seconds * 1000;
  const counts = noKills();
  const lanes = Array.from({ length: LANES }, (_, n) => {
    let first = true;
    const goesOn = () => {
      const goes = first || performance.now() < end;
      first = false;
      return goes;
    };
    return lane(context, { seed: seed + n * 100_003, goesOn, counts });
  });
  violations.push(...(await Promise.all(lanes)).flat());
  log(`${counts.kills} processes killed`);
  return { figures: figuresOf(terminated, counts), violations, controls };
}

/**
 * `storm …`: the storm with these options. `kills SEED N`: N kills on the same files. What is chosen is the same again, the
 * moments are not.
 */
async function replay(what: string, context: Context): Promise<Outcome> {
  const [kind, ...rest] = what.split(' ');
  if (kind === 'storm') {
    const { kills, wrong } = await storm(rest);
    return {
      figures: figuresOf(kills, noKills()),
      violations: wrong.map((text) => ({ what: text, replay: what })),
      controls: [],
    };
  }
  const [seed, most] = rest.map(Number) as [number, number];
  if (kind !== 'kills' || !(seed >= 0) || !(most > 0)) throw new Error(`nothing is named '${what}'`);
  const counts = noKills();
  const violations = await lane(context, { seed, goesOn: () => counts.kills < most, counts });
  return { figures: figuresOf(0, counts), violations, controls: [] };
}

export const storms: Part = {
  name: 'storms',
  summary: 'threads terminated and processes killed at any moment, over real files',
  weight: 4,
  run,
  replay,
};
