// `npm run prove`: runs the parts of the proof, or some of them, and prints what each covered and found.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import colors from 'picocolors';
import type { Context, Outcome, Part } from './part.ts';
import { parts } from './parts.ts';

/** How long a run of all parts takes, in seconds, unless told otherwise: what CI has for it. */
const SECONDS = 600;

const HELP = `npm run prove -- [part …] [options]

Ends with 1 if something was violated, or a mistake made on purpose was not found.

${parts.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`).join('\n')}

  --seconds S    how long all parts together should take (${SECONDS})
  --seed N       repeats what was chosen at random (random)
  --replay WHAT  shows again what a violation's last line names: part:…
`;

interface Arguments {
  readonly chosen: readonly Part[];
  readonly seconds: number;
  readonly seed: number;
  readonly replay: string | undefined;
}

function partOf(name: string): Part {
  const part = parts.find((one) => one.name === name);
  if (!part) throw new Error(`no part '${name}': there are ${parts.map((one) => one.name).join(', ')}`);
  return part;
}

function parse(args: string[]): Arguments | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: `${SECONDS}` },
      seed: { type: 'string' },
      replay: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds < Number.POSITIVE_INFINITY)) {
    throw new Error(`--seconds must be a number above 0, got '${values.seconds}'`);
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 31) {
    throw new Error(`--seed must be an integer from 0 to 2147483647, got '${values.seed}'`);
  }
  const chosen = positionals.length === 0 ? parts : positionals.map(partOf);
  return { chosen, seconds, seed, replay: values.replay };
}

const print = (line: string) => process.stdout.write(`${line}\n`);

/** What is not as it should be, in lines: none if all is well. */
function shortcomings(part: Part, { violations, controls }: Outcome, seed: number): string[] {
  return [
    ...controls.filter(({ caught }) => !caught).map(({ what }) => colors.red(`  NOT FOUND: ${what}`)),
    ...violations.flatMap(({ what, replay }) => [
      colors.red(`  VIOLATION ${what}`),
      `    npm run prove -- --seed ${seed} --replay '${part.name}:${replay}'`,
    ]),
  ];
}

/** Prints an outcome; gives what is not as it should be, in lines. */
function report(part: Part, outcome: Outcome, seconds: number, seed: number): string[] {
  const { figures, violations, controls, skipped } = outcome;
  if (figures.length > 0) {
    const table = new Table({ style: { head: [], border: [] }, colAligns: ['left', 'right'] });
    for (const [what, figure] of figures) table.push([what, figure]);
    print(table.toString());
  }
  for (const { what, caught } of controls) if (caught) print(`  found, as it must be: ${what}`);
  const wrong = shortcomings(part, outcome, seed);
  for (const line of wrong) print(line);
  if (skipped !== undefined) print(colors.yellow(`  SKIPPED: ${skipped}`));
  const well = wrong.length === 0;
  const took = `${seconds.toFixed(1)} s`;
  print(
    `${well ? colors.green('proved') : colors.red('FAILED')} ${part.name}: ${violations.length} violations, ` +
      `${controls.filter(({ caught }) => caught).length} of ${controls.length} controls found, ${took}\n`,
  );
  return wrong;
}

async function timed(does: () => Promise<Outcome>): Promise<[Outcome, number]> {
  const began = performance.now();
  const outcome = await does();
  return [outcome, (performance.now() - began) / 1000];
}

async function prove({ chosen, seconds, seed, replay }: Arguments): Promise<boolean> {
  const context = (share: number): Context => ({ seed, seconds: share, log: (line) => print(`  ${line}`) });
  if (replay !== undefined) {
    const [name, ...rest] = replay.split(':');
    const part = partOf(name!);
    const [outcome, took] = await timed(() => part.replay(rest.join(':'), context(seconds)));
    return report(part, outcome, took, seed).length === 0;
  }
  print(`seed ${seed}, ${seconds} s, Node ${process.version}, ${process.arch}\n`);
  const weights = chosen.reduce((sum, { weight }) => sum + weight, 0);
  const wrong: string[] = [];
  for (const part of chosen) {
    print(colors.bold(`${part.name}: ${part.summary}`));
    const share = (seconds * part.weight) / weights;
    try {
      const [outcome, took] = await timed(() => part.run(context(share)));
      const lines = report(part, outcome, took, seed);
      if (lines.length > 0) wrong.push(`${part.name}:`, ...lines);
    } catch (error) {
      // The other parts may still find something.
      const lines = [colors.red(`  BROKE OFF: ${(error as Error).stack}`), ''];
      for (const line of lines) print(line);
      wrong.push(`${part.name}:`, ...lines);
    }
  }
  if (wrong.length === 0) {
    print('everything holds');
    return true;
  }
  // Once more, where whoever reads the end of a long log sees it.
  print(`something does NOT hold (seed ${seed})`);
  for (const line of wrong) print(line);
  return false;
}

try {
  const args = parse(process.argv.slice(2));
  if (args === undefined) process.stdout.write(HELP);
  // Not by itself: where something was found, threads may hang.
  else process.exit((await prove(args)) ? 0 : 1);
} catch (error) {
  process.stderr.write(`prove: ${(error as Error).stack}\nTry --help.\n`);
  process.exit(2);
}
