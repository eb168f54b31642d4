// What is measured: three kinds of work on one table, by whichever SQLite.

/** Rows that one scan goes over. */
export const SCAN_ROWS = 2_000;

export const WORKLOADS = {
  points: 'a row by its key, each in a read transaction of its own',
  scans: `${SCAN_ROWS} rows in the order of their keys`,
  transactions: 'one row changed and committed: synchronous = full, journal_mode = delete',
} as const;
export type Workload = keyof typeof WORKLOADS;

/** The calls that the workloads make of a connection. Each throws what goes wrong. */
export interface Sql {
  exec(sql: string): void;
  /** A statement that is kept: the values of its first row. */
  prepare(sql: string): (...values: number[]) => unknown[];
  transaction(work: () => void): void;
  close(): void;
}

export const create = (rows: number) => `
  CREATE TABLE item (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, text TEXT NOT NULL);
  INSERT INTO item
    WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < ${rows})
    SELECT id, 0, printf('%d %.*c', id, 100 - length(id), '.') FROM ids;`;

/** One piece of the work at random, done. Throws if what is read is not what was written. */
export function pieceOf(workload: Workload, sql: Sql, rows: number): () => void {
  if (workload === 'points') {
    const get = sql.prepare('SELECT text FROM item WHERE id = ?');
    return () => {
      const id = below(rows) + 1;
      const [text] = get(id);
      if (!String(text).startsWith(`${id} `)) throw new Error(`row ${id} is '${text}'`);
    };
  }
  if (workload === 'scans') {
    const scan = sql.prepare('SELECT count(*), sum(length(text)) FROM item WHERE id BETWEEN ? AND ?');
    return () => {
      const first = below(rows - SCAN_ROWS + 1) + 1;
      const [count, length] = scan(first, first + SCAN_ROWS - 1);
      if (Number(count) !== SCAN_ROWS || Number(length) !== 101 * SCAN_ROWS) {
        throw new Error(`${SCAN_ROWS} rows from ${first} on are ${count}, of ${length} characters`);
      }
    };
  }
  const change = sql.prepare('UPDATE item SET n = n + 1 WHERE id = ?');
  return () => sql.transaction(() => change(below(rows) + 1));
}

const below = (n: number) => Math.floor(Math.random() * n);
