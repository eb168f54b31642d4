// The machine's own floor: what writing as many pages and making them durable costs without a cache.
import { createHistogram } from 'node:perf_hooks';
import { isStopped } from '../clock';
import { type Latency, latencyOf } from '../histogram';
import { type Run, withCrew } from '../run';
import type { Scenario } from '../scenario';

/** Of one measurement, ms: some thousand commits on a fast disk. */
const FLOOR_MS = 150;
const GRACE_MS = 20_000;

/** Null if the run was stopped: what it then found is no figure. */
export async function floorOf(run: Run, { name }: Scenario, pages: number): Promise<Latency | null> {
  run.progress.begin(`${name} · the machine's own floor`);
  const histogram = createHistogram();
  const task = { stop: run.stop, path: run.files.paths.bare, pages, durationMs: FLOOR_MS, histogram };
  await withCrew(1, (crew) => crew.play('bareFloor', task, FLOOR_MS + GRACE_MS));
  return isStopped(run.stop) ? null : latencyOf(histogram);
}
