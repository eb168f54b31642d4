// A VFS: what SQLite calls for a file system. It serves one database and its rollback journal to one thread; what is shared
// with other threads is in the storage and in the lock table. Temporary files are none of its business: with
// `temp_store = memory` SQLite makes none.
import fs from 'node:fs';
import { resolve } from 'node:path';
import * as VFS from '@journeyapps/wa-sqlite/src/VFS.js';
import { syncDirectoryOf } from './directory.ts';
import { type Connection, type LockLevel, type LockTable, lockLevel } from './locks.ts';
import type { SqliteModule } from './module.ts';
import type { Storage, StoredFile } from './storage.ts';

/**
 * Bytes that the disk may damage when power fails in the middle of a write: the size of a page in the cache, which is what
 * is written at least. SQLite puts so much between what must not be damaged together.
 */
const SECTOR_BYTES = 4096;

interface OpenFile {
  readonly stored: StoredFile;
  /** The place of a database at its locks. A journal has none: it is used under those of its database. */
  readonly connection: Connection | undefined;
}

export class WorkerVfs extends VFS.Base {
  override mxPathname = 512;
  /** What the last call that failed had failed of: SQLite passes on no more than a number. */
  lastError: unknown;
  readonly #module: SqliteModule;
  readonly #storage: Storage;
  readonly #locks: LockTable;
  readonly #database: string;
  readonly #journal: string;
  readonly #wal: string;
  /** By SQLite's pointer to the file. */
  readonly #files = new Map<number, OpenFile>();

  readonly busyTimeoutMs: number;

  /** `busyTimeoutMs`: how long a lock that others hold is waited for, in ms. */
  constructor(
    module: SqliteModule,
    storage: Storage,
    locks: LockTable,
    database: string,
    busyTimeoutMs = 10_000,
  ) {
    super(`${storage.name}-workers`, module);
    this.busyTimeoutMs = busyTimeoutMs;
    this.#module = module;
    this.#storage = storage;
    this.#locks = locks;
    this.#database = resolve(database);
    this.#journal = `${this.#database}-journal`;
    this.#wal = `${this.#database}-wal`;
  }

  // -- files ---------------------------------------------------------------------------------------------------------

  override xOpen(_vfs: number, zName: number, pFile: number, flags: number, pOutFlags: number): number {
    let connection: Connection | undefined;
    try {
      const path = zName === 0 ? '' : this.#module.UTF8ToString(zName);
      if (path !== this.#database && path !== this.#journal) {
        throw new Error(`this VFS serves '${this.#database}' and its journal, not '${path}'`);
      }
      const writes = (flags & VFS.SQLITE_OPEN_READWRITE) !== 0;
      const creates = (flags & VFS.SQLITE_OPEN_CREATE) !== 0;
      if (path === this.#database) connection = this.#connect();
      else if (creates) this.#locks.journalComes();
      const stored = this.#storage.open(path, writes ? 'r+' : 'r', creates);
      if (path === this.#journal && writes && !creates) this.#locks.rollbackBegins();
      this.#files.set(pFile, { stored, connection });
    } catch (error) {
      if (connection !== undefined) this.#locks.disconnect(connection);
      return this.#failed(error, VFS.SQLITE_CANTOPEN);
    }
    if (pOutFlags !== 0) this.#module.HEAP32[pOutFlags >> 2] = flags;
    return VFS.SQLITE_OK;
  }

  #connect(): Connection {
    if (sizeOf(this.#wal) > 0) {
      throw new Error(
        `'${this.#wal}' is there: a database in WAL mode needs memory that SQLite shares itself`,
      );
    }
    const connection = this.#locks.connect();
    if (connection === undefined) throw new Error(`all connections to '${this.#database}' are taken`);
    return connection;
  }

  override xClose(pFile: number): number {
    const file = this.#file(pFile);
    this.#files.delete(pFile);
    try {
      file.stored.close();
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_CLOSE);
    } finally {
      if (file.connection !== undefined) this.#locks.disconnect(file.connection);
    }
    return VFS.SQLITE_OK;
  }

  override xRead(pFile: number, pData: number, bytes: number, low: number, high: number): number {
    const target = this.#module.HEAPU8.subarray(pData, pData + bytes);
    try {
      const n = this.#file(pFile).stored.read(target, fromHalves(low, high));
      if (n === bytes) return VFS.SQLITE_OK;
      target.fill(0, n); // SQLite relies on it
      return VFS.SQLITE_IOERR_SHORT_READ;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_READ);
    }
  }

  override xWrite(pFile: number, pData: number, bytes: number, low: number, high: number): number {
    try {
      const { stored, connection } = this.#file(pFile);
      if (connection === undefined) this.#locks.journalComes(); // it may be an old one, cut to nothing
      stored.write(this.#module.HEAPU8.subarray(pData, pData + bytes), fromHalves(low, high));
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_WRITE);
    }
  }

  override xTruncate(pFile: number, low: number, high: number): number {
    try {
      const { stored, connection } = this.#file(pFile);
      const size = fromHalves(low, high);
      stored.truncate(size);
      if (connection === undefined && size === 0) this.#locks.journalGone();
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_TRUNCATE);
    }
  }

  override xSync(pFile: number, _flags: number): number {
    try {
      this.#file(pFile).stored.sync();
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_FSYNC);
    }
  }

  override xFileSize(pFile: number, pSize: number): number {
    try {
      const { size } = this.#file(pFile).stored;
      this.#module.HEAP32[pSize >> 2] = size | 0;
      this.#module.HEAP32[(pSize >> 2) + 1] = Math.floor(size / 2 ** 32);
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_FSTAT);
    }
  }

  // -- names ---------------------------------------------------------------------------------------------------------

  /** The end of a transaction, where the journal is removed: when it returns, the transaction is committed. */
  override xDelete(_vfs: number, zName: number, syncDirectory: number): number {
    try {
      const path = this.#module.UTF8ToString(zName);
      if (!fs.existsSync(path)) return VFS.SQLITE_IOERR_DELETE_NOENT;
      this.#storage.remove(path);
      if (syncDirectory !== 0) syncDirectoryOf(path);
      if (path === this.#journal) this.#locks.journalGone();
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_DELETE);
    }
  }

  override xAccess(_vfs: number, zName: number, flags: number, pResult: number): number {
    try {
      const path = this.#module.UTF8ToString(zName);
      this.#module.HEAP32[pResult >> 2] = this.#isThere(path, flags) ? 1 : 0;
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_ACCESS);
    }
  }

  #isThere(path: string, flags: number): boolean {
    if (path === this.#wal) return false; // `xOpen` has looked, and SQLite makes none: this VFS has no shared memory for it
    if (path === this.#journal && !this.#locks.mayHaveJournal) return false;
    if (flags === VFS.SQLITE_ACCESS_EXISTS) return sizeOf(path) > 0; // as in SQLite's own VFS an empty journal is none
    return fs.existsSync(path);
  }

  override xFullPathname(_vfs: number, zName: number, bytes: number, zOut: number): number {
    const path = resolve(this.#module.UTF8ToString(zName));
    if (this.#module.lengthBytesUTF8(path) >= bytes) return VFS.SQLITE_CANTOPEN;
    this.#module.stringToUTF8(path, zOut, bytes);
    return VFS.SQLITE_OK;
  }

  // -- locks ---------------------------------------------------------------------------------------------------------

  override xLock(pFile: number, level: number): number {
    try {
      const connection = this.#connectionOf(pFile);
      const taken = this.#locks.acquire(connection, level as LockLevel, this.busyTimeoutMs);
      return taken ? VFS.SQLITE_OK : VFS.SQLITE_BUSY;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_LOCK);
    }
  }

  override xUnlock(pFile: number, level: number): number {
    const shared = level === lockLevel.shared;
    this.#locks.release(this.#connectionOf(pFile), shared ? lockLevel.shared : lockLevel.none);
    return VFS.SQLITE_OK;
  }

  override xCheckReservedLock(_pFile: number, pResult: number): number {
    try {
      this.#module.HEAP32[pResult >> 2] = this.#locks.isReserved() ? 1 : 0;
      return VFS.SQLITE_OK;
    } catch (error) {
      return this.#failed(error, VFS.SQLITE_IOERR_CHECKRESERVEDLOCK);
    }
  }

  /** Whether no connection of this thread holds a lock. */
  get isIdle(): boolean {
    for (const { connection } of this.#files.values()) {
      if (connection !== undefined && this.#locks.holds(connection)) return false;
    }
    return true;
  }

  /** Sleeps until the lock that was refused last may be had, but not for long. */
  waitForLock(): void {
    this.#locks.waitForChange();
  }

  // -- the device ----------------------------------------------------------------------------------------------------

  override xSectorSize(): number {
    return SECTOR_BYTES;
  }

  /** It is taken for the worst: a page that is being written when power fails may be torn. */
  override xDeviceCharacteristics(): number {
    return 0;
  }

  #file(pFile: number): OpenFile {
    const file = this.#files.get(pFile);
    if (file === undefined) throw new Error('SQLite named a file that is not open');
    return file;
  }

  #connectionOf(pFile: number): Connection {
    const { connection } = this.#file(pFile);
    if (connection === undefined) throw new Error('SQLite asked for a lock on a journal');
    return connection;
  }

  #failed(error: unknown, code: number): number {
    this.lastError = error;
    return code;
  }
}

/** 0 also if there is no such file. */
const sizeOf = (path: string) => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** A 64-bit integer from two signed 32-bit ones: Emscripten passes it so. */
const fromHalves = (low: number, high: number) => high * 2 ** 32 + (low >>> 0);
