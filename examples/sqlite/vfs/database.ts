// A connection to a database, and its statements: synchronous, like the build of SQLite below it.
import * as SQLITE from '@journeyapps/wa-sqlite/src/sqlite-constants.js';
import type { SqliteModule } from './module.ts';
import type { WorkerVfs } from './vfs.ts';

export type Value = number | bigint | string | Uint8Array | null;
export type Row = (number | string | Uint8Array | null)[];

const TRANSIENT = -1; // SQLITE_TRANSIENT: SQLite copies what it is given

class SqliteError extends Error {
  /** SQLite's extended result code. */
  readonly code: number;

  constructor(message: string, code: number, cause: unknown) {
    super(`${message} (SQLite's code ${code})`, { cause });
    this.name = 'SqliteError';
    this.code = code;
  }
}

export class Database {
  readonly #module: SqliteModule;
  readonly #vfs: WorkerVfs;
  readonly #db: number;
  readonly #statements = new Set<Statement>();

  /** Opens the database, which is made if there is none; `pragmas` are set first. Throws SqliteError. */
  constructor(module: SqliteModule, vfs: WorkerVfs, path: string, pragmas: readonly string[] = []) {
    this.#module = module;
    this.#vfs = vfs;
    const out = module._malloc(4);
    const flags = SQLITE.SQLITE_OPEN_READWRITE | SQLITE.SQLITE_OPEN_CREATE;
    const code = withText(module, path, (zPath) =>
      withText(module, vfs.name, (zVfs) => module._sqlite3_open_v2(zPath, out, flags, zVfs)),
    );
    this.#db = module.HEAP32[out >> 2];
    module._free(out);
    try {
      this.check(code);
      module._sqlite3_extended_result_codes(this.#db, 1);
      for (const pragma of ['temp_store = memory', ...pragmas]) this.exec(`PRAGMA ${pragma}`);
    } catch (error) {
      module._sqlite3_close_v2(this.#db);
      throw error;
    }
  }

  /** Runs statements, whatever they return. */
  exec(sql: string): void {
    withText(this.#module, sql, (zSql) => {
      for (let at = zSql; at !== 0; ) {
        const { pointer, tail } = this.#compile(at);
        if (pointer === 0) return; // nothing but space is left
        at = tail;
        const statement = new Statement(this, this.#module, pointer);
        try {
          statement.run();
        } finally {
          statement.finalize();
        }
      }
    });
  }

  prepare(sql: string): Statement {
    const { pointer } = withText(this.#module, sql, (zSql) => this.#compile(zSql));
    if (pointer === 0) throw new SqliteError(`no statement in '${sql}'`, SQLITE.SQLITE_ERROR, undefined);
    const statement = new Statement(this, this.#module, pointer);
    this.#statements.add(statement);
    return statement;
  }

  /** The first statement of a text, and where the rest begins. */
  #compile(zSql: number): { pointer: number; tail: number } {
    const module = this.#module;
    const out = module._malloc(8);
    try {
      const compile = () => module._sqlite3_prepare_v2(this.#db, zSql, -1, out, out + 4);
      this.check(this.patiently(compile)); // reading the schema needs a lock
      return { pointer: module.HEAP32[out >> 2], tail: module.HEAP32[(out + 4) >> 2] };
    } finally {
      module._free(out);
    }
  }

  /**
   * Makes a call again as long as others' locks refuse it. Only while this thread holds none itself: so no two threads wait for
   * each other. One that holds a lock and is refused another has to undo its transaction, and hears SQLITE_BUSY.
   */
  patiently(call: () => number): number {
    const end = performance.now() + this.#vfs.busyTimeoutMs;
    for (;;) {
      const code = call();
      if ((code & 0xff) !== SQLITE.SQLITE_BUSY || !this.#vfs.isIdle || performance.now() >= end) return code;
      this.#vfs.waitForLock();
    }
  }

  /** Runs one statement that is not kept: its rows. */
  all(sql: string, ...values: Value[]): Row[] {
    const statement = this.prepare(sql);
    try {
      return statement.all(...values);
    } finally {
      statement.finalize();
      this.#statements.delete(statement);
    }
  }

  /**
   * Runs `work` as one transaction that is a writer's from the start: committed when this returns, or undone if something is
   * thrown.
   */
  transaction<T>(work: () => T): T {
    this.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** Undoes the transaction, if SQLite has not done so itself: after some errors it has. */
  #rollBack(): void {
    try {
      this.exec('ROLLBACK');
    } catch {
      // There is none any more. Whoever called hears of the error that came first.
    }
  }

  close(): void {
    for (const statement of this.#statements) statement.finalize();
    this.#statements.clear();
    this.check(this.#module._sqlite3_close_v2(this.#db));
  }

  /** Throws SqliteError unless the code tells of success. */
  check(code: number): void {
    if (code === SQLITE.SQLITE_OK || code === SQLITE.SQLITE_ROW || code === SQLITE.SQLITE_DONE) return;
    const message = this.#module.UTF8ToString(this.#module._sqlite3_errmsg(this.#db));
    const cause = this.#vfs.lastError;
    this.#vfs.lastError = undefined;
    throw new SqliteError(message, code, cause);
  }
}

export class Statement {
  readonly #database: Database;
  readonly #module: SqliteModule;
  #pointer: number;

  constructor(database: Database, module: SqliteModule, pointer: number) {
    this.#database = database;
    this.#module = module;
    this.#pointer = pointer;
  }

  /** The first row, or undefined. */
  get(...values: Value[]): Row | undefined {
    this.#bind(values);
    try {
      return this.#step() ? this.#row() : undefined;
    } finally {
      this.#reset();
    }
  }

  all(...values: Value[]): Row[] {
    this.#bind(values);
    const rows: Row[] = [];
    try {
      while (this.#step()) rows.push(this.#row());
    } finally {
      this.#reset();
    }
    return rows;
  }

  run(...values: Value[]): void {
    this.#bind(values);
    try {
      while (this.#step());
    } finally {
      this.#reset();
    }
  }

  finalize(): void {
    this.#module._sqlite3_finalize(this.#pointer);
    this.#pointer = 0; // SQLite does nothing with it
  }

  #step(): boolean {
    const step = () => this.#module._sqlite3_step(this.#pointer);
    let code = step();
    if ((code & 0xff) === SQLITE.SQLITE_BUSY) code = this.#database.patiently(step);
    this.#database.check(code);
    return code === SQLITE.SQLITE_ROW;
  }

  /** Its result repeats what `step` has told. */
  #reset(): void {
    this.#module._sqlite3_reset(this.#pointer);
  }

  #bind(values: Value[]): void {
    for (const [n, value] of values.entries()) this.#database.check(this.#bindOne(n + 1, value));
  }

  #bindOne(index: number, value: Value): number {
    const module = this.#module;
    if (value === null) return module._sqlite3_bind_null(this.#pointer, index);
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
      const whole = BigInt(value as number | bigint);
      const low = Number(BigInt.asIntN(32, whole));
      return module._sqlite3_bind_int64(this.#pointer, index, low, Number(BigInt.asIntN(32, whole >> 32n)));
    }
    if (typeof value === 'number') return module._sqlite3_bind_double(this.#pointer, index, value);
    if (typeof value === 'string') {
      return withText(module, value, (zText) =>
        module._sqlite3_bind_text(this.#pointer, index, zText, -1, TRANSIENT),
      );
    }
    const bytes = module._malloc(value.length);
    module.HEAPU8.set(value, bytes);
    try {
      return module._sqlite3_bind_blob(this.#pointer, index, bytes, value.length, TRANSIENT);
    } finally {
      module._free(bytes);
    }
  }

  #row(): Row {
    const count = this.#module._sqlite3_column_count(this.#pointer);
    return Array.from({ length: count }, (_, column) => this.#column(column));
  }

  #column(column: number): Row[number] {
    const module = this.#module;
    const pointer = this.#pointer;
    switch (module._sqlite3_column_type(pointer, column)) {
      case SQLITE.SQLITE_INTEGER: {
        const low = module._sqlite3_column_int64(pointer, column);
        return module.getTempRet0() * 2 ** 32 + (low >>> 0);
      }
      case SQLITE.SQLITE_FLOAT:
        return module._sqlite3_column_double(pointer, column);
      case SQLITE.SQLITE_TEXT:
        return module.UTF8ToString(module._sqlite3_column_text(pointer, column));
      case SQLITE.SQLITE_BLOB: {
        const at = module._sqlite3_column_blob(pointer, column);
        return module.HEAPU8.slice(at, at + module._sqlite3_column_bytes(pointer, column));
      }
      default:
        return null;
    }
  }
}

function withText<T>(module: SqliteModule, text: string, use: (pointer: number) => T): T {
  const bytes = module.lengthBytesUTF8(text) + 1;
  const pointer = module._malloc(bytes);
  module.stringToUTF8(text, pointer, bytes);
  try {
    return use(pointer);
  } finally {
    module._free(pointer);
  }
}
