// How a commit reaches the disk: through the cache, or past it.
import fs from 'node:fs';
import { PageCache, type SyncReport } from 'pinfold';
import { fsyncSyncWith } from '#harness';
import { PAGE_BYTES } from '../files';
import { fillRecord, RECORD_WORDS } from '../record';
import type { FsyncPolicy } from '../schema';
import type { CallerTask } from '../tasks';

const PAGE_WORDS = PAGE_BYTES / 4;

export interface CommitPath {
  /** Writes the record of commit `sequence` into each page. */
  write(sequence: number): void;
  /** Makes them durable. */
  sync(): Pick<SyncReport, 'pages' | 'bounced'>;
  /** Pages that a flusher came to clean and found pinned, until now. */
  vainVisits(): number;
  close(): void;
}

export function openCommitPath(task: CallerTask): CommitPath {
  return task.policy === 'bare' ? bareCommitPath(task) : cachedCommitPath(task, task.policy);
}

function cachedCommitPath(task: CallerTask, policy: Exclude<FsyncPolicy, 'bare'>): CommitPath {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const words = new Int32Array(RECORD_WORDS);
  const bytes = new Uint8Array(words.buffer);
  const options = policy === 'block' ? { policy, timeout: task.blockTimeoutMs } : { policy };
  return {
    write(sequence) {
      for (let page = 0; page < task.pagesPerFsync; page++) {
        fillRecord(words, 0, page, sequence);
        file.writeSync(bytes, page * PAGE_BYTES);
      }
    },
    sync: () => fsyncSyncWith(file, options),
    vainVisits: () => cache.stats().skippedPinned,
    close() {
      file.closeSync();
      cache.detach();
    },
  };
}

/** The same pages by fs alone: one contiguous write, one fdatasync. */
function bareCommitPath(task: CallerTask): CommitPath {
  const fd = fs.openSync(task.barePath, 'r+');
  const words = new Int32Array(task.pagesPerFsync * PAGE_WORDS);
  const bytes = new Uint8Array(words.buffer);
  return {
    write(sequence) {
      for (let page = 0; page < task.pagesPerFsync; page++)
        fillRecord(words, page * PAGE_WORDS, page, sequence);
    },
    sync() {
      fs.writeSync(fd, bytes, 0, bytes.length, 0);
      fs.fdatasyncSync(fd);
      return { pages: task.pagesPerFsync, bounced: 0 };
    },
    vainVisits: () => 0,
    close: () => fs.closeSync(fd),
  };
}
