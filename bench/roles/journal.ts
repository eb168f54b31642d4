// The deadlock that blocking makes: fsync's caller holds the journal's mutex, and the pinner needs that mutex before it unpins.
import fs from 'node:fs';
import { threadId } from 'node:worker_threads';
import { PageCache } from 'pinfold';
import { fsyncSyncWith } from '#harness';
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import { PAGE_BYTES } from '../files';
import { fillRecord, RECORD_WORDS } from '../record';
import {
  JOURNAL_MUTEX,
  JOURNAL_STEP,
  type JournalCallerResult,
  type JournalPinnerResult,
  type JournalTask,
} from '../tasks';
import { READ_PART } from './pinner';
import { isTimeout } from './timeout';
import { TruthCheck } from './truth';

/** The page that both sides want. */
const PAGE = 0;
/** Steps of a round, each announced by one side and waited for by the other. */
const PINNED = 1;
const LOCKED = 2;
const UNPINNED = 3;
const STEPS = 4;
/** No side waits longer than this for a step, ms. */
const STEP_TIMEOUT_MS = 10_000;
const WAIT_SLICE_MS = 20;

/** Pins the page, has libuv fill it, then wants the mutex before it unpins. */
export async function journalPinner(task: JournalTask): Promise<JournalPinnerResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const source = fs.openSync(task.sourcePath, 'r');
  try {
    for (let round = 0; round < task.rounds && !isStopped(task.stop); round++) {
      const page = file.pinSync(PAGE, 'write');
      try {
        await dma(source, page.bytes);
        announce(task, round * STEPS + PINNED);
        awaitStep(task, round * STEPS + LOCKED);
        lock(task);
      } finally {
        page.unpin();
      }
      unlock(task);
      announce(task, round * STEPS + UNPINNED);
    }
    return { threadId };
  } finally {
    fs.closeSync(source);
    file.closeSync();
    cache.detach();
  }
}

/** Takes the mutex, writes a record into the pinned page and calls fsync; then releases the mutex, whatever came of it. */
export function journalCaller(task: JournalTask): JournalCallerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const truth = new TruthCheck(task.dataPath, 1);
  const words = new Int32Array(RECORD_WORDS);
  const bytes = new Uint8Array(words.buffer);
  const result: JournalCallerResult = { latenciesNs: [], stuck: 0, messages: [], lies: 0 };
  try {
    for (let round = 0; round < task.rounds && !isStopped(task.stop); round++) {
      awaitStep(task, round * STEPS + PINNED);
      const sequence = task.firstSequence + round;
      fillRecord(words, 0, PAGE, sequence);
      lock(task);
      try {
        file.writeSync(bytes, PAGE * PAGE_BYTES);
        announce(task, round * STEPS + LOCKED);
        const startNs = nowNs();
        const complaint = syncOrTimeOut(() =>
          fsyncSyncWith(file, { policy: task.policy, timeout: task.timeoutMs }),
        );
        result.latenciesNs.push(nowNs() - startNs);
        if (complaint !== undefined) {
          result.stuck++;
          result.messages.push(complaint);
        } else if (!truth.holds(sequence)) result.lies++;
      } finally {
        unlock(task);
      }
      awaitStep(task, round * STEPS + UNPINNED);
    }
    return result;
  } finally {
    truth.close();
    file.closeSync();
    cache.detach();
  }
}

function dma(source: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.read(source, bytes, READ_PART.offset, READ_PART.bytes, 0, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** The message of the timeout; undefined when fsync came through. */
function syncOrTimeOut(sync: () => unknown): string | undefined {
  try {
    sync();
    return undefined;
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return error.message;
  }
}

function announce({ journal }: JournalTask, step: number): void {
  Atomics.store(journal, JOURNAL_STEP, step);
  Atomics.notify(journal, JOURNAL_STEP);
}

function awaitStep(task: JournalTask, step: number): void {
  blockUntil(task, JOURNAL_STEP, `step ${step} of the deadlock`, () => {
    const seen = Atomics.load(task.journal, JOURNAL_STEP);
    return seen >= step ? undefined : seen;
  });
}

function lock(task: JournalTask): void {
  blockUntil(task, JOURNAL_MUTEX, "the journal's mutex", () =>
    Atomics.compareExchange(task.journal, JOURNAL_MUTEX, 0, 1) === 0 ? undefined : 1,
  );
}

function unlock({ journal }: JournalTask): void {
  Atomics.store(journal, JOURNAL_MUTEX, 0);
  Atomics.notify(journal, JOURNAL_MUTEX);
}

/** Sleeps on `word` for as long as `attempt` returns the value it saw there; sliced, bounded, ended by a stop. */
function blockUntil(task: JournalTask, word: number, what: string, attempt: () => number | undefined): void {
  const deadlineNs = nowNs() + STEP_TIMEOUT_MS * NS_PER_MS;
  for (;;) {
    const seen = attempt();
    if (seen === undefined) return;
    if (isStopped(task.stop)) throw new Error('stopped');
    if (nowNs() > deadlineNs) throw new Error(`${what} was not reached within ${STEP_TIMEOUT_MS} ms`);
    Atomics.wait(task.journal, word, seen, WAIT_SLICE_MS);
  }
}
