// Who pins what, and where in the program that was: in `pages()`, and in the errors of `close` and `detach`.
import type { PageCache, PageInfo } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { attachHarness } from '#harness';
import { SMALL, startWithFile } from './support/cache.ts';
import { refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const TRACED = { ...SMALL, trace: true };

const pinned = (cache: PageCache): PageInfo[] => [...cache.pages({ pinned: true })];

describe('pages()', () => {
  test('tells the states of pages, and of those that are pinned only if asked so', async () => {
    const { file, cache, path } = await startWithFile(8, SMALL);
    await file.prefetch(0, 6);
    file.updateSync(2, (bytes) => bytes.fill(1));
    const page = file.pinSync(4, 'write');
    const again = file.pinSync(4);
    const all = [...cache.pages()];
    expect(all.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(all.map(({ frame }) => frame)).size).toBe(6);
    for (const info of all) {
      expect(info.file).toBe(path);
      expect(info.dirty).toBe(info.index === 2);
      expect(info).toMatchObject({ writeback: false, claimed: false, orphan: false, updater: undefined });
      expect(info.uses).toBeGreaterThanOrEqual(0);
      expect(info.uses).toBeLessThanOrEqual(2);
      expect(['probation', 'main', 'once']).toContain(info.queue);
    }
    const only = pinned(cache);
    expect(only).toEqual(all.filter(({ index }) => index === 4));
    expect(only[0]!.pins.map(({ mode }) => mode).sort()).toEqual(['read', 'write']);
    expect(only[0]!.pins[0]!.owner).toMatch(/^thread 0/);
    expect(only[0]!.pins[0]).not.toHaveProperty('stack');
    again.unpin();
    page.unpin();
    await file.fsync();
    expect([...cache.pages()].every(({ dirty, unstable }) => !dirty && !unstable)).toBe(true);
    expect(pinned(cache)).toEqual([]);
  });

  test('tells what is written and not flushed, what is being updated, and what was cut off', async () => {
    const { file, cache } = await startWithFile(8, { ...SMALL, writebackIntervalMs: 5, dirtyExpireMs: 0 });
    file.updateSync(1, (bytes) => {
      bytes.fill(1);
      const info = [...cache.pages()].find(({ index }) => index === 1);
      expect(info?.updater).toMatch(/^thread 0/);
    });
    await until('a flusher has written it', () => [...cache.pages()].some(({ unstable }) => unstable));
    await file.fsync();
    expect([...cache.pages()].some(({ unstable }) => unstable)).toBe(false);
    const page = file.pinSync(7);
    file.truncateSync(PAGE);
    expect(pinned(cache)).toMatchObject([{ index: 7, orphan: true }]);
    page.unpin();
  });

  test('refuses a filter that it does not know', async () => {
    const { cache } = await startWithFile(1, SMALL);
    expect(() => cache.pages({ dirty: true } as never)).toThrow(refusal('ERR_PINFOLD_OPTION', "'dirty'"));
    expect(() => cache.pages({ pinned: 'yes' as never })).toThrow(refusal('ERR_PINFOLD_OPTION', "'yes'"));
  });
});

describe('with trace', () => {
  test('pages() and close() show the stack that took each pin', async () => {
    const { file, cache } = await startWithFile(8, TRACED);
    async function leaky() {
      return [file.pinSync(1), await file.pin(2, 'write'), file.tryPin(1)];
    }
    const pages = await leaky();
    const stacks = pinned(cache).flatMap(({ pins }) => pins.map(({ stack }) => stack));
    expect(stacks).toHaveLength(3);
    for (const stack of stacks) {
      expect(stack).toMatch(/^ +at /);
      expect(stack).toContain('leaky');
      expect(stack).toContain('trace.test.ts');
      expect(stack).not.toContain('TracedFile');
    }
    await expect(cache.close()).rejects.toThrow(
      refusal('ERR_PINFOLD_BUSY', 'page 2', 'leaky', 'trace.test.ts'),
    );
    for (const page of pages) page?.unpin();
    expect(pinned(cache)).toEqual([]);
    // A later pin in the same slots is its own taker's.
    function other() {
      return file.pinSync(3, 'write');
    }
    using _page = other();
    expect(pinned(cache)[0]?.pins[0]?.stack).toContain('other');
    expect(pinned(cache)[0]?.pins[0]?.stack).not.toContain('leaky');
  });

  test('pins that the cache takes for a moment have no stack of others', async () => {
    const { file, cache } = await startWithFile(8, TRACED);
    file.pinSync(1).unpin();
    file.updateSync(1, () => {
      const [info] = pinned(cache);
      expect(info?.pins[0]).not.toHaveProperty('stack');
    });
  });

  test('the creator sees the stacks of other threads, also of those that die, and no longer', async () => {
    const { cache, path } = await startWithFile(8, TRACED);
    const flags = sharedFlags(2);
    const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
      function elsewhere() {
        return attached.openSync(path).pinSync(5, 'write');
      }
      const page = elsewhere();
      Atomics.store(flags, 0, 1);
      Atomics.wait(flags, 1, 0, 10_000);
      page.unpin();
    });
    await until('the pin is held', () => Atomics.load(flags, 0) === 1);
    expect(pinned(cache)[0]?.pins[0]?.stack).toContain('elsewhere');
    await expect(cache.close()).rejects.toThrow(refusal('ERR_PINFOLD_BUSY', 'elsewhere'));
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    await thread;
    expect(pinned(cache)).toEqual([]);
  });

  test('pages of files with checksums are traced, too', async () => {
    const { cache, path } = await startWithFile(1, TRACED);
    const file = await cache.open(`${path}-sums`, { create: true, checksum: 'crc32c' });
    file.writeSync(new Uint8Array(file.pageSize), 0);
    const page = file.pinSync(0, 'write');
    expect(page.bytes).toHaveLength(file.pageSize);
    expect(pinned(cache)[0]?.pins[0]?.stack).toContain('trace.test.ts');
    page.unpin();
    expect(() => page.bytes).toThrow(refusal('ERR_PINFOLD_UNPINNED'));
    await file.fsync();
  });

  test('a thread may trace though the creator does not, and need not though it does', async () => {
    const plain = await startWithFile(2, SMALL);
    const mine = attachHarness(plain.cache.handle, { trace: true });
    const held = mine.openSync(plain.path).pinSync(1);
    const [info] = pinned(mine);
    expect(info?.pins[0]?.stack).toContain('trace.test.ts');
    expect(() => mine.detach()).toThrow(refusal('ERR_PINFOLD_BUSY', 'trace.test.ts'));
    expect(pinned(plain.cache)[0]?.pins[0]).not.toHaveProperty('stack'); // in the other attachment's memory alone
    held.unpin();
    mine.detach();
    const traced = await startWithFile(2, TRACED);
    const quiet = attachHarness(traced.cache.handle, { trace: false });
    const page = quiet.openSync(traced.path).pinSync(1);
    expect(pinned(traced.cache)[0]?.pins[0]).not.toHaveProperty('stack');
    page.unpin();
    quiet.detach();
  });

  test('options are refused by name', async () => {
    const { cache } = await startWithFile(1, SMALL);
    expect(() => attachHarness(cache.handle, { trace: 1 as never })).toThrow(
      refusal('ERR_PINFOLD_OPTION', 'trace', '1'),
    );
    expect(() => attachHarness(cache.handle, { memory: 1 } as never)).toThrow(
      refusal('ERR_PINFOLD_OPTION', "'memory'"),
    );
  });
});
