import { type CacheOptions, PageCache } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { createHarness } from '#harness';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { fileOf } from './support/directory.ts';
import { refusal } from './support/refusal.ts';

/** Values that are wrong wherever a number is asked for, and how a message shows them. */
const notNumbers: [unknown, string][] = [
  ['4096', "'4096'"],
  ['', "''"],
  [null, 'null'],
  [true, 'true'],
  [4096n, '4096n'],
  [[], 'an array'],
  [{}, 'an object (Object)'],
  [() => 1, 'a function'],
  [Symbol('size'), 'Symbol(size)'],
];

const outOfRange = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 2 ** 53 + 2, 1e300];

const wholeNumbers = [
  'memory',
  'pageSize',
  'flushers',
  'dirtyExpireMs',
  'writebackIntervalMs',
  'blockTimeoutMs',
  'maxThreads',
  'maxPinsPerThread',
  'maxFiles',
];
const ratios = ['dirtyBackgroundRatio', 'dirtyRatio'];

const create = (options: unknown) => PageCache.create(options as CacheOptions);

describe('create', () => {
  test.each([...wholeNumbers, ...ratios])('%s refuses what is no number', async (name) => {
    for (const [value, shown] of notNumbers) {
      const refused = create({ [name]: value });
      await expect(refused).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', name, shown));
      await expect(refused).rejects.toBeInstanceOf(TypeError);
    }
  });

  test.each([...wholeNumbers, ...ratios])('%s refuses numbers out of range', async (name) => {
    for (const value of outOfRange) {
      const refused = create({ [name]: value });
      await expect(refused).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', name, String(value)));
      await expect(refused).rejects.toBeInstanceOf(RangeError);
    }
  });

  test.each(wholeNumbers)('%s refuses fractions', async (name) => {
    await expect(create({ [name]: 8192.5 })).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', name, '8192.5'));
  });

  test.each([
    [{ memory: 256 * 1024 - 1 }, 'memory'],
    [{ pageSize: 2048 }, 'pageSize'],
    [{ pageSize: 131_072 }, 'pageSize'],
    [{ flushers: 0 }, 'flushers'],
    [{ flushers: 9 }, 'flushers'],
    [{ dirtyRatio: 1.01 }, 'dirtyRatio'],
    [{ dirtyBackgroundRatio: 0 }, 'dirtyBackgroundRatio'],
    [{ writebackIntervalMs: 0 }, 'writebackIntervalMs'],
    [{ maxThreads: 0 }, 'maxThreads'],
    [{ maxThreads: 1025 }, 'maxThreads'],
    [{ maxPinsPerThread: 0 }, 'maxPinsPerThread'],
    [{ maxPinsPerThread: 4097 }, 'maxPinsPerThread'],
    [{ maxFiles: 0 }, 'maxFiles'],
    [{ maxFiles: 65_537 }, 'maxFiles'],
  ])('%j is just out of range', async (options, name) => {
    await expect(create(options)).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', name, `got ${Object.values(options)[0]}`),
    );
  });

  test('a page size is a power of two', async () => {
    await expect(create({ pageSize: 12_288 })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'pageSize', '12288'),
    );
  });

  test('the memory holds 32 pages at least', async () => {
    const options = { memory: 1 << 20, pageSize: 65_536 };
    await expect(create(options)).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', 'memory', '1048576'));
  });

  test('the background limit is not above the limit', async () => {
    const options = { dirtyBackgroundRatio: 0.5, dirtyRatio: 0.25 };
    await expect(create(options)).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', '0.5', '0.25'));
    // 0.5 alone is above the default of the other.
    await expect(create({ dirtyBackgroundRatio: 0.5 })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', '0.5', '0.2'),
    );
  });

  test.each([
    ['fsyncPolicy', 'skip', "'skip'"],
    ['fsyncPolicy', 'Bounce', "'Bounce'"],
    ['fsyncPolicy', null, 'null'],
    ['fsyncPolicy', 1, '1'],
  ])('%s refuses %j', async (name, value, shown) => {
    await expect(create({ [name]: value })).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', name, shown));
  });

  test('an unknown option is named, and the known ones are listed', async () => {
    const refused = create({ memroy: 1 << 20 });
    await expect(refused).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', "'memroy'", 'memory', 'fsyncPolicy'));
    await expect(create({ [`x${'y'.repeat(10)}`]: undefined })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', "'xy"),
    );
  });

  test('what only the harness has is unknown', async () => {
    await expect(create({ pinnedDirty: 'keep' })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', "'pinnedDirty'"),
    );
    await expect(createHarness({ pinnedDirty: 'clean' as 'keep' })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'pinnedDirty', 'clean'),
    );
  });

  test.each([
    [null, 'null'],
    ['64 MiB', "'64 MiB'"],
    [64, '64'],
    [[], 'an array'],
    [() => {}, 'a function'],
  ])('options are an object, not %s', async (options, shown) => {
    await expect(create(options)).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', shown));
  });

  test('more memory than there can be is refused with a code, too', async () => {
    await expect(create({ memory: 2 ** 43 })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'memory', String(2 ** 43)),
    );
  });

  test('the ends of the ranges are taken', async () => {
    const options: CacheOptions = {
      ...SMALL,
      flushers: 8,
      dirtyBackgroundRatio: 0.0001,
      dirtyRatio: 1,
      dirtyExpireMs: 0,
      writebackIntervalMs: 2 ** 30,
      blockTimeoutMs: 0,
      maxThreads: 1,
      maxPinsPerThread: 1,
      maxFiles: 1,
    };
    const { cache } = await startCache(options);
    expect(cache.stats()).toMatchObject({ frames: 60, owners: 8 + 1 + 1 });
  });

  test('the largest pages, in the least memory for them', async () => {
    const pageSize = 65_536;
    const { file } = await startWithFile(3, { pageSize, memory: 32 * pageSize });
    expect(file.pageSize).toBe(pageSize);
    expect(file.viewSync(2, (bytes) => bytes.length)).toBe(pageSize);
  });

  test('an option that is undefined has its default', async () => {
    const { cache } = await createHarness({
      memory: undefined,
      flushers: undefined,
    } as unknown as CacheOptions);
    const { frames, owners } = cache.stats();
    await cache.close();
    expect(owners).toBe(3);
    expect(frames * 4096).toBeGreaterThan(0.95 * 64 * 2 ** 20);
    expect(frames * 4096).toBeLessThan(64 * 2 ** 20);
  });
});

describe('open', () => {
  const wrong: [unknown, string[]][] = [
    [{ mode: 'w' }, ['mode', "'w'"]],
    [{ mode: 'r+ ' }, ['mode', "'r+ '"]],
    [{ mode: 0o644 }, ['mode', '420']],
    [{ mode: null }, ['mode', 'null']],
    [{ create: 1 }, ['create', '1']],
    [{ create: 'yes' }, ['create', "'yes'"]],
    [{ create: Number.NaN }, ['create', 'NaN']],
    [{ direct: 1 }, ['direct', '1']],
    [{ direct: 'yes' }, ['direct', "'yes'"]],
    [{ direct: {} }, ['direct', 'an object (Object)']],
    [{ create: true, mode: 'r' }, ['create', "'r'"]],
    [{ flags: 'r' }, ["'flags'", 'mode, create, checksum, direct']],
    ['r', ["'r'"]],
    [null, ['null']],
    [[], ['an array']],
  ];

  test.each(wrong)('options %j', async (options, named) => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(1);
    await expect(cache.open(path, options as object)).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', ...named),
    );
    expect(() => cache.openSync(path, options as object)).toThrow(refusal('ERR_PINFOLD_OPTION', ...named));
  });

  test.each([
    ['', "''"],
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
    [Buffer.from('/tmp'), 'an object (Buffer)'],
    ['a\0b', 'a\0b'],
  ])('path %j', async (path, shown) => {
    const { cache } = await startCache(SMALL);
    await expect(cache.open(path as string)).rejects.toThrow(refusal('ERR_PINFOLD_ARGUMENT', 'path', shown));
    expect(() => cache.openSync(path as string)).toThrow(refusal('ERR_PINFOLD_ARGUMENT', 'path', shown));
  });
});

describe('fsync', () => {
  const wrong: [unknown, string[]][] = [
    [{ policy: 'skip' }, ['policy', "'skip'"]],
    [{ policy: 3 }, ['policy', '3']],
    [{ timeout: -1 }, ['timeout', '-1']],
    [{ timeout: Number.NaN }, ['timeout', 'NaN']],
    [{ timeout: 2 ** 53 }, ['timeout', String(2 ** 53)]],
    [{ timeout: '10' }, ['timeout', "'10'"]],
    [{ timeout: null }, ['timeout', 'null']],
    [{ signal: {} }, ['signal', 'an object (Object)']],
    [{ signal: null }, ['signal', 'null']],
    [{ signal: new AbortController() }, ['signal', 'AbortController']],
    [{ datasync: true }, ["'datasync'", 'policy, timeout, signal']],
    [null, ['null']],
    ['block', ["'block'"]],
    [() => {}, ['a function']],
  ];

  test.each(wrong)('options %o', async (options, named) => {
    const { file } = await startWithFile(1, SMALL);
    await expect(file.fsync(options as object)).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', ...named));
    expect(() => file.fsyncSync(options as object)).toThrow(refusal('ERR_PINFOLD_OPTION', ...named));
  });
});
