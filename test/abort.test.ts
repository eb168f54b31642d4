// A signal ends its caller's wait, at once and nobody else's; what was under way ends by itself and leaves nothing behind.
import fs from 'node:fs';
import { type CachedFile, PageCache, type WaitOptions } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt } from './support/directory.ts';
import { refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const store = (bytes: Uint8Array) => bytes.fill(0xee);

/** Every call of a file that may wait, on pages that are not in the cache. */
const calls: [string, (file: CachedFile, options: WaitOptions) => Promise<unknown>][] = [
  ['view', (file, options) => file.view(5, (bytes) => bytes[0], undefined, options)],
  ['pin', (file, options) => file.pin(5, 'read', options)],
  ['pin to write', (file, options) => file.pin(5, 'write', options)],
  ['read', (file, options) => file.read(new Uint8Array(8 * PAGE), 0, options)],
  ['update', (file, options) => file.update(5, store, undefined, options)],
  ['write', (file, options) => file.write(new Uint8Array(8), 5 * PAGE + 9, options)],
  ['truncate', (file, options) => file.truncate(3 * PAGE + 1, options)],
  ['truncate to extend', (file, options) => file.truncate(100 * PAGE + 1, options)],
  ['prefetch', (file, options) => file.prefetch(0, 20, options)],
  ['fsync', (file, options) => file.fsync(options)],
  ['fsync that blocks', (file, options) => file.fsync({ ...options, policy: 'block' })],
];

/** What an aborted call rejects with. */
async function expectAborted(call: Promise<unknown>, what: string, reason: unknown): Promise<void> {
  const error: unknown = await call.catch((thrown) => thrown);
  expect(error).toEqual(refusal('ERR_PINFOLD_ABORTED', what));
  expect(error).toHaveProperty('name', 'AbortError');
  expect((error as Error).cause).toBe(reason);
}

/** Resolves when the thread has no call under way, and no pin. */
async function quiet({ cache, file }: { cache: PageCache; file: CachedFile }): Promise<void> {
  const { attachment } = file.engine;
  await until('no pin is left', () => cache.stats().readPins + cache.stats().writePins === 0);
  await until('no request is left', () => attachment.kernel.status(attachment.kernel.owner) === 1);
  await file.fsync();
}

describe.each(calls)('%s', (name, call) => {
  const what = name.split(' ')[0]!;

  test('rejects at once, and changes nothing, if its signal is aborted already', async () => {
    const opened = await startWithFile(40, SMALL);
    const before = opened.cache.stats();
    const reason = new Error('enough');
    await expectAborted(call(opened.file, { signal: AbortSignal.abort(reason) }), what, reason);
    expect(opened.cache.stats()).toEqual(before);
    expect(opened.file.size).toBe(40 * PAGE);
  });

  test('rejects when its signal is aborted, and leaves nothing behind', async () => {
    const opened = await startWithFile(40, SMALL);
    if (what === 'fsync') opened.file.writeSync(Uint8Array.of(1), 0);
    const controller = new AbortController();
    const waiting = call(opened.file, { signal: controller.signal });
    controller.abort('enough'); // no turn of the event loop has passed: no answer can have come
    await expectAborted(waiting, what, 'enough');
    await quiet(opened);
    expect(opened.cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 0 });
    // The cache works, and the pages are what they were, or what the call that went on has made of them.
    expect(opened.file.viewSync(2, (bytes) => bytes[7])).toBe(patternAt(2 * PAGE + 7));
    if (what === 'update') expect(opened.file.viewSync(5, (bytes) => bytes[0])).toBe(patternAt(5 * PAGE));
    await opened.cache.close();
  });

  test('is as without one if the signal is not aborted, and listens no longer', async () => {
    const opened = await startWithFile(40, SMALL);
    const controller = new AbortController();
    const result = await call(opened.file, { signal: controller.signal });
    controller.abort();
    if (what === 'pin') (result as { unpin(): void }).unpin();
    await quiet(opened);
  });

  test('refuses what is no signal', async () => {
    const { file } = await startWithFile(40, SMALL);
    await expect(call(file, { signal: 'soon' as never })).rejects.toThrow(
      refusal('ERR_PINFOLD_OPTION', 'signal', "'soon'"),
    );
  });
});

test('another caller of the same page gets it', async () => {
  const { file } = await startWithFile(40, SMALL);
  const controller = new AbortController();
  const aborted = file.pin(9, 'read', { signal: controller.signal });
  const other = file.pin(9);
  controller.abort();
  await expect(aborted).rejects.toThrow(refusal('ERR_PINFOLD_ABORTED'));
  using page = await other;
  expect(page.bytes[0]).toBe(patternAt(9 * PAGE));
});

test('another caller of the same round of fsync hears of its end', async () => {
  const { file, path } = await startWithFile(4, SMALL);
  file.writeSync(Uint8Array.of(0x5a), PAGE);
  const controller = new AbortController();
  const aborted = file.fsync({ signal: controller.signal });
  const other = file.fsync();
  controller.abort();
  await expect(aborted).rejects.toThrow(refusal('ERR_PINFOLD_ABORTED'));
  expect(await other).toMatchObject({ pages: 1 });
  expect(bytesInFile(path, PAGE, 1)[0]).toBe(0x5a);
});

test('an aborted write has written the pages that it had come to, and no others', async () => {
  const { file } = await startWithFile(30, SMALL);
  await file.prefetch(0, 2);
  const controller = new AbortController();
  const waiting = file.write(new Uint8Array(20 * PAGE).fill(0xab), 0, { signal: controller.signal });
  await until('it has come to a page', () => file.viewSync(0, (bytes) => bytes[0]) === 0xab);
  controller.abort();
  await expect(waiting).rejects.toThrow(refusal('ERR_PINFOLD_ABORTED'));
  const written = () =>
    Array.from({ length: 20 }, (_, index) =>
      file.viewSync(index, (bytes) => bytes.every((byte) => byte === 0xab)),
    );
  const first = written();
  await file.fsync();
  expect(written()).toEqual(first);
  expect(first.lastIndexOf(true)).toBe(first.indexOf(false) - 1); // a beginning of it
});

test('fsync with policy block stops waiting for a pin', async () => {
  const { file } = await startWithFile(4, SMALL);
  const page = file.pinSync(1, 'write');
  page.unpin();
  const held = file.pinSync(1, 'write');
  const controller = new AbortController();
  const waiting = file.fsync({ policy: 'block', signal: controller.signal });
  setTimeout(() => controller.abort('later'), 20);
  await expectAborted(waiting, 'fsync', 'later');
  held.unpin();
});

test('an update that waits for another thread’s is given up', async () => {
  const { cache, file, path } = await startWithFile(4, SMALL);
  const flags = sharedFlags(2);
  const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
    attached.openSync(path).updateSync(1, (bytes) => {
      bytes[0] = 0x11;
      Atomics.store(flags, 0, 1);
      Atomics.wait(flags, 1, 0, 10_000);
    });
  });
  await until('the update has begun', () => Atomics.load(flags, 0) === 1);
  let ran = 0;
  const controller = new AbortController();
  const range = { offset: 0, length: 8, signal: controller.signal };
  const waiting = file.update(1, () => ran++, undefined, range);
  setTimeout(() => controller.abort('enough'), 20);
  await expectAborted(waiting, 'update', 'enough');
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
  await thread;
  await quiet({ cache, file });
  expect(ran).toBe(0);
  expect(file.viewSync(1, (bytes) => bytes[0])).toBe(0x11);
});

describe('open', () => {
  test('rejects at once if its signal is aborted already', async () => {
    const { cache } = await startCache(SMALL);
    const path = `${fileOf(1)}-new`;
    const reason = new Error('enough');
    await expectAborted(
      cache.open(path, { create: true, signal: AbortSignal.abort(reason) }),
      'open',
      reason,
    );
    expect(fs.existsSync(path)).toBe(false);
  });

  test('closes the file that comes too late', async () => {
    const { cache } = await startCache(SMALL);
    const path = fileOf(PAGE);
    const controller = new AbortController();
    const waiting = cache.open(path, { signal: controller.signal });
    controller.abort('enough');
    await expectAborted(waiting, 'open', 'enough');
    // Nobody has it open, so that another cache may.
    const other = await PageCache.create({ memory: 256 * 1024 });
    try {
      let opened = false;
      const attempt = () => {
        void other.open(path).then(
          () => {
            opened = true;
          },
          () => {},
        );
        return opened;
      };
      await until('the file is closed', attempt);
    } finally {
      await other.close();
    }
  });
});

describe('create and close', () => {
  test('create rejects at once, or ends the threads that it has started', async () => {
    const reason = new Error('enough');
    await expectAborted(PageCache.create({ signal: AbortSignal.abort(reason) }), 'create', reason);
    const threads = () => fs.readdirSync('/proc/self/task').length;
    const before = threads();
    const controller = new AbortController();
    const creating = PageCache.create({ memory: 256 * 1024, signal: controller.signal });
    controller.abort('enough');
    await expectAborted(creating, 'create', 'enough');
    await until('the service threads have ended', () => threads() <= before);
  });

  test('close goes on when it is aborted', async () => {
    const cache = await PageCache.create({ memory: 256 * 1024 });
    const path = fileOf(PAGE);
    const file = await cache.open(path);
    file.writeSync(Uint8Array.of(0x77), 0);
    const controller = new AbortController();
    const closing = cache.close({ signal: controller.signal });
    controller.abort('enough');
    await expectAborted(closing, 'close', 'enough');
    await cache.close();
    expect(bytesInFile(path, 0, 1)[0]).toBe(0x77);
  });

  test.each(['close', 'view', 'prefetch'] as const)(
    '%s refuses options that it does not know',
    async (name) => {
      const { cache, file } = await startWithFile(2, SMALL);
      const options = { timeout: 1 } as WaitOptions;
      const attempts = {
        close: () => cache.close(options),
        view: () => file.view(0, () => 0, undefined, options),
        prefetch: () => file.prefetch(0, 1, options),
      };
      await expect(attempts[name]()).rejects.toThrow(refusal('ERR_PINFOLD_OPTION', "'timeout'"));
    },
  );
});
