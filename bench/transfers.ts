// Transfers into pinned pages, numbered, so that what lands can be told: transfer n stores the byte n modulo 256, everywhere.
type Words = Int32Array<SharedArrayBuffer>;

/** How many transfers can be told apart. */
export const TRANSFER_VALUES = 256;

/** By page, what whoever pins tells whoever looks at the file. */
export interface Transfers {
  /** The last transfer that was about to begin, and the last one whose pin had dropped. */
  begun: Words;
  landed: Words;
}

export function noTransfers(pages: number): Transfers {
  const words = (): Words => new Int32Array(new SharedArrayBuffer(pages * 4));
  return { begun: words(), landed: words() };
}

/** Whether each of the `bytes` is of transfer `landed` or of a later one that had begun, up to `begun`. */
export function transferKept(bytes: Uint8Array, landed: number, begun: number): boolean {
  const allowed = begun - landed;
  if (allowed >= TRANSFER_VALUES) return true;
  return bytes.every((byte) => ((byte - landed) & (TRANSFER_VALUES - 1)) <= allowed);
}
