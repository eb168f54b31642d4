// Caches over the debug kernel and a store that can be made to fail, closed after each test.

import type { CachedFile, OpenOptions, Page, PageCache } from 'pinfold';
import { afterEach } from 'vitest';
import { createHarness, type HarnessCache, type HarnessOptions } from '#harness';
import { fileOf } from './directory.ts'; // first: its clean-up then comes after this one's

const started: HarnessCache[] = [];

afterEach(async () => {
  for (const harness of started.splice(0).reverse()) {
    harness.heal();
    await harness.cache.close();
  }
});

/** The smallest pool there is: 60 frames of 4 KiB. */
export const SMALL: HarnessOptions = { memory: 256 * 1024 };

/** A cache of 1 MiB by default. */
export async function startCache(options?: HarnessOptions): Promise<HarnessCache> {
  const harness = await createHarness({ memory: 1 << 20, ...options });
  started.push(harness);
  return harness;
}

export interface OpenedFile extends HarnessCache {
  cache: PageCache;
  file: CachedFile;
  path: string;
}

/** A cache with one open file of `pages` pages of the pattern. */
export async function startWithFile(
  pages: number,
  options?: HarnessOptions,
  open?: OpenOptions,
): Promise<OpenedFile> {
  const path = fileOf(pages * (options?.pageSize ?? 4096));
  const harness = await startCache(options);
  return { ...harness, path, file: await harness.cache.open(path, open) };
}

/** Pins a page for writing that is dirty, as one is that was pinned anew when its pin dropped. */
export function pinDirty(file: CachedFile, index: number): Page {
  const before = file.pinSync(index, 'write');
  const page = file.pinSync(index, 'write');
  before.unpin();
  return page;
}
