// Where pairs come from: probes of two builds, or any two commands.
import type { Pair } from './trial';

export interface PairedFigure {
  name: string;
  unit: string;
  better: 'smaller' | 'larger';
  base: number;
  head: number;
  /** Of neighbours in time. */
  pair: Pair;
}

/** A figure that is the same in every run of the same code. */
export interface ExactFigure {
  name: string;
  unit: string;
  better: 'smaller' | 'larger';
  base: number;
  head: number;
}

/** What one side has no figure of: a metric, or a load and so all of its metrics. */
export interface Missing {
  name: string;
  side: 'base' | 'head';
  why: string;
}

/** What one pair of runs has shown. */
export interface Sampled {
  figures: PairedFigure[];
  exact: ExactFigure[];
  missing: Missing[];
}

export interface PairSource {
  /** @throws Refused when a side can't be measured */
  sample(load: string): Promise<Sampled>;
  /** Ends what is running. */
  close(): void;
}
