import fs from 'node:fs';
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import { PAGE_BYTES } from '../files';
import type { BareTask } from '../tasks';

/** Commits that do not count, ms: the files have just been laid out. */
const WARMUP_MS = 100;

/** Closed loop of write + fdatasync with nothing else running: the floor under every fsync, and the source of the arrival rate. */
export function bareFloor(task: BareTask): void {
  const bytes = new Uint8Array(task.pages * PAGE_BYTES);
  const fd = fs.openSync(task.path, 'r+');
  try {
    const measureFromNs = nowNs() + WARMUP_MS * NS_PER_MS;
    const endNs = measureFromNs + task.durationMs * NS_PER_MS;
    for (let i = 0, doneNs = 0; doneNs < endNs && !isStopped(task.stop); i++) {
      bytes.fill(i);
      const startNs = nowNs();
      fs.writeSync(fd, bytes, 0, bytes.length, 0);
      fs.fdatasyncSync(fd);
      doneNs = nowNs();
      if (startNs >= measureFromNs) task.histogram.record(Math.max(1, Math.round(doneNs - startNs)));
    }
  } finally {
    fs.closeSync(fd);
  }
}
