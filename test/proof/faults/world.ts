// A cache over files whose calls fail, all in one thread: the library's real code, from the methods of a file down to its
// store; requests to service threads are served inside the call that posts them. Beside it a model of what the files hold
// and of what each handle still has to be told. Every call is judged when it ends.
import type { Attachment, OwnerKind } from '../../../src/attachment.ts';
import type { AsyncDriver } from '../../../src/driver/async.ts';
import type { PinfoldError } from '../../../src/errors.ts';
import type { CachedFile } from '../../../src/file.ts';
import type { Control, FileId, FrameId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import type { CacheOptions } from '../../../src/options.ts';
import type { Page } from '../../../src/page.ts';
import type { Protocol } from '../../../src/protocol/effects.ts';
import { countsOf } from '../../../src/stats.ts';
import { INTERRUPTIONS_MAX } from '../../../src/store/file.ts';
import type { Store } from '../../../src/store/store.ts';
import { Disk, inPlace } from '../../kernel/disk.ts';
import { Memory } from '../../kernel/pool.ts';
import { violations } from '../../support/invariants.ts';
import { Model } from '../../support/model.ts';
import type { Engine } from './engine.ts';
import { DIRECT, type Plan, type Strike, System } from './system.ts';

export const PAGE = 4096;

/** Calls that do their work in place, or promise methods whose work service threads do. */
export const WAYS = ['in place', 'by service'] as const;
export type Way = (typeof WAYS)[number];

/** What is not as it should be. Not the library's error, and not what a workload has to expect. */
class Wrong extends Error {}

/** A handle, and whether it has yet to hear of an error from outside of its rounds. */
export interface Handle {
  readonly file: CachedFile;
  readonly id: FileId;
  readonly thread: Thread;
  owed: boolean;
  open: boolean;
}

export interface Thread {
  readonly attachment: Attachment;
  readonly driver: AsyncDriver;
}

export interface Tally {
  calls: number;
  raised: number;
  heard: number;
  fsyncs: number;
  claims: number;
}

export class World {
  readonly way: Way;
  readonly system = new System();
  readonly models: Model[] = [];
  readonly memory: Memory;
  readonly tally: Tally = { calls: 0, raised: 0, heard: 0, fsyncs: 0, claims: 0 };
  /** Told of every call, for people. */
  tell: (line: string) => void = () => {};
  readonly #direct: boolean;
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #restore: () => void;
  #handles: Handle[] = [];
  #pages: { page: Page; handle: Handle }[] = [];
  /** Bytes stored under write pins that live: an fsync need not have them. */
  #unsettled: { page: Page; id: FileId; position: number }[] = [];
  #threads: Thread[] = [];
  #flusher!: Attachment;
  #fileWorker!: Attachment;
  /** What the commits to come change in the models. */
  #commits: (() => void)[] = [];
  #now = 0;

  /** `sizes`: the files' sizes in bytes. `direct`: how they are open. */
  constructor(
    engine: Engine,
    module: WebAssembly.Module,
    options: CacheOptions,
    sizes: number[],
    way: Way,
    direct: boolean,
  ) {
    this.#engine = engine;
    this.way = way;
    this.#direct = direct;
    this.#store = this.system.storeOf(engine.fileStoreOver);
    const small = { memory: 256 * 1024, maxThreads: 6, maxPinsPerThread: 16, maxFiles: 4 };
    this.memory = new Memory({ ...small, dirtyExpireMs: 0, ...options }, { module });
    for (const size of sizes) this.#makeFile(size);
    this.#restore = this.#save();
  }

  #makeFile(size: number): void {
    const { words } = this.memory;
    const id = this.memory.file(size);
    const disk = new Disk(PAGE);
    const model = new Model();
    model.resize(size);
    for (let at = 0; at < size; at++) model.bytes[at] = (at % 251) + Math.floor(at / PAGE) + id + 1;
    disk.write(model.bytes.slice(0, size), 0);
    disk.length = size;
    disk.flush()();
    disk.onResize = (to) => model.resize(to);
    this.system.files.push({ disk, entryStable: true });
    this.models.push(model);
    const kernel = this.memory.thread().kernel;
    const direct = this.#direct ? DIRECT + id : -1;
    kernel.control.fileSetDescriptors(id, id, id, direct, direct);
    Atomics.sub(words, (kernel.fileAt(id) + L.FILE_REFS) >> 2, 1); // from here on each reference is a thread's
    kernel.control.detach();
  }

  #save(): () => void {
    const { handle } = this.memory;
    const buffers = [handle.control, ...handle.data].map(({ buffer }) => new Uint8Array(buffer));
    const copies = buffers.map((bytes) => bytes.slice());
    const disks = this.system.files.map(({ disk }) => disk.save());
    const models = this.models.map(({ size, bytes }) => ({ size, bytes: bytes.slice() }));
    return () => {
      for (const [n, copy] of copies.entries()) buffers[n]!.set(copy);
      for (const disk of disks) disk();
      for (const [n, { size, bytes }] of models.entries())
        Object.assign(this.models[n]!, { size, bytes: bytes.slice() });
    };
  }

  /** Everything as it was when the world was made: nobody has the files open, no page is in the cache. */
  begin(): void {
    this.#restore();
    this.system.heal();
    for (const file of this.system.files) file.entryStable = true;
    this.#commits = [];
    this.#handles = [];
    this.#pages = [];
    this.#unsettled = [];
    this.#threads = [];
    this.#now = 1;
    this.#flusher = this.#attach('flusher');
    this.#fileWorker = this.#attach('files');
  }

  /** What threads, handles and timers would keep. */
  end(): void {
    for (const { driver } of this.#threads) driver.stop();
  }

  fail(plans: readonly Plan[]): void {
    this.system.fail(plans);
  }

  // -- threads and handles -------------------------------------------------------------------------------------------

  #attach(kind: OwnerKind): Attachment {
    const attachment = new this.#engine.Attachment(this.memory.handle, this.#store, kind);
    const { kernel } = attachment;
    // Nobody else runs: who sleeps, sleeps for ever.
    attachment.look = () => {
      throw new Wrong('it hangs');
    };
    const { updateCommit, post } = kernel.control;
    const control: Control = {
      ...kernel.control,
      updateCommit: () => {
        const done = updateCommit();
        if (done === 1) this.#commits.shift()?.();
        return done;
      },
      post: (service, ...rest) => {
        const slot = post(service, ...rest);
        const server = service === 0 ? this.#flusher : this.#fileWorker;
        this.#engine.serveAll(server, service as 0 | 1, 0);
        return slot;
      },
    };
    Object.assign(kernel, { control });
    return attachment;
  }

  thread(): Thread {
    const attachment = this.#attach('user');
    const { kernel, references } = attachment;
    const driver = new this.#engine.AsyncDriver(kernel, references, 1000, () => {
      throw new Wrong('it hangs on its event loop');
    });
    const thread = { attachment, driver };
    this.#threads.push(thread);
    return thread;
  }

  /** A handle of the file; `thread`: whose, of one of its own unless told otherwise. */
  open(id = 0, thread = this.thread()): Handle {
    const { attachment, driver } = thread;
    const file = id as FileId;
    if (!attachment.references.retain(file)) throw new Wrong(`file ${id} is not open`);
    const context = {
      attachment,
      driver,
      rounds: new Map(),
      isClosed: () => false,
      onClose: () => {},
    };
    const opened = new this.#engine.CachedFile(context, file, `file ${id}`, {
      mode: 'r+',
      create: false,
      direct: this.#direct,
      checksum: 'none',
      access: 'random',
    });
    const handle = { file: opened, id: file, thread, owed: false, open: true };
    this.#handles.push(handle);
    return handle;
  }

  close(handle: Handle): void {
    handle.file.closeSync();
    handle.open = false;
  }

  /** The file counts as created by the cache: its directory entry is not stable before its first fsync. */
  asCreated(handle: Handle): void {
    const { kernel } = handle.thread.attachment;
    const at = kernel.fileAt(handle.id);
    Atomics.or(this.memory.words, (at + L.FILE_FLAGS) >> 2, L.FLAG_CREATED);
    Atomics.add(this.memory.words, (at + L.FILE_WRITES) >> 2, 1);
    this.system.files[handle.id]!.entryStable = false;
  }

  // -- calls, and what they may end with -----------------------------------------------------------------------------

  /** Awaits only where the call is asynchronous: what is done in place is done at once. */
  async #call(what: string, here: () => unknown, byService: () => Promise<unknown>): Promise<boolean> {
    const before = this.system.strikes.length;
    const error = await caught(this.way === 'in place' ? here : byService);
    await this.#quiet();
    this.#tellOf(what, error, before);
    this.#checkEnd(what);
    this.#judge(what, error, before);
    this.#note(before);
    return error === undefined;
  }

  #tellOf(what: string, error: Error | undefined, before: number): void {
    const strikes = describe(this.system.strikes.slice(before));
    this.tell(`${what}${strikes && `, in which ${strikes}`}: ${error ? error.message : 'done'}`);
  }

  #checkEnd(what: string): void {
    if (this.system.isEndless) throw new Wrong(`${what} calls the system again and again`);
  }

  /** A call of several parts ends with the first error; the others go on. */
  async #quiet(): Promise<void> {
    for (let n = 0; this.#threads.some(({ driver }) => driver.pending > 0); n++) {
      if (n > 10_000) throw new Wrong('a promise is never settled');
      await undefined;
    }
  }

  /** An error has to be the one promised, and something has to have failed; without one all has to be done. */
  #judge(what: string, error: Error | undefined, before: number): void {
    if (error instanceof Wrong) throw error;
    const strikes = this.system.strikes.slice(before);
    this.tally.calls++;
    this.tally.raised += strikes.length;
    if (error === undefined) {
      if (this.#commits.length > 0)
        throw new Wrong(`${what} resolves with ${this.#commits.length} parts not done`);
      return;
    }
    this.#commits = [];
    this.tally.heard++;
    checkError(what, error, this.system.strikes);
    if (!strikes.some(isReported)) throw new Wrong(`${what} fails, though nothing did: ${error.message}`);
  }

  /** What failed outside of a round is owed to every handle that is open now. */
  #note(before: number): void {
    for (const strike of hardOf(this.system.strikes.slice(before))) {
      if (strike.call !== 'write' && strike.call !== 'flush') continue;
      for (const handle of this.#handles) if (handle.open && handle.id === strike.file) handle.owed = true;
    }
  }

  async write(handle: Handle, position: number, bytes: Uint8Array): Promise<boolean> {
    const model = this.models[handle.id]!;
    this.#expectGap(model, position);
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PAGE - ((position + at) % PAGE));
      const start = position + at;
      this.#commits.push(() => model.store(start, part));
      at += part.length;
    }
    const { file } = handle;
    return await this.#call(
      'write',
      () => file.writeSync(bytes, position),
      () => file.write(bytes, position),
    );
  }

  /** The rest of the old last page is zeroed by a commit of its own. */
  #expectGap(model: Model, position: number): void {
    const { size } = model;
    if (position <= size || size % PAGE === 0) return;
    const end = Math.min(position, Math.ceil(size / PAGE) * PAGE);
    this.#commits.push(() => model.resize(end));
  }

  async update(handle: Handle, index: number, offset: number, values: readonly number[]): Promise<boolean> {
    const change = (bytes: Uint8Array) => bytes.set(values);
    this.#commits.push(() => this.models[handle.id]!.store(index * PAGE + offset, values));
    const range = { offset, length: values.length };
    const { file } = handle;
    return await this.#call(
      'update',
      () => file.updateSync(index, change, undefined, range),
      () => file.update(index, change, undefined, range),
    );
  }

  async truncate(handle: Handle, size: number): Promise<boolean> {
    const model = this.models[handle.id]!;
    if (size > model.size) {
      this.#expectGap(model, size);
      this.#commits.push(() => model.resize(size));
    } else if (size < model.size && size % PAGE !== 0) this.#commits.push(() => {});
    const { file } = handle;
    return await this.#call(
      'truncate',
      () => file.truncateSync(size),
      () => file.truncate(size),
    );
  }

  async read(handle: Handle, position: number, length: number): Promise<void> {
    const { file, id } = handle;
    const target = new Uint8Array(length);
    const done = await this.#call(
      'read',
      () => file.readSync(target, position),
      () => file.read(target, position),
    );
    const { bytes, size } = this.models[id]!;
    const end = Math.max(position, Math.min(size, position + length));
    if (done && !same(target.subarray(0, end - position), bytes.subarray(position, end)))
      throw new Wrong(`read at ${position} gives other bytes than were written`);
  }

  async prefetch(handle: Handle, index: number, count: number): Promise<void> {
    const { file } = handle;
    await this.#call(
      'prefetch',
      () => file.prefetchSync(index, count),
      () => file.prefetch(index, count),
    );
  }

  async view(handle: Handle, index: number): Promise<void> {
    const { file, id } = handle;
    let seen: Uint8Array | undefined;
    const look = (bytes: Uint8Array) => {
      seen = bytes.slice();
    };
    const done = await this.#call(
      'view',
      () => file.viewSync(index, look),
      () => file.view(index, look),
    );
    if (done) this.#compare(id, index, seen!, 'in a view');
  }

  /** Pins a page to write and stores a byte, as a device does: until the end, or `unpin`. */
  async pin(handle: Handle, index: number, mode: 'read' | 'write'): Promise<Page | undefined> {
    const { file } = handle;
    let page: Page | undefined;
    await this.#call(
      'pin',
      () => {
        page = file.pinSync(index, mode);
      },
      async () => {
        page = await file.pin(index, mode);
      },
    );
    if (page) this.#pages.push({ page, handle });
    return page;
  }

  /** Something stores a byte under a write pin. */
  dma(page: Page | undefined, offset: number, value: number): void {
    const pinned = this.#pages.find((one) => one.page === page);
    if (!pinned) return; // it could not be pinned
    pinned.page.bytes[offset] = value;
    const model = this.models[pinned.handle.id]!;
    const position = pinned.page.index * PAGE + offset;
    if (position >= model.size) return;
    model.bytes[position] = value;
    this.#unsettled.push({ page: pinned.page, id: pinned.handle.id, position });
  }

  unpin(page: Page | undefined): void {
    this.#pages = this.#pages.filter((one) => one.page !== page);
    this.#unsettled = this.#unsettled.filter((one) => one.page !== page);
    page?.unpin();
  }

  /** The flusher looks around, after so many ms. */
  async flusherLooks(afterMs = 2000): Promise<void> {
    this.#now += afterMs;
    const { kernel, sync } = this.#flusher;
    const before = this.system.strikes.length;
    kernel.control.tick(this.#now);
    sync.run(this.#engine.lookAround(this.#flusher, this.#now, () => {}));
    this.tally.raised += this.system.strikes.length - before;
    this.#tellOf('the flusher looks around', undefined, before);
    this.#note(before);
  }

  // -- fsync ---------------------------------------------------------------------------------------------------------

  /** An fsync: whether it resolved. What it says has to be true, and it has to say what went wrong. */
  async fsync(handle: Handle): Promise<boolean> {
    const { file, id } = handle;
    const before = this.system.strikes.length;
    const error = await caught(this.way === 'in place' ? () => file.fsyncSync() : () => file.fsync());
    if (error instanceof Wrong) throw error;
    this.#tellOf(`fsync of file ${id}`, error, before);
    this.#checkEnd('fsync');
    const strikes = this.system.strikes.slice(before);
    this.tally.calls++;
    this.tally.fsyncs++;
    this.tally.raised += strikes.length;
    if (error) {
      this.tally.heard++;
      checkError('fsync', error, this.system.strikes);
    }
    const failed = hardOf(strikes).length > 0;
    const { owed } = handle;
    handle.owed = false;
    const told = error?.message.includes('in the background') === true;
    if (failed && (!error || told))
      throw new Wrong(`fsync does not reject, though ${describe(strikes)} in its round`);
    if (!failed && owed && !error)
      throw new Wrong('fsync does not tell of an error from outside of its round');
    if (!failed && !owed && error && !strikes.some(isReported))
      throw new Wrong(`fsync rejects, though nothing failed that it has not told of: ${error.message}`);
    if (!error || told) {
      this.tally.claims++;
      this.checkStable(id, 'an fsync that wrote everything');
    }
    return !error;
  }

  /** What an fsync that resolves now must have made true. */
  checkStable(id: number, what: string): void {
    const { size, bytes } = this.models[id]!;
    const { disk, entryStable } = this.system.files[id]!;
    if (!entryStable) throw new Wrong(`${what}: the directory entry is not stable`);
    if (disk.stableLength !== size)
      throw new Wrong(`${what}: ${disk.stableLength} bytes are stable, not ${size}`);
    for (let index = 0; index * PAGE < size; index++) {
      const end = Math.min(PAGE, size - index * PAGE);
      const page = disk.stable.get(index)?.slice() ?? new Uint8Array(PAGE);
      for (const { id: of, position } of this.#unsettled) {
        const offset = position - index * PAGE;
        if (of === id && offset >= 0 && offset < PAGE) page[offset] = bytes[position]!;
      }
      if (!same(page.subarray(0, end), bytes.subarray(index * PAGE, index * PAGE + end)))
        throw new Wrong(`${what}: page ${index} of file ${id} is lost with a power cut`);
    }
  }

  /** Callers of several threads at once: whether each resolved. */
  async fsyncTogether(handles: readonly Handle[]): Promise<void> {
    if (this.way === 'by service') {
      await Promise.all(handles.map((handle) => this.fsync(handle)));
      return;
    }
    const { fsyncRound } = this.#engine;
    const before = this.system.strikes.length;
    const id = handles[0]!.id;
    const outcomes = runTogether(
      handles.map(({ thread: { attachment } }) => [attachment, inPlace(fsyncRound(attachment, id))] as const),
    );
    const strikes = this.system.strikes.slice(before);
    this.tally.calls += outcomes.length;
    this.tally.fsyncs += outcomes.length;
    this.tally.raised += strikes.length;
    const failed = hardOf(strikes).length > 0;
    for (const [errno] of outcomes) {
      if (errno !== 0) this.tally.heard++;
      if (failed !== (errno !== 0)) throw new Wrong(`of callers in one round one ends with errno ${errno}`);
    }
    if (!failed) this.checkStable(id, 'a round that went well');
  }

  // -- judging the whole ---------------------------------------------------------------------------------------------

  #compare(id: number, index: number, page: Uint8Array, where: string): void {
    const { size, bytes } = this.models[id]!;
    const end = Math.min(PAGE, size - index * PAGE);
    if (!same(page.subarray(0, end), bytes.subarray(index * PAGE, index * PAGE + end)))
      throw new Wrong(`page ${index} of file ${id} is wrong ${where}`);
  }

  /** Nothing is held that only work under way holds, counters are a recount, cached pages are what was written. */
  checkCache(what: string): void {
    const { kernel, bytes } = this.#flusher;
    const wrong = violations(kernel, PAGE, countsOf(kernel));
    if (wrong.length > 0) throw new Wrong(`${what}: ${wrong.join('; ')}`);
    for (const [id, model] of this.models.entries()) {
      if (kernel.size(id as FileId) !== model.size)
        throw new Wrong(`${what}: file ${id} has ${kernel.size(id as FileId)} bytes, not ${model.size}`);
      for (let index = 0; index * PAGE < model.size; index++) {
        const frame = kernel.control.lookup(id as FileId, index);
        if (frame >= 0) this.#compare(id, index, bytes.of(frame), `in the cache (${what})`);
      }
    }
  }

  /** The store works again: an fsync of each handle, told of at most once more, makes everything true. */
  async settle(): Promise<void> {
    for (const { page } of [...this.#pages]) this.unpin(page);
    this.checkCache('while calls fail');
    this.system.heal();
    this.tell('the store works again');
    this.#now += 5000;
    this.#flusher.kernel.control.tick(this.#now);
    for (const handle of this.#handles.filter(({ open }) => open)) {
      if (!(await this.fsync(handle)) && !(await this.fsync(handle)))
        throw new Wrong('a second fsync rejects, though the store works again');
    }
    const reader = this.thread();
    for (const id of this.models.keys()) {
      const handle = this.open(id, reader);
      if (!(await this.fsync(handle))) throw new Wrong('a new handle hears of what was before it');
    }
    await this.#rereadAll(reader);
    this.checkCache('at the end');
    this.#leaveAll();
  }

  /** What is in the system's file, and that what is added to it is zeros. */
  async #rereadAll(reader: Thread): Promise<void> {
    const { control } = reader.attachment.kernel;
    for (let frame = 0; frame < this.memory.geometry.frames; frame++) {
      if (
        reader.attachment.kernel.frameWord(frame as FrameId, L.FRAME_FILE) >= 0 &&
        control.evict(frame as FrameId) !== 1
      )
        throw new Wrong(`frame ${frame} is not clean after fsync`);
    }
    for (const [id, model] of this.models.entries()) {
      const handle = this.#handles.find((one) => one.thread === reader && one.id === id)!;
      await this.read(handle, 0, model.size);
      await this.truncate(handle, model.size + 2 * PAGE + 123);
      await this.read(handle, 0, model.size);
      await this.fsync(handle);
    }
  }

  /** Every thread leaves: nothing of theirs may stay. */
  #leaveAll(): void {
    for (const handle of this.#handles) if (handle.open) this.close(handle);
    for (const { attachment } of this.#threads) {
      attachment.kernel.control.dropUndoFrames(attachment.kernel.owner);
      attachment.kernel.control.detach();
    }
    const wrong = violations(this.#flusher.kernel, PAGE, countsOf(this.#flusher.kernel));
    if (wrong.length > 0) throw new Wrong(`when all have left: ${wrong.join('; ')}`);
  }
}

async function caught(does: () => unknown): Promise<Error | undefined> {
  try {
    const pending = does();
    if (pending instanceof Promise) await pending;
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function describe(strikes: readonly Strike[]): string {
  return strikes.map(({ call, failure }) => `a ${call} failed (${failure.name})`).join(', ');
}

/** Whether what the system said may come back to a caller as an error. */
const isReported = ({ failure, call }: Strike) =>
  failure.errno !== 0 || (failure.done === 'none' && call === 'write');

/** Of these strikes those that are failures of the call's work: not what is gone on with, or done again. */
function hardOf(strikes: readonly Strike[]): Strike[] {
  const hard: Strike[] = [];
  let interruptions = 0;
  for (const strike of strikes) {
    const { call, failure } = strike;
    const interrupted = failure.name === 'EINTR' && (call === 'read' || call === 'write');
    if (interrupted) {
      interruptions++;
      if (interruptions % (INTERRUPTIONS_MAX + 1) === 0) hard.push(strike);
      continue;
    }
    interruptions = 0;
    const done = call === 'resize' && failure.done === 'all'; // the file has the size: the store looks
    if (isReported(strike) && !done) hard.push(strike);
  }
  return hard;
}

/** Errors are the library's, and carry the system's. */
function checkError(what: string, error: Error, strikes: readonly Strike[]): void {
  const { code, cause } = error as PinfoldError & { cause?: NodeJS.ErrnoException };
  if (code !== 'ERR_PINFOLD_IO')
    throw new Wrong(`${what} ends with ${code ?? error.stack}: ${error.message}`);
  const { errno } = cause ?? {};
  const raised = strikes.map(({ failure }) => -(failure.errno || 5));
  if (errno === undefined || !raised.includes(errno))
    throw new Wrong(`${what} fails with ${cause?.code}, which no call has reported`);
}

/** Runs protocols of several threads an effect at a time, each in its turn. */
function runTogether<T>(runs: readonly (readonly [Attachment, Protocol<T>])[]): T[] {
  const states = runs.map(([attachment, protocol]) => ({ attachment, protocol, state: protocol.next() }));
  for (let turns = 0; states.some(({ state }) => !state.done); turns++) {
    let moved = false;
    for (const run of states) {
      if (run.state.done) continue;
      const effect = run.state.value;
      const { kernel, store } = run.attachment;
      if (effect.kind === 'wait' && kernel.load(effect.at) === effect.seq) continue;
      moved = true;
      const fd = effect.kind === 'wait' || effect.kind === 'ask' ? 0 : effect.file;
      let result = 0;
      if (effect.kind === 'read' || effect.kind === 'write') {
        result = store[effect.kind](fd, effect.bytes, effect.position);
      } else if (effect.kind === 'flush' || effect.kind === 'syncDirectory') result = store[effect.kind](fd);
      else if (effect.kind === 'resize') result = store.resize(fd, effect.size);
      run.state = run.protocol.next(result as never);
    }
    if (!moved || turns > 10_000) throw new Wrong('callers of fsync hang');
  }
  return states.map(({ state }) => state.value as T);
}
