// A process that is to be killed: opens the files that its predecessor was killed over through a cache, judges what it
// sees there by plain reads, lets threads work on them, and dies with its parent if nobody kills it.
import fs from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CachedFile } from 'pinfold';
import { createHarness } from '#harness';
import { directObstacle } from '../../support/direct.ts';
import { Board } from './board.ts';
import { FILES, type FileSpec, firstNumber, nameOf, numberAt, PAGE, PLACE } from './files.ts';
import { send } from './messages.ts';
import { ROLES, type WorkerData } from './roles.ts';

/** It is killed long before; if the parent has forgotten it, it goes by itself, ms. */
const LIFE_MS = 30_000;

export interface ChildOptions {
  readonly directory: string;
  readonly generation: number;
  readonly seed: number;
  readonly pinnedDirty: 'keep' | 'redirty';
  readonly plant: Plant | undefined;
}

/** Mistakes that the parent must notice: fsync passes pinned pages over, is told too early, an unpin forgets the page. */
export type Plant = 'skip' | 'early' | 'clean';

process.stdin.on('close', () => process.exit(1)).resume();
setTimeout(() => process.exit(2), LIFE_MS).unref();

const options = JSON.parse(process.argv[2]!) as ChildOptions;

/** What the cache shows of a file must be what is in it. Tells the threads where they begin. */
function take(file: FileSpec, handle: CachedFile, board: Board): void {
  const path = join(options.directory, nameOf(file));
  const plain = fs.readFileSync(path);
  if (handle.size !== plain.length) {
    send('wrong', { text: `${nameOf(file)} has ${plain.length} bytes, through the cache ${handle.size}` });
  }
  const bytes = new Uint8Array(plain.length);
  handle.readSync(bytes, 0);
  if (!plain.equals(bytes)) send('wrong', { text: `${nameOf(file)} has other bytes through the cache` });
  for (let place = 0; place * PLACE < bytes.length; place++) {
    const part = bytes.subarray(place * PLACE, (place + 1) * PLACE);
    board.set(file, place, numberAt(file, place, part));
  }
  if (file.kind === 'grown') board.size = bytes.length;
}

// By turns, so that each finds what the other has left.
const direct = options.generation % 2 === 1 && directObstacle(options.directory) === undefined;
const board = new Board();
board.last = firstNumber(options.generation);
const { cache } = await createHarness({
  memory: 64 * PAGE, // fewer frames than there are pages: they are reclaimed, too
  pinnedDirty: options.pinnedDirty,
  writebackIntervalMs: 5,
  dirtyExpireMs: 10,
});
for (const file of FILES) {
  const handle = cache.openSync(join(options.directory, nameOf(file)), { direct });
  take(file, handle, board);
  handle.closeSync();
}
send('opened');

let working = 0;
for (const role of ROLES) {
  const { directory, seed, plant } = options;
  const workerData: WorkerData = {
    handle: cache.handle,
    board: board.memory,
    role,
    directory,
    seed,
    direct,
    plant,
  };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
  worker.on('error', (error) => send('wrong', { text: `${role}: ${error.stack}` }));
  worker.once('message', () => {
    if (++working === ROLES.length) send('ready');
  });
}
// Workers keep the process; a guard, so that it is there to be killed even if they fail.
setInterval(() => {}, 1000);
