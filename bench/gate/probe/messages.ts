// What the gate and a probe, a process that measures one build of the library, tell one another.

export interface PrepareParams {
  /** The build's `dist/index.js`. */
  library: string;
  load: string;
  /** The file that the load works on: `pages` pages, a power of two. */
  file: string;
  pages: number;
}

export interface Prepared {
  /** Why this build can't be measured by the load; null: it can. */
  lacks: string | null;
}

/** Figures of a turn by metric, in the metric's unit. */
export type TurnFigures = Record<string, number>;

export interface ProbeCalls {
  prepare(params: PrepareParams): Promise<Prepared>;
  /** `warmUp`: as long as it takes until the compiler has done its work; no figure. */
  turn(params: { warmUp: boolean }): Promise<TurnFigures>;
}
