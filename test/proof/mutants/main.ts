// `npm run mutants`: hunts all mutants, or some, puts the code as it is through the same checks, and says what died of what.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import colors from 'picocolors';
import { doAll } from './crew.ts';
import type { Hunt } from './hunt.ts';
import { type Check, type Mutant, nameOf } from './mutant.ts';
import { lineOf, markdown, summarize } from './report.ts';
import { mutants } from './table/index.ts';

/** For one mutant; a survivor takes all of it. */
const SECONDS = 180;

const HELP = `npm run mutants -- [name …] [options]

Plants each mistake in the code and shows which check finds it; all of them, or those whose names contain one of these.
Ends with 1 if one survives, or a check fails on the code as it is.

  --list            names and rules
  --markdown FILE   writes the table
  --seconds S       how long to hunt for one mutant at the most (${SECONDS})
  --no-control      doesn't put the code as it is through the checks
`;

const print = (line: string) => process.stdout.write(`${line}\n`);

/** Each check that found something, once. */
function checksOf(chosen: readonly Mutant[]): Check[] {
  const checks = new Map(chosen.flatMap(({ found }) => found).map((check) => [nameOf(check), check]));
  return [...checks.values()];
}

async function huntAll(
  chosen: readonly Mutant[],
  seconds: number,
  avoid: readonly string[],
): Promise<Map<string, Hunt>> {
  const hunts = new Map<string, Hunt>();
  const jobs = chosen
    .filter(({ equivalent }) => equivalent === undefined)
    .map(({ name }) => ({ kind: 'hunt', name, seconds, avoid }) as const);
  await doAll(jobs, (_, { hunt, error }) => {
    if (error !== undefined || hunt === undefined) throw new Error(error);
    hunts.set(hunt.name, hunt);
    const line = `${hunts.size}/${jobs.length} ${lineOf(hunt)}`;
    print(hunt.by === undefined ? colors.red(line) : line);
  });
  return hunts;
}

/** The checks that fail though nothing is planted: what they say of a mutant says nothing. */
async function control(chosen: readonly Mutant[], seconds: number): Promise<string[]> {
  const checks = checksOf(chosen);
  const wrong: string[] = [];
  await doAll(
    checks.map((check) => ({ kind: 'control', check, seconds })),
    (_, { control: result, error }) => {
      if (error !== undefined || result === undefined) throw new Error(error);
      if (result.wrong === undefined) return;
      wrong.push(result.name);
      print(colors.red(`THE CODE AS IT IS FAILS ${result.name}: ${result.wrong}`));
    },
  );
  print(`the code as it is passes ${checks.length - wrong.length} of the ${checks.length} checks`);
  return wrong;
}

async function main(args: string[]): Promise<boolean> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      markdown: { type: 'string' },
      seconds: { type: 'string', default: `${SECONDS}` },
      'no-control': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return true;
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds < Number.POSITIVE_INFINITY)) throw new Error(`--seconds: ${values.seconds}`);
  const chosen =
    positionals.length === 0
      ? mutants
      : mutants.filter(({ name }) => positionals.some((part) => name.includes(part)));
  if (chosen.length === 0) throw new Error(`no mutant's name contains ${positionals.join(', ')}`);
  if (values.list) {
    for (const { name, rule, equivalent } of chosen) {
      print(`${name}: ${rule}${equivalent === undefined ? '' : ' (equivalent)'}`);
    }
    return true;
  }
  const wrong = values['no-control'] ? [] : await control(chosen, seconds);
  const began = performance.now();
  const hunts = await huntAll(chosen, seconds, wrong);
  const took = (performance.now() - began) / 1000;
  if (values.markdown !== undefined) writeFileSync(values.markdown, markdown(chosen, hunts, took));
  const { hunted, killed, survivors, equivalent, kinds } = summarize(chosen, hunts);
  const byKind = [...kinds].map(([kind, count]) => `${count} by ${kind}`).join(', ');
  print(
    `${hunted} mutants, ${killed} killed (${byKind}), ${survivors.length} survive, ` +
      `${equivalent.length} equivalent; ${Math.round(took)} s`,
  );
  for (const { name } of survivors) print(colors.red(`  survives: ${name}`));
  return survivors.length === 0 && wrong.length === 0;
}

try {
  process.exit((await main(process.argv.slice(2))) ? 0 : 1);
} catch (error) {
  process.stderr.write(`mutants: ${(error as Error).stack}\nTry --help.\n`);
  process.exit(2);
}
