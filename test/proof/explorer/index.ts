// The part 'explorer' of the proof: every schedule of each scenario within a bound on preemptions; every death; the rest of the
// time schedules at random.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { root } from '../../support/root.ts';
import type { Context, Outcome, Part, Violation } from '../part.ts';
import { note } from './branches.ts';
import { plantMistakes } from './controls.ts';
import { load, scenariosOf } from './host.ts';
import { type Answer, decode, type Job, nameOf } from './job.ts';
import { show } from './search.ts';
import type { Scenario } from './subject/world.ts';

/** More workers than this would need more memory than they are worth. */
const WORKERS_MAX = 4;
/** A search that takes longer is given up, and told of as not complete. */
const SEARCH_SECONDS = 240;
/** The share of the time that searches may take; what is left goes to random schedules. */
const SEARCHING = 0.92;
/** How long a random search goes on before the next scenario has its turn. */
const SAMPLE_SECONDS = 4;
/** So few that every scenario is through within seconds. */
const SHALLOW = 1;
/** Schedules are tried up to so many preemptions, unless a scenario says less. */
const PREEMPTIONS = 3;
/** The same beside a death, of one of two threads; of three, none. */
const PREEMPTIONS_OF_MORTALS = 1;

/**
 * What is to be complete, in stages. First what takes seconds and meets the most of the kernel, however slow the machine: a death of each thread
 * without preemptions, and every scenario up to one. Then the scenarios up to their bound, for those of two threads preemptions beside a death, the
 * few that take minutes, and a second death, of who recovers.
 */
function stagesOf(scenarios: readonly Scenario[]): Job[][] {
  const seconds = SEARCH_SECONDS;
  const shallow = scenarios.map(({ name }) => ({
    scenario: name,
    bounds: { preemptions: SHALLOW, deaths: 0 },
    seconds,
  }));
  const wholeOf = (which: readonly Scenario[]): Job[] =>
    which.map(({ name, preemptions = PREEMPTIONS }) => ({
      scenario: name,
      bounds: { preemptions, deaths: 0 },
      seconds,
    }));
  const deaths: Job[] = [];
  const second: Job[] = [];
  const preempted: Job[] = [];
  for (const { name, actors } of scenarios) {
    const all = Object.entries(actors);
    for (const [actor, { immortal }] of all) {
      if (immortal) continue;
      const job = { scenario: name, actor, seconds };
      second.push({ ...job, undertaker: true, bounds: { preemptions: 0, deaths: 2 } });
      deaths.push({ ...job, bounds: { preemptions: 0, deaths: 1 } });
      if (all.length === 2)
        preempted.push({ ...job, bounds: { preemptions: PREEMPTIONS_OF_MORTALS, deaths: 1 } });
    }
  }
  const [long, short] = [scenarios.filter((each) => each.long), scenarios.filter((each) => !each.long)];
  return [deaths, shallow, wholeOf(short), preempted, wholeOf(long), second];
}

/** Hands out the stages' jobs. Within a stage those first that had the fewest schedules in a shallower search: most searches end that way. */
class Queue {
  readonly #stages: Job[][];
  #sorted = false;

  constructor(stages: Job[][]) {
    this.#stages = stages;
  }

  next(answers: readonly Answer[]): Job | undefined {
    while (this.#stages[0]?.length === 0) {
      this.#stages.shift();
      this.#sorted = false;
    }
    const [stage] = this.#stages;
    if (stage === undefined) return undefined;
    if (!this.#sorted) {
      const known = new Map(
        answers
          .filter(({ job }) => job.actor === undefined)
          .map(({ job, count }) => [job.scenario, count.schedules]),
      );
      const costOf = ({ scenario }: Job) => known.get(scenario) ?? 0;
      stage.sort((a, b) => costOf(a) - costOf(b));
      this.#sorted = true;
    }
    return stage.shift();
  }

  /** What nobody has taken. */
  get left(): Job[] {
    return this.#stages.flat();
  }
}

/** Workers that take jobs until there are none. */
class Crew {
  readonly answers: Answer[] = [];
  readonly #workers: Worker[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** `next`: the job to do now, or undefined if all are given. */
  async work(next: () => Job | undefined): Promise<void> {
    const count = Math.min(WORKERS_MAX, availableParallelism());
    try {
      await Promise.all(Array.from({ length: count }, () => this.#employ(next)));
    } finally {
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
    }
  }

  #employ(next: () => Job | undefined): Promise<void> {
    const worker = new Worker(new URL('./explorer/worker.js', import.meta.url), { workerData: { root } });
    this.#workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.on('message', (message: 'ready' | { job: Job; answer?: Answer; failed?: string }) => {
        if (message !== 'ready') {
          const { job, answer, failed } = message;
          if (failed !== undefined) return reject(new Error(`${nameOf(job)}: ${failed}`));
          this.#take(answer!);
        }
        const job = next();
        if (job) worker.postMessage(job);
        else resolve();
      });
    });
  }

  #take(answer: Answer): void {
    this.answers.push(answer);
    note(answer.branches);
    const { job, violation } = answer;
    if (violation) this.#log(`${nameOf(job)}: ${violation.what}`);
    else if (job.bounds) this.#log(`${nameOf(job)}: ${told(answer)}`);
  }
}

const group = (value: number) => value.toLocaleString('en');

function told({ job, count, seconds }: Answer): string {
  const { bounds } = job;
  const complete =
    bounds === undefined ? '' : count.complete ? `all at ${bounds.preemptions}, ` : 'NOT COMPLETE, ';
  const deaths = count.deaths > 0 ? `, ${group(count.deaths)} deaths` : '';
  return (
    `${complete}${group(count.schedules)} schedules, ${group(count.states)} states, ` +
    `depth ${group(count.depth)}${deaths}, ${seconds.toFixed(1)} s`
  );
}

async function run({ seed, seconds, log }: Context): Promise<Outcome> {
  const began = performance.now();
  const leftOf = (share: number) => seconds * share - (performance.now() - began) / 1000;
  const controls = await plantMistakes(root, log);
  const scenarios = await scenariosOf(root);
  const crew = new Crew(log);
  const queue = new Queue(stagesOf(scenarios));
  let sampled = 0;
  await crew.work(() => {
    if (crew.answers.some(({ violation }) => violation)) return undefined;
    const searching = leftOf(SEARCHING);
    const job = searching > 0 ? queue.next(crew.answers) : undefined;
    if (job) return { ...job, seconds: Math.min(job.seconds, searching) };
    const left = leftOf(1);
    return left > 0 ? sampleOf(scenarios, seed, sampled++, Math.min(SAMPLE_SECONDS, left)) : undefined;
  });
  const outcome = { figures: figuresOf(crew.answers), violations: violationsOf(crew.answers), controls };
  const open = notComplete(crew.answers);
  if (open.length === 0 && queue.left.length === 0) return outcome;
  return {
    ...outcome,
    skipped: `not complete in ${seconds.toFixed(0)} s: ${[...open, ...queue.left.map(nameOf)].join('; ')}`,
  };
}

/** Random schedules of one scenario after the other, each second time with a death. */
function sampleOf(scenarios: readonly Scenario[], seed: number, turn: number, seconds: number): Job {
  const { name, actors } = scenarios[turn % scenarios.length]!;
  const round = Math.floor(turn / scenarios.length);
  const mortal = Object.keys(actors).filter((actor) => !actors[actor]!.immortal);
  const own = { scenario: name, seed: (seed + round * 1_000_003) | 0, seconds };
  if (round % 2 === 0 || mortal.length === 0) return own;
  return { ...own, actor: mortal[(round >> 1) % mortal.length]! };
}

function figuresOf(answers: readonly Answer[]): [string, string][] {
  const searched = answers.filter(({ job }) => job.bounds);
  const figures: [string, string][] = [];
  // Of each scenario the deepest search that has ended, and what came of a deeper one.
  const whole = searched.filter(({ job }) => job.actor === undefined);
  for (const scenario of new Set(whole.map(({ job }) => job.scenario))) {
    const own = whole.filter(({ job }) => job.scenario === scenario);
    const deepest = own.at(-1)!;
    const shallow = deepest.count.complete ? undefined : own.findLast(({ count }) => count.complete);
    figures.push([
      scenario,
      shallow === undefined ? told(deepest) : `${told(shallow)}; deeper ${told(deepest)}`,
    ]);
  }
  for (const undertaker of [false, true]) {
    const deaths = searched.filter(
      ({ job }) => job.actor !== undefined && (job.undertaker ?? false) === undertaker,
    );
    figures.push([undertaker ? 'deaths, and of who recovers' : 'deaths', sumOf(deaths)]);
  }
  const samples = answers.filter(({ job }) => !job.bounds);
  figures.push(['at random', sumOf(samples)]);
  figures.push(['together', sumOf(answers)]);
  figures.push(['searches that are not complete', group(notComplete(answers).length)]);
  const taken = new Uint8Array(answers[0]?.branches.length ?? 0);
  for (const { branches } of answers) for (const [n, was] of branches.entries()) if (was) taken[n] = 1;
  const share = taken.reduce((sum, was) => sum + was, 0) / Math.max(1, taken.length);
  figures.push(['branches of the lowered kernel, by the explorer alone', `${(100 * share).toFixed(1)} %`]);
  return figures;
}

function notComplete(answers: readonly Answer[]): string[] {
  return answers.filter(({ job, count }) => job.bounds && !count.complete).map(({ job }) => nameOf(job));
}

function sumOf(answers: readonly Answer[]): string {
  const sum = (of: (answer: Answer) => number) => answers.reduce((total, answer) => total + of(answer), 0);
  const deaths = sum(({ count }) => count.deaths);
  return (
    `${group(answers.length)} searches, ${group(sum(({ count }) => count.schedules))} schedules, ` +
    `${group(sum(({ count }) => count.states))} states${deaths > 0 ? `, ${group(deaths)} deaths` : ''}, ` +
    `${sum(({ seconds }) => seconds).toFixed(0)} s of threads`
  );
}

function violationsOf(answers: readonly Answer[]): Violation[] {
  return answers.flatMap(({ job, count, violation }) =>
    violation
      ? [
          {
            what: `${nameOf(job)}, schedule ${group(count.schedules)}: ${violation.what}`,
            replay: violation.replay,
          },
        ]
      : [],
  );
}

async function replay(what: string, { log }: Context): Promise<Outcome> {
  const { lines, violated } = show(await load(root), decode(what));
  for (const line of lines) log(line);
  const violations = violated === undefined ? [] : [{ what: violated, replay: what }];
  return { figures: [['steps', group(lines.length)]], violations, controls: [] };
}

export const explorer: Part = {
  name: 'explorer',
  summary:
    'every schedule of small scenarios within a bound, every death, on the shipped kernel lowered to steps',
  weight: 44,
  run,
  replay,
};
