// The shipped control kernel under terminate(): threads work on a cache's control words, contending for few pages, and are
// ended at some moment. Whatever they held, the frames' words and the rows must tell the same about it, or nobody could
// recover it. Bare modules over a memory: no service thread may tidy up before the look.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { checkCacheOptions, geometryOf, initialize, Kernel, layout as L } from '#harness';
import { fact } from './support/fact.mjs';
import { sharedWords, startThread, until } from './support/thread.mjs';

const BATCHES = 36;
/** Threads of a batch: more than processors, so that some are preempted where their end finds them. */
const THREADS = 4;
/** A few pages more than frames: some are reclaimed all the time. */
const PAGES = 70;
const FILE = 0;
const WASM_PAGE = 65_536;

const module = new WebAssembly.Module(
  fs.readFileSync(new URL('../../build/kernel/control.wasm', import.meta.url)),
);

/** The control words of a cache of 60 frames with one open file, and this thread's kernel over them. */
function newCache() {
  const options = checkCacheOptions({ memory: 256 * 1024, maxThreads: THREADS + 1 });
  const geometry = geometryOf(options);
  const pages = Math.ceil(geometry.controlBytes / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  initialize(new Int32Array(memory.buffer), geometry, false);
  const kernel = new Kernel(module, memory);
  assert(kernel.attach(geometry.serviceRows, geometry.rows, L.KIND_USER, { tid: 0, start: 0n }, 0));
  kernel.control.fileOpen(FILE, 0, 0, 1, 0, 0);
  return { memory, geometry, kernel };
}

/** What a thread does until its end: what calls of the library do to the control words, without bytes and I/O. */
function work({ module, memory, L, FILE, PAGES, serviceRows, rows, thread, calls }) {
  const control = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const words = new Int32Array(memory.buffer);
  const row = control.attach(serviceRows, rows, L.KIND_USER, 0, 0, 0, thread);
  const rowAt = words[L.HEADER_AT_ROWS >> 2] - L.ROW_BIAS + row * words[L.HEADER_ROW_BYTES >> 2];
  const fileAt = words[L.HEADER_AT_FILES >> 2] - L.FILE_BIAS + FILE * L.FILE_BYTES;
  const out = (word) => words[(rowAt + L.ROW_OUT) / 4 + word];
  const SWEEP_ALL = 2 ** 30;

  const fill = (index) => {
    if (control.reclaim(SWEEP_ALL) < 0) return;
    if (control.install(FILE, index) === L.EXISTS) control.abandonClaim();
    else control.fillDone();
  };
  const update = (slot, n) => {
    if (control.undoFrame(0) < 0 && control.reclaim(SWEEP_ALL) >= 0) control.keepUndoFrame(0);
    const level = control.undoFrame(0) < 0 ? L.BUSY : control.updateBegin(slot);
    if (level < 0) {
      control.prepareWait(words[(rowAt + L.ROW_PINS) / 4 + slot] >>> 2, L.UPDATING | L.HOLD);
      control.unpin(slot, 0);
      return;
    }
    control.updatePublish(100 * 65_536 + 9, n, 0);
    if (n & 1) control.updateCommit();
    else control.updateAbort();
  };
  const writeBack = (frame) => {
    const failSeq = Atomics.load(words, (fileAt + L.FILE_FAIL_SEQ) / 4);
    if (control.startWriteback(frame, FILE, 0, 0) < 0) return;
    if (frame % 8 === 0) control.failWriteback(0);
    else control.endWriteback(0, failSeq);
  };
  const round = () => {
    if (control.roundLead(FILE) === 0) return;
    const ticket = control.roundClose(FILE);
    for (let group = 0; group >= 0; group = control.nextDirtyGroup(FILE, group + 1)) {
      control.dirtyFrames(FILE, group);
    }
    if (control.flushTry(FILE) === 1) {
      const number = control.flushBegin(FILE);
      control.flushDone(FILE, number, out(0));
    }
    control.roundEnd(FILE, ticket, 0, 0, 0, 0);
  };

  let random = thread * 7919;
  for (let n = 1; ; n++) {
    Atomics.store(calls, thread, n);
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    const index = Math.floor((random / 2 ** 32) * PAGES);
    const slot = control.pin(FILE, index);
    if (slot === L.MISS) fill(index);
    else if (slot === L.BUSY) control.prepareWait(out(0), L.CLAIMED);
    if (slot < 0) continue;
    const frame = words[(rowAt + L.ROW_PINS) / 4 + slot] >>> 2;
    if (n % 4 === 0) {
      control.makeWritePin(slot);
      control.unpin(slot, 1);
    } else if (n % 4 === 1) update(slot, n >> 2);
    else control.unpin(slot, 0);
    if (n % 8 === 2) writeBack(frame);
    if (n % 16 === 3) round();
  }
}

// What is held, a line each: two lists to compare.

const claimOf = (frame, hasPage) => `frame ${frame}: claim, ${hasPage ? 'a page' : 'no page'}`;
const updateOf = (frame, level, owner) => `frame ${frame}: update ${level} of owner ${owner}`;
const halfChanged = (frame) => `frame ${frame}: half changed`;
const writebackOf = (frame, owner) => `frame ${frame}: writeback of owner ${owner}`;
const roundOf = (owner) => `file: round of owner ${owner}`;
const flushOf = (owner) => `file: flush of owner ${owner}`;

const ownersOf = (kernel) => Array.from({ length: kernel.load(L.HEADER_ROWS) }, (_, owner) => owner);

function* heldByRow(kernel, owner) {
  const list = (count, field, bytes) =>
    Array.from({ length: count }, (_, n) => kernel.rowWord(owner, field + n * bytes));
  for (const { frame, mode } of kernel.pinsOf(owner)) yield `frame ${frame}: ${mode} pin`;
  const claim = kernel.rowWord(owner, L.ROW_CLAIM);
  if (claim !== 0) yield claimOf(claim - 1, kernel.rowWord(owner, L.ROW_CLAIM_STAGE) !== L.STAGE_DETACHED);
  for (const undo of list(L.UPDATES, L.UPDATE_UNDO, L.UPDATE_BYTES)) {
    if (undo !== 0) yield claimOf(undo - 1, false);
  }
  const slots = list(L.UPDATES, L.UPDATE_SLOT, L.UPDATE_BYTES);
  for (const [level, stage] of list(L.UPDATES, L.UPDATE_STAGE, L.UPDATE_BYTES).entries()) {
    if (stage === 0) continue;
    const frame = kernel.rowWord(owner, L.ROW_PINS + (slots[level] - 1) * 4) >>> 2;
    yield updateOf(frame, level, owner);
    // Stage 2 with an even useq is committed. An odd one is never without a published before-image.
    if (stage === 2 && kernel.frameWord(frame, L.FRAME_USEQ) & 1) yield halfChanged(frame);
  }
  for (const held of list(L.WRITEBACKS, L.ROW_WRITEBACKS, 4)) {
    if (held !== 0) yield writebackOf((held >>> 1) - 1, owner);
  }
  if (kernel.rowWord(owner, L.ROW_ROUND) !== 0) yield roundOf(owner);
  if (kernel.rowWord(owner, L.ROW_FLUSH) !== 0) yield flushOf(owner);
}

function* heldByWords(kernel) {
  for (let frame = 0; frame < kernel.load(L.HEADER_FRAMES); frame++) {
    const state = kernel.frameWord(frame, L.FRAME_STATE);
    for (let n = state >>> 20; n > 0; n--) yield `frame ${frame}: read pin`;
    for (let n = (state & L.WRITE_MASK) >>> 10; n > 0; n--) yield `frame ${frame}: write pin`;
    if (state & L.CLAIMED) yield claimOf(frame, kernel.frameWord(frame, L.FRAME_FILE) >= 0);
    const updater = kernel.frameWord(frame, L.FRAME_UPDATER);
    if (state & L.UPDATING) yield updateOf(frame, updater & 7, (updater >>> 3) - 1);
    if (kernel.frameWord(frame, L.FRAME_USEQ) & 1) yield halfChanged(frame);
    if (state & L.WRITEBACK) yield writebackOf(frame, kernel.frameWord(frame, L.FRAME_WRITER) - 1);
  }
  const leader = kernel.fileWord(FILE, L.FILE_ROUND_LEADER);
  if (leader !== 0) yield roundOf(leader - 1);
  const flusher = kernel.fileWord(FILE, L.FILE_FLUSH_LOCK);
  if (flusher !== 0) yield flushOf(flusher - 1);
}

const bucketsOf = (kernel) =>
  Array.from(
    { length: kernel.load(L.HEADER_BUCKET_MASK) + 1 },
    (_, bucket) => kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS + bucket * L.BUCKET_BYTES,
  );

/** Sequences that are odd, as during a change. Who finds one so spins: nothing else may be asked of the kernel then. */
function beingChanged(kernel) {
  const buckets = bucketsOf(kernel).map((at) => kernel.load(at + L.BUCKET_SEQ));
  const file = [L.FILE_SIZE_SEQ, L.FILE_CLEAR_SEQ].map((field) => kernel.fileWord(FILE, field));
  return [...buckets, ...file].filter((sequence) => sequence & 1).length;
}

/** The frames that a scan for dirty pages comes upon, by the bits of all three levels. */
function scan(control) {
  const found = new Set();
  let group = control.nextDirtyGroup(FILE, 0);
  for (; group >= 0; group = control.nextDirtyGroup(FILE, group + 1)) {
    for (let bits = control.dirtyFrames(FILE, group); bits !== 0; bits &= bits - 1) {
      found.add(group * 32 + 31 - Math.clz32(bits & -bits));
    }
  }
  return found;
}

/** What else sections keep together: the table, bits, gauges. By name, as told and as recounted. */
function tallies(kernel) {
  const frames = Array.from({ length: kernel.load(L.HEADER_FRAMES) }, (_, id) => ({
    id,
    state: kernel.frameWord(id, L.FRAME_STATE),
    hasPage: kernel.frameWord(id, L.FRAME_FILE) >= 0,
  }));
  const count = (of) => frames.filter(of).length;
  const gauge = (field) => ownersOf(kernel).reduce((sum, owner) => sum + kernel.rowWord(owner, field), 0);
  const mask = 2 ** kernel.load(L.HEADER_FRAME_BITS) - 1;
  let listed = 0;
  for (const at of bucketsOf(kernel)) {
    for (let entry = 0; entry < L.ENTRIES; entry++) {
      if (kernel.load(at + L.BUCKET_ENTRIES + entry * 4) & mask) listed++;
    }
    let link = kernel.load(at + L.BUCKET_OVERFLOW);
    for (; link !== 0 && listed <= frames.length; listed++) link = kernel.frameWord(link - 1, L.FRAME_LINK);
  }
  const scanned = scan(kernel.control);
  const isDirty = ({ state }) => (state & L.DIRTY) !== 0;
  const told = {
    framesInTable: listed,
    residentOfFile: kernel.fileWord(FILE, L.FILE_RESIDENT),
    resident: gauge(L.GAUGE_RESIDENT),
    dirty: gauge(L.GAUGE_DIRTY),
    pinnedDirty: gauge(L.GAUGE_PINNED_DIRTY),
    writeback: gauge(L.GAUGE_WRITEBACK),
    dirtyInScan: count((frame) => isDirty(frame) && scanned.has(frame.id)),
  };
  const pages = count(({ hasPage }) => hasPage);
  const recount = {
    framesInTable: pages,
    residentOfFile: pages,
    resident: pages,
    dirty: count(isDirty),
    pinnedDirty: count((frame) => isDirty(frame) && frame.state & L.WRITE_MASK),
    writeback: count(({ state }) => state & L.WRITEBACK),
    dirtyInScan: count(isDirty),
  };
  return { told, recount };
}

/** Fails unless all that sections keep together is together: what the rows hold, in words. */
function assertWhole(kernel) {
  assert.equal(beingChanged(kernel), 0, 'a change of a bucket, the size or the dirty set was cut in two');
  const inRows = ownersOf(kernel).flatMap((owner) => [...heldByRow(kernel, owner)]);
  const inWords = [...heldByWords(kernel)];
  assert.deepEqual(inWords.sort(), inRows.sort(), 'what frames and file say is not what the rows say');
  const { told, recount } = tallies(kernel);
  assert.deepEqual(told, recount, 'what is told is not what a recount says');
  return inRows;
}

/** Starts the threads of a batch and ends each at some moment: what they held, in words. */
async function batch() {
  const { memory, geometry, kernel } = newCache();
  const { serviceRows, rows } = geometry;
  const calls = sharedWords(THREADS + 1);
  const data = { module, memory, L: { ...L }, FILE, PAGES, serviceRows, rows, calls };
  const ends = Array.from({ length: THREADS }, async (_, n) => {
    const worker = startThread(work, { ...data, thread: n + 1 });
    // One that finds what another left cut in two may spin from its first call on: the look will tell.
    await until('the thread works', () => Atomics.load(calls, n + 1) > 100).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 25));
    await worker.terminate();
  });
  await Promise.all(ends);
  return { kernel, held: assertWhole(kernel), calls: calls.reduce((sum, n) => sum + n) };
}

await fact('terminate() leaves the shipped kernel whole', async () => {
  const left = { pin: 0, update: 0, changed: 0, claim: 0, writeback: 0, round: 0, flush: 0 };
  let total = 0;
  for (let n = 0; n < BATCHES; n++) {
    const { held, calls } = await batch();
    total += calls;
    for (const line of held) {
      const kind = Object.keys(left).find((word) => line.includes(word));
      left[kind]++;
    }
  }
  const kills = BATCHES * THREADS;
  const figures = Object.entries(left).map(([kind, n]) => `${n} ${kind}`);
  assert(left.pin > 0, `no pin was held by any of ${kills} threads: the experiment sees nothing`);
  return `0 torn of ${kills} in ${(total / 1e6).toFixed(1)} million rounds of calls; left behind: ${figures.join(', ')}`;
});

await fact('control: words that do not agree are told', async () => {
  const { kernel } = await batch();
  const plant = (byte, change) => {
    kernel.words[byte >> 2] += change;
    assert.throws(() => assertWhole(kernel), assert.AssertionError);
    kernel.words[byte >> 2] -= change;
    assertWhole(kernel);
  };
  plant(kernel.frameAt(3) + L.FRAME_STATE, L.READ_ONE);
  plant(kernel.frameAt(3) + L.FRAME_STATE, L.WRITE_ONE);
  plant(kernel.rowAt(2) + L.GAUGE_DIRTY, 1);
  plant(kernel.load(L.HEADER_AT_BUCKETS), 1);
});
