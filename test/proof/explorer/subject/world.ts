// One cache on the machine: its memory, its threads, one or two files on a disk, and notes of what was promised. Everything that
// decides anything later is in the machine's memory.
import { Attachment } from '../../../../src/attachment';
import { CachedFile } from '../../../../src/file';
import { type Geometry, initialize } from '../../../../src/kernel/geometry';
import { type Control, type FileId, type FrameId, Kernel, type OwnerId } from '../../../../src/kernel/kernel';
import * as L from '../../../../src/kernel/layout';
import { References } from '../../../../src/kernel/references';
import type { CheckedOptions } from '../../../../src/options';
import type { Pool } from '../../../../src/protocol/effects';
import { recover } from '../../../../src/protocol/recovery';
import { WordBytes } from './bytes';
import { Disk } from './disk';
import { StepDriver } from './driver';

/** Pages that a disk has, of so few bytes that each word counts. */
export const DISK_PAGES = 6;
export const PAGE = 16;
const PAGE_WORDS = PAGE / 4;
export const NOTES = 64;
/** The coarse clock does not move. */
const NOW = 1000;

export interface Places {
  readonly geometry: Geometry;
  readonly options: CheckedOptions;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Bytes at which pages begin; words at which the disk and the notes do. */
  readonly pagesAt: number;
  readonly diskAt: number;
  readonly notesAt: number;
}

export interface Actor {
  /** What it does: it comes to an end by itself. */
  run(world: World, me: Me): void;
  /** Others wait for it alone: it can't be one that dies. */
  readonly immortal?: boolean;
  readonly kind?: 'user' | 'flusher';
}

export interface Scenario {
  readonly name: string;
  /** What it is for, in a line. */
  readonly shows: string;
  readonly frames?: number;
  /** 'redirty', as shipped, unless told otherwise. */
  readonly pinned?: 'keep' | 'redirty';
  readonly stagingPages?: number;
  /** Bytes of the file. */
  readonly size?: number;
  /** How many recover the dead at the same time. */
  readonly undertakers?: number;
  /** Preemptions up to which all schedules are tried; 3 unless it does not fit. */
  readonly preemptions?: number;
  /** That takes minutes: after the deaths. */
  readonly long?: boolean;
  prepare?(world: World): void;
  readonly actors: Readonly<Record<string, Actor>>;
  /** When all have ended. Throws, or tells the machine, what does not hold. */
  check?(world: World): void;
  /** Recovery may have to leave a row for a later look: somebody takes one in the end. */
  readonly secondLook?: boolean;
  /** Pages are on probation, or main's, or ghosts, as in pools that are large enough: at most one is on probation. */
  readonly queues?: boolean;
  /** The file's contents are not compared in the end. */
  readonly leavesPins?: boolean;
}

/** A thread of the cache. */
export class Me {
  readonly attachment: Attachment;
  readonly kernel: Kernel;
  readonly control: Control;
  readonly #world: World;
  readonly #saved: unknown;

  constructor(world: World, kind: 'user' | 'flusher', thread: number) {
    const { places } = world;
    const { geometry, options, module, memory } = places;
    const kernel = new Kernel(module, memory);
    const user = kind === 'user';
    const [from, to] = user ? [geometry.serviceRows, geometry.rows] : [0, 2];
    if (!kernel.attach(from, to, user ? L.KIND_USER : L.KIND_FLUSHER, { tid: 0, start: 0n }, thread)) {
      throw new Error('no row is free');
    }
    const sync = new StepDriver(world.disk, kernel.owner);
    const bytes = new WordBytes(geometry, places.pagesAt);
    const fields = { geometry, options, kernel, bytes, sync, references: new References(kernel) };
    this.attachment = Object.assign(Object.create(Attachment.prototype), fields, { now: () => NOW });
    this.kernel = kernel;
    this.control = kernel.control;
    this.#world = world;
    this.attachment.references.retain(world.file);
    this.#saved = (kernel.control as unknown as Saves).save();
  }

  /** As it was when the world had been prepared. */
  restore(): void {
    const { control, attachment } = this;
    (control as unknown as Saves).restore(this.#saved);
    const references = new References(this.kernel);
    references.collected({ kind: L.OPEN_REQUEST }, [0, this.#world.file, 0, 0]);
    Object.assign(attachment, { references });
  }

  /** A handle of the file; its reference is the thread's. */
  open(): CachedFile {
    const context = {
      attachment: this.attachment,
      driver: undefined as never,
      rounds: new Map(),
    };
    const handle = { ...context, isClosed: () => false, onClose: () => {} };
    return new CachedFile(handle, this.#world.file, 'file', {
      mode: 'r+',
      create: false,
      direct: false,
      checksum: 'none',
      access: 'random', // what is asked for ahead would be asked of a thread that is not there
    });
  }

  run<T>(protocol: Parameters<typeof this.attachment.sync.run<T>>[0]): T {
    return this.attachment.sync.run(protocol);
  }

  get pool(): Pool {
    return this.attachment;
  }
}

interface Saves {
  save(): unknown;
  restore(saved: unknown): void;
}

export class World {
  readonly places: Places;
  readonly scenario: Scenario;
  readonly disk: Disk;
  readonly file = 0 as FileId;
  readonly threads = new Map<string, Me>();
  readonly undertakers: Me[] = [];
  /** For preparing, and for checks. */
  readonly other: Me;

  constructor(places: Places, scenario: Scenario) {
    this.places = places;
    this.scenario = scenario;
    initialize(machine.words, places.geometry, scenario.pinned === 'keep');
    if (scenario.queues) beLarge();
    machine.words[L.HEADER_LOOKED >> 2] = NOW;
    machine.words[L.HEADER_CLOCK >> 2] = NOW;
    this.disk = new Disk(places.diskAt, DISK_PAGES, PAGE);
    const size = scenario.size ?? 3 * PAGE;
    this.disk.put(size, (index, word) => initialWord(index, word));
    const first = new Kernel(places.module, places.memory);
    first.attach(places.geometry.serviceRows, places.geometry.rows, L.KIND_USER, { tid: 0, start: 0n }, 99);
    first.setSize(this.file, size);
    first.control.fileOpen(this.file, 0, 0, 1, 0, 0);
    Atomics.store(machine.words, (first.rowAt(first.owner) + L.ROW_OPENING) >> 2, 0);
    first.control.detach();
    let thread = 0;
    this.other = new Me(this, 'user', thread++);
    for (const [name, actor] of Object.entries(scenario.actors)) {
      this.threads.set(name, new Me(this, actor.kind ?? 'user', thread++));
    }
    for (let n = 0; n < UNDERTAKERS; n++) this.undertakers.push(new Me(this, 'user', thread++));
    // The reference that fileOpen has left is nobody's.
    Atomics.sub(machine.words, (first.fileAt(this.file) + L.FILE_REFS) >> 2, 1);
  }

  /** A note of what was promised or done, which others look at. */
  note(slot: number, value: number): void {
    Atomics.store(machine.words, this.places.notesAt + slot, value);
  }
  noted(slot: number): number {
    return Atomics.load(machine.words, this.places.notesAt + slot);
  }

  /** Recovers whoever is dead. */
  recoverDead(me: Me): void {
    const { kernel, control } = me;
    for (let row = 0; row < this.places.geometry.rows; row++) {
      const status = kernel.rowWord(row, L.ROW_STATUS);
      const what = status & L.STATUS_MASK;
      if (row === kernel.owner || what === L.ROW_FREE) continue;
      const isDead = this.noted(DEAD_NOTES + row) !== 0;
      if (!isDead) continue;
      machine.atomically(() => this.disk.forget(row));
      if (what === L.ROW_LIVE || what === L.ROW_STARTING) control.declareDead(row as OwnerId, status);
      const now = kernel.rowWord(row, L.ROW_STATUS);
      const recoverer = kernel.rowWord(row, L.ROW_RECOVERER);
      // As `deadOwners` does: a recoverer that lives is left alone.
      if (recoverer !== 0 && this.noted(DEAD_NOTES + (recoverer & 2047) - 1) === 0) continue;
      if (control.recoverBegin(row as OwnerId, now, recoverer) === 1)
        me.run(recover(me.pool, row as OwnerId));
    }
  }

  /** The frame of a page, or −1. */
  frameOf(index: number): FrameId {
    return this.other.control.lookup(this.file, index);
  }

  /** Whether somebody has died. */
  get bereaved(): boolean {
    for (let row = 0; row < this.places.geometry.rows; row++)
      if (this.noted(DEAD_NOTES + row) !== 0) return true;
    return false;
  }

  /** In the end: everything written, and on the disk what the pages hold. */
  settle(): void {
    const file = this.other.open();
    file.fsyncSync();
    const size = file.size;
    if (this.disk.length !== size)
      machine.violated(`the file has ${this.disk.length} bytes on the disk, not ${size}`);
    for (let index = 0; index * PAGE < size; index++) {
      const frame = this.frameOf(index);
      for (let word = 0; word < PAGE_WORDS && index * PAGE + word * 4 < size; word++) {
        const stable = this.disk.stable(index, word);
        const written = this.disk.written(index, word);
        if (stable !== written)
          machine.violated(`page ${index}, word ${word}: ${written} is written, ${stable} stable (I5)`);
        if (frame < 0) continue;
        const page = this.other.attachment.bytes.of(frame);
        const cached = Atomics.load(machine.words, (page.byteOffset + word * 4) >> 2);
        if (cached !== stable)
          machine.violated(`page ${index}, word ${word}: ${cached} in the cache, ${stable} on the disk (I4)`);
      }
    }
  }
}

/** Queues of a few entries: their regions have room for 16 words, whatever the pool. */
function beLarge(): void {
  const set = (header: number, value: number) => {
    machine.words[header >> 2] = value;
  };
  set(L.HEADER_PROBATION, 1);
  set(L.HEADER_PROBATION_MOST, 2);
  set(L.HEADER_TARGET, 16);
  set(L.HEADER_LATELY_MASK, 3);
  set(L.HEADER_WINDOW, 0);
  set(L.HEADER_ONCE, 1);
  set(L.HEADER_RING_MASK, 15);
  set(L.HEADER_ONCE_MASK, 15);
  set(L.HEADER_GHOST_AGE, 4);
}

/** So many may recover the dead, at the same time or one after the other. */
const UNDERTAKERS = 2;

/** Notes from here on: whether an owner is dead. */
const DEAD_NOTES = 40;

/** What the file holds at first. */
export function initialWord(index: number, word: number): number {
  return (index + 1) * 100 + word;
}
