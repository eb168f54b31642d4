// §8: waiting, requests, dying.
import { type Check, change, explored, type Mutant, sections, tested } from '../mutant.ts';

const PINS = 'src/kernel/control/pins.ts';
const WORDS = 'src/kernel/control/words.ts';
const UPDATE = 'src/kernel/control/update.ts';
const TABLE = 'src/kernel/control/table.ts';
const WRITEBACK = 'src/kernel/control/writeback.ts';
const ROWS = 'src/kernel/control/rows.ts';
const FILES = 'src/kernel/control/files.ts';
const RECOVERY = 'src/kernel/control/recovery.ts';
const RECOVER = 'src/protocol/recovery.ts';
const FLUSH = 'src/protocol/flush.ts';
const TRUNCATE = 'src/protocol/truncate.ts';
const FSYNC = 'src/protocol/fsync.ts';
const LIVENESS = 'src/liveness.ts';

const deaths = (scenario: string, pinnedDirty?: 'keep' | 'redirty'): Check => ({
  by: 'deaths',
  scenario,
  ...(pinnedDirty === undefined ? {} : { pinnedDirty }),
});
const without = (file: string, from: string) => change(file, from, '');

export const dying: readonly Mutant[] = [
  // -- waiting
  {
    name: 'wait-seq-late',
    rule: '§8 sleep: read the sequence, set WAITERS, re-check, wait',
    breaks: [8],
    changes: [
      change(
        PINS,
        '      out(0, seq);\n      return 1;',
        '      out(0, atomic.load<i32>(at, L.FRAME_WAKE) + (seq & 0));\n      return 1;',
      ),
    ],
    found: [explored('update-update', 2)],
  },
  {
    name: 'wait-unmarked',
    rule: '§8 sleep: WAITERS is set by CAS',
    breaks: [8],
    changes: [
      change(
        PINS,
        'if (s & L.WAITERS || atomic.cmpxchg<i32>(at, s, s | L.WAITERS, L.FRAME_STATE) == s) {',
        'if (true) {',
      ),
    ],
    found: [explored('update-update', 1)],
  },
  {
    name: 'wait-not-rechecked',
    rule: '§8 sleep: WAITERS by CAS on the state that was looked at',
    breaks: [8],
    changes: [
      change(
        PINS,
        'if (s & L.WAITERS || atomic.cmpxchg<i32>(at, s, s | L.WAITERS, L.FRAME_STATE) == s) {',
        'atomic.or<i32>(at, L.WAITERS, L.FRAME_STATE);\n    if (true) {',
      ),
    ],
    found: [explored('update-update', 2)],
  },
  {
    name: 'wake-no-seq',
    rule: '§8 wake: bumps the sequence',
    breaks: [8],
    changes: [change(WORDS, '  atomic.add<i32>(at, 1, L.FRAME_WAKE);\n', '')],
    found: [explored('update-update', 2)],
  },
  {
    name: 'wake-no-notify',
    rule: '§8 wake: notifies',
    breaks: [8],
    changes: [change(WORDS, '  atomic.notify(at + L.FRAME_WAKE, -1);\n', '')],
    found: [explored('update-update', 1)],
  },
  {
    name: 'wake-one',
    rule: '§8 wake: notifies *all*',
    breaks: [8],
    changes: [change(WORDS, 'atomic.notify(at + L.FRAME_WAKE, -1);', 'atomic.notify(at + L.FRAME_WAKE, 1);')],
    found: [explored('wait-two', 1)],
  },
  {
    name: 'wake-one-file',
    rule: '§8 wake: notifies *all*, also who sleeps on the file',
    breaks: [8],
    changes: [change(WORDS, 'atomic.notify(at + L.FILE_WAKE, -1);', 'atomic.notify(at + L.FILE_WAKE, 0);')],
    found: [explored('sync-sync', 1)],
  },
  {
    name: 'wake-keeps-waiters',
    rule: '§8 wake: clears WAITERS in its own CAS',
    breaks: [8],
    changes: [
      change(
        UPDATE,
        '~(L.UPDATING | L.WAITERS)) | (dirties ? L.DIRTY : 0);',
        '~L.UPDATING) | (dirties ? L.DIRTY : 0);',
      ),
    ],
    found: [explored('update-update', 1)],
  },
  {
    name: 'wake-update',
    rule: '§8 wake: the end of an update wakes who waits for it',
    breaks: [8],
    changes: [
      change(
        UPDATE,
        'account(s, after);\n      if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN) freeOrphan(frame);\n      return 1;',
        'account(s, after);\n      if (s & L.ORPHAN) freeOrphan(frame);\n      return 1;',
      ),
    ],
    found: [explored('update-update', 1)],
  },
  {
    name: 'wake-writeback',
    rule: '§5 end writeback: wakes',
    breaks: [8],
    changes: [
      change(
        WRITEBACK,
        'if (held & 1) count(L.COUNT_BOUNCED);\n      if (s & L.WAITERS) wakeFrame(at);',
        'if (held & 1) count(L.COUNT_BOUNCED);',
      ),
    ],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'wake-unpin',
    rule: '§8 wake: the last unpin wakes who blocks',
    breaks: [8],
    changes: [
      change(
        PINS,
        'if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN) freeOrphan(frame);',
        'if (s & L.ORPHAN) freeOrphan(frame);',
      ),
    ],
    found: [explored('block-last-unpin', 1)],
  },
  {
    name: 'wake-claim',
    rule: '§8 wake: the end of a claim',
    breaks: [8],
    changes: [
      change(
        TABLE,
        'if (s & L.WAITERS) wakeFrame(at);\n      if (orphan) freeOrphan(frame);',
        'if (orphan) freeOrphan(frame);',
      ),
    ],
    found: [explored('miss-miss', 1)],
  },
  {
    name: 'wake-flush',
    rule: '§8 wake: the end of a flush',
    breaks: [8],
    changes: [
      change(
        WRITEBACK,
        'atomic.store<i32>(row, 0, L.ROW_FLUSH);\n  atomic.store<i32>(at, 0, L.FILE_FLUSH_LOCK);\n  wakeFile(at);',
        'atomic.store<i32>(row, 0, L.ROW_FLUSH);\n  atomic.store<i32>(at, 0, L.FILE_FLUSH_LOCK);',
      ),
    ],
    found: [explored('dirty-miss', 1)],
  },
  {
    name: 'wake-round',
    rule: '§8 wake: the end of a round',
    breaks: [8],
    changes: [change(WRITEBACK, 'wakeFile(at);\n}\n\n/** Gives the lead up', '}\n\n/** Gives the lead up')],
    found: [explored('sync-sync', 1)],
  },
  {
    name: 'wake-staging',
    rule: '§8 wake: a staging area',
    breaks: [8],
    changes: [change(ROWS, '  atomic.notify(L.HEADER_STAGING_WAKE, -1);\n', '')],
    found: [explored('staging', 1)],
  },
  // -- requests
  {
    name: 'take-twice',
    rule: '§3 requests: taken by CAS, once',
    breaks: [11],
    changes: [
      change(
        ROWS,
        'if (atomic.cmpxchg<i32>(request, mine, L.REQUEST_RUNNING, L.REQUEST_STATE) != mine) continue;',
        'atomic.store<i32>(request, L.REQUEST_RUNNING, L.REQUEST_STATE);',
      ),
    ],
    found: [explored('ask-withdraw', 1)],
  },
  {
    name: 'withdraw-taken',
    rule: '§3 requests: one that was taken is not taken back',
    breaks: [11],
    changes: [
      change(
        ROWS,
        'if (atomic.cmpxchg<i32>(request, mine, L.REQUEST_FREE, L.REQUEST_STATE) != mine) return 0;',
        'atomic.store<i32>(request, L.REQUEST_FREE, L.REQUEST_STATE);',
      ),
    ],
    found: [explored('ask-withdraw', 2)],
  },
  {
    name: 'answer-unheard',
    rule: '§8 wake: an answer',
    breaks: [8],
    changes: [change(ROWS, '  atomic.notify(at + L.ROW_WAKE, -1);\n', '')],
    found: [],
    equivalent:
      'who waits for an answer sleeps in slices of 50 ms and looks again after each: it costs time, and changes no outcome',
  },
  // -- recovery: updates
  {
    name: 'die-pins-first',
    rule: '§8 recovery: updates are settled, then pins drop',
    breaks: [2, 11],
    changes: [
      change(
        RECOVER,
        'const cutting = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;',
        'const cutting = kernel.rowWord(owner, L.ROW_CUT_TAIL) - 1;\n  control.recoverPins(owner);',
      ),
    ],
    found: [explored('update-update', 0, 'one')],
  },
  {
    name: 'die-no-image',
    rule: '§6 step 8: stage 2, odd: the before-image is laid back',
    breaks: [9],
    changes: [
      without(RECOVER, 'bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);'),
    ],
    found: [explored('update-view-copy', 0, 'updater')],
  },
  {
    name: 'die-image-late',
    rule: '§6 step 8: laid back at an odd useq',
    breaks: [9, 14],
    changes: [
      without(
        RECOVER,
        'bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);\n    ',
      ),
      change(
        RECOVER,
        'control.recoverUndone(owner, level);',
        'control.recoverUndone(owner, level);\n    bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);',
      ),
    ],
    found: [explored('update-view-copy', 1, 'updater')],
  },
  {
    name: 'die-image-at-even',
    rule: '§6 step 8: only at an odd useq',
    breaks: [4, 14],
    changes: [
      change(
        RECOVER,
        'if (stage === 2 && (kernel.frameWord(frame, L.FRAME_USEQ) & 1) !== 0) {',
        'if (stage === 2) {',
      ),
    ],
    found: [explored('update-view-copy', 0, 'updater')],
  },
  {
    name: 'die-image-unpublished',
    rule: '§6 step 8: only of stage 2',
    breaks: [9, 14],
    changes: [
      change(
        RECOVER,
        'if (stage === 2 && (kernel.frameWord(frame, L.FRAME_USEQ) & 1) !== 0) {',
        'if (stage !== 0) {',
      ),
    ],
    found: [explored('update-update', 0, 'one')],
  },
  {
    name: 'die-committed-clean',
    rule: '§6 step 8: stage 2, even: steps 5–6, so DIRTY',
    breaks: [4, 5],
    changes: [
      change(RECOVERY, 'const dirties = stage == 2 && (s & L.ORPHAN) == 0;', 'const dirties = false;'),
    ],
    found: [explored('update-view-copy', 0, 'updater'), explored('update-update', 0, 'one')],
  },
  {
    name: 'die-committed-no-bit',
    rule: '§7 dirty bits: also by recovery',
    breaks: [4, 5],
    changes: [
      change(
        RECOVERY,
        'if (dirties) noteDirtied(at, frame, file, s);\n      store<i32>(entry',
        'store<i32>(entry',
      ),
    ],
    found: [explored('update-view-copy', 0, 'updater')],
  },
  {
    name: 'die-update-unwoken',
    rule: '§8 recovery: nobody hangs',
    breaks: [8],
    changes: [
      change(
        RECOVERY,
        'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account(s, after);\n      if (s & L.WAITERS) wakeFrame(at);',
        'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account(s, after);',
      ),
    ],
    found: [explored('update-update', 1, 'one')],
  },
  {
    name: 'die-stage-kept',
    rule: '§6 step 8: `stage` is cleared in the CAS’s section',
    breaks: [11],
    changes: [change(RECOVERY, 'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account', 'account')],
    found: [{ by: 'explorer', scenario: 'update-update', preemptions: 0, dies: 'one', undertaker: true }],
  },
  // -- recovery: pins
  {
    name: 'die-pins-kept',
    rule: '§8 recovery: pins drop',
    breaks: [6, 11],
    changes: [without(RECOVER, 'control.recoverPins(owner);')],
    found: [explored('pin-reclaim', 0, 'pinner')],
  },
  {
    name: 'die-write-pin-clean',
    rule: '§8 recovery: a write pin drops as dirty',
    breaks: [4, 5],
    changes: [
      change(RECOVERY, 'const dirties = write != 0 && (s & L.ORPHAN) == 0;', 'const dirties = false;'),
    ],
    found: [explored('dma-bounce-redirty', 1, 'device'), explored('dma-writer-sync', 0, 'device')],
  },
  {
    name: 'die-pin-version',
    rule: '§8 recovery: a write pin’s drop moves the version',
    breaks: [9],
    changes: [change(RECOVERY, 'if (write) atomic.add<i32>(at, 1, L.FRAME_VERSION);', '')],
    found: [explored('view-unpin', 1, 'device')],
  },
  {
    name: 'die-pin-unwoken',
    rule: '§8 recovery: who waits for a pin wakes',
    breaks: [8],
    changes: [
      change(
        RECOVERY,
        'if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN) freeOrphan(frame);',
        'if (s & L.ORPHAN) freeOrphan(frame);',
      ),
    ],
    found: [explored('block-last-unpin', 1, 'one')],
  },
  {
    name: 'die-orphan',
    rule: '§7 orphans: freed by the recoverer of their last holder',
    breaks: [11],
    changes: [
      change(
        RECOVERY,
        'if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN) freeOrphan(frame);',
        'if (s & L.WAITERS) wakeFrame(at);',
      ),
      without(RECOVER, 'control.freeOrphans();'),
    ],
    found: [explored('miss-reclaim-cut', 0, 'cutter')],
  },
  // -- recovery: claims, writebacks, staging
  {
    name: 'die-claim',
    rule: '§8 recovery: claims are given back',
    breaks: [8, 11],
    changes: [without(RECOVER, 'control.recoverClaim(owner);')],
    found: [explored('pin-reclaim', 0, 'misser')],
  },
  {
    name: 'die-claim-taken',
    rule: '§8 recovery: un-filled claims give VALID back',
    breaks: [1, 11],
    changes: [
      change(
        RECOVERY,
        'endClaimOf(owner, at, L.VALID);\n    return;',
        'endClaimOf(owner, at, 0);\n    return;',
      ),
    ],
    found: [explored('pin-reclaim', 0, 'misser')],
  },
  {
    name: 'die-claim-filling',
    rule: '§8 recovery: filling claims free the frame',
    breaks: [2, 4],
    changes: [
      change(
        RECOVERY,
        'if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) == L.STAGE_TAKEN) {',
        'if (atomic.load<i32>(owner, L.ROW_CLAIM_STAGE) != L.STAGE_DETACHED) {',
      ),
    ],
    found: [explored('miss-miss', 0, 'one')],
  },
  {
    name: 'die-writebacks',
    rule: '§8 recovery: writebacks end',
    breaks: [3, 8, 11],
    changes: [change(RECOVERY, 'giveBackOf(owner, slot);', 'continue;')],
    found: [explored('write-flush-sync', 0, 'flusher')],
  },
  {
    name: 'die-writeback-well',
    rule: '§8 recovery: writebacks end as failed',
    breaks: [4, 5],
    changes: [
      change(
        RECOVERY,
        'giveBackOf(owner, slot);',
        '{\n      const fallen = frameAt((atomic.load<i32>(owner + (<usize>slot << 2), L.ROW_WRITEBACKS) >>> 1) - 1);\n      giveBackOf(owner, slot);\n      const dirtied = atomic.and<i32>(fallen, ~L.DIRTY, L.FRAME_STATE);\n      account(dirtied, dirtied & ~L.DIRTY);\n    }',
      ),
    ],
    found: [explored('write-flush-sync', 0, 'flusher')],
  },
  {
    name: 'die-wb-fail',
    rule: '§7 a recovered writeback bumps `wbFail`',
    breaks: [5],
    changes: [
      change(
        WRITEBACK,
        'setDirtyBits(frame, file);\n  atomic.add<i32>(fileAt(file), 1, L.FILE_WB_FAIL);\n  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
        'setDirtyBits(frame, file);\n  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
      ),
    ],
    found: [explored('write-flush-sync', 1, 'flusher'), explored('failed-write', 1)],
  },
  {
    name: 'die-hold',
    rule: '§6 step 10: recovering WRITEBACK clears HOLD',
    breaks: [8, 11],
    changes: [
      change(
        WRITEBACK,
        'const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (s & L.ORPHAN ? 0 : L.DIRTY);',
        'const after = (s & ~(L.WRITEBACK | L.WAITERS)) | (s & L.ORPHAN ? 0 : L.DIRTY);',
      ),
    ],
    found: [explored('hold-update', 0, 'holder'), deaths('a writeback whose copy loses to updates')],
  },
  {
    name: 'die-staging',
    rule: '§8 recovery: staging returns',
    breaks: [8, 11],
    changes: [
      without(
        RECOVERY,
        'if (atomic.load<i32>(<usize>(area << 2), L.HEADER_STAGING) == id + 1) releaseStaging(area);',
      ),
    ],
    found: [explored('staging', 0, 'flusher')],
  },
  // -- recovery: rounds, flushes, cuts
  {
    name: 'die-round',
    rule: '§7 a dead leader’s followers elect another',
    breaks: [8, 11],
    changes: [without(RECOVER, 'control.recoverRound(owner);')],
    found: [explored('sync-sync', 0, 'one')],
  },
  {
    name: 'die-round-done',
    rule: '§8 recovery: a round whose leader died is abandoned, not done',
    breaks: [5],
    changes: [
      change(
        WRITEBACK,
        'endRoundOf(owner, file, open - 1, L.ABANDONED, 0, 0, 0);',
        'endRoundOf(owner, file, open - 1, 0, 0, 0, 0);',
      ),
    ],
    found: [explored('sync-sync', 1, 'one')],
  },
  {
    name: 'die-round-told',
    rule: '§7 a follower of an abandoned round joins another',
    breaks: [5],
    changes: [
      change(
        FSYNC,
        'const abandoned = ended === 0 && kernel.out(0) === L.ABANDONED;',
        'const abandoned = false;',
      ),
    ],
    found: [explored('sync-sync', 1, 'one')],
  },
  {
    name: 'die-flush',
    rule: '§8 recovery: the flush lock is given back',
    breaks: [8, 11, 13],
    changes: [without(RECOVER, 'yield* recoverFlush(pool, owner);')],
    found: [explored('write-flush-sync', 0, 'syncer')],
  },
  {
    name: 'die-flush-well',
    rule: '§7 the flush of a dead thread counts as failed',
    breaks: [4, 5],
    changes: [
      change(
        FLUSH,
        'yield* redirty(pool, file);\n  control.flushFailed(file, owner);',
        'control.flushFailed(file, owner);',
      ),
    ],
    found: [explored('failed-flush-writeback', 0, 'syncer'), explored('failed-flush-reclaim', 1, 'syncer')],
  },
  {
    name: 'die-flush-begun',
    rule: '§8 recovery: a flush that had begun may have heard an error',
    breaks: [5],
    changes: [
      change(
        FLUSH,
        'if (kernel.fileWord(file, L.FILE_BEGUN) === kernel.fileWord(file, L.FILE_FLUSHED)) {',
        'if (kernel.fileWord(file, L.FILE_BEGUN) !== -5) {',
      ),
    ],
    found: [explored('failed-flush-writeback', 0, 'syncer'), explored('failed-flush-reclaim', 1, 'syncer')],
  },
  {
    name: 'die-cut',
    rule: '§7 truncate: recovery replays the intent',
    breaks: [4, 11],
    changes: [
      change(
        TRUNCATE,
        'if (kernel.fileWord(file, L.FILE_CUT_SEQ) & 1) yield* finishCut(pool, file, owner);\n  else kernel',
        'kernel',
      ),
    ],
    found: [explored('cut-cut', 0, 'one')],
  },
  {
    name: 'die-cut-tail',
    rule: '§7 truncate: the tail’s update is the truncate’s, not settled with the others',
    breaks: [4],
    changes: [without(RECOVER, 'if (level !== cutting) ')],
    found: [
      explored('extend-writeback-cut', 0, 'cutter'),
      deaths('a cut within a page, with pages dirty and pinned'),
    ],
  },
  {
    name: 'die-cut-lock',
    rule: '§8 recovery: the cut lock is given back',
    breaks: [8, 11],
    changes: [without(RECOVER, 'yield* recoverCut(pool, owner);')],
    found: [explored('cut-cut', 0, 'one')],
  },
  {
    name: 'cut-unended',
    rule: '§7 truncate: the intent is cleared',
    breaks: [11],
    changes: [change(FILES, 'atomic.add<i32>(at, odd, L.FILE_CUT_SEQ);', '')],
    found: [explored('cut-cut', 0)],
  },
  // -- recovery: the rest
  {
    name: 'die-undo-frames',
    rule: '§8 recovery: undo frames are freed',
    breaks: [11],
    changes: [without(RECOVER, 'control.dropUndoFrames(owner);')],
    found: [explored('update-update', 0, 'one')],
  },
  {
    name: 'die-references',
    rule: '§8 recovery: references to files drop',
    breaks: [11],
    changes: [
      without(RECOVER, 'if (control.fileRelease(file, owner) === 0) control.ring(serviceClass.files);'),
    ],
    found: [explored('update-view-copy', 0, 'flusher')],
  },
  {
    name: 'die-beyond',
    rule: '§7 a page past the end stays for nobody',
    breaks: [4],
    changes: [without(RECOVER, '    if (!evict(pool, from as FrameId)) return false;')],
    found: [explored('extend-writeback-cut', 0, 'writer'), deaths('a write behind the end, over two pages')],
  },
  {
    name: 'recover-unsigned',
    rule: '§8 any thread may recover: CAS (row, generation)',
    breaks: [11],
    changes: [
      change(
        RECOVERY,
        'if (atomic.cmpxchg<i32>(at, from, mine, L.ROW_RECOVERER) != from) return 0;',
        'atomic.store<i32>(at, mine, L.ROW_RECOVERER);',
      ),
    ],
    found: [explored('recovery-race', 2, 'pinner')],
  },
  {
    name: 'recover-stale',
    rule: '§8 who wins the right to recover looks at the status again',
    breaks: [11],
    changes: [change(RECOVERY, 'if (atomic.load<i32>(at, L.ROW_STATUS) == taken) return 1;', 'return 1;')],
    found: [explored('recovery-recovery', 1, 'updater')],
  },
  {
    name: 'attach-two',
    rule: '§5 rows: a row has one owner',
    breaks: [6, 11],
    changes: [
      change(
        ROWS,
        'if (atomic.cmpxchg<i32>(at, status, starting, L.ROW_STATUS) != status) continue;',
        'atomic.store<i32>(at, starting, L.ROW_STATUS);',
      ),
    ],
    found: [explored('attach-attach', 2)],
  },
  {
    name: 'retain-lost',
    rule: "§3 a file's descriptor stays open while somebody refers to it",
    breaks: [10],
    changes: [
      change(
        FILES,
        'if (atomic.cmpxchg<i32>(at, refs, refs + 1, L.FILE_REFS) == refs) {\n      // Section.\n      store<i32>(word,',
        'if (atomic.xchg<i32>(at, refs + 1, L.FILE_REFS) >= 0) {\n      // Section.\n      store<i32>(word,',
      ),
    ],
    found: [explored('retain-retain', 2)],
  },
  {
    name: 'life-reopens',
    rule: '§4 a closed cache stays closed',
    breaks: [],
    changes: [
      change(
        ROWS,
        'if (atomic.cmpxchg<i32>(0, old, life, L.HEADER_LIFE) == old) break;',
        'if (atomic.xchg<i32>(0, life, L.HEADER_LIFE) >= 0) break;',
      ),
    ],
    found: [explored('life-life', 1)],
  },
  {
    name: 'recover-row-early',
    rule: '§8 the row is reused only when all is given back',
    breaks: [6, 11],
    changes: [
      change(
        RECOVER,
        'control.recoverWritebacks(owner);',
        'control.recoverEnd(owner);\n  control.recoverWritebacks(owner);',
      ),
      change(RECOVER, '  control.recoverEnd(owner);\n  return true;', '  return true;'),
    ],
    found: [explored('recovery-attach', 1, 'pinner')],
  },
  {
    name: 'recover-again',
    rule: '§8 each step idempotent: a recoverer’s own death is recovered likewise',
    breaks: [11],
    changes: [
      change(RECOVERY, 'if (stage == 0) return;\n', 'if (stage == 0) unreachable();\n'),
      change(
        RECOVER,
        'if (stage === 0) return;',
        'if (stage === 0 && kernel.rowWord(owner, L.ROW_CUT_TAIL) < 0) return;',
      ),
    ],
    found: [{ by: 'explorer', scenario: 'update-update', preemptions: 0, dies: 'one', undertaker: true }],
  },
  // -- who is dead
  {
    name: 'alive-number',
    rule: '§8 alive: the OS thread and its start time',
    breaks: [11],
    changes: [
      change(
        LIVENESS,
        'return Number(BigInt.asIntN(32, startOf(tid))) === kernel.rowWord(owner, L.ROW_START_LO);',
        'return startOf(tid) >= 0n;',
      ),
    ],
    found: [tested('test/kernel/recovery.test.ts')],
  },
  {
    name: 'recoverer-generation',
    rule: '§8 a recoverer is known by row and generation',
    breaks: [11],
    changes: [change(LIVENESS, 'if (((status >>> 3) & 0x1fffff) !== signature >>> 11) return false;', '')],
    found: [tested('test/kernel/recovery.test.ts')],
  },
  {
    name: 'recoverer-living',
    rule: '§8 nobody else recovers a row whose recoverer lives',
    breaks: [11],
    changes: [change(LIVENESS, 'if (recoverer !== 0 && isRecovererAlive(kernel, recoverer)) continue;', '')],
    found: [tested('test/kernel/recovery.test.ts')],
  },
  // -- sections
  {
    name: 'section-loop',
    rule: '§8 straight-line sections: no loop between first and last store',
    breaks: [11],
    changes: [
      change(
        WRITEBACK,
        'if (held & 1) count(L.COUNT_BOUNCED);',
        'if (held & 1) count(L.COUNT_BOUNCED);\n      while (atomic.load<i32>(0, L.HEADER_LIFE) < 0) {}',
      ),
    ],
    found: [sections],
  },
  {
    name: 'section-size',
    rule: '§6 step 5: size and commit are one section',
    breaks: [4, 11],
    changes: [
      change(
        UPDATE,
        '      // Section.\n      atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);\n      atomic.store<i32>(fileRow, lo,',
        '      atomic.store<i32>(fileRow, lo,',
      ),
      change(
        UPDATE,
        '      atomic.store<i32>(fileRow, seq + 2, L.FILE_SIZE_SEQ);\n      return true;',
        '      atomic.store<i32>(fileRow, seq + 2, L.FILE_SIZE_SEQ);\n      while (atomic.load<i32>(0, L.HEADER_LIFE) < 0) {}\n      atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);\n      return true;',
      ),
    ],
    found: [sections],
  },
  {
    name: 'section-call',
    rule: '§8 straight-line sections: no call between first and last store',
    breaks: [6],
    changes: [
      change(
        PINS,
        'takePinSlot(slotAt, frame, L.PIN_READ);',
        'unpin(slot, 1);\n        takePinSlot(slotAt, frame, L.PIN_READ);',
      ),
    ],
    found: [sections],
  },
];
