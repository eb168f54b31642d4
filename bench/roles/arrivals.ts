import { NS_PER_MS, NS_PER_US, nowNs, sleepUntil, spinUntil } from '../clock';
import { THREADS_PER_ROLE } from '../parts';
import type { OpenLoop, OpenLoopResult } from '../tasks';

/** The thread wakes this long before an operation is due, ns: about what a timer is late. */
const WAKE_NS = 80 * NS_PER_US;
/** Further behind than this many arrivals, the thread gives up those in between and says so. */
const BACKLOG_MAX = 256;

/**
 * Open loop: operation i is due at `first + i * interval`, whatever became of the one before, and its latency counts from there, so that
 * a thread that is held up pays for every arrival it keeps waiting. Threads of a role take turns.
 */
export class Arrivals {
  readonly #task: OpenLoop;
  readonly #endNs: number;
  #dueNs: number;
  #operations = 0;
  #lastEndNs = 0;
  #backlogMax = 0;
  #givenUp = 0;

  constructor(task: OpenLoop) {
    this.#task = task;
    this.#endNs = task.startNs + task.durationMs * NS_PER_MS;
    this.#dueNs = task.startNs + (task.thread * task.intervalNs) / THREADS_PER_ROLE;
  }

  /** When the operation that `next` announced was to begin. */
  get dueNs(): number {
    return this.#dueNs;
  }

  /** Sleeps until the next operation is due; false when none is left, or the run was stopped. */
  next(): boolean {
    if (this.#dueNs >= this.#endNs || !sleepUntil(this.#task.stop, this.#dueNs - WAKE_NS)) return false;
    spinUntil(this.#dueNs);
    return true;
  }

  /** The operation that `next` announced has ended. Returns how long from when it was due, ns. */
  ended(): number {
    const { histogram, intervalNs } = this.#task;
    this.#lastEndNs = nowNs();
    this.#operations++;
    const latencyNs = Math.max(1, Math.round(this.#lastEndNs - this.#dueNs));
    histogram.record(latencyNs);
    this.#dueNs += intervalNs;
    const backlog = Math.max(0, Math.floor((this.#lastEndNs - this.#dueNs) / intervalNs));
    this.#backlogMax = Math.max(this.#backlogMax, backlog);
    if (backlog > BACKLOG_MAX) {
      this.#givenUp += backlog;
      this.#dueNs += backlog * intervalNs;
    }
    return latencyNs;
  }

  result(): OpenLoopResult {
    return {
      operations: this.#operations,
      lastEndNs: this.#lastEndNs,
      backlogMax: this.#backlogMax,
      givenUp: this.#givenUp,
    };
  }
}
