/** Accesses in their order. */
export interface Trace {
  name: string;
  /** One page an access, from 0 on. Shared, so that threads can play their parts of it. */
  accesses: Int32Array<SharedArrayBuffer>;
  /** Pages are numbered below this. */
  pages: number;
  /** Pages that may come back: what cache sizes are shares of. Pages that are touched once and never again are left out. */
  footprint: number;
}

export function sharedAccesses(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}
