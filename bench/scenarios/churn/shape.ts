// What the scenario churn finds.
import { LATENCY, type Latency } from '../../histogram';
import { fields, list, oneOf } from '../../shape';

/**
 * `calm`: nobody comes. `churn`: workers come, use the cache, and go. `bystanders`: as many workers come and go and leave the cache
 * alone: what starting and ending threads costs the others by itself. `calmAgain`: as `calm`, the A/A control.
 */
export const CHURN_ARMS = ['calm', 'churn', 'bystanders', 'calmAgain'] as const;
export type ChurnArm = (typeof CHURN_ARMS)[number];

/** What the threads that stay do. `bare`: write + fdatasync of a page without the cache, the machine's floor. */
export const STEADY_ROLES = ['view', 'update', 'fsync', 'bare'] as const;
export type SteadyRole = (typeof STEADY_ROLES)[number];

export interface SteadyFigures {
  role: SteadyRole;
  duePerSecond: number;
  /** From the intended start. */
  latency: Record<ChurnArm, Latency>;
  givenUp: number;
}

export interface ChurnTruth {
  /** fsyncs after which the file was read and compared. */
  checked: number;
  /** Those that returned although the file lacked what had been written before. */
  lies: number;
}

export interface ChurnResult {
  blockMs: number;
  /** Of each arm. */
  blocks: number;
  steady: SteadyFigures[];
  workers: {
    /** In the blocks of the arm `churn`. */
    started: number;
    perSecond: number;
    /** In the middle of their work. */
    terminated: number;
    ended: number;
    /** fsyncs of theirs that returned. */
    commits: number;
    /** From `new Worker` until it had viewed a page of the cache. */
    firstHit: Latency;
  };
  /** fsyncs of the threads that stay, and of the workers, each compared by who called it. */
  steadyTruth: ChurnTruth;
  workersTruth: ChurnTruth;
  /** Pages of workers that had gone, of which an fsync had been promised; and those that the file lacked. */
  left: ChurnTruth;
  /** Workers whose fsync passes their pages over: must be seen to lie. */
  skip: ChurnTruth;
  /** What is there after the last worker and had not been before the first. */
  leaks: { owners: number; readPins: number; writePins: number; writebacks: number; orphans: number };
}

const EACH_ARM = fields(Object.fromEntries(CHURN_ARMS.map((arm) => [arm, LATENCY])));
const TRUTH = fields({ checked: 'number', lies: 'number' });

export const CHURN = fields({
  blockMs: 'number',
  blocks: 'number',
  steady: list(
    fields({
      role: oneOf(...STEADY_ROLES),
      duePerSecond: 'number',
      latency: EACH_ARM,
      givenUp: 'number',
    }),
  ),
  workers: fields({
    started: 'number',
    perSecond: 'number',
    terminated: 'number',
    ended: 'number',
    commits: 'number',
    firstHit: LATENCY,
  }),
  steadyTruth: TRUTH,
  workersTruth: TRUTH,
  left: TRUTH,
  skip: TRUTH,
  leaks: fields({
    owners: 'number',
    readPins: 'number',
    writePins: 'number',
    writebacks: 'number',
    orphans: 'number',
  }),
});
