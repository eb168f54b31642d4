/**
 * Where pages live. A store knows descriptors, bytes and positions, and nothing of the cache. Every call is synchronous
 * and returns a count of bytes, or the negated errno; it never throws for what the system reports. `direct`: the file's
 * descriptor for direct I/O, if it has one; then `position`, and the place of `bytes` in memory, are multiples of 4,096.
 */
export interface Store {
  /** Reads until `bytes` is full or the file ends: the bytes read. */
  read(fd: number, bytes: Uint8Array, position: number, direct?: number): number;
  /** Writes all of `bytes`: its length, or the negated errno (some of it may have been written). */
  write(fd: number, bytes: Uint8Array, position: number, direct?: number): number;
  /** The store's barrier: what was written before is stable when it returns 0. */
  flush(fd: number): number;
  /** Gives the file a size: 0. */
  resize(fd: number, size: number): number;
  /** Which file the descriptor is of; undefined if it is closed. */
  identity(fd: number): { readonly dev: bigint; readonly ino: bigint } | undefined;
  /** Makes the directory entry of an open file stable. */
  syncDirectory(fd: number): number;
}
