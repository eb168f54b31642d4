// A few hundred crash states, and mistakes that are found; `npm run prove -- crash` is the whole of it.
import { describe, expect, test } from 'vitest';
import { findMistake } from './controls.ts';
import { History } from './history.ts';
import { Log } from './log.ts';
import { Mount } from './mount.ts';
import { Platter, SECTOR } from './platter.ts';
import { type Recording, record } from './run.ts';
import { LoggingStore } from './store.ts';
import { Cover, Sweep } from './sweep.ts';
import { bySeed, named } from './workloads.ts';

const mount = new Mount();

function sweep(recording: Recording): { cover: Cover; wrong: Sweep['wrong'] } {
  const cover = new Cover();
  const whole = new Sweep(recording, mount, cover);
  whole.run(1);
  return { cover, wrong: whole.wrong };
}

test.each([named[0]!, named[2]!, bySeed(1), bySeed(2), bySeed(3)].map((one) => [one.name, one] as const))(
  'what fsync promised is there after a crash: %s',
  async (_, workload) => {
    const { cover, wrong } = sweep(await record(workload));
    expect(wrong).toEqual([]);
    expect(cover.states).toBeGreaterThan(10);
    expect(cover.fsyncs).toBeGreaterThan(0);
  },
);

test('a run can be had again', async () => {
  const [first, second] = [await record(bySeed(7)), await record(bySeed(7))];
  expect(second.log.entries).toEqual(first.log.entries);
});

test('a violation is told from its name alone', async () => {
  const recording = await record(named[0]!, { fsyncSkipsPinned: true });
  const [wrong] = sweep(recording).wrong;
  const told = new Sweep(recording, mount, new Cover()).tell(wrong!.at).join('\n');
  expect(told).toContain('says yes');
  expect(told).toContain('which may not be there');
  expect(told).toContain('may be there, since');
});

test.each([
  ['a store whose flush does nothing', { flushDoesNothing: true }],
  ['an fsync that skips pinned pages', { fsyncSkipsPinned: true }],
])('found: %s', async (_, mistakes) => {
  expect(await findMistake(mistakes, mount, 1, new Cover())).toContain('may not be there');
});

describe('what may be on stable storage', () => {
  const setup = (size: number) => {
    const log = new Log();
    const bytes = new Uint8Array(8 * SECTOR);
    const store = new LoggingStore(log, bytes.slice(), size);
    const platter = new Platter(bytes, size, true);
    const sectors: never[] = [];
    const state = (sizes: number, ...masks: number[]) => {
      const length = platter.compose({ sizes, masks: Int32Array.from(masks) }, sectors);
      return `${length}: ${(sectors as { bytes: Uint8Array }[]).map(({ bytes: [first] }) => first).join('')}`;
    };
    let applied = 0;
    const apply = () => {
      for (; applied < log.entries.length; applied++) platter.apply(log.entries[applied]!, applied);
    };
    const write = (sector: number, ...values: number[]) => {
      store.write(0, Uint8Array.from(values.flatMap((n) => new Array(SECTOR).fill(n))), sector * SECTOR);
      apply();
    };
    return { store, platter, state, write, apply };
  };

  test('any sectors of what is not flushed, and any of its sizes in their order', () => {
    const { platter, state, write } = setup(4 * SECTOR);
    write(0, 1, 1, 1);
    write(3, 2, 2);
    expect(platter.sizes).toBe(1);
    expect(state(0, 0, 0)).toBe('2048: 00000000');
    expect(state(0, 0b101, 0b11)).toBe('2048: 10122000');
    expect(state(1, 0b010, 0)).toBe('2560: 01000000');
  });

  test('a flush covers what landed before it began, and no more', () => {
    const { store, platter, state, write, apply } = setup(8 * SECTOR);
    write(0, 1);
    const end = store.beginFlush();
    write(0, 2);
    end();
    apply();
    expect(platter.pending.length).toBe(1);
    expect([state(0, 0), state(0, 1)]).toEqual(['4096: 10000000', '4096: 20000000']);
  });

  test('what a failed flush leaves in doubt no later flush makes stable, unless it is written again', () => {
    const { store, platter, state, write, apply } = setup(8 * SECTOR);
    write(0, 1, 1);
    store.failFlush = true;
    store.flush();
    write(0, 2);
    store.flush();
    apply();
    expect(platter.pending.length).toBe(1);
    expect([state(0, 0), state(0, 0b11)]).toEqual(['4096: 20000000', '4096: 21000000']);
  });

  test('what is cut off does not come back, and what is written there later is not seen before the cut', () => {
    const { store, state, write, apply } = setup(4 * SECTOR);
    write(0, 1, 1, 1, 1);
    store.resize(0, 2 * SECTOR);
    apply();
    write(3, 2);
    expect(state(0, 0b1111, 0, 1)).toBe('2048: 11110000');
    expect(state(1, 0b1111, 0, 0)).toBe('1024: 11000000');
    expect(state(2, 0b1111, 0, 1)).toBe('2048: 11020000');
  });
});

describe('what a word of the file may be', () => {
  const word = (n: number) => new Uint8Array(8).fill(n);

  test('what it was when the last fsync was called that said yes, or later', () => {
    const history = new History(SECTOR, new Uint8Array(8), SECTOR);
    history.store(0, word(1), 10);
    history.store(0, word(2), 20);
    expect(history.wrongWord(0, word(0), 8, -1, 30)).toBe(-1);
    expect(history.wrongWord(0, word(0), 8, 15, 30)).toBe(0);
    expect(history.wrongWord(0, word(1), 8, 15, 30)).toBe(-1);
    expect(history.wrongWord(0, word(2), 8, 15, 30)).toBe(-1);
    expect(history.wrongWord(0, word(2), 8, 15, 19)).toBe(0);
    expect(history.wrongWord(0, word(3), 8, 15, 30)).toBe(0);
  });

  test('the page is one that was, whole', () => {
    const history = new History(SECTOR, new Uint8Array(16), SECTOR);
    history.store(0, new Uint8Array(16).fill(1), 10);
    const mixed = Uint8Array.from([...word(1), ...word(0)]);
    expect(history.wrongWord(0, mixed, 16, -1, 20)).toBe(-1);
    expect(history.wasWhole(0, mixed, 16, -1, 20)).toBe(false);
    expect(history.wasWhole(0, new Uint8Array(16).fill(1), 16, -1, 20)).toBe(true);
    expect(history.wasWhole(0, new Uint8Array(16), 16, 15, 20)).toBe(false);
  });
});
