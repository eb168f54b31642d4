// What may be on stable storage when the power fails: the model, and its limits.
//
// The system keeps one copy of the file in its cache. A write lands there whole when it is called (one that fails, in part).
// What is in the cache goes to the disk in sectors of 512 bytes, when and in which order the system likes, each sector by
// itself and as it stands in the cache at that moment. So after a crash each sector is as it was after any of the
// writes that changed it since it was last known to be stable, or as it was then, whatever became of the sectors around it:
// any subset of the writes, each torn into any subset of its sectors. A sector itself is never torn.
//
// The file's size is metadata, and goes through a journal: its changes (a write behind the end, a resize) become stable in
// the order in which they were made, but before or after any data. A size without its data shows zeros; data without
// its size is not seen. What a cut took away is gone with it: sectors behind it are free, read as zeros when the file grows
// again, and don't come back; and what is written there after the cut is not seen before it. That the rest of the
// cut's last sector is zeroed goes with the cut (data=ordered).
//
// A flush that succeeds covers all that landed before it began, data and sizes; what lands later may or may not be stable. A
// flush that fails leaves what it should have covered in doubt for good: it may be stable, but no later flush makes it so
// (Linux marks such pages clean), unless it is written again. Sizes are not lost that way: the next flush that succeeds
// covers them.
//
// The entry of a file that was just created is stable once its directory is synced; until then there may be no file.
//
// Not in the model: a sector torn within, a write that is stable and goes bad later, disks that lie about flushes (but as a
// mistake that has to be found), file systems that show what was in a block before it was the file's, and those that tie
// writes together more closely than this (their states are among these).
import type { Entry, Moment } from './log.ts';

export const SECTOR = 512;
export const SECTORS_A_PAGE = 8;

/** What a sector may hold. Equal contents are one object. */
export interface Content {
  readonly id: number;
  readonly hash: number;
  readonly bytes: Uint8Array;
}

/** The contents of a workload's sectors, each once. */
class Contents {
  readonly zeros: Content;
  readonly #known = new Map<string, Content>();

  constructor() {
    this.zeros = this.of(new Uint8Array(SECTOR));
  }

  of(bytes: Uint8Array): Content {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, SECTOR).toString('latin1');
    let content = this.#known.get(key);
    if (!content) {
      content = { id: this.#known.size, hash: hashOf(bytes), bytes: bytes.slice(0, SECTOR) };
      this.#known.set(key, content);
    }
    return content;
  }
}

function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < SECTOR; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Something that has landed and need not be stable. */
export interface Pending {
  readonly moment: Moment;
  /** For a write: its first sector, and what each became; undefined: newer content of the sector is stable. */
  readonly first: number;
  readonly contents: (Content | undefined)[];
  /** For a cut: the size; else −1. */
  readonly cut: number;
  /** The size it gave the file, if that is not stable yet; else −1. */
  size: number;
  /** A flush that failed should have covered it: no other will. */
  lost: boolean;
}

/** One of the states: how many of the pending sizes are stable, and a bit for each sector of each pending write. */
export interface Choice {
  readonly sizes: number;
  readonly masks: Int32Array;
}

/** Names what a page holds, by its sectors. */
export function nameOfPage(sectors: readonly (Content | undefined)[], first: number): string {
  let name = '';
  for (let n = first; n < first + SECTORS_A_PAGE; n++) name += `${sectors[n]?.id ?? -1},`;
  return name;
}

/** Sectors that one write may have: a bit each. */
const SECTORS_MAX = 32;

export class Platter {
  /** What is stable for sure, by sector, and the size. */
  readonly stable: Content[];
  stableSize: number;
  stableEntry: boolean;
  pending: Pending[] = [];
  readonly contents = new Contents();
  /** The system's cache. */
  readonly #cache: Uint8Array;
  #size: number;

  constructor(bytes: Uint8Array, size: number, entry: boolean) {
    this.#cache = bytes.slice();
    this.#size = this.stableSize = size;
    this.stableEntry = entry;
    this.stable = [];
    for (let at = 0; at < bytes.length; at += SECTOR) {
      this.stable.push(this.contents.of(bytes.subarray(at, at + SECTOR)));
    }
  }

  /** How many pending changes of the size there are. */
  get sizes(): number {
    return this.pending.reduce((sum, { size }) => sum + (size >= 0 ? 1 : 0), 0);
  }

  apply(entry: Entry, moment: Moment): void {
    if (entry.kind === 'write') this.#write(entry.bytes, entry.position, moment);
    else if (entry.kind === 'resize') this.#resize(entry.size, moment);
    else if (entry.kind === 'flushed' && entry.well) this.#flushed(entry.begun);
    else if (entry.kind === 'flushed') this.#flushFailed(entry.begun);
    else if (entry.kind === 'directory') this.stableEntry = true;
  }

  #write(bytes: Uint8Array, position: number, moment: Moment): void {
    if (bytes.length === 0) return;
    this.#cache.set(bytes, position);
    const end = position + bytes.length;
    const first = Math.floor(position / SECTOR);
    const contents: Content[] = [];
    for (let sector = first; sector * SECTOR < end; sector++) {
      contents.push(this.contents.of(this.#cache.subarray(sector * SECTOR, (sector + 1) * SECTOR)));
    }
    if (contents.length > SECTORS_MAX) throw new Error(`a write of ${contents.length} sectors`);
    const size = end > this.#size ? end : -1;
    this.#size = Math.max(this.#size, end);
    this.pending.push({ moment, first, contents, cut: -1, size, lost: false });
  }

  #resize(size: number, moment: Moment): void {
    if (size < this.#size) this.#cache.fill(0, size, this.#size);
    this.pending.push({ moment, first: 0, contents: [], cut: size, size, lost: false });
    this.#size = size;
  }

  #flushed(begun: Moment): void {
    const kept: Pending[] = [];
    for (const one of this.pending) {
      if (one.moment > begun) {
        kept.push(one);
        continue;
      }
      if (one.size >= 0) this.stableSize = one.size;
      if (one.cut >= 0) {
        this.#cutStable(one.cut);
        for (const earlier of kept) this.#cutPending(earlier, one.cut);
      } else if (one.lost) {
        one.size = -1;
        kept.push(one);
      } else this.#settle(one, kept);
    }
    this.pending = kept;
  }

  /** A write is stable, and with it what is older in the same sectors is of no account. */
  #settle({ first, contents }: Pending, earlier: readonly Pending[]): void {
    for (const [n, content] of contents.entries()) {
      if (content === undefined) continue;
      this.stable[first + n] = content;
      for (const other of earlier) {
        const at = first + n - other.first;
        if (at >= 0 && at < other.contents.length) other.contents[at] = undefined;
      }
    }
  }

  #cutStable(size: number): void {
    for (let sector = Math.floor(size / SECTOR); sector < this.stable.length; sector++) {
      this.stable[sector] = cutContent(this.contents, this.stable[sector]!, sector, size);
    }
  }

  /** An earlier write, in doubt, has nothing behind a size that is cut and stable. */
  #cutPending({ first, contents }: Pending, size: number): void {
    for (const [n, content] of contents.entries()) {
      if (content === undefined) continue;
      contents[n] =
        (first + n) * SECTOR >= size ? undefined : cutContent(this.contents, content, first + n, size);
    }
  }

  #flushFailed(begun: Moment): void {
    for (const one of this.pending) if (one.moment <= begun && one.cut < 0) one.lost = true;
  }

  /** What each sector holds in a state, and the file's size then. */
  compose({ sizes, masks }: Choice, into: Content[]): number {
    for (let sector = 0; sector < this.stable.length; sector++) into[sector] = this.stable[sector]!;
    let size = this.stableSize;
    let left = sizes;
    // The first cut that is not stable: what is behind it and written later is in blocks that are not the file's yet.
    let hidden = Number.POSITIVE_INFINITY;
    for (const [n, { first, contents, cut, size: given }] of this.pending.entries()) {
      const isStable = given >= 0 && left > 0;
      if (isStable) {
        size = given;
        left--;
      }
      if (cut >= 0) {
        if (isStable) this.#cutInto(into, cut);
        else hidden = Math.min(hidden, Math.ceil(cut / SECTOR));
        continue;
      }
      for (let bits = masks[n]!; bits !== 0; bits &= bits - 1) {
        const at = 31 - Math.clz32(bits & -bits);
        const content = contents[at];
        if (content !== undefined && first + at < hidden) into[first + at] = content;
      }
    }
    return size;
  }

  #cutInto(into: Content[], size: number): void {
    for (let sector = Math.floor(size / SECTOR); sector < into.length; sector++) {
      into[sector] = cutContent(this.contents, into[sector]!, sector, size);
    }
  }
}

/** A sector's content without what is behind the size. */
function cutContent(contents: Contents, content: Content, sector: number, size: number): Content {
  const keep = size - sector * SECTOR;
  if (keep <= 0) return contents.zeros;
  if (keep >= SECTOR) return content;
  const bytes = content.bytes.slice();
  bytes.fill(0, keep);
  return contents.of(bytes);
}
