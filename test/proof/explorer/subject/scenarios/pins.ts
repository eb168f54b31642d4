// Pins, misses, reclaim: which page is in which frame.
import { peek } from '../bytes';
import { bringIn, countedUp, countUp } from '../promises';
import { initialWord, type Me, type Scenario } from '../world';

/** Pins a page, looks whether it is that page as long as it is pinned, unpins. */
export function pinAndLook(me: Me, index: number): void {
  const page = me.open().pinSync(index);
  for (const word of [0, 1]) {
    const found = peek(page.bytes, word * 4);
    if (found !== initialWord(index, word)) machine.violated(`page ${index} reads ${found} under a pin (I2)`);
  }
  page.unpin();
}

/** The same by a view. */
function viewAndLook(me: Me, index: number): void {
  const found = me.open().viewSync(index, (bytes) => peek(bytes, 0) + peek(bytes, 4));
  const right = initialWord(index, 0) + initialWord(index, 1);
  if (found !== right) machine.violated(`a view of page ${index} reads ${found}, not ${right} (I2)`);
}

export const pins: readonly Scenario[] = [
  {
    name: 'pin-reclaim',
    shows: 'pin and unpin while misses take the frames that can be taken',
    frames: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      pinner: { run: (_, me) => pinAndLook(me, 0) },
      misser: { run: (_, me) => pinAndLook(me, 2) },
    },
  },
  {
    name: 'view-reclaim',
    shows: 'a view while its frame is taken for another page',
    frames: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      viewer: { run: (_, me) => viewAndLook(me, 0) },
      misser: { run: (_, me) => pinAndLook(me, 2) },
    },
  },
  {
    name: 'miss-miss',
    shows: 'two threads miss the same page, a third wants the page whose frame they may take',
    frames: 3,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      one: { run: (_, me) => pinAndLook(me, 1) },
      two: { run: (_, me) => pinAndLook(me, 1) },
      three: { run: (_, me) => pinAndLook(me, 0) },
    },
  },
  {
    name: 'queues',
    shows:
      'two misses take what is oldest on probation, or main’s, beside a pin of such a page; one page comes back',
    frames: 2,
    queues: true,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      one: {
        run: (_, me) => {
          pinAndLook(me, 2);
          pinAndLook(me, 0);
        },
      },
      pinner: { run: (_, me) => pinAndLook(me, 1) },
    },
  },
  {
    name: 'queues-dirty',
    shows: 'a miss meets a dirty page on probation, which has another time, beside a writer',
    frames: 3,
    queues: true,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0, 1),
    actors: {
      writer: { run: (world, me) => countUp(world, me.open(), 0, 0) },
      misser: { run: (_, me) => pinAndLook(me, 2) },
    },
    check: (world) => countedUp(world, 0, [0], 0),
  },
];
