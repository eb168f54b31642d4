// What a process has more once its threads have read the whole store than before, each arm in a process of its own.
import type { Arm } from '../../roles/peers/arms';
import { PAGE } from '../../roles/peers/pages';
import type { Arena, Stores } from './arena';
import { GRACE_MS, inThreads, THREADS } from './plan';
import { armsOf, emptySamples, rowsOf, Truths } from './rows';

export async function measureMemory(arena: Arena): Promise<void> {
  const stores = await arena.layOut('peers-memory', arena.result.memoryFileBytes / PAGE);
  const arms = armsOf(arena.arms, 'memory');
  for (const threads of THREADS) {
    const samples = emptySamples(arms);
    const truths = new Truths();
    for (const arm of arms) {
      if (arena.stopped) return;
      arena.say(`memory of ${inThreads(threads)}: ${arm.id}`);
      samples.get(arm.id)!.push(await growth(arena, arm, stores, threads, truths));
    }
    arena.result.memory.push({ threads, rows: rowsOf('memory', arena.arms, samples, truths) });
  }
}

/** Bytes. */
async function growth(
  arena: Arena,
  arm: Arm,
  { pages, path }: Stores,
  threads: number,
  truths: Truths,
): Promise<number> {
  const { id, name, store, mode } = arm;
  const params = { store, mode, path: path(arm), pages };
  return await arena.withProcess(`${name} (${id})`, params, threads, async (process) => {
    const before = await process.call('memory', null, GRACE_MS);
    await process.play('fill', Array(threads).fill(null), GRACE_MS);
    const after = await process.call('memory', null, GRACE_MS);
    const check = { whole: true, seed: arena.seed };
    for (const checked of await process.play('check', Array(threads).fill(check), GRACE_MS)) {
      truths.add(id, checked);
    }
    return Math.max(0, after - before);
  });
}
