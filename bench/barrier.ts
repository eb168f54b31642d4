// Threads that begin together: each says that it is ready, the last one sets the time.
import { isStopped, NS_PER_MS, nowNs, type StopWord } from './clock';

export interface Barrier {
  /** How many are ready, and whether all are. */
  words: Int32Array<SharedArrayBuffer>;
  startNs: Float64Array<SharedArrayBuffer>;
  parties: number;
}

const READY = 0;
const OPEN = 1;
/** From when the last one is ready until all begin: the others have woken up by then. */
const LEAD_NS = 5 * NS_PER_MS;
const SLICE_MS = 20;
const TIMEOUT_MS = 15_000;

export function createBarrier(parties: number): Barrier {
  return {
    words: new Int32Array(new SharedArrayBuffer(2 * 4)),
    startNs: new Float64Array(new SharedArrayBuffer(8)),
    parties,
  };
}

/**
 * Blocks this thread until all are ready. Returns when to begin, or undefined when the run was stopped instead.
 * @throws Error when one of them does not come
 */
export function meet({ words, startNs, parties }: Barrier, stop: StopWord): number | undefined {
  if (Atomics.add(words, READY, 1) + 1 === parties) {
    startNs[0] = nowNs() + LEAD_NS;
    Atomics.store(words, OPEN, 1);
    Atomics.notify(words, OPEN);
  }
  const endNs = nowNs() + TIMEOUT_MS * NS_PER_MS;
  while (Atomics.load(words, OPEN) === 0) {
    if (isStopped(stop)) return undefined;
    if (nowNs() > endNs)
      throw new Error(`${Atomics.load(words, READY)} of ${parties} threads were ready in time`);
    Atomics.wait(words, OPEN, 0, SLICE_MS);
  }
  return startNs[0];
}
