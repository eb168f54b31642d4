// Direct I/O (O_DIRECT): bytes go between the device and our memory, and the system keeps no copy of its own.
//
// The system wants positions, lengths and addresses that are multiples of the device's block, so what is left over (the
// end of a file that ends within a block) goes by a second, plain descriptor. Both ways at once are safe where a file
// system keeps to the rules of Linux's mm/filemap.c: before a direct read or write the system writes back what its own
// cache has of that range and waits (kiocb_write_and_wait), and around a direct write it drops it (kiocb_invalidate_pages).
// So a block whose first bytes were written through the system's cache, and which is written whole later on, directly, does
// not come back old; an error of that write-back is told to the direct call, and to the next fdatasync of the plain
// descriptor all the same, since each has a record of its own (errseq_t). open(2) advises not to mix the two over the same
// bytes, since it is slow. Here no two calls do at a time: the end of a file belongs to one page, and whoever reads or
// writes a page has the sole right to.

/** In bytes. A block of any disk and file system in use; one that wants more refuses the first read (EINVAL). */
export const DIRECT_UNIT = 4096;

/** A descriptor that is none. */
export const NO_DIRECT = -1;

/** One call of the system: how many of `length` bytes it did, into or from `bytes` at `offset`. */
export type TransferCall = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number;

/**
 * Goes on with a transfer of `bytes` of which `done` are done: directly as far as whole units go, else by the plain
 * descriptor to the end of the unit. A direct call may do less than it was asked to, at the end of the file or because it
 * was interrupted, and so leave off anywhere.
 */
export function goOnDirectly(
  call: TransferCall,
  fd: number,
  direct: number,
  bytes: Uint8Array,
  done: number,
  position: number,
): number {
  const left = bytes.length - done;
  const into = (position + done) % DIRECT_UNIT;
  const whole = into === 0 ? left - (left % DIRECT_UNIT) : 0;
  return whole > 0
    ? call(direct, bytes, done, whole, position + done)
    : call(fd, bytes, done, Math.min(left, DIRECT_UNIT - into), position + done);
}
