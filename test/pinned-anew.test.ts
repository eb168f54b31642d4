// A write pin that lives long brings what came so far under fsync's promise: the page is pinned anew, then the old pin dropped.
import { expect, test } from 'vitest';
import { startWithFile } from './support/cache.ts';
import { bytesInFile } from './support/directory.ts';

const PAGE = 4096;

test.each(['keep', 'redirty'] as const)(
  'under %s a page that is pinned anew before its pin drops stays in place, and fsync has what came before',
  async (pinnedDirty) => {
    const { file, path, cache } = await startWithFile(2, { pinnedDirty });
    let page = file.pinSync(1, 'write');
    const place = page.bytes.byteOffset;
    for (const value of [11, 22, 33]) {
      page.bytes[5] = value;
      const anew = file.pinSync(1, 'write');
      page.unpin();
      page = anew;
      expect(page.bytes.byteOffset).toBe(place);
      expect(cache.stats()).toMatchObject({ writePins: 1, dirty: 1 });
      expect(file.fsyncSync()).toMatchObject({ bounced: 1 });
      expect(bytesInFile(path, PAGE + 5, 1)[0]).toBe(value);
    }
    page.unpin();
  },
);
