// Interleavings inside single kernel calls. The kernel is compiled with gates: a thread stands at one while this thread
// does something else. Each is a window in which a page once could get lost: from every scan, or from a lookup.
import { Worker } from 'node:worker_threads';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { FileId, FrameId, PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { compileControl } from './compile.ts';
import { dirty, flushNow, install, Memory, SWEEP_ALL, scan, type Thread, writeBackFrame } from './pool.ts';

/** Gates in the part of the memory that is never used: a word that shuts it, a word that tells of who stands there. */
const GATES = [64, 72, 80, 88];
const gate = (n: number) =>
  `atomic.store<i32>(0, 1, ${GATES[n]! + 4}); while (atomic.load<i32>(0, ${GATES[n]}) != 0) {}`;
const WAIT_MS = 10_000;

let module: WebAssembly.Module;
const workers: Worker[] = [];
let memory: Memory;

beforeAll(async () => {
  const clear = 'atomic.and<i32>(dirtyWordAt(frame), ~bit, L.DIRTY_BITS);';
  const follow = 'link = atomic.load<i32>(at, L.FRAME_LINK);';
  const forget = 'if (mine == 0) forget(file, group, seen, epoch);';
  module = new WebAssembly.Module(
    (await compileControl([
      { file: 'writeback.ts', from: clear, to: `${gate(0)}\n${clear}\n${gate(1)}` },
      { file: 'dirty.ts', from: forget, to: `if (mine == 0) { ${gate(2)} }\n${forget}` },
      { file: 'table.ts', from: follow, to: `${gate(3)}\n${follow}` },
    ])) as BufferSource,
  );
});

afterEach(async () => {
  for (const at of GATES) Atomics.store(memory.words, at >> 2, 0);
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

/** Makes a call in another thread, with all gates shut. */
function elsewhere(call: string, ...args: number[]): Promise<number> {
  for (const at of GATES) {
    Atomics.store(memory.words, at >> 2, 1);
    Atomics.store(memory.words, (at + 4) >> 2, 0);
  }
  const { serviceRows, rows } = memory.geometry;
  const workerData = { module, memory: memory.control, rows: { from: serviceRows, to: rows }, call, args };
  const worker = new Worker(new URL('./gated.mjs', import.meta.url), { workerData });
  workers.push(worker);
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Waits until the other thread stands at a gate. */
async function arrived(n: number): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (Atomics.load(memory.words, (GATES[n]! + 4) >> 2) === 0) {
    if (performance.now() > end) throw new Error(`nobody came to gate ${n}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const open = (n: number) => Atomics.store(memory.words, GATES[n]! >> 2, 0);

function setUp(): { thread: Thread; file: FileId } {
  memory = new Memory({ memory: 256 * 1024, pinnedDirty: 'redirty' }, { withPages: false });
  return { thread: memory.thread(), file: memory.file(2 ** 30) };
}

test('dirtied just before a writeback clears the bit, the group forgotten just after: a scan still finds the page', async () => {
  const { thread, file } = setUp();
  const frame = install(thread, file, 1) as FrameId;
  dirty(thread, file, 1);
  const slot = thread.control.pin(file, 1);
  thread.control.makeWritePin(slot);
  const started = elsewhere('startWriteback', frame, file, 0, 0);
  await arrived(0); // DIRTY is cleared, the bit is not
  thread.control.unpin(slot, 1); // finds the bit and the group's bit set
  open(0);
  await arrived(1); // the bit is cleared, DIRTY not looked at yet
  expect(scan(thread, file)).toEqual([]); // forgets the group
  open(1);
  expect(await started).toBe(1);
  expect(thread.kernel.frameWord(frame, L.FRAME_STATE) & L.DIRTY).toBe(L.DIRTY);
  expect(scan(thread, file)).toEqual([frame]);
});

test('a frame with a stale bit gets a page while a scanner is about to forget its group: the page is found', async () => {
  const { thread, file } = setUp();
  const other = memory.file(2 ** 30);
  const frame = install(thread, file, 1) as FrameId;
  dirty(thread, file, 1);
  writeBackFrame(thread, file, frame);
  flushNow(thread, file);
  expect(thread.control.evict(frame)).toBe(1);
  // A slow dirtier's bit lands on the free frame.
  Atomics.or(memory.words, (memory.words[L.HEADER_AT_DIRTY >> 2]! >> 2) + (frame >>> 5), 1 << (frame & 31));
  const scanned = elsewhere('dirtyFrames', file, frame >>> 5);
  await arrived(2); // it has looked, and found no page of the file
  for (let n = 0; thread.control.lookup(file, 2) < 0; n++) {
    const free = thread.control.reclaim(SWEEP_ALL, -1, 0);
    const status = free === frame ? thread.control.install(file, 2, 0) : thread.control.install(other, n, 0);
    expect(status).toBe(0);
    thread.control.fillDone();
  }
  dirty(thread, file, 2); // finds the bit and the group's bit set
  open(2);
  expect(await scanned).toBe(0);
  expect(scan(thread, file)).toEqual([frame]);
});

test('a lookup stands at a page of a chain that is reclaimed meanwhile: it finds the page behind it all the same', async () => {
  const { thread, file } = setUp();
  const { kernel, control } = thread;
  const mask = 2 ** kernel.load(L.HEADER_FRAME_BITS) - 1;
  const bucket = kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS; // the first
  const headOfChain = () => kernel.load(bucket + L.BUCKET_OVERFLOW) - 1;
  const inBucket = (frame: number) =>
    headOfChain() === frame ||
    Array.from(
      { length: L.ENTRIES },
      (_, n) => kernel.load(bucket + L.BUCKET_ENTRIES + n * 4) & mask,
    ).includes(frame + 1);
  // Nothing but pages of that bucket, two more than it has entries: two in its chain, the last one first.
  // Pinned, so that no sweep takes them.
  const kept: { index: number; frame: FrameId; slot: PinSlot }[] = [];
  for (let index = 0; kept.length < L.ENTRIES + 2; index++) {
    const frame = install(thread, file, index) as FrameId;
    if (inBucket(frame)) kept.push({ index, frame, slot: control.pin(file, index) });
    else control.evict(frame);
  }
  const [behind, head] = kept.slice(-2) as [(typeof kept)[0], (typeof kept)[0]];
  expect(headOfChain()).toBe(head.frame);
  const found = elsewhere('lookup', file, behind.index);
  await arrived(3);
  control.unpin(head.slot, 0);
  expect(control.evict(head.frame)).toBe(1);
  // Its frame gets another page, in another bucket.
  const other = memory.file(2 ** 30);
  for (let n = 0; ; n++) {
    const frame = install(thread, other, n) as FrameId;
    if (frame === head.frame && !inBucket(frame)) break;
    if (frame === head.frame) control.evict(frame);
  }
  expect(control.lookup(file, behind.index)).toBe(behind.frame);
  open(3);
  expect(await found).toBe(behind.frame);
});
