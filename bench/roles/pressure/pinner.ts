import { PageCache } from 'pinfold';
import { sleepUntil } from '../../clock';
import type { PressurePinnerTask } from '../../scenarios/pressure/tasks';

/** Has dirty pages pinned for writing for as long as the cell lasts; each gets a word that must be in the file. */
export function pressurePinner(task: PressurePinnerTask): number {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.path, { mode: 'r+' });
  try {
    const pages = Array.from({ length: task.pages }, (_, n) => {
      const before = file.pinSync(task.firstPage + n, 'write');
      const page = file.pinSync(task.firstPage + n, 'write');
      before.unpin(); // the page is dirty from here on, and has not been without a pin
      return page;
    });
    for (const { bytes, index } of pages) {
      new DataView(bytes.buffer, bytes.byteOffset).setInt32(0, index + 1, true);
    }
    sleepUntil(task.stop, task.endNs);
    for (const page of pages) page.unpin();
    file.fsyncSync();
    return pages.length;
  } finally {
    file.closeSync();
    cache.detach();
  }
}
