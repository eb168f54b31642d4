// What must hold whoever is faster: each arm read what had been written, and its check could have told otherwise.
import type { BenchReport } from '../../schema';
import { inThreads } from './plan';
import type { PeerRow } from './shape';

/** Flushes a durable write of the machine's floor from which on the system is taken to count them. */
const COUNTED = 0.9;
/** An arm with so many has not waited for the disk each time. */
const FLUSHED_MIN = 0.9;

export function peersFailures({ peers, interrupted }: BenchReport): string[] {
  if (peers === null) return [];
  const { reads, commits, memory, start } = peers;
  const failures = [
    ...reads.flatMap(({ bytes, threads, rows }) =>
      untrue(`reads of ${bytes} bytes, ${inThreads(threads)}`, rows),
    ),
    ...untrue('durable writes', commits),
    ...memory.flatMap(({ threads, rows }) => untrue(`memory, ${inThreads(threads)}`, rows)),
    ...untrue('start-up', start),
    ...unflushed(commits),
  ];
  const parts = { reads, 'durable writes': commits, memory, 'start-up': start };
  for (const [part, found] of Object.entries(parts)) {
    if (!interrupted && found.length === 0) failures.push(`peers: ${part} were not measured`);
  }
  return failures;
}

function untrue(what: string, rows: PeerRow[]): string[] {
  return rows.flatMap(({ arm, value, truth: { checked, wrong, plantedSeen } }) => {
    const failures: string[] = [];
    if (wrong > 0) failures.push(`peers: ${what}: ${arm}: ${wrong} of ${checked} reads were wrong`);
    if (value !== null && !plantedSeen)
      failures.push(`peers: ${what}: ${arm}: the planted wrong page was not seen`);
    return failures;
  });
}

/** Other programs flush too, so that there may be more of them than durable writes, never fewer. */
function unflushed(commits: PeerRow[]): string[] {
  const floor = commits.find(({ arm }) => arm === 'fs')?.flushes ?? 0;
  if (floor < COUNTED) return [];
  return commits.flatMap(({ arm, flushes }) =>
    flushes !== null && flushes < FLUSHED_MIN
      ? [`peers: durable writes: ${arm} flushed the disk only ${flushes.toFixed(2)} times a write`]
      : [],
  );
}
