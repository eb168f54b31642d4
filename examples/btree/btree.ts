// A key-value store: a B+tree of copied nodes in a file of checksummed pages, shared by the threads of a process. README.md, beside
// this, walks through it.
import fs from 'node:fs';
import { type CachedFile, PageCache, type PageCacheHandle, type PinfoldError } from 'pinfold';
import type { Entry, Meta, Node, PageNumber, Probe } from './page.ts';
import {
  childOf,
  decode,
  decodeMeta,
  encode,
  encodeMeta,
  FIRST_NODE,
  metaPage,
  STALE,
  step,
} from './page.ts';
import { type Pages, Transaction, toBytes } from './transaction.ts';

/** What another thread needs to attach: give it by workerData or postMessage. */
export interface BTreeHandle {
  readonly cache: PageCacheHandle;
  readonly path: string;
  readonly shared: SharedArrayBuffer;
}

/** Bytes of the published transaction's number, ahead of a bit a page: whether the published tree uses it. */
const BITS_AT = 8;
/** The file grows by so many pages at a time. */
const GROWTH = 16;
/** No tree of 2³² pages is as high: a cycle of damaged pages ends here. */
const HEIGHT_MAX = 40;
/** The page is the lock of those who write, and nothing else. They wait for each other a minute at the most. */
const LOCK_PAGE: PageNumber = 0;
const LOCK = { offset: 0, length: 1, timeout: 60_000 };
/** The checksum that the cache keeps in each page, in bytes. */
const TRAILER = 8;
const EMPTY = new Uint8Array();
const RELEASE = new Error('the lock is given back');

export class BTree {
  readonly handle: BTreeHandle;
  readonly #file: CachedFile;
  readonly #published: BigInt64Array<SharedArrayBuffer>;
  readonly #used: Uint32Array<SharedArrayBuffer>;
  readonly #pages: Pages;
  #snapshot: Meta = { txn: 0, root: 0 };

  private constructor(cache: PageCache, path: string, shared: SharedArrayBuffer) {
    this.handle = { cache: cache.handle, path, shared };
    this.#published = new BigInt64Array(shared, 0, 1);
    this.#used = new Uint32Array(shared, BITS_AT);
    this.#file = cache.openSync(path, { create: true, checksum: 'crc32c' });
    this.#pages = {
      pageSize: this.#file.pageSize,
      read: (page, key) => this.#file.viewSync(page, decode, key),
      update: (page, change, arg) => this.#update(page, change, arg),
      lookUp: (meta, key) => this.#goDown(meta, key, false)?.found[0]?.value,
      allocate: (taken) => this.#allocate(taken),
    };
  }

  /** Opens a store or makes a new one, in one thread of the process. It may grow to `maxPages` pages. Throws what `open` of a file does. */
  static open(cache: PageCache, path: string, maxPages = 2 ** 20): BTree {
    const shared = new SharedArrayBuffer(BITS_AT + 4 * Math.ceil(maxPages / 32));
    const tree = new BTree(cache, path, shared);
    if (tree.#file.size <= FIRST_NODE * tree.#file.pageSize) tree.#grow(FIRST_NODE + 1);
    tree.#exclusively(() => {
      if (tree.#newest().txn === 0) tree.#commit({ txn: 1, root: FIRST_NODE }, [0, 1, 2, FIRST_NODE]);
      else tree.#settle();
      // Behind the last page in use there is nothing of worth: perhaps a page that a power cut tore.
      let pages = tree.#used.length * 32;
      while (!tree.#isUsed(pages - 1)) pages--;
      tree.#file.truncateSync(pages * tree.#file.pageSize);
    });
    return tree;
  }

  /** Attaches to a store that another thread has open: `cache` is this thread's. */
  static attach(handle: BTreeHandle, cache = PageCache.attach(handle.cache)): BTree {
    return new BTree(cache, handle.path, handle.shared);
  }

  close(): void {
    this.#file.closeSync();
  }

  /** What is stored there, as of the last transaction that was durable; a copy. */
  get(key: string | Uint8Array): Uint8Array | undefined {
    return this.#descend(toBytes(key), false).found[0]?.value;
  }

  /** Entries from a key on, in order. Each leaf is as of one transaction; they need not be of the same. */
  *entries(from: string | Uint8Array = EMPTY): Generator<Entry, void> {
    for (let key: Uint8Array | undefined = toBytes(from); key !== undefined; ) {
      const { found, next }: Probe = this.#descend(key, true);
      yield* found;
      key = next;
    }
  }

  #descend(key: Uint8Array, wantsRest: boolean): Probe {
    for (;;) {
      const probe = this.#goDown(this.#current(), key, wantsRest);
      if (probe !== undefined) return probe; // else a page was taken by a later transaction: there is a newer tree
    }
  }

  /** From the root to the leaf for the key; undefined if the tree of that transaction is gone. */
  #goDown({ txn, root }: Meta, key: Uint8Array, wantsRest: boolean): Probe | undefined {
    const probe: Probe = { key, txn, wantsRest, found: [], next: undefined };
    for (let page = root, height = 0; height < HEIGHT_MAX; height++) {
      page = this.#file.viewSync(page, step, probe);
      if (page < 0) return page === STALE ? undefined : probe;
    }
    throw new Error(`the way down from page ${root} does not end: the tree is damaged`);
  }

  /** The published tree. */
  #current(): Meta {
    for (;;) {
      const txn = Number(Atomics.load(this.#published, 0));
      if (this.#snapshot.txn === txn) return this.#snapshot;
      const meta = this.#file.viewSync(metaPage(txn), decodeMeta);
      if (meta.txn === txn) this.#snapshot = meta; // else it has been written anew: two more are published or about to be
    }
  }

  /** Calls `change`; what it changes is durable when this returns, all of it. Nothing happened if `change` throws. If the disk fails,
   * it may or may not have happened: the next transaction finds out. One at a time, whichever thread. */
  transact<T>(change: (txn: Transaction) => T): T {
    return this.#exclusively(() => {
      const txn = new Transaction(this.#settle(), this.#pages);
      const result = change(txn);
      if (txn.taken.size + txn.freed.size > 0) this.#commit(txn, txn.taken, txn.freed);
      return result;
    });
  }

  /** In the order of these lines, that is all that makes it safe. */
  #commit({ txn, root }: Meta, taken: Iterable<PageNumber>, freed: Iterable<PageNumber> = []): void {
    if (txn === 1) this.#update(root, encode, { isLeaf: true, txn, entries: [] });
    this.#file.fsyncSync(); // the new nodes are on the disk before anything leads to them
    this.#update(metaPage(txn), encodeMeta, { txn, root });
    this.#file.fsyncSync(); // from here on a power cut leaves the new tree
    for (const page of taken) this.#mark(page, true);
    for (const page of freed) this.#mark(page, false);
    Atomics.store(this.#published, 0, BigInt(txn)); // from here on everybody sees it
  }

  /** The last tree. If its writer died between meta and publishing, or could not sync, finishes its commit. */
  #settle(): Meta {
    const newest = this.#newest();
    if (BigInt(newest.txn) === Atomics.load(this.#published, 0)) return newest;
    this.#file.fsyncSync();
    this.#used.fill(0);
    for (let page = 0; page < FIRST_NODE; page++) this.#mark(page, true);
    this.#walk(newest.root, ({ page }) => this.#mark(page, true));
    Atomics.store(this.#published, 0, BigInt(newest.txn));
    return newest;
  }

  /** The meta that counts; transaction 0 if the store is new, or was never finished. */
  #newest(): Meta {
    const metas = [1, 2].map((txn) => {
      try {
        return this.#file.viewSync(metaPage(txn), decodeMeta);
      } catch (error) {
        if (tornPage(error) !== metaPage(txn)) throw error;
        return undefined; // power was lost while it was written: the other one counts
      }
    });
    if (metas.every((meta) => meta === undefined))
      throw new Error(`${this.handle.path}: both metas are damaged`);
    return metas.reduce<Meta>((a, b) => (b !== undefined && b.txn > a.txn ? b : a), { txn: 0, root: 0 });
  }

  /** Runs `fn` while no other thread does. The lock is an update of page 0: if its thread dies, it is given back. */
  #exclusively<T>(fn: () => T): T {
    let result: { value: T } | undefined;
    try {
      const locked = () => {
        result = { value: fn() };
        throw RELEASE; // an update that throws leaves its page clean: a lock needs no disk
      };
      this.#file.updateSync(LOCK_PAGE, locked, undefined, LOCK);
    } catch (error) {
      if (error !== RELEASE) throw error;
    }
    return result!.value;
  }

  #allocate(taken: ReadonlySet<PageNumber>): PageNumber {
    for (let word = 0; word < this.#used.length; word++) {
      if (this.#used[word] === 0xffff_ffff) continue;
      for (let page = word * 32; page < word * 32 + 32; page++) {
        if (this.#isUsed(page) || taken.has(page)) continue;
        if ((page + 1) * this.#file.pageSize > this.#file.size) this.#grow(page + GROWTH);
        return page;
      }
    }
    throw new RangeError(`${this.handle.path} is full: it has ${this.#used.length * 32} pages`);
  }

  #grow(pages: number): void {
    this.#file.writeSync(new Uint8Array(1), pages * this.#file.pageSize - 1);
  }

  /** Changes a page that no tree in use needs: what is in it does not matter. */
  #update<A>(page: PageNumber, change: (bytes: Uint8Array, arg: A) => void, arg: A): void {
    try {
      this.#file.updateSync(page, change, arg);
    } catch (error) {
      if (tornPage(error) !== page) throw error;
      // A power cut tore the page while it was free. No call of the cache mends it, so plain fs makes a hole of it.
      const size = this.#file.pageSize + TRAILER;
      const fd = fs.openSync(this.handle.path, 'r+');
      fs.writeSync(fd, new Uint8Array(size), 0, size, page * size);
      fs.closeSync(fd);
      this.#file.updateSync(page, change, arg);
    }
  }

  #isUsed(page: PageNumber): boolean {
    return ((this.#used[page >>> 5] >>> (page & 31)) & 1) === 1;
  }

  #mark(page: PageNumber, isUsed: boolean): void {
    const bit = 1 << (page & 31);
    this.#used[page >>> 5] = isUsed ? this.#used[page >>> 5] | bit : this.#used[page >>> 5] & ~bit;
  }

  /** Looks at every node of the last tree. Throws if the tree is not as it should be. */
  check(): { txn: number; nodes: number; entries: number; height: number } {
    return this.#exclusively(() => {
      const { txn, root } = this.#settle();
      const found = { txn, nodes: 0, entries: 0, height: 0 };
      let last: Uint8Array | undefined;
      this.#walk(root, ({ page, node, height }) => {
        if (node.txn > txn) throw new Error(`page ${page} is of transaction ${node.txn}, the tree of ${txn}`);
        if (!this.#isUsed(page)) throw new Error(`page ${page} is in the tree, and taken for free`);
        found.nodes++;
        if (!node.isLeaf) return;
        if (found.height !== 0 && found.height !== height)
          throw new Error(`leaf ${page} is at height ${height}`);
        found.height = height;
        found.entries += node.entries.length;
        for (const { key } of node.entries) {
          if (last !== undefined && Buffer.compare(last, key) >= 0)
            throw new Error(`keys of page ${page} disorderly`);
          last = key;
        }
      });
      return found;
    });
  }

  /** Visits the nodes of a tree in the order of their keys, a branch before its children. */
  #walk(root: PageNumber, visit: (at: { page: PageNumber; node: Node; height: number }) => void): void {
    const seen = new Set<PageNumber>();
    const go = (page: PageNumber, height: number): void => {
      if (seen.has(page)) throw new Error(`page ${page} is in the tree twice`);
      seen.add(page);
      const node = this.#file.viewSync(page, decode, EMPTY);
      visit({ page, node, height });
      if (!node.isLeaf) for (const entry of node.entries) go(childOf(entry), height + 1);
    };
    go(root, 1);
  }
}

/** Which page the cache has found torn; undefined if it says something else. */
function tornPage(error: unknown): PageNumber | undefined {
  const { code, page } = error as PinfoldError;
  return code === 'ERR_PINFOLD_CHECKSUM' ? page : undefined;
}
