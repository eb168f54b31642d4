import fs from 'node:fs';
import { type CachedFile, PageCache, type PageCacheHandle } from 'pinfold';
import { describe, expect, test } from 'vitest';
import { attachHarness } from '#harness';
import { SMALL, startCache, startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, patternAt } from './support/directory.ts';
import { runProgram } from './support/program.ts';
import { ioRefusal, refusal } from './support/refusal.ts';
import { inThread, sharedFlags } from './support/thread.ts';
import { until } from './support/until.ts';

const PAGE = 4096;
const EIO = 5;

/** Every call of a file handle, by name. */
const fileCalls: [string, (file: CachedFile) => unknown][] = [
  ['size', (file) => file.size],
  ['viewSync', (file) => file.viewSync(0, () => 0)],
  ['view', (file) => file.view(0, () => 0)],
  ['pinSync', (file) => file.pinSync(0)],
  ['pinSync to write', (file) => file.pinSync(0, 'write')],
  ['pin', (file) => file.pin(0)],
  ['tryPin', (file) => file.tryPin(0)],
  ['readSync', (file) => file.readSync(new Uint8Array(1), 0)],
  ['read', (file) => file.read(new Uint8Array(1), 0)],
  ['writeSync', (file) => file.writeSync(new Uint8Array(1), 0)],
  ['write', (file) => file.write(new Uint8Array(1), 0)],
  ['prefetchSync', (file) => file.prefetchSync(0, 1)],
  ['prefetch', (file) => file.prefetch(0, 1)],
  ['fsyncSync', (file) => file.fsyncSync()],
  ['fsync', (file) => file.fsync()],
];

/** Runs `call` and awaits it: rejects however it fails. */
const outcome = async (call: () => unknown) => await call();

describe('close with live pins', () => {
  test('is refused with a list of them, changes nothing, and works later', async () => {
    const { file, cache, path } = await startWithFile(4, SMALL);
    file.writeSync(Uint8Array.of(0x41), 3 * PAGE);
    const read = file.pinSync(1);
    const written = file.pinSync(2, 'write');
    const before = cache.stats();
    const refused = refusal(
      'ERR_PINFOLD_BUSY',
      '2 pins',
      path,
      'page 1',
      '(read)',
      'page 2',
      '(write)',
      'thread 0',
    );
    await expect(cache.close()).rejects.toThrow(refused);
    await expect(cache.close()).rejects.toThrow(refused);
    expect(cache.stats()).toEqual(before);
    expect(bytesInFile(path, 3 * PAGE, 1)[0]).toBe(patternAt(3 * PAGE));

    written.bytes[0] = 0x42; // all goes on
    expect(read.bytes[0]).toBe(patternAt(PAGE));
    expect((await cache.open(fileOf(7))).size).toBe(7);
    read.unpin();
    await expect(cache.close()).rejects.toThrow(refusal('ERR_PINFOLD_BUSY', '1 pins', 'page 2'));
    written.unpin();
    await cache.close();
    expect(bytesInFile(path, 3 * PAGE, 1)[0]).toBe(0x41);
    expect(bytesInFile(path, 2 * PAGE, 1)[0]).toBe(0x42);
  });

  test('names other threads, and shortens a long list', async () => {
    const { file, cache, path } = await startWithFile(20, SMALL);
    const flags = sharedFlags(2);
    const thread = inThread(cache.handle, { path, flags }, (attached, { path, flags }) => {
      const other = attached.openSync(path);
      const pages = Array.from({ length: 12 }, (_, index) => other.pinSync(index));
      Atomics.store(flags, 0, 1);
      Atomics.wait(flags, 1, 0, 10_000);
      for (const page of pages) page.unpin();
    });
    await until('the pins are held', () => Atomics.load(flags, 0) === 1);
    const page = file.pinSync(19, 'write');
    await expect(cache.close()).rejects.toThrow(
      refusal('ERR_PINFOLD_BUSY', '12 pins', 'page 7', '4 more', 'thread 0', '1 pins', 'page 19'),
    );
    page.unpin();
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    await thread;
    await cache.close();
  });

  test('detach is refused, too', async () => {
    const { cache, path } = await startWithFile(2, SMALL);
    const attached = attachHarness(cache.handle);
    const file = attached.openSync(path);
    const page = file.pinSync(1);
    expect(() => attached.detach()).toThrow(refusal('ERR_PINFOLD_BUSY', 'page 1', path));
    await expect(attached.close()).rejects.toThrow(refusal('ERR_PINFOLD_BUSY', 'page 1', path));
    expect(file.viewSync(1, (bytes) => bytes[0])).toBe(patternAt(PAGE));
    page.unpin();
    attached.detach();
    expect(cache.stats()).toMatchObject({ owners: 3, readPins: 0 });
  });
});

describe('close', () => {
  test('syncs what is dirty, of every file', async () => {
    const { cache, fail, heal } = await startCache(SMALL);
    const paths = [fileOf(PAGE), fileOf(2 * PAGE), fileOf(0)];
    const files = paths.map((path) => cache.openSync(path));
    for (const [n, file] of files.entries()) file.writeSync(Uint8Array.of(0x61 + n), n * 10);
    files[1]!.closeSync();
    fail({ call: 'flush', errno: EIO }); // it is not enough that the file has the bytes
    await expect(cache.close()).rejects.toThrow(ioRefusal('EIO'));
    heal();
    await cache.close();
    for (const [n, path] of paths.entries()) expect(bytesInFile(path, n * 10, 1)[0]).toBe(0x61 + n);
  });

  test.each(['write', 'flush'] as const)('when a %s fails is refused, and loses nothing', async (call) => {
    const { file, cache, path, fail, heal } = await startWithFile(3, SMALL);
    file.writeSync(Uint8Array.of(0x71), PAGE);
    fail({ call, errno: EIO });
    await expect(cache.close()).rejects.toThrow(ioRefusal('EIO', path));
    expect(cache.stats().dirty).toBe(1);
    expect(file.viewSync(1, (bytes) => bytes[0])).toBe(0x71);
    await expect(cache.close()).rejects.toThrow(ioRefusal('EIO', path));
    heal();
    file.writeSync(Uint8Array.of(0x72), PAGE + 1);
    await cache.close();
    expect([...bytesInFile(path, PAGE, 2)]).toEqual([0x71, 0x72]);
  });

  test('twice, and at once, is no error', async () => {
    const { file, cache } = await startWithFile(1, SMALL);
    file.writeSync(Uint8Array.of(1), 0);
    await Promise.all([cache.close(), cache.close(), cache.close()]);
    await cache.close();
    cache.detach();
  });

  test('is the way for the creator: it does not detach', async () => {
    const { cache } = await startCache(SMALL);
    expect(() => cache.detach()).toThrow(refusal('ERR_PINFOLD_ARGUMENT', 'close'));
    expect(cache.stats().owners).toBe(3);
  });

  test('gives the descriptors back', async () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const warm = await startCache(SMALL);
    await warm.cache.close();
    const before = open();
    const { cache } = await startCache(SMALL);
    for (let n = 0; n < 20; n++) await cache.open(fileOf(10));
    expect(open()).toBeGreaterThanOrEqual(before + 20);
    await cache.close();
    expect(open()).toBeLessThan(before + 10);
  });
});

describe('after close', () => {
  test.each(fileCalls)('of its handle, %s is refused', async (_name, call) => {
    const { file, cache, path } = await startWithFile(1, SMALL);
    file.viewSync(0, () => 0);
    await file.close();
    file.closeSync();
    await expect(outcome(() => call(file))).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED', path));
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 0 });
    await outcome(() => call(cache.openSync(path))).then((page) =>
      (page as { unpin?: () => void })?.unpin?.(),
    );
  });

  test.each(fileCalls)('of the cache, %s is refused', async (_name, call) => {
    const { file, cache } = await startWithFile(1, SMALL);
    file.viewSync(0, () => 0);
    await cache.close();
    await expect(outcome(() => call(file))).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED'));
    file.closeSync(); // no error
  });

  test('of the cache, its own calls are refused', async () => {
    const { cache, path } = await startWithFile(1, SMALL);
    await cache.close();
    const refused = refusal('ERR_PINFOLD_CLOSED');
    await expect(cache.open(path)).rejects.toThrow(refused);
    expect(() => cache.openSync(path)).toThrow(refused);
    expect(() => cache.stats()).toThrow(refused);
    expect(() => cache.pages()).toThrow(refused);
  });

  test('of the cache, nobody attaches', async () => {
    const { cache } = await startCache(SMALL);
    const { handle } = cache;
    await cache.close();
    expect(() => PageCache.attach(handle)).toThrow(refusal('ERR_PINFOLD_CLOSED'));
    await expect(inThread(handle, 0, () => 0)).rejects.toThrow(refusal('ERR_PINFOLD_CLOSED'));
  });

  test('by the creator, calls of another thread are refused', async () => {
    const { cache, path } = await startWithFile(2, SMALL);
    const flags = sharedFlags(2);
    const thread = inThread(
      cache.handle,
      { path, flags },
      async (attached, { path, flags }) => {
        const file = attached.openSync(path);
        file.viewSync(0, () => 0);
        Atomics.store(flags, 0, 1);
        Atomics.wait(flags, 1, 0, 10_000);
        const calls: Record<string, () => unknown> = {
          viewSync: () => file.viewSync(0, () => 0),
          view: () => file.view(0, () => 0),
          pinSync: () => file.pinSync(0),
          pin: () => file.pin(1, 'write'),
          readSync: () => file.readSync(new Uint8Array(5), 0),
          read: () => file.read(new Uint8Array(5), 0),
          writeSync: () => file.writeSync(new Uint8Array(5), 0),
          write: () => file.write(new Uint8Array(5), 0),
          prefetch: () => file.prefetch(0, 2),
          prefetchSync: () => file.prefetchSync(0, 2),
          fsync: () => file.fsync(),
          fsyncSync: () => file.fsyncSync(),
          open: () => attached.open(path),
          openSync: () => attached.openSync(path),
        };
        const codes: Record<string, unknown> = {};
        for (const [name, call] of Object.entries(calls)) {
          try {
            await call();
            codes[name] = 'done';
          } catch (error) {
            codes[name] = (error as { code: string }).code;
          }
        }
        file.closeSync();
        attached.detach(); // no error
        return codes;
      },
      { detach: false },
    );
    await until('the thread has the page', () => Atomics.load(flags, 0) === 1);
    await cache.close();
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    const codes = await thread;
    expect(Object.keys(codes).length).toBe(14);
    expect(codes).toEqual(Object.fromEntries(Object.keys(codes).map((name) => [name, 'ERR_PINFOLD_CLOSED'])));
  });
});

describe('attach', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['{}', {}],
    ['a string', 'PageCacheHandle'],
    ['a cache', 0],
    ['the name alone', { pinfold: 'PageCacheHandle' }],
    ['one as JSON', 1],
    ['one of another version', 2],
  ])('refuses a foreign handle: %s', async (_name, given) => {
    const { cache } = await startCache(SMALL);
    let handle = given;
    if (given === 0) handle = cache;
    if (given === 1) handle = JSON.parse(JSON.stringify(cache.handle));
    if (given === 2) handle = { ...cache.handle, layout: 0 };
    expect(() => PageCache.attach(handle as PageCacheHandle)).toThrow(refusal('ERR_PINFOLD_HANDLE'));
    expect(cache.stats().owners).toBe(3);
  });

  test('takes maxThreads threads, the creator among them', async () => {
    const { cache } = await startCache({ ...SMALL, maxThreads: 3 });
    const attached = [attachHarness(cache.handle), attachHarness(cache.handle)];
    expect(cache.stats().owners).toBe(2 + 3);
    expect(() => attachHarness(cache.handle)).toThrow(
      refusal('ERR_PINFOLD_THREADS', '3 threads', 'maxThreads'),
    );
    await expect(inThread(cache.handle, 0, () => 0)).rejects.toThrow(refusal('ERR_PINFOLD_THREADS'));
    attached.pop()!.detach();
    attached.push(attachHarness(cache.handle));
    for (const each of attached) each.detach();
  });

  test('and detach, a hundred times in one row', async () => {
    const { cache, path } = await startWithFile(2, { ...SMALL, maxThreads: 2 });
    for (let n = 0; n < 100; n++) {
      const attached = attachHarness(cache.handle);
      const file = attached.openSync(path);
      file.writeSync(Uint8Array.of(n), n);
      attached.detach();
      expect(() => file.size).toThrow(refusal('ERR_PINFOLD_CLOSED'));
      expect(() => attached.stats()).toThrow(refusal('ERR_PINFOLD_CLOSED'));
    }
    expect(cache.stats()).toMatchObject({ owners: 3, dirty: 1 });
  });

  test('works in the creating thread, side by side', async () => {
    const { file, cache, path } = await startWithFile(2, SMALL);
    const attached = attachHarness(cache.handle);
    attached.openSync(path).writeSync(Uint8Array.of(0x99), 5);
    expect(file.viewSync(0, (bytes) => bytes[5])).toBe(0x99);
    attached.detach();
    attached.detach(); // twice is no error
  });
});

test('detach while calls are under way is refused, or ends them: none works on in a row that it gave back', async () => {
  const { cache, path } = await startWithFile(8, { ...SMALL, maxThreads: 2 });
  const attached = attachHarness(cache.handle);
  const file = attached.openSync(path);
  const pins = Promise.allSettled([0, 1, 2, 3].map((index) => file.pin(index, 'write')));
  let refused = false;
  try {
    attached.detach();
  } catch (error) {
    refused = true;
    expect(error).toEqual(refusal('ERR_PINFOLD_BUSY'));
  }
  for (const pin of await pins) {
    if (pin.status === 'fulfilled') pin.value.unpin();
    if (refused) expect(pin.status).toBe('fulfilled');
    else expect(pin).toMatchObject({ status: 'rejected', reason: { code: 'ERR_PINFOLD_CLOSED' } });
  }
  attached.detach();
  expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, owners: 3 });
});

describe('a thread that ends by itself, without detaching', () => {
  test('gives up its pins and its row', async () => {
    const { cache, path } = await startWithFile(3, { ...SMALL, maxThreads: 2 });
    for (let n = 0; n < 3; n++) {
      const end = inThread(
        cache.handle,
        { path, n },
        (attached, { path, n }) => {
          const file = attached.openSync(path);
          file.pinSync(0);
          file.pinSync(1, 'write').bytes[0] = 0x50 + n;
          return attached.stats().writePins;
        },
        { detach: false },
      );
      expect(await end).toBe(1);
      // Read pins go with the thread's own exit; write pins when the OS says that it is gone, so that its reads have landed.
      await until('its row is free', () => cache.stats().owners === 3);
      expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0, dirty: 1 });
    }
    await cache.close();
    expect(bytesInFile(path, PAGE, 1)[0]).toBe(0x52);
  });

  test('by process.exit, with calls under way, leaves its row as good as new', async () => {
    const { cache, path } = await startWithFile(300, { ...SMALL, memory: 2 << 20, maxThreads: 2 });
    for (let n = 0; n < 20; n++) {
      const end = inThread(
        cache.handle,
        { path, n },
        (attached, { path, n }) => {
          const file = attached.openSync(path);
          for (let k = 0; k < 12; k++) file.view(n * 15 + k, () => 0).catch(() => {});
          process.exit(0);
        },
        { detach: false },
      );
      await expect(end).rejects.toThrow('the thread ended without an answer');
    }
    await until('what was under way is done', () => ![...cache.pages()].some((page) => page.claimed));
    const seen = await inThread(cache.handle, path, async (attached, path) => {
      const file = await attached.open(path);
      return (await Promise.all([290, 291, 292].map((index) => file.view(index, (bytes) => bytes[0]))))
        .length;
    });
    expect(seen).toBe(3);
    expect(cache.stats()).toMatchObject({ owners: 3, readPins: 0, writePins: 0 });
  });
});

describe('a process', () => {
  test('lives until the promises it awaits are settled', async () => {
    // Nothing else keeps its event loop alive. 1,000 fills, then an fsync, then close.
    const code = `
      const cache = await pinfold.PageCache.create({ memory: 1 << 23 });
      const file = await cache.open(argument);
      const views = await Promise.all(Array.from({ length: 1000 }, (_, n) => file.view(n, (bytes) => bytes[0])));
      await file.write(new Uint8Array([7]), 5);
      const { pages } = await file.fsync();
      await file.prefetch(1000, 20);
      const page = await file.pin(1021);
      page.unpin();
      await cache.close();
      console.log('done', views.length, pages);`;
    const path = fileOf(1024 * PAGE);
    expect(await runProgram(code, path)).toEqual({ status: 0, stdout: 'done 1000 1\n', stderr: '' });
    expect(bytesInFile(path, 5, 1)[0]).toBe(7);
  });

  test('that leaves its cache open ends all the same', async () => {
    const code = `
      const cache = await pinfold.PageCache.create();
      const file = await cache.open(argument);
      file.writeSync(new Uint8Array([7]), 5);
      const page = file.pinSync(1, 'write');
      await file.fsync();
      console.log('end');`;
    expect(await runProgram(code, fileOf(2 * PAGE))).toEqual({ status: 0, stdout: 'end\n', stderr: '' });
  });

  test('that ends by process.exit in the midst of calls ends', async () => {
    const code = `
      const cache = await pinfold.PageCache.create();
      const file = await cache.open(argument);
      for (let n = 0; n < 50; n++) file.view(n, () => 0);
      file.writeSync(new Uint8Array([7]), 5);
      file.fsync();
      process.exit(3);`;
    expect(await runProgram(code, fileOf(64 * PAGE))).toEqual({ status: 3, stdout: '', stderr: '' });
  });
});
