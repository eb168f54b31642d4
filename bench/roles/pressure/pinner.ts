import { type Page, PageCache } from 'pinfold';
import { sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import type { PressurePinnerTask } from '../../scenarios/pressure/tasks';

/** Has dirty pages pinned for writing for as long as the cell lasts; each gets a word that must be in the file. */
export function pressurePinner(task: PressurePinnerTask): number {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.path, { mode: 'r+' });
  const pages: Page[] = [];
  try {
    for (let n = 0; n < task.pages; n++) pages.push(file.pinSync(task.firstPage + n, 'write'));
    // Under the pin: then no flusher cleans it.
    for (const { index } of pages) file.writeSync(wordOf(index), index * PAGE_BYTES);
    sleepUntil(task.stop, task.endNs);
    for (const page of pages.splice(0)) page.unpin();
    file.fsyncSync();
    return task.pages;
  } finally {
    for (const page of pages) page.unpin();
    file.closeSync();
    cache.detach();
  }
}

function wordOf(index: number): Uint8Array {
  return new Uint8Array(Int32Array.of(index + 1).buffer);
}
