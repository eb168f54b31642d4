import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import serviceSource from 'pinfold:service';
import bytesWasm from '../build/kernel/bytes.wasm';
import controlWasm from '../build/kernel/control.wasm';
import { Attachment, checkHandle, type HandleParts, monotonicMs, type PageCacheHandle } from './attachment';
import { AsyncDriver } from './driver/async';
import { ioError, pinfoldError } from './errors';
import { CachedFile, type FileContext } from './file';
import { geometryOf, initialize } from './kernel/geometry';
import { describeOwner, type FileId, type FrameId, type Kernel, type OwnerId } from './kernel/kernel';
import * as L from './kernel/layout';
import { checkPath, openRequest } from './openRequest';
import { type CacheOptions, checkCacheOptions, checkOpenOptions, type OpenOptions } from './options';
import { type PageInfo, pagesOf, pathOf } from './pages';
import { type Answer, ask, type Protocol, serviceClass } from './protocol/effects';
import { fsyncByService } from './protocol/fsync';
import type { ServiceData } from './service/serve';
import { type CacheStats, statsOf } from './stats';
import { fileStore } from './store/file';
import type { Store } from './store/store';

/** What a cache is wired of. The harness wires other things. @internal */
export interface Wiring {
  readonly controlWasm: Uint8Array;
  readonly serviceSource: string;
  readonly storeFor: (handle: HandleParts) => Store;
  readonly faults?: Int32Array;
}

const shipped: Wiring = { controlWasm, serviceSource, storeFor: () => fileStore };

/** How long `create` waits for a service thread to come up, in ms. */
const START_TIMEOUT_MS = 20_000;
/** How long `close` waits for a service thread to end by itself, in ms. */
const STOP_TIMEOUT_MS = 5000;
/** How often `close` tries anew because other threads pinned or wrote meanwhile. */
const CLOSE_ATTEMPTS = 8;
const PINS_SHOWN = 8;
const WASM_PAGE = 65_536;

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
  /** The service threads, in the creator. */
  readonly #services: readonly Worker[] | undefined;
  readonly #context: FileContext;
  readonly #files = new Set<CachedFile>();
  readonly #onExit = () => this.#leave();
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(handle: HandleParts, store: Store, services?: readonly Worker[]) {
    this.handle = handle;
    this.#attachment = new Attachment(handle, store, 'user');
    this.#driver = new AsyncDriver(this.#attachment.kernel);
    this.#services = services;
    this.#context = {
      attachment: this.#attachment,
      driver: this.#driver,
      rounds: new Map(),
      isClosed: () => this.#closed,
      onClose: (file) => this.#files.delete(file),
    };
    onThreadEnd(this.#onExit);
    for (const service of services ?? []) this.#watch(service);
  }

  /**
   * Creates a cache and starts its service threads (flushers, the file worker). They keep no event loop alive.
   * Throws ERR_PINFOLD_OPTION.
   */
  static async create(options?: CacheOptions): Promise<PageCache> {
    return await PageCache.createWired(options, shipped);
  }

  /** @internal */
  static async createWired(options: CacheOptions | undefined, wiring: Wiring): Promise<PageCache> {
    const checked = checkCacheOptions(options);
    const geometry = geometryOf(checked);
    const memory = (bytes: number) => {
      const pages = Math.ceil(bytes / WASM_PAGE);
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    };
    const control = memory(geometry.controlBytes);
    initialize(new Int32Array(control.buffer), geometry, checked.pinnedDirty === 'keep');
    const handle: HandleParts = {
      pinfold: 'PageCacheHandle',
      layout: L.LAYOUT_VERSION,
      control,
      data: geometry.dataBytes.map(memory),
      modules: {
        control: new WebAssembly.Module(wiring.controlWasm as BufferSource),
        bytes: new WebAssembly.Module(bytesWasm as BufferSource),
      },
      geometry,
      options: checked,
      created: monotonicMs(),
      ...(wiring.faults ? { faults: wiring.faults } : {}),
    };
    const roles: ServiceData['role'][] = [...Array<'flusher'>(checked.flushers).fill('flusher'), 'files'];
    const services = roles.map((role) => {
      const workerData: ServiceData = { handle, role };
      // The file worker's descriptors are the cache's: they must survive it.
      const service = new Worker(wiring.serviceSource, {
        eval: true,
        execArgv: [], // an inherited --input-type=module or --import would change what the source means
        workerData,
        trackUnmanagedFds: false,
        name: `pinfold ${role}`,
      });
      service.on('error', () => {}); // heard by `started`, then by `#watch`; never uncaught in between
      return service;
    });
    try {
      await Promise.all(services.map(started));
      return new PageCache(handle, wiring.storeFor(handle), services);
    } catch (error) {
      await Promise.all(services.map((service) => service.terminate()));
      throw error;
    } finally {
      for (const service of services) service.unref();
    }
  }

  /**
   * Attaches this thread to a cache that another thread created. Throws ERR_PINFOLD_HANDLE, ERR_PINFOLD_CLOSED,
   * ERR_PINFOLD_THREADS.
   */
  static attach(handle: PageCacheHandle): PageCache {
    return PageCache.attachWired(handle, shipped);
  }

  /** @internal */
  static attachWired(handle: PageCacheHandle, wiring: Wiring): PageCache {
    const parts = checkHandle(handle);
    return new PageCache(parts, wiring.storeFor(parts));
  }

  /** A service thread that ends before the cache does takes the cache with it: calls reject instead of waiting for it. */
  #watch(service: Worker): void {
    const ended = () => {
      if (!this.#closed) this.#attachment.kernel.control.setLife(L.LIFE_CLOSED);
    };
    service.on('error', ended);
    service.on('exit', ended);
  }

  // -- files ---------------------------------------------------------------------------------------------------------

  /**
   * Opens a file: one and the same for all threads and spellings of its path. Throws ERR_PINFOLD_IO (no such file, no
   * permission, a directory), ERR_PINFOLD_CONFLICT (open in another cache of this process), ERR_PINFOLD_FILES.
   */
  async open(path: string, options?: OpenOptions): Promise<CachedFile> {
    this.#check();
    const checked = checkOpenOptions(options);
    const bytes = checkPath(path);
    const answer = await this.#driver.run(openFile(this.#attachment, bytes, checked));
    return this.#opened(path, checked, answer);
  }

  /** As `open`. Works while any other thread is blocked. */
  openSync(path: string, options?: OpenOptions): CachedFile {
    this.#check();
    const checked = checkOpenOptions(options);
    const { sync } = this.#attachment;
    const request = sync.run(openRequest(this.#attachment, checkPath(path), checked));
    return this.#opened(path, checked, sync.ask(request));
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
    if (errno !== 0) throw ioError(`'${path}' could not be opened`, errno, 'open', path);
    const file = new CachedFile(this.#context, id as FileId, path, options);
    this.#files.add(file);
    return file;
  }

  // -- looking -------------------------------------------------------------------------------------------------------

  /** Gauges and counters, over all threads. Cheap; exact when nothing moves. */
  stats(): CacheStats {
    this.#check();
    return statsOf(this.#attachment.kernel);
  }

  /** Every page in the cache, with who pins it: for finding leaks and for curiosity, not for a hot path. */
  pages(): Iterable<PageInfo> {
    this.#check();
    return pagesOf(this.#attachment.kernel, this.#attachment.now());
  }

  // -- the end -------------------------------------------------------------------------------------------------------

  /**
   * In the creator: fsyncs every file, then stops the service threads; in other threads calls reject with
   * ERR_PINFOLD_CLOSED from then on. Elsewhere: `detach`. Throws ERR_PINFOLD_BUSY with a list if pins are live, ERR_PINFOLD_IO
   * if a file could not be synced: then nothing has changed, and it can be tried again. Closing twice is no error.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#services === undefined) return this.detach();
    this.#closing ??= this.#closeAll().finally(() => {
      this.#closing = undefined;
    });
    await this.#closing;
  }

  /** Ends this thread's attachment; its file handles are closed. Throws ERR_PINFOLD_BUSY if this thread holds pins. */
  detach(): void {
    if (this.#closed) return;
    if (this.#services !== undefined) {
      throw pinfoldError(
        'ERR_PINFOLD_ARGUMENT',
        'the creator of a cache does not detach: it closes the cache',
      );
    }
    const { kernel } = this.#attachment;
    const held = [...kernel.pinsOf(kernel.owner)].length;
    if (held > 0)
      throw pinfoldError('ERR_PINFOLD_BUSY', `not detached: ${describePins(kernel, kernel.owner)}`);
    const { pending } = this.#driver;
    if (pending > 0) {
      throw pinfoldError(
        'ERR_PINFOLD_BUSY',
        `not detached: ${pending} calls are under way, await them first`,
      );
    }
    this.#leave();
  }

  /** Gives up what this thread holds and its row. */
  #leave(): void {
    if (this.#closed) return;
    for (const file of this.#files) file.closeSync();
    this.#closed = true;
    leaving.delete(this.#onExit);
    this.#driver.stop();
    const { kernel } = this.#attachment;
    while (kernel.control.updateDepth() > 0) this.#attachment.undoUpdate();
    kernel.control.dropUndoFrames();
    kernel.dropReadPins();
    // Something may still store into what is write-pinned: a read of this thread's that has not landed. So those pins are
    // dropped by a service thread, once this thread is gone.
    if (kernel.holdsPins) kernel.control.leave();
    else kernel.control.detach();
    kernel.control.ring(serviceClass.flushers);
    if (this.#services !== undefined) kernel.control.setLife(L.LIFE_CLOSED);
  }

  async #closeAll(): Promise<void> {
    const { kernel } = this.#attachment;
    for (let attempt = 1; ; attempt++) {
      refuseLivePins(kernel);
      await this.#syncAll();
      kernel.control.setLife(L.LIFE_CLOSING); // from here on nothing is brought in, and nobody attaches
      if (this.#evictAll()) break;
      kernel.control.setLife(L.LIFE_OPEN); // somebody pinned or wrote meanwhile
      if (attempt === CLOSE_ATTEMPTS) {
        refuseLivePins(kernel);
        throw pinfoldError('ERR_PINFOLD_BUSY', 'not closed: other threads go on writing. Stop them first');
      }
    }
    this.#leave();
    await Promise.all(this.#services!.map(stopped));
  }

  async #syncAll(): Promise<void> {
    const { kernel, geometry } = this.#attachment;
    for (let id = 0; id < geometry.files; id++) {
      const file = id as FileId;
      if (kernel.fileWord(file, L.FILE_REFS) < 0) continue;
      if (kernel.control.nextDirtyGroup(file, 0) < 0 && kernel.control.needsFlush(file) === 0) continue;
      const [errno] = await this.#driver.run(fsyncByService(this.#attachment, file));
      if (errno !== 0) {
        const path = pathOf(kernel, file);
        throw ioError(`not closed: '${path}' could not be synced`, errno, 'fsync', path);
      }
    }
  }

  /** Takes every page out of the cache: false if one is pinned, dirty or being brought in. */
  #evictAll(): boolean {
    const { kernel, geometry } = this.#attachment;
    for (let id = 0; id < geometry.frames; id++) {
      const frame = id as FrameId;
      // A frame without identity is somebody's undo frame, or free.
      if (kernel.frameWord(frame, L.FRAME_FILE) >= 0 && kernel.control.evict(frame) !== 1) return false;
    }
    return statsOf(kernel).resident === 0;
  }

  #check(): void {
    if (this.#closed)
      throw pinfoldError('ERR_PINFOLD_CLOSED', 'this thread has closed or detached its cache');
  }
}

function* openFile(attachment: Attachment, path: Buffer, options: Required<OpenOptions>): Protocol<Answer> {
  const request = yield* openRequest(attachment, path, options);
  return yield* ask(request, () => {
    throw new Error('only the file worker opens files');
  });
}

function refuseLivePins(kernel: Kernel): void {
  const pinned = [...kernel.owners()].filter((owner) => [...kernel.pinsOf(owner)].length > 0);
  if (pinned.length === 0) return;
  const list = pinned.map((owner) => describePins(kernel, owner)).join('; ');
  throw pinfoldError('ERR_PINFOLD_BUSY', `not closed: ${list}. Drop the pins and close again`);
}

/** 'thread 3 (OS thread 4711) holds 2 pins: page 7 of /data/x (write), …' */
function describePins(kernel: Kernel, owner: OwnerId): string {
  const pins = [...kernel.pinsOf(owner)];
  const shown = pins.slice(0, PINS_SHOWN).map(({ frame, mode }) => {
    const file = kernel.frameWord(frame, L.FRAME_FILE) as FileId;
    return `page ${kernel.frameWord(frame, L.FRAME_INDEX) >>> 0} of '${pathOf(kernel, file)}' (${mode})`;
  });
  const rest = pins.length > PINS_SHOWN ? `, and ${pins.length - PINS_SHOWN} more` : '';
  return `${describeOwner(kernel, owner)} holds ${pins.length} pins: ${shown.join(', ')}${rest}`;
}

/** Resolves when the service thread has attached. */
function started(service: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => fail(new Error(`no answer within ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    );
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      reject(pinfoldError('ERR_PINFOLD_THREADS', 'a service thread did not start', cause));
    };
    service.once('error', fail);
    service.once('message', () => {
      clearTimeout(timer);
      service.off('error', fail);
      resolve();
    });
  });
}

/** Resolves when the service thread has ended, which it does by itself; if not, it is ended. */
function stopped(service: Worker): Promise<void> {
  if (service.threadId < 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => service.terminate(), STOP_TIMEOUT_MS);
    service.ref();
    service.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
