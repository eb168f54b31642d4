import { PageCache } from 'pinfold';
import { engineOf } from '#harness';
import { interleave, type Variant } from '../../interleave';
import {
  CHECKSUM_PAGES,
  CHECKSUM_WORKING_SET,
  type ChecksumResult,
  type ChecksumTask,
  type ChecksumVariant,
} from './task';

/** Of the shipped bytes module. */
interface Bytes {
  crc32c(at: number, length: number, before: number): number;
  copy(to: number, from: number, length: number): void;
}

const WASM_PAGE = 65_536;
/** Times through the working set in one call: some 150 µs. */
const TURNS = 2;

/** The shipped CRC over pages, beside copies of as many bytes by the same module. */
export function checksumSpeed(task: ChecksumTask): ChecksumResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const pages = (2 * CHECKSUM_WORKING_SET) / WASM_PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  try {
    const { bytes: module } = engineOf(file).attachment.handle.modules;
    const bytes = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Bytes;
    new Int32Array(memory.buffer).forEach((_, n, words) => {
      words[n] = Math.imul(n, 0x9e37_79b9);
    });
    const variants = CHECKSUM_PAGES.flatMap((size) => [
      crc(bytes, size),
      copy(bytes, size),
      { ...crc(bytes, size), name: `crc32c again ${size}` as ChecksumVariant },
    ]);
    return interleave(variants, task.durationMs, task.stop).rounds;
  } finally {
    file.closeSync();
    cache.detach();
  }
}

function crc(bytes: Bytes, size: number): Variant<ChecksumVariant> {
  return {
    name: `crc32c ${size}` as ChecksumVariant,
    operations: (TURNS * CHECKSUM_WORKING_SET) / size,
    run() {
      let sum = 0;
      for (let turn = 0; turn < TURNS; turn++) {
        for (let at = 0; at < CHECKSUM_WORKING_SET; at += size) sum ^= bytes.crc32c(at, size, at);
      }
      return sum;
    },
  };
}

function copy(bytes: Bytes, size: number): Variant<ChecksumVariant> {
  return {
    name: `memory.copy ${size}` as ChecksumVariant,
    operations: (TURNS * CHECKSUM_WORKING_SET) / size,
    run() {
      for (let turn = 0; turn < TURNS; turn++) {
        for (let at = 0; at < CHECKSUM_WORKING_SET; at += size)
          bytes.copy(CHECKSUM_WORKING_SET + at, at, size);
      }
      return 0;
    },
  };
}
