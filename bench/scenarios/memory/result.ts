// What the memory scenario finds.
import { fields, list, nullable } from '../../shape';

/** A figure of two variants in turns, and of one variant with itself. */
export interface TurnsRatio {
  /** Of the ratios of neighbours in time; null if there was no time for one. */
  median: number | null;
  q1: number | null;
  q3: number | null;
  control: number | null;
  overNs: number | null;
  underNs: number | null;
}

/** One fsync of so many dirty pages, at frames all over the pool. µs. */
export interface FsyncCost {
  pages: number;
  fsyncUs: number | null;
  /** fs.writeSync of as many bytes, in pieces of a staging area, and fs.fdatasyncSync. */
  bareUs: number | null;
  /** Of neighbours in time. */
  ratio: number | null;
  /** The same fsync of a file in memory: what the processor has to do for it. Null where there is no such file system. */
  withoutDiskUs: number | null;
}

export interface PoolFigures {
  memoryBytes: number;
  frames: number;
  controlBytes: number;
  dataMemories: number;
  /** Data memories in which the hot pages were. */
  hotMemories: number;
  /** Of 64 equal parts of the pool, those in which they were. */
  hotParts: number;
  createMs: number;
  /** A hit in this pool ÷ one in the smallest, as many hot pages. */
  hit: TurnsRatio;
  /** The same of the loads alone that any cache makes for a hit. */
  loads: number | null;
  fsync: FsyncCost[];
  /** What the process had resident more than before the cache, at most; and what it may have more than `memoryBytes`. */
  residentBytes: number | null;
  allowanceBytes: number;
}

/** A cache with many files open, beside one with one. */
export interface FilesFigures {
  open: number;
  maxFiles: number;
  controlBytes: number;
  hit: TurnsRatio;
  /** Of one dirty page: many ÷ one, by fsyncSync, by fsync, and of a page brought in by a promise. */
  fsyncSync: TurnsRatio;
  fsync: TurnsRatio;
  miss: TurnsRatio;
}

export interface MemoryFigures {
  pools: PoolFigures[];
  files: FilesFigures | null;
}

const TURNS = fields({
  median: nullable('number'),
  q1: nullable('number'),
  q3: nullable('number'),
  control: nullable('number'),
  overNs: nullable('number'),
  underNs: nullable('number'),
});

export const MEMORY = fields({
  pools: list(
    fields({
      memoryBytes: 'number',
      frames: 'number',
      controlBytes: 'number',
      dataMemories: 'number',
      hotMemories: 'number',
      hotParts: 'number',
      createMs: 'number',
      hit: TURNS,
      loads: nullable('number'),
      fsync: list(
        fields({
          pages: 'number',
          fsyncUs: nullable('number'),
          bareUs: nullable('number'),
          ratio: nullable('number'),
          withoutDiskUs: nullable('number'),
        }),
      ),
      residentBytes: nullable('number'),
      allowanceBytes: 'number',
    }),
  ),
  files: nullable(
    fields({
      open: 'number',
      maxFiles: 'number',
      controlBytes: 'number',
      hit: TURNS,
      fsyncSync: TURNS,
      fsync: TURNS,
      miss: TURNS,
    }),
  ),
});
