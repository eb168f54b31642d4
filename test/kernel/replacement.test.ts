// Which page goes when a frame is needed: probation, main, ghosts, and that all of it are only hints.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { FileId, FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { dirty, flushNow, install, Memory, SWEEP_ALL, type Thread, writeBackFrame } from './pool.ts';

let memory: Memory;
let thread: Thread;
let file: FileId;
beforeEach(() => {
  memory = new Memory({ memory: 4 * 2 ** 20 }, { withPages: false });
  thread = memory.thread();
  file = memory.file(2 ** 44);
});

const frames = () => memory.geometry.frames;
const target = () => thread.kernel.load(L.HEADER_TARGET) / 16;
/** The pages that may be on probation now. */
const probation = () => Math.floor(target());
const share = (header: number) => thread.kernel.load(header);
const window = () => thread.kernel.load(L.HEADER_WINDOW);
const cached = (index: number) => thread.control.lookup(file, index) >= 0;
const word = (index: number, field: number) =>
  thread.kernel.frameWord(thread.control.lookup(file, index) as FrameId, field);
const uses = (index: number) => (word(index, L.FRAME_STATE) & L.USE_MASK) / L.USE_ONE;
/** Main's, fresh or not, counts as main's. */
const placeOf = (index: number) => {
  const place = word(index, L.FRAME_QUEUE) & 3;
  return place === L.PLACE_FRESH ? L.PLACE_MAIN : place;
};

/** A hit, if the page is there. */
function touch(index: number): boolean {
  if (thread.control.viewOpen(file, index) < 0) return false;
  expect(thread.control.viewClose()).toBe(1);
  return true;
}
/** A read of a page: brought in if need be, and touched. */
function read(index: number): boolean {
  const hit = touch(index);
  if (!hit) {
    install(thread, file, index);
    touch(index);
  }
  return hit;
}
function installOnce(index: number): number {
  const frame = thread.control.reclaim(SWEEP_ALL, -1, 0);
  expect(thread.control.install(file, index, 1)).toBe(0);
  thread.control.fillDone();
  return frame;
}
/** More than its share may be on probation by so many (policy.ts). */
const SLACK = 32;

let cold = 1_000_000;
/** Pages that nobody reads again, one after the other. */
function scan(pages: number): void {
  for (let n = 0; n < pages; n++) read(cold++);
}
/** Makes pages 0 … count − 1 pages of main: they come back before they are forgotten. */
function makeHot(count: number): void {
  scan(2 * frames());
  for (let index = 0; index < count; index++) read(index);
  scan(2 * probation());
  for (let index = 0; index < count; index++) read(index);
  // A line of ghosts may have had too many of them: one more return, and they are there as well.
  for (let n = 0; n < 5; n++) {
    const rest = Array.from({ length: count }, (_, index) => index).filter(
      (index) => placeOf(index) !== L.PLACE_MAIN,
    );
    if (n === 0) expect(rest.length).toBeLessThan(1 + count / 5);
    if (rest.length === 0) return;
    scan(window() + SLACK);
    for (const index of rest) read(index);
    scan(probation() + SLACK);
  }
  throw new Error('pages do not become pages of main');
}

describe('a pool of 64 frames and more has queues', () => {
  test('a scan of many times the pool leaves the pages in use alone', () => {
    const hot = Math.floor(frames() / 2);
    makeHot(hot);
    for (let index = 0; index < hot; index++) touch(index);
    scan(20 * frames());
    expect(Array.from({ length: hot }, (_, index) => index).filter((index) => !cached(index))).toEqual([]);
  });

  test('a smaller one has none: a hand, and the first touch counts', () => {
    const small = new Memory({ memory: 256 * 1024 }, { withPages: false });
    const other = small.thread();
    const id = small.file(2 ** 40);
    expect(small.geometry.frames).toBeLessThan(64);
    expect(other.kernel.load(L.HEADER_PROBATION)).toBe(0);
    const frame = install(other, id, 1) as FrameId;
    expect(other.kernel.frameWord(frame, L.FRAME_STATE) & L.USE_MASK).toBe(L.USE_ONE);
    expect(other.kernel.frameWord(frame, L.FRAME_QUEUE)).toBe(0);
  });
});

describe('free frames', () => {
  test('nothing is taken while there are any in a new pool', () => {
    scan(frames());
    expect(thread.kernel.load(L.HEADER_SEEK)).toBe(frames());
    const { owner } = thread.kernel;
    const reclaims = thread.kernel.rowWord(owner, L.COUNT_RECLAIMS);
    expect(reclaims).toBe(0);
    scan(1);
    expect(thread.kernel.rowWord(owner, L.COUNT_RECLAIMS)).toBe(1);
  });

  test('frames that become free later are found', () => {
    scan(frames());
    for (let frame = 0; frame < 50; frame++) expect(thread.control.evict(frame as FrameId)).toBe(1);
    scan(frames());
    for (let frame = 0; frame < 50; frame++) {
      expect(thread.kernel.frameWord(frame as FrameId, L.FRAME_FILE), `frame ${frame}`).toBe(file);
    }
  });
});

describe('probation', () => {
  beforeEach(() => scan(2 * frames()));

  test('the oldest goes first, once there are more than its share', () => {
    for (let index = 0; index < 10; index++) read(index);
    scan(probation() - 10);
    let misses = 0;
    for (let index = 0; index < 10; index++) {
      for (; cached(index); misses++) scan(1);
      expect(misses).toBeLessThan(SLACK + index + 2);
      for (let later = index + 1; later < 10; later++) expect(cached(later), `page ${later}`).toBe(true);
    }
  });

  test('touches in the window do not count, whatever their number', () => {
    read(0);
    for (let n = 0; n < 100; n++) touch(0);
    expect(uses(0)).toBe(0);
    scan(window() - 1);
    touch(0);
    expect(uses(0)).toBe(0);
    scan(probation());
    expect(cached(0)).toBe(false);
  });

  test('one touch after the window makes a page stay, as one of main', () => {
    read(0);
    scan(window() + 1);
    touch(0);
    expect(uses(0)).toBe(1);
    scan(probation());
    expect(cached(0)).toBe(true);
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
    scan(5 * frames());
    expect(cached(0)).toBe(true);
  });

  test('a pin counts as a touch, by the same rule', () => {
    read(0);
    thread.control.unpin(thread.control.pin(file, 0), 0);
    expect(uses(0)).toBe(0);
    scan(window() + 1);
    thread.control.unpin(thread.control.pin(file, 0), 0);
    expect(uses(0)).toBe(1);
  });

  test('a page that comes back before it is forgotten goes to main at once', () => {
    read(0);
    scan(2 * probation());
    expect(cached(0)).toBe(false);
    read(0);
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
  });

  test('one that comes back later than that is on probation again', () => {
    read(0);
    scan(20 * frames());
    read(0);
    expect(placeOf(0)).toBe(L.PLACE_PROBATION);
  });

  test('a ghost is forgotten once as many pages as there are frames were taken', () => {
    for (const [taken, place] of [
      [frames() - 200, L.PLACE_MAIN],
      [frames() + 8, L.PLACE_PROBATION],
    ] as const) {
      const page = cold++;
      read(page);
      scan(2 * probation());
      const taking = thread.kernel.load(L.HEADER_GHOSTED);
      memory.words[L.HEADER_GHOSTED >> 2] = taking + taken;
      memory.words[L.HEADER_REVOLUTION >> 2] = 2 ** 30; // the hand is slow: no page stays away for too long
      read(page);
      expect(placeOf(page), `after ${taken}`).toBe(place);
    }
  });

  test('one that stays away for longer than four tenths of a revolution of the hand is on probation again', () => {
    for (const [revolution, place] of [
      [1200, L.PLACE_MAIN],
      [100, L.PLACE_PROBATION],
    ] as const) {
      const page = cold++;
      read(page);
      scan(2 * probation());
      memory.words[L.HEADER_REVOLUTION >> 2] = revolution;
      memory.words[L.HEADER_REVOLVED_AT >> 2] = thread.kernel.load(L.HEADER_GHOSTED);
      read(page);
      expect(placeOf(page), `a revolution of ${revolution}`).toBe(place);
    }
  });

  test('an entry of the ring whose frame has another page by now says nothing', () => {
    read(0);
    scan(2 * probation()); // page 0 is a ghost
    read(1);
    const frame = thread.control.lookup(file, 1) as FrameId;
    expect(thread.control.evict(frame)).toBe(1);
    memory.words[L.HEADER_SEEK >> 2] = frame;
    expect(install(thread, file, 0)).toBe(frame);
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
    scan(3 * probation());
    expect(cached(0)).toBe(true);
  });

  test('the hand passes over it', () => {
    read(0);
    scan(2 * probation()); // page 0 is a ghost
    read(1);
    memory.words[L.HEADER_TARGET >> 2] = 16 * share(L.HEADER_PROBATION_MOST); // so that main makes room
    memory.words[L.HEADER_HAND >> 2] = thread.control.lookup(file, 1);
    read(0);
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
    expect(cached(1)).toBe(true);
  });

  test('a page that belongs to main takes its frame from main, when probation has just its share', () => {
    read(0);
    scan(2 * probation()); // page 0 is a ghost
    const left = thread.kernel.load(L.HEADER_LEFT);
    const there = thread.kernel.load(L.HEADER_ADMITTED) - left;
    memory.words[L.HEADER_TARGET >> 2] = 16 * there;
    read(0);
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
    expect(thread.kernel.load(L.HEADER_LEFT)).toBe(left);
    memory.words[L.HEADER_TARGET >> 2] = 16 * there;
    scan(1);
    expect(thread.kernel.load(L.HEADER_LEFT)).toBe(left + 1);
  });

  test('a ghost is good for one return', () => {
    read(0);
    scan(2 * probation());
    read(0);
    expect(thread.control.evict(thread.control.lookup(file, 0))).toBe(1);
    read(0);
    expect(placeOf(0)).toBe(L.PLACE_PROBATION);
  });

  test('pages that can’t be taken have another time, and go when they can', () => {
    read(0);
    dirty(thread, file, 0);
    read(1);
    const slot = thread.control.pin(file, 1);
    read(2);
    dirty(thread, file, 2);
    writeBackFrame(thread, file, thread.control.lookup(file, 2));
    scan(3 * frames());
    for (const index of [0, 1, 2]) expect(cached(index), `page ${index}`).toBe(true);
    writeBackFrame(thread, file, thread.control.lookup(file, 0));
    flushNow(thread, file);
    thread.control.unpin(slot, 0);
    scan(2 * frames());
    for (const index of [0, 1, 2]) expect(cached(index), `page ${index}`).toBe(false);
  });

  test('when it is all pinned pages, main gives its own', () => {
    makeHot(10);
    const pinned = probation() + 20;
    const owner = memory.thread();
    for (let index = 0; index < pinned; index++) {
      install(owner, file, 500 + index);
      expect(owner.control.pin(file, 500 + index)).toBeGreaterThanOrEqual(0);
    }
    for (let n = 0; n < 2 * frames(); n++) expect(install(thread, file, cold++)).toBeGreaterThanOrEqual(0);
    expect(cached(500)).toBe(true);
  });
});

test.each(['dirty', 'unstable'])(
  'a sweep does not ask for a ring full of %s pages to be cleaned while main has clean ones',
  (what) => {
    scan(2 * frames());
    const pages = probation() + SLACK + 1;
    for (let index = 0; index < pages; index++) {
      read(index);
      dirty(thread, file, index);
      if (what === 'unstable') writeBackFrame(thread, file, thread.control.lookup(file, index));
    }
    // More than the sweep looks at in the ring, fewer than there are in it.
    expect(thread.control.reclaim(pages - 10, -1, 0)).toBeGreaterThanOrEqual(0);
    thread.control.abandonClaim();
  },
);

describe('main', () => {
  test('what is used stays, what is not goes, when pages come back faster than they are forgotten', () => {
    makeHot(frames() >> 1);
    const used = 20;
    // New pages of main push: each is read, forgotten by probation, and read again.
    for (let round = 0; round < 40; round++) {
      for (let index = 0; index < used; index++)
        expect(touch(index), `page ${index}, round ${round}`).toBe(true);
      const first = cold;
      scan(probation() + SLACK + 25);
      for (let index = first; index < first + 25; index++) read(index);
    }
    const left = Array.from({ length: frames() }, (_, index) => index).filter(cached);
    expect(left).toEqual(Array.from({ length: used }, (_, index) => index));
  });

  test('a hit stores nothing shared once the use count is full', () => {
    makeHot(1);
    for (let n = 0; n < 2; n++) touch(0);
    expect(uses(0)).toBe(2);
    const row = thread.kernel.rowAt(thread.kernel.owner);
    const own = [row + L.ROW_BIAS, row + L.ROW_BIAS + memory.geometry.rowBytes];
    const shared = () => memory.words.filter((_, n) => n * 4 < own[0]! || n * 4 >= own[1]!);
    const before = shared();
    for (let n = 0; n < 10; n++) touch(0);
    expect(shared()).toEqual(before);
  });

  test('the lookup that a page was brought in for does not count, the next does', () => {
    scan(2 * frames());
    read(0);
    scan(2 * probation());
    read(0); // it comes back, and is touched
    expect(placeOf(0)).toBe(L.PLACE_MAIN);
    expect(uses(0)).toBe(0);
    touch(0);
    expect(uses(0)).toBe(1);
  });

  test('nor one of a page in the window', () => {
    scan(2 * frames());
    read(0);
    const state = word(0, L.FRAME_STATE);
    const queue = word(0, L.FRAME_QUEUE);
    for (let n = 0; n < 10; n++) touch(0);
    expect([word(0, L.FRAME_STATE), word(0, L.FRAME_QUEUE)]).toEqual([state, queue]);
  });
});

describe('the size of probation follows what comes back', () => {
  /** Reads pages 0 … count − 1 in turn so often: the share of hits of the last rounds. */
  const loop = (count: number, rounds: number) => {
    let hits = 0;
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < count; index++) if (read(index) && round >= rounds / 2) hits++;
    }
    return hits / (count * Math.ceil(rounds / 2));
  };

  test('it begins with its least, 7% of the frames, grows while pages taken from it come back, and ends at its most', () => {
    const [least, most] = [share(L.HEADER_PROBATION), share(L.HEADER_PROBATION_MOST)];
    expect(target()).toBe(least);
    expect(least).toBe(Math.floor(frames() * 0.07));
    scan(2 * frames());
    // Each page is read again when probation has just forgotten it; main has nothing that comes back.
    let seen = target();
    for (let round = 0; round < 30; round++) {
      const first = cold;
      scan(probation() + SLACK + 10);
      for (let index = first; index < first + 10; index++) read(index);
      expect(target()).toBeGreaterThanOrEqual(seen);
      seen = target();
    }
    expect(seen).toBeGreaterThan(least + 100);
    for (let round = 0; round < 100; round++) {
      const first = cold;
      scan(probation() + SLACK + 10);
      for (let index = first; index < first + 10; index++) read(index);
    }
    expect(target()).toBe(most);
  });

  test('it shrinks while main’s come back, until main has room for them', () => {
    scan(2 * frames());
    memory.words[L.HEADER_TARGET >> 2] = 16 * share(L.HEADER_PROBATION_MOST);
    // More hot pages than main has room for at that, not more than it could have; and what nobody reads again.
    const before = target();
    const hot = Math.floor(0.75 * frames());
    let hits = 0;
    for (let round = 0; round < 40; round++) {
      for (let index = 0; index < hot; index++) {
        if (read(index) && round >= 30) hits++;
        if (index % 4 === 0) scan(1);
      }
    }
    expect(target()).toBeLessThan(before - 100);
    expect(target()).toBeGreaterThanOrEqual(share(L.HEADER_PROBATION));
    expect(hits / (10 * hot)).toBeGreaterThan(0.95);
  });

  test.each([
    ['soon', 0.1, true],
    ['late', 0.5, false],
  ])(
    'a page of main’s that comes back %s, after %f of a revolution, moves it: %s',
    (_, revolutions, moves) => {
      const first = cold;
      scan(2 * frames());
      memory.words[L.HEADER_TARGET >> 2] = 16 * share(L.HEADER_PROBATION_MOST);
      const there = Array.from({ length: cold - first }, (_, n) => first + n).filter(cached);
      scan(50); // probation has less than its share: main gives
      const taken = there.find((index) => !cached(index))!;
      const ghosted = memory.words[L.HEADER_GHOSTED >> 2]! + Math.floor(revolutions * frames());
      memory.words[L.HEADER_GHOSTED >> 2] = ghosted;
      memory.words[L.HEADER_REVOLVED_AT >> 2] = ghosted;
      memory.words[L.HEADER_REVOLUTION >> 2] = frames();
      const before = memory.words[L.HEADER_TARGET >> 2]!;
      read(taken);
      expect(memory.words[L.HEADER_TARGET >> 2]! < before).toBe(moves);
    },
  );

  test('a loop somewhat larger than the pool finds a good part of it there', () => {
    // LRU and CLOCK find nothing.
    expect(loop(Math.floor(1.3 * frames()), 20)).toBeGreaterThan(0.4);
  });

  test('a hot set that changes as a whole is followed', () => {
    const hot = Math.floor(frames() / 2);
    for (let set = 0; set < 5; set++) {
      let hits = 0;
      for (let round = 0; round < 10; round++) {
        for (let n = 0; n < hot; n++) {
          if (read(set * 10_000 + n) && round >= 5) hits++;
          if (n % 10 === 0) scan(1);
        }
      }
      expect(hits / (5 * hot), `set ${set}`).toBeGreaterThan(0.95);
    }
  });
});

describe('pages that are read once', () => {
  test('go before all others, and never count a touch', () => {
    scan(2 * frames());
    read(0);
    const most = thread.kernel.load(L.HEADER_ONCE);
    const first = 5_000_000;
    for (let n = 0; n < 10 * frames(); n++) {
      installOnce(first + n);
      for (let touches = 0; touches < 3; touches++) touch(first + n);
      expect(uses(first + n)).toBe(0);
    }
    expect(cached(0)).toBe(true);
    const there = Array.from({ length: 10 * frames() }, (_, n) => first + n).filter(cached);
    expect(there.length).toBeLessThanOrEqual(most + 1);
    expect(there).toEqual(there.map((_, n) => first + 10 * frames() - there.length + n));
  });
});

describe('only hints', () => {
  test('numbers go over the end of their bits', () => {
    const near = [2 ** 29, 2 ** 30, 2 ** 31, 2 ** 32];
    for (const end of near) {
      memory = new Memory({ memory: 4 * 2 ** 20 }, { withPages: false });
      thread = memory.thread();
      file = memory.file(2 ** 44);
      for (const header of [L.HEADER_ADMITTED, L.HEADER_LEFT, L.HEADER_ONCE_ADMITTED, L.HEADER_ONCE_LEFT]) {
        memory.words[header >> 2] = (end - 2 * frames()) | 0;
      }
      for (const header of [L.HEADER_HAND, L.HEADER_SEEK, L.HEADER_GHOSTED]) {
        memory.words[header >> 2] = (end - 1000) | 0;
      }
      memory.words[L.HEADER_REVOLVED_AT >> 2] = (end - 2000) | 0;
      const hot = 100;
      makeHot(hot);
      scan(10 * frames());
      for (let index = 0; index < hot; index++) expect(cached(index), `page ${index}, ${end}`).toBe(true);
      read(hot);
      scan(2 * probation());
      expect(cached(hot)).toBe(false);
    }
  });

  test('whatever they hold, a frame that can be taken is found, and a pool without one says so', () => {
    const regions = () => {
      const at = (header: number) => thread.kernel.load(header) >> 2;
      const header = [L.HEADER_HAND >> 2, (L.HEADER_GHOSTED >> 2) + 1] as const;
      return [header, [at(L.HEADER_AT_RING), memory.geometry.controlBytes >> 2]] as const;
    };
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.integer()),
        fc.array(fc.nat({ max: frames() - 1 }), { maxLength: 3 }),
        (numbers, free) => {
          memory = new Memory({ memory: 1 * 2 ** 20, maxPinsPerThread: 1024 }, { withPages: false });
          thread = memory.thread();
          file = memory.file(2 ** 44);
          for (let index = 0; index < frames(); index++) install(thread, file, index);
          const unpinned = new Set(free.map((frame) => frame % frames()));
          for (let index = 0; index < frames(); index++) {
            if (!unpinned.has(thread.control.lookup(file, index))) thread.control.pin(file, index);
          }
          const next = () => numbers.next().value as number;
          for (const [from, to] of regions()) {
            // A ring names frames that there are: it is only ever given those.
            for (let n = from; n < to; n++) memory.words[n] = from === regions()[0][0] ? next() : 0;
          }
          const ring = thread.kernel.load(L.HEADER_AT_RING) >> 2;
          const ghosts = thread.kernel.load(L.HEADER_AT_GHOSTS) >> 2;
          for (let n = ring; n < ghosts; n++) memory.words[n] = Math.abs(next()) % (frames() + 1);
          for (let frame = 0; frame < frames(); frame++) {
            const at = thread.kernel.frameAt(frame as FrameId) + L.FRAME_QUEUE;
            memory.words[at >> 2] = next();
          }
          const taken = new Set<number>();
          for (let n = 0; n < unpinned.size; n++) {
            const frame = install(thread, file, 100_000 + n);
            expect(frame).toBeGreaterThanOrEqual(0);
            expect(thread.control.pin(file, 100_000 + n)).toBeGreaterThanOrEqual(0);
            taken.add(frame);
          }
          expect(taken).toEqual(unpinned);
          expect(thread.control.reclaim(SWEEP_ALL, -1, 0)).toBe(L.NO_FRAME);
        },
      ),
      { numRuns: 60 },
    );
  });
});
