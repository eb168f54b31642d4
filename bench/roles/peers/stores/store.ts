// What every store does for its arms, in a thread.
import type { PageCacheHandle } from 'pinfold';
import type { Mode } from '../arms';

export interface StoreTask {
  path: string;
  /** Those that are drawn; the store has one more, the planted one. */
  pages: number;
  mode: Mode;
  /** Of pinfold's cache, which the thread's creator has made; null for every other store. */
  handle: PageCacheHandle | null;
}

export interface Store {
  /** Reads 8 bytes of a page, from `at` on: `eightOf` them. */
  eight(page: number, at: number): number | Promise<number>;
  /** Reads a page, so that the caller has its bytes and nobody changes them before the next read; `eightOf` those at `at`. */
  whole(page: number, at: number): number | Promise<number>;
  /** The same; all its bytes. */
  bytes(page: number): Uint8Array | Promise<Uint8Array>;
  /** Writes a page and makes it durable; of a store that keeps anything. */
  commit?(page: number, bytes: Uint8Array): void | Promise<void>;
  close(): void | Promise<void>;
}
