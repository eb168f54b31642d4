import { type CachedFile, PageCache } from 'pinfold';
import { isStopped, nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { fillRecord, RECORD_BYTES } from '../../record';
import {
  type Block,
  LONG_NS,
  type PressureWriterResult,
  type PressureWriterTask,
} from '../../scenarios/pressure/tasks';
import { RunDelay } from './run-delay';

/** After so many writes it looks how long it had no core. */
const LOOK_EVERY = 16;

/** Writes a page at each intended start, or as soon as the one before has ended; syncs all at the end. */
export function pressureWriter(task: PressureWriterTask): PressureWriterResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.path, { mode: 'r+' });
  const delay = new RunDelay();
  const result: PressureWriterResult = { writes: 0, longNs: [] };
  try {
    for (const block of task.blocks) {
      if (!sleepUntil(task.stop, block.startNs)) break;
      writeFor(task, file, block, delay, result);
    }
    file.fsyncSync();
    return result;
  } finally {
    delay.close();
    file.closeSync();
    cache.detach();
  }
}

function writeFor(
  task: PressureWriterTask,
  file: CachedFile,
  block: Block,
  delay: RunDelay,
  result: PressureWriterResult,
): void {
  const words = new Int32Array(RECORD_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  let waitedNs = delay.read();
  let dueNs = block.startNs;
  for (let beganNs = nowNs(); beganNs < block.endNs && !isStopped(task.stop); dueNs += task.intervalNs) {
    if (beganNs < dueNs && !sleepUntil(task.stop, dueNs)) break;
    const page = task.firstPage + (result.writes % task.pages);
    const sequence = task.written[page] + 1;
    fillRecord(words, 0, page, sequence);
    beganNs = nowNs();
    file.writeSync(bytes, page * PAGE_BYTES);
    const endedNs = nowNs();
    task.written[page] = sequence;
    result.writes++;
    const tookNs = Math.max(1, Math.round(endedNs - beganNs));
    task.service.record(tookNs);
    task.fromDue.record(Math.max(1, Math.round(endedNs - dueNs)));
    let ownNs = tookNs;
    if (tookNs > LONG_NS || result.writes % LOOK_EVERY === 0) {
      const before = waitedNs;
      waitedNs = delay.read();
      if (tookNs > LONG_NS) {
        ownNs = Math.max(1, Math.round(tookNs - (waitedNs - before)));
        result.longNs.push(ownNs);
      }
    }
    task.own.record(ownNs);
    beganNs = nowNs();
  }
}
