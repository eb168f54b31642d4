import { constants } from 'node:os';
import { isMainThread, Worker } from 'node:worker_threads';
import serviceSource from 'pinfold:service';
import bytesWasm from '../build/kernel/bytes.wasm';
import controlWasm from '../build/kernel/control.wasm';
import { Attachment, checkHandle, type HandleParts, monotonicMs, type PageCacheHandle } from './attachment';
import { closeDescriptors } from './descriptors';
import { AsyncDriver, bounded } from './driver/async';
import {
  checksumError,
  directError,
  ioError,
  type PinfoldError,
  pinfoldError,
  rangeError,
  show,
  typeError,
} from './errors';
import { CachedFile, type FileContext } from './file';
import { geometryOf, initialize } from './kernel/geometry';
import { describeOwner, type FileId, type Kernel, type OwnerId } from './kernel/kernel';
import * as L from './kernel/layout';
import { pathOf } from './kernel/path';
import { lifeError } from './life';
import { declareDead, isAlive } from './liveness';
import { checkPath, openFlag, openRequest, openStatus } from './openRequest';
import {
  type AttachOptions,
  type CacheOptions,
  type CheckedOptions,
  checkAttachOptions,
  checkCacheOptions,
  checkOpenOptions,
  checkPagesFilter,
  checkWaitOptions,
  type OpenOptions,
  splitSignal,
  type WaitOptions,
} from './options';
import { type PageInfo, type PagesFilter, pagesOf } from './pages';
import { emptyForGood, isFilling } from './protocol/close';
import { type Answer, ask, type Protocol, serviceClass } from './protocol/effects';
import { fillFailure } from './protocol/fill';
import { fsyncByService } from './protocol/fsync';
import { withdrawPosted } from './protocol/readahead';
import { Services } from './services';
import { type CacheStats, countsOf } from './stats';
import { fileStore } from './store/file';
import type { Store } from './store/store';
import { followWorker, offWorkerEnd, onWorkerEnd } from './threadEnds';
import { newTimings, timingsOf } from './timings';
import { TracedFile } from './tracedFile';
import { newTraces, Traces } from './traces';

/** What a cache is wired of. The harness wires other things. @internal */
export interface Wiring {
  readonly controlWasm: Uint8Array;
  readonly serviceSource: string;
  readonly storeFor: (handle: HandleParts) => Store;
  readonly faults?: Int32Array;
  readonly blind?: boolean;
  /** A page is dirty all the time it is write-pinned. */
  readonly keep?: boolean;
}

/** @internal */
export const shipped: Wiring = { controlWasm, serviceSource, storeFor: () => fileStore };

/** How long `close` waits for service threads that other threads started, and for pages that are being brought in, in ms. */
const OTHERS_STOP_MS = 5000;
/** How long `close` waits for dead threads to be recovered by others, in ms. */
const RECOVERY_MS = 5000;
/** How often the creator looks whether its service threads look after the cache, in ms. */
const GUARD_MS = 1000;
/** How often `close` tries anew because other threads pinned or wrote meanwhile. */
const CLOSE_ATTEMPTS = 8;
const PINS_SHOWN = 8;
const WASM_PAGE = 65_536;
/** Bytes of metadata there may be: where they are is kept in signed 32-bit words. */
const CONTROL_MAX = 2 ** 31;

/** The memory of a new cache, laid out, and how other threads come by it. Throws ERR_PINFOLD_OPTION. */
export function newHandle(
  options: CheckedOptions,
  wiring: Omit<Wiring, 'serviceSource' | 'storeFor'>,
): HandleParts {
  const geometry = geometryOf(options);
  if (geometry.controlBytes > CONTROL_MAX) throw tooMuchMetadata(options, geometry.controlBytes);
  const memory = (bytes: number) => allocate(bytes, options.memory);
  const control = memory(geometry.controlBytes);
  initialize(new Int32Array(control.buffer), geometry, wiring.keep ?? false);
  return {
    pinfold: 'PageCacheHandle',
    layout: L.LAYOUT_VERSION,
    control,
    data: geometry.dataBytes.map(memory),
    modules: {
      control: new WebAssembly.Module(wiring.controlWasm as BufferSource),
      bytes: new WebAssembly.Module(bytesWasm as BufferSource),
    },
    geometry,
    options,
    created: monotonicMs(),
    guarded: !isMainThread,
    timings: newTimings(),
    ...(options.trace ? { traces: newTraces(geometry) } : {}),
    ...(wiring.faults ? { faults: wiring.faults } : {}),
    ...(wiring.blind ? { blind: true } : {}),
  };
}

/** What to do when this thread ends by itself: one listener for all caches. */
const leaving = new Set<() => void>();
let listening = false;

function onThreadEnd(leave: () => void): void {
  leaving.add(leave);
  if (listening) return;
  listening = true;
  process.once('exit', () => {
    for (const each of [...leaving]) each();
  });
}

/**
 * A page cache shared by the threads of this process. One thread creates it, which starts its service threads; others
 * attach to its `handle`. It lives as long as the thread that created it.
 */
export class PageCache {
  /** Give this to another thread, by workerData, postMessage or a piscina task, and `PageCache.attach` it there. */
  readonly handle: PageCacheHandle;
  readonly #attachment: Attachment;
  readonly #driver: AsyncDriver;
  readonly #services: Services;
  readonly #isCreator: boolean;
  /** Where stacks of pins are read, and noted if this thread traces. */
  readonly #traces: Traces | undefined;
  readonly #guard: NodeJS.Timeout | undefined;
  readonly #context: FileContext;
  readonly #files = new Set<CachedFile>();
  readonly #onExit = () => this.#leave();
  readonly #onWorkerEnd = (thread: number) => {
    const { kernel } = this.#attachment;
    if (declareDead(kernel, thread)) kernel.control.ring(serviceClass.flushers);
  };
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(
    handle: HandleParts,
    store: Store,
    services: Services,
    isCreator: boolean,
    trace: boolean,
  ) {
    this.handle = handle;
    const attachment = new Attachment(handle, store, 'user');
    this.#attachment = attachment;
    const { kernel, references, options, geometry } = attachment;
    const shared = handle.traces;
    this.#traces = trace || shared !== undefined ? new Traces(kernel, geometry, shared) : undefined;
    const look = () => {
      attachment.glance(GUARD_MS);
      services.check(); // also if flushers look: one of several may be missing
    };
    this.#driver = new AsyncDriver(
      kernel,
      references,
      options.waitTimeoutMs,
      look,
      attachment.observer,
      (request, answer) => fillFailure(attachment, request, answer),
    );
    this.#services = services;
    this.#isCreator = isCreator;
    this.#context = {
      attachment,
      driver: this.#driver,
      rounds: new Map(),
      isClosed: () => this.#closed,
      onClose: (file) => this.#files.delete(file),
      traces: trace ? this.#traces : undefined,
    };
    services.keepUp(attachment);
    attachment.afterLook = () => services.check();
    onThreadEnd(this.#onExit);
    onWorkerEnd(this.#onWorkerEnd);
    if (!isCreator) return;
    kernel.control.beCreator();
    attachment.observer?.listen();
    // Flushers look for the dead; somebody has to look whether the flushers do.
    this.#guard = setInterval(() => {
      look();
      attachment.observer?.listen();
    }, GUARD_MS).unref();
  }

  /**
   * Creates a cache and starts its service threads (flushers, the file worker). They keep no event loop alive.
   * Throws ERR_PINFOLD_OPTION, ERR_PINFOLD_THREADS. If it is aborted, the service threads are ended.
   */
  static async create(options?: CacheOptions & WaitOptions): Promise<PageCache> {
    return await PageCache.createWired(options, shipped);
  }

  /** @internal */
  static async createWired(
    options: (CacheOptions & WaitOptions) | undefined,
    wiring: Wiring,
  ): Promise<PageCache> {
    const [own, waiter] = splitSignal(options, 'create');
    const handle = newHandle(checkCacheOptions(own), wiring);
    const services = new Services(handle, wiring.serviceSource);
    const starting = services.startAll();
    await bounded(starting, { waiter }, () => void services.end());
    return new PageCache(handle, wiring.storeFor(handle), services, true, handle.options.trace);
  }

  /**
   * Attaches this thread to a cache that another thread created. Throws ERR_PINFOLD_HANDLE, ERR_PINFOLD_CLOSED,
   * ERR_PINFOLD_OWNER_GONE, ERR_PINFOLD_THREADS.
   */
  static attach(handle: PageCacheHandle, options?: AttachOptions): PageCache {
    return PageCache.attachWired(handle, shipped, options);
  }

  /** @internal */
  static attachWired(handle: PageCacheHandle, wiring: Wiring, options?: AttachOptions): PageCache {
    const parts = checkHandle(handle);
    const trace = checkAttachOptions(options, parts.options.trace);
    const services = new Services(parts, wiring.serviceSource);
    return new PageCache(parts, wiring.storeFor(parts), services, false, trace);
  }

  /**
   * Recovers what `worker` holds as soon as it has ended. Workers that this thread creates while it is attached are
   * followed anyway, and where the system tells which threads live (Linux) all dead threads are found. So this is for
   * workers that were created before, elsewhere than on Linux. Throws ERR_PINFOLD_ARGUMENT if it is no running worker.
   */
  adopt(worker: Worker): void {
    this.#check();
    if (!(worker instanceof Worker)) {
      throw typeError('ERR_PINFOLD_ARGUMENT', `adopt needs a Worker, got ${show(worker)}`);
    }
    if (worker.threadId < 0) {
      throw pinfoldError(
        'ERR_PINFOLD_ARGUMENT',
        'adopt needs a worker that runs: this one has ended, and which thread it was can no longer be told',
      );
    }
    followWorker(worker, (thread) => {
      if (!this.#closed) this.#onWorkerEnd(thread);
    });
  }

  // -- files ---------------------------------------------------------------------------------------------------------

  /**
   * Opens a file: one and the same for all threads and spellings of its path. Throws ERR_PINFOLD_IO (no such file, no
   * permission, a directory), ERR_PINFOLD_CONFLICT (open in another cache of this process, or with another `checksum` or
   * `direct`), ERR_PINFOLD_FILES, ERR_PINFOLD_CHECKSUM (the last page of a file with checksums does not tell where it ends),
   * ERR_PINFOLD_DIRECT (no direct I/O on this file).
   */
  async open(path: string, options?: OpenOptions & WaitOptions): Promise<CachedFile> {
    this.#check();
    const [own, waiter] = splitSignal(options, 'open');
    const checked = checkOpenOptions(own);
    const opening = this.#open(path, checkPath(path), checked);
    return await bounded(opening, { waiter }, (file) => file.closeSync());
  }

  async #open(path: string, bytes: Buffer, options: Required<OpenOptions>): Promise<CachedFile> {
    return this.#opened(path, options, await this.#driver.run(openFile(this.#attachment, bytes, options)));
  }

  /** As `open`. Works while any other thread is blocked. */
  openSync(path: string, options?: OpenOptions): CachedFile {
    this.#check();
    const checked = checkOpenOptions(options);
    const { sync } = this.#attachment;
    const request = sync.run(openRequest(this.#attachment, checkPath(path), checked));
    return this.#opened(path, checked, sync.ask(request, this.#attachment.options.waitTimeoutMs));
  }

  #opened(path: string, options: Required<OpenOptions>, [errno, id]: Answer): CachedFile {
    if (errno === constants.errno.EBUSY) {
      throw pinfoldError(
        'ERR_PINFOLD_CONFLICT',
        `'${path}' is open in another cache of this process: share one cache by its handle`,
      );
    }
    if (errno === constants.errno.ENFILE) {
      const { maxFiles } = this.#attachment.options;
      throw pinfoldError(
        'ERR_PINFOLD_FILES',
        `'${path}' not opened: ${maxFiles} files are open, the most there may be (maxFiles)`,
      );
    }
    if (errno === openStatus.otherChoices) {
      throw pinfoldError(
        'ERR_PINFOLD_CONFLICT',
        `'${path}' is open in this cache, or has pages that are not synced yet, with ${differing(options, id)}`,
      );
    }
    if (errno === openStatus.notDirect) throw directError(path, id);
    if (errno === openStatus.corrupt) {
      const why =
        'does not match its checksum, nor does another page: the file was not written with checksums and pages of this size';
      throw checksumError(id >>> 0, path, why);
    }
    if (errno !== 0) throw ioError(`'${path}' could not be opened`, errno, 'open', path);
    const { traces } = this.#context;
    const file = traces
      ? new TracedFile({ ...this.#context, traces }, id as FileId, path, options)
      : new CachedFile(this.#context, id as FileId, path, options);
    this.#files.add(file);
    return file;
  }

  // -- looking -------------------------------------------------------------------------------------------------------

  /** Gauges and counters, over all threads. Cheap; exact when nothing moves. */
  stats(): CacheStats {
    this.#check();
    const { kernel, handle } = this.#attachment;
    return { ...countsOf(kernel), timings: timingsOf(handle.timings) };
  }

  /**
   * Every page in the cache, with who pins it, or only those that are pinned: for finding leaks and for curiosity, not for a
   * hot path. A look at all pages costs about a microsecond a page.
   */
  pages(filter?: PagesFilter): Iterable<PageInfo> {
    this.#check();
    const pinned = checkPagesFilter(filter);
    return pagesOf(this.#attachment.kernel, this.#attachment.now(), this.#traces, pinned);
  }

  // -- the end -------------------------------------------------------------------------------------------------------

  /**
   * In the creator: fsyncs every file, then stops the service threads; in other threads calls reject with
   * ERR_PINFOLD_CLOSED from then on. Elsewhere: `detach`. Throws ERR_PINFOLD_BUSY with a list if pins are live, ERR_PINFOLD_IO
   * if a file could not be synced: then nothing has changed, and it can be tried again. Closing twice is no error. If it is
   * aborted, closing goes on.
   */
  async close(options?: WaitOptions): Promise<void> {
    const waiter = checkWaitOptions(options, 'close');
    if (this.#closed) return;
    if (!this.#isCreator) return this.detach();
    this.#closing ??= this.#closeAll().finally(() => {
      this.#closing = undefined;
    });
    await bounded(this.#closing, { waiter });
  }

  /** `await using cache = await PageCache.create()`: as `close`, in the creator and elsewhere. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends this thread's attachment; its file handles are closed. Throws ERR_PINFOLD_BUSY if this thread holds pins. */
  detach(): void {
    if (this.#closed) return;
    if (this.#isCreator) {
      throw pinfoldError(
        'ERR_PINFOLD_ARGUMENT',
        'the creator of a cache does not detach: it closes the cache',
      );
    }
    const { kernel } = this.#attachment;
    const held = [...kernel.pinsOf(kernel.owner)].length;
    if (held > 0)
      throw pinfoldError(
        'ERR_PINFOLD_BUSY',
        `not detached: ${describePins(kernel, kernel.owner, this.#traces)}`,
      );
    const { pending } = this.#driver;
    if (pending > 0) {
      throw pinfoldError(
        'ERR_PINFOLD_BUSY',
        `not detached: ${pending} calls are under way, await them first (those that were aborted end by themselves)`,
      );
    }
    this.#leave();
  }

  /** Gives up what this thread holds and its row. `life`: what becomes of the cache if this thread created it. */
  #leave(life: number = L.LIFE_GONE): void {
    if (this.#closed) return;
    for (const file of this.#files) file.closeSync();
    this.#closed = true;
    leaving.delete(this.#onExit);
    offWorkerEnd(this.#onWorkerEnd);
    clearInterval(this.#guard);
    this.#driver.stop();
    withdrawPosted(this.#attachment);
    const { kernel } = this.#attachment;
    while (kernel.control.updateDepth() > 0) this.#attachment.undoUpdate();
    kernel.control.dropUndoFrames(kernel.owner);
    kernel.dropReadPins();
    if (this.#isCreator) kernel.control.setLife(life); // before its row is free: else others would take it for dead
    // Something may still store into what is write-pinned: a read of this thread's that has not landed. So those pins are
    // dropped by a service thread, once this thread is gone. The same goes for what calls under way have asked for.
    if (kernel.holdsPins || this.#driver.pending > 0) kernel.control.leave();
    else kernel.control.detach();
    kernel.control.ring(serviceClass.flushers);
  }

  async #closeAll(): Promise<void> {
    const { kernel } = this.#attachment;
    withdrawPosted(this.#attachment);
    const end = performance.now() + OTHERS_STOP_MS;
    for (let attempt = 1; ; attempt++) {
      await this.#recovered(); // what dead threads held is no reason not to close
      refuseLivePins(kernel, this.#traces);
      await this.#syncAll();
      kernel.control.freeOrphans();
      if (emptyForGood(this.#attachment)) break;
      // What is brought in, ahead of need perhaps, is nobody's write: it is no reason not to close.
      while (isFilling(this.#attachment) && performance.now() < end) await pause(1);
      if (attempt === CLOSE_ATTEMPTS) {
        refuseLivePins(kernel, this.#traces);
        throw pinfoldError('ERR_PINFOLD_BUSY', 'not closed: other threads go on writing. Stop them first');
      }
    }
    this.#leave(L.LIFE_CLOSED);
    await this.#services.stopped();
    await this.#closeDescriptors();
  }

  /** The file worker has closed them, unless it died and nobody replaced it any more, and they did not end with it. */
  async #closeDescriptors(): Promise<void> {
    const { kernel, geometry, handle } = this.#attachment;
    if (handle.guarded) return;
    const end = performance.now() + OTHERS_STOP_MS;
    const runs = (row: number) =>
      kernel.status(row) !== L.ROW_FREE && isAlive(kernel, row as OwnerId) && performance.now() < end;
    for (let row = 0; row < geometry.serviceRows; row++) {
      while (runs(row)) await pause(2);
    }
    for (let file = 0; file < geometry.files; file++) closeDescriptors(kernel, file as FileId);
  }

  /** Resolves when no dead thread's row is left to recover, or after a while. */
  async #recovered(): Promise<void> {
    const { kernel } = this.#attachment;
    const end = performance.now() + RECOVERY_MS;
    const isLeft = () =>
      [...kernel.owners()].some(
        (owner) =>
          kernel.status(owner) !== L.ROW_LEAVING &&
          (kernel.status(owner) !== L.ROW_LIVE || !isAlive(kernel, owner)),
      );
    for (;;) {
      this.#attachment.look(0);
      if (!isLeft() || performance.now() > end) return;
      await pause(2);
    }
  }

  async #syncAll(): Promise<void> {
    const { kernel, geometry } = this.#attachment;
    for (let id = 0; id < geometry.files; id++) {
      const file = id as FileId;
      if (kernel.fileWord(file, L.FILE_REFS) < 0) continue;
      if (kernel.control.nextDirtyGroup(file, 0) < 0 && kernel.control.needsFlush(file) === 0) continue;
      const { references } = this.#attachment;
      if (!references.retain(file)) continue; // closed since the look
      let errno: number;
      try {
        [errno] = await this.#driver.run(fsyncByService(this.#attachment, file));
      } finally {
        if (references.release(file)) kernel.control.ring(serviceClass.files);
      }
      if (errno !== 0) {
        const path = pathOf(kernel, file);
        throw ioError(`not closed: '${path}' could not be synced`, errno, 'fsync', path);
      }
    }
  }

  #check(): void {
    if (this.#closed)
      throw pinfoldError('ERR_PINFOLD_CLOSED', 'this thread has closed or detached its cache');
    const life = this.#attachment.kernel.load(L.HEADER_LIFE);
    if (life >= L.LIFE_CLOSED) throw lifeError(life);
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A shared memory of so many bytes, for a cache of `memory` bytes. Throws ERR_PINFOLD_OPTION if the system has not as much. */
function allocate(bytes: number, memory: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const message = `memory: ${memory} bytes can't be had from the system: ${(cause as Error).message}`;
    throw pinfoldError('ERR_PINFOLD_OPTION', message, cause);
  }
}

function tooMuchMetadata({ memory, pageSize, maxFiles }: CheckedOptions, bytes: number): PinfoldError {
  return rangeError(
    'ERR_PINFOLD_OPTION',
    `memory ${memory} with pageSize ${pageSize} and maxFiles ${maxFiles} takes ${bytes} bytes of metadata, ` +
      `more than there may be (${CONTROL_MAX}): take larger pages, or fewer files`,
  );
}

/** The choices with which a file is open, of those that are wanted otherwise. */
function differing({ checksum, direct }: Required<OpenOptions>, choices: number): string {
  const others: string[] = [];
  const isChecksummed = (choices & openFlag.checksum) !== 0;
  const isDirect = (choices & openFlag.direct) !== 0;
  if (isChecksummed !== (checksum === 'crc32c'))
    others.push(`checksum '${isChecksummed ? 'crc32c' : 'none'}'`);
  if (isDirect !== direct) others.push(`direct: ${isDirect}`);
  return others.join(' and ');
}

function* openFile(attachment: Attachment, path: Buffer, options: Required<OpenOptions>): Protocol<Answer> {
  const request = yield* openRequest(attachment, path, options);
  return yield* ask(request, () => {
    throw new Error('only the file worker opens files');
  });
}

function refuseLivePins(kernel: Kernel, traces: Traces | undefined): void {
  const pinned = [...kernel.owners()].filter((owner) => [...kernel.pinsOf(owner)].length > 0);
  if (pinned.length === 0) return;
  const list = pinned.map((owner) => describePins(kernel, owner, traces)).join('; ');
  throw pinfoldError('ERR_PINFOLD_BUSY', `not closed: ${list}. Drop the pins and close again`);
}

/** 'thread 3 (OS thread 4711) holds 2 pins: page 7 of /data/x (write), …' */
function describePins(kernel: Kernel, owner: OwnerId, traces: Traces | undefined): string {
  const pins = [...kernel.pinsOf(owner)];
  const shown = pins.slice(0, PINS_SHOWN).map(({ frame, mode, slot }) => {
    const file = kernel.frameWord(frame, L.FRAME_FILE) as FileId;
    const stack = traces?.stackOf(owner, slot);
    const from = stack === undefined ? '' : `, taken\n${stack}\n`;
    return `page ${kernel.frameWord(frame, L.FRAME_INDEX) >>> 0} of '${pathOf(kernel, file)}' (${mode})${from}`;
  });
  const rest = pins.length > PINS_SHOWN ? `, and ${pins.length - PINS_SHOWN} more` : '';
  return `${describeOwner(kernel, owner)} holds ${pins.length} pins: ${shown.join(', ')}${rest}`;
}
