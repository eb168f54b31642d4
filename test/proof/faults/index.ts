// The nth call fails: every call of every workload, with every failure, in a world in one thread that runs the library's
// real code, and over real caches. Nothing may be lost, hang or stay behind; every error comes to whom it was promised.
import type { Context, Control, Outcome, Part, Violation } from '../part.ts';
import { doAll, type Ended } from './crew.ts';
import { type Job, numbers, replay, settings } from './jobs.ts';
import { mistakes } from './mistakes.ts';
import { realWorkloads } from './real.ts';
import { failures } from './system.ts';
import { workloads } from './workloads.ts';

/** How long one job may take at the most: many times what it does. */
const JOB_MS = 120_000;
/** How many times its time the sweep may take. */
const LATE = 3;
/** How long pairs of one setting are tried. */
const PAIRS_MS = 1000;

/** Sums by the kind of job. */
type Totals = Record<string, Record<string, number>>;

class Account {
  readonly violations: Violation[] = [];
  readonly controls: Control[] = [];
  readonly totals: Totals = {};
  ended = 0;
  swept = 0;

  note({ job, done, failed }: Ended): void {
    this.ended++;
    if (job.kind === 'sweep') this.swept++;
    const sums = this.totals[job.kind] ?? {};
    this.totals[job.kind] = sums;
    for (const [key, value] of Object.entries(done?.sums ?? {})) sums[key] = (sums[key] ?? 0) + value;
    if (job.kind === 'mistake') {
      const { what } = mistakes[job.mistake]!;
      const caught = (done?.found.length ?? 0) > 0;
      this.controls.push({ what: failed ? `${what}: ${failed}` : what, caught });
      return;
    }
    if (failed) this.violations.push({ what: `${nameOf(job)}: ${failed}`, replay: replayOf(job) });
    this.violations.push(...(done?.found ?? []));
  }

  sum(kind: string, key: string): number {
    return this.totals[kind]?.[key] ?? 0;
  }
}

function nameOf(job: Job): string {
  if (job.kind === 'mistake') return mistakes[job.mistake]!.what;
  if (job.kind === 'real') return `${realWorkloads[job.workload]!.name}, over a real cache`;
  const { workload, pinnedDirty, way, direct } = settings[job.setting]!;
  return `${workload.name}, ${pinnedDirty}, ${way}${direct ? ', direct' : ''}`;
}

const replayOf = (job: Job) =>
  job.kind === 'real' ? `real/${job.workload}` : `world/${'setting' in job ? job.setting : 0}`;

/** The real sweep, the mistakes, all of the sweep: the settings in an order of the seed's. */
function allJobs(seed: number): Job[] {
  const random = numbers(seed);
  const order = settings.map((_, setting) => ({ setting, at: random(2 ** 30) })).sort((a, b) => a.at - b.at);
  return [
    ...realWorkloads.map((_, workload): Job => ({ kind: 'real', workload })),
    ...mistakes.map((_, mistake): Job => ({ kind: 'mistake', mistake })),
    ...order.map(({ setting }): Job => ({ kind: 'sweep', setting })),
  ];
}

/** Two failures in a run, for as long as there is time. */
async function pairsUntil(end: number, seed: number, note: (ended: Ended) => void): Promise<void> {
  const jobs: Job[] = settings.map((_, n) => ({
    kind: 'pairs',
    setting: (n + seed) % settings.length,
    seed: seed + n,
    ms: PAIRS_MS,
  }));
  for (let n = 0; performance.now() < end - PAIRS_MS; n += 2) {
    await doAll([jobs[n % jobs.length]!, jobs[(n + 1) % jobs.length]!], JOB_MS, note);
  }
}

async function run({ seed, seconds, log }: Context): Promise<Outcome> {
  const end = performance.now() + seconds * 1000;
  const account = new Account();
  const jobs = allJobs(seed);
  // The sweep is complete, though it takes a little longer; on a machine that is far too slow some settings are left out.
  const late = performance.now() + LATE * seconds * 1000;
  let told = performance.now();
  const onEnd = (ended: Ended) => {
    account.note(ended);
    if (performance.now() - told < 5000) return;
    told = performance.now();
    const runs = account.sum('sweep', 'runs');
    log(`${account.ended} of ${jobs.length} jobs, ${runs} runs, ${account.violations.length} violations`);
  };
  await doAll(jobs, JOB_MS, onEnd, () => performance.now() > late);
  await pairsUntil(end, seed, (ended) => account.note(ended));
  return { figures: figuresOf(account), violations: account.violations, controls: account.controls };
}

function figuresOf(account: Account): [string, string][] {
  const number = (kind: string, key: string) => account.sum(kind, key).toLocaleString('en');
  return [
    ['workloads × settings (pinnedDirty, in place or by service)', `${workloads.length} × 4`],
    ['failures × reach (once, its kind, all)', `${failures.length} × 3`],
    ['settings swept, of all', `${account.swept} / ${settings.length}`],
    ['calls at which a failure began', number('sweep', 'calls')],
    ['runs', number('sweep', 'runs')],
    ['calls for direct I/O, which half of the settings make', number('sweep', 'direct')],
    ['failures of calls / errors heard', `${number('sweep', 'raised')} / ${number('sweep', 'heard')}`],
    [
      'fsyncs / of those that claimed, checked against a power cut',
      `${number('sweep', 'fsyncs')} / ${number('sweep', 'claims')}`,
    ],
    ['runs with two failures, at random', number('pairs', 'runs')],
    [
      'workloads over real caches / calls / runs',
      `${realWorkloads.length} / ${number('real', 'calls')} / ${number('real', 'runs')}`,
    ],
    [
      'there: failures of calls / errors heard / fsyncs',
      `${number('real', 'raised')} / ${number('real', 'heard')} / ${number('real', 'fsyncs')}`,
    ],
  ];
}

export const faults: Part = {
  name: 'faults',
  summary: 'the nth I/O call fails, for every n: errors as promised, nothing lost, nobody hangs',
  weight: 6,
  run,
  async replay(what, { log }) {
    const { found, sums } = await replay(what, log);
    return { figures: [['runs', `${sums.runs}`]], violations: [...found], controls: [] };
  },
};
