/**
 * A replacement policy over pages numbered 0 … pages − 1. Reference implementations, one thread, no bytes: what they decide is
 * compared, not what it costs.
 */
interface Policy {
  /** Touches a page: true if it was there. It is now. */
  touch(page: number): boolean;
}

/** Makes a policy for a cache of `frames` pages. */
export type MakePolicy = (frames: number, pages: number) => Policy;
