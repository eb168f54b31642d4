import { constants } from 'node:os';
import type { Store } from './store';

/** Bytes at the start of each page that hold its number, little-endian. */
export const STAMP_BYTES = 4;

/**
 * A store without a medium: a file as long as anybody asks for, in which each page begins with its number and is zero for
 * the rest. It is the same in every thread, and fails every change with EROFS. What is measured over it is the cache alone.
 * In the harness's build only.
 */
export function memoryStore(pageSize: number): Store {
  // Copied from unshared memory: filling shared memory from JavaScript takes five times as long.
  const page = new Uint8Array(pageSize);
  const stamp = new DataView(page.buffer);
  return {
    read(_fd, bytes, position) {
      for (let at = 0; at < bytes.length; ) {
        const number = Math.floor((position + at) / pageSize);
        const from = position + at - number * pageSize;
        const n = Math.min(pageSize - from, bytes.length - at);
        stamp.setUint32(0, number, true);
        bytes.set(n === pageSize ? page : page.subarray(from, from + n), at);
        at += n;
      }
      return bytes.length;
    },
    write: () => -constants.errno.EROFS,
    flush: () => 0,
    resize: () => -constants.errno.EROFS,
    identity: () => undefined,
    syncDirectory: () => 0,
  };
}
