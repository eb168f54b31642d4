// The bytes module: moves page bytes inside one data memory. It knows nothing of frames, and touches no control word.
// Threads may store into the same bytes meanwhile (that is what a write pin allows): a copy then mixes them.

/** Copies `length` bytes inside the memory. */
export function copy(to: usize, from: usize, length: usize): void {
  memory.copy(to, from, length);
}

/** Sets `length` bytes to zero. */
export function zero(at: usize, length: usize): void {
  memory.fill(at, 0, length);
}
