// Runs a job; and shows a schedule that it found again, step by step.
import { type Code, Stage } from './host.ts';
import { type Answer, encode, type Found, type Job } from './job.ts';

/** How often at the most a random schedule takes the running thread's turn away. */
const CHANGES = 4;

export function run(code: Code, job: Job): Answer {
  const began = performance.now();
  const stage = stageOf(code, job);
  const { machine } = stage;
  const until = began + job.seconds * 1000;
  let violation: Answer['violation'];
  if (job.bounds) {
    const found = machine.explore(job.bounds, until);
    if (found) {
      const { choices } = found;
      violation = { what: textOf(found.error), replay: encode({ job, meeting: machine.meeting, choices }) };
    }
  } else {
    const found = machine.sample(job.seed!, CHANGES, job.actor ? 1 : 0, until);
    if (found) {
      const { seed, depth } = found;
      const random = { seed, depth, changes: CHANGES };
      violation = { what: textOf(found.error), replay: encode({ job, meeting: machine.meeting, random }) };
    }
  }
  const seconds = (performance.now() - began) / 1000;
  const answer = { job, count: machine.count, seconds, branches: machine.branches };
  return violation ? { ...answer, violation } : answer;
}

function stageOf(code: Code, job: Job): Stage {
  const mortals = job.actor ? { actor: job.actor, undertaker: job.undertaker ?? false } : {};
  return new Stage(code, job.scenario, mortals);
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** One schedule again: what happens in it, and what is violated in the end. */
export function show(
  code: Code,
  { job, meeting, choices, random }: Found,
): { lines: string[]; violated?: string } {
  const stage = stageOf(code, job);
  const { machine } = stage;
  machine.meetAt(meeting);
  machine.trace = [];
  const error = choices
    ? machine.once({ how: 'replay', bounds: job.bounds!, choices })
    : machine.once({ how: 'random', ...random!, deaths: job.actor ? 1 : 0 });
  const lines = machine.trace.map((line) =>
    line.replace(/@(\d+)/, (_, word) => stage.describe(Number(word))),
  );
  return error === undefined ? { lines } : { lines, violated: textOf(error) };
}
