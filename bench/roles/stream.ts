import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import type { StreamResult, StreamTask } from '../tasks';

const CHUNK_BYTES = 256 << 10;

/**
 * Overwrites a file from end to end in 256 KiB pieces and makes it durable once: through the cache, whose flusher writes back
 * meanwhile, or (without a handle) by bare fs.
 */
export function stream(task: StreamTask): StreamResult {
  return task.handle === null ? bareStream(task) : cachedStream(task, PageCache.attach(task.handle));
}

function bareStream(task: StreamTask): StreamResult {
  const fd = fs.openSync(task.path, 'r+');
  const chunk = new Uint8Array(CHUNK_BYTES).fill(7);
  try {
    const startNs = nowNs();
    for (let at = 0; at < task.bytes && !isStopped(task.stop); at += CHUNK_BYTES) {
      fs.writeSync(fd, chunk, 0, CHUNK_BYTES, at);
    }
    fs.fdatasyncSync(fd);
    return { elapsedMs: (nowNs() - startNs) / NS_PER_MS, fullStops: 0 };
  } finally {
    fs.closeSync(fd);
  }
}

function cachedStream(task: StreamTask, cache: PageCache): StreamResult {
  const file = cache.openSync(task.path, { mode: 'r+' });
  const chunk = new Uint8Array(CHUNK_BYTES).fill(9);
  let fullStops = 0;
  try {
    const startNs = nowNs();
    for (let at = 0; at < task.bytes && !isStopped(task.stop); at += CHUNK_BYTES) {
      if (!writeUnlessFull(file, chunk, at)) {
        fullStops++;
        file.fsyncSync();
        file.writeSync(chunk, at);
      }
    }
    file.fsyncSync();
    return { elapsedMs: (nowNs() - startNs) / NS_PER_MS, fullStops };
  } finally {
    file.closeSync();
    cache.detach();
  }
}

/** False when the cache refused because it was full of pages that the flusher had not cleaned yet. */
function writeUnlessFull(file: CachedFile, chunk: Uint8Array, at: number): boolean {
  try {
    file.writeSync(chunk, at);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_PINFOLD_FULL') throw error;
    return false;
  }
}
