// A cache's memory and its threads' instances of the control kernel, all in one thread: the debug kernel over a real
// geometry, no store, no service threads. What a test wants to interleave it interleaves itself.
import { readFileSync } from 'node:fs';
import type { HandleParts } from '../../src/attachment.ts';
import { checkHarnessOptions, type HarnessOptions } from '../../src/harness/options.ts';
import { type Geometry, geometryOf, initialize } from '../../src/kernel/geometry.ts';
import { type Control, type FileId, type FrameId, Kernel, PageBytes } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { References } from '../../src/kernel/references.ts';
import type { CheckedOptions } from '../../src/options.ts';
import type { Pool } from '../../src/protocol/effects.ts';
import { newTimings } from '../../src/timings';
import { root } from '../support/root.ts';

/** A module of the kernel as `npm run build` made it: `control`, `control.debug` (with assertions), `bytes`. */
export const built = (name: string): WebAssembly.Module =>
  new WebAssembly.Module(readFileSync(`${root}build/kernel/${name}.wasm`));

const WASM_PAGE = 65_536;
const memoryOf = (bytes: number) => {
  const pages = Math.ceil(bytes / WASM_PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
};

/** No sweep gives up early: every frame counts. */
export const SWEEP_ALL = 2 ** 30;

export class Memory {
  readonly options: CheckedOptions;
  readonly geometry: Geometry;
  readonly control: WebAssembly.Memory;
  readonly words: Int32Array;
  readonly module: WebAssembly.Module;
  readonly #bytesModule: WebAssembly.Module;
  readonly #data: WebAssembly.Memory[];
  #rows = 0;

  /**
   * `withPages: false`: no memory for page bytes, for tests of many frames. `module`: the control kernel, the one with
   * assertions unless told otherwise.
   */
  constructor(
    given: HarnessOptions = {},
    { withPages = true, module }: { withPages?: boolean; module?: WebAssembly.Module } = {},
  ) {
    const { options, keep } = checkHarnessOptions(given);
    this.options = options;
    this.geometry = geometryOf(this.options);
    this.control = memoryOf(this.geometry.controlBytes);
    this.words = new Int32Array(this.control.buffer);
    initialize(this.words, this.geometry, keep);
    this.module = module ?? built('control.debug');
    this.#bytesModule = built('bytes');
    this.#data = withPages ? this.geometry.dataBytes.map(memoryOf) : [];
  }

  /** One more thread: an instance of the kernel with a row of its own. */
  thread(): Thread {
    const kernel = new Kernel(this.module, this.control);
    const { serviceRows, rows } = this.geometry;
    if (!kernel.attach(serviceRows, rows, L.KIND_USER, { tid: 0, start: 0n }, this.#rows++)) {
      throw new Error('no row is free');
    }
    const bytes =
      this.#data.length > 0 ? new PageBytes(this.geometry, this.#bytesModule, this.#data) : undefined;
    const references = new References(kernel);
    return {
      kernel,
      control: kernel.control,
      bytes: bytes!,
      geometry: this.geometry,
      options: this.options,
      references,
    };
  }

  /** What another thread attaches by. Threads are not known to the system: they live until they are declared dead. */
  get handle(): HandleParts {
    return {
      pinfold: 'PageCacheHandle',
      layout: L.LAYOUT_VERSION,
      control: this.control,
      data: this.#data,
      modules: { control: this.module, bytes: this.#bytesModule },
      geometry: this.geometry,
      options: this.options,
      created: 0,
      guarded: false,
      timings: newTimings(),
      blind: true,
    };
  }

  /**
   * A file of `size` bytes, open, under the first free id. The reference that keeps it open is nobody's. `flags`: FLAG_CREATED
   * if the cache has just created it.
   */
  file(size: number, flags = 0): FileId {
    const kernel = this.thread().kernel;
    let id = 0;
    while (kernel.fileWord(id as FileId, L.FILE_REFS) >= 0) id++;
    const file = id as FileId;
    kernel.setSize(file, size);
    kernel.control.fileOpen(file, 0, 0, id + 1, 0, flags);
    this.words[(kernel.rowAt(kernel.owner) + L.ROW_OPENING) >> 2] = 0;
    kernel.control.detach();
    return file;
  }
}

/** One thread's view of the cache: what protocols run on. */
export interface Thread extends Pool {
  readonly control: Control;
}

/** Brings a page in, as a fill does but for the bytes: its frame. EXISTS, NO_FRAME as the kernel says them. */
export function install({ control }: Thread, file: FileId, index: number): number {
  const frame = control.reclaim(SWEEP_ALL, file, index | 0);
  if (frame < 0) return frame;
  const status = control.install(file, index | 0, 0);
  if (status === L.EXISTS) control.abandonClaim();
  else control.fillDone();
  return status === L.EXISTS ? status : frame;
}

/** Makes a page that is in the cache dirty, as a completed write does. */
export function dirty({ control }: Thread, file: FileId, index: number): void {
  const slot = control.pin(file, index | 0);
  if (slot < 0) throw new Error(`page ${index} is not in the cache (${slot})`);
  control.makeWritePin(slot);
  control.unpin(slot, 1);
}

/** Writes a page's dirty frame back, without a store: as the end of a writeback that went well. */
export function writeBackFrame({ control, kernel }: Thread, file: FileId, frame: FrameId): number {
  const status = control.startWriteback(frame, file, 0, 0);
  if (status >= 0) control.endWriteback(0, kernel.fileWord(file, L.FILE_FAIL_SEQ));
  return status;
}

/** A flush that goes well. */
export function flushNow({ control, kernel }: Thread, file: FileId): number {
  if (control.flushTry(file) !== 1) throw new Error('a flush of the file runs');
  const number = control.flushBegin(file);
  control.flushDone(file, number, kernel.out(0));
  return number;
}

/** The file's dirty frames, by one scan. */
export function scan({ control }: Thread, file: FileId): FrameId[] {
  const found: FrameId[] = [];
  for (
    let group = control.nextDirtyGroup(file, 0);
    group >= 0;
    group = control.nextDirtyGroup(file, group + 1)
  ) {
    for (let bits = control.dirtyFrames(file, group); bits !== 0; bits &= bits - 1) {
      found.push((group * 32 + (31 - Math.clz32(bits & -bits))) as FrameId);
    }
  }
  return found;
}
