// SQLite's blobs by key: by better-sqlite3, or by node:sqlite where that is not installed and Node has it. One interface fits both.
import { createRequire } from 'node:module';
import { load, whyMissing } from '../installed';
import { eightOf, laidOutPages, PAGE } from '../pages';
import type { Store, StoreTask } from './store';

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}
interface Statement {
  get(...parameters: unknown[]): { bytes: Uint8Array };
  run(...parameters: unknown[]): unknown;
}
type DatabaseClass = new (path: string) => Database;

/** The default, 4 KiB, has no room for a blob of 4 KiB in one piece, and SQLite keeps the rest of such a blob in no cache of its own. */
const PAGE_SIZE = 16_384;
const LAYOUT = 'CREATE TABLE pages (page INTEGER PRIMARY KEY, bytes BLOB NOT NULL)';

/** Node's own; undefined where it has none. */
function nodeSqlite(): DatabaseClass | undefined {
  try {
    return createRequire(import.meta.url)('node:sqlite').DatabaseSync as DatabaseClass;
  } catch {
    return undefined;
  }
}

/** Which of the two it is, with its version. */
export function sqliteName(versionOf: (name: 'better-sqlite3') => string): string | null {
  if (whyMissing('better-sqlite3') === null) return `better-sqlite3 ${versionOf('better-sqlite3')}`;
  return nodeSqlite() === undefined ? null : `node:sqlite of Node ${process.versions.node}`;
}

/** `first`: what has to be said before the file is made. */
function open(path: string, pages: number, first = ''): Database {
  const Class = whyMissing('better-sqlite3') === null ? load<DatabaseClass>('better-sqlite3') : nodeSqlite()!;
  const database = new Class(path);
  // Each connection has a cache of its own, which holds all pages.
  const kib = Math.ceil((pages * PAGE * 1.5) / 1024);
  database.exec(
    `${first} PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -${kib};`,
  );
  return database;
}

export function layOutSqlite(path: string, pages: number): void {
  const database = open(path, pages, `PRAGMA page_size = ${PAGE_SIZE};`);
  database.exec(LAYOUT);
  const insert = database.prepare('INSERT INTO pages VALUES (?, ?)');
  database.exec('BEGIN');
  for (const { page, bytes } of laidOutPages(pages)) insert.run(page, bytes);
  database.exec('COMMIT');
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

export function openSqlite({ path, pages }: StoreTask): Store {
  const database = open(path, pages);
  const eight = database.prepare('SELECT substr(bytes, ?, 8) AS bytes FROM pages WHERE page = ?');
  const whole = database.prepare('SELECT bytes FROM pages WHERE page = ?');
  const update = database.prepare('UPDATE pages SET bytes = ? WHERE page = ?');
  return {
    eight: (page, at) => eightOf(eight.get(at + 1, page).bytes, 0),
    whole: (page, at) => eightOf(whole.get(page).bytes, at),
    bytes: (page) => whole.get(page).bytes,
    commit(page, bytes) {
      update.run(bytes, page);
    },
    close: () => void database.close(),
  };
}
