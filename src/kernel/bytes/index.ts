// The bytes module: moves page bytes inside one data memory, and tells whether a page is the one that was written. It knows
// nothing of frames, and touches no control word. Threads may store into the same bytes meanwhile (that is what a write pin
// allows): a copy then mixes them. What `seal` and `check` work on is nobody else's: a copy, a frame that is being filled.

export { crc32c } from './crc32c';
export { check, seal } from './trailer';

/** Copies `length` bytes inside the memory. */
export function copy(to: usize, from: usize, length: usize): void {
  memory.copy(to, from, length);
}

/** Sets `length` bytes to zero. */
export function zero(at: usize, length: usize): void {
  memory.fill(at, 0, length);
}
