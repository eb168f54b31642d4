// What writers do in the storm, and how it is told afterwards whether anything is missing, doubled, or half there.
import type { Database, Statement } from '../vfs/database.ts';

const ACCOUNTS = 64;
const START = 1000;
/** Bytes of a note: most fit into a row, the longest need pages of their own. */
const NOTE_BYTES = [20, 200, 2_000, 9_000] as const;
/** Entries of one transaction, at most. The larger ones do not fit into SQLite's cache and are spilled before their commit. */
const PARTS = 12;

/** Of a connection that writes: so few pages in SQLite's own cache that much is read and written below it. */
export const WRITER_PRAGMAS = ['cache_size = 8', 'synchronous = extra'];
export const JOURNAL_MODES = ['delete', 'truncate', 'persist'] as const;

export function createBank(db: Database): void {
  db.exec('PRAGMA auto_vacuum = incremental');
  db.transaction(() => {
    db.exec(`
      CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
      CREATE TABLE entry (
        writer INTEGER, seq INTEGER, part INTEGER, parts INTEGER, debit INTEGER, credit INTEGER, amount INTEGER, note BLOB,
        PRIMARY KEY (writer, seq, part)
      ) WITHOUT ROWID;
      CREATE INDEX entry_by_credit ON entry (credit, amount);
      CREATE TABLE total (entries INTEGER NOT NULL);
      INSERT INTO total VALUES (0);`);
    const open = db.prepare('INSERT INTO account VALUES (?, ?)');
    for (let id = 0; id < ACCOUNTS; id++) open.run(id, START);
  });
}

/** A customer who changes her mind: the transaction is undone, and made anew. */
class Abandoned extends Error {}

export class Writer {
  readonly #db: Database;
  readonly #writer: number;
  readonly #insert: Statement;
  readonly #move: Statement;
  readonly #count: Statement;
  readonly #rewrite: Statement;

  constructor(db: Database, writer: number) {
    this.#db = db;
    this.#writer = writer;
    this.#insert = db.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, randomblob(?))');
    this.#move = db.prepare('UPDATE account SET balance = balance + ? WHERE id = ?');
    this.#count = db.prepare('UPDATE total SET entries = entries + ?');
    this.#rewrite = db.prepare('UPDATE entry SET note = randomblob(?) WHERE writer = ? AND seq = ?');
  }

  /** Makes transaction `seq`, counted from 1: committed when this returns. */
  write(seq: number): void {
    for (;;) {
      try {
        this.#db.transaction(() => this.#transfer(seq));
        return;
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
      }
    }
  }

  #transfer(seq: number): void {
    const parts = chance(0.2) ? PARTS : below(3) + 1;
    for (let part = 0; part < parts; part++) {
      const [debit, credit, amount] = [below(ACCOUNTS), below(ACCOUNTS), below(100)];
      this.#insert.run(this.#writer, seq, part, parts, debit, credit, amount, noteBytes());
      this.#move.run(-amount, debit);
      this.#move.run(amount, credit);
    }
    this.#count.run(parts);
    if (seq > 1) this.#rewrite.run(noteBytes(), this.#writer, below(seq - 1) + 1); // pages come free, or are needed
    if (chance(0.1)) this.#db.exec('PRAGMA incremental_vacuum(4)'); // the file is cut at the commit
    if (chance(0.1)) throw new Abandoned();
  }
}

/** What a reader sees in one transaction: nothing that is wrong at any moment. */
export function glance(db: Database): string[] {
  return reading(db, () => [...balanceProblems(db), ...countProblems(db)]);
}

/**
 * All that can be told from the database itself, and by what was acknowledged to others: `acked` has the last transaction of
 * each writer that it told of. `done`: whether all writers have ended; until then more may come.
 */
export function audit(db: Database, acked: ReadonlyMap<number, number>, done: boolean): string[] {
  return reading(db, () => {
    const integrity = db.all('PRAGMA integrity_check').map(([line]) => String(line));
    if (integrity.join() !== 'ok') return integrity.map((line) => `integrity_check: ${line}`);
    return [
      ...balanceProblems(db),
      ...countProblems(db),
      ...entryProblems(db),
      ...acknowledgedProblems(db, acked, done),
    ];
  });
}

function reading(db: Database, look: () => string[]): string[] {
  db.exec('BEGIN');
  try {
    return look();
  } finally {
    db.exec('COMMIT');
  }
}

function balanceProblems(db: Database): string[] {
  const [sum] = db.all('SELECT sum(balance) FROM account')[0] ?? [];
  return sum === ACCOUNTS * START
    ? []
    : [`the balances are ${sum} together, and were ${ACCOUNTS * START} from the start`];
}

function countProblems(db: Database): string[] {
  const [counted, told] = db.all('SELECT (SELECT count(*) FROM entry), (SELECT entries FROM total)')[0] ?? [];
  return counted === told ? [] : [`there are ${counted} entries, ${told} were counted when they were made`];
}

/** Transactions of which not all is there, and balances that do not follow from the entries. */
function entryProblems(db: Database): string[] {
  const halves = db.all('SELECT writer, seq FROM entry GROUP BY writer, seq HAVING count(*) <> max(parts)');
  const wrong = db.all(
    `SELECT id FROM account
      LEFT JOIN (SELECT debit, sum(amount) AS paid FROM entry GROUP BY debit) ON debit = id
      LEFT JOIN (SELECT credit, sum(amount) AS got FROM entry GROUP BY credit) ON credit = id
      WHERE balance <> ? - ifnull(paid, 0) + ifnull(got, 0)`,
    START,
  );
  return [
    ...halves.map(([writer, seq]) => `transaction ${seq} of writer ${writer} is half there`),
    ...wrong.map(([id]) => `the balance of account ${id} does not follow from the entries`),
  ];
}

function acknowledgedProblems(db: Database, acked: ReadonlyMap<number, number>, done: boolean): string[] {
  const problems: string[] = [];
  const rows = db.all(
    'SELECT writer, count(DISTINCT seq), max(seq) FROM entry GROUP BY writer',
  ) as number[][];
  const last = new Map(rows.map(([writer = 0, , max = 0]) => [writer, max]));
  for (const [writer, count, max] of rows) {
    if (count !== max)
      problems.push(`of writer ${writer} there are ${count} transactions up to number ${max}`);
  }
  for (const [writer, seq] of acked) {
    const max = last.get(writer) ?? 0;
    if (max < seq)
      problems.push(`transaction ${seq} of writer ${writer} was acknowledged, and ${max} is the last`);
  }
  if (!done) return problems;
  for (const [writer, max] of last) {
    // One may have been committed whose writer died before it could say so.
    const seq = acked.get(writer) ?? 0;
    if (max > seq + 1)
      problems.push(`transaction ${max} of writer ${writer} is there, and it was at ${seq + 1}`);
  }
  return problems;
}

const below = (n: number) => Math.floor(Math.random() * n);
const chance = (share: number) => Math.random() < share;
const noteBytes = () => NOTE_BYTES[chance(0.1) ? below(4) : below(2)] ?? 0;
