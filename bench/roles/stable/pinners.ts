// What stores into pages while they are written: a thread in a tight loop, and libuv.
import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { storedWords } from './caller';
import { type StablePinnerResult, type StableTask, TRAILER_BYTES } from './task';

/** How long the storing thread holds its pins, ns: many fsyncs come in between. */
const HOLD_NS = 20 * NS_PER_MS;
/** Reads of libuv under way at a time. */
const READS = 4;

/** Pins every page, stores generation after generation into all of them without a pause, drops them, again. */
export function stableStorer(task: StableTask): StablePinnerResult {
  return pinning(task, (file, endNs) => {
    const result = { pins: 0, bytes: 0 };
    for (let generation = 1; nowNs() < endNs && !isStopped(task.stop); ) {
      const holdEndNs = Math.min(endNs, nowNs() + HOLD_NS);
      const pages = Array.from({ length: task.pages }, (_, index) => file.pinSync(index, 'write'));
      const parts = pages.map(({ bytes }) => storedWords(bytes, file.pageSize));
      result.pins += pages.length;
      for (; nowNs() < holdEndNs && !isStopped(task.stop); generation++) {
        for (const part of parts) {
          for (let word = 0; word < part.length; word++) part[word] = generation;
          result.bytes += part.byteLength;
        }
      }
      for (const page of pages) page.unpin();
    }
    return result;
  });
}

/** Reads of another file straight into pinned pages, a few at a time; each pin drops when its read has landed. */
export function stableDevice(task: StableTask): Promise<StablePinnerResult> {
  return pinning(task, async (file, endNs) => {
    const result = { pins: 0, bytes: 0 };
    const source = fs.openSync(task.sourcePath, 'r');
    const half = (task.pageSize - TRAILER_BYTES) >>> 1;
    const offset = file.pageSize - half;
    let next = 0;
    const reads = async (): Promise<void> => {
      while (nowNs() < endNs && !isStopped(task.stop)) {
        const transfer = next++;
        const page = file.pinSync(transfer % task.pages, 'write');
        result.pins++;
        // Somewhere else in the source each time: what lands differs from what is there.
        const position = (transfer * 4099) % (task.pageSize * 4);
        const bytes = await new Promise<number>((resolve, reject) => {
          fs.read(source, page.bytes, offset, half, position, (error, read) => {
            page.unpin();
            error === null ? resolve(read) : reject(error);
          });
        });
        result.bytes += bytes;
      }
    };
    try {
      await Promise.all(Array.from({ length: READS }, reads));
      return result;
    } finally {
      fs.closeSync(source);
    }
  });
}

function pinning<T>(task: StableTask, work: (file: CachedFile, endNs: number) => T): T {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+', checksum: 'crc32c' });
  const close = () => {
    file.closeSync();
    cache.detach();
  };
  file.prefetchSync(0, task.pages);
  sleepUntil(task.stop, task.startNs);
  let result: T;
  try {
    result = work(file, task.startNs + task.durationMs * NS_PER_MS);
  } catch (error) {
    close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(close) as T;
  close();
  return result;
}
