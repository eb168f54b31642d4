// Pairs of runs of two commands that print samples: base, head, and the base once more as a control, one after the other, in an order that
// changes from pair to pair so that each stands as often before the others as behind them.
import { Refused } from '../refused';
import { parseSample, type Sample, type SampleMetric } from './sample';
import { runShell } from './shell';
import type { ExactFigure, Missing, PairedFigure, PairSource, Sampled } from './source';

export interface SideCommand {
  /** How messages name it. */
  name: string;
  command: string;
  cwd: string;
}

/** The runs of a pair, and then in reverse: three such pairs hold all orders. */
const ORDERS = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
  [0, 2, 1],
  [2, 0, 1],
  [1, 0, 2],
];

export class CommandSource implements PairSource {
  readonly #sides: readonly SideCommand[];
  readonly #limitMs: number;
  #pair = 0;

  /** `limitMs`: of one run. */
  constructor(base: SideCommand, head: SideCommand, limitMs: number) {
    this.#sides = [base, head, base];
    this.#limitMs = limitMs;
  }

  async sample(): Promise<Sampled> {
    const samples: Sample[] = [];
    for (const which of ORDERS[this.#pair++ % ORDERS.length]) {
      const { name, command, cwd } = this.#sides[which];
      const { stdout } = await runShell(command, { cwd, limitMs: this.#limitMs, what: name });
      samples[which] = parseSample(stdout, `${name} (\`${command}\`)`);
    }
    return compared(...(samples as [Sample, Sample, Sample]));
  }

  close(): void {
    // Whoever ends the gate ends all shells.
  }
}

const byName = ({ metrics }: Sample): Map<string, SampleMetric> =>
  new Map(metrics.map((metric) => [metric.name, metric]));

export function compared(base: Sample, head: Sample, control: Sample): Sampled {
  const [ofBase, ofHead, ofControl] = [base, head, control].map(byName);
  const figures: PairedFigure[] = [];
  const exact: ExactFigure[] = [];
  const missing: Missing[] = [];
  for (const name of new Set([...ofBase.keys(), ...ofHead.keys()])) {
    const [a, b, c] = [ofBase.get(name), ofHead.get(name), ofControl.get(name)];
    if (a === undefined || b === undefined) {
      missing.push({ name, side: a === undefined ? 'base' : 'head', why: 'it has printed no such metric' });
    } else {
      if (c === undefined)
        throw new Refused(`the base has printed the metric '${name}' in one run and not in another`);
      refuseOthers(a, b);
      const { unit, better } = a;
      if (a.exact) exact.push(exactFigure(a, b, c));
      else
        figures.push({
          name,
          unit,
          better,
          base: a.value,
          head: b.value,
          pair: { ratio: logWorse(a, b), control: logWorse(a, c) },
        });
    }
  }
  return { figures, exact, missing };
}

function refuseOthers(a: SampleMetric, b: SampleMetric): void {
  for (const field of ['unit', 'better', 'exact'] as const) {
    if (a[field] !== b[field])
      throw new Refused(
        `the metric '${a.name}' has ${field} ${JSON.stringify(a[field])} in the base and ${JSON.stringify(b[field])} in the head`,
      );
  }
}

function exactFigure(a: SampleMetric, b: SampleMetric, control: SampleMetric): ExactFigure {
  if (a.value !== control.value)
    throw new Refused(
      `the metric '${a.name}' is said to be exact, and was ${a.value} in one run of the base and ${control.value} in another`,
    );
  return { name: a.name, unit: a.unit, better: a.better, base: a.value, head: b.value };
}

/** How much worse `to` is than `from`. */
function logWorse(from: SampleMetric, to: SampleMetric): number {
  for (const { name, value } of [from, to]) {
    if (!(value > 0))
      throw new Refused(`the metric '${name}' is ${value}: only figures above 0 have a ratio`);
  }
  const ratio = Math.log(to.value / from.value);
  return from.better === 'smaller' ? ratio : -ratio;
}
