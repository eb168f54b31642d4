// The sweep: the 1st, 2nd, … nth call fails, until a run has no failure.
import type { Engine } from './engine.ts';
import { type Failure, failures, type Plan, REACHES, type Reach } from './system.ts';
import { SIZES, type Workload } from './workloads.ts';
import { type Way, World } from './world.ts';

export type PinnedDirty = 'keep' | 'redirty';

/** A workload in one of its settings. */
export interface Setting {
  readonly workload: Workload;
  readonly pinnedDirty: PinnedDirty;
  readonly way: Way;
  /** The files are open for direct I/O. */
  readonly direct: boolean;
}

export interface Found {
  readonly what: string;
  readonly setting: Setting;
  readonly plans: readonly Plan[];
}

/** Sums over runs. */
export class Sums {
  runs = 0;
  /** Places at which a call failed first: workload, setting and call number. */
  calls = 0;
  raised = 0;
  heard = 0;
  fsyncs = 0;
  claims = 0;
  /** Calls for direct I/O. */
  direct = 0;
}

const nameOf = ({ workload, pinnedDirty, way, direct }: Setting) =>
  `${workload.name}, ${pinnedDirty}, ${way}${direct ? ', direct' : ''}`;

const describePlans = (plans: readonly Plan[]) =>
  plans.map(({ failure, reach, nth }) => `${failure.name} from call ${nth} on (${reach})`).join(' and ');

/** One setting's world: many runs. */
export class Runner {
  readonly setting: Setting;
  readonly #world: World;
  readonly #sums: Sums;

  constructor(setting: Setting, engine: Engine, module: WebAssembly.Module, sums: Sums) {
    const { workload, pinnedDirty, way, direct } = setting;
    const options = { ...workload.options, pinnedDirty };
    this.setting = setting;
    this.#world = new World(engine, module, options, [...(workload.sizes ?? SIZES)], way, direct);
    this.#sums = sums;
  }

  /** Has every call of the next runs told. */
  tell(line: (line: string) => void): void {
    this.#world.tell = line;
  }

  /** One run: what is wrong, and how many calls failed. */
  async run(plans: readonly Plan[]): Promise<{ found: Found | undefined; strikes: number }> {
    const world = this.#world;
    const { tally, system } = world;
    Object.assign(tally, { calls: 0, raised: 0, heard: 0, fsyncs: 0, claims: 0 });
    let found: Found | undefined;
    try {
      world.begin();
      const handles = await this.setting.workload.prepare(world);
      world.fail(plans);
      await this.setting.workload.run(world, handles);
      await world.settle();
    } catch (error) {
      const what = `${nameOf(this.setting)}: ${describePlans(plans)}: ${told(error as Error)}`;
      found = { what, setting: this.setting, plans };
    }
    world.end();
    this.#sums.runs++;
    this.#sums.direct += system.direct;
    system.direct = 0;
    for (const key of ['raised', 'heard', 'fsyncs', 'claims'] as const) this.#sums[key] += tally[key];
    return { found, strikes: system.strikes.length };
  }

  /** Fails the nth call, for each n that the workload reaches. */
  async sweep(failure: Failure, reach: Reach): Promise<Found | undefined> {
    for (let nth = 0; ; nth++) {
      const { found, strikes } = await this.run([{ failure, reach, nth }]);
      if (found) return found;
      if (strikes === 0) return undefined;
      this.#sums.calls++;
    }
  }
}

function told(error: Error): string {
  return error.name === 'Error' && error.message ? error.message : `${error.stack}`;
}

/** All ways in which calls fail. */
export function* allFailures(): Generator<readonly [Failure, Reach]> {
  for (const failure of failures) {
    for (const reach of REACHES) {
      const same = reach === 'all' && failure.calls.length === 1; // as 'its kind'
      if (reach === 'once' || !(failure.onceOnly || same)) yield [failure, reach];
    }
  }
}
