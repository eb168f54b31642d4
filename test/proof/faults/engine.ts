// The code under test: the library's sources, or copies of them with a mistake planted.
import { Attachment } from '../../../src/attachment.ts';
import { AsyncDriver } from '../../../src/driver/async.ts';
import { CachedFile } from '../../../src/file.ts';
import { fsyncRound } from '../../../src/protocol/fsync.ts';
import { lookAround } from '../../../src/service/flusher.ts';
import { serveAll } from '../../../src/service/requests.ts';
import { fileStoreOver } from '../../../src/store/file.ts';
import { builtKernel, type Change, compileControl, QUICK } from '../../kernel/compile.ts';
import { bundleWith } from '../../kernel/mutants.ts';

export interface Engine {
  readonly Attachment: typeof Attachment;
  readonly AsyncDriver: typeof AsyncDriver;
  readonly CachedFile: typeof CachedFile;
  readonly fileStoreOver: typeof fileStoreOver;
  readonly fsyncRound: typeof fsyncRound;
  readonly lookAround: typeof lookAround;
  readonly serveAll: typeof serveAll;
}

export const engine: Engine = {
  Attachment,
  AsyncDriver,
  CachedFile,
  fileStoreOver,
  fsyncRound,
  lookAround,
  serveAll,
};

const EXPORTS = `
  export { Attachment } from './attachment.ts';
  export { AsyncDriver } from './driver/async.ts';
  export { CachedFile } from './file.ts';
  export { fsyncRound } from './protocol/fsync.ts';
  export { lookAround } from './service/flusher.ts';
  export { serveAll } from './service/requests.ts';
  export { fileStoreOver } from './store/file.ts';`;

/** The engine with these changes; files are named from `src/`. */
export const engineWith = async (changes: readonly Change[]) => await bundleWith<Engine>(EXPORTS, changes);

const moduleOf = (wasm: Uint8Array) => new WebAssembly.Module(wasm as BufferSource);

/** The control kernel that asserts its invariants. */
export const debugKernel = () => moduleOf(builtKernel('control.debug'));

/** The same with these changes; files are named from `src/kernel/control/`. */
export const kernelWith = async (changes: readonly Change[]) =>
  moduleOf(await compileControl(changes, QUICK));
