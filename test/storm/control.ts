// The control words as they are, for people: who holds what. Looks only, so it works from any thread, whatever hangs.
import fs from 'node:fs';
import type { PageCacheHandle } from 'pinfold';
import { layout as L } from '#harness';
import { PAGE } from './files.ts';

const STATUS = ['free', 'live', 'starting', 'leaving', 'dead', 'being recovered'];
const KIND = ['thread', 'flusher', 'file worker'];
/** By stage, from STAGE_TAKEN on. */
const CLAIMS = ['claim taken', 'claim detached', 'claim filling'] as const;
const BITS = ['VALID', 'DIRTY', 'WRITEBACK', 'CLAIMED', 'UPDATING', 'WAITERS', 'ORPHAN', 'HOLD'] as const;
/** States that are told of: a page that is merely there, or dirty, is not. */
const TOLD = L.WRITEBACK | L.CLAIMED | L.UPDATING | L.WAITERS | L.ORPHAN | L.HOLD | L.PIN_MASK;
const FRAMES_MAX = 60;

/** What a row can hold. */
export const HOLDINGS = [
  'read pin',
  'write pin',
  ...CLAIMS,
  'round',
  'flush lock',
  'writeback',
  'update begun',
  'update published',
  'nested update',
  'undo frame',
  'request',
  'staging area',
  'path area',
] as const;
export type Holding = (typeof HOLDINGS)[number];

export class Control {
  readonly #words: Int32Array;

  constructor(handle: PageCacheHandle) {
    const { control } = handle as unknown as { control: WebAssembly.Memory };
    this.#words = new Int32Array(control.buffer);
  }

  load(byte: number): number {
    return Atomics.load(this.#words, byte >> 2);
  }
  row(owner: number, field: number): number {
    return this.load(
      this.load(L.HEADER_AT_ROWS) - L.ROW_BIAS + owner * this.load(L.HEADER_ROW_BYTES) + field,
    );
  }
  frame(frame: number, field: number): number {
    return this.load(this.load(L.HEADER_AT_FRAMES) + frame * L.FRAME_BYTES + field);
  }
  file(file: number, field: number): number {
    return this.load(this.load(L.HEADER_AT_FILES) - L.FILE_BIAS + file * L.FILE_BYTES + field);
  }

  isFree(owner: number): boolean {
    return (this.row(owner, L.ROW_STATUS) & L.STATUS_MASK) === L.ROW_FREE;
  }

  /** The row of a thread, while it has one. */
  rowOf(threadId: number): number | undefined {
    for (let owner = 0; owner < this.load(L.HEADER_ROWS); owner++) {
      if (!this.isFree(owner) && this.row(owner, L.ROW_THREAD) === threadId) return owner;
    }
    return undefined;
  }

  /** What the row holds, and how many of each. */
  holds(owner: number): Map<Holding, number> {
    const held = new Map<Holding, number>();
    const add = (what: Holding) => held.set(what, (held.get(what) ?? 0) + 1);
    for (let slot = 0; slot < this.load(L.HEADER_MAX_PINS); slot++) {
      const pin = this.row(owner, L.ROW_PINS + slot * 4);
      if (pin > 0) add(pin & L.PIN_WRITE ? 'write pin' : 'read pin');
    }
    const claimed = CLAIMS[this.row(owner, L.ROW_CLAIM_STAGE) - L.STAGE_TAKEN];
    if (this.row(owner, L.ROW_CLAIM) !== 0 && claimed) add(claimed);
    if (this.row(owner, L.ROW_ROUND) !== 0) add('round');
    if (this.row(owner, L.ROW_FLUSH) !== 0) add('flush lock');
    for (let slot = 0; slot < L.WRITEBACKS; slot++) {
      if (this.row(owner, L.ROW_WRITEBACKS + slot * 4) !== 0) add('writeback');
    }
    for (let level = 0; level < L.UPDATES; level++) {
      const stage = this.row(owner, L.UPDATE_STAGE + level * L.UPDATE_BYTES);
      if (stage !== 0) add(stage === 1 ? 'update begun' : level === 0 ? 'update published' : 'nested update');
      if (this.row(owner, L.UPDATE_UNDO + level * L.UPDATE_BYTES) !== 0) add('undo frame');
    }
    for (let slot = 0; slot < L.REQUESTS; slot++) {
      if (this.row(owner, L.REQUEST_STATE + slot * L.REQUEST_BYTES) !== L.REQUEST_FREE) add('request');
    }
    for (let area = 0; area < L.MAX_STAGING; area++) {
      if (this.load(L.HEADER_STAGING + area * 4) === owner + 1) add('staging area');
    }
    for (let area = 0; area < L.PATH_AREAS; area++) {
      if (this.load(L.HEADER_PATHS + area * 4) === owner + 1) add('path area');
    }
    return held;
  }

  /** Everything that somebody holds or waits for, a line each. */
  *describe(): Generator<string> {
    yield `life ${this.load(L.HEADER_LIFE)}, clock ${this.load(L.HEADER_CLOCK)} ms`;
    for (let owner = 0; owner < this.load(L.HEADER_ROWS); owner++) {
      const held = [...this.holds(owner)].map(([what, n]) => (n > 1 ? `${n} x ${what}` : what));
      if (!this.isFree(owner)) yield `row ${owner}: ${this.#owner(owner)}: ${held.join(', ') || 'nothing'}`;
    }
    for (let file = 0; file < this.load(L.HEADER_FILES); file++) {
      const word = (field: number) => this.file(file, field);
      if (word(L.FILE_REFS) < 0) continue;
      yield `file ${file}: refs ${word(L.FILE_REFS)}, resident ${word(L.FILE_RESIDENT)}, ` +
        `flush lock ${this.#holder(word(L.FILE_FLUSH_LOCK))}, leader ${this.#holder(word(L.FILE_ROUND_LEADER))}, ` +
        `rounds open ${word(L.FILE_ROUND_OPEN)} done ${word(L.FILE_ROUND_DONE)}, fail seq ${word(L.FILE_FAIL_SEQ)}, ` +
        `flushes begun ${word(L.FILE_BEGUN)} done ${word(L.FILE_FLUSHED)}, size seq ${word(L.FILE_SIZE_SEQ)}, ` +
        `clear seq ${word(L.FILE_CLEAR_SEQ)}, errno ${word(L.FILE_ERRNO)}`;
    }
    for (let area = 0; area < this.load(L.HEADER_STAGING_AREAS); area++) {
      yield `staging area ${area}: ${this.#holder(this.load(L.HEADER_STAGING + area * 4))}`;
    }
    let told = 0;
    for (let frame = 0; frame < this.load(L.HEADER_FRAMES); frame++) {
      const state = this.frame(frame, L.FRAME_STATE);
      const past = this.#isPastEnd(frame) ? ', past the end of its file' : '';
      if (((state & TOLD) === 0 && past === '') || told++ >= FRAMES_MAX) continue;
      const names = BITS.filter((name) => state & L[name]).join(' ');
      yield `frame ${frame}: page ${this.frame(frame, L.FRAME_INDEX) >>> 0} of file ${this.frame(frame, L.FRAME_FILE)}, ` +
        `${names}${past}, pins ${state >>> 20} read ${(state & L.WRITE_MASK) >>> 10} write, useq ${this.frame(frame, L.FRAME_USEQ)}` +
        (state & L.CLAIMED ? `, claimed by ${this.#holder(this.frame(frame, L.FRAME_CLAIMER))}` : '') +
        (state & L.WRITEBACK ? `, written by ${this.#holder(this.frame(frame, L.FRAME_WRITER))}` : '') +
        (state & L.UPDATING ? `, updated by ${this.#holder(this.frame(frame, L.FRAME_UPDATER) >>> 3)}` : '');
    }
    if (told > FRAMES_MAX) yield `… and ${told - FRAMES_MAX} frames more`;
  }

  #isPastEnd(frame: number): boolean {
    const file = this.frame(frame, L.FRAME_FILE);
    if (file < 0) return false;
    const size = (this.file(file, L.FILE_SIZE_LO) >>> 0) + this.file(file, L.FILE_SIZE_HI) * 2 ** 32;
    return (this.frame(frame, L.FRAME_INDEX) >>> 0) * PAGE >= size;
  }

  #holder(ownerAndOne: number): string {
    return ownerAndOne === 0 ? 'nobody' : `row ${ownerAndOne - 1}`;
  }

  #owner(owner: number): string {
    const tid = this.row(owner, L.ROW_TID);
    const there = fs.existsSync(`/proc/self/task/${tid}`) ? 'there' : 'gone';
    return (
      `${KIND[this.row(owner, L.ROW_KIND)]} ${this.row(owner, L.ROW_THREAD)} (OS thread ${tid}, ${there}), ` +
      STATUS[this.row(owner, L.ROW_STATUS) & L.STATUS_MASK]
    );
  }
}
