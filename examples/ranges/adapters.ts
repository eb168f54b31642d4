// Lets readers of ranges read through the cache: hyparquet by an AsyncBuffer, pmtiles by a Source.
import type { AsyncBuffer } from 'hyparquet';
import type { CachedFile } from 'pinfold';
import type { RangeResponse, Source } from 'pmtiles';

/** A copy of a range of the file, shorter at its end. Pages that are not in the cache are brought in by a service thread. */
async function readRange(file: CachedFile, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, Math.min(end, file.size) - start));
  await file.read(bytes, start);
  return bytes.buffer;
}

/** A parquet file for hyparquet. */
export function asyncBufferOf(file: CachedFile): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: (start, end = file.size) => readRange(file, start, end),
  };
}

/** An archive for pmtiles. */
export function sourceOf(file: CachedFile): Source {
  return {
    getKey: () => file.path,
    getBytes: async (offset, length): Promise<RangeResponse> => ({
      data: await readRange(file, offset, offset + length),
    }),
  };
}
