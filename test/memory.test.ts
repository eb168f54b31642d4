// A cache's memory: no more than was asked for and what its control words need, and never more than at first.

import fs from 'node:fs';
import { join } from 'node:path';
import { type CacheOptions, PageCache } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { geometryOf, layout as L } from '#harness';
import { checkCacheOptions } from '../src/options.ts';
import { startCache } from './support/cache.ts';
import { testDirectory } from './support/directory.ts';
import { runProgram } from './support/program.ts';
import { refusal } from './support/refusal.ts';

interface Parts {
  readonly control: WebAssembly.Memory;
  readonly data: readonly WebAssembly.Memory[];
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

const partsOf = ({ handle }: PageCache) => handle as unknown as Parts;
const geometryFor = (options: CacheOptions) => geometryOf(checkCacheOptions(options));

test.each([
  ['the least', 256 * KIB],
  ['no whole pages', 256 * KIB + 1],
  ['a page less than there are in a block', MIB - 4096],
  ['a few pages and some bytes', 5 * MIB + 4096 + 17],
])('pages and staging areas fit into the memory asked for: %s', async (_name, memory) => {
  const { cache } = await startCache({ memory });
  const { data } = partsOf(cache);
  const bytes = data.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  expect(bytes).toBeLessThanOrEqual(Math.ceil(memory / 65_536) * 65_536);
  const { frames } = cache.stats();
  const { stagingAreas, stagingPages } = geometryFor({ memory });
  expect((frames + stagingAreas * stagingPages) * 4096).toBeLessThanOrEqual(memory);
  expect((frames + stagingAreas * stagingPages + 1) * 4096).toBeGreaterThan(memory);
});

test('no memory of a cache can grow', async () => {
  const { cache } = await startCache();
  const { control, data } = partsOf(cache);
  for (const memory of [control, ...data]) expect(() => memory.grow(1)).toThrow(RangeError);
});

test('less than the least, and more than 128 GiB, is refused', async () => {
  for (const memory of [256 * KIB - 1, 2 ** 37 + 1]) {
    await expect(PageCache.create({ memory })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'memory', String(memory)),
    );
  }
  expect(geometryFor({ memory: 2 ** 37, pageSize: 64 * KIB }).dataBytes.length).toBe(33); // each leaves room for the staging areas
});

test('more metadata than can be addressed is refused, with what it comes from', async () => {
  const options = { memory: 128 * GIB, maxFiles: 65_536 };
  await expect(PageCache.create(options)).rejects.toThrow(
    refusal('ERR_PINFOLD_OPTION', String(128 * GIB), 'pageSize 4096', 'maxFiles 65536', 'larger pages'),
  );
});

describe('metadata', () => {
  test('is 2.5% of the memory asked for at the most, from 64 MiB to 8 GiB', () => {
    let most = 0;
    for (let memory = 64 * MIB; memory <= 8 * GIB; memory += 32 * MIB) {
      most = Math.max(most, geometryFor({ memory }).controlBytes / memory);
    }
    expect(most).toBeLessThanOrEqual(0.025);
    expect(most).toBeGreaterThan(0.015); // a descriptor is 64 bytes for a page of 4,096
  });

  test('is all in one memory, of the size reckoned', async () => {
    const { cache } = await startCache({ memory: 64 * MIB });
    expect(partsOf(cache).control.buffer.byteLength).toBe(geometryFor({ memory: 64 * MIB }).controlBytes);
  });
});

/** What a thread has of its own, service threads too: its heap, and a view of each frame that it has touched. */
const THREAD_BYTES = 16 * MIB;
const VIEW_BYTES = 200;

test.runIf(process.platform === 'linux')(
  'a process never has more memory resident than was asked for, metadata, and what each thread needs for itself',
  async () => {
    const memory = 128 * MIB;
    const path = join(testDirectory(), 'data');
    fs.writeFileSync(path, '');
    fs.truncateSync(path, 2 * memory);
    const end = await runProgram(
      `import fs from 'node:fs';
      const most = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
      const before = most();
      const cache = await pinfold.PageCache.create({ memory: ${memory} });
      const file = await cache.open(argument);
      const bytes = new Uint8Array(1 << 20);
      // Each page twice, read or written, so that all frames are used, and by the other threads too.
      for (let at = 0; at < 2 * ${memory}; at += bytes.length) {
        if ((at / bytes.length) % 2 === 0) file.readSync(bytes, at);
        else file.writeSync(bytes.fill(at >> 20), at);
      }
      await file.fsync();
      for (let at = 0; at < 2 * ${memory}; at += 16 * bytes.length) await file.read(bytes, at);
      const { frames, resident, reclaims, owners } = cache.stats();
      const used = most() - before;
      await cache.close();
      console.log(JSON.stringify({ frames, resident, reclaims, owners, used }));`,
      path,
    );
    expect(end).toMatchObject({ status: 0, stderr: '' });
    const { frames, resident, reclaims, owners, used } = JSON.parse(end.stdout);
    expect(resident).toBeGreaterThan(0.95 * frames);
    expect(reclaims).toBeGreaterThan(0.9 * frames);
    const { controlBytes } = geometryFor({ memory });
    const allowance = controlBytes + owners * (THREAD_BYTES + VIEW_BYTES * frames);
    expect(allowance).toBeLessThan(0.6 * memory); // else this would tell nothing
    expect(used).toBeGreaterThan(0.9 * memory);
    expect(used).toBeLessThan(memory + allowance);
  },
);

/** Lets the next claims take frames from this one on. */
function claimFrom(cache: PageCache, frame: number): void {
  const words = new Int32Array(partsOf(cache).control.buffer);
  Atomics.store(words, L.HEADER_SEEK >> 2, frame);
}

// A memory spans 4 GiB at the most, so a larger pool has several. What is not touched costs nothing.
describe.each([
  { pageSize: 4 * KIB, checksum: 'none' },
  { pageSize: 64 * KIB, checksum: 'none' },
  { pageSize: 64 * KIB, checksum: 'crc32c' },
] as const)(
  'a pool of 4 GiB and a page of $pageSize bytes (checksum $checksum)',
  ({ pageSize, checksum }) => {
    test('holds pages on both sides of the border, and what is made of two of them', async () => {
      const memory = 4 * GIB + 4 * pageSize;
      const { framesPerMemory, dataBytes } = geometryFor({ memory, pageSize });
      expect(dataBytes.length).toBe(2);
      const path = join(testDirectory(), 'data');
      const { cache } = await startCache({ memory, pageSize });
      const { data } = partsOf(cache);
      const file = await cache.open(path, { create: true, checksum });
      const payload = file.pageSize;
      const model = Buffer.from(Uint8Array.from({ length: 8 * payload }, (_, n) => (n * 31) % 253));
      claimFrom(cache, framesPerMemory - 4);
      file.writeSync(model, 0);
      const memories = () =>
        Array.from({ length: 8 }, (_, index) => {
          using page = file.pinSync(index);
          return data.findIndex(({ buffer }) => buffer === page.bytes.buffer);
        });
      expect(new Set(memories())).toEqual(new Set([0, 1]));
      // Before-images are in frames too, of the other memory for some of these.
      for (let index = 0; index < 8; index++) {
        const refused = () =>
          file.updateSync(index, (bytes) => {
            bytes.fill(0);
            throw new Error('no');
          });
        expect(refused).toThrow('no');
        file.updateSync(index, (bytes) => bytes.fill(index + 1), undefined, { offset: 50, length: 9 });
        model.fill(index + 1, index * payload + 50, index * payload + 59);
      }
      const back = Buffer.alloc(model.length);
      expect(file.readSync(back, 0)).toBe(model.length);
      expect(back.equals(model)).toBe(true);
      expect(await file.fsync()).toMatchObject({ pages: 8, flushes: 1 });
      for (let index = 0; index < 8; index++) {
        const stored = fs.readFileSync(path).subarray(index * pageSize, index * pageSize + payload);
        expect(stored.equals(model.subarray(index * payload, (index + 1) * payload))).toBe(true);
      }
      await file.truncate(5 * payload + 3);
      expect(file.viewSync(5, (bytes) => [...bytes.subarray(0, 6)])).toEqual([
        ...model.subarray(5 * payload, 5 * payload + 3),
        0,
        0,
        0,
      ]);
      await file.fsync();
    });
  },
);
