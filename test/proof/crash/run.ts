// A file in a cache, threads that work on it in turns, a store that logs what reaches it, and the history of what the file
// should hold. What runs is the library: its files' promise methods over its own protocols and the kernel with assertions.
import { Attachment } from '../../../src/attachment.ts';
import type { PinfoldError } from '../../../src/errors.ts';
import { CachedFile } from '../../../src/file.ts';
import type { FileId, FrameId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import type { Page } from '../../../src/page.ts';
import type { Effect, Protocol } from '../../../src/protocol/effects.ts';
import { flush } from '../../../src/protocol/flush.ts';
import { fsyncRound } from '../../../src/protocol/fsync.ts';
import { dirtyPages, writeBack } from '../../../src/protocol/writeback.ts';
import { Memory } from '../../kernel/pool.ts';
import { Random } from '../../storm/random.ts';
import { Doing, History, WORD } from './history.ts';
import { Log } from './log.ts';
import { type Mistakes, plant } from './mistakes.ts';
import { SECTOR } from './platter.ts';
import { Scheduler } from './scheduler.ts';
import { LoggingStore } from './store.ts';

export const PAGE = 4096;
/** What a page with a checksum has for its users. */
export const PAYLOAD = PAGE - 8;

export interface Setup {
  readonly size: number;
  /** The most that the file may have, in pages. */
  readonly pages: number;
  readonly pinnedDirty: 'keep' | 'redirty';
  /** The file's pages have checksums. */
  readonly checksum?: boolean;
  /** The cache has just created the file. */
  readonly created?: boolean;
  /** The system's calls fail now and then. */
  readonly faults?: boolean;
  readonly seed: number;
}

export interface Workload {
  readonly name: string;
  readonly setup: Setup;
  /** Starts the threads. */
  begin(run: Run): void;
}

/** What is known of a run once it has ended. */
export interface Recording {
  readonly name: string;
  readonly setup: Setup;
  readonly log: Log;
  readonly history: History;
  /** The store's bytes before, and zeros up to the most it may have; how many of them are the file's. */
  readonly before: Uint8Array;
  readonly sizeBefore: number;
}

/** Stores words of 8 bytes that say who stored them, and where. */
function sign(bytes: Uint8Array, position: number, serial: number): Uint8Array {
  const words = new Uint32Array(bytes.length / 4);
  for (let n = 0; n < words.length; n += 2) {
    words[n] = position / WORD + n / 2 + 1;
    words[n + 1] = serial;
  }
  bytes.set(new Uint8Array(words.buffer));
  return bytes;
}

/** Serials from here on are of what must never be seen. */
const NEVER_SEEN = 0x80000000;
const THREADS = 12;
const REFUSED = new Error('an update that fails');

/** Memories are used again: each keeps a great range of addresses. */
const memories = new Map<string, { memory: Memory; fresh: Uint8Array }>();

function memoryFor(pinnedDirty: 'keep' | 'redirty'): Memory {
  let known = memories.get(pinnedDirty);
  if (!known) {
    const options = {
      memory: 256 * 1024,
      maxThreads: THREADS,
      maxPinsPerThread: 8,
      maxFiles: 2,
      pinnedDirty,
    };
    const memory = new Memory(options);
    known = { memory, fresh: new Uint8Array(memory.control.buffer).slice() };
    memories.set(pinnedDirty, known);
  }
  new Uint8Array(known.memory.control.buffer).set(known.fresh);
  for (const { buffer } of known.memory.handle.data) new Uint8Array(buffer).fill(0xee);
  return known.memory;
}

interface Pinned {
  readonly frame: FrameId;
  readonly index: number;
  readonly store: () => void;
}

export class Run {
  readonly setup: Setup;
  readonly log = new Log();
  readonly history: History;
  readonly store: LoggingStore;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly memory: Memory;
  readonly file: FileId;
  readonly mistakes: Mistakes;
  /** Live write pins. */
  readonly pins = new Set<Pinned>();
  /** Programs that others wait for. */
  working = 0;
  faults: boolean;
  readonly before: Uint8Array;
  readonly sizeBefore: number;
  /** Bytes a page, for its users. */
  readonly payload: number;
  #serial = 1;
  #threads = 0;
  #meddler: Thread | undefined;
  /** Flushes that were said to have ended and have not. */
  readonly #late: (() => number)[] = [];

  constructor(setup: Setup, mistakes: Mistakes) {
    this.setup = setup;
    this.mistakes = mistakes;
    const { size, pages, created, checksum } = setup;
    this.payload = checksum ? PAYLOAD : PAGE;
    this.faults = setup.faults === true;
    this.random = new Random(setup.seed * 2654435761 + 97);
    this.scheduler = new Scheduler(this.random);
    const bytes = sign(new Uint8Array(Math.ceil(size / WORD) * WORD), 0, 0x1000).subarray(0, size);
    this.memory = memoryFor(setup.pinnedDirty);
    this.before = new Uint8Array(pages * PAGE);
    if (checksum) sealInto(this.before, bytes, this.memory);
    else this.before.set(bytes);
    this.sizeBefore = checksum ? Math.ceil(size / PAYLOAD) * PAGE : size;
    this.history = new History(pages * this.payload, bytes, checksum ? PAYLOAD : SECTOR);
    this.store = new LoggingStore(this.log, this.before.slice(), this.sizeBefore, mistakes);
    this.file = this.memory.file(size, (created ? L.FLAG_CREATED : 0) | (checksum ? L.FLAG_CHECKSUM : 0));
  }

  /** What a change stores: bytes that are nobody else's. */
  signed(position: number, length: number): Uint8Array {
    return sign(new Uint8Array(length), position, 0x1000 + this.#serial++);
  }

  /** Bytes that must never be seen on the disk. */
  foreign(position: number, length: number): Uint8Array {
    return sign(new Uint8Array(length), position, NEVER_SEEN + this.#serial++);
  }

  /** A thread, and what it does. Those who only serve others end when `working` is 0. */
  thread(does: (me: Thread) => Promise<void>, serves = false): void {
    const me = new Thread(this, this.#threads++);
    if (!serves) this.working++;
    this.scheduler.program(async () => {
      try {
        await does(me);
      } finally {
        if (!serves) this.working--;
      }
    });
  }

  /** One that changes pages in the middle of others' copies. */
  meddle(): void {
    this.thread(async (me) => {
      // Who comes between another's steps can't clean for itself: it would wait for what that one holds.
      const { attachment } = me;
      Object.assign(attachment, { options: { ...attachment.options, dirtyRatio: 100 } });
      await me.update(0, 2560, 8); // it has a frame for its before-images from now on
      this.#meddler = me;
    });
  }

  /** What comes between the two halves of a copy of a page. */
  between(frame: FrameId): void {
    for (const pin of this.pins) if (pin.frame === frame && this.random.oneIn(2)) pin.store();
    if (this.random.oneIn(2)) this.#meddler?.meddle(frame);
  }

  perform(effect: Effect, me: Thread): number | (() => number) {
    const { store, random, faults } = this;
    switch (effect.kind) {
      case 'read':
        return store.read(0, effect.bytes, effect.position);
      case 'write':
        if (faults && random.oneIn(14)) store.failWrite = random.below(effect.bytes.length / SECTOR + 1);
        return this.#write(effect.bytes, effect.position);
      case 'flush': {
        if (faults && random.oneIn(6)) store.failFlush = true;
        const end = store.beginFlush();
        if (!this.mistakes.fsyncBeforeFlush) return end;
        this.#late.push(end);
        return 0;
      }
      case 'resize': {
        if (faults && random.oneIn(4)) store.failResize = true;
        const result = this.mistakes.resizeForgotten ? 0 : store.resize(0, effect.size);
        if (result === 0) this.history.cut(me.truncatesTo, this.log.now, me.truncating!);
        return result;
      }
      case 'syncDirectory':
        if (faults && random.oneIn(3)) store.failDirectory = true;
        return this.mistakes.directoryForgotten ? 0 : store.syncDirectory();
      default:
        throw new Error(`nobody performs '${effect.kind}'`);
    }
  }

  #write(bytes: Uint8Array, position: number): number {
    const { endNotMinded, writeErrorIgnored } = this.mistakes;
    const result = this.store.write(0, endNotMinded ? wholePages(bytes) : bytes, position);
    return writeErrorIgnored ? bytes.length : result;
  }

  /** Until all have ended, and then an fsync of a store that is well. Throws if something else is wrong than the disk. */
  async go(): Promise<void> {
    await this.scheduler.go();
    this.faults = false;
    for (const end of this.#late.splice(0)) end();
    this.thread(async (me) => {
      // One may tell of an earlier error.
      if (!(await me.fsync()) && !(await me.fsync()))
        throw new Error('fsync fails, though the store is well');
      me.compare();
    });
    await this.scheduler.go();
    for (const end of this.#late.splice(0)) end();
  }
}

/** Lays bytes out as a file with checksums has them in its store. */
function sealInto(store: Uint8Array, bytes: Uint8Array, memory: Memory): void {
  const thread = memory.thread();
  const page = thread.bytes.staging[0]!.subarray(0, PAGE);
  for (let index = 0; index * PAYLOAD < bytes.length; index++) {
    const used = bytes.subarray(index * PAYLOAD, (index + 1) * PAYLOAD);
    page.set(used);
    thread.bytes.seal(0, 0, index, used.length);
    store.set(page, index * PAGE);
  }
  thread.control.detach();
}

function wholePages(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, Math.ceil(bytes.length / PAGE) * PAGE);
}

/** What an update that commits is to change. */
interface Intent {
  /** Where what is not committed yet begins: a write is committed page by page. */
  position: number;
  bytes: Uint8Array;
}

export class Thread {
  readonly run: Run;
  readonly id: FileId;
  readonly number: number;
  readonly attachment: Attachment;
  readonly file: CachedFile;
  /** The truncate that it does. */
  truncating: Doing | undefined;
  truncatesTo = 0;
  #intent: Intent | undefined;

  constructor(run: Run, number: number) {
    this.run = run;
    this.id = run.file;
    this.number = number;
    this.attachment = new Attachment(run.memory.handle, run.store, 'user');
    this.attachment.look = () => {
      throw new Error('a thread sleeps that has no turn to wait for');
    };
    const { kernel } = this.attachment;
    Object.assign(kernel, { control: { ...kernel.control } });
    this.#watchCopies();
    plant(run.mistakes, this);
    this.#watchCommits();
    this.attachment.references.retain(this.id);
    const driver = { run: (protocol: Protocol<unknown>) => this.does(protocol) };
    const context = {
      attachment: this.attachment,
      driver: driver as never,
      rounds: new Map(),
    };
    const handles = { ...context, isClosed: () => false, onClose: () => {} };
    this.file = new CachedFile(handles, this.id, 'file', {
      mode: 'r+',
      create: false,
      direct: false,
      checksum: run.setup.checksum ? 'crc32c' : 'none',
      access: 'random',
    });
  }

  does<T>(protocol: Protocol<T>): Promise<T> {
    const { run } = this;
    return run.scheduler.run(this.attachment.kernel, (effect) => run.perform(effect, this), protocol);
  }

  /** Copies of pages take time, and something may come in the middle. */
  #watchCopies(): void {
    const { bytes } = this.attachment;
    const stage = bytes.stage.bind(bytes);
    bytes.stage = (frame, area, slot, offset, length) => {
      if (length !== PAGE || this.run.random.oneIn(3)) {
        stage(frame, area, slot, offset, length);
        return;
      }
      const half = WORD * (1 + this.run.random.below(PAGE / WORD - 1));
      stage(frame, area, slot, 0, half);
      this.run.between(frame);
      stage(frame, area, slot, half, length - half);
    };
  }

  /** The history hears of each commit when it happens. */
  #watchCommits(): void {
    const { kernel } = this.attachment;
    const { control } = kernel;
    const { updatePublish, updateCommit } = control;
    let published = { position: 0, length: 0, size: 0 };
    const frame = () => kernel.frameOfUpdate(control.updateDepth() - 1);
    control.updatePublish = (range, lo, hi) => {
      const position = (kernel.frameWord(frame(), L.FRAME_INDEX) >>> 0) * this.run.payload + (range >>> 16);
      published = { position, length: (range & 0xffff) + 1, size: (lo >>> 0) + hi * 2 ** 32 };
      return updatePublish(range, lo, hi);
    };
    control.updateCommit = () => {
      const cutOff = (kernel.frameWord(frame(), L.FRAME_STATE) & L.ORPHAN) !== 0;
      const status = updateCommit();
      if (status === 1 && !cutOff) this.#committed(published);
      return status;
    };
  }

  #committed({ position, length, size }: { position: number; length: number; size: number }): void {
    const { history, log } = this.run;
    const intent = this.#intent;
    const moment = log.event(`thread ${this.number} commits ${length} bytes at ${position}, size ${size}`);
    history.extend(size, moment);
    // What begins elsewhere zeroes a gap before a write, or what is behind a cut.
    if (intent === undefined || position !== intent.position) return;
    history.store(position, intent.bytes.subarray(0, length), moment);
    intent.position += length;
    intent.bytes = intent.bytes.subarray(length);
  }

  async pause(turns = 1): Promise<void> {
    await this.does(pauses(turns));
  }

  /** An update; `turns`: of others in the middle of it; `fails`: it is undone. */
  async update(index: number, offset: number, length: number, turns = 0, fails = false): Promise<void> {
    const position = index * this.run.payload + offset;
    const bytes = fails ? this.run.foreign(position, length) : this.run.signed(position, length);
    this.#intent = fails ? undefined : { position, bytes };
    const change = (part: Uint8Array) => {
      part.set(this.run.foreign(position, length & ~(WORD - 1)).subarray(0, length));
      for (let n = 0; n < turns; n++) this.run.scheduler.turn();
      part.set(bytes);
      if (fails) throw REFUSED;
    };
    await this.#allowed(this.file.update(index, change, undefined, { offset, length }));
    this.#intent = undefined;
  }

  /** In the middle of another's copy: an update of a page that is there, if nothing keeps it from that. */
  meddle(frame: FrameId): void {
    const { kernel } = this.attachment;
    if (kernel.frameWord(frame, L.FRAME_STATE) & (L.UPDATING | L.HOLD | L.ORPHAN | L.CLAIMED)) return;
    const index = kernel.frameWord(frame, L.FRAME_INDEX) >>> 0;
    const position = index * this.run.payload + 2560;
    if (position + 512 > kernel.size(this.id)) return;
    const bytes = this.run.signed(position, 512);
    this.#intent = { position, bytes };
    this.file.updateSync(index, (part) => part.set(bytes), undefined, { offset: 2560, length: 512 });
    this.#intent = undefined;
  }

  async write(position: number, length: number): Promise<void> {
    const bytes = this.run.signed(position, length);
    this.#intent = { position, bytes };
    await this.#allowed(this.file.write(bytes, position));
    this.#intent = undefined;
  }

  async truncate(size: number): Promise<void> {
    const { log } = this.run;
    log.event(`thread ${this.number} truncates to ${size}`);
    this.run.history.mayEnd(size);
    this.truncating = new Doing();
    this.truncatesTo = size;
    await this.#allowed(this.file.truncate(size));
    this.truncating.end(log.event(`thread ${this.number}: the truncate to ${size} has returned`));
    this.truncating = undefined;
  }

  /** Pins a page for writing; `body` may store, from offset `zone` on. */
  async pinned(
    index: number,
    zone: number,
    body: (store: (litters?: boolean) => void) => Promise<void>,
  ): Promise<void> {
    const { run } = this;
    const page = await this.#allowed(this.file.pin(index, 'write'));
    if (page === undefined) return;
    const doing = new Doing();
    const pinned = {
      index,
      frame: this.attachment.kernel.control.lookup(this.id, index),
      store: (litters = false) => this.#dma(page, zone, doing, litters),
    };
    run.log.event(`thread ${this.number} pins page ${index}`);
    run.pins.add(pinned);
    await body((litters) => pinned.store(litters));
    run.pins.delete(pinned);
    page.unpin();
    doing.end(run.log.event(`thread ${this.number} drops its pin on page ${index}`));
  }

  /** Something stores under a write pin; `litters`: behind the file's end. */
  #dma(page: Page, zone: number, doing: Doing, litters: boolean): void {
    const { run } = this;
    const { kernel } = this.attachment;
    const offset = zone + WORD * run.random.below(32);
    const length = WORD * (1 + run.random.below(32));
    const position = page.index * run.payload + offset;
    const frame = kernel.control.lookup(this.id, page.index);
    const isTheFiles = frame >= 0 && page.bytes.byteOffset === this.attachment.bytes.of(frame).byteOffset;
    if (litters || !isTheFiles || position + length > run.history.size) {
      if (isTheFiles && position < run.history.size) return;
      page.bytes.set(run.foreign(position, length), offset);
      return;
    }
    const bytes = run.signed(position, length);
    page.bytes.set(bytes, offset);
    const moment = run.log.event(`under thread ${this.number}'s pin: ${length} bytes at ${position}`);
    run.history.store(position, bytes, moment, doing);
  }

  /** Whether it said yes. */
  async fsync(): Promise<boolean> {
    const { log, mistakes } = this.run;
    const called = log.event(`thread ${this.number} calls fsync`);
    const skipping = mistakes.fsyncSkipsPinned;
    const report = skipping
      ? await this.does(fsyncRound(this.attachment, this.id, 'skip')).then(
          ([errno]) => errno === 0 || undefined,
        )
      : await this.#allowed(this.file.fsync());
    if (report === undefined) log.event(`thread ${this.number}: fsync, called at ${called}, fails`);
    else log.add({ kind: 'synced', called });
    return report !== undefined;
  }

  /** What a flusher does in one visit. */
  async clean(flushes: boolean): Promise<void> {
    const { attachment, id } = this;
    const { errno } = await this.does(writeBack(attachment, id, dirtyPages(attachment, id), 'skip', 1));
    const failed = errno === 0 && flushes ? await this.does(flush(attachment, id)) : errno;
    if (failed !== 0) attachment.kernel.control.noteError(id, failed, 0);
  }

  /** Whether the cache holds what the file should. */
  compare(): void {
    const { size, bytes } = this.run.history;
    if (this.file.size !== size) throw new Error(`the cache says ${this.file.size} bytes, not ${size}`);
    const read = new Uint8Array(size);
    this.file.readSync(read, 0);
    const at = read.findIndex((byte, n) => byte !== bytes[n]);
    if (at >= 0) throw new Error(`byte ${at} of the file is ${read[at]} in the cache, not ${bytes[at]}`);
  }

  /** What may fail, over a store that fails, and beside truncates. */
  async #allowed<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      const { code } = error as PinfoldError;
      if (error === REFUSED || code === 'ERR_PINFOLD_IO' || code === 'ERR_PINFOLD_RANGE') return undefined;
      throw error;
    }
  }
}

/** Somewhere for others to have their turns. */
function* pauses(turns: number): Protocol<void> {
  for (let n = 0; n < turns; n++) yield { kind: 'wait', at: 0, seq: -1, timeoutMs: 0 };
}

/** A run that did not come to its end, or to another than the file should have. */
export class RunError extends Error {
  readonly log: Log;

  constructor(message: string, log: Log, cause: unknown) {
    super(message, { cause });
    this.log = log;
  }
}

export async function record(workload: Workload, mistakes: Mistakes = {}): Promise<Recording> {
  const run = new Run(workload.setup, mistakes);
  try {
    workload.begin(run);
    await run.go();
  } catch (error) {
    throw new RunError((error as Error).message, run.log, error);
  }
  const { log, history, before, sizeBefore } = run;
  return { name: workload.name, setup: workload.setup, log, history, before, sizeBefore };
}
