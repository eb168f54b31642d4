// Time as every thread of the process sees it, and sleeps that a stop can end.

export const NS_PER_MS = 1e6;
export const NS_PER_US = 1e3;

/** Nanoseconds of the monotonic clock that all threads of a process share (`performance.now()` counts from each thread's own start). */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** One shared word: 0 while the run goes on, 1 once it must end. Every sleep of every role is a wait on it. */
export type StopWord = Int32Array<SharedArrayBuffer>;

export function createStopWord(): StopWord {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function raiseStop(stop: StopWord): void {
  Atomics.store(stop, 0, 1);
  Atomics.notify(stop, 0);
}

export function isStopped(stop: StopWord): boolean {
  return Atomics.load(stop, 0) !== 0;
}

/** Blocks this thread until `dueNs`; the kernel adds 50 to 100 µs. Returns false when the run was stopped instead. */
export function sleepUntil(stop: StopWord, dueNs: number): boolean {
  for (;;) {
    if (isStopped(stop)) return false;
    const leftMs = (dueNs - nowNs()) / NS_PER_MS;
    if (leftMs <= 0) return true;
    Atomics.wait(stop, 0, 0, leftMs);
  }
}

/** Burns this thread's core until `dueNs`, exact to about 0.1 µs. */
export function spinUntil(dueNs: number): void {
  while (nowNs() < dueNs);
}

/** Rejects when `promise` has not settled after `deadlineMs`; nothing in the bench waits for ever. */
export async function withDeadline<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} did not end within ${Math.round(deadlineMs)} ms`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
