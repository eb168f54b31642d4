// A pool whose frames are all pinned by one thread: the others are told so, by name, and go on as soon as pins drop.
import type { PageCache } from 'pinfold';
import { expect, test } from 'vitest';
import { SMALL, startWithFile } from '../support/cache.ts';
import { patternAt } from '../support/directory.ts';
import { refusal } from '../support/refusal.ts';
import { inThread, sharedFlags } from '../support/thread.ts';
import { until } from '../support/until.ts';

const PAGE = 4096;
const [PINNED, DROP_SOME, DROPPED, DROP_ALL] = [0, 1, 2, 3] as const;
const SOME = 5;

interface Job {
  path: string;
  frames: number;
  some: number;
  mode: 'read' | 'write';
  flags: Int32Array;
}

/** Pins every frame, drops some when told, then all. */
const pinner = (cache: PageCache, { path, frames, some, mode, flags }: Job) => {
  const at = { pinned: 0, dropSome: 1, dropped: 2, dropAll: 3 };
  const wait = (flag: number) => {
    if (Atomics.wait(flags, flag, 0, 15_000) === 'timed-out') throw new Error(`nobody set flag ${flag}`);
  };
  const raise = (flag: number) => {
    Atomics.store(flags, flag, 1);
    Atomics.notify(flags, flag);
  };
  const file = cache.openSync(path);
  const pages = Array.from({ length: frames }, (_, index) => file.pinSync(index, mode));
  raise(at.pinned);
  wait(at.dropSome);
  for (const page of pages.splice(0, some)) page.unpin();
  raise(at.dropped);
  wait(at.dropAll);
  for (const page of pages) page.unpin();
  file.closeSync();
};

test.each(['read', 'write'] as const)(
  'sync and promise calls are refused while another thread has all frames pinned (%s), and go well when it drops some',
  async (mode) => {
    const { file, cache, path } = await startWithFile(200, SMALL);
    const { frames } = cache.stats();
    const flags = sharedFlags(4);
    const raise = (flag: number) => {
      Atomics.store(flags, flag, 1);
      Atomics.notify(flags, flag);
    };
    const other = inThread(cache.handle, { path, frames, some: SOME, mode, flags }, pinner);
    await until('all frames to be pinned', () => Atomics.load(flags, PINNED) === 1);
    const refused = refusal('ERR_PINFOLD_FULL', 'page 190', `${frames} frames`, `${frames} pins`);
    const byte = new Uint8Array(1);
    expect(() => file.viewSync(190, () => 0)).toThrow(refused);
    expect(() => file.readSync(byte, 190 * PAGE)).toThrow(refused);
    expect(() => file.writeSync(byte, 190 * PAGE)).toThrow(refused);
    await expect(file.pin(190)).rejects.toThrow(refused);
    await expect(file.write(byte, 190 * PAGE)).rejects.toThrow(refused);
    await expect(file.prefetch(190, 1)).rejects.toThrow(refused);
    // And a third thread, that has done nothing yet.
    const third = inThread(cache.handle, path, (attached, which) => attached.openSync(which).pinSync(190));
    await expect(third).rejects.toThrow(refused);

    raise(DROP_SOME);
    await until('some pins to drop', () => Atomics.load(flags, DROPPED) === 1);
    expect(file.viewSync(190, (bytes) => bytes[0])).toBe(patternAt(190 * PAGE));
    expect(await file.view(191, (bytes) => bytes[0])).toBe(patternAt(191 * PAGE));
    file.writeSync(Uint8Array.of(7), 192 * PAGE);
    await file.write(Uint8Array.of(8), 193 * PAGE);
    const mine = file.pinSync(194, 'write');
    // As many as were dropped are in use, and dirty or pinned; those that can be cleaned make room.
    expect(await file.view(195, (bytes) => bytes[0])).toBe(patternAt(195 * PAGE));
    expect(await file.view(192, (bytes) => bytes[0])).toBe(7);
    mine.unpin();
    raise(DROP_ALL);
    await other;
    expect(await file.read(new Uint8Array(200 * PAGE), 0)).toBe(200 * PAGE);
    expect(cache.stats()).toMatchObject({ readPins: 0, writePins: 0 });
  },
);
