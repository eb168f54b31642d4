// What became of the mutants, for people.
import type { Hunt } from './hunt.ts';
import type { Mutant } from './mutant.ts';

const INVARIANTS = 14;

export interface Summary {
  readonly hunted: number;
  readonly killed: number;
  readonly survivors: readonly Hunt[];
  readonly equivalent: readonly Mutant[];
  /** Mutants that an invariant's rules have, and how many of them were killed. */
  readonly invariants: readonly {
    readonly invariant: number;
    readonly mutants: number;
    readonly killed: number;
  }[];
  /** Killed, by kind of check. */
  readonly kinds: ReadonlyMap<string, number>;
}

export function summarize(mutants: readonly Mutant[], hunts: ReadonlyMap<string, Hunt>): Summary {
  const counted = mutants.filter(({ equivalent }) => equivalent === undefined);
  const of = ({ name }: Mutant) => hunts.get(name);
  const killed = counted.filter((mutant) => of(mutant)?.by !== undefined);
  const kinds = new Map<string, number>();
  for (const mutant of killed) {
    const kind = of(mutant)!.by!.split(':')[0]!;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const invariants = Array.from({ length: INVARIANTS }, (_, n) => {
    const breaking = ({ breaks }: Mutant) => breaks.includes(n + 1);
    const [all, dead] = [counted.filter(breaking), killed.filter(breaking)];
    return { invariant: n + 1, mutants: all.length, killed: dead.length };
  });
  return {
    hunted: counted.filter((mutant) => of(mutant) !== undefined).length,
    killed: killed.length,
    survivors: counted.map(of).filter((one): one is Hunt => one !== undefined && one.by === undefined),
    equivalent: mutants.filter(({ equivalent }) => equivalent !== undefined),
    invariants,
    kinds,
  };
}

/** A line of progress. */
export function lineOf({ name, by, wrong, tries, ms, strayed }: Hunt): string {
  const took = `${(ms / 1000).toFixed(1)} s`;
  if (by === undefined)
    return `SURVIVES ${name} (${tries} tries, ${took})${wrong === undefined ? '' : `: ${wrong}`}`;
  return `${name}: ${by}${strayed ? ' (not where it was expected)' : ''}; try ${tries}, ${took}: ${wrong}`;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replace(/\s+/g, ' ');

/** The whole table. */
export function markdown(
  mutants: readonly Mutant[],
  hunts: ReadonlyMap<string, Hunt>,
  seconds: number,
): string {
  const { hunted, killed, survivors, equivalent, invariants, kinds } = summarize(mutants, hunts);
  const byKind = [...kinds].map(([kind, count]) => `${count} by ${kind}`).join(', ');
  const lines = [
    '# Mutants',
    '',
    'Each rule of the design, removed or weakened, one at a time, and the check that finds the mistake. Made by',
    '`npm run mutants -- --markdown docs/mutants.md`; the sources are in `test/proof/mutants/table`.',
    '',
    `${hunted} mutants, ${killed} killed (${byKind}), ${survivors.length} survive; ${equivalent.length} more change`,
    `nothing that anybody could see, and are not counted. ${Math.round(seconds)} s, two at a time, on Node ${process.version}.`,
    '',
    "Tries: schedules of the explorer, deaths, or tests, until it was found. Sections are those of `docs/design.md`'s",
    'rules: §5 control words, §6 updates and views, §7 writeback, flush, truncate, §8 waiting and dying.',
    '',
    `| invariant | ${invariants.map(({ invariant }) => `I${invariant}`).join(' | ')} |`,
    `|---|${invariants.map(() => '---|').join('')}`,
    `| mutants | ${invariants.map((one) => one.mutants).join(' | ')} |`,
    `| killed | ${invariants.map((one) => one.killed).join(' | ')} |`,
    '',
    '| mutant | rule | breaks | found by | tries | s | what it said |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const mutant of mutants) {
    if (mutant.equivalent !== undefined) continue;
    const found = hunts.get(mutant.name);
    const breaks = mutant.breaks.map((n) => `I${n}`).join(' ');
    const told = found
      ? [found.by ?? '**survives**', `${found.tries}`, (found.ms / 1000).toFixed(1), found.wrong ?? '']
      : ['not hunted', '', '', ''];
    lines.push(`| ${[mutant.name, mutant.rule, breaks, ...told].map(cell).join(' | ')} |`);
  }
  lines.push('', '## No mistakes', '', 'Changes that no check can find, because they change nothing:', '');
  lines.push('| mutant | rule | why |', '|---|---|---|');
  for (const { name, rule, equivalent: why } of equivalent) {
    lines.push(`| ${[name, rule, why!].map(cell).join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}
