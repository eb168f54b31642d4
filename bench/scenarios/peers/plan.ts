// What fits into the time that there is.

export interface Plan {
  fileMib: number;
  memoryFileMib: number;
  /** Reads are measured with as many sets of processes, one set after the other: what a hit costs has modes from process to process. */
  sets: number;
  readBlockMs: number;
  commitBlockMs: number;
  roundsMin: number;
}

const PLANS: { fromMs: number; plan: Plan }[] = [
  {
    fromMs: 50_000,
    plan: { fileMib: 64, memoryFileMib: 256, sets: 3, readBlockMs: 20, commitBlockMs: 50, roundsMin: 4 },
  },
  {
    fromMs: 12_000,
    plan: { fileMib: 64, memoryFileMib: 64, sets: 1, readBlockMs: 20, commitBlockMs: 50, roundsMin: 3 },
  },
  {
    fromMs: 0,
    plan: { fileMib: 4, memoryFileMib: 8, sets: 1, readBlockMs: 4, commitBlockMs: 10, roundsMin: 2 },
  },
];

export const planOf = (durationMs: number): Plan => PLANS.find(({ fromMs }) => durationMs >= fromMs)!.plan;

/** Of the scenario's time; the rest is for memory, which takes what it takes. */
export const SHARE = { reads: 0.45, commits: 0.2, start: 0.12 };

/** Threads that read at once. */
export const THREADS = [1, 2, 4];
export const THREADS_MAX = Math.max(...THREADS);

/** First rounds of each measurement that do not count: the compiler is still busy. */
export const WARMUP_ROUNDS = 1;
/** A process that takes so much longer than it should has hung, ms. */
export const GRACE_MS = 60_000;

export const inThreads = (threads: number): string => `${threads} thread${threads === 1 ? '' : 's'}`;
