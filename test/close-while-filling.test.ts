// close beside a page that is being brought in, as by readahead: a read, which ends by itself.
import fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createHarness, engineOf } from '#harness';
import { testDirectory } from './support/directory.ts';

async function claimed() {
  const { cache } = await createHarness({ memory: 256 * 1024 });
  const path = join(testDirectory(), 'data');
  fs.writeFileSync(path, Buffer.alloc(8 * 4096));
  const file = await cache.open(path, { access: 'random' });
  const { attachment, id } = engineOf(file);
  const { control } = attachment.kernel;
  expect(control.reclaim(2 ** 30, id, 3)).toBeGreaterThanOrEqual(0);
  expect(control.install(id, 3, 0)).toBe(0); // from here on it is looked up in vain, and waited for
  return { cache, control };
}

test('it is waited for, and the cache closes', async () => {
  const { cache, control } = await claimed();
  setTimeout(() => control.abandonClaim(), 100);
  await cache.close();
});
