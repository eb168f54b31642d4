// What threads do in the cache while calls of the store fail. Each has to be judged after every call, whatever failed.
import type { CacheOptions } from '../../../src/options.ts';
import { type Handle, PAGE, type World } from './world.ts';

export interface Workload {
  readonly name: string;
  readonly options?: CacheOptions;
  /** The files' sizes in bytes. */
  readonly sizes?: readonly number[];
  /** Done before, with a store that works: what `run` gets. */
  prepare(world: World): Promise<Handle[]>;
  run(world: World, handles: Handle[]): Promise<void>;
}

/** The files' sizes unless told otherwise: six pages and a part of one. */
export const SIZES: readonly number[] = [6 * PAGE + 100];

const bytesOf = (value: number, length = 5) => Uint8Array.from({ length }, (_, n) => value + n);

async function dirty(world: World, handle: Handle, value: number, ...indexes: number[]): Promise<void> {
  for (const index of indexes) await world.write(handle, index * PAGE + 7, bytesOf(value + index));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

/** Handles of the first file, each in a thread of its own. */
const opened = (world: World, count: number) => range(0, count).map(() => world.open());

export const workloads: readonly Workload[] = [
  {
    name: 'fsync of many pages, some pinned',
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 100, 0, 1, 2, 4, 6);
      world.dma(await world.pin(handles[1]!, 1, 'write'), 3, 201);
      await world.pin(handles[1]!, 4, 'read');
      return handles;
    },
    async run(world, [a, b]) {
      await world.fsync(a!);
      await dirty(world, a!, 120, 1, 3);
      await world.fsync(b!);
      await world.fsync(a!);
    },
  },
  {
    name: 'a device stores between fsyncs',
    async prepare(world) {
      const [a] = opened(world, 1);
      await world.pin(a!, 2, 'read');
      return [a!];
    },
    async run(world, [a]) {
      const page = await world.pin(a!, 2, 'write');
      world.dma(page, 9, 211);
      await world.fsync(a!);
      world.dma(page, 10, 212);
      world.unpin(page);
      await world.fsync(a!);
    },
  },
  {
    name: 'writeback in the background',
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 100, 0, 1, 3, 5, 6);
      world.dma(await world.pin(handles[1]!, 3, 'write'), 3, 201);
      return handles;
    },
    async run(world, [before, other]) {
      await world.flusherLooks();
      const after = world.open();
      await dirty(world, before!, 130, 0, 2);
      await world.flusherLooks();
      for (const handle of [before!, after, other!, before!, after]) await world.fsync(handle);
    },
  },
  {
    name: 'a flusher visits again at once',
    async prepare(world) {
      const [a] = opened(world, 1);
      await dirty(world, a!, 100, 1, 2);
      return [a!];
    },
    async run(world, [a]) {
      for (const after of [1, 1, 2000]) await world.flusherLooks(after);
      await world.fsync(a!);
    },
  },
  {
    name: 'misses in a pool of dirty pages',
    sizes: [72 * PAGE],
    options: { dirtyRatio: 1, dirtyBackgroundRatio: 1 },
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 20, ...range(0, 57));
      return handles;
    },
    async run(world, [a, b]) {
      await world.view(a!, 60);
      await world.read(b!, 62 * PAGE - 10, 3 * PAGE);
      await dirty(world, a!, 50, 66, 67);
      await world.fsync(b!);
      await world.view(b!, 70);
      await world.fsync(a!);
    },
  },
  {
    name: 'misses in a pool of unstable pages',
    sizes: [72 * PAGE],
    options: { dirtyRatio: 1, dirtyBackgroundRatio: 1 },
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 20, ...range(0, 58));
      return handles;
    },
    async run(world, [a, b]) {
      await world.flusherLooks();
      for (const index of [60, 63, 66]) await world.view(b!, index);
      await dirty(world, b!, 90, 68);
      await world.fsync(a!);
      await world.fsync(b!);
    },
  },
  {
    name: 'misses of one file among dirty pages of another',
    sizes: [64 * PAGE, 20 * PAGE],
    options: { dirtyRatio: 1, dirtyBackgroundRatio: 1 },
    async prepare(world) {
      const handles = [world.open(0), world.open(1)];
      await dirty(world, handles[0]!, 20, ...range(0, 57));
      return handles;
    },
    async run(world, [full, needs]) {
      for (const index of [1, 5, 9]) await world.view(needs!, index);
      await dirty(world, needs!, 80, 11);
      await world.fsync(needs!);
      await world.fsync(full!);
    },
  },
  {
    name: 'writes that extend',
    async prepare(world) {
      return opened(world, 2);
    },
    async run(world, [a, b]) {
      await world.write(a!, 6 * PAGE + 90, bytesOf(101, 30));
      await world.fsync(a!);
      await world.write(b!, 9 * PAGE - 3, bytesOf(120, 9));
      await world.fsync(a!);
      await world.fsync(b!);
    },
  },
  {
    name: 'truncates down and up',
    sizes: [9 * PAGE + 10],
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 100, 2, 5, 8);
      world.dma(await world.pin(handles[1]!, 7, 'write'), 3, 201);
      return handles;
    },
    async run(world, [a, b]) {
      await world.truncate(a!, 5 * PAGE + 50);
      await world.fsync(b!);
      await world.truncate(a!, 8 * PAGE + 5);
      await dirty(world, b!, 140, 6);
      await world.fsync(a!);
      await world.truncate(b!, 3 * PAGE);
      await world.truncate(b!, 0);
      await world.fsync(b!);
    },
  },
  {
    name: 'reads and prefetches',
    sizes: [20 * PAGE + 9],
    async prepare(world) {
      return opened(world, 1);
    },
    async run(world, [a]) {
      await world.read(a!, PAGE - 5, 3 * PAGE);
      await world.prefetch(a!, 6, 5);
      await world.view(a!, 12);
      await world.pin(a!, 13, 'read');
      await world.read(a!, 19 * PAGE, 3 * PAGE);
      await world.view(a!, 6);
    },
  },
  {
    name: 'updates of pages that have to be filled',
    async prepare(world) {
      return opened(world, 1);
    },
    async run(world, [a]) {
      await world.update(a!, 1, 100, [201, 202]);
      await world.update(a!, 6, 0, [203]);
      await world.write(a!, 3 * PAGE - 2, bytesOf(99, 4));
      await world.fsync(a!);
    },
  },
  {
    name: 'callers of fsync together',
    async prepare(world) {
      const handles = opened(world, 4);
      await dirty(world, handles[0]!, 100, 0, 2, 3, 6);
      return handles;
    },
    async run(world, handles) {
      await world.fsyncTogether(handles);
      await dirty(world, handles[1]!, 150, 3);
      await world.fsyncTogether(handles);
    },
  },
  {
    name: 'handles from before and after an error',
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 100, 1, 4);
      return handles;
    },
    async run(world, [a, b]) {
      await world.fsync(a!);
      const after = world.open();
      await world.fsync(b!);
      await world.fsync(after);
      await dirty(world, after, 170, 2);
      await world.fsync(a!);
      await world.fsync(b!);
    },
  },
  {
    name: 'closing with dirty pages',
    async prepare(world) {
      const handles = opened(world, 2);
      await dirty(world, handles[0]!, 100, 0, 1, 5);
      return handles;
    },
    async run(world, handles) {
      for (const handle of handles) world.close(handle);
      await world.flusherLooks();
      await world.flusherLooks();
    },
  },
  {
    name: 'opening again while pages are dirty',
    async prepare(world) {
      const handles = opened(world, 1);
      await dirty(world, handles[0]!, 100, 0, 5);
      return handles;
    },
    async run(world, [a]) {
      await world.fsync(a!);
      await dirty(world, a!, 110, 1);
      world.close(a!);
      await world.flusherLooks();
      const again = world.open();
      await world.fsync(again);
      await dirty(world, again, 120, 5);
      await world.fsync(again);
    },
  },
  {
    name: 'a throttled writer',
    sizes: [40 * PAGE],
    options: { dirtyRatio: 0.1, dirtyBackgroundRatio: 0.05 },
    async prepare(world) {
      return opened(world, 2);
    },
    async run(world, [a, b]) {
      await dirty(world, a!, 60, ...range(0, 24));
      await world.fsync(b!);
      await world.fsync(a!);
    },
  },
  {
    name: 'a file that the cache created',
    sizes: [0],
    async prepare(world) {
      const handles = opened(world, 2);
      world.asCreated(handles[0]!);
      return handles;
    },
    async run(world, [a, b]) {
      await world.write(a!, 0, bytesOf(101, 20));
      await world.fsync(a!);
      await world.fsync(b!);
      await world.write(b!, PAGE + 5, bytesOf(131, 20));
      await world.fsync(a!);
    },
  },
  {
    name: 'the same page again and again',
    async prepare(world) {
      return opened(world, 1);
    },
    async run(world, [a]) {
      for (const value of [10, 20, 30]) {
        await dirty(world, a!, value, 2);
        await world.fsync(a!);
        await dirty(world, a!, value + 5, 2);
        await world.flusherLooks();
      }
      await world.fsync(a!);
    },
  },
];
