// tinybench, a turn at a time: each variant runs a few samples, then the next one, round after round, so that the variants of a round
// are neighbours in time and their ratio does not see the machine drift.
import { Bench } from 'tinybench';
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
  const startMs = performance.now();
  const measureFromMs = startMs + durationMs * WARMUP_SHARE;
  let counted = 0;
  // One round counts at least, however slow the machine.
  for (
    let now = startMs;
    (now < startMs + durationMs || counted === 0) && !isStopped(stop);
    now = performance.now()
  ) {
    if (now >= measureFromMs) counted++;
    for (const task of bench.tasks) {
      task.reset(false);
      const { result } = task.runSync();
      if (result.state !== 'completed') throw new Error(`tinybench ended '${task.name}' as ${result.state}`);
      if (now >= measureFromMs) rounds.get(task.name)?.push(result.latency.p50 * 1e6);
    }
  }
  return { rounds: Object.fromEntries(rounds) as Interleaved<Name>['rounds'], checksum };
}
