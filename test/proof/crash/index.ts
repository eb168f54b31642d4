// Crash states: threads work on a file through the library, over a store that logs what reaches it; then the power fails at
// each moment, in the states that the store may be in (platter.ts says which). Each is opened and read by the library.
//
// Everything that an fsync has said is stable is there; what nobody has stored is nowhere; the file has a size that it had.
import type { Context, Outcome, Part, Violation } from '../part.ts';
import { runControls } from './controls.ts';
import { tell } from './log.ts';
import { Mount } from './mount.ts';
import { type Recording, RunError, record, type Workload } from './run.ts';
import { Cover, Sweep } from './sweep.ts';
import { bySeed, named } from './workloads.ts';

/** States at the least, if that takes no more than so many times as long as there is. */
const STATES_MIN = 100_000;
const PATIENCE = 3;
const VIOLATIONS_MAX = 5;
const TELL_EVERY_MS = 10_000;

const thousands = (n: number) => Math.round(n).toLocaleString('en');

function figuresOf(cover: Cover, sweepMs: number, seeds: string): [string, string][] {
  const kinds = [...cover.kinds].map(([kind, count]): [string, string] => [`  ${kind}`, thousands(count)]);
  return [
    ['workloads', `${thousands(cover.workloads)}, ${seeds}`],
    ['log records', thousands(cover.records)],
    ['fsyncs that said yes', thousands(cover.fsyncs)],
    ['moments of a crash', thousands(cover.points)],
    ['writes in doubt at a time, at the most', thousands(cover.pendingMost)],
    ['states opened and checked', thousands(cover.states)],
    ['  distinct by hash', thousands(cover.distinct)],
    ['  with a write torn', thousands(cover.torn)],
    ...kinds,
    ['states of files with checksums', thousands(cover.sealed)],
    ['  pages reported torn', thousands(cover.reported)],
    ['  opened with a torn end, that was then cut off', thousands(cover.tornEnds)],
    ['  not opened, no page good', thousands(cover.refused)],
    ['pages written, each compared', thousands(cover.pagesWritten)],
    ['states a second', thousands(cover.states / (sweepMs / 1000))],
  ];
}

class Search {
  readonly #context: Context;
  readonly #mount: Mount;
  readonly cover = new Cover();
  readonly violations: Violation[] = [];
  sweepMs = 0;

  constructor(context: Context, mount: Mount) {
    this.#context = context;
    this.#mount = mount;
  }

  async look(workload: Workload): Promise<void> {
    let recording: Recording;
    try {
      recording = await record(workload);
    } catch (error) {
      this.violations.push({ what: `${workload.name}: ${(error as Error).message}`, replay: workload.name });
      return;
    }
    const began = performance.now();
    const sweep = new Sweep(recording, this.#mount, this.cover);
    sweep.run(this.#context.seed);
    this.sweepMs += performance.now() - began;
    for (const { what, at } of sweep.wrong) {
      this.violations.push({ what: `${workload.name}, ${what}`, replay: `${workload.name}@${at}` });
    }
  }

  /** As long as there is time: how many seeds. */
  async run(began: number): Promise<number> {
    const { seed, seconds, log } = this.#context;
    for (const workload of named) await this.look(workload);
    let told = performance.now();
    let seeds = 0;
    for (;;) {
      const now = performance.now();
      const share = (now - began) / 1000 / seconds;
      if (this.violations.length >= VIOLATIONS_MAX || share > PATIENCE) return seeds;
      if (share >= 1 && this.cover.states >= STATES_MIN) return seeds;
      if (now - told > TELL_EVERY_MS) {
        told = now;
        log(`${thousands(this.cover.states)} states of ${thousands(this.cover.workloads)} workloads`);
      }
      await this.look(bySeed(seed + seeds++));
    }
  }
}

async function run(context: Context): Promise<Outcome> {
  const began = performance.now();
  const mount = new Mount();
  const controls = await runControls(mount, context.seed);
  const search = new Search(context, mount);
  const seeds = await search.run(began);
  const { cover, violations, sweepMs } = search;
  const figures = figuresOf(cover, sweepMs, `${named.length} by hand and seeds from ${context.seed} on`);
  const tooFew = violations.length === 0 && cover.states < STATES_MIN;
  const few = `this machine has managed ${thousands(cover.states)} states of ${thousands(STATES_MIN)} (${seeds} seeds)`;
  return { figures, violations, controls, ...(tooFew ? { skipped: few } : {}) };
}

async function replay(what: string, { log }: Context): Promise<Outcome> {
  const [name, at] = what.split('@') as [string, string | undefined];
  const seed = /^seed (\d+)$/.exec(name)?.[1];
  const workload = seed === undefined ? named.find((one) => one.name === name) : bySeed(Number(seed));
  if (workload === undefined) throw new Error(`no workload '${name}'`);
  const mount = new Mount();
  const cover = new Cover();
  let recording: Recording;
  try {
    recording = await record(workload);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    for (const [n, entry] of error.log.entries.entries()) log(`${n} ${tell(entry)}`);
    return { figures: [], violations: [{ what: error.message, replay: what }], controls: [] };
  }
  const sweep = new Sweep(recording, mount, cover);
  if (at === undefined) sweep.run(0);
  else for (const line of sweep.tell(at)) log(line);
  const violations = sweep.wrong.map((wrong) => ({ what: wrong.what, replay: `${name}@${wrong.at}` }));
  return { figures: [], violations, controls: [] };
}

export const crash: Part = {
  name: 'crash',
  summary:
    'crash states: what fsync promised is there after a power cut at any moment, whatever of the rest is',
  weight: 3,
  run,
  replay,
};
