// A cache's memory: no more than was asked for and what its control words need, and never more than at first.

import { PageCache } from 'pinfold';
import { expect, test } from 'vitest';

interface Parts {
  readonly control: WebAssembly.Memory;
  readonly data: readonly WebAssembly.Memory[];
}

const MIB = 2 ** 20;

test('pages and staging areas fit into the memory asked for', async () => {
  for (const memory of [256 * 1024, 5 * MIB + 4096]) {
    const cache = await PageCache.create({ memory });
    const { data } = cache.handle as unknown as Parts;
    const bytes = data.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    expect(bytes).toBeLessThanOrEqual(Math.ceil(memory / 65_536) * 65_536);
    await cache.close();
  }
});

test('no memory of a cache can grow', async () => {
  const cache = await PageCache.create({ memory: MIB });
  const { control, data } = cache.handle as unknown as Parts;
  for (const memory of [control, ...data]) expect(() => memory.grow(1)).toThrow(RangeError);
  await cache.close();
});
