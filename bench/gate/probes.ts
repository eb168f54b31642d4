// Pairs of figures of two builds. Of each build a fresh process, and one more of the base as a control, alive at once and at work one after
// the other: turns of some milliseconds each, in an order by chance and then in the reverse one (ABC CBA), so that a machine that drifts
// drifts for all. A process's figure is a quantile of its turns; a triple of processes is one pair, however many turns it had, since what a
// process has of luck is in all of them.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../clock';
import { shuffle } from '../random';
import { Refused } from '../refused';
import { Calls } from '../roles/peers/calls';
import { quantile } from '../statistics';
import { GATE_METRICS } from './metrics';
import type { ProbeCalls, TurnFigures } from './probe/messages';
import type { PairedFigure, PairSource, Sampled } from './source';

/** Built beside main.js. */
const PROBE = fileURLToPath(new URL('./gate-probe.js', import.meta.url));
/** Of one call to a probe, ms: a stuck one must not hang the gate. */
const CALL_MS = 30_000;
const STDERR_BYTES_MAX = 4_000;
/** A round has two turns of each process. */
const ROUNDS = 8;

class Probe {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #calls: Calls;
  readonly #ended: Promise<void>;
  #stderr = '';

  constructor(name: string) {
    this.#name = name;
    this.#child = fork(PROBE, { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#calls = new Calls((request) => this.#child.send(request, () => {}));
    this.#child.on('message', (reply) => this.#calls.settle(reply as never));
    this.#child.on('error', (error) => this.#calls.break(error));
    this.#child.stderr?.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES_MAX);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        const said = this.#stderr.trim();
        this.#calls.break(
          new Error(`its process ended with ${signal ?? `code ${code}`}${said && `: ${said}`}`),
        );
        resolve();
      });
    });
  }

  async call<C extends keyof ProbeCalls>(
    call: C,
    params: Parameters<ProbeCalls[C]>[0],
  ): Promise<Awaited<ReturnType<ProbeCalls[C]>>> {
    try {
      const answered = this.#calls.call(call, params);
      return (await withDeadline(answered, CALL_MS, `'${call}'`)) as Awaited<ReturnType<ProbeCalls[C]>>;
    } catch (error) {
      throw new Refused(`${this.#name} could not be measured: ${(error as Error).message}`);
    }
  }

  /** Nothing of it is worth an orderly end: its file is the gate's. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

const BASE = 0;
const HEAD = 1;
const CONTROL = 2;
const SIDES = ['base', 'head'] as const;

export interface Build {
  /** How messages name it. */
  name: string;
  /** Its `dist/index.js`. */
  library: string;
}

export class ProbeSource implements PairSource {
  readonly #builds: readonly [Build, Build];
  readonly #file: string;
  readonly #pages: number;
  readonly #random: () => number;
  readonly #alive = new Set<Probe>();

  /** `file` has `pages` pages; all processes work on it, one at a time. */
  constructor(base: Build, head: Build, file: string, pages: number, random: () => number) {
    this.#builds = [base, head];
    this.#file = file;
    this.#pages = pages;
    this.#random = random;
  }

  async sample(load: string): Promise<Sampled> {
    const builds = [this.#builds[BASE], this.#builds[HEAD], this.#builds[BASE]];
    const probes: Probe[] = [];
    try {
      // Who is started first has the warmest machine: it is another one each time.
      for (const which of shuffle([BASE, HEAD, CONTROL], this.#random)) {
        probes[which] = new Probe(builds[which].name);
        this.#alive.add(probes[which]);
      }
      const prepared = await Promise.all(
        probes.map((probe, which) => {
          const { library } = builds[which];
          return probe.call('prepare', { library, load, file: this.#file, pages: this.#pages });
        }),
      );
      const missing = [BASE, HEAD].flatMap((which) => {
        const why = prepared[which].lacks;
        return why === null ? [] : [{ name: load, side: SIDES[which], why }];
      });
      if (missing.length > 0) return { figures: [], exact: [], missing };
      return { figures: figuresOf(await this.#turns(probes)), exact: [], missing };
    } finally {
      await Promise.all(probes.map((probe) => this.#end(probe)));
    }
  }

  async #turns(probes: readonly Probe[]): Promise<TurnFigures[][]> {
    const turns: TurnFigures[][] = [[], [], []];
    // Nothing of it is measured: all at once.
    await Promise.all(probes.map((probe) => probe.call('turn', { warmUp: true })));
    for (let round = 0; round < ROUNDS; round++) {
      const order = shuffle([BASE, HEAD, CONTROL], this.#random);
      for (const which of [...order, ...order.toReversed()]) {
        turns[which].push(await probes[which].call('turn', { warmUp: false }));
      }
    }
    return turns;
  }

  async #end(probe: Probe): Promise<void> {
    await probe.kill();
    this.#alive.delete(probe);
  }

  /** Also from a signal's handler: ends what runs. */
  close(): void {
    for (const probe of this.#alive) void probe.kill();
  }
}

function figuresOf(turns: readonly TurnFigures[][]): PairedFigure[] {
  return GATE_METRICS.filter(({ name }) => name in turns[BASE][0]).map(({ name, unit, quantile: share }) => {
    const [base, head, control] = turns.map((each) =>
      quantile(
        each.map((figures) => figures[name]),
        share,
      ),
    );
    const pair = { ratio: Math.log(head / base), control: Math.log(control / base) };
    return { name, unit, better: 'smaller', base, head, pair };
  });
}
