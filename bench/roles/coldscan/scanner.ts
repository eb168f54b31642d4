// Goes through a cold file once, and looks whether each page is what had been written to it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { engineOf, layout as L } from '#harness';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import { PLAIN_BYTES, SCAN_PAGE, type ScanArm, type ScanResult, type ScanTask, wordOf } from './task';

const WORDS = SCAN_PAGE / 4;
/** Words of each page that are looked at; the same in every arm. */
const LOOKED = 4;

export function coldScanner(task: ScanTask): ScanResult {
  if (task.handle === null) return plainScan(task);
  const cache = PageCache.attach(task.handle);
  const access = accessOf(task.arm);
  let file: CachedFile;
  try {
    file = cache.openSync(task.path, { mode: 'r', access, direct: task.arm.endsWith('direct') });
  } catch (error) {
    cache.detach();
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PINFOLD_DIRECT') throw error;
    return { elapsedMs: 0, warmBytes: 0, pages: 0, wrong: 0, readahead: 0, misses: 0, leftBytes: 0 };
  }
  try {
    forget(file);
    const warmBytes = chill(task.path);
    const before = cache.stats();
    const scanned =
      task.arm === 'viewSync' ? byViews(task, file) : byReads(task, (bytes, at) => file.readSync(bytes, at));
    const { readahead, misses } = cache.stats();
    const ahead = readahead - before.readahead;
    const leftBytes = inSystemCache(task.path);
    return { ...scanned, warmBytes, readahead: ahead, misses: misses - before.misses, leftBytes };
  } finally {
    file.closeSync();
    cache.detach();
  }
}

function accessOf(arm: ScanArm): 'normal' | 'sequential' | 'random' | 'once' {
  return (['sequential', 'random', 'once'] as const).find((access) => arm.endsWith(access)) ?? 'normal';
}

function plainScan(task: ScanTask): ScanResult {
  const fd = fs.openSync(task.path, 'r');
  try {
    const warmBytes = chill(task.path);
    const scanned = byReads(task, (bytes, at) => fs.readSync(fd, bytes, 0, bytes.length, at));
    return { ...scanned, warmBytes, readahead: 0, misses: 0, leftBytes: inSystemCache(task.path) };
  } finally {
    fs.closeSync(fd);
  }
}

type Scanned = Pick<ScanResult, 'elapsedMs' | 'pages' | 'wrong'>;

function byReads(task: ScanTask, read: (bytes: Uint8Array, position: number) => number): Scanned {
  const bytes = new Uint8Array(task.arm.includes('4 KiB') ? SCAN_PAGE : PLAIN_BYTES);
  const words = new Int32Array(bytes.buffer);
  let wrong = 0;
  let pages = 0;
  const startNs = nowNs();
  for (let at = 0; at < task.bytes && !isStopped(task.stop); ) {
    const n = read(bytes, at);
    if (n === 0) break;
    for (let page = 0; page < n / SCAN_PAGE; page++, pages++) wrong += isWrong(words, page * WORDS, pages);
    at += n;
  }
  return { elapsedMs: (nowNs() - startNs) / NS_PER_MS, pages, wrong };
}

function byViews(task: ScanTask, file: CachedFile): Scanned {
  const count = task.bytes / SCAN_PAGE;
  const look = (bytes: Uint8Array, page: number) =>
    isWrong(new Int32Array(bytes.buffer, bytes.byteOffset, WORDS), 0, page);
  let wrong = 0;
  let pages = 0;
  const startNs = nowNs();
  for (; pages < count && !isStopped(task.stop); pages++) wrong += file.viewSync(pages, look, pages);
  return { elapsedMs: (nowNs() - startNs) / NS_PER_MS, pages, wrong };
}

/** 1 if the page is not what was written: another page, or another place of it, or bytes that have come only in part. */
function isWrong(words: Int32Array, at: number, page: number): number {
  for (let n = 0; n < LOOKED; n++) {
    const word = Math.floor((n * (WORDS - 1)) / (LOOKED - 1));
    if (words[at + word] !== wordOf(page, word)) return 1;
  }
  return 0;
}

/** Takes the file's pages out of the cache, so that all of them have to be read. */
function forget(file: CachedFile): void {
  const { attachment, id } = engineOf(file);
  const { kernel, geometry } = attachment;
  for (let frame = 0; frame < geometry.frames; frame++) {
    if (kernel.frameWord(frame as never, L.FRAME_FILE) === id) kernel.control.evict(frame as never);
  }
}

/** Has the system forget the file, which needs no right but to read it: how much of it is left in its cache. */
function chill(path: string): number | null {
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
  return inSystemCache(path);
}

/** Bytes of the file that the system has in its cache. */
function inSystemCache(path: string): number | null {
  try {
    return Number(execFileSync('fincore', ['-b', '-n', '-o', 'res', path], { encoding: 'utf8' }));
  } catch {
    return null; // no fincore here
  }
}
