// Threads that meet on one page: as fast as they can, and with a look at what they see.
import { type CachedFile, PageCache } from 'pinfold';
import { meet } from '../barrier';
import { isStopped, NS_PER_MS, nowNs, sleepUntil, spinUntil } from '../clock';
import { PAGE_BYTES } from '../files';
import { fillRecord, type Judgement, judgeRecord, RECORD_BYTES, RECORD_WORDS } from '../record';
import type { HotOperation } from '../scenarios/hot-page/shape';
import type { HotPageTask, HotPageThread, HotRecordTask, HotViewerResult } from '../scenarios/hot-page/tasks';

const HOT_PAGE = 0;
/** Operations between two looks at the clock: some 50 µs of them. */
const BATCH: Record<HotOperation, number> = { view: 2_048, pin: 1_024, update: 256, read: 64 };

type Batch = (file: CachedFile, operations: number) => number;

function firstByte(bytes: Uint8Array, at: number): number {
  return bytes[at];
}

function storeFirst(bytes: Uint8Array, value: number): number {
  bytes[0] = value;
  return value;
}

const UPDATED = { offset: 1024, length: 64 };
const target = Buffer.alloc(PAGE_BYTES);

// Each loop is written out: a shared one would call its body through a function that sees every operation.
const BATCHES: Record<HotOperation, Batch> = {
  view(file, operations) {
    let sum = 0;
    for (let i = 0; i < operations; i++) sum += file.viewSync(HOT_PAGE, firstByte, 0);
    return sum;
  },
  pin(file, operations) {
    let sum = 0;
    for (let i = 0; i < operations; i++) {
      const page = file.pinSync(HOT_PAGE);
      sum += page.index + 1;
      page.unpin();
    }
    return sum;
  },
  update(file, operations) {
    let sum = 0;
    for (let i = 0; i < operations; i++) sum += file.updateSync(HOT_PAGE, storeFirst, i, UPDATED);
    return sum;
  },
  read(file, operations) {
    let sum = 0;
    for (let i = 0; i < operations; i++) sum += file.readSync(target, HOT_PAGE * PAGE_BYTES);
    return sum + target[0];
  },
};

/** One operation on the hot page, in the windows of the arms that this thread has a part in. */
export function hotPage(task: HotPageTask): HotPageThread {
  const { windows, threadsOf, thread, operation, stop, barrier } = task;
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const batch = BATCHES[operation];
  const result: HotPageThread = { operations: [], checksum: 0 };
  try {
    const beginNs = meet(barrier, stop);
    if (beginNs === undefined) return result;
    for (const [n, fromNs] of windows.startNs.entries()) {
      if (isStopped(stop)) break;
      result.operations[n] = 0;
      if (thread >= threadsOf[windows.arm[n]]) continue;
      const startNs = beginNs + fromNs;
      // A timer is some 80 µs late.
      if (!sleepUntil(stop, startNs - 0.2 * NS_PER_MS)) break;
      spinUntil(startNs);
      const endNs = startNs + windows.lengthNs;
      while (nowNs() < endNs) {
        result.checksum = (result.checksum + batch(file, BATCH[operation])) | 0;
        result.operations[n] += BATCH[operation];
      }
    }
    // The last window of a run that was stopped is no figure.
    if (isStopped(stop)) result.operations.pop();
    return result;
  } finally {
    file.closeSync();
    cache.detach();
  }
}

/** One change in so many stops half-way, so that views come in between on any machine. */
const PAUSE_EVERY = 64;
const HALFWAY_NS = NS_PER_MS / 4;
const HALF_WORDS = RECORD_WORDS / 2;
const RECORD_RANGE = { offset: 0, length: RECORD_BYTES };

/** Replaces the record of the hot page over and over, one half after the other; returns how often. */
export function hotChanger(task: HotRecordTask): number {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const record = new Int32Array(RECORD_WORDS);
  let changes = 0;
  const replace = (bytes: Uint8Array, sequence: number): void => {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, RECORD_WORDS);
    fillRecord(record, 0, HOT_PAGE, sequence);
    words.set(record.subarray(0, HALF_WORDS));
    if (changes % PAUSE_EVERY === 0) sleepUntil(task.stop, nowNs() + HALFWAY_NS);
    words.set(record.subarray(HALF_WORDS), HALF_WORDS);
  };
  const store = (sequence: number): void => {
    const page = file.pinSync(HOT_PAGE, 'write');
    replace(page.bytes, sequence);
    page.unpin();
  };
  try {
    let sequence = Atomics.load(task.returned, 0);
    const beginNs = meet(task.barrier, task.stop);
    if (beginNs === undefined || !sleepUntil(task.stop, beginNs)) return 0;
    const endNs = beginNs + task.durationMs * NS_PER_MS;
    while (nowNs() < endNs && !isStopped(task.stop)) {
      sequence++;
      if (task.by === 'update') file.updateSync(HOT_PAGE, replace, sequence, RECORD_RANGE);
      else store(sequence);
      Atomics.store(task.returned, 0, sequence);
      changes++;
    }
    return changes;
  } finally {
    file.closeSync();
    cache.detach();
  }
}

function judgeHotRecord(bytes: Uint8Array, returned: number): Judgement {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, RECORD_WORDS);
  return judgeRecord(words, 0, HOT_PAGE, returned);
}

/** Views the record and expects it whole, and as new as the last change that had returned. */
export function hotViewer(task: HotRecordTask): HotViewerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const result: HotViewerResult = { views: 0, torn: 0, older: 0 };
  try {
    const beginNs = meet(task.barrier, task.stop);
    if (beginNs === undefined || !sleepUntil(task.stop, beginNs)) return result;
    const endNs = beginNs + task.durationMs * NS_PER_MS;
    while (nowNs() < endNs && !isStopped(task.stop)) {
      const judgement = file.viewSync(HOT_PAGE, judgeHotRecord, Atomics.load(task.returned, 0));
      result.views++;
      if (judgement === 'torn') result.torn++;
      if (judgement === 'older') result.older++;
    }
    return result;
  } finally {
    file.closeSync();
    cache.detach();
  }
}
