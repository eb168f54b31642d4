// What a thread does that caches for itself: ranges read by plain fs, the last used ones kept in an LRU cache of its own.
import type { FileHandle } from 'node:fs/promises';
import type { AsyncBuffer } from 'hyparquet';
import { LRUCache } from 'lru-cache';
import type { RangeResponse, Source } from 'pmtiles';

export type ReadRange = (start: number, end: number) => Promise<ArrayBuffer>;

/** Reads ranges of a file of `size` bytes, and keeps `memory` bytes of them. */
export function rangesOf(file: FileHandle, size: number, memory: number): ReadRange {
  const cache = new LRUCache<string, ArrayBuffer>({
    maxSize: memory,
    sizeCalculation: (range) => range.byteLength,
  });
  return async (start, end) => {
    const key = `${start}-${end}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
    await file.read(bytes, 0, bytes.length, start);
    if (bytes.length > 0) cache.set(key, bytes.buffer);
    return bytes.buffer;
  };
}

export const plainBuffer = (byteLength: number, read: ReadRange): AsyncBuffer => ({
  byteLength,
  slice: (start, end = byteLength) => read(start, end),
});

export const plainSource = (path: string, read: ReadRange): Source => ({
  getKey: () => path,
  getBytes: async (offset, length): Promise<RangeResponse> => ({ data: await read(offset, offset + length) }),
});
