// Ends: of a cache, of a request, of threads.
import { SyncDriver } from '../../../../../src/driver/sync';
import type { PinfoldError } from '../../../../../src/errors';
import * as L from '../../../../../src/kernel/layout';
import { emptyForGood } from '../../../../../src/protocol/close';
import { requestKind, serviceClass } from '../../../../../src/protocol/effects';
import { serveAll } from '../../../../../src/service/requests';
import { peek } from '../bytes';
import { bringIn, countedUp, countUp, dirtied, dirtyPages, fsyncAndLook } from '../promises';
import { initialWord, type Me, type Scenario, type World } from '../world';

const CLOSED = 5;
const ANSWERED = 6;

/** Reads a page of a cache that may be closed by then. */
function readUnlessClosed(me: Me, index: number): void {
  try {
    const found = me.open().viewSync(index, (bytes) => peek(bytes, 0));
    if (found !== initialWord(index, 0)) machine.violated(`page ${index} reads ${found}`);
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_CLOSED') throw error;
  }
}

/** Has a page brought in by a service thread: true if it was answered. */
function askFor(world: World, me: Me, index: number, limitMs: number): void {
  const driver = new SyncDriver(me.kernel, me.attachment.references, undefined as never, false, () => {});
  const request = {
    service: serviceClass.flushers,
    kind: requestKind.fill,
    file: world.file,
    a: index,
    b: 0,
  };
  try {
    const [status] = driver.ask(request, limitMs);
    if (status !== 0) machine.violated(`a request is answered with ${status}`);
  } catch (error) {
    if ((error as PinfoldError).code !== 'ERR_PINFOLD_TIMEOUT') throw error;
  }
  world.note(ANSWERED, 1);
  Atomics.add(machine.words, L.HEADER_BELL >> 2, 1);
  Atomics.notify(machine.words, L.HEADER_BELL >> 2);
}

/** Serves until whoever asks has heard, or can't any more: `orDead`. */
function serveUntilAnswered(world: World, me: Me, orDead = false): void {
  for (;;) {
    const bell = Atomics.load(machine.words, L.HEADER_BELL >> 2);
    serveAll(me.attachment, serviceClass.flushers, 0);
    if (world.noted(ANSWERED) !== 0 || (orDead && world.bereaved)) return;
    Atomics.wait(machine.words, L.HEADER_BELL >> 2, bell, Number.POSITIVE_INFINITY);
  }
}

export const ends: readonly Scenario[] = [
  {
    name: 'close-pin',
    shows: 'the cache closes while another thread reads, one page that is there and one that is not',
    frames: 3,
    preemptions: 2,
    prepare: (world) => bringIn(world, 0),
    actors: {
      closer: {
        run(world, me) {
          for (let n = 0; n < 3; n++) {
            me.open().fsyncSync();
            if (!emptyForGood(me.pool)) continue;
            world.note(CLOSED, 1);
            return;
          }
        },
      },
      reader: {
        run(_, me) {
          readUnlessClosed(me, 0);
          readUnlessClosed(me, 1);
        },
      },
    },
    check(world) {
      const { kernel, control, pool } = world.other;
      for (let frame = 0; world.noted(CLOSED) !== 0 && frame < pool.geometry.frames; frame++) {
        if (kernel.frameWord(frame as never, L.FRAME_FILE) >= 0)
          machine.violated(`the cache is closed, and frame ${frame} holds a page`);
      }
      control.setLife(L.LIFE_OPEN); // for what is looked at in the end
    },
  },
  {
    name: 'ask-serve',
    shows: 'a request, the service thread that takes it, and its answer',
    frames: 3,
    actors: {
      asker: { immortal: true, run: (world, me) => askFor(world, me, 0, 1e9) },
      server: { immortal: true, run: (world, me) => serveUntilAnswered(world, me), kind: 'flusher' },
    },
  },
  {
    name: 'ask-withdraw',
    shows: 'a request that is taken back while a service thread takes it',
    frames: 3,
    actors: {
      asker: { immortal: true, run: (world, me) => askFor(world, me, 0, 0) },
      server: { immortal: true, run: (world, me) => serveUntilAnswered(world, me), kind: 'flusher' },
    },
  },
  {
    name: 'ask-servers',
    shows: 'a request and two service threads, one of which may die with it',
    frames: 3,
    preemptions: 2,
    actors: {
      asker: { immortal: true, run: (world, me) => askFor(world, me, 0, 1e9) },
      server: { run: (world, me) => serveUntilAnswered(world, me), kind: 'flusher' },
      other: { immortal: true, run: (world, me) => serveUntilAnswered(world, me), kind: 'flusher' },
    },
  },
  {
    name: 'ask-die',
    shows: 'a request whose thread may die before it is answered, or has heard',
    frames: 3,
    secondLook: true,
    actors: {
      asker: { run: (world, me) => askFor(world, me, 0, 1e9) },
      server: { immortal: true, run: (world, me) => serveUntilAnswered(world, me, true), kind: 'flusher' },
    },
  },
  {
    name: 'recovery-recovery',
    shows: 'two threads recover the same dead one, which was updating a page, beside an fsync',
    frames: 5,
    undertakers: 2,
    preemptions: 2,
    prepare: (world) => dirtyPages(world, 0),
    actors: {
      updater: { run: (world, me) => countUp(world, me.open(), 0, 1) },
      syncer: { run: (world, me) => fsyncAndLook(world, me.open(), 0, [1, dirtied(0)]) },
    },
    check: (world) => countedUp(world, 0, [1], 1),
  },
];
