// From what the roles of a cell bring back to the figures that the report holds.
import type { RecordableHistogram } from 'node:perf_hooks';
import { blockMedians, pairedRatio, type Ratio, ratioValue, uncertaintyOf, verdictOf } from '../arms';
import { latencyOf } from '../histogram';
import type { CellPlan } from '../plan';
import type { ArmFigures, FsyncCell, RatioFigures } from '../schema';
import { quantile, type Spread, spreadOf } from '../statistics';
import type { CallerResult, PinnerResult } from '../tasks';
import { ARMS, armMsOf, type Timeline } from '../timeline';

/** Bars of bounce, pinned ÷ none (design, section 10). */
export const BAR_P50 = 1.05;
export const BAR_P99 = 1.2;

interface Measured {
  plan: CellPlan;
  timeline: Timeline;
  duePerSecond: number;
  /** One an arm. */
  histograms: RecordableHistogram[];
  called: CallerResult;
  pinners: PinnerResult[];
}

export function fsyncCell({
  plan,
  timeline,
  duePerSecond,
  histograms,
  called,
  pinners,
}: Measured): FsyncCell {
  const { policy, pinnedDirty, holdMs, holdShape, pinSource } = plan;
  const blocks = timeline.blockStartNs.length;
  const armMs = armMsOf(timeline);
  const armSeconds = armMs / 1e3;
  const [pinned, none, noneAgain] = ARMS.map((_, arm) => armFigures(arm, histograms, called, armSeconds));
  const arms = { pinned, none, noneAgain };
  const [paired, control] = pairedP50(timeline, called);
  const barred = policy === 'bounce';
  const {
    checked,
    lies,
    recordsOlder,
    recordsTorn,
    receivedOlder,
    carriedOver,
    givenUp,
    timeouts,
    backlogMax,
  } = called;
  return {
    policy,
    pinnedDirty,
    holdMs,
    holdShape,
    pinSource,
    blockMs: (armMs * ARMS.length) / blocks,
    blocks,
    duePerSecond,
    arms,
    ratios: {
      p50: ratioFigures(arms, 'p50Us', barred ? BAR_P50 : null, paired, control),
      p99: ratioFigures(arms, 'p99Us', barred ? BAR_P99 : null, null, null, p99Uncertainty(timeline, called)),
    },
    truth: { checked, lies, recordsOlder, recordsTorn, receivedOlder },
    queue: { carriedOver, givenUp, timeouts, backlogMax },
    pins: {
      taken: sum(pinners, 'taken'),
      dmaBytes: sum(pinners, 'dmaBytes'),
      words: sum(pinners, 'words'),
      missed: sum(pinners, 'missed'),
    },
  };
}

function sum(pinners: PinnerResult[], figure: keyof PinnerResult): number {
  return pinners.reduce((total, pinner) => total + pinner[figure], 0);
}

function armFigures(
  arm: number,
  histograms: RecordableHistogram[],
  called: CallerResult,
  seconds: number,
): ArmFigures {
  const { fsyncs, pages, bounced, vainVisits } = called.arms[arm];
  return {
    latency: latencyOf(histograms[arm]),
    perSecond: fsyncs / seconds,
    pagesPerFsync: fsyncs === 0 ? null : pages / fsyncs,
    bouncedPerFsync: fsyncs === 0 ? null : bounced / fsyncs,
    vainVisitsPerSecond: vainVisits / seconds,
  };
}

/** Of the median latency of each block: pinned ÷ none, and none again ÷ none. */
function pairedP50(
  { blockArm }: Timeline,
  { sampleBlock, sampleNs }: CallerResult,
): [Spread | null, Spread | null] {
  const byArm = ARMS.map(() => new Map<number, number[]>());
  sampleBlock.forEach((block, i) => {
    const blocks = byArm[blockArm[block]];
    const latencies = blocks.get(block);
    if (latencies === undefined) blocks.set(block, [sampleNs[i]]);
    else latencies.push(sampleNs[i]);
  });
  const tripleOf = (block: number) => Math.floor(block / ARMS.length);
  const [pinned, none, noneAgain] = byArm.map((blocks) => blockMedians(blocks, tripleOf));
  return [pairedRatio(pinned, none), pairedRatio(noneAgain, none)];
}

/** Parts of a cell that its p99 is looked for in, to see how exact that of the whole is; and what each needs to have one. */
const PARTS = 5;
const PART_SAMPLES_MIN = 100;

/** Of pinned ÷ none of the p99 of all blocks together, by how it differs between parts of them; infinite where there are too few samples. */
function p99Uncertainty({ blockArm }: Timeline, { sampleBlock, sampleNs }: CallerResult): number {
  const parts = Array.from({ length: PARTS }, () => ARMS.map((): number[] => []));
  sampleBlock.forEach((block, i) => {
    parts[Math.floor(block / ARMS.length) % PARTS][blockArm[block]].push(sampleNs[i]);
  });
  if (parts.some(([pinned, none]) => Math.min(pinned.length, none.length) < PART_SAMPLES_MIN))
    return Number.POSITIVE_INFINITY;
  return uncertaintyOf(
    spreadOf(parts.map(([pinned, none]) => quantile(pinned, 0.99) / quantile(none, 0.99))),
  );
}

function ratioFigures(
  { pinned, none, noneAgain }: FsyncCell['arms'],
  figure: 'p50Us' | 'p99Us',
  bar: number | null,
  paired: Spread | null,
  control: Spread | null,
  pooledUncertainty = Number.POSITIVE_INFINITY,
): RatioFigures {
  const pooled = (over: ArmFigures) =>
    (over.latency[figure] ?? Number.NaN) / (none.latency[figure] ?? Number.NaN);
  const ratio: Ratio = { paired, pooled: pooled(pinned) };
  const same: Ratio = { paired: control, pooled: pooled(noneAgain) };
  return {
    paired: paired && { median: paired.median, q1: paired.q1, q3: paired.q3, pairs: paired.count },
    pooled: finiteOrNull(ratio.pooled),
    control: { paired: control?.median ?? null, pooled: finiteOrNull(same.pooled) },
    verdict:
      bar === null
        ? 'none'
        : verdictOf(
            {
              value: ratioValue(ratio),
              uncertainty: paired === null ? pooledUncertainty : uncertaintyOf(paired),
              control: ratioValue(same),
            },
            bar,
            'at most',
          ),
    bar,
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
