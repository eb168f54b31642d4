// How many hits replacement leaves, beside the known policies: the real kernel over the memory store.
import { createMemoryCache, type MemoryCache } from '#harness';
import { isStopped } from '../../clock';
import { type Run, together, withCrew } from '../../run';
import type { BenchReport } from '../../schema';
import type { ToucherResult } from '../../tasks';
import { AIM, AIM_SIZE } from './aim';
import { generate, SCAN_TRACE, TRACE_NAMES } from './generate';
import { PEER_NAMES, PEERS, type PeerName } from './policies';
import type { Replacement, ReplacementCell, ReplacementTruth } from './result';
import { sharedAccesses, type Trace } from './trace';

/** Cache sizes, shares of the footprint. */
const SIZES = [0.01, 0.1, 0.3];
/** The first accesses, which fill the caches, don't count: this share of a trace. */
const WARMUP = 0.25;
/** Below this a tenth of the frames is no queue, and the kernel's hand decides alone. */
const FRAMES_MIN = 64;
/** Accesses to a trace for each second of the run: with the peers, the sizes and the traces that takes about that second. */
const ACCESSES_PER_SECOND = 9_000;
const ACCESSES_MIN = 20_000;
const ACCESSES_MAX = 4_000_000;
/** Every page of a footprint is touched so often, on average. */
const TOUCHES = 40;
/** Smaller ones have too few frames at the smallest of the sizes. */
const GENERATED_MIN = FRAMES_MIN / Math.min(...SIZES);
/** Smaller ones have too few frames at all of them. */
export const FOOTPRINT_MIN = Math.ceil(FRAMES_MIN / Math.max(...SIZES));
/** Traces that are played by several threads too, and by how many. */
const THREADS_TRACES = ['zipf 0.8', SCAN_TRACE, 'loop over 13%', 'zipf 0.8 slides'];
const THREADS = [2, 4];
const THREADS_DEADLINE_MS = 120_000;
/** So many accesses, and a look whether the run is to stop. */
const STRETCH = 50_000;

export async function replacement(run: Run, durationMs: number): Promise<void> {
  const { seed, trace } = run.options;
  const found: Replacement = { seed, cells: [], threads: [], control: [] };
  run.report.replacement = found;
  if (trace !== undefined) {
    playAll(run, found, trace);
    return;
  }
  const accesses = Math.round((ACCESSES_PER_SECOND * durationMs) / 1_000);
  const count = Math.min(ACCESSES_MAX, Math.max(ACCESSES_MIN, accesses));
  const footprint = Math.max(GENERATED_MIN, Math.round(count / TOUCHES));
  for (const name of TRACE_NAMES) {
    if (isStopped(run.stop)) return;
    run.progress.begin(`replacement · ${name}`);
    const made = generate(name, count, footprint, seed);
    playAll(run, found, made);
    if (THREADS_TRACES.includes(name)) await playByThreads(run, found, made);
    if (name === SCAN_TRACE) playControl(run, found, made);
  }
}

/** A trace at each size for which it has pages enough. */
function playAll(run: Run, { cells }: Replacement, trace: Trace): void {
  for (const size of SIZES) {
    const frames = Math.round(trace.footprint * size);
    if (frames < FRAMES_MIN || isStopped(run.stop)) continue;
    run.progress.begin(`replacement · ${trace.name}, ${size * 100}%`);
    const cell = playCell(run, trace, size, frames);
    if (cell !== undefined) cells.push(cell);
  }
}

/** Undefined if the run was stopped. */
function playCell(run: Run, trace: Trace, size: number, frames: number): ReplacementCell | undefined {
  const warmup = Math.floor(trace.accesses.length * WARMUP);
  const played = playPinfold(run, trace, frames, warmup, false);
  const peers = played && playPeers(run, trace, played.frames, warmup);
  if (played === undefined || peers === undefined) return undefined;
  const toBest = played.ratio - Math.max(...PEER_NAMES.map((name) => peers[name]));
  const toLru = played.ratio - peers.LRU;
  const isNear = size !== AIM_SIZE || toBest >= -AIM;
  return {
    trace: trace.name,
    accesses: trace.accesses.length,
    warmup,
    footprint: trace.footprint,
    size,
    frames: played.frames,
    pinfold: played.ratio,
    peers,
    toBest,
    toLru,
    verdict: isNear && toLru >= -AIM ? 'ok' : 'short',
    queues: { ...played.queues, fills: played.fills },
    truth: played.truth,
  };
}

interface Played {
  frames: number;
  ratio: number;
  fills: number;
  queues: { admitted: number; ghosted: number };
  truth: ReplacementTruth;
}

function playPinfold(
  run: Run,
  trace: Trace,
  frames: number,
  warmup: number,
  handAlone: boolean,
): Played | undefined {
  const { accesses, pages } = trace;
  const cache = createMemoryCache({ frames, pages, threads: 1, handAlone });
  try {
    if (!touchAll(cache, accesses, 0, warmup, run)) return undefined;
    const before = cache.stats();
    if (!touchAll(cache, accesses, warmup, accesses.length, run)) return undefined;
    const { hits, misses, fills } = cache.stats();
    return {
      frames: cache.frames,
      ratio: (hits - before.hits) / (hits - before.hits + misses - before.misses),
      fills,
      queues: cache.queues(),
      truth: truthOf(cache, accesses.length),
    };
  } finally {
    cache.detach();
  }
}

/** False if the run was stopped. */
function touchAll(
  cache: MemoryCache,
  accesses: Int32Array,
  from: number,
  to: number,
  { stop }: Pick<Run, 'stop'>,
): boolean {
  for (let at = from; at < to; at += STRETCH) {
    if (isStopped(stop)) return false;
    for (let i = at; i < Math.min(to, at + STRETCH); i++) cache.touch(accesses[i]!);
  }
  return true;
}

/** `again` and `wrong`: views of all threads; of this one unless told otherwise. */
function truthOf(
  cache: MemoryCache,
  accesses: number,
  again = cache.again,
  wrong = cache.wrong,
): ReplacementTruth {
  const { hits, misses, fills, resident, frames } = cache.stats();
  return {
    wrongPages: wrong,
    unaccounted: hits + misses - accesses - again,
    unfilled: misses - fills,
    overfull: Math.max(0, resident - frames),
  };
}

function playPeers(
  run: Run,
  { accesses, pages }: Trace,
  frames: number,
  warmup: number,
): Record<PeerName, number> | undefined {
  const ratios = {} as Record<PeerName, number>;
  for (const name of PEER_NAMES) {
    const policy = PEERS[name](frames, pages);
    let hits = 0;
    for (let i = 0; i < accesses.length; i++) {
      if (i % STRETCH === 0 && isStopped(run.stop)) return undefined;
      if (policy.touch(accesses[i]!) && i >= warmup) hits++;
    }
    ratios[name] = hits / (accesses.length - warmup);
  }
  return ratios;
}

/** A trace at the size of the aim, by one thread and by several. */
async function playByThreads(run: Run, { threads: found }: Replacement, trace: Trace): Promise<void> {
  const { accesses, pages } = trace;
  const frames = Math.round(trace.footprint * AIM_SIZE);
  let one: number | undefined;
  for (const threads of [1, ...THREADS]) {
    run.progress.begin(`replacement · ${trace.name}, ${threads} thread${threads === 1 ? '' : 's'}`);
    const cache = createMemoryCache({ frames, pages, threads: threads + 1, handAlone: false });
    try {
      const task = { handle: cache.handle, accesses, next: sharedAccesses(1), stop: run.stop };
      const parts = await withCrew(threads, (crew) =>
        together(
          run,
          Array.from({ length: threads }, () => crew.play('toucher', task, THREADS_DEADLINE_MS)),
        ),
      );
      if (isStopped(run.stop)) return;
      const sum = (figure: keyof ToucherResult) => parts.reduce((total, part) => total + part[figure], 0);
      const { hits, misses } = cache.stats();
      const ratio = hits / (hits + misses);
      one ??= ratio;
      found.push({
        trace: trace.name,
        frames: cache.frames,
        threads,
        ratio,
        toOne: ratio - one,
        again: sum('again'),
        truth: truthOf(cache, sum('touched'), sum('again'), sum('wrong')),
      });
    } finally {
      cache.detach();
    }
  }
}

/** The kernel without what is to withstand scans must fall behind on scans, or nothing here could be seen. */
function playControl(run: Run, { control }: Replacement, trace: Trace): void {
  run.progress.begin(`replacement · ${trace.name}, the hand alone`);
  const frames = Math.round(trace.footprint * AIM_SIZE);
  const warmup = Math.floor(trace.accesses.length * WARMUP);
  const queues = playPinfold(run, trace, frames, warmup, false);
  const handAlone = playPinfold(run, trace, frames, warmup, true);
  if (queues === undefined || handAlone === undefined) return;
  control.push({
    trace: trace.name,
    frames: queues.frames,
    handAlone: handAlone.ratio,
    queues: queues.ratio,
  });
}

/** Counts that don't add up, wrong pages, and a control that shows nothing. To fall short of the aim is none. */
export function replacementFailures({ replacement }: Pick<BenchReport, 'replacement'>): string[] {
  if (replacement === null) return [];
  const { cells, threads, control } = replacement;
  const failures: string[] = [];
  const check = (where: string, truth: ReplacementTruth, alone: boolean) => {
    if (truth.wrongPages > 0) failures.push(`${truth.wrongPages} views showed another page ${where}`);
    if (truth.unaccounted !== 0)
      failures.push(`hits and misses are ${truth.unaccounted} more than the accesses ${where}`);
    if (alone ? truth.unfilled !== 0 : truth.unfilled < 0)
      failures.push(`misses are ${truth.unfilled} more than the fills ${where}`);
    if (truth.overfull > 0) failures.push(`${truth.overfull} pages more than frames were cached ${where}`);
  };
  for (const { trace, frames, truth } of cells) check(`(${trace}, ${frames} frames)`, truth, true);
  for (const { trace, threads: by, truth } of threads) check(`(${trace}, ${by} threads)`, truth, by === 1);
  for (const { trace, handAlone, queues } of control) {
    if (handAlone < queues) continue;
    failures.push(
      `the check of replacement is broken: the hand alone, which does not withstand scans, hit ${percent(handAlone)} of '${trace}', the queues ${percent(queues)}`,
    );
  }
  return failures;
}

const percent = (ratio: number) => `${(ratio * 100).toFixed(1)}%`;
