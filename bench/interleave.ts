// tinybench, a turn at a time: each variant runs a few samples, then the next one, round after round, so that the variants of a round
// are neighbours in time and their ratio does not see the machine drift.
import { Bench, type Task } from 'tinybench';
import { isStopped, type StopWord } from './clock';

export interface Variant<Name extends string> {
  name: Name;
  /** Operations of one call of `run`, as many as take some 50 µs: the timer's floor is 40 ns. */
  operations: number;
  /** Returns something made of all that was read, so that no loop can be optimised away. */
  run(): number;
}

export interface Interleaved<Name extends string> {
  /** Nanoseconds an operation, one figure a round. */
  rounds: Partial<Record<Name, number[]>>;
  /** The same of the variant that has a second turn in each round: the A/A control of its ratios. */
  again: number[];
  checksum: number;
}

/** Calls of `run` in a turn; their median is the turn's figure. */
const CALLS_PER_TURN = 5;
/** First rounds that do not count: the compiler is still busy. */
const WARMUP_SHARE = 0.2;

export function interleave<Name extends string>(
  variants: Variant<Name>[],
  durationMs: number,
  stop: StopWord,
  second?: Name,
): Interleaved<Name> {
  const bench = new Bench({ time: 0, iterations: CALLS_PER_TURN, warmup: false, throws: true });
  let checksum = 0;
  for (const { name, operations, run } of variants) {
    const batch = () => {
      const startMs = performance.now();
      checksum = (checksum + run()) | 0;
      const elapsedMs = performance.now() - startMs;
      return { overriddenDuration: elapsedMs / operations, overriddenIterationCost: elapsedMs };
    };
    bench.add(name, batch, { async: false });
  }
  const rounds = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  const again: number[] = [];
  const turn = (task: Task): number => {
    task.reset(false);
    const { result } = task.runSync();
    if (result.state !== 'completed') throw new Error(`tinybench ended '${task.name}' as ${result.state}`);
    return result.latency.p50 * 1e6;
  };
  const startMs = performance.now();
  const measureFromMs = startMs + durationMs * WARMUP_SHARE;
  let counted = 0;
  // One round counts at least, however slow the machine.
  for (
    let now = startMs;
    (now < startMs + durationMs || counted === 0) && !isStopped(stop);
    now = performance.now()
  ) {
    const counts = now >= measureFromMs;
    if (counts) counted++;
    for (const task of bench.tasks) {
      const ns = turn(task);
      if (counts) rounds.get(task.name)?.push(ns);
    }
    if (second === undefined) continue;
    const ns = turn(bench.getTask(second)!);
    if (counts) again.push(ns);
  }
  return { rounds: Object.fromEntries(rounds) as Interleaved<Name>['rounds'], again, checksum };
}
