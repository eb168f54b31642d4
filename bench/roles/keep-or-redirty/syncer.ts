import fs from 'node:fs';
import { PageCache } from 'pinfold';
import { PAGE_BYTES } from '../../files';
import { note } from '../../parts';
import { Arrivals } from '../arrivals';
import type { KeepSyncerResult, KeepSyncerTask, Transfers } from './task';

/** One in so many fsyncs is checked. */
const CHECK_EVERY = 2;

/** Calls fsync at fixed times, and looks what of the DMA is in the file afterwards. */
export function keepSyncer(task: KeepSyncerTask): KeepSyncerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const fd = fs.openSync(task.dataPath, 'r');
  const check = new TransferCheck(task.transfers, 2 * task.pinned);
  let pages = 0;
  let bounced = 0;
  try {
    const arrivals = new Arrivals(task);
    for (let n = 0; arrivals.next(); n++) {
      const checks = n % CHECK_EVERY === 0 && task.pinned > 0;
      if (checks) check.before();
      const report = file.fsyncSync();
      arrivals.ended();
      pages += report.pages;
      bounced += report.bounced;
      if (!checks) continue;
      fs.readSync(fd, check.bytes, 0, check.bytes.length, 0);
      check.after();
    }
    const { checked, lies, live, liveCovered } = check;
    return { ...arrivals.result(), pages, bounced, checked, lies, live, liveCovered };
  } finally {
    fs.closeSync(fd);
    file.closeSync();
    cache.detach();
  }
}

/** Compares a file's DMA pages after an fsync with what had been stored before it. */
export class TransferCheck {
  readonly #transfers: Transfers;
  readonly #stored: Int32Array;
  readonly #dropped: Int32Array;
  /** For the file's pages. */
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  checked = 0;
  lies = 0;
  live = 0;
  liveCovered = 0;

  constructor(transfers: Transfers, pages: number) {
    this.#transfers = transfers;
    this.#stored = new Int32Array(pages);
    this.#dropped = new Int32Array(pages);
    this.#words = new Int32Array((pages * PAGE_BYTES) / 4);
    this.bytes = new Uint8Array(this.#words.buffer);
  }

  /** Before the call. What has been dropped is noted first: its transfer is then no newer than what is noted as stored. */
  before(): void {
    note(this.#transfers.dropped, this.#dropped);
    note(this.#transfers.stored, this.#stored);
  }

  /** After it, `bytes` being what the file has. */
  after(): void {
    for (let page = 0; page < this.#stored.length; page++) {
      const found = this.#words[(page * PAGE_BYTES) / 4]!;
      const dropped = this.#dropped[page]!;
      const stored = this.#stored[page]!;
      if (dropped > 0) {
        this.checked++;
        if (found < dropped) this.lies++;
      }
      // Under a pin that was live before the call, and is still: a drop would have moved the word.
      if (stored > dropped && Atomics.load(this.#transfers.dropped, page) === dropped) {
        this.live++;
        if (found >= stored) this.liveCovered++;
      }
    }
  }
}
