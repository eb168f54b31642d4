// Writers, flushers, fsync; pins that outlast them.
import { peek, poke } from '../bytes';
import { bringIn, countUp, dirtied, dirtyPages, fsyncAndLook, makeDirty, onlyWholePages } from '../promises';
import { initialWord, type Me, type Scenario, type World } from '../world';
import { cleanOnce } from './updates';

/** Notes. */
const DMA = 3;
const SYNCED = 4;

/** Something stores into a page under a write pin; what it stored is promised once the pin is dropped. */
function dma(world: World, me: Me, index: number): void {
  const page = me.open().pinSync(index, 'write');
  poke(page.bytes, 8, 7001);
  poke(page.bytes, 12, 7002);
  page.unpin();
  world.note(DMA, 7002);
}

/** Fsyncs; what was stored under a pin that was dropped before must be stable. */
function fsyncAfterDma(world: World, me: Me, index: number): void {
  const done = world.noted(DMA);
  fsyncAndLook(world, me.open(), index, [1, dirtied(index)]);
  if (done === 0) return;
  machine.atomically(() => {
    const { disk } = world;
    const stored = [disk.stable(index, 2), disk.stable(index, 3)];
    if (stored[0] !== 7001 || stored[1] !== 7002)
      machine.violated(
        `fsync has returned: ${stored} is stable of what was stored under a pin dropped before (I5)`,
      );
  });
}

function dmaAcross(pinned: 'keep' | 'redirty'): Scenario {
  return {
    name: `dma-bounce-${pinned}`,
    shows: `stores under a write pin, an fsync that bounces, the unpin; ${pinned}`,
    frames: 4,
    pinned,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      device: { run: (world, me) => dma(world, me, 0) },
      syncer: { run: (world, me) => fsyncAfterDma(world, me, 0) },
    },
    check(world) {
      world.other.open().fsyncSync();
      if (world.noted(DMA) !== 0 && world.disk.stable(0, 3) !== 7002)
        machine.violated('what was stored under the pin never got to the disk (I4)');
    },
  };
}

export const writebacks: readonly Scenario[] = [
  {
    name: 'write-flush-sync',
    shows: 'a writer, a flusher and an fsync of a page',
    frames: 4,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      writer: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      flusher: { run: cleanOnce, kind: 'flusher' },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [1, dirtied(0)]) },
    },
  },
  {
    name: 'sync-sync',
    shows: 'two fsyncs and a writer: rounds, and whose callers they answer',
    frames: 4,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      writer: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      one: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [1, dirtied(0)]) },
      two: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [1, dirtied(0)]) },
    },
  },
  dmaAcross('keep'),
  dmaAcross('redirty'),
  {
    name: 'dma-writer-sync',
    shows: 'a device, a writer with a range of its own and an fsync at one page',
    frames: 4,
    preemptions: 2,
    pinned: 'redirty',
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 0);
    },
    actors: {
      device: { run: (world, me) => dma(world, me, 0) },
      writer: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      syncer: { run: (world, me) => fsyncAfterDma(world, me, 0) },
    },
  },
  {
    name: 'pinner-waits-for-sync',
    shows: 'who holds a write pin waits for an fsync: with bounce both come through',
    frames: 4,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
    },
    actors: {
      holder: {
        immortal: true,
        run(world, me) {
          const page = me.open().pinSync(0, 'write');
          const at = world.places.notesAt + SYNCED;
          while (world.noted(SYNCED) === 0) Atomics.wait(machine.words, at, 0, Number.POSITIVE_INFINITY);
          page.unpin();
        },
      },
      syncer: {
        immortal: true,
        run(world, me) {
          fsyncAndLook(world, me.open(), 0, [dirtied(0)]);
          world.note(SYNCED, 1);
          Atomics.notify(machine.words, world.places.notesAt + SYNCED);
        },
      },
    },
  },
  {
    name: 'block-last-unpin',
    shows: 'an fsync that waits for pins, and the unpin of the last of two',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
    },
    actors: {
      one: { run: (world, me) => dma(world, me, 0) },
      two: { run: (_, me) => me.open().pinSync(0, 'write').unpin() },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [dirtied(0)], 'block') },
    },
  },
  {
    name: 'staging',
    shows: 'two flushers that share one staging area, and an fsync that has one of its own',
    frames: 4,
    stagingPages: 1,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0, 1),
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      other: { run: cleanOnce },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 1, [dirtied(1)]) },
    },
  },
  {
    name: 'dirty-miss',
    shows: 'a miss in a pool of dirty pages, which it has to clean and flush, beside a writer and an fsync',
    frames: 3,
    size: 64,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0, 1),
    actors: {
      misser: {
        run(_, me) {
          const found = me.open().viewSync(2, (bytes) => peek(bytes, 0));
          if (found !== initialWord(2, 0)) machine.violated(`page 2 reads ${found} (I2)`);
        },
      },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [dirtied(0)]) },
    },
  },
];
