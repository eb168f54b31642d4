// The process that the second half of the storm kills: a cache of its own, threads that write, and a pipe for what is committed.
import { PageCache } from 'pinfold';
import { startThread } from '../programs.ts';
import { shareDatabase } from '../vfs/share.ts';
import type { Control } from './controls.ts';
import type { StormTask } from './writer.ts';

export interface VictimTask {
  readonly path: string;
  /** The number of the first writer; the others have the next ones. */
  readonly first: number;
  readonly writers: number;
  readonly control: Control | undefined;
}

/** The descriptor that the parent reads from. */
const PIPE = 3;

const { path, first, writers, control } = JSON.parse(process.argv[2] ?? '') as VictimTask;
const cache = await PageCache.create({ memory: 2 << 20 });
const shared = await shareDatabase(path, cache);
for (let n = 0; n < writers; n++) {
  const task: StormTask = { role: 'writer', shared, number: first + n, acks: { pipe: PIPE }, control };
  startThread(task);
}
// It never ends by itself, unless its parent does: the pipe breaks, and a writer that fails ends the process.
