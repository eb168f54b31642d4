import type { BenchReport } from '../schema';
import { type Block, bad, good, heading, reading, table } from './blocks';
import { count, ms } from './format';

export function deadlockTable({ deadlock }: BenchReport): Block[] {
  if (deadlock.length === 0) return [];
  const columns = [
    { head: 'policy', words: true },
    { head: 'rounds' },
    { head: 'through' },
    { head: 'stuck' },
    { head: 'p50 ms' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'lies' },
  ];
  const rows = deadlock.map(({ policy, rounds, through, stuck, latency, lies }) => [
    policy,
    count(rounds),
    count(through),
    policy === 'bounce' && stuck > 0 ? bad(count(stuck)) : count(stuck),
    ms(latency.p50Us),
    ms(latency.p99Us),
    ms(latency.maxUs),
    lies === 0 ? good('0') : bad(count(lies)),
  ]);
  const said = deadlock.find(({ message }) => message !== null)?.message;
  return [
    heading('deadlock'),
    table(columns, rows),
    reading(
      "fsync's caller holds a mutex that the pinner needs before it unpins: waiting for the pin ends only by a timeout; bouncing does not wait.",
      ...(said ? [`The blocked fsync said: "${said}"`] : []),
    ),
  ];
}
