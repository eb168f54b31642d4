// Updates, and who reads or copies a page meanwhile.
import { cleanablePages, writeBack } from '../../../../../src/protocol/writeback';
import { peek, poke } from '../bytes';
import {
  bringIn,
  countedUp,
  countUp,
  dirtied,
  dirtyPages,
  fsyncAndLook,
  makeDirty,
  onlyWholePages,
  watchCount,
} from '../promises';
import type { Me, Scenario, World } from '../world';

/** Writes back what can be cleaned, as a flusher does. */
export function cleanOnce(world: World, me: Me): void {
  me.run(writeBack(me.pool, world.file, cleanablePages(me.pool, world.file, 64), 'skip', 1));
}

/** An update that changes its mind. */
function updateInVain(me: Me, index: number): void {
  try {
    me.open().updateSync(index, (bytes) => {
      poke(bytes, 0, 1);
      poke(bytes, 4, 1);
      throw new Error('in vain');
    });
  } catch (error) {
    if ((error as Error).message !== 'in vain') throw error;
  }
}

export const updates: readonly Scenario[] = [
  {
    name: 'update-view-copy',
    shows: 'an update, a view, and a writeback that copies the page',
    frames: 4,
    prepare: (world) => dirtyPages(world, 0),
    preemptions: 2,
    actors: {
      updater: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      viewer: { run: (world, me) => watchCount(world, me.open(), 0, 1, [1, dirtied(0)]) },
      flusher: { run: cleanOnce, kind: 'flusher' },
    },
    check: (world) => countedUp(world, 0, [1], 1),
  },
  {
    name: 'update-update',
    shows: 'two updates of a page, one of which waits for the other',
    frames: 5,
    prepare: (world) => bringIn(world, 0),
    actors: {
      one: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      two: { run: (world, me) => countUp(world, me.open(), 0, 2) },
    },
    check: (world) => countedUp(world, 0, [1, 2], 0),
  },
  {
    name: 'undo-copy-view',
    shows: 'an update that throws, while the page is copied and viewed',
    frames: 4,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      updater: { run: (_, me) => updateInVain(me, 0) },
      viewer: { run: (world, me) => watchCount(world, me.open(), 0, 1, [dirtied(0)]) },
      flusher: { run: cleanOnce, kind: 'flusher' },
    },
    check: (world) => countedUp(world, 0, [], 1),
  },
  {
    name: 'update-nested',
    shows: 'updates of two pages, one inside the other, and an fsync',
    frames: 6,
    preemptions: 2,
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 0, 1);
      makeDirty(world, 1);
    },
    actors: {
      updater: {
        run(world, me) {
          const file = me.open();
          file.updateSync(0, (bytes) => {
            const next = peek(bytes, 0) + 1;
            poke(bytes, 0, next);
            countUp(world, file, 1, 2);
            poke(bytes, 4, next + 1);
          });
        },
      },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 1, [2, dirtied(1)]) },
    },
  },
];
