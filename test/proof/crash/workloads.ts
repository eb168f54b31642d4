// What threads do until the power fails: cases by hand, each for something that could go wrong, and any number by seed.
import { Random } from '../../storm/random.ts';
import { WORD } from './history.ts';
import { SECTORS_A_PAGE } from './platter.ts';
import { PAGE, PAYLOAD, type Run, type Setup, type Thread, type Workload } from './run.ts';

/** Where in a page what is pinned stores: a part of its own for each of two threads. */
const ZONES = [3072, 3584] as const;
/** Where updates by name change pages: before those zones, and before what meddles with copies. */
const UPDATES_END = 2560;

const words = (bytes: number) => Math.floor(bytes / WORD) * WORD;

/** One thread, and another that stores under pins: enough for most cases. */
function byHand(name: string, setup: Partial<Setup>, begin: (run: Run) => void): readonly Workload[] {
  const variants = [false, true].flatMap((checksum) =>
    (['keep', 'redirty'] as const).map((pinnedDirty) => ({ pinnedDirty, checksum })),
  );
  return variants.map(({ pinnedDirty, checksum }) => ({
    name: `${name}, ${pinnedDirty}${checksum ? ', checksum' : ''}`,
    setup: { size: 5 * PAGE + 100, pages: 10, seed: name.length, ...setup, pinnedDirty, checksum },
    begin,
  }));
}

const cases: readonly (readonly Workload[])[] = [
  byHand('an fsync of pages that are pinned', {}, (run) => {
    run.thread(async (me) => {
      await me.pinned(1, ZONES[0], async (store) => {
        await me.update(1, 0, 1024);
        store();
        await me.fsync();
        store();
        await me.update(1, 512, 1024);
        await me.update(2, 0, 512);
        await me.fsync();
        store();
      });
      await me.fsync();
    });
  }),
  byHand('stores under a pin while fsync copies', {}, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 6; n++) {
        await me.pinned(n % 3, ZONES[0], async (store) => {
          for (let k = 0; k < 4; k++) {
            store();
            await me.pause();
          }
        });
      }
    });
    for (let n = 0; n < 2; n++) run.thread(async (me) => fsyncs(me, 5));
    run.meddle();
  }),
  byHand('updates that are under way, and fail, while fsync copies', {}, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 16; n++) await me.update(n % 3, 256, 2048, 20, n % 2 === 1);
    });
    run.thread(async (me) => {
      for (let n = 0; n < 12; n++) await me.update((n + 1) % 3, 1024, 1024, 8);
    });
    for (let n = 0; n < 2; n++) run.thread(async (me) => fsyncs(me, 12));
    run.meddle();
  }),
  byHand('writes that extend a new file', { size: 0, created: true, faults: true }, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 8; n++) {
        await me.write(words(me.file.size + 1500), 2000);
        if (n % 3 === 1) await me.fsync();
      }
    });
    run.thread(async (me) => serves(me, run), true);
  }),
  byHand('appends of which a part arrives', { size: 2 * PAGE + 800, pages: 14 }, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 8; n++) {
        await me.write(words(run.history.size), PAGE);
        run.store.failWrite = SECTORS_A_PAGE + 1 + run.random.below(SECTORS_A_PAGE - 1); // into the new last page
        await me.clean(false);
        if (run.random.oneIn(2)) await me.fsync();
      }
    });
  }),
  byHand('cuts and extensions of what is dirty and pinned', { size: 7 * PAGE + 345 }, (run) => {
    run.thread(async (me) => {
      for (const size of [5 * PAGE + 13, 8 * PAGE + 40, 3 * PAGE, 3 * PAGE + 1000, 0, 4 * PAGE + 7]) {
        await me.truncate(size);
        if (run.random.oneIn(2)) await me.fsync();
        await me.write(words(size) + WORD, 900);
        if (run.random.oneIn(2)) await me.fsync();
        await me.pause(3);
      }
    });
    run.thread(async (me) => {
      for (let n = 0; n < 6; n++) await stores(me, run);
    });
    run.thread(async (me) => serves(me, run), true);
  }),
  byHand('flushes that fail, and fsyncs that try again', { faults: true }, (run) => {
    for (let n = 0; n < 2; n++) {
      run.thread(async (me) => {
        for (let k = 0; k < 6; k++) {
          await me.update(run.random.below(5), 0, 2048);
          await me.fsync();
        }
      });
    }
    run.thread(async (me) => serves(me, run), true);
  }),
  byHand('writes during a flush, and an fsync that finds nothing dirty', {}, (run) => {
    for (const page of [0, 2]) {
      run.thread(async (me) => {
        for (let n = 0; n < 12; n++) {
          await me.update(page, 64, 512);
          if (run.random.oneIn(2)) await me.clean(false);
          await me.fsync();
        }
      });
    }
  }),
  byHand('much that is written and not flushed', { size: 9 * PAGE, pages: 12 }, (run) => {
    for (let n = 0; n < 3; n++) run.thread((me) => writer(me, run, 6, false));
    run.thread(async (me) => serves(me, run, 40), true);
  }),
  byHand('what is stored behind the end', { size: 3 * PAGE + 200 }, (run) => {
    run.thread(async (me) => {
      await me.pinned(3, ZONES[0], async (store) => {
        store(true);
        await me.update(3, 0, 64);
        await me.fsync();
        store(true);
      });
      await me.write(6 * PAGE, 800);
      await me.fsync();
    });
    run.thread(async (me) => serves(me, run), true);
  }),
  byHand('cuts of what others are writing', { size: 2 * PAGE }, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 8; n++) {
        await me.write(2 * PAGE + 200, 3 * PAGE);
        await me.pause(run.random.below(8));
        await me.truncate(2 * PAGE + 96);
        await me.fsync();
      }
    });
    for (let n = 0; n < 2; n++) run.thread(async (me) => serves(me, run, 20, 2), true);
  }),
  byHand('fsyncs of what others are writing', {}, (run) => {
    run.thread(async (me) => {
      for (let n = 0; n < 12; n++) {
        for (let page = 0; page < 4; page++) await me.update(page, 64, 512);
        await me.pause(run.random.below(8));
        await me.fsync();
      }
    });
    for (let n = 0; n < 2; n++) run.thread(async (me) => serves(me, run, 20, 2), true);
  }),
  byHand(
    'more pages than frames, and flushes that fail',
    { size: 62 * PAGE, pages: 64, faults: true },
    (run) => {
      for (let n = 0; n < 2; n++) {
        run.thread(async (me) => {
          for (let k = 0; k < 60; k++) {
            await me.update(run.random.below(66), 8 * run.random.below(60), 64);
            if (run.random.oneIn(16)) await me.fsync();
          }
        });
      }
      run.thread(async (me) => serves(me, run, 6), true);
    },
  ),
];

export const named: readonly Workload[] = cases.flat();

async function fsyncs(me: Thread, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await me.pause(1 + me.run.random.below(8));
    await me.fsync();
  }
}

/** A flusher, until the others have ended: it flushes once in so many visits, and pauses for so long at the most in between. */
async function serves(me: Thread, run: Run, flushesOneIn = 4, pauses = 12): Promise<void> {
  while (run.working > 0) {
    await me.pause(1 + run.random.below(pauses));
    await me.clean(run.random.oneIn(flushesOneIn));
  }
}

function anyPage(run: Run): number {
  return run.random.below(Math.max(1, Math.ceil(run.history.size / run.payload)));
}

/** A page is pinned, and something stores into it for a while. */
async function stores(me: Thread, run: Run): Promise<void> {
  const { random } = run;
  await me.pinned(anyPage(run), ZONES[me.number % 2]!, async (store) => {
    for (let n = random.below(5); n >= 0; n--) {
      store(random.oneIn(5));
      await me.pause(1 + random.below(6));
    }
  });
}

async function changes(me: Thread, run: Run): Promise<void> {
  const { random } = run;
  const index = anyPage(run);
  const start = index * run.payload;
  const room = Math.min(UPDATES_END, words(run.history.size - start));
  if (room < WORD) return extends_(me, run);
  const offset = words(random.below(room));
  const length = Math.max(WORD, words(random.below(Math.min(room - offset, random.oneIn(4) ? room : 200))));
  const turns = random.oneIn(3) ? random.below(8) : 0;
  return me.update(index, offset, Math.min(length, room - offset), turns, random.oneIn(6));
}

/** Writes behind the end, or over it, perhaps with a gap. */
async function extends_(me: Thread, run: Run): Promise<void> {
  const { random } = run;
  const most = run.setup.pages * run.payload;
  const from = Math.max(0, run.history.size - random.below(300));
  const position = words(random.oneIn(3) ? from + random.below(2 * PAGE) : from);
  const length = WORD * (1 + random.below(random.oneIn(3) ? 800 : 60));
  if (position + length <= most) return me.write(position, length);
}

async function writes(me: Thread, run: Run): Promise<void> {
  const { random } = run;
  const size = words(run.history.size);
  const length = WORD * (1 + random.below(500));
  if (size < length) return extends_(me, run);
  return me.write(words(random.below(size - length + 1)), length);
}

async function truncates(me: Thread, run: Run): Promise<void> {
  const { random, setup } = run;
  const most = random.oneIn(3) ? setup.pages * run.payload : run.history.size;
  const size = random.below(most + 1);
  const kind = random.below(4);
  await me.truncate(
    kind === 0 ? Math.floor(size / run.payload) * run.payload : kind === 1 ? size : words(size),
  );
}

async function writer(me: Thread, run: Run, steps: number, syncs = true): Promise<void> {
  const { random } = run;
  for (let n = 0; n < steps; n++) {
    await me.pause(random.below(4));
    const choice = random.below(20);
    if (choice < 9) await changes(me, run);
    else if (choice < 12) await writes(me, run);
    else if (choice < 15) await extends_(me, run);
    else if (choice < 17) await stores(me, run);
    else if (choice < 18) await truncates(me, run);
    else if (syncs) await me.fsync();
  }
}

/** What a seed makes the threads do. */
export function bySeed(seed: number): Workload {
  const random = new Random(seed * 40503 + 7);
  const pages = 4 + random.below(7);
  const created = random.oneIn(4);
  const checksum = random.oneIn(3);
  const payload = checksum ? PAYLOAD : PAGE;
  const full = random.below(pages * payload);
  const size = created ? 0 : random.oneIn(3) ? Math.floor(full / payload) * payload : full;
  const pinnedDirty = random.oneIn(2) ? 'keep' : 'redirty';
  const setup: Setup = { size, pages, pinnedDirty, checksum, created, faults: random.oneIn(2), seed };
  const [writers, pinners, syncers, flushers] = [
    1 + random.below(3),
    random.below(3),
    random.below(2),
    random.below(3),
  ];
  const meddles = random.oneIn(2) && size >= UPDATES_END + 512;
  const steps = 5 + random.below(10);
  // In some nobody calls fsync for long, so that much is in doubt at a time.
  const syncs = !random.oneIn(3);
  const flushesOneIn = random.oneIn(2) ? 3 : 20;
  const begin = (run: Run) => {
    for (let n = 0; n < writers; n++) run.thread((me) => writer(me, run, steps, syncs));
    for (let n = 0; n < pinners; n++) {
      run.thread(async (me) => {
        for (let k = 0; k < 4; k++) await stores(me, run);
      });
    }
    for (let n = 0; n < syncers; n++) run.thread((me) => fsyncs(me, 4));
    for (let n = 0; n < flushers; n++) run.thread((me) => serves(me, run, flushesOneIn), true);
    if (meddles) run.meddle();
  };
  return { name: `seed ${seed}`, setup, begin };
}
