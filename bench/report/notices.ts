// What is to be known before the figures are read, and what became of the promises.
import type { BenchReport } from '../schema';
import { bad, doubtful, good, type Toned } from './blocks';
import { digits } from './format';

/** Load a core from which on other work must be expected to show in the figures. */
const BUSY_LOAD = 0.5;

/** What of the machine casts doubt on the figures. */
export function doubts({ machine }: BenchReport): Toned[] {
  const { loadAverage, cores, durable, fileSystem } = machine;
  const found: Toned[] = [];
  if (loadAverage > BUSY_LOAD * cores) {
    found.push(
      doubtful(`The machine is busy (load ${digits(loadAverage)}): expect high latencies and few verdicts`),
    );
  }
  if (!durable) {
    found.push(
      doubtful(
        `${fileSystem} keeps nothing over a power loss: fsync there costs and proves nothing; see --file`,
      ),
    );
  }
  return found;
}

export function outcome({ interrupted, failures }: BenchReport): Toned[] {
  const found = failures.map((failure) => bad(`FAILED: ${failure}`));
  if (interrupted) found.push(doubtful('Interrupted: the figures are of what had been measured until then.'));
  else if (failures.length === 0) found.push(good('Every promise that was tested held.'));
  return found;
}
