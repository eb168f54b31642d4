// One file, its pages in a pool, and a model of what it holds. A thread dies in the middle of what it does there; others
// recover it, and may die doing so; what is there then is compared with the model.
import type { OwnerKind } from '../../src/attachment.ts';
import type { CachedFile } from '../../src/file.ts';
import type { HarnessOptions } from '../../src/harness/options.ts';
import type { FileId, FrameId, Kernel, OwnerId, PinSlot } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { deadOwners } from '../../src/liveness.ts';
import type { Page } from '../../src/page.ts';
import { fsyncRound, type Outcome } from '../../src/protocol/fsync.ts';
import { countsOf } from '../../src/stats.ts';
import { violations } from '../support/invariants.ts';
import { Model } from '../support/model.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { attachMortal, type Engine, Life, type Mortal } from './mortal.ts';
import { Memory } from './pool.ts';

export const PAGE = 4096;
/** What a victim that takes a second row says its thread is. */
export const SECOND_ROW = 77;

export interface Scenario {
  readonly name: string;
  readonly options?: HarnessOptions;
  readonly size?: number;
  /** Each death takes long to tell: fewer are tried. */
  readonly slow?: boolean;
  /** What other threads do before. */
  prepare?(world: World, other: Mortal, file: CachedFile): void;
  /** What the victim is; a user's thread unless told otherwise. */
  readonly kind?: OwnerKind;
  /** What others do once the victim is recovered. */
  after?(world: World, other: Mortal): void;
  /** What the thread does that dies. It must come to its end if it does not. */
  victim(world: World, me: Mortal, file: CachedFile): void;
}

export interface Survival {
  /** After how many steps the first recoverer dies. */
  readonly steps?: number;
  /** Whether others call fsync when the victim is dead and not yet recovered. */
  readonly followed: boolean;
  /** States after a recoverer's death from which it was seen to go on well. */
  readonly known?: Set<number>;
}

interface Dead {
  readonly owner: OwnerId;
  readonly generation: number;
}

/** A sleeper on a frame that the victim holds. */
interface Sleeper {
  readonly frame: FrameId;
  readonly seq: number;
}

export class World {
  readonly memory: Memory;
  readonly disk = new Disk(PAGE);
  readonly model = new Model();
  readonly file: FileId;
  /** Pins of another thread that outlive the victim, dropped once that is recovered. */
  readonly kept: PinSlot[] = [];
  /** What others have under way, and go on with when somebody sleeps; what is done at once when it ends. */
  readonly others: { task: Task<unknown>; ended?: () => void }[] = [];
  /** Whether somebody has stored behind the file's end, which nobody clears before the file is extended. */
  littered = false;
  /** What the commits to come will have changed in the file. */
  #commits: (() => void)[] = [];
  readonly #scenario: Scenario;
  readonly #engine: Engine;
  readonly #restore: () => void;
  /** For looking at words. */
  readonly #kernel: Kernel;
  readonly #other: Mortal;
  #ticket = 0;
  /** What an fsync called when the victim is dead need not find: an update that had not returned, pages under its write pins. */
  #uncertain = new Set<number>();
  #prepared: { size: number; bytes: Uint8Array } = { size: 0, bytes: new Uint8Array(0) };
  #before = new Uint8Array(0);
  #sizeBefore = 0;

  constructor(scenario: Scenario, engine: Engine, module: WebAssembly.Module) {
    this.#scenario = scenario;
    this.#engine = engine;
    const options = { memory: 256 * 1024, maxThreads: 12, maxPinsPerThread: 8, maxFiles: 2 };
    this.memory = new Memory({ ...options, ...scenario.options }, { module });
    const size = scenario.size ?? 6 * PAGE + 100;
    this.file = this.memory.file(size);
    this.model.resize(size);
    for (let at = 0; at < size; at++) this.model.bytes[at] = (at % 251) + Math.floor(at / PAGE) + 1;
    this.disk.write(this.model.bytes.slice(0, size), 0);
    this.disk.flush()();
    const other = this.attach();
    this.#other = other;
    this.#kernel = other.attachment.kernel;
    const file = other.open(this.file);
    // From here on each reference is a thread's.
    Atomics.sub(this.memory.words, (this.#kernel.fileAt(this.file) + L.FILE_REFS) >> 2, 1);
    scenario.prepare?.(this, other, file);
    this.#restore = this.save();
  }

  attach(life = new Life(), kind: OwnerKind = 'user'): Mortal {
    return attachMortal(this.#engine, this.memory.handle, this.disk, life, kind, (name, result) => {
      if (name === 'updateCommit' && result === 1) this.#commits.shift()?.();
    });
  }

  /** What the next commits, whoever's, change in the file. */
  onCommits(...changes: (() => void)[]): void {
    this.#commits.push(...changes);
  }

  /** Something stores a byte under a write pin. */
  dma(page: Page, offset: number, value: number): void {
    page.bytes[offset] = value;
    const position = page.index * PAGE + offset;
    if (position < this.model.size) this.model.bytes[position] = value;
  }

  /** Remembers how everything is; the answer brings it back. */
  save(): () => void {
    const { handle } = this.memory;
    const buffers = [handle.control, ...handle.data].map(({ buffer }) => new Uint8Array(buffer));
    const copies = buffers.map((bytes) => bytes.slice());
    const disk = this.disk.save();
    const { size } = this.model;
    const bytes = this.model.bytes.slice();
    return () => {
      for (const [n, copy] of copies.entries()) buffers[n]!.set(copy);
      disk();
      this.model.bytes = bytes.slice();
      this.model.size = size;
    };
  }

  /** The victim's life of so many steps, from where everything was prepared. */
  live(steps?: number): Mortal {
    this.#restore();
    this.#prepared = { size: this.model.size, bytes: this.model.bytes.slice() };
    this.#commits = [];
    this.others.length = 0;
    this.#ticket = this.#kernel.fileWord(this.file, L.FILE_ROUND_OPEN);
    this.disk.onResize = (size) => this.model.resize(size);
    const victim = this.attach(new Life(steps), this.#scenario.kind);
    try {
      this.#scenario.victim(this, victim, victim.open(this.file));
      victim.leave();
    } catch (error) {
      if (!victim.life.dead) throw error; // what its code makes of its death has no effect
    }
    if (!victim.life.dead && this.#commits.length > 0)
      throw new Error('it has committed less than was expected');
    this.#before = this.model.bytes.slice();
    this.#sizeBefore = this.model.size;
    this.#settle(victim.attachment.kernel.owner);
    this.#commits = [];
    this.#uncertain.clear();
    for (const { frame, mode } of this.#kernel.pinsOf(victim.attachment.kernel.owner)) {
      if (mode === 'write') this.#uncertain.add(this.#kernel.frameWord(frame, L.FRAME_INDEX));
    }
    return victim;
  }

  /** An even useq is the commit, even if the thread dies before it has done what follows. */
  #settle(owner: OwnerId): void {
    for (let level = L.UPDATES - 1; level >= 0; level--) {
      const committed =
        this.#kernel.rowWord(owner, L.UPDATE_STAGE + level * L.UPDATE_BYTES) === 2 &&
        (this.#kernel.frameWord(this.#kernel.frameOfUpdate(level, owner), L.FRAME_USEQ) & 1) === 0;
      if (committed) this.#commits.shift()?.();
    }
  }

  /**
   * The thread is seen to be dead. Others sleep on what it held, and others call fsync; somebody takes over, and dies after
   * `steps`, then somebody else. Throws what is then not as it should be. How many steps the first has taken.
   */
  outlive(victim: Mortal, { steps, followed, known }: Survival): number {
    const owner = victim.attachment.kernel.owner;
    const rows = [...this.#ownersOf(owner)]; // before anybody else gets one that is free
    const sleepers = [...this.#sleepOn(owner)];
    const followers = followed ? this.#follow() : [];
    const dead = rows.map((row) => this.#declareDead(row));
    const first = this.attach(new Life(steps));
    this.#recoverAll(first);
    if (first.life.dead) {
      dead.push(this.#declareDead(first.attachment.kernel.owner));
      const print = this.fingerprint();
      if (known?.has(print)) return first.life.taken;
      known?.add(print);
      this.#recoverAll(this.attach());
    }
    this.#check(dead, sleepers, followers);
    return first.life.taken;
  }

  /** All rows of the victim: its own, one that it was just taking, one that it has taken besides. */
  *#ownersOf(victim: OwnerId): Generator<OwnerId> {
    if (this.#kernel.status(victim) !== L.ROW_FREE) yield victim;
    for (let row = 0; row < this.memory.geometry.rows; row++) {
      const second = this.#kernel.rowWord(row, L.ROW_THREAD) === SECOND_ROW;
      if (second || this.#kernel.status(row) === L.ROW_STARTING) yield row as OwnerId;
    }
  }

  #declareDead(owner: OwnerId): Dead {
    const thread = this.attach();
    const status = this.#kernel.rowWord(owner, L.ROW_STATUS);
    // One that has left counts as dead as soon as it is gone; one whose row is free does not count.
    if ([L.ROW_LIVE, L.ROW_STARTING].includes(status & L.STATUS_MASK))
      thread.control.declareDead(owner, status);
    thread.leave();
    return { owner, generation: status >>> 3 };
  }

  #recoverAll(mortal: Mortal): void {
    const { attachment, control } = mortal;
    try {
      for (const { owner, status, recoverer } of deadOwners(attachment.kernel)) {
        if (control.recoverBegin(owner, status, recoverer) !== 1)
          throw new Error(`owner ${owner} is not to be had`);
        mortal.run(this.#engine.recover(attachment, owner), () => this.goOn());
      }
      mortal.leave();
    } catch (error) {
      if (!mortal.life.dead) throw error;
    }
  }

  /** Lets each of the others do what it can: whether any could do something. */
  goOn(): boolean {
    let moved = false;
    for (const { task, ended } of this.others) {
      if (task.done || task.asleep) continue;
      task.step();
      if (task.done) ended?.();
      moved = true;
    }
    return moved;
  }

  *#sleepOn(owner: OwnerId): Generator<Sleeper> {
    const kernel = this.#kernel;
    const thread = this.attach();
    const held = new Map<FrameId, number>();
    const holds = (frame: number, bits: number) =>
      held.set(frame as FrameId, (held.get(frame as FrameId) ?? 0) | bits);
    const claim = kernel.rowWord(owner, L.ROW_CLAIM);
    if (claim !== 0) holds(claim - 1, L.CLAIMED);
    for (let slot = 0; slot < L.WRITEBACKS; slot++) {
      const writeback = kernel.rowWord(owner, L.ROW_WRITEBACKS + slot * 4);
      if (writeback !== 0) holds((writeback >>> 1) - 1, L.WRITEBACK);
    }
    for (let level = 0; level < L.UPDATES; level++) {
      if (kernel.rowWord(owner, L.UPDATE_STAGE + level * L.UPDATE_BYTES) === 0) continue;
      holds(kernel.frameOfUpdate(level, owner), L.UPDATING);
    }
    for (const { frame, mode } of kernel.pinsOf(owner)) if (mode === 'write') holds(frame, L.WRITE_MASK);
    for (const [frame, mask] of held) {
      if (thread.control.prepareWait(frame, mask) === 1)
        yield { frame, seq: thread.attachment.kernel.out(0) };
    }
    thread.leave();
  }

  /** An fsync called before the victim did anything, that joined the round of that time, and one called now. */
  #follow(): Follower[] {
    return [true, false].map((late) => {
      const thread = this.attach();
      const { attachment } = thread;
      const ticket = late ? undefined : this.#ticket;
      const protocol = fsyncRound(attachment, this.file, 'bounce', undefined, ticket);
      const task = new Task(attachment, this.disk, inPlace(protocol));
      const follower = { task, thread, late, wrong: [] as string[] };
      const ended = () => {
        if (task.value[0] === 0)
          follower.wrong.push(...(late ? this.#lostAfter('a late fsync', true) : this.#lostSince()));
        else if (late) follower.wrong.push(`an fsync fails with errno ${task.value[0]}`);
      };
      this.others.push({ task, ended });
      while (!task.done && !task.asleep) task.step();
      if (task.done) ended();
      return follower;
    });
  }

  #check(dead: readonly Dead[], sleepers: readonly Sleeper[], followers: readonly Follower[]): void {
    const kernel = this.#kernel;
    const wrong: string[] = [];
    for (const { frame, seq } of sleepers) {
      if (kernel.frameWord(frame, L.FRAME_WAKE) === seq)
        wrong.push(`nobody woke who sleeps on frame ${frame} (I8)`);
    }
    for (let n = 0; this.goOn(); n++) if (n > 10_000) throw new Error('the others come to no end');
    for (const follower of followers) {
      wrong.push(...follower.wrong);
      if (follower.task.done) follower.thread.leave();
      else wrong.push(`${follower.late ? 'a late' : 'an early'} fsync hangs (I8)`);
    }
    this.others.length = 0;
    this.#scenario.after?.(this, this.#other);
    for (const slot of this.kept) this.#other.control.unpin(slot, 1);
    for (const { owner, generation } of dead) {
      if (kernel.status(owner) !== L.ROW_FREE && kernel.rowWord(owner, L.ROW_STATUS) >>> 3 === generation) {
        wrong.push(`row ${owner} is not free (I11)`);
      }
    }
    const reader = this.attach();
    const recount = () => violations(reader.attachment.kernel, PAGE, countsOf(reader.attachment.kernel));
    wrong.push(...recount());
    // Nothing but more of the same comes of going on with a cache that is not in order.
    if (wrong.length === 0) {
      const file = reader.open(this.file);
      wrong.push(...this.#differs(file), ...this.#behindEnd(file));
      file.fsyncSync();
      wrong.push(...this.#lostAfter('an fsync'));
      // What is added to the file is zeros, whatever its last page held behind the end.
      const size = this.model.size + 2 * PAGE + 123;
      file.truncateSync(size);
      this.model.resize(size);
      wrong.push(...this.#differs(file));
      file.fsyncSync();
      wrong.push(...this.#lostAfter('an extension'), ...recount());
    }
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }

  /** Where what is read is not what the file should hold. */
  *#differs(file: CachedFile): Generator<string> {
    const { size, bytes } = this.model;
    if (file.size !== size) yield `the file has ${file.size} bytes, not ${size}`;
    // First what is in the cache: reading the file takes frames.
    for (let index = 0; index * PAGE < size; index++) {
      if (this.#kernel.control.lookup(this.file, index) < 0) continue;
      const end = Math.min(PAGE, size - index * PAGE);
      const same = file.viewSync(index, (page) =>
        Buffer.from(bytes.buffer, index * PAGE, end).equals(page.subarray(0, end)),
      );
      if (!same) yield `page ${index} is wrong in the cache`;
    }
    const read = new Uint8Array(size);
    file.readSync(read, 0);
    const at = read.findIndex((byte, n) => byte !== bytes[n]);
    if (at >= 0) yield `byte ${at % PAGE} of page ${Math.floor(at / PAGE)} is ${read[at]}, not ${bytes[at]}`;
  }

  /** Behind the file's end there is nothing: zeros in its last page, and no page. */
  *#behindEnd(file: CachedFile): Generator<string> {
    const { size } = this.model;
    const last = Math.floor(size / PAGE);
    const rest = size % PAGE;
    const zeros =
      rest === 0 ||
      this.littered ||
      file.viewSync(last, (bytes) => bytes.subarray(rest).every((n) => n === 0));
    if (!zeros) yield `page ${last} holds something behind the end`;
    const kernel = this.#kernel;
    for (let n = 0; n < this.memory.geometry.frames; n++) {
      const index = kernel.frameWord(n as FrameId, L.FRAME_INDEX) >>> 0;
      if (kernel.frameWord(n as FrameId, L.FRAME_FILE) !== this.file || index * PAGE < size) continue;
      yield `page ${index} is in the cache, past the end`;
    }
  }

  /** What a power cut would take now; `early`: if no more needs to be there than an fsync right after the death owes. */
  *#lostAfter(what: string, early = false): Generator<string> {
    const { size, bytes } = this.model;
    const { stableLength } = this.disk;
    if (stableLength !== size && !(early && stableLength === this.#sizeBefore)) {
      yield `${what}: ${stableLength} bytes are stable, not ${size}`;
    }
    for (let index = 0; index * PAGE < Math.min(size, stableLength); index++) {
      if (early && this.#uncertain.has(index)) continue;
      const page = this.disk.stable.get(index);
      const end = Math.min(size, stableLength, (index + 1) * PAGE);
      for (let at = index * PAGE; at < end; at++) {
        const byte = page?.[at - index * PAGE] ?? 0;
        if (byte === bytes[at] || (early && byte === this.#before[at])) continue;
        yield `${what}: byte ${at % PAGE} of page ${index} is ${byte} on stable storage, not ${bytes[at]}`;
        break;
      }
    }
  }

  /** What a power cut would take of what was there before the victim did anything. */
  *#lostSince(): Generator<string> {
    const { size, bytes } = this.#prepared;
    for (let index = 0; index * PAGE < size; index++) {
      const page = bytes.subarray(index * PAGE, Math.min(size, (index + 1) * PAGE));
      const now = this.model.bytes.subarray(index * PAGE, index * PAGE + page.length);
      if (this.#uncertain.has(index) || Buffer.compare(page, now) !== 0) continue; // changed since: an fsync may have that
      const stable = this.disk.stable.get(index) ?? new Uint8Array(PAGE);
      if (Buffer.compare(page, stable.subarray(0, page.length)) === 0) continue;
      yield `an fsync that joined an earlier round: page ${index} is not stable`;
    }
  }

  /** All that threads share, as a number: two states with the same lead to the same. What is a dead thread's own is left out. */
  fingerprint(): number {
    const { words } = this.memory;
    const { rows, rowBytes } = this.memory.geometry;
    let hash = 0;
    const mix = (from: Int32Array, start: number, end: number) => {
      for (let n = start; n < end; n++) {
        hash = Math.imul(hash ^ from[n]!, 0x9e3779b1);
        hash ^= hash >>> 15;
      }
    };
    const first = this.#kernel.rowAt(0) + L.ROW_BIAS;
    mix(words, L.HEADER_MAGIC >> 2, first >> 2);
    for (let row = 0; row < rows; row++) {
      const at = (first + row * rowBytes) >> 2;
      mix(words, at, at + ((L.ROW_OUT - L.ROW_BIAS) >> 2));
      mix(words, at + ((L.GAUGE_RESIDENT - L.ROW_BIAS) >> 2), at + (rowBytes >> 2));
    }
    for (const { buffer } of this.memory.handle.data) mix(new Int32Array(buffer), 0, buffer.byteLength >> 2);
    for (const part of this.disk.contents) {
      if (typeof part === 'number') mix(Int32Array.of(part), 0, 1);
      else mix(new Int32Array(part.buffer), 0, PAGE >> 2);
    }
    return hash;
  }
}

interface Follower {
  readonly task: Task<Outcome>;
  readonly thread: Mortal;
  readonly late: boolean;
  readonly wrong: string[];
}
