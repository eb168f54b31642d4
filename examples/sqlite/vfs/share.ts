// One database for many threads: what one thread makes and gives to others, and how each connects with it.
import fs from 'node:fs';
import { resolve } from 'node:path';
import type { PageCache, PageCacheHandle } from 'pinfold';
import { Database } from './database.ts';
import { FsStorage } from './fs-storage.ts';
import { LockTable } from './locks.ts';
import { compileSqlite, loadSqlite } from './module.ts';
import { PinfoldStorage } from './pinfold-storage.ts';
import { WorkerVfs } from './vfs.ts';

/** Goes to another thread by `workerData` or `postMessage`. */
export interface SharedDatabase {
  readonly path: string;
  readonly locks: SharedArrayBuffer;
  readonly sqlite: WebAssembly.Module;
  /** The cache to be attached to; undefined: the files are read and written by plain `fs`. */
  readonly cache: PageCacheHandle | undefined;
}

/**
 * Once in a process for each database, which need not exist yet. `cache`: undefined for plain `fs`.
 */
export async function shareDatabase(path: string, cache: PageCache | undefined): Promise<SharedDatabase> {
  const absolute = resolve(path);
  const locks = LockTable.create(fs.existsSync(`${absolute}-journal`));
  return { path: absolute, locks, sqlite: await compileSqlite(), cache: cache?.handle };
}

/** This thread's connection. `cache`: what this thread has created or attached, if the database is in one. */
export async function connect(
  { path, locks, sqlite }: SharedDatabase,
  cache: PageCache | undefined,
  pragmas: readonly string[] = [],
  Vfs: typeof WorkerVfs = WorkerVfs,
): Promise<Database> {
  const module = await loadSqlite(sqlite);
  const storage = cache === undefined ? new FsStorage() : new PinfoldStorage(cache);
  const vfs = new Vfs(module, storage, new LockTable(locks), path);
  module.vfs_register(vfs, false);
  return new Database(module, vfs, path, pragmas);
}
