// Pages of every size there is: the same file by each of them, by each call, cached, stored and found again.
import fs from 'node:fs';
import { join } from 'node:path';
import type { CachedFile } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { startCache } from './support/cache.ts';
import { testDirectory } from './support/directory.ts';

const KIB = 1024;
const SIZES = [4, 8, 16, 32, 64].map((kib) => kib * KIB);
/** More than the pool has frames, so that pages are reclaimed and brought in again. */
const PAGES = 90;

/** No two pages, and no two bytes side by side, are alike. */
const byteAt = (position: number) => (Math.imul(position, 0x9e3779b1) >>> 24) ^ (position & 0xff);

function patterned(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, position) => byteAt(position)));
}

/** All of the file, by the library. */
function contentOf(file: CachedFile): Buffer {
  const bytes = Buffer.alloc(file.size);
  expect(file.readSync(bytes, 0)).toBe(bytes.length);
  return bytes;
}

describe.each(
  SIZES.flatMap((pageSize) => (['none', 'crc32c'] as const).map((checksum) => ({ pageSize, checksum }))),
)('pages of $pageSize bytes (checksum $checksum)', ({ pageSize, checksum }) => {
  const payload = checksum === 'none' ? pageSize : pageSize - 8;
  const options = { pageSize, memory: 66 * pageSize };

  test('are written, updated, pinned, cut, synced, and found again', async () => {
    const path = join(testDirectory(), 'data');
    const { cache } = await startCache(options);
    const file = await cache.open(path, { create: true, checksum });
    expect(file.pageSize).toBe(payload);
    const model = patterned(PAGES * payload - 100);
    file.writeSync(model, 0);
    await file.fsync();
    expect(cache.stats().frames).toBeLessThan(PAGES);
    expect(contentOf(file).equals(model)).toBe(true);

    // Over the border of two pages, by both kinds of calls.
    const across = Buffer.alloc(payload, 0xa5);
    file.writeSync(across, 3 * payload - 17);
    across.copy(model, 3 * payload - 17);
    await file.write(across, 40 * payload + 1);
    across.copy(model, 40 * payload + 1);
    // The last bytes of a page, by update; all of one by a pin.
    file.updateSync(7, (bytes) => bytes.fill(0x5a), undefined, { offset: payload - 3, length: 3 });
    model.fill(0x5a, 8 * payload - 3, 8 * payload);
    const page = await file.pin(50, 'write');
    expect(page.bytes.length).toBe(payload);
    page.bytes.fill(0x77);
    page.unpin();
    model.fill(0x77, 50 * payload, 51 * payload);
    for (const index of [2, 3, 7, 40, 41, 50]) {
      const there = file.viewSync(index, (bytes) => Buffer.from(bytes));
      expect(there.equals(model.subarray(index * payload, (index + 1) * payload))).toBe(true);
    }

    // Cut in the middle of a page, and extended behind a gap.
    const end = 60 * payload + 33;
    await file.truncate(end);
    const far = 70 * payload + 5;
    file.writeSync(Buffer.from('end'), far);
    const cut = Buffer.concat([model.subarray(0, end), Buffer.alloc(far - end), Buffer.from('end')]);
    expect(contentOf(file).equals(cut)).toBe(true);
    await file.fsync();
    const stored = fs.readFileSync(path);
    if (checksum === 'none') expect(stored.equals(cut)).toBe(true);
    else {
      expect(stored.length).toBe(71 * pageSize);
      for (const index of [0, 3, 60, 70]) {
        const used = stored.readUInt32LE(index * pageSize + payload);
        const content = stored.subarray(index * pageSize, index * pageSize + Math.min(payload, used));
        expect(content.equals(cut.subarray(index * payload, index * payload + content.length))).toBe(true);
      }
    }
    await file.close();
    await cache.close();

    const { cache: again } = await startCache(options);
    const reopened = await again.open(path, { checksum });
    expect(reopened.size).toBe(cut.length);
    expect(contentOf(reopened).equals(cut)).toBe(true);
  });
});
