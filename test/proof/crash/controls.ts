// Each mistake, planted in the library or its store: how soon it is found.
import type { Control } from '../part.ts';
import type { Mistakes } from './mistakes.ts';
import { isOfMount, Mount } from './mount.ts';
import { record, type Workload } from './run.ts';
import { Cover, Sweep } from './sweep.ts';
import { bySeed, named } from './workloads.ts';

const controls: readonly (readonly [what: string, mistakes: Mistakes])[] = [
  ['a store whose flush does nothing', { flushDoesNothing: true }],
  ['an fsync that skips pinned pages', { fsyncSkipsPinned: true }],
  ['a flush that covers what is written while it runs', { flushCoversLater: true }],
  ['an fsync that returns before its flush', { fsyncBeforeFlush: true }],
  ['a failed flush after which nothing is written again', { failedFlushForgotten: true }],
  ['a writeback that copies half of each page', { halfCopied: true }],
  ['a writeback that copies updates half done', { halfUpdates: true }],
  ['a writeback that writes past the end', { endNotMinded: true }],
  ['a truncate that never reaches the store', { resizeForgotten: true }],
  ['a truncate that does not wait for writes under way', { cutWaitsNot: true }],
  ["an fsync that does not wait for others' writes", { fsyncWaitsNot: true }],
  ['a write that fails taken for one that went well', { writeErrorIgnored: true }],
  ['pages that are written and not flushed taken for stable', { unstableForgotten: true }],
  ['a write pin whose drop leaves its page clean', { dropForgotten: true }],
  ['a page with a checksum that is stored into after it was taken', { sealedAlive: true }],
  ['a checksum that is not verified', { checksumIgnored: true }],
  ['a part of a page taken for all of it', { partIsWhole: true }],
  ['a file with a torn end that is not opened', { tornEndRefused: true }],
  ['a file with a torn end taken for a shorter one', { tornEndDropped: true }],
  ['a file with a torn end that is extended', { tornEndExtended: true }],
  ['a new file whose directory is never synced', { directoryForgotten: true }],
];

/** Workloads by seed in which a mistake must be found. */
const SEEDS = 150;

export async function runControls(mount: Mount, seed: number): Promise<Control[]> {
  const found: Control[] = [];
  for (const [what, mistakes] of controls) {
    const cover = new Cover();
    const opened = isOfMount(mistakes) ? new Mount(mistakes) : mount;
    const wrong = await findMistake(mistakes, opened, seed, cover);
    const where = `after ${cover.states} states of ${cover.workloads} workloads: ${wrong}`;
    found.push({ what: wrong === undefined ? what : `${what} (${where})`, caught: wrong !== undefined });
  }
  return found;
}

/** In which workload a mistake was found, and how; undefined: in none. */
export async function findMistake(
  mistakes: Mistakes,
  mount: Mount,
  seed: number,
  cover: Cover,
): Promise<string | undefined> {
  for (const workload of [...named, ...seeds(seed)]) {
    const recording = await record(workload, mistakes).catch(() => undefined);
    if (recording === undefined) continue; // the library noticed by itself: that is no proof of what is done here
    // Only these need torn pages; all else is there or not.
    const sweep = new Sweep(recording, mount, cover, !isOfMount(mistakes));
    sweep.run(seed, () => sweep.wrong.length > 0);
    const [wrong] = sweep.wrong;
    if (wrong !== undefined) return `${workload.name}, ${wrong.what}`;
  }
  return undefined;
}

function* seeds(seed: number): Generator<Workload> {
  for (let n = 0; n < SEEDS; n++) yield bySeed(seed + n);
}
