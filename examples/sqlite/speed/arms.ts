// The same SQL over Pinfold, over plain `fs` with the same locks, and through node-sqlite3-wasm, which brings files and locks
// of its own.
import { PageCache } from 'pinfold';
import { connect, type SharedDatabase } from '../vfs/share.ts';
import type { Sql } from './workloads.ts';

export const ARMS = ['pinfold', 'fs', 'node-sqlite3-wasm'] as const;
export type Arm = (typeof ARMS)[number];

/** What to connect with: a database that is shared, or for node-sqlite3-wasm the path of a file. */
export type Target = SharedDatabase | string;

/** In the thread that has created the cache, that is given; elsewhere it is attached to. */
export async function open(target: Target, pragmas: readonly string[], created?: PageCache): Promise<Sql> {
  if (typeof target === 'string') return await openNodeSqlite(target, pragmas);
  const attached =
    created === undefined && target.cache !== undefined ? PageCache.attach(target.cache) : undefined;
  const db = await connect(target, target.cache === undefined ? undefined : (created ?? attached), pragmas);
  return {
    exec: (sql) => db.exec(sql),
    prepare: (sql) => {
      const statement = db.prepare(sql);
      return (...values) => statement.get(...values) ?? [];
    },
    transaction: (work) => db.transaction(work),
    close: () => {
      db.close();
      attached?.detach();
    },
  };
}

/** How long a lock is waited for, in ms. */
const BUSY_MS = 10_000;
const nobody = new Int32Array(new SharedArrayBuffer(4));

/**
 * Its lock is a directory beside the file, for readers and writers alike, so all but one thread are refused. They try again
 * after a pause that grows, as SQLite's own busy handler does; that of this build would keep the processor busy meanwhile.
 */
async function openNodeSqlite(path: string, pragmas: readonly string[]): Promise<Sql> {
  const { default: nodeSqlite } = await import('node-sqlite3-wasm');
  const db = new nodeSqlite.Database(path);
  const exec = (sql: string) => patiently(() => db.exec(sql));
  for (const pragma of pragmas) exec(`PRAGMA ${pragma}`);
  const statements: { finalize(): void }[] = [];
  return {
    exec,
    prepare: (sql) => {
      const statement = patiently(() => db.prepare(sql));
      statements.push(statement);
      // `all`, since its `get` leaves the statement, and with it the lock, where the first row was.
      return (...values) => Object.values(patiently(() => statement.all(values))[0] ?? {});
    },
    transaction: (work) => {
      exec('BEGIN IMMEDIATE');
      work();
      exec('COMMIT');
    },
    close: () => {
      for (const statement of statements) statement.finalize();
      db.close();
    },
  };
}

function patiently<T>(call: () => T): T {
  const end = performance.now() + BUSY_MS;
  for (let pauseMs = 0.05; ; pauseMs = Math.min(2 * pauseMs, 5)) {
    try {
      return call();
    } catch (error) {
      // Refused once, a statement says so again when it is made ready for its next run.
      if (!/locked|reset statement/.test((error as Error).message) || performance.now() >= end) throw error;
      Atomics.wait(nobody, 0, 0, pauseMs);
    }
  }
}
