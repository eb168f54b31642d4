// How long things took, over all threads: log-linear histograms in shared memory. Threads add to one of a few stripes by
// atomic instructions, so nothing that was recorded is lost, whoever dies, and threads seldom meet on a cache line.

/** What is timed, by its place. */
const timing = { fsync: 0, flush: 1, fill: 2, throttle: 3 } as const;
export type Timing = keyof typeof timing;
const KINDS = Object.keys(timing).length;

/** A power of two: a thread's is told by the low bits of its row. */
const STRIPES = 8;
/** Buckets to a doubling: each is an eighth of its lower bound wide, or a microsecond. */
const LINEAR_BITS = 3;
const LINEAR = 1 << LINEAR_BITS;
/** For all that 32 bits of microseconds count: 71 minutes. */
const BUCKETS = (32 - LINEAR_BITS + 1) * LINEAR;
const US_MAX = 2 ** 32 - 1;

// A histogram of a stripe, in 32-bit words: whether it was used; the longest, in µs; the sum, in µs, of 64 bits; buckets.
const [USED, MAX, SUM, FIRST] = [0, 1, 2, 4] as const;
/** A multiple of a cache line. */
const WORDS = Math.ceil((FIRST + BUCKETS) / 16) * 16;
/** Before the histograms, a line: what events the creator's subscribers want of service threads. */
const HEAD = 16;

/** Durations of one kind, of all threads since the cache was created. Plain data. */
export interface Histogram {
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
  /** Upper bounds of the buckets that the percentiles are in: up to 12.5% above them, or a microsecond. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** The buckets that have any, shortest first: what is below this many ms and in no bucket before, and how many. */
  readonly buckets: readonly (readonly [belowMs: number, count: number])[];
}

/** How callers fared, not devices: a wait that was aborted counts, too. */
export interface Timings {
  /** Calls of fsync, from call to end. */
  readonly fsync: Histogram;
  /** Barriers of the store (fdatasync), whoever asked for them. */
  readonly flush: Histogram;
  /** Pages, or runs of pages, that somebody waited for; what is read ahead of need is not among them. */
  readonly fill: Histogram;
  /** Times that a writer was held up because too much was dirty. */
  readonly throttle: Histogram;
}

export function newTimings(): SharedArrayBuffer {
  return new SharedArrayBuffer((HEAD + STRIPES * KINDS * WORDS) * 4);
}

function bucketOf(us: number): number {
  if (us < LINEAR) return us;
  const exponent = 31 - Math.clz32(us);
  return (exponent - LINEAR_BITS + 1) * LINEAR + ((us >>> (exponent - LINEAR_BITS)) & (LINEAR - 1));
}

/** The first duration, in µs, that is in no bucket up to this one. */
function endOf(bucket: number): number {
  if (bucket < LINEAR) return bucket + 1;
  const exponent = Math.floor(bucket / LINEAR) + LINEAR_BITS - 1;
  return 2 ** exponent + ((bucket % LINEAR) + 1) * 2 ** (exponent - LINEAR_BITS);
}

export class Recorder {
  readonly #words: Uint32Array;
  readonly #sums: BigUint64Array;
  readonly #stripe: number;

  /** `owner`: the row of the thread that records. */
  constructor(shared: SharedArrayBuffer, owner: number) {
    this.#words = new Uint32Array(shared);
    this.#sums = new BigUint64Array(shared);
    this.#stripe = HEAD + (owner & (STRIPES - 1)) * KINDS * WORDS;
  }

  record(kind: Timing, ms: number): void {
    const us = Math.max(0, Math.min(US_MAX, Math.floor(ms * 1000)));
    const words = this.#words;
    const at = this.#stripe + timing[kind] * WORDS;
    Atomics.store(words, at + USED, 1);
    Atomics.add(words, at + FIRST + bucketOf(us), 1);
    Atomics.add(this.#sums, (at + SUM) >> 1, BigInt(us));
    for (let max = Atomics.load(words, at + MAX); us > max; ) {
      const seen = Atomics.compareExchange(words, at + MAX, max, us);
      if (seen === max) return;
      max = seen;
    }
  }

  /** Bits of events that somebody wants to hear of from service threads. */
  get wanted(): number {
    return Atomics.load(this.#words, 0);
  }
  set wanted(bits: number) {
    Atomics.store(this.#words, 0, bits);
  }
}

export function timingsOf(shared: SharedArrayBuffer): Timings {
  const words = new Uint32Array(shared);
  const sums = new BigUint64Array(shared);
  return {
    fsync: histogram(words, sums, 'fsync'),
    flush: histogram(words, sums, 'flush'),
    fill: histogram(words, sums, 'fill'),
    throttle: histogram(words, sums, 'throttle'),
  };
}

function histogram(words: Uint32Array, sums: BigUint64Array, kind: Timing): Histogram {
  const counts = new Float64Array(BUCKETS);
  let sum = 0;
  let max = 0;
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    const at = HEAD + (stripe * KINDS + timing[kind]) * WORDS;
    if (Atomics.load(words, at + USED) === 0) continue;
    for (let bucket = 0; bucket < BUCKETS; bucket++) counts[bucket] += words[at + FIRST + bucket]!;
    sum += Number(Atomics.load(sums, (at + SUM) >> 1));
    max = Math.max(max, Atomics.load(words, at + MAX));
  }
  const buckets: [number, number][] = [];
  let count = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    if (counts[bucket] === 0) continue;
    count += counts[bucket]!;
    buckets.push([endOf(bucket) / 1000, counts[bucket]!]);
  }
  const percentile = (share: number) => {
    let left = Math.ceil(share * count);
    for (const [belowMs, n] of buckets) {
      left -= n;
      if (left <= 0) return Math.min(belowMs, max / 1000);
    }
    return 0;
  };
  return {
    count,
    sumMs: sum / 1000,
    maxMs: max / 1000,
    p50Ms: percentile(0.5),
    p90Ms: percentile(0.9),
    p99Ms: percentile(0.99),
    p999Ms: percentile(0.999),
    buckets,
  };
}
