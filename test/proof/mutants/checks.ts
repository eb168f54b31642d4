// Puts code through a check.
import { readCode } from '../../kernel/code.ts';
import { allDeaths } from '../../kernel/deaths.ts';
import { scenarios as deathScenarios } from '../../kernel/scenarios.ts';
import { lones, sections } from '../../kernel/section-table.ts';
import { checkSections } from '../../kernel/sections.ts';
import { Stage } from '../explorer/host.ts';
import type { Build } from './build.ts';
import { runTest } from './copy.ts';
import type { Check } from './mutant.ts';

export interface Outcome {
  /** What the check says is wrong. */
  readonly wrong?: string;
  /** Schedules, deaths, tests: what was tried until then. */
  readonly tries: number;
  /** Whether it has tried all that it has to try. */
  readonly complete: boolean;
}

type Explored = Extract<Check, { by: 'explorer' }>;
type Deaths = Extract<Check, { by: 'deaths' }>;

/** `until`: on the clock of performance.now, when the explorer gives up. */
export function put(build: Build, check: Check, until: number): Promise<Outcome> {
  switch (check.by) {
    case 'explorer':
      return explore(build, check, until);
    case 'deaths':
      return die(build, check);
    case 'sections':
      return readSections(build);
    case 'test':
      return test(build, check.file);
  }
}

const messageOf = (error: unknown) =>
  error instanceof Error ? `${error.message || error.name}`.split('\n')[0]! : String(error);

async function explore(build: Build, check: Explored, until: number): Promise<Outcome> {
  const code = await build.explored(); // a mutant that can't be built is a mistake in the table, not a killed one
  const { scenario, preemptions, dies, undertaker = false } = check;
  const mortals = dies === undefined ? {} : { actor: dies, undertaker };
  let stage: Stage;
  try {
    stage = new Stage(code, scenario, mortals);
  } catch (error) {
    if (messageOf(error).startsWith('no scenario')) throw error;
    return { wrong: `before any schedule: ${messageOf(error)}`, tries: 0, complete: true };
  }
  if (dies !== undefined && !(dies in stage.scenario.actors))
    throw new Error(`${scenario} has no actor ${dies}`);
  const deaths = dies === undefined ? 0 : undertaker ? 2 : 1;
  const found = stage.explore({ preemptions, deaths }, until);
  const { schedules, complete } = stage.count;
  if (found === undefined) return { tries: schedules, complete };
  return { wrong: messageOf(found.error), tries: schedules, complete: true };
}

async function die(build: Build, check: Deaths): Promise<Outcome> {
  const { engine, module } = await build.mortal();
  const scenario = deathScenarios.find(({ name }) => name === check.scenario);
  if (!scenario) throw new Error(`no scenario '${check.scenario}' in test/kernel/scenarios.ts`);
  const options = { ...scenario.options, pinnedDirty: check.pinnedDirty ?? 'keep' };
  try {
    const { deaths } = allDeaths({ ...scenario, options }, engine, module, 1);
    return { tries: deaths, complete: true };
  } catch (error) {
    return { wrong: messageOf(error), tries: 1, complete: true };
  }
}

async function readSections(build: Build): Promise<Outcome> {
  const binary = await build.shipped();
  try {
    const [first] = checkSections(readCode(binary), sections, lones);
    return first
      ? { wrong: `${first.section}: ${first.text}`, tries: 1, complete: true }
      : { tries: 1, complete: true };
  } catch (error) {
    return { wrong: messageOf(error), tries: 1, complete: true };
  }
}

async function test(build: Build, file: string): Promise<Outcome> {
  const { tests, failed } = await runTest(file, build.changes);
  return { tries: tests, complete: true, ...(failed === undefined ? {} : { wrong: failed }) };
}
