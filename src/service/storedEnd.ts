// Where a file with checksums ends: its last page in the store tells, if that is the page that was written. If it is not, since
// power was lost in the middle of writing it, the file may end anywhere in that page: then all of it counts, so that what
// is before it can be had, and the page reports itself to whoever needs it.
import type { Attachment } from '../attachment';
import { systemError } from '../errors';
import { formatWith } from '../kernel/format';
import { stagingArea } from '../protocol/writeback';
import type { Opened } from './opening';

export interface StoredEnd {
  /** The size, as users count it; if the last page is torn, the most that it may be. */
  readonly size: number;
  readonly torn: boolean;
}

/**
 * What a page of the store is: as it was written; all zeros; not so; or not even torn, since its used length is none. A sector
 * is there whole or not at all, so of a page with a checksum that word is always one that was written, or zero.
 */
type Kind = 'sealed' | 'hole' | 'torn' | 'foreign';

/** How many pages are looked at for one that is good: others wait for the file worker meanwhile. */
const LOOKS_MAX = 4096;

/** Where a file of `stored` bytes ends; undefined: it is none with checksums, or nothing of it is good. Throws an error of the system. */
export function storedEnd(
  attachment: Attachment,
  { fd, direct }: Opened,
  stored: number,
): StoredEnd | undefined {
  const { geometry, kernel, sync } = attachment;
  const { payload } = formatWith(geometry, true);
  const last = Math.ceil(stored / geometry.pageSize) - 1;
  if (last < 0) return { size: 0, torn: false };
  const area = sync.run(stagingArea(attachment, 1));
  try {
    const look = (index: number) => lookAt(attachment, { fd, direct }, area, index);
    const { kind, used } = look(last);
    if (used > 0) return { size: last * payload + used, torn: false };
    const kinds = kindsBefore(last, (index) => look(index).kind);
    return isChecksummed(kind, kinds) ? { size: (last + 1) * payload, torn: true } : undefined;
  } finally {
    kernel.control.releaseStaging(area);
  }
}

function* kindsBefore(last: number, kindOf: (index: number) => Kind): Generator<Kind, undefined> {
  for (let index = 0; index < Math.min(last, LOOKS_MAX); index++) yield kindOf(index);
}

/**
 * Whether a file is one with checksums though its last page, of kind `last`, is not good. Any other page that was written so
 * tells. Holes may be any file's: they count only if all else may be torn.
 */
function isChecksummed(last: Kind, others: Iterable<Kind>): boolean {
  let holes = false;
  let foreign = last === 'foreign';
  for (const kind of others) {
    if (kind === 'sealed') return true;
    holes ||= kind === 'hole';
    foreign ||= kind === 'foreign';
  }
  return holes && !foreign;
}

/** Reads a page into the staging area: what it is, and how many bytes of it are used, 0 if it is not good. */
function lookAt(
  attachment: Attachment,
  { fd, direct }: Opened,
  area: number,
  index: number,
): { kind: Kind; used: number } {
  const { bytes, geometry, store } = attachment;
  const { pageSize } = geometry;
  const { payload } = formatWith(geometry, true);
  const page = bytes.staging[area]!.subarray(0, pageSize);
  const read = store.read(fd, page, index * pageSize, direct);
  if (read < 0) throw systemError(-read, 'read');
  if (read < pageSize) return { kind: 'torn', used: 0 }; // whatever is there: the rest is not zeros, it is missing
  const used = bytes.checkStaged(area, 0, index);
  const told = new DataView(page.buffer, page.byteOffset).getUint32(payload, true);
  if (used > 0) return { kind: told === 0 ? 'hole' : 'sealed', used };
  return { kind: told > payload ? 'foreign' : 'torn', used };
}
