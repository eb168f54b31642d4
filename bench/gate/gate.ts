// The gate's loop: pairs for each metric until it is known, metrics in turns so that each has seen all of the machine's moods.
import { median } from '../statistics';
import { type GatedMetric, worseBy } from './result';
import type { ExactFigure, Missing, PairedFigure, PairSource } from './source';
import { type Limits, Trial } from './trial';

export interface GatePlan {
  source: PairSource;
  /** What the source is asked for, in turns. */
  loads: readonly string[];
  isWanted(metric: string): boolean;
  /** As a share. */
  marginOf(metric: string): number;
  limits: Limits;
  /** No pair is begun after so long, but to confirm a suspicion: for that there is half of it more. */
  durationMs: number;
  seed: number;
  isStopped(): boolean;
  /** Called before each pair. */
  onPair?(load: string, count: number): void;
}

export interface Gated {
  metrics: GatedMetric[];
  missing: Missing[];
}

/** How much longer than planned a suspicion may take. */
const CONFIRMING = 1.5;

interface OnTrial {
  load: string;
  trial: Trial;
  figures: PairedFigure[];
}

/** @throws Refused when a side can't be measured */
export async function runGate(plan: GatePlan): Promise<Gated> {
  const startMs = performance.now();
  const trials = new Map<string, OnTrial>();
  const exact = new Map<string, ExactFigure>();
  const missing = new Map<string, Missing>();
  const open = new Set(plan.loads);
  let count = 0;
  while (open.size > 0) {
    for (const load of open) {
      // A pair of each at least, however slow they are.
      const own = [...trials.values()].filter((each) => each.load === load);
      const isConfirming = own.some(({ trial }) => trial.isConfirming && trial.judgement === undefined);
      const limitMs = plan.durationMs * (isConfirming ? CONFIRMING : 1);
      if (plan.isStopped() || (own.length > 0 && performance.now() - startMs > limitMs)) {
        open.delete(load);
        continue;
      }
      plan.onPair?.(load, ++count);
      const sampled = await plan.source.sample(load);
      for (const each of sampled.missing)
        if (plan.isWanted(each.name) || each.name === load) missing.set(each.name, each);
      for (const each of sampled.exact) if (plan.isWanted(each.name)) exact.set(each.name, each);
      for (const figure of sampled.figures)
        if (plan.isWanted(figure.name)) onTrial(trials, plan, load, figure);
      const isOpen = [...trials.values()].some(
        (each) => each.load === load && each.trial.judgement === undefined,
      );
      if (!isOpen) open.delete(load);
    }
  }
  return {
    metrics: [...[...exact.values()].map(exactMetric), ...[...trials.values()].map(triedMetric)],
    missing: [...missing.values()],
  };
}

function onTrial(trials: Map<string, OnTrial>, plan: GatePlan, load: string, figure: PairedFigure): void {
  let on = trials.get(figure.name);
  if (on === undefined) {
    on = { load, trial: new Trial(plan.marginOf(figure.name), plan.limits, plan.seed), figures: [] };
    trials.set(figure.name, on);
  }
  // Of two metrics of one load the other may be known first.
  if (on.trial.judgement !== undefined) return;
  on.figures.push(figure);
  on.trial.add(figure.pair);
}

function triedMetric({ trial, figures }: OnTrial): GatedMetric {
  const { verdict, why, first, confirming } = trial.end();
  const [{ name, unit, better }] = figures;
  return {
    name,
    unit,
    better,
    base: median(figures.map(({ base }) => base)),
    head: median(figures.map(({ head }) => head)),
    worse: worseBy(first.ratio),
    control: worseBy((confirming ?? first).control),
    confirming: confirming === null ? null : worseBy(confirming.ratio),
    margin: trial.margin,
    verdict,
    why,
  };
}

function exactMetric({ name, unit, better, base, head }: ExactFigure): GatedMetric {
  const isWorse = better === 'smaller' ? head > base : head < base;
  return {
    name,
    unit,
    better,
    base,
    head,
    worse: null,
    control: null,
    confirming: null,
    margin: 0,
    verdict: isWorse ? 'regression' : 'pass',
    why: head === base ? 'the same' : isWorse ? 'worse, and it is exact' : 'better',
  };
}
