import fs from 'node:fs';
import { isStopped, NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import type { BatchTask, DiskRateTask } from '../../scenarios/pressure/tasks';
import { RunDelay } from './run-delay';

const PIECE_BYTES = 256 << 10;

/** A batch's own I/O, by itself: as many pages as a staging area holds in one write, and a flush. */
export function batchFloor(task: BatchTask): void {
  const fd = fs.openSync(task.path, 'r+');
  const bytes = new Uint8Array(task.pages * PAGE_BYTES);
  const delay = new RunDelay();
  try {
    let at = 0;
    let batches = 0;
    for (const { startNs, endNs } of task.blocks) {
      if (!sleepUntil(task.stop, startNs)) return;
      while (nowNs() < endNs && !isStopped(task.stop)) {
        const waitedNs = delay.read();
        const beganNs = nowNs();
        const ownNs = () => Math.max(1, Math.round(nowNs() - beganNs - (delay.read() - waitedNs)));
        fs.writeSync(fd, bytes, 0, bytes.length, at);
        task.write.record(ownNs());
        fs.fdatasyncSync(fd);
        const batchNs = ownNs();
        task.batch.record(batchNs);
        task.halves[batches++ % 2]!.record(batchNs);
        at = (at + bytes.length) % task.fileBytes;
      }
    }
  } finally {
    delay.close();
    fs.closeSync(fd);
  }
}

/** Pages a second that the disk takes: writes one after the other, made durable at the end. */
export function diskRate(task: DiskRateTask): number {
  const fd = fs.openSync(task.path, 'r+');
  const bytes = new Uint8Array(PIECE_BYTES);
  try {
    const startNs = nowNs();
    let pages = 0;
    for (let at = 0; nowNs() < startNs + task.durationMs * NS_PER_MS && !isStopped(task.stop); ) {
      // So much at a time that the system does not take it all without the disk.
      for (let n = 0; n < 16; n++) {
        fs.writeSync(fd, bytes, 0, bytes.length, at);
        at = (at + bytes.length) % task.fileBytes;
        pages += PIECE_BYTES / PAGE_BYTES;
      }
      fs.fdatasyncSync(fd);
    }
    return pages / ((nowNs() - startNs) / 1e9);
  } finally {
    fs.closeSync(fd);
  }
}
