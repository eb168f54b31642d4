// A disk that fails: what was on its way to it is dirty again, and every success means what it says.
import type { PinfoldError } from '../../../../../src/errors';
import { peek } from '../bytes';
import { bringIn, countedUp, countUp, dirtied, fsyncAndLook, makeDirty, onlyWholePages } from '../promises';
import { initialWord, type Me, type Scenario, type World } from '../world';
import { cleanOnce } from './updates';

/** An fsync that may fail, as often as it may; each that does not is true. */
function fsyncUntilWell(world: World, me: Me, index: number, slots: number[], tries: number): void {
  const file = me.open();
  for (let n = 0; n < tries; n++) {
    try {
      fsyncAndLook(world, file, index, slots);
      return;
    } catch (error) {
      if ((error as PinfoldError).code !== 'ERR_PINFOLD_IO') throw error;
    }
  }
}

/** Reads a page that has to be brought in; making room for it may fail. */
function readIn(me: Me, index: number): void {
  try {
    const found = me.open().viewSync(index, (bytes) => peek(bytes, 0));
    if (found !== initialWord(index, 0)) machine.violated(`page ${index} reads ${found} (I2)`);
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_IO') throw error;
  }
}

function twoDirty(world: World): void {
  onlyWholePages(world);
  bringIn(world, 0, 1);
  makeDirty(world, 0, 1);
}

export const failures: readonly Scenario[] = [
  {
    name: 'failed-flush-reclaim',
    shows: 'a flush that fails, beside a miss that needs a frame of what it should have covered',
    frames: 3,
    size: 64,
    preemptions: 2,
    prepare(world) {
      twoDirty(world);
      world.disk.failNext('flush');
    },
    actors: {
      syncer: { run: (world, me) => fsyncUntilWell(world, me, 0, [dirtied(0)], 1) },
      misser: { run: (_, me) => readIn(me, 2) },
    },
    check: (world) => countedUp(world, 0, [], 1),
  },
  {
    name: 'failed-flush-writeback',
    long: true,
    shows: 'a flush that fails, a writeback that ends meanwhile, a second fsync',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      twoDirty(world);
      world.disk.failNext('flush');
    },
    actors: {
      syncer: { run: (world, me) => fsyncUntilWell(world, me, 0, [dirtied(0)], 2) },
      flusher: { run: cleanOnce, kind: 'flusher' },
      other: { run: (world, me) => fsyncUntilWell(world, me, 1, [dirtied(1)], 1) },
    },
  },
  {
    name: 'failed-write',
    shows: 'a write that fails, of a flusher or of an fsync, beside a writer',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 0);
      makeDirty(world, 0);
      world.disk.failNext('write');
    },
    actors: {
      writer: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      flusher: { run: cleanOnce, kind: 'flusher' },
      syncer: { run: (world, me) => fsyncUntilWell(world, me, 0, [1, dirtied(0)], 2) },
    },
    check: (world) => countedUp(world, 0, [1], 1),
  },
];
