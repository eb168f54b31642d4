// Random sequences of everything that users, devices, disks and deaths do, against a plain oracle.
import { engineWith } from '../../kernel/mutants.ts';
import type { Context, Control, Outcome, Part, Violation } from '../part.ts';
import { MISTAKES } from './mistakes.ts';
import { againReal, runReal } from './real-sequences.ts';
import { asIs, builtModule, CONFIGS, type Found, type Ran, Sequences } from './sequences.ts';

/** Those of a whole cache: of one page size. */
const REAL_CONFIGS = CONFIGS.slice(0, 2);

/**
 * How many sequences each mistake is given, and how long at most: each was found by one of the first 200 so far, and a
 * slow machine must not make it look as if it could not be. Its counterexample is only to be seen.
 */
const CONTROL = { most: 3000, ms: 60_000, shrinkMs: 700 };

/** Of a mistake's counterexample at most so many steps are shown. */
const SHOWN = 6;

function told({ what, steps }: Found, most = steps.length): string {
  const rest = steps.length > most ? [`… and ${steps.length - most} more`] : [];
  return [what.split('\n')[0], ...[...steps.slice(0, most), ...rest].map((step) => `      ${step}`)].join(
    '\n',
  );
}

const nameOf = ({ pinnedDirty, pageSize }: (typeof CONFIGS)[number]) =>
  `${pinnedDirty}, pages of ${pageSize}`;

async function controls(context: Context, module: WebAssembly.Module): Promise<Control[]> {
  const judged: Control[] = [];
  for (const { what, changes, config } of MISTAKES) {
    const sequences = new Sequences(await engineWith(changes), module, config);
    const { found, sequences: ran } = sequences.run(context.seed, CONTROL.ms, CONTROL);
    judged.push({ what, caught: found !== undefined });
    if (found) context.log(`mistake '${what}' is found by sequence ${ran}: ${told(found, SHOWN)}`);
  }
  const what = 'on a whole cache: fsync passes write-pinned pages over';
  const { found, sequences } = await runReal(REAL_CONFIGS[0]!, context.seed, CONTROL.ms, {
    ...CONTROL,
    skips: true,
  });
  judged.push({ what, caught: found !== undefined });
  if (found) context.log(`mistake '${what}' is found by sequence ${sequences}: ${told(found, SHOWN)}`);
  return judged;
}

/** What was done, over all runs, and what was found. */
class Account {
  readonly #counts = new Map<string, number>();
  readonly violations: Violation[] = [];

  add(where: string, { sequences, found }: Ran, counts: ReadonlyMap<string, number>, replay: string): void {
    const add = (what: string, n: number) => this.#counts.set(what, (this.#counts.get(what) ?? 0) + n);
    add('sequences', sequences);
    for (const [what, n] of counts) add(what, n);
    if (found)
      this.violations.push({ what: `${where}: ${told(found)}`, replay: `${replay}/${found.replay}` });
  }

  figures(kind: string): [string, string][] {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([what, n]) => [`${kind}: ${what}`, String(n)]);
  }
}

/** Between the seeds of two runs, so that they do not run the same sequences. */
const APART = 15_485_863;
/** Of what is left of the time after the controls: for whole caches. */
const REAL_SHARE = 0.25;

async function run(context: Context): Promise<Outcome> {
  const { seconds, seed, log } = context;
  const module = builtModule();
  const began = performance.now();
  const judged = await controls(context, module);
  // Mistakes are looked for until they are found; there is some time left for the library as it is in any case.
  const left = Math.max(began + seconds * 1000 - performance.now(), (seconds * 1000) / 2);
  const one = new Account();
  const whole = new Account();
  for (const [n, config] of CONFIGS.entries()) {
    const sequences = new Sequences(asIs, module, config);
    const ran = sequences.run(seed + n * APART, (left * (1 - REAL_SHARE)) / CONFIGS.length);
    one.add(nameOf(config), ran, sequences.cache.counts, `steps/${n}`);
    log(`in one thread, ${nameOf(config)}: ${ran.sequences} sequences`);
  }
  for (const [n, config] of REAL_CONFIGS.entries()) {
    const ran = await runReal(config, seed + n * APART, (left * REAL_SHARE) / REAL_CONFIGS.length);
    whole.add(nameOf(config), ran, ran.counts, `real/${n}`);
    log(`on a whole cache, ${nameOf(config)}: ${ran.sequences} sequences`);
  }
  const figures = [...one.figures('in one thread'), ...whole.figures('on a whole cache')];
  return { figures, violations: [...one.violations, ...whole.violations], controls: judged };
}

/** `steps/N/…`: a sequence in one thread, the same again. `real/N/…`: on a whole cache, whose flushers are free. */
async function replay(what: string, { log }: Context): Promise<Outcome> {
  const [, kind, n, rest] = /^(steps|real)\/(\d)\/(.*)$/.exec(what) ?? [];
  const config = (kind === 'real' ? REAL_CONFIGS : CONFIGS)[Number(n)];
  if (config === undefined || rest === undefined) throw new Error(`no sequence is named '${what}'`);
  const found =
    kind === 'real' ? await againReal(config, rest) : new Sequences(asIs, builtModule(), config).again(rest);
  if (!found) return { figures: [], violations: [], controls: [] };
  for (const step of found.steps) log(step);
  return { figures: [], violations: [{ what: found.what, replay: what }], controls: [] };
}

export const model: Part = {
  name: 'model',
  summary: 'random sequences of calls, deaths, failures and power cuts against a plain oracle',
  weight: 3,
  run,
  replay,
};
