// What the report holds of this scenario.
import { LATENCY, type Latency } from '../../histogram';
import { fields, list, nullable, oneOf } from '../../shape';

export interface PeersResult {
  /** Of the store that is read, and of the one whose memory is measured. */
  fileBytes: number;
  memoryFileBytes: number;
  libraries: Library[];
  reads: ReadCell[];
  commits: PeerRow[];
  memory: MemoryCell[];
  start: PeerRow[];
}

interface Library {
  name: string;
  version: string;
  /** Why it takes no part; null if it does. */
  missing: string | null;
}

/** Cached reads of so many bytes, by so many threads at once. */
interface ReadCell {
  bytes: number;
  threads: number;
  rows: PeerRow[];
}

/** Threads that have read the whole store. */
interface MemoryCell {
  threads: number;
  rows: PeerRow[];
}

export interface PeerRow {
  arm: string;
  name: string;
  /** As it was used. */
  calls: string;
  /**
   * The median: ns a read in each thread; µs a durable write; bytes; ms until a thread has read. Null if it takes no part, or has
   * nothing of the kind.
   */
  value: number | null;
  /** Its value ÷ that of pinfold beside it: median and quartiles. */
  ratio: number | null;
  q1: number | null;
  q3: number | null;
  /** pinfold again ÷ pinfold, beside them. */
  control: number | null;
  /** Who needs less; `level`: neither by more than the control may move; `none`: it is compared with nothing. */
  verdict: 'pinfold' | 'peer' | 'level' | 'no verdict' | 'none';
  /** Of all its durable writes; null for other measures. */
  latency: Latency | null;
  /** How often the disk's own cache was flushed, a durable write; null where nobody counts. */
  flushes: number | null;
  truth: { checked: number; wrong: number; plantedSeen: boolean };
}

const ROW = fields({
  arm: 'string',
  name: 'string',
  calls: 'string',
  value: nullable('number'),
  ratio: nullable('number'),
  q1: nullable('number'),
  q3: nullable('number'),
  control: nullable('number'),
  verdict: oneOf('pinfold', 'peer', 'level', 'no verdict', 'none'),
  latency: nullable(LATENCY),
  flushes: nullable('number'),
  truth: fields({ checked: 'number', wrong: 'number', plantedSeen: 'boolean' }),
});

export const PEERS = fields({
  fileBytes: 'number',
  memoryFileBytes: 'number',
  libraries: list(fields({ name: 'string', version: 'string', missing: nullable('string') })),
  reads: list(fields({ bytes: 'number', threads: 'number', rows: list(ROW) })),
  commits: list(ROW),
  memory: list(fields({ threads: 'number', rows: list(ROW) })),
  start: list(ROW),
});
