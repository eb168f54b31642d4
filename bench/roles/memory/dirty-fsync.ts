import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, NS_PER_US, nowNs } from '../../clock';
import { PAGE_BYTES } from '../../files';
import type { DirtyFsyncResult, DirtyFsyncTask } from '../../scenarios/memory/tasks';
import { frameChooser } from './frames';

const PIECE_BYTES = 256 << 10;
const ROUNDS_MIN = 3;
/** Not all frames of a pool can be dirty pages: updates need some for themselves. */
const SHARE_MAX = 0.9;

/** fsyncs of so many dirty pages at frames all over the pool; and, a turn about, bare writes of as many bytes. */
export function dirtyFsync(task: DirtyFsyncTask): DirtyFsyncResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.path, { mode: 'r+', access: 'random' });
  const bare = task.barePath === null ? -1 : fs.openSync(task.barePath, 'r+');
  const result: DirtyFsyncResult = { fsyncUs: [], bareUs: [] };
  try {
    const most = cache.stats().frames * SHARE_MAX;
    const chooseFrame = frameChooser(task.handle);
    let there = 0;
    for (const count of task.counts) {
      const cached: number[] = [];
      const beside: number[] = [];
      result.fsyncUs.push(cached);
      result.bareUs.push(beside);
      if (count > most) continue;
      for (; there < count; there++) {
        chooseFrame();
        file.pinSync(there).unpin();
      }
      fsyncUs(file, count, 1); // the first builds views
      const endNs = nowNs() + task.durationMs * NS_PER_MS;
      for (let round = 0; (round < ROUNDS_MIN || nowNs() < endNs) && !isStopped(task.stop); round++) {
        const cachedFirst = round % 2 === 0;
        if (cachedFirst) cached.push(fsyncUs(file, count, round));
        if (bare >= 0) beside.push(bareUs(bare, count, round));
        if (!cachedFirst) cached.push(fsyncUs(file, count, round));
      }
    }
    return result;
  } finally {
    if (bare >= 0) fs.closeSync(bare);
    file.closeSync();
    cache.detach();
  }
}

function fsyncUs(file: CachedFile, count: number, round: number): number {
  const bytes = Uint8Array.of(round, round, round, round);
  for (let index = 0; index < count; index++) file.writeSync(bytes, index * PAGE_BYTES);
  const startNs = nowNs();
  const { pages } = file.fsyncSync();
  const us = (nowNs() - startNs) / NS_PER_US;
  if (pages !== count) throw new Error(`fsync wrote ${pages} pages of ${count}`);
  return us;
}

function bareUs(fd: number, count: number, round: number): number {
  const bytes = new Uint8Array(Math.min(PIECE_BYTES, count * PAGE_BYTES)).fill(round);
  const startNs = nowNs();
  for (let at = 0; at < count * PAGE_BYTES; at += bytes.length) {
    fs.writeSync(fd, bytes, 0, Math.min(bytes.length, count * PAGE_BYTES - at), at);
  }
  fs.fdatasyncSync(fd);
  return (nowNs() - startNs) / NS_PER_US;
}
