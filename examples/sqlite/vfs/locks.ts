// SQLite's locks on one database, for the threads of one process, in shared memory. On a file system they are byte ranges
// that the kernel gives back when a process dies. Here threads die, so the locks name their holders, and whoever finds one
// held by a thread that is gone gives it back.
//
// All that is held is one 32-bit word, so that each transition is one CAS: a thread dies before it or after it.
//
//   bit   0 … 23   connection n holds SHARED (also while it is the writer)
//   bit  24 … 28   the writer: its connection + 1; 0: there is none
//   bit  29 … 30   how far the writer is: 1 RESERVED, 2 PENDING, 3 EXCLUSIVE
//
// A connection has a slot with the identity of its thread. The rules:
//
//   1. A slot is claimed before its connection appears in the word, and freed after it has left it.
//   2. A slot whose thread is gone is taken over by a CAS to the identity of whoever cleans up, with the bit CLEANING. Only
//      then the dead connection's bits leave the word, and only then the slot is free: so no bits of a later connection in the
//      same slot are ever cleared. A cleaner that dies is itself found gone, by the same rule.
//   3. What refuses a lock is a living holder, or one whose slot another thread is just cleaning up.
import { isAlive, type ThreadIdentity, thisThread } from './thread.ts';

/** SQLite's lock levels (sqlite3.h, SQLITE_LOCK_*). */
export const lockLevel = { none: 0, shared: 1, reserved: 2, pending: 3, exclusive: 4 } as const;
export type LockLevel = (typeof lockLevel)[keyof typeof lockLevel];

/** Connections there may be at a time to one database. */
const MAX_CONNECTIONS = 24;

/** Indexes of the 32-bit words before the slots. */
const LOCK = 0;
const JOURNAL = 1;
/** How often a journal was rolled back that its writer had left. */
const ROLLBACKS = 2;
/** By lock level, how many connections were found dead that held it. */
const DEATHS = 3;
const SLOTS_AT = 32; // bytes

/** How long one sleep lasts at most, in ms: after each, those who stand in the way are looked at, whether they live. */
const SLICE_MS = 10;

const READERS = 2 ** MAX_CONNECTIONS - 1;
const WRITER_SHIFT = 24;
const WRITER_MASK = 31;
const STAGE_SHIFT = 29;

/** What is known of a rollback journal beside the database. */
const JOURNAL_UNKNOWN = 0;
const JOURNAL_NONE = 1;

/** Set in a slot while its dead owner is cleaned up. Process and thread ids have 22 bits: this one is free. */
const CLEANING = 1n << 62n;

/** A place at the locks, that of one connection. */
export type Connection = number & { readonly __brand: 'Connection' };

/** How many connections were found dead, by the level that they held. */
export type Deaths = Readonly<Record<'none' | 'shared' | 'reserved' | 'pending' | 'exclusive', number>>;

const writerOf = (word: number) => ((word >>> WRITER_SHIFT) & WRITER_MASK) - 1;
const levelOfWriter = (word: number) => (word >>> STAGE_SHIFT) + 1;
const withWriter = (word: number, connection: number, level: number) =>
  (word & READERS) | ((connection + 1) << WRITER_SHIFT) | ((level - 1) << STAGE_SHIFT);
const without = (word: number, connection: number) =>
  (writerOf(word) === connection ? word & READERS : word) & ~(1 << connection);

function levelOf(word: number, connection: number): LockLevel {
  if (writerOf(word) === connection) return levelOfWriter(word) as LockLevel;
  return (word >>> connection) & 1 ? lockLevel.shared : lockLevel.none;
}

/** The locks of one database. Each thread makes its own from the same memory. */
export class LockTable {
  readonly #words: Int32Array;
  readonly #slots: BigInt64Array;
  readonly #self: ThreadIdentity = thisThread();
  /** The word that the last refusal was for: what `waitForChange` waits to change. */
  #refusedBy = 0;

  /**
   * `journalExists`: whether a rollback journal is there now. Only one process may have the database open: other processes see
   * none of these locks.
   */
  static create(journalExists: boolean): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(SLOTS_AT + 8 * MAX_CONNECTIONS);
    if (!journalExists) new Int32Array(memory)[JOURNAL] = JOURNAL_NONE;
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, SLOTS_AT / 4);
    this.#slots = new BigInt64Array(memory, SLOTS_AT);
  }

  // -- connections ---------------------------------------------------------------------------------------------------

  /** Takes a place for a connection of this thread: undefined if all are taken by living ones. */
  connect(): Connection | undefined {
    for (const looksForDead of [false, true]) {
      for (let n = 0; n < MAX_CONNECTIONS; n++) {
        if (looksForDead) this.#cleanUp(n);
        if (Atomics.compareExchange(this.#slots, n, 0n, this.#self) === 0n) return n as Connection;
      }
    }
    return undefined;
  }

  disconnect(connection: Connection): void {
    this.release(connection, lockLevel.none);
    Atomics.store(this.#slots, connection, 0n);
  }

  // -- locks ---------------------------------------------------------------------------------------------------------

  /**
   * Raises the connection's lock to SHARED, RESERVED or EXCLUSIVE, and waits at most `timeoutMs` for others: false if they
   * stand in the way still. No two threads wait for each other: who waits for SHARED holds nothing, and who waits for
   * EXCLUSIVE is the writer, or else is refused at once; it waits for readers, who never wait. That is why RESERVED is not
   * waited for: its connection reads already, and the writer may be waiting for that to end. SQLite ends with SQLITE_BUSY
   * then, and whoever called it begins anew.
   */
  acquire(connection: Connection, level: LockLevel, timeoutMs: number): boolean {
    const end = performance.now() + timeoutMs;
    while (!this.#tryAcquire(connection, level)) {
      const leftMs = end - performance.now();
      const writer = writerOf(this.#refusedBy);
      const othersWriter = writer !== -1 && writer !== connection;
      if (leftMs <= 0 || level === lockLevel.reserved || (level === lockLevel.exclusive && othersWriter))
        return false;
      this.waitForChange(leftMs);
    }
    return true;
  }

  /** As SQLite expects, an EXCLUSIVE that readers refuse leaves PENDING behind, which lets no new ones in. */
  #tryAcquire(connection: Connection, level: LockLevel): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, LOCK);
      if (levelOf(word, connection) >= level) return true;
      const inTheWay = holdersInTheWay(word, connection, level);
      if (inTheWay !== 0) {
        if (this.#cleanUpAll(inTheWay)) continue;
        if (level !== lockLevel.exclusive || !this.#setPending(word, connection)) {
          this.#refusedBy = word;
          return false;
        }
        continue;
      }
      const next =
        level === lockLevel.shared ? word | (1 << connection) : withWriter(word, connection, level);
      if (Atomics.compareExchange(this.#words, LOCK, word, next) === word) return true;
    }
  }

  /** Whether the word was changed: an EXCLUSIVE that only readers refuse becomes PENDING, once. */
  #setPending(word: number, connection: Connection): boolean {
    const writer = writerOf(word);
    if (writer !== -1 && writer !== connection) return false;
    const next = withWriter(word, connection, lockLevel.pending);
    if (next === word) return false;
    Atomics.compareExchange(this.#words, LOCK, word, next); // if it fails, another transition came between
    return true;
  }

  /** Lowers the connection's lock to SHARED or none. */
  release(connection: Connection, level: typeof lockLevel.none | typeof lockLevel.shared): void {
    for (;;) {
      const word = Atomics.load(this.#words, LOCK);
      if (levelOf(word, connection) <= level) return;
      const bare = without(word, connection);
      const next = level === lockLevel.shared ? bare | (1 << connection) : bare;
      if (Atomics.compareExchange(this.#words, LOCK, word, next) !== word) continue;
      Atomics.notify(this.#words, LOCK);
      return;
    }
  }

  /**
   * Whether a living connection holds RESERVED or more. Were a dead one counted, SQLite would take its journal for one in
   * use, and read the half-written database under it.
   */
  isReserved(): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, LOCK);
      const writer = writerOf(word);
      if (writer === -1) return false;
      const holder = Atomics.load(this.#slots, writer);
      if (Atomics.load(this.#words, LOCK) !== word) continue; // the slot may be another's by now
      if ((holder & CLEANING) !== 0n) return false;
      if (isAlive(holder)) return true;
      this.#cleanUp(writer); // or another thread does; and then perhaps there is another writer
    }
  }

  holds(connection: Connection): boolean {
    return levelOf(Atomics.load(this.#words, LOCK), connection) !== lockLevel.none;
  }

  /** Sleeps until what refused this thread's last lock has changed, at most `ms`; shortly, so that the dead are found. */
  waitForChange(ms = SLICE_MS): void {
    Atomics.wait(this.#words, LOCK, this.#refusedBy, Math.min(ms, SLICE_MS));
  }

  // -- the dead ------------------------------------------------------------------------------------------------------

  /** Whether one of these connections was dead, or has gone otherwise: the lock is worth another try. */
  #cleanUpAll(connections: number): boolean {
    let cleaned = false;
    for (let n = 0; n < MAX_CONNECTIONS; n++) {
      if ((connections >>> n) & 1 && this.#cleanUp(n)) cleaned = true;
    }
    return cleaned;
  }

  /** Gives back what the slot's thread held if that is gone, and frees the slot: whether it did, by rule 2. */
  #cleanUp(slot: number): boolean {
    const holder = Atomics.load(this.#slots, slot);
    if (holder === 0n || isAlive(holder & ~CLEANING)) return false;
    if (Atomics.compareExchange(this.#slots, slot, holder, this.#self | CLEANING) !== holder) return false;
    for (;;) {
      const word = Atomics.load(this.#words, LOCK);
      if (Atomics.compareExchange(this.#words, LOCK, word, without(word, slot)) !== word) continue;
      Atomics.add(this.#words, DEATHS + levelOf(word, slot), 1);
      break;
    }
    Atomics.store(this.#slots, slot, 0n);
    Atomics.notify(this.#words, LOCK);
    return true;
  }

  /** Gives back what the dead hold whom nobody has stumbled over yet; and what all of them held. */
  cleanUpAfterAll(): Deaths {
    for (let n = 0; n < MAX_CONNECTIONS; n++) this.#cleanUp(n);
    const [none = 0, shared = 0, reserved = 0, pending = 0, exclusive = 0] = this.#words.slice(DEATHS);
    return { none, shared, reserved, pending, exclusive };
  }

  // -- the journal ---------------------------------------------------------------------------------------------------

  // Each read transaction asks whether a journal is there that must be rolled back. A look into the directory costs more than a
  // cached page; one word here answers it. It says "none" only if that is certain: journals are made and removed by a
  // connection that holds RESERVED at least, so one at a time; the word is changed *before* a journal is made and *after*
  // it is gone; and a thread that dies in between leaves "unknown", for which the directory is asked.

  get mayHaveJournal(): boolean {
    return Atomics.load(this.#words, JOURNAL) !== JOURNAL_NONE;
  }

  journalComes(): void {
    if (!this.mayHaveJournal) Atomics.store(this.#words, JOURNAL, JOURNAL_UNKNOWN);
  }

  journalGone(): void {
    Atomics.store(this.#words, JOURNAL, JOURNAL_NONE);
  }

  rollbackBegins(): void {
    Atomics.add(this.#words, ROLLBACKS, 1);
  }

  get rollbacks(): number {
    return Atomics.load(this.#words, ROLLBACKS);
  }
}

/** The connections, as bits, whose locks refuse this one. */
function holdersInTheWay(word: number, connection: number, level: LockLevel): number {
  const writer = writerOf(word);
  const other = writer !== -1 && writer !== connection ? 1 << writer : 0;
  if (level === lockLevel.shared) return levelOfWriter(word) >= lockLevel.pending ? other : 0;
  if (level === lockLevel.reserved) return other;
  return other | (word & READERS & ~(1 << connection));
}
