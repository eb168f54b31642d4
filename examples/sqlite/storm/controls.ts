// What the storm must find: the same VFS with one of its duties left out.
import * as SQLITE from '@journeyapps/wa-sqlite/src/sqlite-constants.js';
import type { SqliteModule } from '../vfs/module.ts';
import { WorkerVfs } from '../vfs/vfs.ts';

export const CONTROLS = ['sync', 'locks', 'rollback'] as const;
export type Control = (typeof CONTROLS)[number];

/** `sync` says "stored" of what is in memory. */
class WithoutSync extends WorkerVfs {
  override xSync(): number {
    return SQLITE.SQLITE_OK;
  }
}

/** Each connection believes that it is alone. */
class WithoutLocks extends WorkerVfs {
  override xLock(): number {
    return SQLITE.SQLITE_OK;
  }
}

/** Nobody looks whether a dead writer has left a journal. */
class WithoutRollback extends WorkerVfs {
  readonly #module = this._module as SqliteModule;

  override xAccess(_vfs: number, _zName: number, _flags: number, pResult: number): number {
    this.#module.HEAP32[pResult >> 2] = 0;
    return SQLITE.SQLITE_OK;
  }
}

export function vfsWithout(control: Control | undefined): typeof WorkerVfs {
  if (control === 'sync') return WithoutSync;
  if (control === 'locks') return WithoutLocks;
  return control === 'rollback' ? WithoutRollback : WorkerVfs;
}
