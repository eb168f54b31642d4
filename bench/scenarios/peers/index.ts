// Pinfold beside what else a program may use: the system's cache by fs, lru-cache, lmdb, a mapped file, SQLite. Each arm is a process
// of its own with the threads that such a program has, so that none pays for another's heap or compiled code; their blocks alternate.
import { peersRefusal, versionOf, whyMissing } from '../../roles/peers/installed';
import { PAGE } from '../../roles/peers/pages';
import { sqliteName } from '../../roles/peers/stores/sqlite';
import { Interrupted, type Run } from '../../run';
import { Arena } from './arena';
import { measureCommits } from './commits';
import { measureMemory } from './memory';
import { planOf, SHARE } from './plan';
import { measureReads } from './reads';
import type { PeersResult } from './shape';
import { measureStart } from './start';

const MIB = 1 << 20;

export async function peers(run: Run, durationMs: number): Promise<void> {
  const refusal = peersRefusal();
  if (refusal !== undefined) throw new Error(refusal);
  const plan = planOf(durationMs);
  const result: PeersResult = {
    fileBytes: plan.fileMib * MIB,
    memoryFileBytes: plan.memoryFileMib * MIB,
    libraries: libraries(),
    reads: [],
    commits: [],
    memory: [],
    start: [],
  };
  run.report.peers = result;
  const arena = new Arena(run, plan, result);
  try {
    const stores = await arena.layOut('peers', result.fileBytes / PAGE);
    if (!arena.stopped) await measureReads(arena, stores, durationMs * SHARE.reads);
    if (!arena.stopped) await measureCommits(arena, durationMs * SHARE.commits);
    if (!arena.stopped) await measureStart(arena, stores, durationMs * SHARE.start);
    if (!arena.stopped) await measureMemory(arena);
  } catch (error) {
    // Its processes end as soon as a signal comes, amid whatever they do.
    throw run.report.interrupted ? new Interrupted('stopped by a signal') : error;
  }
}

function libraries(): PeersResult['libraries'] {
  const sqlite = sqliteName(versionOf);
  const instead = sqlite === null || sqlite.startsWith('better-sqlite3') ? null : `${sqlite} in its place`;
  return (['lmdb', '@riaskov/mmap-io', 'better-sqlite3'] as const).map((name) => ({
    name,
    version: versionOf(name),
    missing: (name === 'better-sqlite3' ? instead : null) ?? whyMissing(name),
  }));
}
