import fs from 'node:fs';
import { type CachedFile, type Page, PageCache } from 'pinfold';
import { NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { DMA_BYTES, dmaOffsetOf, THREADS_PER_ROLE } from '../../parts';
import { createRandom } from '../../random';
import type { MixedResult, MixedTask } from '../../tasks';
import { TRANSFER_VALUES } from '../../transfers';
import { Arrivals } from '../arrivals';
import { drawPages } from './pages';

/** Pages that one operation pins: with two pinners, the most popular ones are under pins much of the time. */
const PAGES_AT_ONCE = 4;
/** They stay pinned up to this long after the reads have landed, ns. */
const HOLD_MAX_NS = 5 * NS_PER_MS;

/** DMA through libuv into this pinner's part of pages that it has pinned; each transfer is announced before it begins and after its pin has dropped. */
export async function mixedPinner(task: MixedTask): Promise<MixedResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const source = fs.openSync(task.sourcePath, 'r');
  const random = createRandom(task.seed);
  const draw = drawPages(task);
  try {
    const arrivals = new Arrivals(task);
    while (arrivals.next()) {
      const pages = new Set<number>();
      while (pages.size < PAGES_AT_ONCE) pages.add(draw());
      const transfers = [...pages].map((page) => begin(task, file, source, page));
      const landed = await Promise.all(transfers);
      arrivals.ended();
      sleepUntil(task.stop, nowNs() + random() * HOLD_MAX_NS);
      for (const page of landed) drop(task, page);
    }
    return arrivals.result();
  } finally {
    fs.closeSync(source);
    file.closeSync();
    cache.detach();
  }
}

/** Pins the page and has the next transfer fill this pinner's part; resolves when the read has landed. */
function begin(task: MixedTask, file: CachedFile, source: number, index: number): Promise<Page> {
  const page = file.pinSync(index, 'write');
  const transfer = Atomics.add(task.announced.dmaBegun, wordOf(task, index), 1) + 1;
  const position = (transfer % TRANSFER_VALUES) * PAGE_BYTES;
  return new Promise((resolve, reject) => {
    fs.read(source, page.bytes, dmaOffsetOf(task.thread), DMA_BYTES, position, (error, bytes) => {
      if (error === null && bytes === DMA_BYTES) resolve(page);
      else reject(error ?? new Error(`${bytes} of ${DMA_BYTES} bytes read`));
    });
  });
}

function drop(task: MixedTask, page: Page): void {
  const { index } = page;
  page.unpin();
  Atomics.add(task.announced.dmaLanded, wordOf(task, index), 1);
}

function wordOf({ thread }: MixedTask, page: number): number {
  return page * THREADS_PER_ROLE + thread;
}
