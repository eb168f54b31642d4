// The figures of a scenario that two runs can be compared by, each under a name of its own.

/** `no verdict`: two identical arms differed too much in this run, or the figure is nearer to its bar than it is exact. `none`: no bar applies. */
export type Verdict = 'ok' | 'short' | 'no verdict' | 'none';

export interface Figure {
  /** One of its kind in a report, and the same in every report of the same command. */
  name: string;
  /** Null when it could not be measured. */
  value: number | null;
  /** '×' is a ratio of neighbours in time: it holds between runs, where times do not. */
  unit: string;
  better: 'smaller' | 'larger';
  spread: { q1: number; q3: number } | null;
  /** The same ratio between two identical arms (A/A), or null where there is none. */
  control: number | null;
  bar: number | null;
  verdict: Verdict;
}
