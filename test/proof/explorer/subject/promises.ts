// What the scenarios go by: a page's first two words are changed together and count up, so that half a change shows, and so does
// one that was lost; what a call has promised is noted once it has returned.
import type { CachedFile } from '../../../../src/file';
import { peek, poke } from './bytes';
import { initialWord, type World } from './world';

/** Counts the page up in one update: what it counts now. The update is noted as done in `slot`. */
export function countUp(world: World, file: CachedFile, index: number, slot: number): number {
  const value = file.updateSync(
    index,
    (bytes) => {
      const next = peek(bytes, 0) + 1;
      poke(bytes, 0, next);
      poke(bytes, 4, next + 1);
      return next;
    },
    undefined,
    { offset: 0, length: 8 },
  );
  world.note(slot, value);
  return value;
}

/** A view of the page's count. Tells if it shows half a change. */
function countSeen(file: CachedFile, index: number): number {
  return file.viewSync(index, (bytes) => {
    const value = peek(bytes, 0);
    return peek(bytes, 4) === value + 1 ? value : -1;
  });
}

/** Views the page so often: no half change, and never an older one than before. */
export function watchCount(
  world: World,
  file: CachedFile,
  index: number,
  times: number,
  slots: number[],
): void {
  let last = initialWord(index, 0);
  for (let n = 0; n < times; n++) {
    const least = Math.max(last, ...promised(world, slots));
    const value = countSeen(file, index);
    if (value === -1) machine.violated(`a view of page ${index} shows half an update (I9)`);
    if (value < least)
      machine.violated(`a view of page ${index} shows ${value}, which ${least} had replaced (I4)`);
    last = value;
  }
}

function promised(world: World, slots: number[]): number[] {
  const values: number[] = [];
  for (const slot of slots) values.push(world.noted(slot));
  return values;
}

/** Fsyncs, and looks whether what was done before the call is stable: the page's count, noted in the slots. */
export function fsyncAndLook(
  world: World,
  file: CachedFile,
  index: number,
  slots: number[],
  policy: 'bounce' | 'block' = 'bounce',
): void {
  const least = Math.max(initialWord(index, 0), ...promised(world, slots));
  file.fsyncSync({ policy });
  machine.atomically(() => isStable(world, index, least));
}

function isStable(world: World, index: number, least: number): void {
  const found = world.disk.stable(index, 0);
  if (found < least)
    machine.violated(
      `fsync has returned: page ${index} is stable as of ${found}, ${least} was done before (I5)`,
    );
  if (world.disk.stable(index, 1) !== found + 1)
    machine.violated(`what is stable of page ${index} shows half an update (I9)`);
}

/** From here on each page that is written has its two words together. */
export function onlyWholePages(world: World): void {
  world.disk.onWrite = (index, words) => {
    if (words.length >= 2 && words[1] !== words[0]! + 1)
      machine.violated(`page ${index} is written with half an update: ${words} (I9)`);
  };
}

/** In the end: the page has been counted up once for each update that has returned, and for none that was not begun. */
export function countedUp(world: World, index: number, slots: number[], base: number): void {
  const value = countSeen(world.other.open(), index);
  const first = initialWord(index, 0) + base;
  let returned = 0;
  for (const slot of slots) if (world.noted(slot) !== 0) returned++;
  if (value < first + returned || value > first + slots.length)
    machine.violated(`page ${index} counts ${value}: ${returned} updates have returned since ${first}`);
}

/** Brings pages in. */
export function bringIn(world: World, ...indexes: number[]): void {
  const file = world.other.open();
  for (const index of indexes) file.prefetchSync(index, 1);
}

/** The pages are dirty: counted up once before all begins. */
export function makeDirty(world: World, ...indexes: number[]): void {
  const file = world.other.open();
  for (const index of indexes) countUp(world, file, index, 10 + index);
}

/** What `makeDirty` has noted of a page. */
export const dirtied = (index: number): number => 10 + index;

/** What most scenarios begin with: pages that are in the cache and dirty, and every write of one looked at. */
export function dirtyPages(world: World, ...indexes: number[]): void {
  onlyWholePages(world);
  bringIn(world, ...indexes);
  makeDirty(world, ...indexes);
}
