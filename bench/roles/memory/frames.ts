// Pages at frames all over a pool, without bringing in as many pages as it has frames.
import type { PageCacheHandle } from 'pinfold';
import { layout as L } from '#harness';
import { POOL_PARTS } from '../../scenarios/memory/tasks';

interface Parts {
  control: WebAssembly.Memory;
  data: WebAssembly.Memory[];
  geometry: { pageSize: number; framesPerMemory: number };
}

const SEED = 88_172_645;

/** Makes the next page that is brought in take some frame of the pool, as long as most of them are free. */
export function frameChooser(handle: PageCacheHandle): () => void {
  const { control } = handle as unknown as Parts;
  const words = new Int32Array(control.buffer);
  const frames = words[L.HEADER_FRAMES >> 2];
  let x = SEED;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    Atomics.store(words, L.HEADER_SEEK >> 2, (x >>> 0) % frames);
  };
}

/** Which of the pool's data memories a page is in. */
export function memoryOf(handle: PageCacheHandle, bytes: Uint8Array): number {
  return (handle as unknown as Parts).data.findIndex(({ buffer }) => buffer === bytes.buffer);
}

export function frameOf(handle: PageCacheHandle, bytes: Uint8Array): number {
  const { pageSize, framesPerMemory } = (handle as unknown as Parts).geometry;
  return memoryOf(handle, bytes) * framesPerMemory + bytes.byteOffset / pageSize;
}

/** In how many of the pool's parts, of POOL_PARTS, there is one of the frames. */
export function partsOf(handle: PageCacheHandle, frames: number[]): number {
  const { control } = handle as unknown as Parts;
  const all = new Int32Array(control.buffer)[L.HEADER_FRAMES >> 2];
  return new Set(frames.map((frame) => Math.floor((frame * POOL_PARTS) / all))).size;
}

/**
 * The loads of a hit, one after the other: of a line of the lookup table, of the frame's descriptor, of what has the page's
 * address, of the page, and of the descriptor again. Of the page n of those in `frames`.
 */
export function loadsOf(handle: PageCacheHandle, frames: number[]): (n: number, at: number) => number {
  const { control, data, geometry } = handle as unknown as Parts;
  const { pageSize, framesPerMemory } = geometry;
  const words = new Int32Array(control.buffer);
  const buckets = words[L.HEADER_AT_BUCKETS >> 2] >> 2;
  const bucketMask = words[L.HEADER_BUCKET_MASK >> 2];
  const descriptors = words[L.HEADER_AT_FRAMES >> 2] >> 2;
  const pages: Uint8Array[] = new Array(words[L.HEADER_FRAMES >> 2]);
  for (const frame of frames) {
    const memory = Math.floor(frame / framesPerMemory);
    pages[frame] = new Uint8Array(data[memory].buffer, (frame % framesPerMemory) * pageSize, pageSize);
  }
  return (n, at) => {
    const bucket = buckets + (Math.imul(n + 1, SEED) & bucketMask) * (L.BUCKET_BYTES >> 2);
    const frame = frames[(n + (Atomics.load(words, bucket) & 0)) & (frames.length - 1)];
    const descriptor = descriptors + frame * (L.FRAME_BYTES >> 2);
    const state = Atomics.load(words, descriptor);
    return state + pages[frame][at] + Atomics.load(words, descriptor + 1);
  };
}
