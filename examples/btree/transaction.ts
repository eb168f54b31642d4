// A transaction changes no page that the tree before it uses: it copies each node that it changes to a free page, and the nodes above,
// up to a new root. Until that is published nobody sees any of it, so giving it up is forgetting it.
import type { Entry, Meta, Node, PageNumber } from './page.ts';
import { capacityOf, childOf, encode, entryMax, sizeOf, toChild } from './page.ts';

/** What a transaction needs of its store. */
export interface Pages {
  readonly pageSize: number;
  read(page: PageNumber, key: Uint8Array): Node & { at: number; isHere: boolean };
  update<A>(page: PageNumber, change: (bytes: Uint8Array, arg: A) => void, arg: A): void;
  lookUp(meta: Meta, key: Uint8Array): Uint8Array | undefined;
  /** A page that no tree uses, neither the last one nor this transaction's. */
  allocate(taken: ReadonlySet<PageNumber>): PageNumber;
}

/** A node that a changed node has become: the lower bound of its keys, its page, the bytes of its entries. */
interface Part {
  readonly key: Uint8Array;
  readonly page: PageNumber;
  readonly size: number;
}

/** Changes the entries of a leaf, where `at` is the last one whose key is not greater, and `isHere` whether it is the key. */
type Edit = (entries: Entry[], at: number, isHere: boolean) => void;

const EMPTY = new Uint8Array();

export const toBytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? new TextEncoder().encode(text) : text;

export class Transaction {
  readonly txn: number;
  root: PageNumber;
  /** Pages written by this transaction, free before it. */
  readonly taken = new Set<PageNumber>();
  /** Pages of the tree before that this one does not use. */
  readonly freed = new Set<PageNumber>();
  readonly #pages: Pages;

  constructor(base: Meta, pages: Pages) {
    this.txn = base.txn + 1;
    this.root = base.root;
    this.#pages = pages;
  }

  get(key: string | Uint8Array): Uint8Array | undefined {
    return this.#pages.lookUp(this, toBytes(key));
  }

  /** Throws a RangeError if key and value together are larger than a quarter of a page. */
  put(key: string | Uint8Array, value: string | Uint8Array): void {
    const entry = { key: toBytes(key), value: toBytes(value) };
    const most = entryMax(this.#pages.pageSize);
    const size = entry.key.length + entry.value.length;
    if (size > most) throw new RangeError(`an entry has ${most} bytes at the most, this one has ${size}`);
    this.#changeRoot(entry.key, (entries, at, isHere) => {
      entries.splice(isHere ? at : at + 1, isHere ? 1 : 0, entry);
    });
  }

  /** Whether there was such a key. */
  delete(key: string | Uint8Array): boolean {
    if (this.get(key) === undefined) return false;
    this.#changeRoot(toBytes(key), (entries, at) => entries.splice(at, 1));
    return true;
  }

  #changeRoot(key: Uint8Array, edit: Edit): void {
    let parts = this.#change(this.root, key, edit);
    while (parts.length > 1) {
      const entries = parts.map(({ key, page }) => toChild(key, page));
      parts = this.#write(undefined, { isLeaf: false, txn: this.txn, entries });
    }
    this.root =
      parts[0]?.page ?? this.#write(undefined, { isLeaf: true, txn: this.txn, entries: [] })[0].page;
    for (;;) {
      const { isLeaf, entries } = this.#pages.read(this.root, EMPTY);
      if (isLeaf || entries.length > 1) return;
      this.#free(this.root); // a branch with one child
      this.root = childOf(entries[0]);
    }
  }

  /** Changes the leaf that the key belongs to, and the nodes that lead there: what the page has become, nothing if it is empty. */
  #change(page: PageNumber, key: Uint8Array, edit: Edit): Part[] {
    const { isLeaf, entries, at, isHere } = this.#pages.read(page, key);
    if (isLeaf) edit(entries, at, isHere);
    else {
      const n = Math.max(at, 0);
      const { key: bound } = entries[n];
      const child = childOf(entries[n]);
      const parts = this.#change(child, key, edit);
      if (parts.length === 1 && parts[0].page === child) return [{ key: EMPTY, page, size: sizeOf(entries) }];
      entries.splice(n, 1, ...parts.map((part, i) => toChild(i === 0 ? bound : part.key, part.page)));
      if (parts.length === 0 && n === 0 && entries.length > 0)
        entries[0] = toChild(bound, childOf(entries[0]));
      if (parts.length === 1 && parts[0].size < capacityOf(this.#pages.pageSize) / 4) this.#join(entries, n);
    }
    if (entries.length === 0) {
      this.#free(page);
      return [];
    }
    return this.#write(page, { isLeaf, txn: this.txn, entries });
  }

  /** Makes one node of the n-th child, which is small, and one beside it, if that fits and leaves some room. */
  #join(entries: Entry[], n: number): void {
    const left = Math.max(n - 1, 0);
    if (left + 1 >= entries.length) return;
    const [first, second] = [left, left + 1].map((i) => this.#pages.read(childOf(entries[i]), EMPTY));
    if (!second.isLeaf) second.entries[0] = { ...second.entries[0], key: entries[left + 1].key };
    const joined = [...first.entries, ...second.entries];
    if (sizeOf(joined) > (capacityOf(this.#pages.pageSize) * 3) / 4) return;
    this.#free(childOf(entries[left + 1]));
    const node = { isLeaf: first.isLeaf, txn: this.txn, entries: joined };
    const [{ page }] = this.#write(childOf(entries[left]), node);
    entries.splice(left, 2, toChild(entries[left].key, page));
  }

  /** Writes a node to pages of this transaction, two if it does not fit in one; `page`: where it was. */
  #write(page: PageNumber | undefined, { isLeaf, txn, entries }: Node): Part[] {
    const isOwn = page !== undefined && this.taken.has(page);
    if (page !== undefined && !isOwn) this.freed.add(page);
    return this.#halves(entries).map((part, n) => {
      const to = isOwn && n === 0 ? page : this.#pages.allocate(this.taken);
      this.taken.add(to);
      this.#pages.update(to, encode, { isLeaf, txn, entries: part });
      return { key: part[0]?.key ?? EMPTY, page: to, size: sizeOf(part) };
    });
  }

  #halves(entries: Entry[]): Entry[][] {
    const size = sizeOf(entries);
    if (size <= capacityOf(this.#pages.pageSize)) return [entries];
    let at = 0;
    for (let left = 0; left < size / 2; at++) left += sizeOf([entries[at]]);
    return [entries.slice(0, at), entries.slice(at)];
  }

  #free(page: PageNumber): void {
    if (!this.taken.delete(page)) this.freed.add(page);
  }
}
