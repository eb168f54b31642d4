// Cached reads: 8 bytes, and whole pages, by one thread and by several at once.
import type { Arm, Measure } from '../../roles/peers/arms';
import { PAGE } from '../../roles/peers/pages';
import type { Arena, Stores } from './arena';
import { GRACE_MS, inThreads, THREADS, THREADS_MAX, WARMUP_ROUNDS } from './plan';
import type { PeerProcess } from './process';
import { armsOf, emptySamples, rowsOf, type Samples, Truths } from './rows';
import { leftMs, roundsIn, scheduleOf } from './schedule';

const GAP_MS = 4;

interface Cell {
  threads: number;
  measure: Extract<Measure, 'eight' | 'whole'>;
  samples: Samples;
  truths: Truths;
}

export async function measureReads(arena: Arena, stores: Stores, durationMs: number): Promise<void> {
  const { sets } = arena.plan;
  const arms = armsOf(arena.arms, 'eight');
  const cells = THREADS.flatMap((threads) =>
    (['eight', 'whole'] as const).map(
      (measure): Cell => ({ threads, measure, samples: emptySamples(arms), truths: new Truths() }),
    ),
  );
  for (let set = 1; set <= sets && !arena.stopped; set++) {
    const endMs = performance.now() + durationMs / sets;
    arena.say(`reads, set ${set} of ${sets}: ${arms.length} processes`);
    await arena.withProcesses(arms, stores, THREADS_MAX, async (processOf) => {
      await Promise.all(arms.map((arm) => prepare(arena, arm, processOf(arm))));
      for (const [n, cell] of cells.entries()) {
        const size = cell.measure === 'whole' ? '4 KiB' : '8 bytes';
        arena.say(`reads, set ${set} of ${sets}: ${size}, ${inThreads(cell.threads)}`);
        const ms = (endMs - performance.now()) / (cells.length - n);
        await measureCell(arena, arms, cell, ms, processOf);
      }
    });
    arena.result.reads = cells.map(({ threads, measure, samples, truths }) => ({
      bytes: measure === 'whole' ? PAGE : 8,
      threads,
      rows: rowsOf(measure, arena.arms, samples, truths),
    }));
  }
}

/** Every thread has what it will read in its cache, and knows what it will read. */
async function prepare({ seed }: Arena, { mode }: Arm, process: PeerProcess): Promise<void> {
  const each = <T>(params: T): T[] => Array(THREADS_MAX).fill(params);
  // fs.read has no cache but the system's, which has the file.
  if (mode !== 'async') await process.play('fill', each(null), GRACE_MS);
  await process.play('draw', each({ seed: seed + 1 }), GRACE_MS);
}

async function measureCell(
  { plan, random, seed }: Arena,
  arms: readonly Arm[],
  { threads, measure, samples, truths }: Cell,
  ms: number,
  processOf: (arm: Arm) => PeerProcess,
): Promise<void> {
  const whole = measure === 'whole';
  const rounds = roundsIn(ms, arms, plan.readBlockMs, GAP_MS, plan.roundsMin) + WARMUP_ROUNDS;
  const schedule = scheduleOf(arms, rounds, plan.readBlockMs, GAP_MS, random);
  const read = async (arm: Arm): Promise<void> => {
    const blocks = schedule.blocks.get(arm.id)!;
    const each = Array.from({ length: threads }, (_, thread) => ({ whole, blocks, thread }));
    const all = await processOf(arm).play('reads', each, leftMs(schedule) + GRACE_MS);
    for (let round = WARMUP_ROUNDS; round < rounds; round++) {
      // Of all threads together; then of each, had it an equal part.
      const perNs = all.reduce((sum, { reads, elapsedNs }) => sum + reads[round] / elapsedNs[round], 0);
      samples.get(arm.id)!.push(threads / perNs);
    }
  };
  await Promise.all(arms.map(read));
  const check = async (arm: Arm): Promise<void> => {
    const checks = await processOf(arm).play('check', Array(threads).fill({ whole, seed }), GRACE_MS);
    for (const checked of checks) truths.add(arm.id, checked);
  };
  await Promise.all(arms.map(check));
}
