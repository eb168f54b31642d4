// Files beyond 4 TiB, where page indexes pass 2^30 and, with pages of 4 KiB, 2^31: cut, extended, synced and found again.
// They are sparse, so they cost nothing.
import fs from 'node:fs';
import { join } from 'node:path';
import type { CachedFile, OpenOptions, PageCache } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startCache } from './support/cache.ts';
import { sealed } from './support/checksum.ts';
import { bytesInFile, testDirectory } from './support/directory.ts';
import { refusal } from './support/refusal.ts';

const PAGE = 4096;
const TIB = 2 ** 40;

/** Whether the file system has files so large: ext4 with blocks of 4 KiB ends at 16 TiB, others before. */
function hasFilesOf(path: string, bytes: number): boolean {
  fs.writeFileSync(path, '');
  try {
    fs.truncateSync(path, bytes);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EFBIG') return false;
    throw error;
  } finally {
    fs.truncateSync(path, 0);
  }
}

const text = (file: CachedFile, position: number, length: number) => {
  const bytes = Buffer.alloc(length);
  return bytes.toString('latin1', 0, file.readSync(bytes, position));
};

/** What the store has where the file has `content` in one page. */
function stored(checksum: OpenOptions['checksum'], index: number, from: number, content: string): Buffer {
  const page = Buffer.alloc(from + content.length);
  page.write(content, from, 'latin1');
  return checksum === 'crc32c'
    ? sealed(index, page).subarray(from, from + content.length)
    : page.subarray(from);
}

describe.each(
  [
    ['5 TiB', 5 * TIB],
    ['9 TiB', 9 * TIB],
  ].flatMap(([name, far]) =>
    (['none', 'crc32c'] as const).map((checksum) => ({ name, far, checksum }) as const),
  ),
)('at $name (checksum $checksum)', ({ far, checksum }) => {
  const payload = checksum === 'none' ? PAGE : PAGE - 8;
  const index = Math.floor((far as number) / payload);
  /** In the page `index`. */
  const position = index * payload + 100;

  test('a file is written, cut, extended, synced and found again', async ({ skip }) => {
    const path = join(testDirectory(), 'sparse');
    if (!hasFilesOf(path, (index + 20) * PAGE)) return skip('the file system has no files so large');
    expect(index).toBeGreaterThan(2 ** 30);
    const { cache } = await startCache(SMALL);
    const file = await cache.open(path, { checksum });
    file.writeSync(Buffer.from('first'), 0);
    file.writeSync(Buffer.from('far'), position);
    await file.write(Buffer.from('behind'), position + 3 * payload);
    expect(file.size).toBe(position + 3 * payload + 6);
    expect(await file.fsync()).toMatchObject({ flushes: 1 });
    expect(bytesInFile(path, index * PAGE + 100, 3)).toEqual(stored(checksum, index, 100, 'far'));
    expect(bytesInFile(path, (index + 3) * PAGE + 100, 6)).toEqual(
      stored(checksum, index + 3, 100, 'behind'),
    );
    // Pages whose indexes have the same low bits are others.
    for (const other of [2 ** 20, 2 ** 30, 2 ** 31].map((bits) => index % bits)) {
      if (other !== index) expect(file.viewSync(other, (bytes) => bytes[100])).toBe(0);
    }

    await file.truncate(position + 2);
    expect(file.size).toBe(position + 2);
    expect(text(file, position - 1, 10)).toBe('\0fa');
    expect(() => file.viewSync(index + 1, () => 0)).toThrow(refusal('ERR_PINFOLD_RANGE'));
    file.writeSync(Buffer.from('again'), position + 2 * payload);
    expect(text(file, position, 4)).toBe('fa\0\0');
    expect(text(file, position + 2 * payload - 2, 10)).toBe('\0\0again');
    using pin = await file.pin(index + 2);
    expect(pin.index).toBe(index + 2);
    file.fsyncSync();
    expect(fs.statSync(path).size).toBe(
      checksum === 'none' ? position + 2 * payload + 5 : (index + 3) * PAGE,
    );
    expect(fs.statSync(path).blocks * 512).toBeLessThan(2 ** 20);
    pin.unpin();
    await file.close();
    await cache.close();

    const found = await reopened(path, checksum);
    expect(found.size).toBe(position + 2 * payload + 5);
    expect(text(found, position, 4)).toBe('fa\0\0');
    expect(text(found, position + 2 * payload, 9)).toBe('again');
    expect(text(found, 0, 6)).toBe('first\0');
    await found.truncate(7);
    expect(found.size).toBe(7);
    await found.fsync();
    expect(fs.statSync(path).size).toBe(checksum === 'none' ? 7 : PAGE);
  });
});

async function reopened(path: string, checksum: 'none' | 'crc32c'): Promise<CachedFile> {
  const { cache }: { cache: PageCache } = await startCache(SMALL);
  return await cache.open(path, { checksum });
}
