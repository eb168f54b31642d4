import { load } from '../installed';
import { eightOf, laidOutPages } from '../pages';
import type { Store, StoreTask } from './store';

interface Lmdb {
  open(options: Record<string, unknown>): Database;
}
interface Database {
  get(key: number): Buffer;
  getBinaryFast(key: number): Buffer;
  put(key: number, value: Uint8Array): Promise<boolean>;
  transactionSync(work: () => void): void;
  flushed: Promise<unknown>;
  close(): Promise<void>;
}

/** Pages of one transaction while the store is laid out: it can have 128 Ki dirty pages, and a page of 4 KiB takes two of them. */
const BATCH = 4_096;

const open = (path: string): Database =>
  load<Lmdb>('lmdb').open({ path, encoding: 'binary', keyEncoding: 'uint32' });

export async function layOutLmdb(path: string, pages: number): Promise<void> {
  const database = open(path);
  const all = laidOutPages(pages);
  for (let done = false; !done; ) {
    database.transactionSync(() => {
      for (let n = 0; n < BATCH && !done; n++) {
        const next = all.next();
        if (next.done) done = true;
        else void database.put(next.value.page, next.value.bytes);
      }
    });
  }
  await database.flushed;
  await database.close();
}

export function openLmdb({ path, mode }: StoreTask): Store {
  const database = open(path);
  const get =
    mode === 'fast' ? (page: number) => database.getBinaryFast(page) : (page: number) => database.get(page);
  return {
    eight: (page, at) => eightOf(get(page), at),
    whole: (page, at) => eightOf(get(page), at),
    bytes: (page) => database.get(page),
    commit:
      mode === 'async'
        ? async (page, bytes) => {
            // By default that is committed, and flushed later; transactionSync flushes before it returns.
            await database.put(page, bytes);
            await database.flushed;
          }
        : (page, bytes) => database.transactionSync(() => void database.put(page, bytes)),
    close: () => database.close(),
  };
}
