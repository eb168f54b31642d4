import fs from 'node:fs';
import type { Page } from 'pinfold';
import { PAGE_BYTES } from '../files';
import type { PinnerResult, PinnerTask } from '../tasks';
import { holdsInTime, openPinnedFiles, READ_PART, releaseStaggered } from './pinner';

/**
 * DMA through libuv: takes a write pin on every page, has `fs.read` of another real file store straight into the pinned pages, and
 * keeps the pins for the rest of the hold. With a hold of 0 ms each pin drops as soon as its own read has landed.
 */
export async function device(task: PinnerTask): Promise<PinnerResult> {
  const result: PinnerResult = { taken: 0, dmaBytes: 0, words: 0, missed: 0 };
  const { holdStartNs, holdEndNs } = task.timeline;
  const unpinOnLanding = holdStartNs[0] === holdEndNs[0];
  const source = fs.openSync(task.sourcePath, 'r');
  const files = openPinnedFiles(task);
  try {
    let position = 0;
    for (const { file, endNs } of holdsInTime(task, files, () => result.missed++)) {
      const pages: Page[] = [];
      const landings: Promise<number>[] = [];
      for (let index = 0; index < task.pages; index++) {
        const page = file.pinSync(index, 'write');
        pages.push(page);
        position = (position + PAGE_BYTES) % (task.sourcePages * PAGE_BYTES);
        landings.push(dma(source, page, position, unpinOnLanding));
      }
      for (const bytes of await Promise.all(landings)) result.dmaBytes += bytes;
      result.taken += pages.length;
      if (!unpinOnLanding) releaseStaggered(task, pages, endNs);
    }
    return result;
  } finally {
    fs.closeSync(source);
    files.close();
  }
}

/** Resolves with the number of bytes that the read stored into the pinned page. */
function dma(source: number, page: Page, position: number, unpinOnLanding: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(source, page.bytes, READ_PART.offset, READ_PART.bytes, position, (error, bytes) => {
      if (unpinOnLanding) page.unpin();
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
}
