// Narrow windows: each scenario is made for one rule that the others leave alone.
import type { PinfoldError } from '../../../../../src/errors';
import { Kernel } from '../../../../../src/kernel/kernel';
import * as L from '../../../../../src/kernel/layout';
import { flush } from '../../../../../src/protocol/flush';
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
} from '../promises';
import { initialWord, type Me, PAGE, type Scenario, type World } from '../world';
import { pinAndLook } from './pins';
import { cleanOnce } from './updates';

/** Notes. */
const ONE = 1;
const TWO = 2;

/** Runs what may fail with an error of this code, or has to. */
function failing(code: string, must: boolean, does: () => void): void {
  try {
    does();
  } catch (error) {
    if ((error as PinfoldError).code !== code) throw error;
    return;
  }
  if (must) machine.violated(`no ${code}`);
}

function countTwice(world: World, me: Me, slot: number): void {
  countUp(world, me.open(), 0, slot);
  countUp(world, me.open(), 0, slot + 1);
}

function stateOf(world: World, me: Me, index: number): number {
  const frame = me.control.lookup(world.file, index);
  return frame < 0 ? 0 : me.kernel.frameWord(frame, L.FRAME_STATE);
}

/** A page that something stores into once, under a write pin. */
function store(me: Me, index: number, offset: number, value: number): void {
  const page = me.open().pinSync(index, 'write');
  poke(page.bytes, offset, value);
  page.unpin();
}

/** A view that tells if the bytes moved under it and nothing has the page pinned any more. */
function viewOverUnpin(world: World, me: Me, index: number): void {
  const [first, second, pinned] = me.open().viewSync(index, (bytes) => {
    const before = peek(bytes, 8);
    const after = peek(bytes, 8);
    return [before, after, stateOf(world, me, index) & L.WRITE_MASK];
  });
  if (first !== second && pinned === 0)
    machine.violated(`a view over an unpin reads ${first}, then ${second} (I9)`);
}

/** Keeps updates from a page for as long as it needs to look twice. */
function holdAndLook(world: World, me: Me): void {
  const frame = me.control.lookup(world.file, 0);
  if (frame < 0 || me.control.startWriteback(frame, world.file, 0, 0) < 0) return;
  me.control.hold(frame);
  const ended = (me.kernel.frameWord(frame, L.FRAME_STATE) & L.UPDATING) === 0;
  const before = me.kernel.frameWord(frame, L.FRAME_USEQ);
  const updating = me.kernel.frameWord(frame, L.FRAME_STATE) & L.UPDATING;
  if (ended && (updating !== 0 || me.kernel.frameWord(frame, L.FRAME_USEQ) !== before))
    machine.violated('an update begins under HOLD');
  me.control.unhold(frame);
  me.control.giveBack(0);
}

function writeWord(me: Me, position: number, value: number): void {
  const source = new Uint8Array(4);
  new DataView(source.buffer).setInt32(0, value, true);
  me.open().writeSync(source, position);
}

/** Behind the end of the file, in its last page, are zeros, whatever was in the frame before. */
function lookBehindEnd(me: Me): void {
  const found = me.open().viewSync(2, (bytes) => peek(bytes, 12));
  if (found !== 0) machine.violated(`behind the end of the file is ${found}, not 0`);
}

/** Notes from here on, by row: whether one of the newcomers has it. */
const TAKEN = 10;

function attachAndDetach(world: World): void {
  const { geometry, module, memory } = world.places;
  const kernel = new Kernel(module, memory);
  const has = kernel.attach(geometry.serviceRows, geometry.rows, L.KIND_USER, { tid: 0, start: 0n }, 97);
  if (!has) machine.violated('no row is free, and there are more than threads');
  const row = TAKEN + kernel.owner;
  if (world.noted(row) !== 0) machine.violated(`two threads have the row ${kernel.owner}`);
  world.note(row, 1);
  world.note(row, 0);
  kernel.control.detach();
}

/** Two actors, two that recover, and who prepares and checks. */
const ATTACHED = 5;

function releaseAndRetain(world: World, { control, kernel }: Me): void {
  control.fileRelease(world.file, kernel.owner);
  if (control.fileRetain(world.file) !== 1) machine.violated('a file that others hold could not be retained');
}

/** An fsync that may fail; if it does not, it is true. */
function syncIfItCan(world: World, me: Me, index: number): void {
  failing('ERR_PINFOLD_IO', false, () => fsyncAndLook(world, me.open(), index, [dirtied(index)]));
}

const TAIL = PAGE + 8;

/** What lay behind the end of the cut file is zeros. */
function tailIsZero(world: World): void {
  const file = world.other.open();
  const found = file.viewSync(1, (bytes) => peek(bytes, 12));
  if (found !== 0) machine.violated(`behind the old end of the file is ${found}, not 0`);
}

/** Updates a page, and writes it as a flusher does. */
function writeAndClean(world: World, me: Me): void {
  failing('ERR_PINFOLD_FULL', false, () => countUp(world, me.open(), 0, ONE));
  cleanOnce(world, me);
}

export const narrows: readonly Scenario[] = [
  {
    name: 'view-unpin',
    shows: 'a view over the unpin of a write pin: the version',
    frames: 3,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      device: { run: (_, me) => store(me, 0, 8, 7001) },
      viewer: { run: (world, me) => viewOverUnpin(world, me, 0) },
    },
  },
  {
    name: 'miss-view',
    shows: 'a view of a page that is just being brought in, into a frame that was another page’s',
    frames: 2,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      misser: { run: (_, me) => pinAndLook(me, 2) },
      viewer: {
        run(_, me) {
          const found = me.open().viewSync(2, (bytes) => peek(bytes, 0));
          if (found !== initialWord(2, 0)) machine.violated(`a view of page 2 reads ${found} (I2)`);
        },
      },
    },
  },
  {
    name: 'pins-full',
    shows: 'a miss while every frame is pinned',
    frames: 2,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      pinner: {
        run: (_, me) =>
          failing('ERR_PINFOLD_FULL', false, () => {
            const page = me.open().pinSync(1);
            failing('ERR_PINFOLD_FULL', false, () => pinAndLook(me, 0));
            if (peek(page.bytes, 0) !== initialWord(1, 0)) machine.violated('page 1 moves under a pin (I2)');
            page.unpin();
          }),
      },
      misser: { run: (_, me) => failing('ERR_PINFOLD_FULL', false, () => pinAndLook(me, 2)) },
    },
  },
  {
    name: 'failed-read',
    shows: 'two threads miss a page, and the first read of it fails',
    frames: 3,
    preemptions: 2,
    prepare: (world) => world.disk.failNext('read'),
    actors: {
      one: { run: (_, me) => failing('ERR_PINFOLD_IO', false, () => pinAndLook(me, 1)) },
      two: { run: (_, me) => failing('ERR_PINFOLD_IO', false, () => pinAndLook(me, 1)) },
    },
  },
  {
    name: 'tail-miss',
    shows: "two threads miss the file's last page, which it has in part",
    frames: 2,
    size: 2 * PAGE + 8,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: { one: { run: (_, me) => lookBehindEnd(me) }, two: { run: (_, me) => lookBehindEnd(me) } },
  },
  {
    name: 'wait-two',
    shows: 'two updates that wait for a third',
    frames: 6,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      one: { run: (world, me) => countUp(world, me.open(), 0, ONE) },
      two: { run: (world, me) => countUp(world, me.open(), 0, TWO) },
      three: { run: (world, me) => countUp(world, me.open(), 0, 3) },
    },
    check: (world) => countedUp(world, 0, [ONE, TWO, 3], 0),
  },
  {
    name: 'update-hits',
    shows: 'updates of a page by threads that have all that it takes',
    frames: 5,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      one: { run: (world, me) => countTwice(world, me, ONE) },
      two: { run: (world, me) => countTwice(world, me, 3) },
    },
    check: (world) => countedUp(world, 0, [ONE, TWO, 3, 4], 0),
  },
  {
    name: 'scan-scan',
    shows: 'a scanner that forgets a group, an update in that group, and the scan of the next fsync',
    frames: 4,
    preemptions: 3,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
      world.other.open().fsyncSync();
    },
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      writer: {
        run(world, me) {
          countUp(world, me.open(), 0, ONE);
          fsyncAndLook(world, me.open(), 0, [ONE]);
        },
      },
    },
    check: (world) => countedUp(world, 0, [ONE], 1),
  },
  {
    name: 'scan-reuse',
    shows: 'a flusher whose frame gets another dirty page between its scan and its writeback',
    frames: 3,
    size: 64,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      updater: { run: (world, me) => countUp(world, me.open(), 2, ONE) },
    },
    check(world) {
      countedUp(world, 0, [], 1);
      countedUp(world, 2, [ONE], 0);
    },
  },
  {
    name: 'write-write-sync',
    shows: 'two updates of a clean page, and an fsync after the second',
    frames: 5,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      one: { run: (world, me) => countUp(world, me.open(), 0, ONE) },
      two: {
        run(world, me) {
          countUp(world, me.open(), 0, TWO);
          fsyncAndLook(world, me.open(), 0, [ONE, TWO]);
        },
      },
    },
    check: (world) => countedUp(world, 0, [ONE, TWO], 0),
  },
  {
    name: 'update-reclaim',
    shows: 'a second update of a page whose frame a miss takes meanwhile',
    frames: 2,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      updater: {
        run(world, me) {
          for (const slot of [ONE, TWO]) {
            failing('ERR_PINFOLD_FULL', false, () => countUp(world, me.open(), 0, slot));
          }
        },
      },
      misser: { run: (_, me) => failing('ERR_PINFOLD_FULL', false, () => pinAndLook(me, 2)) },
    },
    check(world) {
      countedUp(world, 0, [ONE, TWO], 0);
      countedUp(world, 2, [], 0);
    },
  },
  {
    name: 'hold-update',
    shows: 'HOLD, and an update that would begin',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
    },
    actors: {
      holder: { run: holdAndLook, kind: 'flusher' },
      updater: { run: (world, me) => countUp(world, me.open(), 0, ONE) },
    },
    check: (world) => countedUp(world, 0, [ONE], 1),
  },
  {
    name: 'reentrant',
    shows: 'a view and an update inside an update of the same page',
    frames: 4,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      updater: {
        run(_, me) {
          const file = me.open();
          file.updateSync(0, () => {
            failing('ERR_PINFOLD_REENTRANT', true, () => file.viewSync(0, (bytes) => peek(bytes, 0)));
            failing('ERR_PINFOLD_REENTRANT', true, () => file.updateSync(0, (bytes) => poke(bytes, 0, 0)));
          });
        },
      },
      viewer: {
        run(_, me) {
          const found = me.open().viewSync(0, (bytes) => peek(bytes, 0));
          if (found !== initialWord(0, 0)) machine.violated(`a view of page 0 reads ${found} (I9)`);
        },
      },
    },
  },
  {
    name: 'flush-write-sync',
    shows: 'a page that is written while a flush runs, and the next fsync',
    frames: 4,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      syncer: {
        run(world, me) {
          fsyncAndLook(world, me.open(), 0, [ONE, dirtied(0)]);
          fsyncAndLook(world, me.open(), 0, [ONE, dirtied(0)]);
        },
      },
      writer: { run: writeAndClean },
    },
  },
  {
    name: 'flush-write-miss',
    shows: 'a page that is written while a flush runs, and a miss that wants its frame',
    frames: 3,
    size: 64,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      syncer: {
        run(world, me) {
          fsyncAndLook(world, me.open(), 0, [ONE, dirtied(0)]);
          failing('ERR_PINFOLD_FULL', false, () => pinAndLook(me, 2));
        },
      },
      writer: { run: writeAndClean },
    },
    check: (world) => countedUp(world, 0, [ONE], 1),
  },
  {
    name: 'failed-flush-pin',
    shows: 'a flush that fails, a read pin on what it should have covered, and the next fsync',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 0);
      makeDirty(world, 0);
      world.disk.failNext('flush');
    },
    actors: {
      syncer: {
        run(world, me) {
          syncIfItCan(world, me, 0);
          syncIfItCan(world, me, 0);
        },
      },
      pinner: { run: (_, me) => me.open().pinSync(0).unpin() },
    },
  },
  {
    name: 'round-join',
    shows: 'an fsync that joins the round of another just before it closes',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
    },
    actors: {
      one: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [dirtied(0)]) },
      two: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [dirtied(0)]) },
    },
  },
  {
    name: 'failed-write-sync',
    shows: 'a writeback that fails under an fsync that has passed its page',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      onlyWholePages(world);
      bringIn(world, 0);
      makeDirty(world, 0);
      world.disk.failNext('write');
    },
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      syncer: { run: (world, me) => syncIfItCan(world, me, 0) },
    },
  },
  {
    name: 'failed-flush-end',
    shows: 'a flush that fails between the write of a writeback and its end',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      makeDirty(world, 1);
      cleanOnce(world, world.other);
      makeDirty(world, 0);
      world.disk.failNext('flush');
    },
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      reclaimer: {
        run(world, me) {
          me.run(flush(me.pool, world.file));
          syncIfItCan(world, me, 0);
        },
      },
    },
  },
  {
    name: 'failed-flush-round',
    shows: 'a flush that fails, of a reclaimer, beside a round',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      makeDirty(world, 1);
      cleanOnce(world, world.other);
      makeDirty(world, 0);
      world.disk.failNext('flush');
    },
    actors: {
      reclaimer: { run: (world, me) => me.run(flush(me.pool, world.file)) },
      syncer: {
        run(world, me) {
          syncIfItCan(world, me, 1);
          syncIfItCan(world, me, 0);
        },
      },
    },
  },
  {
    name: 'refused-cut-extend',
    shows: 'a cut that the system refuses, beside a write that extends the file',
    frames: 6,
    size: 2 * PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      world.disk.failNext('resize');
    },
    actors: {
      cutter: { run: (_, me) => failing('ERR_PINFOLD_IO', false, () => me.open().truncateSync(PAGE)) },
      writer: {
        run(world, me) {
          writeWord(me, 2 * PAGE + 4, 9002);
          world.note(ONE, 1);
        },
      },
    },
    check(world) {
      if (world.noted(ONE) === 0 || world.bereaved) return; // who recovers the cutter is not refused
      const { size } = world.other.open();
      if (size !== 2 * PAGE + 8) machine.violated(`a write has extended the file, which has ${size} bytes`);
    },
  },
  {
    name: 'refused-cut-tail',
    shows: 'a cut within a dirty page that the system refuses, beside an fsync',
    frames: 5,
    size: 2 * PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 1);
      writeWord(world.other, PAGE + 12, 9001);
      world.disk.failNext('resize');
    },
    actors: {
      cutter: { run: (_, me) => failing('ERR_PINFOLD_IO', false, () => me.open().truncateSync(TAIL)) },
      syncer: {
        run(world, me) {
          me.open().fsyncSync();
          if (world.bereaved) return; // who recovers the cutter is not refused
          const stable = machine.atomically(() => world.disk.stable(1, 3));
          if (stable !== 9001)
            machine.violated(`fsync has returned: ${stable} is stable behind a cut that was refused (I5)`);
        },
      },
    },
  },
  {
    name: 'refused-cut-cut',
    shows:
      'two cuts, one of which the system refuses: the larger size does not pass for an extension beside the smaller',
    frames: 6,
    size: 2 * PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      world.disk.failNext('resize');
    },
    actors: {
      less: {
        run: (world, me) =>
          failing('ERR_PINFOLD_IO', false, () => {
            me.open().truncateSync(PAGE);
            world.note(ONE, 1);
          }),
      },
      more: {
        run: (world, me) =>
          failing('ERR_PINFOLD_IO', false, () => {
            me.open().truncateSync(PAGE + 8);
            world.note(TWO, 1);
          }),
      },
    },
    check(world) {
      if (world.bereaved) return; // who recovers a cutter is not refused
      const { size } = world.other.open();
      const less = world.noted(ONE) !== 0;
      if (less === (world.noted(TWO) !== 0)) machine.violated('of two cuts not one was refused');
      if (size !== (less ? PAGE : PAGE + 8))
        machine.violated(`a truncate has returned, and the file has ${size} bytes`);
    },
  },
  {
    name: 'recovery-race',
    shows: 'two threads want to recover the same dead one',
    frames: 3,
    undertakers: 2,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: { pinner: { run: (_, me) => pinAndLook(me, 0) } },
  },
  {
    name: 'recovery-attach',
    shows: 'a thread that attaches while a dead one is recovered: whose row it may get',
    frames: 3,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      pinner: { run: (_, me) => pinAndLook(me, 0) },
      newcomer: { immortal: true, run: attachAndDetach },
    },
  },
  {
    name: 'attach-attach',
    shows: 'two threads attach and detach at the same time: each has a row of its own',
    frames: 3,
    preemptions: 2,
    actors: {
      one: { immortal: true, run: attachAndDetach },
      two: { immortal: true, run: attachAndDetach },
    },
  },
  {
    name: 'retain-retain',
    shows: 'two threads drop and take references to a file at the same time: none is lost',
    frames: 3,
    preemptions: 2,
    actors: { one: { run: releaseAndRetain }, two: { run: releaseAndRetain } },
    check(world) {
      if (world.bereaved) return; // recovery has dropped one
      const refs = world.other.kernel.fileWord(world.file, L.FILE_REFS);
      if (refs !== ATTACHED) machine.violated(`${refs} references to the file, of ${ATTACHED} threads`);
    },
  },
  {
    name: 'life-life',
    shows: 'a thread closes the cache for good, beside one that tries to and takes it back: it stays closed',
    frames: 3,
    preemptions: 2,
    actors: {
      closer: {
        run(_, { control }) {
          control.setLife(L.LIFE_CLOSING);
          control.setLife(L.LIFE_CLOSED);
        },
      },
      other: {
        run(_, { control }) {
          control.setLife(L.LIFE_CLOSING);
          control.setLife(L.LIFE_OPEN);
        },
      },
    },
    check(world) {
      const life = Atomics.load(machine.words, L.HEADER_LIFE >> 2);
      if (!world.bereaved && life !== L.LIFE_CLOSED) machine.violated(`a closed cache has life ${life}`);
      Atomics.store(machine.words, L.HEADER_LIFE >> 2, L.LIFE_OPEN); // for who looks at all after it
    },
  },
  {
    name: 'block-blocks',
    shows: 'an fsync with `block`, which returns once a pin that was held before is dropped',
    frames: 4,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0);
      makeDirty(world, 0);
    },
    actors: {
      holder: {
        run(world, me) {
          const page = me.open().pinSync(0, 'write');
          world.note(ONE, 1);
          world.note(TWO, 1); // about to drop it
          page.unpin();
        },
      },
      syncer: {
        run(world, me) {
          const held = world.noted(ONE) !== 0;
          me.open().fsyncSync({ policy: 'block' });
          if (held && world.noted(TWO) === 0 && !world.bereaved)
            machine.violated('an fsync with `block` has returned, and the pin is held');
        },
      },
    },
  },
  {
    name: 'cut-tail',
    shows: 'a cut within a page, and a write that extends the file again',
    frames: 6,
    size: 2 * PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      writeWord(world.other, PAGE + 12, 9001);
    },
    actors: {
      cutter: {
        run(world, me) {
          me.open().truncateSync(TAIL);
          world.note(ONE, 1);
        },
      },
      writer: { run: (_, me) => writeWord(me, 2 * PAGE + 4, 9002) },
    },
    check(world) {
      if (world.noted(ONE) !== 0) tailIsZero(world);
    },
  },
  {
    name: 'cut-litter',
    shows: 'what a device leaves behind the end of a file that was cut, and a write that extends it',
    frames: 6,
    size: 2 * PAGE,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      cutter: { run: (_, me) => me.open().truncateSync(TAIL) },
      device: {
        run(world, me) {
          store(me, 1, 12, 5555);
          // What it stores into a range that an update owns, as that which zeroes the gap, is its own race. So: none is under
          // way, and none has extended the file, now that the pin is dropped.
          const updating = stateOf(world, me, 1) & L.UPDATING;
          if (updating === 0 && me.open().size === TAIL) world.note(TWO, 1);
        },
      },
      writer: {
        run(world, me) {
          // What a device stores while the gap is being zeroed is its own race with the write.
          if (world.noted(TWO) !== 0) writeWord(me, 2 * PAGE + 4, 9002);
        },
      },
    },
    check(world) {
      // Only what the file has: it has it since the write.
      if (world.noted(TWO) !== 0 && world.other.open().size > TAIL) tailIsZero(world);
    },
  },
];
