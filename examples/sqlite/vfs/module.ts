/// <reference types="@journeyapps/wa-sqlite" />
// The part of wa-sqlite's synchronous build that is used here, typed. The package's own API is made for builds whose VFS
// awaits; here a call is done when it returns.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import createModule from '@journeyapps/wa-sqlite/dist/wa-sqlite.mjs';
import type { Base } from '@journeyapps/wa-sqlite/src/VFS.js';

/** Pointers and codes are numbers; a 64-bit integer is its low half, and its high half in a further argument or `getTempRet0`. */
export interface SqliteModule {
  readonly HEAPU8: Uint8Array;
  readonly HEAP32: Int32Array;
  UTF8ToString(pointer: number): string;
  stringToUTF8(text: string, pointer: number, bytes: number): void;
  lengthBytesUTF8(text: string): number;
  getTempRet0(): number;
  vfs_register(vfs: Base, makeDefault: boolean): number;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _sqlite3_open_v2(path: number, out: number, flags: number, vfs: number): number;
  _sqlite3_close_v2(db: number): number;
  _sqlite3_extended_result_codes(db: number, on: number): number;
  _sqlite3_errmsg(db: number): number;
  _sqlite3_prepare_v2(db: number, sql: number, bytes: number, out: number, tail: number): number;
  _sqlite3_bind_null(statement: number, index: number): number;
  _sqlite3_bind_double(statement: number, index: number, value: number): number;
  _sqlite3_bind_int64(statement: number, index: number, low: number, high: number): number;
  _sqlite3_bind_text(
    statement: number,
    index: number,
    text: number,
    bytes: number,
    destructor: number,
  ): number;
  _sqlite3_bind_blob(
    statement: number,
    index: number,
    data: number,
    bytes: number,
    destructor: number,
  ): number;
  _sqlite3_step(statement: number): number;
  _sqlite3_reset(statement: number): number;
  _sqlite3_finalize(statement: number): number;
  _sqlite3_column_count(statement: number): number;
  _sqlite3_column_type(statement: number, column: number): number;
  _sqlite3_column_int64(statement: number, column: number): number;
  _sqlite3_column_double(statement: number, column: number): number;
  _sqlite3_column_text(statement: number, column: number): number;
  _sqlite3_column_blob(statement: number, column: number): number;
  _sqlite3_column_bytes(statement: number, column: number): number;
}

/** Compiled once and given to each worker: compiling takes longer than all else that a worker does before its first query. */
export async function compileSqlite(): Promise<WebAssembly.Module> {
  const path = createRequire(import.meta.url).resolve('@journeyapps/wa-sqlite/dist/wa-sqlite.wasm');
  return await WebAssembly.compile(fs.readFileSync(path));
}

export async function loadSqlite(compiled: WebAssembly.Module): Promise<SqliteModule> {
  return await createModule({
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
      done(new WebAssembly.Instance(compiled, imports));
    },
  });
}
