// How a file's pages are in its store. Pages of a file with checksums end with a trailer (kernel/bytes/trailer.ts): what
// users see of a page, and count sizes and positions in, is the payload before it. Such pages are written whole, so the
// store has a whole number of them, and the last one's trailer tells where the file ends.
import type { Geometry } from './geometry';
import type { FileId, Kernel } from './kernel';
import * as L from './layout';

/** Used length and CRC. */
const TRAILER_BYTES = 8;

export interface PageFormat {
  readonly checksummed: boolean;
  /** Bytes a page, as users see it. */
  readonly payload: number;
}

export function formatWith(geometry: Geometry, checksummed: boolean): PageFormat {
  return { checksummed, payload: geometry.pageSize - (checksummed ? TRAILER_BYTES : 0) };
}

export function isChecksummed(kernel: Kernel, file: FileId): boolean {
  return (kernel.fileWord(file, L.FILE_FLAGS) & L.FLAG_CHECKSUM) !== 0;
}

/** The format of an open file: it does not change. */
export function formatOf(
  { kernel, geometry }: { readonly kernel: Kernel; readonly geometry: Geometry },
  file: FileId,
): PageFormat {
  return formatWith(geometry, isChecksummed(kernel, file));
}
