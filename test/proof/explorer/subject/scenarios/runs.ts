// Runs: pages that are read together into a staging area before they have frames, while others change what was read.
import { fillRun } from '../../../../../src/protocol/run';
import { peek } from '../bytes';
import { bringIn, countedUp, countUp, onlyWholePages, watchCount } from '../promises';
import { initialWord, type Me, PAGE, type Scenario, type World } from '../world';

/** Notes. */
const COUNTED = 1;

/** Brings `count` pages from `first` on in by one run, `stride` apart. */
function runIn(world: World, me: Me, first: number, count: number, stride = 1): void {
  me.run(fillRun(me.pool, world.file, { first, count, stride, demanded: count, once: false }));
}

/** Counts the page up, makes that stable and lets the page go, as one whose frame is needed. */
function countAndLeave(world: World, me: Me, index: number): void {
  const file = me.open();
  countUp(world, file, index, COUNTED);
  file.fsyncSync();
  const frame = me.control.lookup(world.file, index);
  if (frame >= 0) me.control.evict(frame);
}

export const runs: readonly Scenario[] = [
  {
    name: 'run-write-reclaim',
    shows: 'a run, one page of which is brought in, changed, written and let go after it was staged',
    frames: 5,
    stagingPages: 2,
    preemptions: 2,
    prepare: onlyWholePages,
    actors: {
      reader: {
        run(world, me) {
          runIn(world, me, 0, 2);
          watchCount(world, me.open(), 1, 1, [COUNTED]);
        },
      },
      writer: { run: (world, me) => countAndLeave(world, me, 1) },
    },
    check: (world) => countedUp(world, 1, [COUNTED], 0),
  },
  {
    name: 'run-clean',
    shows: 'a run beside a dirty page of it that a flusher writes, and a miss that wants the frame',
    frames: 3,
    size: 64,
    stagingPages: 2,
    preemptions: 2,
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 1);
      countUp(world, world.other.open(), 1, COUNTED);
    },
    actors: {
      reader: { run: (world, me) => runIn(world, me, 0, 2) },
      cleaner: {
        run(_, me) {
          const file = me.open();
          file.fsyncSync();
          for (const index of [2, 3]) {
            const found = file.viewSync(index, (bytes) => peek(bytes, 0));
            if (found !== initialWord(index, 0)) machine.violated(`page ${index} reads ${found} (I2)`);
          }
        },
      },
    },
    check: (world) => countedUp(world, 1, [COUNTED], 0),
  },
  {
    name: 'run-run',
    long: true,
    shows: 'two runs that share a page, and an update of that page',
    frames: 5,
    stagingPages: 2,
    preemptions: 2,
    prepare: onlyWholePages,
    actors: {
      one: { run: (world, me) => runIn(world, me, 0, 2) },
      two: { run: (world, me) => runIn(world, me, 1, 2) },
      writer: { run: (world, me) => countUp(world, me.open(), 1, COUNTED) },
    },
    check: (world) => countedUp(world, 1, [COUNTED], 0),
  },
  {
    name: 'run-cut',
    shows: 'a run, pages of which are cut off, and the file extended again: they are zeros',
    frames: 5,
    stagingPages: 2,
    preemptions: 2,
    actors: {
      reader: { run: (world, me) => runIn(world, me, 1, 2) },
      cutter: {
        run(world, me) {
          const file = me.open();
          file.truncateSync(PAGE);
          file.truncateSync(3 * PAGE);
          world.note(COUNTED, 1);
        },
      },
    },
    check(world) {
      if (world.noted(COUNTED) === 0) return;
      for (const index of [1, 2]) {
        const found = world.other.open().viewSync(index, (bytes) => peek(bytes, 0));
        if (found !== 0) machine.violated(`page ${index}, which was cut off, reads ${found}`);
      }
    },
  },
];
