import { copyOut } from './copyOut';
import type { Geometry } from './geometry';
import * as L from './layout';

declare const brand: unique symbol;
/** A slot of memory that holds a page: 0 … frames − 1. */
export type FrameId = number & { readonly [brand]: 'frame' };
/** A file row of the cache. */
export type FileId = number & { readonly [brand]: 'file' };
/** A row: an attached thread or a service thread. */
export type OwnerId = number & { readonly [brand]: 'owner' };
/** A pin slot of this thread's row. */
export type PinSlot = number & { readonly [brand]: 'pin' };

/** The control module's exports. Negative results are the statuses of layout.ts. */
export interface Control {
  attach(
    from: number,
    to: number,
    kind: number,
    tid: number,
    startLo: number,
    startHi: number,
    thread: number,
  ): OwnerId;
  detach(): void;
  leave(): void;
  beCreator(): void;
  anyEnding(): number;
  lookTry(gap: number, now: number): number;
  startAgain(owner: OwnerId, now: number): void;
  startTry(owner: OwnerId, gap: number, now: number): number;
  declareDead(owner: OwnerId, status: number): number;
  recoverBegin(owner: OwnerId, status: number, recoverer: number): number;
  recoverPause(owner: OwnerId): void;
  recoverEnd(owner: OwnerId): void;
  recoverUndone(owner: OwnerId, level: number): void;
  recoverPublish(owner: OwnerId, level: number, range: number): void;
  recoverCommit(owner: OwnerId, level: number): void;
  recoverUpdate(owner: OwnerId, level: number): void;
  recoverClaim(owner: OwnerId): void;
  recoverWritebacks(owner: OwnerId): void;
  recoverRound(owner: OwnerId): void;
  recoverPins(owner: OwnerId): void;
  recoverRequests(owner: OwnerId): number;
  pin(file: FileId, index: number): PinSlot;
  makeWritePin(slot: PinSlot): number;
  unpin(slot: PinSlot, dirty: number): number;
  updateDepth(): number;
  updates(frame: FrameId): number;
  undoFrame(level: number): FrameId;
  keepUndoFrame(level: number): void;
  dropUndoFrames(owner: OwnerId): void;
  updateOpen(file: FileId, index: number): FrameId;
  updateBegin(slot: PinSlot): number;
  updatePublish(range: number, sizeLo: number, sizeHi: number): number;
  updateCommit(): number;
  updateAbort(): void;
  hold(frame: FrameId): void;
  unhold(frame: FrameId): void;
  viewOpen(file: FileId, index: number): FrameId;
  viewClose(): number;
  lookup(file: FileId, index: number): FrameId;
  prepareWait(frame: FrameId, mask: number): number;
  reclaim(enough: number, file: FileId | -1, index: number): FrameId;
  evict(frame: FrameId): number;
  /** `once`: 1 if nobody will need the page again after its first use, else 0. */
  install(file: FileId, index: number, once: number): number;
  fillDone(): void;
  abandonClaim(): void;
  countUnstable(): number;
  cleanable(): number;
  nextDirtyGroup(file: FileId, from: number): number;
  dirtyFrames(file: FileId, group: number): number;
  startWriteback(frame: FrameId, file: FileId, slot: number, skipPinned: number): number;
  endWriteback(slot: number, failSeq: number): void;
  failWriteback(slot: number): void;
  giveBack(slot: number): void;
  writebackOf(owner: number, file: FileId, from: number): FrameId;
  flushTry(file: FileId): number;
  flushBegin(file: FileId): number;
  flushDone(file: FileId, number: number, writes: number): void;
  flushRelease(file: FileId, owner: OwnerId): void;
  needsFlush(file: FileId): number;
  flushFailing(file: FileId, errno: number): void;
  redirtyUnstable(file: FileId, from: number): number;
  flushFailed(file: FileId, owner: OwnerId): void;
  roundLead(file: FileId): number;
  roundClose(file: FileId): number;
  roundEnd(
    file: FileId,
    ticket: number,
    errno: number,
    pages: number,
    bounced: number,
    flushes: number,
  ): void;
  roundYield(file: FileId): void;
  roundOutcome(file: FileId, ticket: number): number;
  noteError(file: FileId, errno: number, retryAt: number): void;
  post(serviceClass: number, kind: number, file: number, a: number, b: number): number;
  ring(serviceClass: number): void;
  take(serviceClass: number, from: number): number;
  answer(owner: number, slot: number, result: number, b: number, c: number, d: number): void;
  collect(slot: number): number;
  withdraw(slot: number, serviceClass: number): number;
  claimStaging(from: number): number;
  releaseStaging(area: number): void;
  claimPath(): number;
  releasePath(area: number): void;
  askFlush(file: FileId): void;
  takeFlushAsked(): FileId;
  tick(now: number): void;
  bump(counter: number): void;
  countMiss(): void;
  setLife(life: number): void;
  fileRetain(file: FileId): number;
  fileRetainForRequest(file: FileId): number;
  fileRelease(file: FileId, owner: OwnerId): number;
  fileOpen(file: FileId, devLo: number, devHi: number, inoLo: number, inoHi: number, flags: number): void;
  fileSetDescriptors(
    file: FileId,
    read: number,
    write: number,
    directRead: number,
    directWrite: number,
  ): void;
  fileRetire(file: FileId): number;
  fileClearFlag(file: FileId, flag: number): void;
  fileSetSize(file: FileId, lo: number, hi: number): void;
  fileSize(file: FileId): void;
  fileResized(file: FileId): void;
  nextBusyFile(from: number, to: number, flushes: number): FileId;
  cutTry(file: FileId): number;
  cutPublish(file: FileId, lo: number, hi: number, tail: number): void;
  cutTakeBack(file: FileId): void;
  cutEnd(file: FileId, owner: OwnerId): void;
  cutOff(file: FileId, index: number): FrameId;
  freeOrphans(): void;
  nextPageBeyond(owner: OwnerId, from: FrameId, shift: number): FrameId;
  nextPageFrom(file: FileId, first: number, from: FrameId): FrameId;
}

/** One thread's instance of the control module, and read access to the words for what people and drivers look at. */
export class Kernel {
  readonly control: Control;
  readonly words: Int32Array;
  readonly #files: number;
  readonly #frames: number;
  readonly #rows: number;
  readonly #rowBytes: number;
  #out = 0;
  owner = -1 as OwnerId;
  /** The file that this thread has last cleaned for a writer to another one: where it looks first the next time. */
  cleanedLast = 0 as FileId;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.control = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Control;
    this.words = new Int32Array(memory.buffer);
    this.#files = this.words[L.HEADER_AT_FILES >> 2]! - L.FILE_BIAS;
    this.#frames = this.words[L.HEADER_AT_FRAMES >> 2]!;
    this.#rows = this.words[L.HEADER_AT_ROWS >> 2]! - L.ROW_BIAS;
    this.#rowBytes = this.words[L.HEADER_ROW_BYTES >> 2]!;
  }

  /** Takes a row for this thread between two row numbers: false if none is free. */
  attach(
    from: number,
    to: number,
    kind: number,
    identity: { tid: number; start: bigint },
    thread: number,
  ): boolean {
    const lo = Number(BigInt.asIntN(32, identity.start));
    const hi = Number(BigInt.asIntN(32, identity.start >> 32n));
    this.owner = this.control.attach(from, to, kind, identity.tid, lo, hi, thread);
    if (this.owner < 0) return false;
    this.#out = (this.rowAt(this.owner) + L.ROW_OUT) >> 2;
    return true;
  }

  /** A further result of the last call of this thread's instance. Private to the thread: a plain load. */
  out(word: number): number {
    return this.words[this.#out + word]!;
  }

  load(byte: number): number {
    return Atomics.load(this.words, byte >> 2);
  }

  fileAt(file: FileId): number {
    return this.#files + file * L.FILE_BYTES;
  }
  frameAt(frame: FrameId): number {
    return this.#frames + frame * L.FRAME_BYTES;
  }
  rowAt(owner: number): number {
    return this.#rows + owner * this.#rowBytes;
  }
  fileWord(file: FileId, field: number): number {
    return this.load(this.fileAt(file) + field);
  }
  frameWord(frame: FrameId, field: number): number {
    return this.load(this.frameAt(frame) + field);
  }
  rowWord(owner: number, field: number): number {
    return this.load(this.rowAt(owner) + field);
  }

  /** The frame that a pin slot of this thread holds. */
  frameOfPin(slot: PinSlot): FrameId {
    return (this.words[(this.rowAt(this.owner) + L.ROW_PINS + slot * 4) >> 2]! >>> 2) as FrameId;
  }

  /** The frame under an owner's open update of a level. */
  frameOfUpdate(level: number, owner: OwnerId = this.owner): FrameId {
    const row = this.rowAt(owner);
    const slot = this.load(row + L.UPDATE_SLOT + level * L.UPDATE_BYTES) - 1;
    return (this.load(row + L.ROW_PINS + slot * 4) >>> 2) as FrameId;
  }

  /** The file's size in bytes, of one moment. */
  size(file: FileId): number {
    this.control.fileSize(file);
    return (this.out(0) >>> 0) + this.out(1) * 2 ** 32;
  }

  /** Sets the size of a file that nobody has open yet. */
  setSize(file: FileId, bytes: number): void {
    this.control.fileSetSize(file, bytes | 0, Math.floor(bytes / 2 ** 32));
  }

  /** Drops every read pin of this thread. */
  dropReadPins(): void {
    const at = this.rowAt(this.owner) + L.ROW_PINS;
    const maxPins = this.load(L.HEADER_MAX_PINS);
    for (let slot = 0; slot < maxPins; slot++) {
      const held = this.load(at + slot * 4);
      if (held > 0 && held & L.PIN_READ) this.control.unpin(slot as PinSlot, 0);
    }
  }

  /** Whether this thread holds a pin. */
  get holdsPins(): boolean {
    for (const _ of this.pinsOf(this.owner)) return true;
    return false;
  }

  /** Every attached owner, service threads and those that are dead and not yet recovered included. */
  *owners(): Iterable<OwnerId> {
    const rows = this.load(L.HEADER_ROWS);
    for (let owner = 0; owner < rows; owner++) {
      const status = this.status(owner);
      if (status !== L.ROW_FREE && status !== L.ROW_STARTING) yield owner as OwnerId;
    }
  }

  /** What the owner's row is: one of the ROW_ statuses. */
  status(owner: number): number {
    return this.rowWord(owner, L.ROW_STATUS) & L.STATUS_MASK;
  }

  /** The files to which an owner has a reference. */
  *filesOf(owner: number): Iterable<FileId> {
    const at = this.rowAt(owner) + L.ROW_PINS + this.load(L.HEADER_MAX_PINS) * 4;
    const files = this.load(L.HEADER_FILES);
    for (let file = 0; file < files; file += 32) {
      for (let bits = this.load(at + (file >>> 5) * 4); bits !== 0; bits &= bits - 1) {
        yield (file + 31 - Math.clz32(bits & -bits)) as FileId;
      }
    }
  }

  /** The pins in an owner's row: a look at a moment, while the owner goes on. */
  *pinsOf(owner: OwnerId): Iterable<{ frame: FrameId; mode: 'read' | 'write'; slot: PinSlot }> {
    const at = this.rowAt(owner) + L.ROW_PINS;
    const maxPins = this.load(L.HEADER_MAX_PINS);
    for (let slot = 0; slot < maxPins; slot++) {
      const held = this.load(at + slot * 4);
      if (held <= 0) continue;
      const mode = held & L.PIN_WRITE ? 'write' : 'read';
      yield { frame: (held >>> 2) as FrameId, mode, slot: slot as PinSlot };
    }
  }
}

const ownerKinds = ['thread', 'flusher', 'file worker'];

/** An owner as people know it: 'thread 3 (OS thread 4711)'; 'dying' if it has said that it ends, or is known to be dead. */
export function describeOwner(kernel: Kernel, owner: number): string {
  const kind = ownerKinds[kernel.rowWord(owner, L.ROW_KIND)] ?? 'owner';
  const tid = kernel.rowWord(owner, L.ROW_TID);
  const dying = kernel.status(owner) === L.ROW_LIVE ? '' : ', dying';
  return `${kind} ${kernel.rowWord(owner, L.ROW_THREAD)}${tid > 0 ? ` (OS thread ${tid}${dying})` : dying}`;
}

/** Which file it is, whatever its path. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** The low and the high word of a 64-bit number, as the control memory has them. */
export const low = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const high = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));

/** Whether a file row is of that file. */
export function isIdentityOf(kernel: Kernel, file: FileId, { dev, ino }: FileIdentity): boolean {
  return (
    kernel.fileWord(file, L.FILE_INO_LO) === low(ino) &&
    kernel.fileWord(file, L.FILE_DEV_LO) === low(dev) &&
    kernel.fileWord(file, L.FILE_INO_HI) === high(ino) &&
    kernel.fileWord(file, L.FILE_DEV_HI) === high(dev)
  );
}

/** Who updates the frame's page, if somebody does: a moment's view. */
export function updaterOf(kernel: Kernel, frame: FrameId): OwnerId | undefined {
  if ((kernel.frameWord(frame, L.FRAME_STATE) & L.UPDATING) === 0) return undefined;
  return ((kernel.frameWord(frame, L.FRAME_UPDATER) >>> 3) - 1) as OwnerId;
}

/** The bytes module's exports, one instance a data memory. */
interface BytesModule {
  copy(to: number, from: number, length: number): void;
  zero(at: number, length: number): void;
  seal(page: number, pageSize: number, index: number, used: number): void;
  check(page: number, pageSize: number, index: number): number;
}

/** The page bytes: data memories, and views that are built when a frame is first touched by this thread. */
export class PageBytes {
  readonly #geometry: Geometry;
  readonly #memories: readonly WebAssembly.Memory[];
  readonly #modules: readonly BytesModule[];
  /** The same by the memory that they copy in. */
  readonly #moduleOf: ReadonlyMap<ArrayBufferLike, BytesModule>;
  /** One view a frame, where this thread has touched it; a view costs about 110 bytes of heap. For hot paths; see `of`. */
  readonly views: (Uint8Array | undefined)[];
  /** The same of frames that hold pages with a checksum, without the trailer; see `payload`. Sized by the first `payloads`. */
  #payloads: (Uint8Array | undefined)[] | undefined;
  readonly staging: readonly Uint8Array[];
  /**
   * The part of a frame's page that was asked for last, and which it is (offset × 65,536 + length − 1): updates of one frame
   * tend to change the same bytes, and a view costs 30 ns. Sized at the first part.
   */
  #parts: (Uint8Array | undefined)[] = [];
  #partRanges = new Int32Array(0);
  readonly #pageSize: number;
  readonly #framesPerMemory: number;
  readonly #first: BytesModule;

  constructor(geometry: Geometry, module: WebAssembly.Module, memories: readonly WebAssembly.Memory[]) {
    this.#geometry = geometry;
    this.#memories = memories;
    this.views = new Array(geometry.frames); // sized at once: an array that grows by random indexes turns slow
    this.#modules = memories.map(
      (memory) => new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as BytesModule,
    );
    this.#moduleOf = new Map(memories.map(({ buffer }, n) => [buffer, this.#modules[n]!]));
    this.#pageSize = geometry.pageSize;
    this.#framesPerMemory = geometry.framesPerMemory;
    this.#first = this.#modules[0]!;
    const { stagingAt, stagingAreas, stagingPages, pageSize } = geometry;
    const areaBytes = stagingPages * pageSize;
    this.staging = Array.from(
      { length: stagingAreas },
      (_, area) => new Uint8Array(memories.at(-1)!.buffer, stagingAt + area * areaBytes, areaBytes),
    );
  }

  /** The frame's bytes: pageSize of them. */
  of(frame: FrameId): Uint8Array {
    return this.views[frame] ?? this.#build(frame);
  }

  /** Views of pages with a checksum, as `views` has them of pages without. */
  get payloads(): readonly (Uint8Array | undefined)[] {
    this.#payloads ??= new Array(this.#geometry.frames);
    return this.#payloads;
  }

  /** The frame's bytes without the `pageSize - length` of a trailer. The same length for each call. */
  payload(frame: FrameId, length: number): Uint8Array {
    this.#payloads ??= new Array(this.#geometry.frames);
    const known = this.#payloads[frame];
    if (known !== undefined) return known;
    const view = this.of(frame).subarray(0, length);
    this.#payloads[frame] = view;
    return view;
  }

  /** A view of the range (offset × 65,536 + length − 1) of the frame's page. */
  part(frame: FrameId, range: number): Uint8Array {
    if (this.#partRanges[frame] === range) {
      const part = this.#parts[frame];
      if (part !== undefined) return part;
    }
    return this.#buildPart(frame, range);
  }

  #buildPart(frame: FrameId, range: number): Uint8Array {
    const page = this.of(frame);
    const offset = range >>> 16;
    const length = (range & 0xffff) + 1;
    if (length === page.length) return page;
    if (this.#partRanges.length === 0) {
      this.#parts = new Array(this.#geometry.frames);
      this.#partRanges = new Int32Array(this.#geometry.frames);
    }
    const part = page.subarray(offset, offset + length);
    this.#parts[frame] = part;
    this.#partRanges[frame] = range;
    return part;
  }

  #build(frame: FrameId): Uint8Array {
    const { framesPerMemory, pageSize } = this.#geometry;
    const memory = Math.floor(frame / framesPerMemory);
    const at = (frame - memory * framesPerMemory) * pageSize;
    const view = new Uint8Array(this.#memories[memory]!.buffer, at, pageSize);
    this.views[frame] = view;
    return view;
  }

  /** Copies a range of the page in `frame` to page `slot` of a staging area. */
  stage(frame: FrameId, area: number, slot: number, offset: number, length: number): void {
    this.#copy(this.of(frame), offset, this.staging[area]!, slot * this.#pageSize + offset, length);
  }

  /** Copies `length` bytes from page `slot` of a staging area to the beginning of the frame. */
  unstage(area: number, slot: number, frame: FrameId, length: number): void {
    this.#copy(this.staging[area]!, slot * this.#pageSize, this.of(frame), 0, length);
  }

  /** Copies a range of one frame's bytes to the same place in another frame. */
  copyRange(from: FrameId, to: FrameId, offset: number, length: number): void {
    if (from < this.#framesPerMemory && to < this.#framesPerMemory) {
      const size = this.#pageSize;
      this.#first.copy(to * size + offset, from * size + offset, length);
    } else this.#copy(this.of(from), offset, this.of(to), offset, length);
  }

  /** Copies `from[start …]` to `to[at …]`, wherever in the pool they are. */
  #copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
    if (from.buffer === to.buffer) {
      this.#moduleOf.get(from.buffer)!.copy(to.byteOffset + at, from.byteOffset + start, length);
    } else copyOut(from, start, to, at, length); // another data memory: only pools beyond 4 GiB come here
  }

  /** Zeroes the page in `frame` from byte `from` on. */
  zero(frame: FrameId, from: number): void {
    const { framesPerMemory, pageSize } = this.#geometry;
    const memory = Math.floor(frame / framesPerMemory);
    this.#modules[memory]!.zero(this.of(frame).byteOffset + from, pageSize - from);
  }

  /** Makes a page of a staging area what the store is to have of a file with checksums: zeros behind `used` bytes, trailer. */
  seal(area: number, slot: number, index: number, used: number): void {
    const size = this.#pageSize;
    this.#modules.at(-1)!.seal(this.staging[area]!.byteOffset + slot * size, size, index, used);
  }

  /** How many bytes the page with a checksum in `frame` uses; 0: these bytes are not the page that was written. */
  check(frame: FrameId, index: number): number {
    const memory = Math.floor(frame / this.#framesPerMemory);
    return this.#modules[memory]!.check(this.of(frame).byteOffset, this.#pageSize, index) >>> 0;
  }

  /** The same for a page in a staging area. */
  checkStaged(area: number, slot: number, index: number): number {
    const size = this.#pageSize;
    return this.#modules.at(-1)!.check(this.staging[area]!.byteOffset + slot * size, size, index) >>> 0;
  }
}
