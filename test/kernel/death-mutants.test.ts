// Mistakes planted in the code that survives deaths: each is found by a death of one of the scenarios.
import { describe, expect, test } from 'vitest';
import { Attachment } from '../../src/attachment.ts';
import { CachedFile } from '../../src/file.ts';
import { recover } from '../../src/protocol/recovery.ts';
import { builtKernel, type Change } from './compile.ts';
import { allDeaths } from './deaths.ts';
import type { Engine } from './mortal.ts';
import { engineWith, kernelWith } from './mutants.ts';
import { withPoints } from './points.ts';
import { scenarios } from './scenarios.ts';

const engine: Engine = { Attachment, CachedFile, recover };
const kernel = new WebAssembly.Module(withPoints(builtKernel('control.debug')) as BufferSource);

interface Mutant {
  readonly mistake: string;
  readonly changes: readonly Change[];
  /** The scenario that finds it, and what it says. */
  readonly found: string;
  readonly says: RegExp;
  readonly pinnedDirty?: 'keep' | 'redirty';
}

const without = (file: string, from: string): Change => ({ file, from, to: '' });

const recovery = 'protocol/recovery.ts';

const protocols: readonly Mutant[] = [
  {
    mistake: 'pins are dropped before updates are settled',
    changes: [
      {
        file: recovery,
        from: 'const cutting = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;',
        to: 'const cutting = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;\n  control.recoverPins(owner);',
      },
    ],
    found: 'nested updates',
    says: /unreachable/,
  },
  {
    mistake: 'a before-image is not laid back',
    changes: [
      without(recovery, 'bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);'),
    ],
    found: 'nested updates',
    says: /store: page 1 is wrong/,
  },
  {
    mistake: 'a round is not passed on',
    changes: [without(recovery, 'control.recoverRound(owner);')],
    found: 'an fsync',
    says: /an early fsync hangs/,
  },
  {
    mistake: 'a claim is not given back',
    changes: [without(recovery, 'control.recoverClaim(owner);')],
    found: 'misses in a full pool',
    says: /nobody woke who sleeps/,
  },
  {
    mistake: 'writebacks are not given back',
    changes: [without(recovery, 'control.recoverWritebacks(owner);')],
    found: 'a batch of writebacks',
    says: /staging area 1 belongs to/,
  },
  {
    mistake: 'a dead flush releases its lock and leaves pages clean',
    changes: [
      {
        file: 'protocol/flush.ts',
        from: 'control.flushFailing(file, 0);\n  }\n  yield* redirty(pool, file);',
        to: 'control.flushFailing(file, 0);\n  }',
      },
    ],
    found: 'an fsync whose flush fails, and another',
    says: /on stable storage/,
  },
  {
    mistake: 'a dead flush is taken for one that had not begun',
    changes: [
      {
        file: 'protocol/flush.ts',
        from: 'if (kernel.fileWord(file, L.FILE_BEGUN) === kernel.fileWord(file, L.FILE_FLUSHED)) {',
        to: 'if (true) {',
      },
    ],
    found: 'an fsync whose flush fails, and another',
    says: /on stable storage/,
  },
  {
    mistake: 'a flush lock is not given back',
    changes: [without(recovery, 'yield* recoverFlush(pool, owner);')],
    found: 'an fsync',
    says: /ROW_FLUSH is 1/,
  },
  {
    mistake: 'the intent of a cut is not followed',
    changes: [
      {
        file: 'protocol/truncate.ts',
        from: 'if (kernel.fileWord(file, L.FILE_CUT_SEQ) & 1) yield* finishCut(pool, file, owner);\n  else kernel',
        to: 'kernel',
      },
    ],
    found: 'a cut to nothing',
    says: /dirty page 6 of file 0 is past its end/,
  },
  {
    mistake: 'a cut page is not zeroed behind the end',
    changes: [without('protocol/truncate.ts', 'if (zeroes && half) bytes.zero(frame, start);')],
    found: 'a cut within a page, with pages dirty and pinned',
    says: /page 2 holds something behind the end/,
  },
  {
    mistake: 'a page is zeroed though the system refused to cut the file',
    changes: [
      {
        file: 'protocol/truncate.ts',
        from: 'endTail(pool, owner, kernel.size(file));',
        to: 'endTail(pool, owner, size);',
      },
    ],
    found: 'a cut that the system refuses',
    says: /byte 8 of page 1 is 0/,
  },
  {
    mistake: "the update of a cut's last page is settled with the others",
    changes: [without(recovery, 'if (level !== cutting) ')],
    found: 'a cut within a page, with pages dirty and pinned',
    says: /page 2 holds something behind the end/,
  },
  {
    mistake: "the update of a cut's last page is never settled",
    changes: [without('protocol/truncate.ts', 'endTail(pool, owner, kernel.size(file));')],
    found: 'a cut within a page, with pages dirty and pinned',
    says: /page 2 holds something behind the end/,
  },
  {
    mistake: 'references to files are not dropped',
    changes: [
      without(recovery, 'if (control.fileRelease(file, owner) === 0) control.ring(serviceClass.files);'),
    ],
    found: 'leaving with a write pin',
    says: /unreachable/,
  },
  {
    mistake: 'undo frames are not freed',
    changes: [without(recovery, 'control.dropUndoFrames(owner);')],
    found: 'nested updates',
    says: /frame 7 is claimed/,
  },
  {
    mistake: 'orphans whose last holder died before it could free them stay',
    changes: [without(recovery, 'control.freeOrphans();')],
    found: 'a cut within a page, with pages dirty and pinned',
    says: /1 orphans are counted/,
  },
  {
    mistake: 'a page past the end stays that a write brought in which came to nothing',
    changes: [without(recovery, '    if (!evict(pool, from as FrameId)) return false;')],
    found: 'a write behind the end, over two pages',
    says: /page 7 is in the cache, past the end/,
  },
];

const kernels: readonly Mutant[] = [
  {
    mistake: 'a committed update is not dirty',
    changes: [
      {
        file: 'recovery.ts',
        from: 'const dirties = stage == 2 && (s & L.ORPHAN) == 0;',
        to: 'const dirties = false;',
      },
    ],
    found: 'updates of a clean page and of a dirty one',
    says: /on stable storage/,
  },
  {
    mistake: 'a writeback that is given back does not move wbFail',
    changes: [
      {
        file: 'writeback.ts',
        from: 'setDirtyBits(frame, file);\n  atomic.add<i32>(fileAt(file), 1, L.FILE_WB_FAIL);\n  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
        to: 'setDirtyBits(frame, file);\n  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
      },
    ],
    found: 'a batch of writebacks',
    says: /a late fsync: .* on stable storage/,
  },
  {
    mistake: 'HOLD stays when a writeback is given back',
    changes: [
      {
        file: 'writeback.ts',
        from: 'const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (s & L.ORPHAN ? 0 : L.DIRTY);',
        to: 'const after = (s & ~(L.WRITEBACK | L.WAITERS)) | (s & L.ORPHAN ? 0 : L.DIRTY);',
      },
    ],
    found: 'a writeback whose copy loses to updates',
    says: /frame 1 is in HOLD/,
  },
  {
    mistake: "a dead owner's write pins are dropped as clean",
    changes: [
      {
        file: 'recovery.ts',
        from: 'const dirties = write != 0 && (s & L.ORPHAN) == 0;',
        to: 'const dirties = false;',
      },
    ],
    found: 'pins and stores under them',
    pinnedDirty: 'redirty',
    says: /on stable storage/,
  },
  {
    mistake: 'who waits for an update is not woken',
    changes: [
      {
        file: 'recovery.ts',
        from: 'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account(s, after);\n      if (s & L.WAITERS) wakeFrame(at);',
        to: 'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account(s, after);',
      },
    ],
    found: 'updates of a clean page and of a dirty one',
    says: /nobody woke who sleeps on frame 1/,
  },
  {
    mistake: 'who waits for a pin is not woken, and WAITERS stays',
    changes: [
      {
        file: 'recovery.ts',
        from: 'const after = ((s - (write ? L.WRITE_ONE : L.READ_ONE)) & ~L.WAITERS) | (dirties ? L.DIRTY : 0);',
        to: 'const after = (s - (write ? L.WRITE_ONE : L.READ_ONE)) | (dirties ? L.DIRTY : 0);',
      },
    ],
    found: 'pins and stores under them',
    says: /frame 1 has sleepers and nothing to wait for/,
  },
  {
    mistake: 'staging areas are not given back',
    changes: [
      {
        file: 'recovery.ts',
        from: 'if (atomic.load<i32>(<usize>(area << 2), L.HEADER_STAGING) == id + 1) releaseStaging(area);',
        to: '',
      },
    ],
    found: 'a batch of writebacks',
    says: /staging area 1 belongs to/,
  },
  {
    mistake: 'a frame that was taken, not yet detached, is freed with its page in the table',
    changes: [
      {
        file: 'recovery.ts',
        from: 'endClaimOf(owner, at, L.VALID);\n    return;',
        to: 'endClaimOf(owner, at, 0);\n    return;',
      },
    ],
    found: 'misses in a full pool',
    says: /is in the table 1 times/,
  },
  {
    mistake: 'a page half filled is taken for filled',
    changes: [
      {
        file: 'recovery.ts',
        from: 'if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) == L.STAGE_TAKEN) {',
        to: 'if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) != L.STAGE_DETACHED) {',
      },
    ],
    found: 'misses in a full pool',
    says: /page 70 is wrong in the cache/,
  },
  {
    mistake: 'a round whose leader died counts as done',
    changes: [
      {
        file: 'writeback.ts',
        from: 'endRoundOf(owner, file, open - 1, L.ABANDONED, 0, 0, 0);',
        to: 'endRoundOf(owner, file, open - 1, 0, 0, 0, 0);',
      },
    ],
    found: 'an fsync',
    says: /an fsync that joined an earlier round/,
  },
  {
    mistake: 'the reference that an unread answer carries is not dropped',
    changes: [{ file: 'rows.ts', from: 'if (opened) atomic.sub<i32>(file, 1, L.FILE_REFS);', to: '' }],
    found: 'requests to a service thread',
    says: /2 references, 1 threads/,
  },
  {
    mistake: 'a request that a dead service thread ran is not done anew',
    changes: [
      {
        file: 'recovery.ts',
        from: 'free ? L.REQUEST_FREE : L.REQUEST_PENDING + (serviceClass << 2)',
        to: 'L.REQUEST_FREE',
      },
    ],
    found: 'serving requests',
    says: /request 0 is not answered/,
  },
  {
    mistake: 'a reference taken for a request is not dropped with its service thread',
    changes: [
      {
        file: 'recovery.ts',
        from: 'atomic.store<i32>(owner, 0, L.ROW_OPENING);\n    atomic.sub<i32>(fileRow, 1, L.FILE_REFS);',
        to: 'atomic.store<i32>(owner, 0, L.ROW_OPENING);',
      },
    ],
    found: 'serving requests',
    says: /2 references, 1 threads/,
  },
];

async function deathsWith(
  { found, pinnedDirty = 'keep' }: Mutant,
  tried: Engine,
  module: WebAssembly.Module,
) {
  const scenario = scenarios.find(({ name }) => name === found)!;
  return allDeaths({ ...scenario, options: { ...scenario.options, pinnedDirty } }, tried, module, 1);
}

describe('in the protocols', () => {
  test.each(protocols.map((mutant) => [mutant.mistake, mutant] as const))('%s', async (_, mutant) => {
    const mutated = await engineWith(mutant.changes);
    await expect(deathsWith(mutant, mutated, kernel)).rejects.toThrow(mutant.says);
  });
});

describe('in the kernel', () => {
  test.each(kernels.map((mutant) => [mutant.mistake, mutant] as const))('%s', async (_, mutant) => {
    const mutated = await kernelWith(mutant.changes);
    await expect(deathsWith(mutant, engine, mutated)).rejects.toThrow(mutant.says);
  });
});
