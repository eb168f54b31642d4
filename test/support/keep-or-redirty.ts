// Cells of the scenario keep-or-redirty as a report has them, without having measured anything.
import type { KeepOrRedirtyCell, Mode, ModeFigures } from '../../bench/scenarios/keep-or-redirty/shape.ts';

interface Seen {
  written?: number;
  falseClean?: number;
  lies?: number;
  lost?: number;
}

const LATENCY = {
  count: 10,
  p50Us: 500,
  p90Us: 800,
  p99Us: 900,
  p999Us: 950,
  maxUs: 1_000,
  curve: { percentiles: [100], us: [1_000] },
};

function figures({ written = 100, falseClean = 0, lies = 0, lost = 0 }: Seen = {}): ModeFigures {
  return {
    seconds: 1,
    vainVisitsPerSecond: 0,
    writtenPerSecond: written,
    bouncedPerSecond: 0,
    bytesPerSecond: written * 4096,
    transfersPerSecond: 10,
    idlePinsPerSecond: 3,
    pinnedAnewPerSecond: 0,
    updatesPerSecond: 100,
    gauge: {
      samples: 20,
      dirty: 40,
      pinnedDirty: 10,
      writePins: 30,
      truth: 50,
      falseDirty: 5,
      falseClean,
      unsettled: 1,
    },
    writer: LATENCY,
    throttlesPerSecond: 1,
    fsync: LATENCY,
    pagesPerFsync: 30,
    bouncedPerFsync: 10,
    flusherCpuMsPerSecond: null,
    truth: { checked: 100, lies, live: 50, liveCovered: 50, lost },
  };
}

export function keepOrRedirtyCell(
  pinnedShare: number,
  holdMs: number,
  seen: Partial<Record<Mode, Seen>>,
): KeepOrRedirtyCell {
  return {
    pinnedShare,
    holdMs,
    pinnedPages: 48,
    runs: 1,
    modes: {
      keep: figures(seen.keep),
      redirty: figures(seen.redirty),
      keepAgain: figures(seen.keepAgain),
      redirtyAnew: figures(seen.redirtyAnew),
    },
  };
}
