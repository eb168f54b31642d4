// A file whose opening failed half-way can be opened as soon as nothing stands in the way.
import { constants } from 'node:os';
import { PageCache } from 'pinfold';
import { expect, test } from 'vitest';
import { startCache } from './support/cache.ts';
import { writeSealed } from './support/checksum.ts';
import { fileOf } from './support/directory.ts';

test('a file whose last page could not be read is nobody’s: this cache opens it, and so does another', async () => {
  const { cache, fail, heal } = await startCache();
  const path = fileOf(0);
  writeSealed(path, new Uint8Array(10_000).fill(7));
  fail({ call: 'read', errno: constants.errno.EIO });
  await expect(cache.open(path, { checksum: 'crc32c' })).rejects.toMatchObject({ cause: { code: 'EIO' } });
  heal();
  const other = await PageCache.create({ memory: 1 << 20 });
  const elsewhere = await other.open(path, { checksum: 'crc32c' });
  expect(elsewhere.size).toBe(10_000);
  await elsewhere.close();
  await other.close();
  const file = await cache.open(path, { checksum: 'crc32c' });
  expect(file.viewSync(0, (bytes) => bytes[0])).toBe(7);
});
