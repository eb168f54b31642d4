// Random sequences of everything that users, devices, disks and deaths do, against a plain oracle.
import { engineWith } from '../../kernel/mutants.ts';
import type { Context, Control, Outcome, Part, Violation } from '../part.ts';
import { MISTAKES } from './mistakes.ts';
import { asIs, builtModule, CONFIGS, type Found, Sequences } from './sequences.ts';

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
  return judged;
}

async function run(context: Context): Promise<Outcome> {
  const { seconds, seed, log } = context;
  const module = builtModule();
  const began = performance.now();
  const judged = await controls(context, module);
  // Mistakes are looked for until they are found; there is some time left for the library as it is in any case.
  const end = Math.max(began + seconds * 1000, performance.now() + (seconds * 1000) / 2);
  const counts = new Map<string, number>();
  const violations: Violation[] = [];
  let total = 0;
  for (const [n, config] of CONFIGS.entries()) {
    const sequences = new Sequences(asIs, module, config);
    const ms = (end - performance.now()) / (CONFIGS.length - n);
    const ran = sequences.run(seed, ms);
    total += ran.sequences;
    for (const [what, count] of sequences.cache.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    log(`${nameOf(config)}: ${ran.sequences} sequences`);
    if (ran.found)
      violations.push({ what: `${nameOf(config)}: ${told(ran.found)}`, replay: `${n}/${ran.found.replay}` });
  }
  const figures = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, n]) => [what, String(n)] as const);
  return { figures: [['sequences', String(total)], ...figures], violations, controls: judged };
}

async function replay(what: string, { log }: Context): Promise<Outcome> {
  const [, n, rest] = /^(\d)\/(.*)$/.exec(what) ?? [];
  const config = CONFIGS[Number(n)];
  if (config === undefined || rest === undefined) throw new Error(`no sequence is named '${what}'`);
  const found = new Sequences(asIs, builtModule(), config).again(rest);
  if (!found) return { figures: [], violations: [], controls: [] };
  for (const step of found.steps) log(step);
  return { figures: [], violations: [{ what: found.what, replay: what }], controls: [] };
}

export const model: Part = {
  name: 'model',
  summary: 'random sequences of calls, deaths, failures and power cuts against a plain oracle',
  weight: 1,
  run,
  replay,
};
