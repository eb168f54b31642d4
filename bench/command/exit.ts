// How the process ends.
export const OK = 0;
/** A promise was broken, the run broke off, a report could not be written, or verdicts differ. */
export const FAILED = 1;
export const BAD_INPUT = 2;
/** As a shell has it for SIGINT. */
export const INTERRUPTED = 130;
