// What the scenario peers finds, as a report has it, without having measured anything.
import { createHistogram } from 'node:perf_hooks';
import { latencyOf } from '../../bench/histogram.ts';
import { ARMS } from '../../bench/roles/peers/arms.ts';
import type { PeerRow, PeersResult } from '../../bench/scenarios/peers/shape.ts';

const MIB = 2 ** 20;
const SHOWN = ARMS.filter(({ id }) => ['pinfold', 'pinfold-again', 'fs', 'lru-cache', 'lmdb'].includes(id));

/** Of operations that all took as long, in µs. */
function latency(us: number) {
  const histogram = createHistogram();
  for (let n = 0; n < 100; n++) histogram.record(Math.round(us * 1_000));
  return latencyOf(histogram);
}

function rows(first: number, timed: boolean): PeerRow[] {
  return SHOWN.map(({ id, name, calls, against }, n) => {
    const value = first * (1 + n / 10);
    const compared = against === null ? null : 1 + n / 10;
    return {
      arm: id,
      name,
      calls: Object.values(calls)[0] ?? '',
      value,
      ratio: compared,
      q1: compared && compared * 0.95,
      q3: compared && compared * 1.05,
      control: compared && 1.01,
      verdict: compared === null ? 'none' : n % 2 === 0 ? 'pinfold' : 'no verdict',
      latency: timed ? latency(value) : null,
      flushes: timed ? 1 : null,
      truth: { checked: 1_000, wrong: 0, plantedSeen: true },
    };
  });
}

export const peersResult = (): PeersResult => ({
  fileBytes: 64 * MIB,
  memoryFileBytes: 256 * MIB,
  libraries: [
    { name: 'lru-cache', version: '11.0.0', missing: null },
    { name: 'better-sqlite3', version: '12.0.0', missing: 'not installed' },
  ],
  reads: [8, 4096].flatMap((bytes) =>
    [1, 2, 4].map((threads) => ({ bytes, threads, rows: rows(40 * threads, false) })),
  ),
  commits: rows(150, true),
  memory: [1, 2, 4].map((threads) => ({ threads, rows: rows(280 * MIB, false) })),
  start: rows(30, false),
});
