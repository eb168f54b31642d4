// Mistakes that sequences must find: planted in copies of the library's sources.
import type { Change } from '../../kernel/compile.ts';
import { CONFIGS } from './sequences.ts';

const [KEEP, REDIRTY] = CONFIGS as [(typeof CONFIGS)[0], (typeof CONFIGS)[0]];

export interface Mistake {
  readonly what: string;
  readonly changes: readonly Change[];
  readonly config: (typeof CONFIGS)[0];
}

const one = (file: string, from: string, to: string): Change[] => [{ file, from, to }];

export const MISTAKES: readonly Mistake[] = [
  {
    what: 'an update is not undone when its function throws',
    config: KEEP,
    changes: one(
      'file.ts',
      '      this.#attachment.undoUpdate();\n      throw error;\n    }\n    control.updateCommit();',
      '      control.updateCommit();\n      throw error;\n    }\n    control.updateCommit();',
    ),
  },
  {
    what: 'an unpin forgets that the page is dirty',
    config: REDIRTY,
    changes: one('page.ts', 'control.unpin(slot, dirty ? 1 : 0);', 'control.unpin(slot, 0);'),
  },
  {
    what: 'a truncate keeps the bytes behind the new end',
    config: KEEP,
    changes: one('protocol/truncate.ts', 'if (zeroes && half) bytes.zero(frame, start);', ''),
  },
  {
    what: 'an extension keeps what stood behind the old end',
    config: KEEP,
    changes: one('file.ts', 'page.fill(0, size - start, end - start);', ''),
  },
  {
    what: 'fsync passes write-pinned pages over',
    config: KEEP,
    changes: one('protocol/writeback.ts', "pinned === 'skip' ? 1 : 0", '1'),
  },
  {
    what: 'fsync acknowledges what it has not flushed',
    config: KEEP,
    changes: one('protocol/fsync.ts', 'if (control.needsFlush(file) === 1) {', 'if (file < 0) {'),
  },
  {
    what: 'a read goes past the end of the file',
    config: KEEP,
    changes: [
      ...one(
        'file.ts',
        'Math.max(0, Math.min(target.length, this.#attachment.kernel.size(this.#id) - position));',
        'target.length;',
      ),
      ...one(
        'file.ts',
        'return Math.max(0, Math.min(n, this.#attachment.kernel.size(this.#id) - position));',
        'return n;',
      ),
    ],
  },
  {
    what: 'a copy for writeback shows half an update',
    config: KEEP,
    changes: one('protocol/copy.ts', 'part(undo, offset, length);', ''),
  },
  {
    what: "a failed flush's pages stay clean",
    config: REDIRTY,
    changes: one(
      'protocol/flush.ts',
      'control.flushFailing(file, -result);\n  yield* redirty(pool, file);',
      'control.flushFailing(file, -result);',
    ),
  },
  {
    what: "a dead thread's half update stays",
    config: KEEP,
    changes: one(
      'protocol/recovery.ts',
      'bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);',
      '',
    ),
  },
];
