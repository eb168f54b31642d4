// From `new Worker` until a thread has read its first page: one thread after the other, arm after arm.
import type { Arena, Stores } from './arena';
import { GRACE_MS, WARMUP_ROUNDS } from './plan';
import { armsOf, emptySamples, rowsOf, Truths } from './rows';

const ROUNDS_MIN = 2;

export async function measureStart(arena: Arena, stores: Stores, durationMs: number): Promise<void> {
  const arms = armsOf(arena.arms, 'start');
  const samples = emptySamples(arms);
  const truths = new Truths();
  await arena.withProcesses(arms, stores, 1, async (processOf) => {
    for (const arm of arms) if (arm.store !== 'none') await processOf(arm).play('fill', [null], GRACE_MS);
    const endMs = performance.now() + durationMs;
    for (let round = 0; round < ROUNDS_MIN + WARMUP_ROUNDS || performance.now() < endMs; round++) {
      if (arena.stopped) return;
      arena.say(`start-up of a thread, round ${round + 1}`);
      // The other way round each time: no arm always comes after the same.
      for (const arm of round % 2 === 0 ? arms : [...arms].reverse()) {
        const { elapsedMs, checked } = await processOf(arm).call(
          'start',
          { seed: arena.seed + round },
          GRACE_MS,
        );
        truths.add(arm.id, checked);
        if (round >= WARMUP_ROUNDS) samples.get(arm.id)!.push(elapsedMs);
      }
    }
  });
  arena.result.start = rowsOf('start', arena.arms, samples, truths);
}
