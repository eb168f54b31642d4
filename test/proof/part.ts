// What the parts of the proof have in common: each covers what it covers by a method of its own, and says what it found.

/** One method of proof. */
export interface Part {
  readonly name: string;
  /** What it does, in a line: for --help. */
  readonly summary: string;
  /** Its share of the time of a run of all parts. The heaviest gets the most. */
  readonly weight: number;
  run(context: Context): Promise<Outcome>;
  /** Runs again, and tells step by step, what a violation's `replay` names. */
  replay(what: string, context: Context): Promise<Outcome>;
}

export interface Context {
  /** What is chosen at random is chosen by it: the same again with the same seed. */
  readonly seed: number;
  /** How long the part should take, in seconds: what is complete may end sooner, what is sampled goes on until then. */
  readonly seconds: number;
  /** Tells of progress. */
  readonly log: (line: string) => void;
}

export interface Outcome {
  /** What was covered, for people: name and figure. */
  readonly figures: readonly (readonly [what: string, figure: string])[];
  readonly violations: readonly Violation[];
  /** Mistakes made on purpose, which the part has to find in the same run. */
  readonly controls: readonly Control[];
  /** Why nothing, or less, could be done on this machine. */
  readonly skipped?: string;
}

export interface Violation {
  readonly what: string;
  /** What `replay` takes to show it again. */
  readonly replay: string;
}

export interface Control {
  readonly what: string;
  readonly caught: boolean;
}
