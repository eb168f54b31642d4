// A cache in one thread: the library's own files, protocols and kernel over model disks, a few threads that can die, and
// the oracle of each file. After each step everything is compared: what the cache holds, what the disks hold, what a power
// cut would leave, and the control words.
import type { CachedFile } from '../../../src/file.ts';
import type { FileId, FrameId, Kernel } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import { deadOwners } from '../../../src/liveness.ts';
import type { Page } from '../../../src/page.ts';
import { countsOf } from '../../../src/stats.ts';
import { Disk } from '../../kernel/disk.ts';
import { attachMortal, type Engine, Life, type Mortal } from '../../kernel/mortal.ts';
import { Memory } from '../../kernel/pool.ts';
import { violations } from '../../support/invariants.ts';
import { FileModel, type Range, ZEROS } from './oracle.ts';

export const THREADS = 3;
export const FILES = 3;
/** More than any thread's pins in a usual sequence, fewer than there are frames: one thread can meet either limit. */
export const MAX_PINS = 40;

export interface Config {
  readonly pinnedDirty: 'keep' | 'redirty';
  readonly pageSize: number;
}

/** What the invariants say of orphans that are pinned still. */
const OF_ORPHANS = / is in ORPHAN|orphans are counted|in the table 0 times|lookup says|is in frames/;

/** What the library did was not what the oracle allows. */
export class Wrong extends Error {}

/** A pin that is held. */
export interface Held {
  readonly thread: Thread;
  readonly file: number;
  readonly index: number;
  readonly mode: 'read' | 'write';
  readonly page: Page;
  /** Where something was stored under it. */
  readonly stored: Range[];
  /** Whether a truncate has cut its page off. */
  orphan: boolean;
}

/** An update in whose function we are. */
export interface Updating {
  readonly thread: Thread;
  readonly file: number;
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  orphan: boolean;
}

/** Whether a handle has yet to tell of an error from outside of its rounds. */
type Owes = 'no' | 'maybe' | 'yes';

export interface Thread {
  readonly name: string;
  mortal: Mortal;
  handles: CachedFile[];
  owes: Owes[];
  /** What its commits to come change in the files, the next one last. */
  effects: (() => void)[];
}

/** A step under way, and how many calls of the disks failed in it. */
interface Under {
  readonly kind: string;
  faults: number;
}

/** Tells of each call that it refuses. */
class FailingDisk extends Disk {
  onFault: (call: 'write' | 'flush' | 'resize') => void = () => {};

  #told(call: 'write' | 'flush' | 'resize', result: number): number {
    if (result < 0) this.onFault(call);
    return result;
  }

  override write(bytes: Uint8Array, position: number): number {
    return this.#told('write', super.write(bytes, position));
  }

  override flush(): () => number {
    const end = super.flush();
    return () => this.#told('flush', end());
  }

  override resize(size: number): number {
    return this.#told('resize', super.resize(size));
  }
}

export class Cache {
  readonly config: Config;
  readonly pageSize: number;
  readonly frames: number;
  /** Pages that a file may have at most. */
  readonly capacity: number;
  readonly files: FileModel[];
  disks: FailingDisk[] = [];
  threads: Thread[] = [];
  pins: Held[] = [];
  updating: Updating[] = [];
  readonly counts = new Map<string, number>();
  readonly #engine: Engine;
  readonly #memory: Memory;
  /** What the files hold when a sequence begins. */
  readonly #contents: readonly Uint8Array[];
  readonly #buffers: Uint8Array[];
  readonly #blank: Uint8Array[];
  readonly #under: Under[] = [];
  /** Last pages that something was stored in behind the file's end: nobody zeroes that before it is to be seen. */
  readonly #littered = new Set<string>();
  #watcher!: Mortal;
  #stamp = 0;

  constructor(engine: Engine, module: WebAssembly.Module, config: Config) {
    this.config = config;
    this.#engine = engine;
    const { pinnedDirty, pageSize } = config;
    // Who waits for pins gives up at once: in one thread nobody would drop them.
    const limits = { blockTimeoutMs: 0, maxThreads: 10, maxPinsPerThread: MAX_PINS, maxFiles: FILES };
    this.#memory = new Memory({ memory: 256 * 1024, pageSize, pinnedDirty, ...limits }, { module });
    this.pageSize = pageSize;
    this.frames = this.#memory.geometry.frames;
    this.capacity = this.frames + 20;
    this.files = Array.from({ length: FILES }, () => new FileModel(pageSize, this.capacity));
    this.#contents = [(this.frames + 5) * pageSize, 5 * pageSize + 1234, 0].map((size) =>
      Uint8Array.from({ length: size }, (_, at) => (at % 251) + Math.floor(at / pageSize) + 1),
    );
    const { control, data } = this.#memory.handle;
    this.#buffers = [control, ...data].map(({ buffer }) => new Uint8Array(buffer));
    this.#blank = this.#buffers.map((bytes) => bytes.slice());
  }

  get kernel(): Kernel {
    return this.#watcher.attachment.kernel;
  }

  count(what: string, n = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + n);
  }

  /** Bytes that no step before has written. */
  fresh(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let n = 0, value = ++this.#stamp * 41; n < length; n++) bytes[n] = (value++ % 255) + 1;
    return bytes;
  }

  // -- the life of the cache -----------------------------------------------------------------------------------------

  /** Another sequence: new files, one larger than the cache, one that ends within a page, an empty one. */
  begin(): void {
    this.#stamp = 0;
    this.disks = this.#contents.map((bytes) => {
      const disk = new FailingDisk(this.pageSize);
      disk.write(bytes, 0);
      disk.flush()();
      return disk;
    });
    this.boot();
  }

  /** The cache begins, over files as the disks have them. */
  boot(): void {
    for (const [n, bytes] of this.#buffers.entries()) bytes.set(this.#blank[n]!);
    this.pins = [];
    this.updating = [];
    this.#under.length = 0;
    this.#littered.clear();
    for (const [n, disk] of this.disks.entries()) {
      const model = this.files[n]!;
      model.adopt(disk);
      disk.onResize = (size) => this.#resized(n, size);
      disk.onFault = (call) => this.#failed(n, call);
      if (this.#memory.file(disk.length) !== n) throw new Error('files have other numbers');
    }
    this.#watcher = this.#attach(new Life(), []);
    for (let n = 0; n < FILES; n++) this.kernel.control.fileSetDescriptors(n as FileId, n, n, -1, -1);
    this.threads = Array.from({ length: THREADS }, (_, n) => this.#newThread(`t${n}`));
    // From here on each reference is a thread's.
    for (let n = 0; n < FILES; n++) {
      Atomics.sub(this.#memory.words, (this.kernel.fileAt(n as FileId) + L.FILE_REFS) >> 2, 1);
    }
  }

  #attach(life: Life, effects: (() => void)[]): Mortal {
    const { handle } = this.#memory;
    const disks = (fd: number) => this.disks[fd]!;
    return attachMortal(this.#engine, handle, disks, life, 'user', (name, result) => {
      if (name === 'updateCommit' && result === 1) effects.pop()?.();
    });
  }

  #newThread(name: string): Thread {
    const effects: (() => void)[] = [];
    const mortal = this.#attach(new Life(), effects);
    const handles = this.files.map((_, n) => mortal.open(n as FileId));
    return { name, mortal, handles, owes: this.files.map(() => 'no'), effects };
  }

  /** The power goes: what is stable is there, everything else is not. */
  cutPower(): void {
    this.judgePowerCut();
    for (const disk of this.disks) {
      disk.current.clear();
      for (const [index, page] of disk.stable) {
        const start = index * this.pageSize;
        if (start >= disk.stableLength) continue;
        const left = page.slice();
        if (start + this.pageSize > disk.stableLength) left.fill(0, disk.stableLength - start);
        disk.current.set(index, left);
      }
      disk.length = disk.stableLength;
      this.#settleDisk(disk);
    }
    this.boot();
  }

  /** All of what the disk has is stable. */
  #settleDisk(disk: FailingDisk): void {
    disk.failNextWrites = 0;
    disk.failNextFlushes = 0;
    disk.failNextResizes = 0;
    disk.flush()();
  }

  // -- what happens --------------------------------------------------------------------------------------------------

  /** A truncate has come through to the disk: that is when it happens, whoever began it. */
  #resized(file: number, size: number): void {
    this.files[file]!.resize(size);
    for (const held of [...this.pins, ...this.updating]) {
      if (held.file === file && held.index * this.pageSize >= size) held.orphan = true;
    }
    // Whatever stood behind the end is gone.
    for (const page of [...this.#littered]) if (page.startsWith(`${file}:`)) this.#littered.delete(page);
  }

  #failed(file: number, call: 'write' | 'flush' | 'resize'): void {
    this.count('refused by a disk');
    const under = this.#under.at(-1);
    if (under === undefined) return;
    under.faults++;
    if (under.kind === 'fsync' || call === 'resize') return;
    const dying = this.#under.some(({ kind }) => kind === 'die');
    for (const thread of this.threads)
      if (thread.owes[file] !== 'yes') thread.owes[file] = dying ? 'maybe' : 'yes';
  }

  /** Does a step; how many calls of the disks failed in it, those of steps within it left out. */
  under<T>(kind: string, does: (faults: () => number) => T): T {
    const under: Under = { kind, faults: 0 };
    this.#under.push(under);
    try {
      return does(() => under.faults);
    } finally {
      this.#under.pop();
    }
  }

  /** Something is stored in a page, at its very address. */
  stored(file: number, index: number, offset: number, bytes: Uint8Array): void {
    const model = this.files[file]!;
    const position = index * this.pageSize + offset;
    model.store(position, bytes);
    if (position + bytes.length > model.size) this.#littered.add(`${file}:${index}`);
  }

  /** Whether what stands behind the end in the file's last page may be anything. */
  isLittered(file: number, index: number): boolean {
    return this.#littered.has(`${file}:${index}`);
  }

  updatesOf(thread: Thread): Updating[] {
    return this.updating.filter((one) => one.thread === thread);
  }

  /** The update of the page that is under way. */
  updateOf(file: number, index: number): Updating | undefined {
    return this.updating.find((one) => !one.orphan && one.file === file && one.index === index);
  }

  /** Frames of the file that are dirty, and those of them that are write-pinned. */
  dirty(file: number): { dirty: number; pinned: number } {
    let [dirty, pinned] = [0, 0];
    for (let n = 0; n < this.frames; n++) {
      const frame = n as FrameId;
      const state = this.kernel.frameWord(frame, L.FRAME_STATE);
      if (this.kernel.frameWord(frame, L.FRAME_FILE) !== file || (state & (L.DIRTY | L.ORPHAN)) !== L.DIRTY)
        continue;
      dirty++;
      if (state & L.WRITE_MASK) pinned++;
    }
    return { dirty, pinned };
  }

  /** How many frames are free to be taken: neither pinned nor kept for before-images. */
  takable(): number {
    const kept = new Set<number>();
    for (const owner of this.kernel.owners()) {
      for (const { frame } of this.kernel.pinsOf(owner)) kept.add(frame);
      for (let level = 0; level < L.UPDATES; level++) {
        const undo = this.kernel.rowWord(owner, L.UPDATE_UNDO + level * L.UPDATE_BYTES) - 1;
        if (undo >= 0) kept.add(undo);
      }
    }
    return this.frames - kept.size;
  }

  // -- deaths --------------------------------------------------------------------------------------------------------

  /** The thread is dead, and recovered by others; the first of them dies after `steps`. Another takes its place. */
  bury(thread: Thread, steps: number): void {
    const { mortal } = thread;
    mortal.life.dead = true;
    const owner = mortal.attachment.kernel.owner;
    // An even useq is the commit, though the thread has died before it did what follows.
    for (let level = L.UPDATES - 1; level >= 0; level--) {
      const entry = L.UPDATE_STAGE + level * L.UPDATE_BYTES;
      if (this.kernel.rowWord(owner, entry) !== 2) continue;
      const frame = this.kernel.frameOfUpdate(level, owner);
      if ((this.kernel.frameWord(frame, L.FRAME_USEQ) & 1) === 0) thread.effects.pop()?.();
    }
    this.judgePowerCut(); // in the middle of what it did
    this.#declareDead(mortal);
    const first = this.#attach(new Life(steps), []);
    this.#recoverWith(first);
    if (first.life.dead) {
      this.count('deaths of who recovers');
      this.#declareDead(first);
      this.#recoverWith(this.#attach(new Life(), []));
    }
    this.pins = this.pins.filter((held) => held.thread !== thread);
    this.updating = this.updating.filter((one) => one.thread !== thread);
    Object.assign(thread, this.#newThread(thread.name));
    this.count('deaths');
  }

  #declareDead({ attachment }: Mortal): void {
    const { owner } = attachment.kernel;
    const status = this.kernel.rowWord(owner, L.ROW_STATUS);
    if ((status & L.STATUS_MASK) === L.ROW_LIVE) this.kernel.control.declareDead(owner, status);
  }

  #recoverWith(mortal: Mortal): void {
    const { attachment, control, life } = mortal;
    try {
      for (const { owner, status, recoverer } of deadOwners(attachment.kernel)) {
        if (control.recoverBegin(owner, status, recoverer) !== 1)
          throw new Wrong(`row ${owner} is not to be had`);
        if (!mortal.run(this.#engine.recover(attachment, owner)))
          throw new Wrong(`row ${owner} is not recovered`);
      }
      mortal.leave();
    } catch (error) {
      if (!life.dead) throw error;
    }
  }

  // -- what must hold ------------------------------------------------------------------------------------------------

  /** Throws what is not as it should be now. */
  judge(): void {
    const wrong = [...this.#differs(), ...this.#invariants()];
    if (wrong.length > 0) throw new Wrong(wrong.join('\n'));
    this.judgePowerCut();
  }

  judgePowerCut(): void {
    this.count('moments at which a power cut was judged');
    for (const [file, model] of this.files.entries()) {
      const [first] = model.lost(this.disks[file]!);
      if (first !== undefined) throw new Wrong(`f${file}, were the power cut now: ${first}`);
    }
  }

  /** After an fsync that succeeded: all is stable. */
  judgeSynced(file: number): void {
    const loose = new Map<number, Range[]>();
    for (const held of this.pins) {
      if (held.orphan || held.file !== file || held.stored.length === 0) continue;
      loose.set(held.index, [...(loose.get(held.index) ?? []), ...held.stored]);
    }
    const [first] = this.files[file]!.synced(this.disks[file]!, loose);
    if (first !== undefined) throw new Wrong(`f${file} after an fsync: ${first}`);
  }

  /** Where the cache, or the disk where the cache may forget, has something else than the oracle. */
  *#differs(): Generator<string> {
    for (const [file, model] of this.files.entries()) {
      const size = this.kernel.size(file as FileId);
      if (size !== model.size) yield `f${file} has ${size} bytes, not ${model.size}`;
      for (let index = 0; index < model.pages; index++) {
        const frame = this.kernel.control.lookup(file as FileId, index);
        const state = frame < 0 ? 0 : this.kernel.frameWord(frame as FrameId, L.FRAME_STATE);
        const page = model.page(index);
        if (frame >= 0 && !this.#holds(file, index, frame as FrameId, page))
          yield `page ${index} of f${file} is wrong in the cache`;
        if (state & (L.DIRTY | L.WRITE_MASK)) continue; // newer than the disk, or may be
        const there = (this.disks[file]!.current.get(index) ?? ZEROS).subarray(0, page.length);
        if (Buffer.compare(there, page) !== 0) {
          yield `page ${index} of f${file} is ${frame < 0 ? 'not in the cache' : 'clean'}, and wrong on the disk`;
        }
      }
    }
  }

  /** Whether the frame has the page: but for what an update is just changing. */
  #holds(file: number, index: number, frame: FrameId, page: Uint8Array): boolean {
    const bytes = this.#watcher.attachment.bytes.of(frame);
    const update = this.updateOf(file, index);
    const same = (from: number, to: number) =>
      to <= from || Buffer.compare(bytes.subarray(from, to), page.subarray(from, to)) === 0;
    if (!update) return same(0, page.length);
    return same(0, Math.min(page.length, update.offset)) && same(update.offset + update.length, page.length);
  }

  *#invariants(): Generator<string> {
    if (this.updating.length > 0) return; // they hold when nothing is under way
    const orphans = this.pins.some(({ orphan }) => orphan);
    for (const wrong of violations(this.kernel, this.pageSize, countsOf(this.kernel))) {
      if (!(orphans && OF_ORPHANS.test(wrong))) yield wrong;
    }
  }
}
