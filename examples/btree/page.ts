// What is in the pages of a tree. Page 0 is never read nor written: it is the lock of those who write. Pages 1 and 2 are metas, the
// others nodes or free. A node is sorted entries: a leaf's values are the user's, a branch's are the pages of its children.
//
//   0 kind   2 entries   4 txn (8 bytes)   12 where each entry starts (2 bytes each)   ... entries, from the page's end down
//   an entry: 2 key length   2 value length   key   value

export type PageNumber = number;

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface Node {
  readonly isLeaf: boolean;
  /** The transaction that wrote it. */
  readonly txn: number;
  readonly entries: Entry[];
}

/** Where a tree begins, as of one transaction. */
export interface Meta {
  readonly txn: number;
  readonly root: PageNumber;
}

export const FIRST_NODE: PageNumber = 3;
/** Transactions take turns with the two metas, so that the one before stays as it is until the next is safe. */
export const metaPage = (txn: number): PageNumber => 1 + (txn % 2);

const LEAF = 1;
const BRANCH = 2;
const META = 0x42547265;
const HEAD = 12;
const ENTRY_HEAD = 4;
const SLOT = 2;

const get16 = (bytes: Uint8Array, at: number) => bytes[at] | (bytes[at + 1] << 8);
const get32 = (bytes: Uint8Array, at: number) => (get16(bytes, at) | (get16(bytes, at + 2) << 16)) >>> 0;
const get64 = (bytes: Uint8Array, at: number) => get32(bytes, at) + get32(bytes, at + 4) * 2 ** 32;

function put(bytes: Uint8Array, at: number, length: number, value: number): void {
  for (let n = 0, rest = value; n < length; n++, rest = Math.floor(rest / 256)) bytes[at + n] = rest % 256;
}

/** Bytes that the entries take in a page. */
export function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { key, value }) => sum + SLOT + ENTRY_HEAD + key.length + value.length, 0);
}

/** Bytes that a node has for its entries. */
export const capacityOf = (pageSize: number): number => pageSize - HEAD;

/** The largest entry, key and value together: four of them fit, so that what is too large can always be split. */
export const entryMax = (pageSize: number): number =>
  Math.floor(capacityOf(pageSize) / 4) - SLOT - ENTRY_HEAD;

export const childOf = (entry: Entry): PageNumber => get32(entry.value, 0);

export function toChild(key: Uint8Array, page: PageNumber): Entry {
  const value = new Uint8Array(4);
  put(value, 0, 4, page);
  return { key, value };
}

/** Throws unless the bytes begin as a node does. What the disk has is not trusted further than its checksum. */
function checkNode(bytes: Uint8Array): void {
  if ((bytes[0] !== LEAF && bytes[0] !== BRANCH) || get16(bytes, 2) * SLOT > bytes.length - HEAD) {
    throw new Error(`no node of a tree: it begins with ${bytes.subarray(0, 4).join(' ')}`);
  }
}

const startOf = (bytes: Uint8Array, n: number) => get16(bytes, HEAD + n * SLOT);

function keyAt(bytes: Uint8Array, n: number): Uint8Array {
  const start = startOf(bytes, n) + ENTRY_HEAD;
  return bytes.slice(start, start + get16(bytes, start - ENTRY_HEAD));
}

function valueAt(bytes: Uint8Array, n: number): Uint8Array {
  const start = startOf(bytes, n);
  const from = start + ENTRY_HEAD + get16(bytes, start);
  return bytes.slice(from, from + get16(bytes, start + 2));
}

/** Compares the n-th key with another, in place. */
function compareAt(bytes: Uint8Array, n: number, key: Uint8Array): number {
  const start = startOf(bytes, n);
  const length = get16(bytes, start);
  const common = Math.min(length, key.length);
  for (let i = 0; i < common; i++) {
    const difference = bytes[start + ENTRY_HEAD + i] - key[i];
    if (difference !== 0) return difference;
  }
  return length - key.length;
}

/** The last entry whose key is not greater, -1 if all are; and whether it has this very key. */
function find(bytes: Uint8Array, key: Uint8Array): { at: number; isHere: boolean } {
  let low = 0;
  let high = get16(bytes, 2);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAt(bytes, middle, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return { at: low - 1, isHere: low > 0 && compareAt(bytes, low - 1, key) === 0 };
}

/** What a way down the tree looks for, and has found so far. */
export interface Probe {
  readonly key: Uint8Array;
  /** The snapshot's transaction. */
  readonly txn: number;
  /** Whether all of the leaf from the key on is wanted, not the value alone. */
  readonly wantsRest: boolean;
  /** Entries of the leaf: the one with the key, or all from there on. */
  found: Entry[];
  /** Where the next leaf begins; undefined in the last one. */
  next: Uint8Array | undefined;
}

/** The step at a leaf: there is no child to go on with. */
const ARRIVED = -1;
/** The page has been written by a transaction after the snapshot: it was free, and the snapshot is gone. */
export const STALE = -2;

/** One step down, on a page in place: the child to go on with, ARRIVED or STALE. */
export function step(bytes: Uint8Array, probe: Probe): PageNumber {
  checkNode(bytes);
  if (get64(bytes, 4) > probe.txn) return STALE;
  const { at, isHere } = find(bytes, probe.key);
  const count = get16(bytes, 2);
  if (bytes[0] === BRANCH) {
    const child = Math.max(at, 0); // the first child is for all that is less, whatever its key says
    if (child + 1 < count) probe.next = keyAt(bytes, child + 1);
    return get32(valueAt(bytes, child), 0);
  }
  const from = isHere ? at : at + 1;
  const to = probe.wantsRest ? count : isHere ? at + 1 : from;
  probe.found = [];
  for (let n = from; n < to; n++) probe.found.push({ key: keyAt(bytes, n), value: valueAt(bytes, n) });
  return ARRIVED;
}

/** A node as it is changed: all of it, and where the key is in it. */
export function decode(bytes: Uint8Array, key: Uint8Array): Node & { at: number; isHere: boolean } {
  checkNode(bytes);
  const entries = Array.from({ length: get16(bytes, 2) }, (_, n) => ({
    key: keyAt(bytes, n),
    value: valueAt(bytes, n),
  }));
  return { isLeaf: bytes[0] === LEAF, txn: get64(bytes, 4), entries, ...find(bytes, key) };
}

/** Fills a page with a node that fits. */
export function encode(bytes: Uint8Array, { isLeaf, txn, entries }: Node): void {
  put(bytes, 0, 2, isLeaf ? LEAF : BRANCH);
  put(bytes, 2, 2, entries.length);
  put(bytes, 4, 8, txn);
  let start = bytes.length;
  for (const [n, { key, value }] of entries.entries()) {
    start -= ENTRY_HEAD + key.length + value.length;
    put(bytes, HEAD + n * SLOT, SLOT, start);
    put(bytes, start, 2, key.length);
    put(bytes, start + 2, 2, value.length);
    bytes.set(key, start + ENTRY_HEAD);
    bytes.set(value, start + ENTRY_HEAD + key.length);
  }
}

/** The meta in a page; transaction 0 is none. */
export function decodeMeta(bytes: Uint8Array): Meta {
  if (get32(bytes, 0) !== META) return { txn: 0, root: 0 };
  return { txn: get64(bytes, 4), root: get32(bytes, 12) };
}

export function encodeMeta(bytes: Uint8Array, { txn, root }: Meta): void {
  put(bytes, 0, 4, META);
  put(bytes, 4, 8, txn);
  put(bytes, 12, 4, root);
}
