// What replacement is to reach.

/** The size, as a share of the footprint, at which Pinfold is to be near the best. */
export const AIM_SIZE = 0.1;
/** How far below the best it may be there, and below LRU anywhere, in parts of 1. */
export const AIM = 0.01;
