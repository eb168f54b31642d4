// Durable writes of one page, one after the other; and what is found of them once each store has been opened anew.
import { createHistogram } from 'node:perf_hooks';
import { latencyOf } from '../../histogram';
import type { Arm } from '../../roles/peers/arms';
import type { Checked, CommitsResult } from '../../roles/peers/messages';
import { median } from '../../statistics';
import { type Arena, isDatabase, type Stores, writePlain } from './arena';
import { GRACE_MS, WARMUP_ROUNDS } from './plan';
import { armsOf, emptySamples, rowsOf, Truths } from './rows';
import { leftMs, roundsIn, scheduleOf } from './schedule';
import type { PeerRow } from './shape';

const PAGES = 1_024;
const GAP_MS = 8;
const NS_PER_US = 1_000;

export async function measureCommits(arena: Arena, durationMs: number): Promise<void> {
  const { plan, random, run } = arena;
  const arms = armsOf(arena.arms, 'commit');
  // Each arm writes into a store of its own.
  const stores: Stores = {
    pages: PAGES,
    path: ({ id, store }) => `${run.files.directory}/commit-${id}.${isDatabase(store) ? store : 'bin'}`,
  };
  arena.say('durable writes: laying out');
  for (const arm of arms) {
    if (isDatabase(arm.store)) await arena.layOutOne(arm.store, stores.path(arm), PAGES);
    else writePlain(stores.path(arm), PAGES);
  }
  const rounds = roundsIn(durationMs, arms, plan.commitBlockMs, GAP_MS, plan.roundsMin) + WARMUP_ROUNDS;
  arena.say(`durable writes: ${rounds} rounds of ${arms.length} arms`);
  const results = new Map<string, CommitsResult>();
  await arena.withProcesses(arms, stores, 1, async (processOf) => {
    const schedule = scheduleOf(arms, rounds, plan.commitBlockMs, GAP_MS, random);
    const commit = async (arm: Arm): Promise<void> => {
      const params = { blocks: schedule.blocks.get(arm.id)!, firstCommit: 1 };
      const [result] = await processOf(arm).play('commits', [params], leftMs(schedule) + GRACE_MS);
      results.set(arm.id, result!);
    };
    await Promise.all(arms.map(commit));
  });
  const samples = emptySamples(arms);
  const truths = new Truths();
  for (const arm of arms) {
    arena.say(`durable writes: reading back ${arm.id}`);
    const { latenciesNs, written } = results.get(arm.id)!;
    for (const block of latenciesNs.slice(WARMUP_ROUNDS))
      samples.get(arm.id)!.push(median(block) / NS_PER_US);
    truths.add(arm.id, await readBack(arena, arm, stores.path(arm), written));
  }
  arena.result.commits = rowsOf('commit', arena.arms, samples, truths).map((row) => ({
    ...row,
    ...figuresOf(results.get(row.arm)!),
  }));
}

function figuresOf({ latenciesNs, flushes }: CommitsResult): Pick<PeerRow, 'latency' | 'flushes'> {
  const histogram = createHistogram();
  for (const ns of latenciesNs.slice(WARMUP_ROUNDS).flat()) histogram.record(Math.max(1, Math.round(ns)));
  return {
    latency: latencyOf(histogram),
    flushes: flushes === null ? null : flushes / latenciesNs.flat().length,
  };
}

/** By plain means: a file by fs, a database by a process that opens it anew. */
async function readBack(
  arena: Arena,
  { id, store }: Arm,
  path: string,
  written: Int32Array,
): Promise<Checked> {
  const plain = isDatabase(store) ? store : 'fs';
  const [checked] = await arena.withProcess(
    `reading back ${id}`,
    { store: plain, mode: 'sync', path, pages: PAGES },
    1,
    (process) => process.play('verify', [{ written }], GRACE_MS),
  );
  return checked!;
}
