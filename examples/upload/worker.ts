// A thread of the server: receives an upload, or syncs all of them while they come.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type CachedFile, PageCache, type PageCacheHandle } from 'pinfold';
import { HEADER_BYTES, receive, writeHeader } from './receiver.ts';

export interface WorkerData {
  readonly handle: PageCacheHandle;
  readonly paths: readonly string[];
  /** Which of them to receive, and from which port; undefined: sync all. */
  readonly from: { readonly number: number; readonly port: number } | undefined;
  /** How many pages of each upload have their header. */
  readonly headers: Int32Array;
  /** Set to 1 when all uploads are there. */
  readonly done: Int32Array;
}

/** What the syncing thread saw. */
export interface Syncs {
  fsyncs: number;
  /** Pages written from a copy: the system might have been storing into them. */
  bounced: number;
  longestMs: number;
  /** Headers that were written before an fsync was called, and were not in the file when it had returned. */
  missing: number;
}

const SILENCE_MS = 30_000;
const PAUSE_MS = 2;

const { handle, paths, from, headers, done } = workerData as WorkerData;
const cache = PageCache.attach(handle);
if (from === undefined) parentPort!.postMessage(syncAll());
else {
  const { number, port } = from;
  const onHeader = (pages: number): void => void Atomics.store(headers, number, pages);
  const file = cache.openSync(paths[number]);
  parentPort!.postMessage(await receive({ file, number, port, timeoutMs: SILENCE_MS, onHeader }));
}
cache.detach();

function syncAll(): Syncs {
  const seen: Syncs = { fsyncs: 0, bounced: 0, longestMs: 0, missing: 0 };
  const files = paths.map((path) => cache.openSync(path));
  while (Atomics.wait(done, 0, 0, PAUSE_MS) === 'timed-out') {
    for (const [number, file] of files.entries()) sync(file, number, seen);
  }
  return seen;
}

function sync(file: CachedFile, number: number, seen: Syncs): void {
  const pages = Atomics.load(headers, number);
  const { bounced, durationMs } = file.fsyncSync();
  seen.fsyncs++;
  seen.bounced += bounced;
  seen.longestMs = Math.max(seen.longestMs, durationMs);
  if (pages > 0 && !hasHeader(number, pages - 1, file.pageSize)) seen.missing++;
}

/** Whether the file itself has the header, by plain fs. */
function hasHeader(upload: number, page: number, pageSize: number): boolean {
  const expected = Buffer.alloc(HEADER_BYTES);
  writeHeader(expected, { upload, page });
  const found = Buffer.alloc(HEADER_BYTES);
  const fd = fs.openSync(paths[upload], 'r');
  try {
    fs.readSync(fd, found, 0, HEADER_BYTES, page * pageSize);
  } finally {
    fs.closeSync(fd);
  }
  return found.equals(expected);
}
