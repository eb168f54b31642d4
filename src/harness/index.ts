// What the benchmark harness and the tests need and users must not have. In the package for its program
// `pinfold-bench` alone: not in its exports.
import serviceSource from 'pinfold:service-harness';
import debugWasm from '../../build/kernel/control.debug.wasm';
import controlWasm from '../../build/kernel/control.wasm';
import type { PageCacheHandle } from '../attachment';
import { PageCache, shipped, type Wiring } from '../cache';
import { systemError } from '../errors';
import type { CachedFile } from '../file';
import type { PinSlot } from '../kernel/kernel';
import type { AttachOptions, CacheOptions, FsyncOptions, FsyncPolicy } from '../options';
import { type Fault, faultPlan, faultyStore, heal, planFault, struck } from '../store/faulty';
import type { SyncReport } from '../syncReport';
import { fsyncLive } from './liveWriteback';
import { MemoryCache, type MemoryCacheHandle, type MemoryCacheOptions } from './memoryCache';
import { checkHarnessOptions, type HarnessOptions, type PinnedDirty } from './options';

export { geometryOf, initialize } from '../kernel/geometry';
export { Kernel } from '../kernel/kernel';
export * as layout from '../kernel/layout';
export { checkCacheOptions } from '../options';
export { memoryStore } from '../store/memory';
export type { Fault, HarnessOptions, MemoryCache, MemoryCacheHandle, MemoryCacheOptions, PinnedDirty };

/** The policies of design, the control that lies, and the one that writes no copies. */
export type HarnessPolicy = FsyncPolicy | 'skip' | 'direct';
export type HarnessFsyncOptions = Omit<FsyncOptions, 'policy'> & { policy: HarnessPolicy };

/** As `file.fsyncSync`; policy 'skip' passes write-pinned pages over, 'direct' writes pages from where they are. */
export function fsyncSyncWith(file: CachedFile, options: HarnessFsyncOptions): SyncReport {
  const { policy, ...rest } = options;
  if (policy === 'skip') return file.fsyncSkipping();
  if (policy === 'direct') return fsyncDirect(file);
  return file.fsyncSync({ ...rest, policy });
}

/** As `file.fsync`; the controls are done in place. */
export async function fsyncWith(file: CachedFile, options: HarnessFsyncOptions): Promise<SyncReport> {
  const { policy, ...rest } = options;
  if (policy === 'skip' || policy === 'direct') return fsyncSyncWith(file, options);
  return await file.fsync({ ...rest, policy });
}

function fsyncDirect(file: CachedFile): SyncReport {
  const started = performance.now();
  const { attachment, id } = file.engine;
  const [errno, pages, bounced, flushes] = fsyncLive(attachment, id);
  if (errno !== 0) throw systemError(errno, 'fsync');
  return { pages, bounced, flushes, durationMs: performance.now() - started };
}

/** Pin and unpin straight through the kernel, for measuring it. */
export function kernelOf(file: CachedFile): { pin(index: number): number; unpin(slot: number): void } {
  const { attachment, id } = file.engine;
  const { control } = attachment.kernel;
  return {
    pin: (index) => control.pin(id, index),
    unpin: (slot) => {
      control.unpin(slot as PinSlot, 0);
    },
  };
}

/** The engine below a file: the thread's attachment and the file's id. */
export function engineOf(file: CachedFile) {
  return file.engine;
}

export interface HarnessCache {
  readonly cache: PageCache;
  /** Lets calls of the store fail, in every thread of the cache. */
  fail(fault: Fault): void;
  heal(): void;
  /** How many calls of a kind have failed so far, in all threads. */
  struck(call: Fault['call']): number;
}

/**
 * A cache over a store whose calls can be made to fail, by default with the kernel that asserts its invariants. `blind`: as
 * where the system does not tell which threads live.
 */
export async function createHarness(
  options?: HarnessOptions,
  kernel: 'debug' | 'release' = 'debug',
  blind = false,
): Promise<HarnessCache> {
  const faults = faultPlan();
  const { options: checked, keep } = checkHarnessOptions(options);
  const cache = await PageCache.createWired(checked, {
    ...wiring,
    controlWasm: kernel === 'debug' ? debugWasm : controlWasm,
    faults,
    blind,
    keep,
  });
  return {
    cache,
    fail: (fault) => planFault(faults, fault),
    heal: () => heal(faults),
    struck: (call) => struck(faults, call),
  };
}

/** A cache as shipped, but that a page is dirty all the time it is write-pinned. */
export async function createKeeping(options?: CacheOptions): Promise<PageCache> {
  return await PageCache.createWired(options, { ...shipped, keep: true });
}

/** Attaches another thread to such a cache. */
export function attachHarness(handle: PageCacheHandle, options?: AttachOptions): PageCache {
  return PageCache.attachWired(handle, wiring, options);
}

/** A cache over the memory store, with the shipped kernel unless told otherwise. */
export function createMemoryCache(
  options: MemoryCacheOptions,
  kernel: 'debug' | 'release' = 'release',
): MemoryCache {
  return MemoryCache.create(options, { controlWasm: kernel === 'debug' ? debugWasm : controlWasm });
}

/** Attaches another thread to such a cache. */
export function attachMemoryCache(handle: MemoryCacheHandle): MemoryCache {
  return MemoryCache.attach(handle);
}

const wiring: Wiring = { controlWasm, serviceSource, storeFor: faultyStore };
