import { NS_PER_US, nowNs, sleepUntil } from '../clock';
import type { PinnerResult, PinnerTask } from '../tasks';
import { holdsInTime, openPinnedFiles, releaseStaggered, STORE_PART } from './pinner';

/** Pause between two rounds of stores, ns: this thread must not eat a core that fsync needs, in any arm. */
const PAUSE_NS = 200 * NS_PER_US;
const PART_WORDS = STORE_PART.bytes / 4;

/** DMA by a slow device: write pins of its own on the same pages, and word after word stored into them until the hold ends. */
export function storer(task: PinnerTask): PinnerResult {
  const result: PinnerResult = { taken: 0, dmaBytes: 0, words: 0, missed: 0 };
  const files = openPinnedFiles(task);
  try {
    for (const { file, endNs } of holdsInTime(task, files, () => result.missed++)) {
      const pages = Array.from({ length: task.pages }, (_, index) => file.pinSync(index, 'write'));
      const parts = pages.map(
        ({ bytes }) => new Int32Array(bytes.buffer, bytes.byteOffset + STORE_PART.offset, PART_WORDS),
      );
      result.taken += pages.length;
      while (nowNs() < endNs && sleepUntil(task.stop, nowNs() + PAUSE_NS)) {
        const word = (result.words / parts.length) % PART_WORDS;
        for (const part of parts) Atomics.store(part, word, result.words++);
      }
      releaseStaggered(task, pages, endNs);
    }
    return result;
  } finally {
    files.close();
  }
}
