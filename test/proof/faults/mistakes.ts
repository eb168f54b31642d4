// Mistakes planted in copies of the sources: the sweep has to find each, in the workload that is named.
import type { Change } from '../../kernel/compile.ts';
import { debugKernel, engine, engineWith, kernelWith } from './engine.ts';
import { allFailures, type Found, type PinnedDirty, Runner, Sums } from './sweep.ts';
import { workloads } from './workloads.ts';
import type { Way } from './world.ts';

export interface Mistake {
  readonly what: string;
  /** Where it is planted: the library's part of the engine (named from `src/`), or the control kernel. */
  readonly in: 'engine' | 'kernel';
  readonly changes: readonly Change[];
  readonly found: string;
  readonly pinnedDirty?: PinnedDirty;
  readonly way?: Way;
  readonly direct?: boolean;
}

const without = (file: string, from: string): Change => ({ file, from, to: '' });

const inEngine: readonly Omit<Mistake, 'in'>[] = [
  {
    what: 'a failed write is ended as if it had succeeded',
    changes: [
      { file: 'protocol/writeback.ts', from: '      if (result < 0) {\n', to: '      if (false) {\n' },
    ],
    found: 'fsync of many pages, some pinned',
  },
  {
    what: "a failed write's errno is dropped",
    changes: [
      without('protocol/writeback.ts', 'if (result < 0 && written.errno === 0) written.errno = -result;'),
    ],
    found: 'fsync of many pages, some pinned',
  },
  {
    what: "a failed flush's errno is swallowed",
    changes: [
      {
        file: 'protocol/flush.ts',
        from: 'control.flushFailed(file, kernel.owner);\n  return -result;',
        to: 'control.flushFailed(file, kernel.owner);\n  return 0;',
      },
    ],
    found: 'misses in a pool of unstable pages',
  },
  {
    what: 'a failed flush does not make its pages dirty again',
    changes: [
      {
        file: 'protocol/flush.ts',
        from: '  yield* redirty(pool, file);\n  control.flushFailed(file, kernel.owner);',
        to: '  control.flushFailed(file, kernel.owner);',
      },
    ],
    found: 'handles from before and after an error',
    way: 'by service',
  },
  {
    what: 'a failed flush counts as done',
    changes: [{ file: 'protocol/flush.ts', from: '  if (result === 0) {\n', to: '  if (result <= 0) {\n' }],
    found: 'handles from before and after an error',
  },
  {
    what: 'a short write or read is taken for whole',
    changes: [{ file: 'store/file.ts', from: 'done += n;', to: 'return length;' }],
    found: 'reads and prefetches',
  },
  {
    what: 'an interrupted read is taken for the end of the file',
    changes: [
      {
        file: 'store/file.ts',
        from: 'if (!isInterrupted(errno) || ++interruptions > INTERRUPTIONS_MAX) return errno;',
        to: 'return isInterrupted(errno) ? done : errno;',
      },
    ],
    found: 'updates of pages that have to be filled',
  },
  {
    what: 'after a short direct call the next is direct, too',
    changes: [{ file: 'store/direct.ts', from: 'const whole = into === 0 ?', to: 'const whole = true ?' }],
    found: 'fsync of many pages, some pinned',
    direct: true,
  },
  {
    what: 'the end of a file that is open for direct I/O is written directly, too',
    changes: [{ file: 'store/direct.ts', from: 'left - (left % DIRECT_UNIT)', to: 'left' }],
    found: 'fsync of many pages, some pinned',
    direct: true,
  },
  {
    what: 'an interrupted transfer is made again for ever',
    changes: [{ file: 'store/file.ts', from: ' || ++interruptions > INTERRUPTIONS_MAX', to: '' }],
    found: 'updates of pages that have to be filled',
  },
  {
    what: 'a write of nothing passes for success',
    changes: [
      {
        file: 'store/file.ts',
        from: 'return n >= 0 && n < bytes.length ? -constants.errno.EIO : n;',
        to: 'return n;',
      },
    ],
    found: 'the same page again and again',
  },
  {
    what: 'an ftruncate that failed when it had cut is taken for one that had not',
    changes: [
      { file: 'store/file.ts', from: 'hasSize(calls, fd, size) ? 0 : errnoOf(error)', to: 'errnoOf(error)' },
    ],
    found: 'truncates down and up',
  },
  {
    what: 'a read that failed leaves its claim behind',
    changes: [
      {
        file: 'protocol/fill.ts',
        from: '    if (length < 0) {\n      control.abandonClaim();',
        to: '    if (length < 0) {',
      },
    ],
    found: 'reads and prefetches',
  },
  {
    what: 'a page whose read failed is taken for filled',
    changes: [
      {
        file: 'protocol/fill.ts',
        from: '    if (length < 0) {\n',
        to: '    if (length < 0) length = 0;\n    if (false) {\n',
      },
    ],
    found: 'reads and prefetches',
    way: 'by service',
  },
  {
    what: 'what fails for a frame is noted nowhere',
    changes: [
      without('protocol/fill.ts', 'control.noteError(other, errno, kernel.load(L.HEADER_CLOCK) + RETRY_MS);'),
    ],
    found: 'misses in a pool of dirty pages',
  },
  {
    what: "a flusher's error is noted nowhere",
    changes: [
      {
        file: 'service/flusher.ts',
        from: '    errno = yield* flush(attachment, file);\n  if (errno !== 0) kernel.control.noteError(file, errno, now + RETRY_MS);',
        to: '    errno = yield* flush(attachment, file);',
      },
    ],
    found: 'writeback in the background',
  },
  {
    what: "a throttled writer's error is noted nowhere",
    changes: [
      without('protocol/throttle.ts', 'if (errno !== 0) control.noteError(file, errno, now + RETRY_MS);'),
    ],
    found: 'a throttled writer',
  },
  {
    what: 'an error from the background is told again and again',
    changes: [without('file.ts', 'this.#errorsSeen = errors;')],
    found: 'writeback in the background',
  },
  {
    what: 'a handle hears of errors from before it was opened',
    changes: [
      {
        file: 'file.ts',
        from: 'this.#errorsSeen = this.#attachment.kernel.fileWord(id, L.FILE_ERROR_SEQ);',
        to: 'this.#errorsSeen = 0;',
      },
    ],
    found: 'writeback in the background',
  },
  {
    what: 'a failed fsync is reported as done to who leads it',
    changes: [{ file: 'file.ts', from: '    if (errno !== 0)\n', to: '    if (errno < 0)\n' }],
    found: 'handles from before and after an error',
  },
  {
    what: 'a truncate that the system refused keeps the new size',
    changes: [
      { file: 'protocol/truncate.ts', from: 'if (result < 0) control.cutTakeBack(file);\n  else {', to: '{' },
    ],
    found: 'truncates down and up',
  },
  {
    what: 'a directory that could not be synced is taken for synced',
    changes: [{ file: 'protocol/fsync.ts', from: 'if (result < 0) return -result;', to: '' }],
    found: 'a file that the cache created',
  },
];

const inKernel: readonly Omit<Mistake, 'in'>[] = [
  {
    what: 'unstable pages are reclaimed',
    changes: [
      {
        file: 'words.ts',
        from: 'return cover == 0 || reached(atomic.load<i32>(fileAt(file), L.FILE_FLUSHED), cover);',
        to: 'return true;',
      },
    ],
    found: 'misses in a pool of unstable pages',
  },
  {
    what: 'a page whose write failed is clean',
    changes: [
      {
        file: 'writeback.ts',
        from: 'const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (s & L.ORPHAN ? 0 : L.DIRTY);',
        to: 'const after = s & ~(L.WRITEBACK | L.WAITERS | L.HOLD);',
      },
    ],
    found: 'fsync of many pages, some pinned',
    pinnedDirty: 'redirty',
  },
];

export const mistakes: readonly Mistake[] = [
  ...inEngine.map((mistake) => ({ ...mistake, in: 'engine' as const })),
  ...inKernel.map((mistake) => ({ ...mistake, in: 'kernel' as const })),
];

/** Sweeps the workload over the library with the mistake in it: what it finds first. */
export async function plant({
  changes,
  found,
  way = 'in place',
  direct = false,
  pinnedDirty = 'keep',
  ...mistake
}: Mistake): Promise<Found | undefined> {
  const workload = workloads.find(({ name }) => name === found)!;
  const planted = mistake.in === 'engine' ? await engineWith(changes) : engine;
  const kernel = mistake.in === 'kernel' ? await kernelWith(changes) : debugKernel();
  const runner = new Runner({ workload, way, pinnedDirty, direct }, planted, kernel, new Sums());
  const { found: unfit } = await runner.run([]);
  if (unfit) return unfit;
  for (const [failure, reach] of allFailures()) {
    const caught = await runner.sweep(failure, reach);
    if (caught) return caught;
  }
  return undefined;
}
