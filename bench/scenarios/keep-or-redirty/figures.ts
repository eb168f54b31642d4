// From what the runs of a mode add up to, to the figures that the report holds.
import type { RecordableHistogram } from 'node:perf_hooks';
import { PAGE_BYTES } from '../../files';
import { latencyOf } from '../../histogram';
import type { ModeFigures } from './shape';

const NONE = {
  seconds: 0,
  vainVisits: 0,
  written: 0,
  bounced: 0,
  throttles: 0,
  updates: 0,
  transfers: 0,
  idlePins: 0,
  pinnedAnew: 0,
  fsyncs: 0,
  fsyncPages: 0,
  fsyncBounced: 0,
  checked: 0,
  lies: 0,
  live: 0,
  liveCovered: 0,
  samples: 0,
  dirty: 0,
  pinnedDirty: 0,
  writePins: 0,
  truth: 0,
  falseDirty: 0,
  falseClean: 0,
  freeFalseClean: 0,
  unsettled: 0,
};

export type RunSums = typeof NONE & { flusherCpuMs: number | null };

export const sumsOfNone = (): RunSums => ({ ...NONE, flusherCpuMs: 0 });

export function figuresOf(
  sums: RunSums,
  writer: RecordableHistogram,
  fsync: RecordableHistogram,
): ModeFigures {
  const perSecond = (figure: number) => figure / sums.seconds;
  const perSample = (figure: number) => (sums.samples === 0 ? 0 : figure / sums.samples);
  const perFsync = (figure: number) => (sums.fsyncs === 0 ? null : figure / sums.fsyncs);
  return {
    seconds: sums.seconds,
    vainVisitsPerSecond: perSecond(sums.vainVisits),
    writtenPerSecond: perSecond(sums.written),
    bouncedPerSecond: perSecond(sums.bounced),
    bytesPerSecond: perSecond(sums.written) * PAGE_BYTES,
    transfersPerSecond: perSecond(sums.transfers),
    idlePinsPerSecond: perSecond(sums.idlePins),
    pinnedAnewPerSecond: perSecond(sums.pinnedAnew),
    updatesPerSecond: perSecond(sums.updates),
    gauge: {
      samples: sums.samples,
      dirty: perSample(sums.dirty),
      pinnedDirty: perSample(sums.pinnedDirty),
      writePins: perSample(sums.writePins),
      truth: perSample(sums.truth),
      falseDirty: perSample(sums.falseDirty),
      falseClean: perSample(sums.falseClean),
      unsettled: perSample(sums.unsettled),
    },
    writer: latencyOf(writer),
    throttlesPerSecond: perSecond(sums.throttles),
    fsync: latencyOf(fsync),
    pagesPerFsync: perFsync(sums.fsyncPages),
    bouncedPerFsync: perFsync(sums.fsyncBounced),
    flusherCpuMsPerSecond: sums.flusherCpuMs === null ? null : perSecond(sums.flusherCpuMs),
    truth: {
      checked: sums.checked,
      lies: sums.lies,
      live: sums.live,
      liveCovered: sums.liveCovered,
      lost: sums.freeFalseClean,
    },
  };
}
