// One run of the bench: its files, its progress, its stop, and what it found so far.
import { PageCache } from 'pinfold';
import { createKeeping, type PinnedDirty } from '#harness';
import { raiseStop, type StopWord, withDeadline } from './clock';
import { Crew } from './crew';
import type { BenchFiles } from './files';
import type { BenchOptions } from './options';
import type { Progress } from './report/progress';
import type { BenchReport } from './schema';

export interface Run {
  options: BenchOptions;
  files: BenchFiles;
  progress: Progress;
  /** Raised by a signal, or by a role that failed: every role ends soon after. */
  stop: StopWord;
  report: BenchReport;
  /** CPU time of processes that the run has started and that have ended, µs. */
  childrenCpu: { user: number; system: number };
  /** Next unused commit sequence number: each commit of a run has its own. */
  nextSequence: number;
}

export type CacheOptions = NonNullable<Parameters<typeof PageCache.create>[0]> & {
  /** Default: 'redirty', as shipped. */
  pinnedDirty?: PinnedDirty;
};

const CACHE_DEADLINE_MS = 15_000;

/** Runs `work` with a cache of its own, closed afterwards, so that the next one may open the same files. */
export async function withCache<T>(
  { pinnedDirty, ...options }: CacheOptions,
  work: (cache: PageCache) => Promise<T>,
): Promise<T> {
  const created = pinnedDirty === 'keep' ? createKeeping(options) : PageCache.create(options);
  const cache = await withDeadline(created, CACHE_DEADLINE_MS, 'PageCache.create');
  const close = () => withDeadline(cache.close(), CACHE_DEADLINE_MS, 'PageCache.close');
  let result: T;
  try {
    result = await work(cache);
  } catch (error) {
    // A role that failed may have left pins, which close refuses: its own error is the one to tell of.
    await close().catch(() => {});
    throw error;
  }
  await close();
  return result;
}

/** Runs `work` with worker threads for `threads` roles at once, ended afterwards. */
export async function withCrew<T>(threads: number, work: (crew: Crew) => Promise<T>): Promise<T> {
  const crew = new Crew(threads);
  try {
    return await work(crew);
  } finally {
    await crew.close();
  }
}

/** A signal ended a role in the middle of its work; the run reports what it has. */
export class Interrupted extends Error {}

/** Waits for all roles of a cell; the first that fails stops the others, which hold pins that somebody may wait for. */
export async function together<T extends readonly unknown[]>(
  run: Run,
  roles: { [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  const stopOthers = (error: unknown): never => {
    raiseStop(run.stop);
    throw error;
  };
  const settled = await Promise.allSettled(roles.map((role) => role.catch(stopOthers)));
  const failed = settled.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined)
    throw run.report.interrupted ? new Interrupted('stopped by a signal') : failed.reason;
  return (await Promise.all(roles)) as unknown as T;
}
