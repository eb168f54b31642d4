// What is wrong with the library or its store, on purpose: each must be found.
import type { FrameId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import type { MountMistakes } from './mount.ts';
import { PAGE, type Thread } from './run.ts';
import type { StoreMistakes } from './store.ts';

export interface Mistakes extends StoreMistakes, MountMistakes {
  /** fsync passes pages over that are pinned for writing. */
  readonly fsyncSkipsPinned?: boolean;
  /** fsync says yes when its flush has begun. */
  readonly fsyncBeforeFlush?: boolean;
  /** A flush counts for what was written while it ran. */
  readonly flushCoversLater?: boolean;
  /** Writeback copies half of each page. */
  readonly halfCopied?: boolean;
  /** Writeback writes pages whole, whatever the file's end. */
  readonly endNotMinded?: boolean;
  /** What was copied in the middle of an update is taken for whole. */
  readonly halfUpdates?: boolean;
  /** A truncate never reaches the system. */
  readonly resizeForgotten?: boolean;
  /** A truncate does not wait for writes under way before it has the system cut the file. */
  readonly cutWaitsNot?: boolean;
  /** fsync does not wait for what others are writing. */
  readonly fsyncWaitsNot?: boolean;
  /** A write that fails counts as one that went well. */
  readonly writeErrorIgnored?: boolean;
  /** After a flush that failed nothing is written again. */
  readonly failedFlushForgotten?: boolean;
  /** A page that is written counts as stable: it may be dropped, and a flush that fails does not make it dirty. */
  readonly unstableForgotten?: boolean;
  /** A write pin that drops leaves its page as clean as it was. */
  readonly dropForgotten?: boolean;
  /** A page is written as it is once its checksum was taken, whatever was stored under a pin meanwhile. */
  readonly sealedAlive?: boolean;
  /** A new file's directory is never synced. */
  readonly directoryForgotten?: boolean;
}

type Call = (...args: number[]) => number;

/** Plants in a thread's kernel what is wrong there. */
export function plant(mistakes: Mistakes, thread: Thread): void {
  const { attachment, id, run } = thread;
  const { kernel, bytes } = attachment;
  const control = kernel.control as unknown as Record<string, Call>;
  const replace = (name: string, by: (call: Call) => Call) => {
    control[name] = by(control[name]!);
  };
  if (mistakes.flushCoversLater)
    replace(
      'flushDone',
      (call) => (file, number) => call(file!, number!, kernel.fileWord(id, L.FILE_WRITES)),
    );
  if (mistakes.failedFlushForgotten) replace('redirtyUnstable', () => () => -1);
  if (mistakes.cutWaitsNot || mistakes.fsyncWaitsNot) {
    replace('prepareWait', (call) => (frame, mask) => {
      const skips = thread.truncating ? mistakes.cutWaitsNot : mistakes.fsyncWaitsNot;
      return mask === L.WRITEBACK && skips ? 0 : call(frame!, mask!);
    });
  }
  if (mistakes.unstableForgotten) {
    replace('endWriteback', (call) => (slot, failSeq) => {
      const frame = (kernel.rowWord(kernel.owner, L.ROW_WRITEBACKS + slot! * 4) >>> 1) - 1;
      const result = call(slot!, failSeq!);
      Atomics.store(kernel.words, (kernel.frameAt(frame as FrameId) + L.FRAME_COVER) >> 2, 0);
      return result;
    });
  }
  if (mistakes.dropForgotten) replace('unpin', (call) => (slot) => call(slot!, 0));
  if (mistakes.halfUpdates) {
    const frameWord = kernel.frameWord.bind(kernel);
    kernel.frameWord = (frame: FrameId, field: number) =>
      field === L.FRAME_USEQ ? frameWord(frame, field) & ~1 : frameWord(frame, field);
  }
  if (mistakes.sealedAlive) {
    const seal = bytes.seal.bind(bytes);
    bytes.seal = (area, slot, index, used) => {
      seal(area, slot, index, used);
      const isPinned = [...run.pins].some((pin) => pin.index === index);
      if (isPinned) bytes.staging[area]!.fill(0x55, slot * PAGE + 8, slot * PAGE + 16);
    };
  }
  if (mistakes.halfCopied) {
    const stage = bytes.stage.bind(bytes);
    bytes.stage = (frame, area, slot, offset, length) =>
      stage(frame, area, slot, offset, Math.ceil(length / 2));
  }
}
