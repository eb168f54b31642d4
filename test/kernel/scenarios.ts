// What a thread is doing when it dies.
import type { CachedFile } from '../../src/file.ts';
import type { PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { cleanForWriter } from '../../src/protocol/throttle.ts';
import { cut as cutFile } from '../../src/protocol/truncate.ts';
import { dirtyPages, writeBack } from '../../src/protocol/writeback.ts';
import { inPlace, Task } from './disk.ts';
import { type Mortal, mortalKernel } from './mortal.ts';
import { PAGE, type Scenario, SECOND_ROW, type World } from './world.ts';

type Values = readonly number[];

/** Stores values one by one. */
function storeSlowly(me: Mortal, bytes: Uint8Array, values: Values): void {
  for (const [n, value] of values.entries()) {
    me.life.step('store');
    bytes[n] = value;
  }
}

/** Changes a range of a page by an update. `inside`: what its function does besides. */
function update(
  world: World,
  me: Mortal,
  file: CachedFile,
  [index, offset, values]: readonly [number, number, Values],
  inside: () => void = () => {},
): void {
  const range = { offset, length: values.length };
  const change = (bytes: Uint8Array) => {
    storeSlowly(me, bytes, values);
    inside();
    // After what is inside, in the order of the commits.
    world.onCommits(() => world.model.store(index * PAGE + offset, values));
  };
  file.updateSync(index, change, undefined, range);
}

/** A write by the file's method, whose parts and zeroed gap are commits of their own. */
function write(world: World, file: CachedFile, position: number, bytes: Uint8Array): void {
  const { model } = world;
  if (position > model.size && model.size % PAGE !== 0) {
    const end = Math.min(position, Math.ceil(model.size / PAGE) * PAGE);
    world.onCommits(() => model.resize(end));
  }
  for (let at = 0; at < bytes.length; ) {
    const part = bytes.subarray(at, at + PAGE - ((position + at) % PAGE));
    const start = position + at;
    world.onCommits(() => model.store(start, part));
    at += part.length;
  }
  file.writeSync(bytes, position);
}

/** What another thread does before, in one go. */
function dirty(world: World, file: CachedFile, ...indexes: number[]): void {
  for (const index of indexes) write(world, file, index * PAGE + 7, Uint8Array.of(101 + index, 102 + index));
}

/** Another thread pins a page until the victim is recovered. */
function keep(world: World, other: Mortal, index: number, mode: 'read' | 'write'): PinSlot {
  const slot = other.control.pin(world.file, index);
  if (slot < 0) throw new Error(`page ${index} is not in the cache`);
  if (mode === 'write') other.control.makeWritePin(slot);
  world.kept.push(slot);
  return slot;
}

function load(file: CachedFile): void {
  file.readSync(new Uint8Array(file.size), 0);
}

/** Runs a call that is expected to fail. */
function fails(does: () => void, code: string): void {
  try {
    does();
  } catch (error) {
    if ((error as { code?: string }).code === code) return;
    throw error;
  }
  throw new Error(`no ${code}`);
}

/** A cut by the file's method. The commit is that of its last page, zeroed behind the end. */
function cut(world: World, file: CachedFile, size: number): void {
  if (size % PAGE !== 0) world.onCommits(() => {});
  file.truncateSync(size);
}

/** Bytes behind the file's end, left by something that stored under a write pin. */
function litterTail(world: World, file: CachedFile): void {
  const index = Math.floor(world.model.size / PAGE);
  const page = file.pinSync(index, 'write');
  world.littered = true;
  page.bytes.fill(99, world.model.size % PAGE);
  page.unpin();
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'updates of a clean page and of a dirty one',
    victim(world, me, file) {
      update(world, me, file, [1, 100, [201, 202]]);
      update(world, me, file, [1, 101, [203, 204]]);
    },
  },
  {
    name: 'nested updates',
    prepare: (_world, _other, file) => load(file),
    victim(world, me, file) {
      update(world, me, file, [1, 0, [201, 202]], () => update(world, me, file, [2, 9, [203, 204]]));
    },
  },
  {
    name: 'updates whose functions throw',
    prepare: (world, _other, file) => dirty(world, file, 1),
    victim(world, me, file) {
      const thrower = (bytes: Uint8Array) => {
        storeSlowly(me, bytes, [205, 206]);
        throw Object.assign(new Error('thrown'), { code: 'thrown' });
      };
      update(world, me, file, [2, 0, [201, 202]], () => {
        fails(() => file.updateSync(1, thrower, undefined, { offset: 6, length: 4 }), 'thrown');
      });
    },
  },
  {
    name: 'a write behind the end, over two pages',
    prepare: (world, _other, file) => litterTail(world, file),
    victim(world, _me, file) {
      write(world, file, 8 * PAGE - 3, Uint8Array.of(201, 202, 203, 204, 205));
    },
  },
  {
    name: 'pins and stores under them',
    prepare: (_world, _other, file) => load(file),
    victim(world, me, file) {
      const read = file.pinSync(0);
      const first = file.pinSync(1, 'write');
      const second = file.pinSync(1, 'write');
      for (const [n, page] of [first, second, first].entries()) {
        me.life.step('store');
        world.dma(page, n, 211 + n);
      }
      first.unpin();
      me.life.step('store');
      world.dma(second, 9, 219);
      second.unpin();
      read.unpin();
    },
  },
  {
    name: 'leaving with a write pin',
    prepare: (_world, _other, file) => load(file),
    victim(world, me, file) {
      const page = file.pinSync(1, 'write');
      me.life.step('store');
      world.dma(page, 5, 211);
    },
  },
  {
    name: 'misses in a full pool',
    size: 72 * PAGE,
    slow: true,
    prepare(_world, _other, file) {
      for (let index = 0; index < 64; index++) file.pinSync(index).unpin();
    },
    victim(_world, _me, file) {
      file.pinSync(70).unpin();
      file.prefetchSync(71, 1);
    },
  },
  {
    name: 'a miss in a pool of dirty pages',
    size: 64 * PAGE,
    slow: true,
    prepare(world, _other, file) {
      for (let index = 0; index < 60; index++) dirty(world, file, index);
    },
    victim(world, _me, file) {
      for (let index = 60; index < 64; index++) write(world, file, index * PAGE, Uint8Array.of(201));
    },
  },
  {
    name: 'a batch of writebacks',
    prepare(world, other, file) {
      dirty(world, file, 0, 1, 2, 4, 6);
      keep(world, other, 4, 'write');
    },
    victim(world, me) {
      const { attachment } = me;
      for (const pinned of ['skip', 'bounce'] as const) {
        me.run(writeBack(attachment, world.file, dirtyPages(attachment, world.file), pinned, 1));
      }
    },
  },
  {
    name: 'a writeback whose copy loses to updates',
    prepare: (world, _other, file) => dirty(world, file, 1),
    victim(world, me) {
      const { attachment } = me;
      const other = world.attach();
      const file = other.open(world.file);
      const { bytes } = attachment;
      const stage = bytes.stage.bind(bytes);
      let value = 0;
      bytes.stage = (frame, ...rest) => {
        stage(frame, ...rest);
        const held = attachment.kernel.frameWord(frame, L.FRAME_STATE) & L.HOLD;
        if (held === 0) write(world, file, PAGE + 20, Uint8Array.of(++value));
      };
      me.run(writeBack(attachment, world.file, dirtyPages(attachment, world.file), 'skip', 1));
      bytes.stage = stage;
      other.leave();
    },
  },
  {
    name: 'a writeback that fails',
    prepare: (world, _other, file) => dirty(world, file, 0, 1, 3),
    victim(world, me) {
      const { attachment } = me;
      me.store.refused.add('write');
      me.run(writeBack(attachment, world.file, dirtyPages(attachment, world.file), 'skip', 1));
    },
  },
  {
    name: 'an fsync',
    prepare(world, other, file) {
      dirty(world, file, 0, 1, 5);
      keep(world, other, 1, 'write');
    },
    victim(_world, _me, file) {
      file.fsyncSync();
    },
  },
  {
    name: 'an fsync whose flush fails, and another',
    prepare: (world, _other, file) => dirty(world, file, 1, 2),
    victim(_world, me, file) {
      me.store.refused.add('flush');
      fails(() => file.fsyncSync(), 'ERR_PINFOLD_IO');
      file.fsyncSync();
    },
  },
  {
    name: 'cleaning for a writer',
    prepare: (world, _other, file) => dirty(world, file, 1, 2),
    victim(world, me) {
      me.run(cleanForWriter(me.attachment, world.file));
    },
  },
  {
    name: 'a cut within a page, with pages dirty and pinned',
    prepare(world, other, file) {
      dirty(world, file, 1, 2, 4);
      load(file);
      keep(world, other, 3, 'read');
      keep(world, other, 4, 'write');
    },
    victim(world, me, file) {
      const mine = file.pinSync(5, 'write');
      me.life.step('store');
      world.dma(mine, 3, 211);
      cut(world, file, 2 * PAGE + 1000);
      mine.bytes[4] = 212;
      mine.unpin();
      write(world, file, 3 * PAGE + 1, Uint8Array.of(221));
    },
  },
  {
    name: 'a cut to nothing',
    prepare(world, other, file) {
      dirty(world, file, 1, 6);
      keep(world, other, 1, 'write');
    },
    victim(world, _me, file) {
      cut(world, file, 0);
    },
  },
  {
    name: 'a cut that the system refuses',
    prepare(world, _other, file) {
      dirty(world, file, 1, 2);
      litterTail(world, file);
    },
    victim(world, me, file) {
      me.store.refused.add('resize');
      fails(() => cut(world, file, PAGE + 8), 'ERR_PINFOLD_IO');
    },
  },
  {
    name: 'a cut while a page is written by another',
    prepare: (world, _other, file) => dirty(world, file, 1, 3),
    victim(world, me) {
      const flusher = world.attach();
      const pool = flusher.attachment;
      const task = new Task(
        pool,
        world.disk,
        inPlace(writeBack(pool, world.file, dirtyPages(pool, world.file), 'skip', 1)),
      );
      task.runTo('write');
      world.others.push({ task });
      world.onCommits(() => {});
      me.run(cutFile(me.attachment, world.file, 2 * PAGE - 5), () => world.goOn());
      task.runTo();
    },
  },
  {
    name: 'extensions',
    prepare: (world, _other, file) => litterTail(world, file),
    victim(world, _me, file) {
      const { model } = world;
      world.onCommits(
        () => model.resize(7 * PAGE),
        () => model.resize(9 * PAGE + 5),
      );
      file.truncateSync(9 * PAGE + 5);
      world.onCommits(() => model.resize(9 * PAGE + 50));
      file.truncateSync(9 * PAGE + 50);
    },
  },
  {
    name: 'taking a row and giving it back',
    victim(world, me) {
      const { handle } = world.memory;
      const kernel = mortalKernel(handle, me.life);
      const { serviceRows, rows } = handle.geometry;
      kernel.attach(serviceRows, rows, L.KIND_USER, { tid: 0, start: 0n }, SECOND_ROW);
      kernel.control.detach();
    },
  },
  {
    name: 'requests to a service thread',
    victim(world, me) {
      const { control } = me;
      const server = world.attach(undefined, 'files');
      const slot = control.post(1, L.OPEN_REQUEST, 0, control.claimPath(), 0);
      serveOpens(world, server);
      control.collect(slot);
      const again = control.post(1, L.OPEN_REQUEST, 0, control.claimPath(), 0);
      control.withdraw(again, 1);
      server.leave();
    },
  },
  {
    name: 'serving requests',
    kind: 'files',
    prepare(_world, { control }) {
      for (let n = 0; n < 2; n++) control.post(1, L.OPEN_REQUEST, 0, control.claimPath(), 0);
    },
    victim: serveOpens,
    after(world, other) {
      // What it had not answered is done by its successor.
      const successor = world.attach(undefined, 'files');
      serveOpens(world, successor);
      for (let slot = 0; slot < 2; slot++) {
        if (other.control.collect(slot) !== 1) throw new Error(`request ${slot} is not answered`);
      }
      successor.leave();
    },
  },
];

/** What the file worker does with requests to open the file, but for opening it. */
function serveOpens(world: World, { control, attachment: { kernel } }: Mortal): void {
  while (control.take(1, 0) === 1) {
    const [owner, slot] = [kernel.out(0), kernel.out(1)];
    control.fileRetainForRequest(world.file);
    control.answer(owner, slot, 0, world.file, 0, 0);
  }
}
