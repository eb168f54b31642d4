import { isStopped, NS_PER_US, nowNs, sleepUntil, spinUntil } from '../clock';
import { type ArmCounts, type CallerResult, type CallerTask, LIVE_CHECKED, LIVE_LIES } from '../tasks';
import { ARMS, blockAt } from '../timeline';
import { type CommitPath, openCommitPath } from './commit';
import { isTimeout } from './timeout';
import { TruthCheck } from './truth';

/** The caller wakes this long before an fsync is due, ns: a late timer and the commit's writes fit in. */
const PREPARE_NS = 200 * NS_PER_US;
/** From the start of the first block to the first fsync, ns: the pages are pinned by then. */
const FIRST_DUE_NS = 500 * NS_PER_US;
/** Further behind than this many arrivals, the caller gives up those in between and says so. */
const BACKLOG_MAX = 256;

/**
 * Open loop: fsync i is due at `first + i * interval`, whatever became of the one before, and its latency counts from there. A caller
 * that is blocked thus pays for every arrival it keeps waiting (no coordinated omission). A commit is written ahead of its due time
 * where there is time, so that the latency is that of fsync alone.
 */
export function caller(task: CallerTask): CallerResult {
  const path = openCommitPath(task);
  const truth =
    task.policy === 'bare'
      ? new TruthCheck(task.barePath, task.pagesPerFsync)
      : new TruthCheck(task.dataPath, task.pagesPerFsync, task.transfers);
  try {
    return new Caller(task, path, truth).run();
  } finally {
    truth.close();
    path.close();
  }
}

class Caller {
  readonly #task: CallerTask;
  readonly #path: CommitPath;
  readonly #truth: TruthCheck;
  readonly #arms: ArmCounts[] = ARMS.map(() => ({ fsyncs: 0, pages: 0, bounced: 0, vainVisits: 0 }));
  readonly #sampleBlock: number[] = [];
  readonly #sampleDueNs: number[] = [];
  readonly #sampleNs: number[] = [];
  #sequence: number;
  #checked = 0;
  #lies = 0;
  #carriedOver = 0;
  #givenUp = 0;
  #timeouts = 0;
  #backlogMax = 0;
  #block = 0;
  #vainVisits: number;

  constructor(task: CallerTask, path: CommitPath, truth: TruthCheck) {
    this.#task = task;
    this.#path = path;
    this.#truth = truth;
    this.#sequence = task.firstSequence;
    this.#vainVisits = path.vainVisits();
  }

  run(): CallerResult {
    const { timeline, intervalNs, stop } = this.#task;
    let dueNs = timeline.startNs + FIRST_DUE_NS;
    let endNs = 0;
    let queueHead = 0;
    while (dueNs < timeline.endNs && sleepUntil(stop, dueNs - PREPARE_NS)) {
      this.#path.write(this.#sequence);
      this.#truth.note();
      spinUntil(dueNs);
      this.#enterBlockOf(dueNs);
      // Busy when this one was due: it waited for the block that the head of the queue belongs to.
      if (endNs <= dueNs) queueHead = this.#block;
      endNs = this.#sync(dueNs, queueHead);
      if (isStopped(stop)) break;
      this.#sequence++;
      dueNs = this.#nextDue(dueNs + intervalNs);
    }
    this.#creditVainVisits();
    return {
      arms: this.#arms,
      sampleBlock: this.#sampleBlock,
      sampleDueNs: this.#sampleDueNs,
      sampleNs: this.#sampleNs,
      checked: this.#checked,
      lies: this.#lies,
      recordsOlder: this.#truth.recordsOlder,
      recordsTorn: this.#truth.recordsTorn,
      receivedOlder: this.#truth.receivedOlder,
      carriedOver: this.#carriedOver,
      givenUp: this.#givenUp,
      timeouts: this.#timeouts,
      backlogMax: this.#backlogMax,
      nextSequence: this.#sequence + 1,
    };
  }

  /** One fsync: its sample, and the comparison of the file with what had been written before. Returns when it ended. */
  #sync(dueNs: number, queueHead: number): number {
    const { timeline, histograms } = this.#task;
    const arm = timeline.blockArm[this.#block];
    const inTime = this.#attempt(this.#arms[arm]);
    const endNs = nowNs();
    if (this.#block < timeline.warmUpBlocks) {
      // Compilers are busy, and the pages have been touched just now.
    } else if (timeline.blockArm[queueHead] === arm) {
      const latencyNs = Math.max(1, Math.round(endNs - dueNs));
      histograms[arm].record(latencyNs);
      this.#sampleBlock.push(this.#block);
      this.#sampleDueNs.push(dueNs);
      this.#sampleNs.push(latencyNs);
    } else {
      this.#carriedOver++;
    }
    if (inTime) this.#check();
    return endNs;
  }

  /** Returns false when fsync gave up: a rejection promises nothing, and cannot lie. */
  #attempt(counts: ArmCounts): boolean {
    try {
      const { pages, bounced } = this.#path.sync();
      counts.fsyncs++;
      counts.pages += pages;
      counts.bounced += bounced;
      return true;
    } catch (error) {
      if (!isTimeout(error)) throw error;
      this.#timeouts++;
      return false;
    }
  }

  #check(): void {
    const { live } = this.#task;
    this.#checked++;
    if (!this.#truth.holds(this.#sequence)) this.#lies++;
    Atomics.store(live, LIVE_CHECKED, this.#checked);
    Atomics.store(live, LIVE_LIES, this.#lies);
  }

  #enterBlockOf(ns: number): void {
    const block = blockAt(this.#task.timeline, ns, this.#block);
    if (block === this.#block) return;
    this.#creditVainVisits();
    this.#block = block;
  }

  /** What the flusher did in vain since the last call belongs to the block that ends here. */
  #creditVainVisits(): void {
    const vainVisits = this.#path.vainVisits();
    this.#arms[this.#task.timeline.blockArm[this.#block]].vainVisits += vainVisits - this.#vainVisits;
    this.#vainVisits = vainVisits;
  }

  #nextDue(dueNs: number): number {
    const { intervalNs } = this.#task;
    const backlog = Math.max(0, Math.floor((nowNs() - dueNs) / intervalNs));
    this.#backlogMax = Math.max(this.#backlogMax, backlog);
    if (backlog <= BACKLOG_MAX) return dueNs;
    this.#givenUp += backlog;
    return dueNs + backlog * intervalNs;
  }
}
