import type { CachedFile } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startWithFile } from './support/cache.ts';
import { patternAt } from './support/directory.ts';
import { refusal } from './support/refusal.ts';

const PAGE = 4096;

type View = <T, A>(
  file: CachedFile,
  index: number,
  fn: (bytes: Uint8Array, arg: A) => T,
  arg?: A,
) => Promise<T>;
const ways: [string, View][] = [
  ['viewSync', async (file, index, fn, arg) => file.viewSync(index, fn, arg as never)],
  ['view', async (file, index, fn, arg) => await file.view(index, fn, arg as never)],
];

describe.each(ways)('%s', (_name, view) => {
  test('gives the page and returns what the callback returns', async () => {
    const { file } = await startWithFile(3, SMALL);
    for (const _missThenHit of [0, 1]) {
      const seen = await view(file, 2, (bytes) => ({ length: bytes.length, sum: bytes[0]! + bytes[4095]! }));
      expect(seen).toEqual({ length: PAGE, sum: patternAt(2 * PAGE) + patternAt(3 * PAGE - 1) });
    }
    expect(await view(file, 0, () => undefined)).toBeUndefined();
    expect(await view(file, 0, () => null)).toBeNull();
  });

  test('passes its argument on, or undefined', async () => {
    const { file } = await startWithFile(2, SMALL);
    const arg = { at: 77 };
    expect(await view(file, 1, (bytes, { at }) => bytes[at], arg)).toBe(patternAt(PAGE + 77));
    expect(await view(file, 1, (_bytes, same) => same === arg, arg)).toBe(true);
    expect(await view(file, 1, (_bytes, none) => none)).toBeUndefined();
    expect(await view(file, 1, (_bytes, zero) => zero, 0)).toBe(0);
  });

  test.each<[string, () => unknown]>([
    ['a promise', async () => 1],
    ['a promise that rejects', () => Promise.reject(new Error('unheard')).catch(() => {})],
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is refused
    ['a thenable', () => ({ then() {} })],
    [
      'a thenable with the method inherited',
      () =>
        Object.create({
          // biome-ignore lint/suspicious/noThenProperty: a thenable is what is refused
          then() {},
        }),
    ],
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is refused
    ['a callable thenable', () => Object.assign(() => {}, { then() {} })],
  ])('refuses a callback that returns %s', async (_what, fn) => {
    const { file, cache } = await startWithFile(1, SMALL);
    for (const _missThenHit of [0, 1]) {
      // Wrapped: what is not refused must not be awaited here.
      const refused = view(file, 0, fn).then(
        () => undefined,
        (error) => error,
      );
      const error = await Promise.race([refused, new Promise((resolve) => setTimeout(resolve, 2000))]);
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toEqual(refusal('ERR_PINFOLD_CALLBACK', 'promise'));
    }
    expect(cache.stats().readPins).toBe(0);
  });

  test('throws what the callback throws, and is whole afterwards', async () => {
    const { file, cache } = await startWithFile(2, SMALL);
    const thrown = new Error('mine');
    for (let n = 0; n < 40; n++) {
      const end = view(file, n % 2, () => {
        throw thrown;
      });
      await expect(end).rejects.toBe(thrown);
    }
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
    expect(await view(file, 0, (bytes) => bytes[0])).toBe(patternAt(0));
    await expect(
      view(file, 0, () => {
        throw undefined;
      }),
    ).rejects.toBeUndefined();
  });

  test('nests, on the same page and on others, hits and misses', async () => {
    const { file } = await startWithFile(20, SMALL);
    const seen = await view(file, 3, (outer) =>
      file.viewSync(3, (same) =>
        file.viewSync(4, (other) => [
          outer === same,
          outer[0],
          other[0],
          file.viewSync(5, (third) => third[0]),
        ]),
      ),
    );
    expect(seen).toEqual([true, patternAt(3 * PAGE), patternAt(4 * PAGE), patternAt(5 * PAGE)]);
  });

  test('nests 16 deep, and says so when that is not enough', async () => {
    const { file } = await startWithFile(20, SMALL);
    const nest = (depth: number): number =>
      file.viewSync(depth % 3, () => (depth > 1 ? 1 + nest(depth - 1) : 1));
    for (let n = 0; n < 3; n++) {
      expect(await view(file, 0, () => 1 + nest(15))).toBe(16);
      await expect(view(file, 0, () => nest(16))).rejects.toThrow(refusal('ERR_PINFOLD_CALLBACK', '16'));
    }
    // Caught within, it disturbs nothing.
    const caught = await view(file, 0, (bytes) => {
      expect(() => nest(16)).toThrow(refusal('ERR_PINFOLD_CALLBACK'));
      return bytes[1];
    });
    expect(caught).toBe(patternAt(1));
  });

  test('lets its callback do other things with the file', async () => {
    const { file, cache } = await startWithFile(20, SMALL);
    const result = await view(file, 1, (bytes) => {
      using pinned = file.pinSync(1);
      file.writeSync(Uint8Array.of(0x3c), 9 * PAGE);
      const target = new Uint8Array(1);
      file.readSync(target, 9 * PAGE);
      return [bytes[0], pinned.bytes[0], target[0]];
    });
    expect(result).toEqual([patternAt(PAGE), patternAt(PAGE), 0x3c]);
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 1 });
  });

  test('ends though its callback changes the page each time', async () => {
    const { file } = await startWithFile(2, SMALL);
    let runs = 0;
    const seen = await view(file, 0, (bytes) => {
      runs++;
      const before = bytes[0]!;
      file.writeSync(Uint8Array.of(runs), 0);
      return before;
    });
    expect(runs).toBeGreaterThan(1); // no run saw the page at rest
    expect(seen).toBe(runs - 1);
    let thrown = 0;
    const end = view(file, 0, () => {
      file.writeSync(Uint8Array.of(0), 0);
      throw new Error(`run ${++thrown}`);
    });
    await expect(end).rejects.toThrow(/^run \d+$/);
    expect(thrown).toBeGreaterThan(1);
  });

  test.each([undefined, null, 'fn', {}])('refuses %o for a callback', async (fn) => {
    const { file, cache } = await startWithFile(1, SMALL);
    for (const _missThenHit of [0, 1]) {
      await expect(view(file, 0, fn as unknown as () => 0)).rejects.toBeInstanceOf(TypeError);
    }
    expect(file.viewSync(0, (bytes) => bytes[0])).toBe(patternAt(0));
    expect(cache.stats().readPins).toBe(0);
  });
});

describe('view on a miss', () => {
  test('leaves the event loop free', async () => {
    const { file, cache } = await startWithFile(500, SMALL);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 0);
    let ended = 0;
    const values = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const value = await file.view(index, (bytes) => bytes[0]);
        ended++;
        return value;
      }),
    );
    clearInterval(timer);
    expect(ended).toBe(500);
    expect(values).toEqual(Array.from({ length: 500 }, (_, index) => patternAt(index * PAGE)));
    expect(ticks).toBeGreaterThan(0);
    expect(cache.stats().readPins).toBe(0);
  });

  test('does no I/O in the calling thread', async () => {
    const { file, cache } = await startWithFile(4, SMALL);
    let seen: number | undefined;
    const view = file.view(2, (bytes) => {
      seen = bytes[0];
    });
    expect(seen).toBeUndefined();
    await view;
    expect(seen).toBe(patternAt(2 * PAGE));
    expect(cache.stats()).toMatchObject({ fills: 1, misses: 1 });
  });

  test('waits side by side with others for one page, which is read once', async () => {
    const { file, cache } = await startWithFile(4, SMALL);
    const values = await Promise.all(Array.from({ length: 100 }, () => file.view(3, (bytes) => bytes[0])));
    expect(new Set(values)).toEqual(new Set([patternAt(3 * PAGE)]));
    expect(cache.stats()).toMatchObject({ fills: 1, resident: 1 });
  });
});
