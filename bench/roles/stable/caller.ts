import { PageCache } from 'pinfold';
import { fsyncSyncWith } from '#harness';
import { isStopped, NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { openPlainFile, type PlainFile } from '../plain-file';
import { type StableCallerResult, type StableTask, TRAILER_BYTES } from './task';
import { isGoodPage } from './trailer';

/** fsync after fsync, and after each the file's pages are read again by plain fs. */
export function stableCaller(task: StableTask): StableCallerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+', checksum: 'crc32c' });
  const plain = openPlainFile(task.dataPath, task.pageSize);
  const check = new PageCheck(plain, task.pageSize, task.pages);
  const endNs = task.startNs + task.durationMs * NS_PER_MS;
  const sums = { fsyncs: 0, syncNs: 0, written: 0, bounced: 0 };
  try {
    file.prefetchSync(0, task.pages);
    sleepUntil(task.stop, task.startNs);
    while (nowNs() < endNs && !isStopped(task.stop)) {
      const startNs = nowNs();
      const { pages, bounced } = fsyncSyncWith(file, { policy: task.arm });
      sums.syncNs += nowNs() - startNs;
      sums.fsyncs++;
      sums.written += pages;
      sums.bounced += bounced;
      check.run();
    }
    const { checked, failed, mixed, passing } = check;
    return { ...sums, checked, failed, mixed, passing };
  } finally {
    plain.close();
    file.closeSync();
    cache.detach();
  }
}

/** Times that a bad page must be found with the same bytes before it counts. */
const LOOKS_ALIKE = 3;
const LOOKS_MAX = 16;

/**
 * The check after an fsync. The flusher may be writing a page as it is read: a read beside a write can return some of both, which was
 * never in the file. So a page that is bad is read again after that write has ended; the same bytes again are what the file has.
 */
export class PageCheck {
  readonly #file: PlainFile;
  readonly #pages: Buffer[];
  readonly #all: Buffer;
  checked = 0;
  failed = 0;
  mixed = 0;
  passing = 0;

  constructor(file: PlainFile, pageSize: number, pages: number) {
    this.#file = file;
    this.#all = Buffer.alloc(pageSize * pages);
    this.#pages = Array.from({ length: pages }, (_, n) =>
      this.#all.subarray(n * pageSize, (n + 1) * pageSize),
    );
  }

  run(): void {
    this.#file.read(this.#all, 0);
    for (const [index, page] of this.#pages.entries()) {
      this.checked++;
      if (this.#settles(page, index)) {
        if (mixes(page)) this.mixed++;
      } else this.failed++;
    }
  }

  /** Whether the file's page is good. */
  #settles(page: Buffer, index: number): boolean {
    let before: Buffer | undefined;
    let alike = 1;
    for (let looks = 1; looks <= LOOKS_MAX; looks++) {
      if (isGoodPage(page, index)) {
        if (looks > 1) this.passing++;
        return true;
      }
      alike = before?.equals(page) ? alike + 1 : 1;
      if (alike === LOOKS_ALIKE) return false;
      before = Buffer.from(page);
      this.#file.outwait();
      this.#file.read(page, index);
    }
    return false;
  }
}

/** Whether the part that is stored into word by word has words of more than one generation. */
function mixes(page: Buffer): boolean {
  const words = storedWords(page, page.length - TRAILER_BYTES);
  return words.some((word) => word !== words[0]);
}

/** The words of a payload that the storing thread stores. */
export function storedWords(bytes: Uint8Array, payload: number): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, payload >>> 3);
}
