// The file's end moves: pages beyond it leave, those that somebody holds as orphans; what comes back is zeros.
import type { PinfoldError } from '../../../../../src/errors';
import { peek, poke } from '../bytes';
import { bringIn, fsyncAndLook } from '../promises';
import { initialWord, type Me, PAGE, type Scenario } from '../world';
import { cleanOnce } from './updates';

/** The first word of a page, or −1 where the file ends before it. */
function firstWord(me: Me, index: number): number {
  try {
    return me.open().viewSync(index, (bytes) => peek(bytes, 0));
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_RANGE') throw error;
    return -1;
  }
}

function mayBe(what: string, found: number, ...values: number[]): void {
  if (!values.includes(found)) machine.violated(`${what} is ${found}, not one of ${values}`);
}

function writeWord(me: Me, position: number, value: number): void {
  const source = new Uint8Array(4);
  new DataView(source.buffer).setInt32(0, value, true);
  me.open().writeSync(source, position);
}

/** A page that is pinned all the while; late bytes are nobody's. */
function holdAndStore(me: Me, index: number): void {
  let page: { bytes: Uint8Array; unpin(): void };
  try {
    page = me.open().pinSync(index, 'write');
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_RANGE') throw error;
    return;
  }
  poke(page.bytes, 0, 5555);
  mayBe('what was stored under a pin', peek(page.bytes, 0), 5555);
  page.unpin();
}

/** Cuts all but the first page off; the system may refuse. */
function cutInVain(me: Me): void {
  try {
    me.open().truncateSync(PAGE);
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_IO') throw error;
  }
}

export const truncates: readonly Scenario[] = [
  {
    name: 'miss-reclaim-cut',
    shows: 'a miss beyond the new end of a file that is being cut, in a pool with one frame to spare',
    frames: 3,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      cutter: { run: (_, me) => me.open().truncateSync(PAGE) },
      misser: { run: (_, me) => mayBe('page 2', firstWord(me, 2), initialWord(2, 0), -1) },
      reader: { run: (_, me) => mayBe('page 1', firstWord(me, 1), initialWord(1, 0), -1) },
    },
  },
  {
    name: 'extend-writeback-cut',
    long: true,
    shows: 'a write that extends the file, a writeback of its last page, and a cut through that page',
    frames: 5,
    size: PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0);
      writeWord(world.other, 12, 9001);
    },
    actors: {
      writer: { run: (_, me) => writeWord(me, PAGE, 9002) },
      flusher: { run: cleanOnce, kind: 'flusher' },
      cutter: { run: (_, me) => me.open().truncateSync(8) },
    },
    check(world) {
      const file = world.other.open();
      // A writer that dies between the two may have filled the gap, and not come to its own bytes.
      const sizes = world.bereaved ? [8, PAGE, PAGE + 4] : [8, PAGE + 4];
      mayBe('the size of the file', file.size, ...sizes);
      if (file.size !== PAGE + 4) return;
      // Extended after the cut, or cut after it was extended; in the first case what was cut off is zeros.
      const found = file.viewSync(0, (bytes) => peek(bytes, 12));
      mayBe('what was cut off page 0', found, 0, 9001);
      mayBe('what was written', firstWord(world.other, 1), 9002);
    },
  },
  {
    name: 'gap-cut',
    shows: 'a write that leaves a gap behind the end, and a cut through the page with the gap',
    frames: 6,
    size: 2 * PAGE,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 1);
      writeWord(world.other, PAGE + 12, 9001);
    },
    actors: {
      writer: { run: (_, me) => writeWord(me, 2 * PAGE + 4, 9002) },
      cutter: { run: (_, me) => me.open().truncateSync(PAGE + 8) },
    },
    check(world) {
      const file = world.other.open();
      if (file.size < PAGE + 8) machine.violated(`the file has ${file.size} bytes`);
      if (file.size <= PAGE + 8) return;
      const found = file.viewSync(1, (bytes) => peek(bytes, 12));
      mayBe('what was cut off page 1', found, 0, 9001);
      if (file.size !== 2 * PAGE + 8) return;
      mayBe('what lies in the gap', firstWord(world.other, 2), 0);
      mayBe(
        'what was written',
        file.viewSync(2, (bytes) => peek(bytes, 4)),
        9002,
      );
    },
  },
  {
    name: 'orphan-reuse',
    shows: 'a pinned page is cut off and the file extended again: another page by the same number',
    frames: 6,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1, 2),
    actors: {
      holder: { run: (_, me) => holdAndStore(me, 2) },
      cutter: {
        run(world, me) {
          const file = me.open();
          file.truncateSync(2 * PAGE);
          world.note(1, 1);
          file.truncateSync(3 * PAGE);
        },
      },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 0, []) },
    },
    check(world) {
      if (world.noted(1) !== 0 && world.other.open().size === 3 * PAGE)
        mayBe('the page that came anew', firstWord(world.other, 2), 0, 5555);
    },
  },
  {
    name: 'refused-cut-write',
    shows: 'a cut that the system refuses, beside a write beyond it',
    frames: 6,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 2);
      world.disk.failNext('resize');
    },
    actors: {
      cutter: { run: (_, me) => cutInVain(me) },
      writer: { run: (_, me) => writeWord(me, 2 * PAGE, 9003) },
    },
    check(world) {
      if (world.other.open().size <= 2 * PAGE) return; // the cutter has died, and who recovered it was not refused
      mayBe('what was written', firstWord(world.other, 2), 9003, initialWord(2, 0));
    },
  },
  {
    name: 'refused-cut-sync',
    shows: 'a cut that the system refuses, beside an fsync of what was written beyond it',
    frames: 6,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 0, 2);
      writeWord(world.other, 2 * PAGE, 9003);
      world.disk.failNext('resize');
    },
    actors: {
      cutter: { run: (_, me) => cutInVain(me) },
      syncer: {
        run(world, me) {
          const file = me.open();
          file.fsyncSync();
          const size = file.size; // not within the one step: another thread may be about to publish one
          machine.atomically(() => {
            if (size > 2 * PAGE && world.disk.stable(2, 0) !== 9003)
              machine.violated('fsync has returned without a write beyond a cut that was refused (I5)');
          });
        },
      },
    },
  },
  {
    name: 'cut-cut',
    shows: 'two cuts of a file, one of which shortens what the other does',
    frames: 6,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1, 2),
    actors: {
      one: { run: (_, me) => me.open().truncateSync(PAGE + 4) },
      two: { run: (_, me) => me.open().truncateSync(2 * PAGE + 4) },
      reader: { run: (_, me) => mayBe('page 1', firstWord(me, 1), initialWord(1, 0)) },
    },
  },
  {
    name: 'cut-reuse',
    shows: 'a page is cut off, its last holder frees the frame, and another page gets dirty in it',
    frames: 1,
    preemptions: 2,
    prepare: (world) => bringIn(world, 2),
    actors: {
      cutter: { run: (_, me) => me.open().truncateSync(PAGE) },
      holder: {
        run(_, me) {
          holdAndStore(me, 2);
          const page = me.open().pinSync(0, 'write');
          poke(page.bytes, 8, 6001);
          page.unpin();
        },
      },
    },
  },
  {
    name: 'cut-write',
    shows:
      'a cut, beside a write to a page that it cuts off: the file has what was written, or ends before it',
    frames: 6,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 2),
    actors: {
      cutter: { run: (_, me) => me.open().truncateSync(PAGE) },
      writer: { run: (_, me) => writeWord(me, 2 * PAGE, 9003) },
    },
    check(world) {
      if (world.other.open().size <= 2 * PAGE) return;
      // Of a writer that died, or had not begun its own update when the file was cut, the gap alone may be there.
      const found = firstWord(world.other, 2);
      if (world.bereaved) mayBe('what was written', found, 9003, initialWord(2, 0), 0);
      else mayBe('what was written', found, 9003);
    },
  },
  {
    name: 'cut-extend-writeback',
    shows:
      'a page is cut off amid its writeback, and the file extended again: what was copied before is not written',
    frames: 6,
    preemptions: 2,
    prepare(world) {
      bringIn(world, 2);
      writeWord(world.other, 2 * PAGE, 9003);
    },
    actors: {
      flusher: { run: cleanOnce, kind: 'flusher' },
      cutter: {
        run(_, me) {
          const file = me.open();
          file.truncateSync(PAGE);
          file.truncateSync(3 * PAGE);
          file.fsyncSync();
        },
      },
    },
  },
];
