// §7: writeback, fsync, flush, failure, truncate.
import { change, explored, type Mutant, tested } from '../mutant.ts';

const WRITEBACK = 'src/kernel/control/writeback.ts';
const PROTOCOL = 'src/protocol/writeback.ts';
const FSYNC = 'src/protocol/fsync.ts';
const FLUSH = 'src/protocol/flush.ts';
const FILL = 'src/protocol/fill.ts';
const TRUNCATE = 'src/protocol/truncate.ts';
const THROTTLE = 'src/protocol/throttle.ts';
const FILE = 'src/file.ts';
const PINS = 'src/kernel/control/pins.ts';
const ORPHANS = 'src/kernel/control/orphans.ts';
const TABLE = 'src/kernel/control/table.ts';
const FILES = 'src/kernel/control/files.ts';
const ROWS = 'src/kernel/control/rows.ts';
const WORDS = 'src/kernel/control/words.ts';

const failSeqMoves = 'atomic.add<i32>(fileAt(file), 1, L.FILE_FAIL_SEQ);\n  count(L.COUNT_ERRORS);';
const failSeqEnds = 'atomic.add<i32>(at, 1, L.FILE_FAIL_SEQ);';
const failSeqIsEven = 'const failSeq = yield* even(pool, file, L.FILE_FAIL_SEQ);';

export const writebacks: readonly Mutant[] = [
  // -- rounds
  {
    name: 'round-closes-late',
    rule: '§7 fsync: a round closes before its scan’s first load',
    breaks: [5],
    changes: [
      change(FSYNC, 'ticket = kernel.control.roundClose(file); // before', '// before'),
      change(
        FSYNC,
        'errno = yield* commit(pool, file, pinned, account);\n',
        'errno = yield* commit(pool, file, pinned, account);\n    ticket = kernel.control.roundClose(file);\n',
      ),
    ],
    found: [explored('sync-sync', 1)],
  },
  {
    name: 'round-two-leaders',
    rule: '§7 fsync: one leader at a time',
    breaks: [11],
    changes: [
      change(
        WRITEBACK,
        'if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_ROUND_LEADER) != 0) return 0;',
        'atomic.store<i32>(at, me + 1, L.FILE_ROUND_LEADER);',
      ),
    ],
    found: [explored('sync-sync', 1)],
  },
  {
    name: 'round-well-anyway',
    rule: '§7 errors: a caller whose round failed always rejects',
    breaks: [5],
    changes: [
      change(
        FSYNC,
        'kernel.control.roundEnd(file, ticket, errno,',
        'kernel.control.roundEnd(file, ticket, 0,',
      ),
    ],
    found: [explored('failed-write', 0)],
  },
  {
    name: 'round-outcome-early',
    rule: '§7 fsync: a caller answers by the round it joined',
    breaks: [5],
    changes: [
      change(
        WRITEBACK,
        'if (atomic.load<i32>(at, L.FILE_ROUND_DONE) - ticket < 0) return -1;',
        'if (atomic.load<i32>(at, L.FILE_ROUND_OPEN) - ticket <= 0) return -1;',
      ),
      change(WRITEBACK, '  if (atomic.load<i32>(result, L.RESULT_TICKET) != ticket) return 1;\n', ''),
      change(WRITEBACK, 'return atomic.load<i32>(result, L.RESULT_TICKET) == ticket ? 0 : 1;', 'return 0;'),
    ],
    found: [explored('round-join', 2)],
  },
  {
    name: 'round-write-error',
    rule: '§7 fsync: a write that failed fails the round',
    breaks: [5],
    changes: [
      change(FSYNC, 'if (first.errno !== 0) return first.errno;', 'if (first.errno !== 0) return 0;'),
    ],
    found: [explored('failed-write', 0)],
  },
  {
    name: 'busy-not-written',
    rule: '§7 fsync (3): a page in another’s writeback is waited for, and written if still DIRTY',
    breaks: [4, 5],
    changes: [change(FSYNC, 'if (first.busy.length > 0) {', 'if (first.busy.length > 1000) {')],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'busy-not-waited',
    rule: '§7 fsync (3): wait, then write',
    breaks: [5],
    changes: [change(FSYNC, 'for (const { frame } of first.busy) yield* waitForWriteback(pool, frame);', '')],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'in-flight-not-waited',
    rule: '§7 fsync (4): every writeback of the file in the rows is waited for',
    breaks: [5],
    changes: [change(FSYNC, '    yield* waitForAllWritebacks(pool, file);\n', '')],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'in-flight-once',
    rule: '§7 fsync (4): a writeback’s count moves before it ends; only the second move says that the first has ended',
    breaks: [5],
    changes: [change(PROTOCOL, '- before) | 0) >= 2) return;', '- before) | 0) >= 1) return;')],
    found: [tested('test/kernel/flush-failure.test.ts')],
  },
  {
    name: 'wb-fail-ignored',
    rule: '§7 fsync (4): if `wbFail` moved, scan again',
    breaks: [4, 5],
    changes: [
      change(
        FSYNC,
        'if (kernel.load(fileAt + L.FILE_WB_FAIL) !== failures) {',
        'if (kernel.load(fileAt + L.FILE_WB_FAIL) < failures) {',
      ),
    ],
    found: [explored('failed-write-sync', 1)],
  },
  {
    name: 'wb-fail-late-look',
    rule: '§7 fsync (4): `wbFail` since before (2)',
    breaks: [5],
    changes: [
      change(FSYNC, '    const failures = kernel.load(fileAt + L.FILE_WB_FAIL);\n', ''),
      change(
        FSYNC,
        '    account.pages += first.pages;',
        '    const failures = kernel.load(fileAt + L.FILE_WB_FAIL);\n    account.pages += first.pages;',
      ),
    ],
    found: [explored('failed-write-sync', 2)],
  },
  {
    name: 'wb-fail-after-cas',
    rule: '§7 a failed writeback: the bit, then `wbFail`, then the CAS',
    breaks: [5],
    changes: [
      change(
        WRITEBACK,
        '  atomic.add<i32>(fileAt(file), 1, L.FILE_WB_FAIL);\n  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
        '  atomic.add<i32>(at, 1, L.FRAME_WRITEBACKS);',
      ),
      change(
        WRITEBACK,
        '      setDirtyBits(frame, file);\n      atomic.store<i32>(slotAt, 0, L.ROW_WRITEBACKS);\n      account(s, after);\n      if (s & L.WAITERS) wakeFrame(at);',
        '      setDirtyBits(frame, file);\n      atomic.store<i32>(slotAt, 0, L.ROW_WRITEBACKS);\n      account(s, after);\n      if (s & L.WAITERS) wakeFrame(at);\n      atomic.add<i32>(fileAt(file), 1, L.FILE_WB_FAIL);',
      ),
    ],
    found: [explored('failed-write-sync', 2)],
  },
  {
    name: 'failed-write-clean',
    rule: '§5 end writeback: failed: DIRTY',
    breaks: [4, 5],
    changes: [change(WRITEBACK, '(s & L.ORPHAN ? 0 : L.DIRTY);', '0;')],
    found: [explored('failed-write', 0)],
  },
  {
    name: 'failed-write-ends-well',
    rule: '§7 errors: a write error leaves the page dirty',
    breaks: [4, 5],
    changes: [
      change(
        PROTOCOL,
        'control.failWriteback(slot);\n        continue;',
        'control.endWriteback(slot, failSeq);\n        continue;',
      ),
    ],
    found: [explored('failed-write', 0)],
  },
  {
    name: 'flush-if-written',
    rule: '§7 fsync with nothing dirty flushes all the same if anything is unstable',
    breaks: [5],
    changes: [change(FSYNC, 'if (control.needsFlush(file) === 1) {', 'if (account.pages > 0) {')],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'flush-not-counted',
    rule: '§7 every write asks for a flush',
    breaks: [5],
    changes: [change(WRITEBACK, 'atomic.add<i32>(fileRow, 1, L.FILE_WRITES);\n  const again', 'const again')],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'flush-covers-later',
    rule: '§7 flush: what it may not cover is not counted as flushed',
    breaks: [5],
    changes: [
      change(
        WRITEBACK,
        'atomic.store<i32>(at, writes, L.FILE_WRITES_FLUSHED);',
        'atomic.store<i32>(at, atomic.load<i32>(at, L.FILE_WRITES), L.FILE_WRITES_FLUSHED);',
      ),
    ],
    found: [explored('flush-write-sync', 1)],
  },
  {
    name: 'block-everyone',
    rule: '§7 fsync under `bounce` waits for no pin',
    breaks: [8],
    changes: [
      change(
        FILE,
        "this.#fsyncInPlace(policy === 'block', 'bounce', started, timeout)",
        "this.#fsyncInPlace(true, 'bounce', started, timeout)",
      ),
    ],
    found: [explored('pinner-waits-for-sync', 0)],
  },
  {
    name: 'sync-skips-pinned',
    rule: '§7 fsync cannot skip a pinned page',
    breaks: [5],
    changes: [
      change(
        FILE,
        "this.#fsyncInPlace(policy === 'block', 'bounce', started, timeout)",
        "this.#fsyncInPlace(policy === 'block', 'skip', started, timeout)",
      ),
    ],
    found: [explored('pinner-waits-for-sync', 0)],
  },
  {
    name: 'block-waits-not',
    rule: '§7 `block` sleeps until the write pins drop',
    breaks: [8],
    changes: [
      change(
        FSYNC,
        'while (kernel.control.prepareWait(frame, L.WRITE_MASK) === 1) {',
        'while (kernel.control.prepareWait(frame, 0) === 1) {',
      ),
    ],
    found: [explored('block-blocks', 1), tested('test/pin.test.ts')],
  },
  // -- staging
  {
    name: 'staging-shared',
    rule: '§3 staging: an area is one batch’s until its I/O ends',
    breaks: [5, 9],
    changes: [
      change(
        ROWS,
        'if (atomic.cmpxchg<i32>(<usize>(area << 2), 0, me + 1, L.HEADER_STAGING) == 0) return area;',
        'atomic.store<i32>(<usize>(area << 2), me + 1, L.HEADER_STAGING);\n    return area;',
      ),
    ],
    found: [explored('staging', 1)],
  },
  {
    name: 'staging-early',
    rule: '§3 staging: given back once its I/O has ended',
    breaks: [5, 9],
    changes: [
      change(
        PROTOCOL,
        'yield* writeStaged(pool, file, area, staged, written);',
        'control.releaseStaging(area);\n      yield* writeStaged(pool, file, area, staged, written);',
      ),
      change(PROTOCOL, '  } finally {\n    control.releaseStaging(area);\n  }', '  }'),
    ],
    found: [explored('staging', 2)],
  },
  {
    name: 'staging-none-kept',
    rule: '§3 staging: one area is kept for fsync',
    breaks: [8],
    changes: [change(ROWS, 'area >= from; area--', 'area >= 0; area--')],
    found: [tested('test/kernel/rows.test.ts')],
  },
  // -- flush
  {
    name: 'flush-overlap',
    rule: '§7 one flush per file at a time',
    breaks: [13],
    changes: [
      change(
        WRITEBACK,
        'if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_FLUSH_LOCK) != 0) return 0;',
        'atomic.store<i32>(at, me + 1, L.FILE_FLUSH_LOCK);',
      ),
    ],
    found: [explored('dirty-miss', 1)],
  },
  {
    name: 'flush-unlocked',
    rule: '§7 one flush per file at a time, whoever begins it',
    breaks: [13],
    changes: [
      change(
        FLUSH,
        "const result = yield* io({ kind: 'flush', file });",
        "control.flushRelease(file, kernel.owner);\n  const result = yield* io({ kind: 'flush', file });",
      ),
    ],
    found: [explored('dirty-miss', 1)],
  },
  {
    name: 'flush-lock-before-redirty',
    rule: '§7 the flush lock is held until any re-dirtying is done',
    breaks: [5, 13],
    changes: [
      change(
        FLUSH,
        'control.flushFailing(file, -result);\n  yield* redirty(pool, file);',
        'control.flushFailing(file, -result);\n  control.flushRelease(file, kernel.owner);\n  yield* redirty(pool, file);',
      ),
    ],
    found: [explored('failed-flush-reclaim', 1), explored('failed-flush-writeback', 1)],
  },
  {
    name: 'cover-begun',
    rule: '§7 stable: written-epoch = the last flush *begun*; a greater one must succeed',
    breaks: [7],
    changes: [
      change(
        WRITEBACK,
        'coverAfter(atomic.load<i32>(fileRow, L.FILE_BEGUN)), L.FRAME_COVER',
        'atomic.load<i32>(fileRow, L.FILE_BEGUN), L.FRAME_COVER',
      ),
    ],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'cover-flushed',
    rule: '§7 stable: the last flush begun, not the last that succeeded',
    breaks: [7],
    changes: [
      change(
        WRITEBACK,
        'coverAfter(atomic.load<i32>(fileRow, L.FILE_BEGUN)), L.FRAME_COVER',
        'coverAfter(atomic.load<i32>(fileRow, L.FILE_FLUSHED)), L.FRAME_COVER',
      ),
    ],
    found: [explored('flush-write-miss', 1), tested('test/kernel/rows.test.ts')],
  },
  {
    name: 'not-unstable',
    rule: '§7 a writeback’s end marks the page unstable',
    breaks: [4, 5, 7],
    changes: [
      change(WRITEBACK, 'atomic.or<i32>(unstableWordAt(frame), 1 << (frame & 31), L.UNSTABLE_BITS);', ''),
    ],
    found: [explored('failed-flush-writeback', 0)],
  },
  {
    name: 'fail-not-redirtied',
    rule: '§7 a failed flush makes every unstable page of the file dirty again',
    breaks: [4, 5],
    changes: [
      change(
        FLUSH,
        'yield* redirty(pool, file);\n  control.flushFailed(file, kernel.owner);',
        'control.flushFailed(file, kernel.owner);',
      ),
    ],
    found: [explored('failed-flush-writeback', 0)],
  },
  {
    name: 'redirty-skips-claimed',
    rule: '§7 the scan waits for CLAIMED, never skips it',
    breaks: [4, 7],
    changes: [
      change(
        WRITEBACK,
        'if (s & L.CLAIMED) {\n          out(0, frame);\n          return group;\n        }',
        'if (s & L.CLAIMED) break;',
      ),
    ],
    found: [explored('failed-flush-reclaim', 1)],
  },
  {
    name: 'redirty-skips-pinned',
    rule: '§7 the scan goes through read pins',
    breaks: [4, 5],
    changes: [
      change(
        WRITEBACK,
        'const after = s | L.DIRTY;',
        'if (s & L.PIN_MASK) break;\n        const after = s | L.DIRTY;',
      ),
    ],
    found: [explored('failed-flush-pin', 1)],
  },
  {
    name: 'fail-seq-after',
    rule: '§7 `failSeq` is bumped before the scan',
    breaks: [4, 5],
    changes: [
      change(WRITEBACK, failSeqMoves, 'count(L.COUNT_ERRORS);'),
      change(WRITEBACK, failSeqEnds, 'atomic.add<i32>(at, 2, L.FILE_FAIL_SEQ);'),
    ],
    found: [explored('failed-flush-end', 2)],
  },
  {
    name: 'fail-seq-before',
    rule: '§7 `failSeq` is odd as long as the scan runs',
    breaks: [5],
    changes: [
      change(WRITEBACK, failSeqMoves, failSeqMoves.replace(', 1,', ', 2,')),
      change(WRITEBACK, failSeqEnds, ''),
    ],
    found: [explored('failed-flush-round', 1)],
  },
  {
    name: 'round-at-odd',
    rule: '§7 fsync (1): starts only on an even `failSeq`',
    breaks: [5],
    changes: [
      change(FSYNC, failSeqIsEven, 'const failSeq = kernel.load(fileAt + L.FILE_FAIL_SEQ);'),
      change(FSYNC, 'yield* even(pool, file, L.FILE_FAIL_SEQ);\n    ticket', 'ticket'),
    ],
    found: [tested('test/kernel/flush-failure.test.ts')],
  },
  {
    name: 'round-fail-seq',
    rule: '§7 fsync (6): has failed if `failSeq` moved',
    breaks: [5],
    changes: [
      change(
        FSYNC,
        'if (kernel.load(fileAt + L.FILE_FAIL_SEQ) !== failSeq) {',
        'if (kernel.load(fileAt + L.FILE_FAIL_SEQ) < failSeq) {',
      ),
    ],
    found: [explored('failed-flush-round', 1)],
  },
  {
    name: 'end-fail-seq',
    rule: '§7 a writeback’s end re-reads `failSeq`, and if it moved the page is dirty',
    breaks: [4, 5],
    changes: [
      change(
        WRITEBACK,
        'const again = i32(atomic.load<i32>(fileRow, L.FILE_FAIL_SEQ) != failSeq);',
        'const again = i32(atomic.load<i32>(fileRow, L.FILE_FAIL_SEQ) < failSeq);',
      ),
    ],
    found: [explored('failed-flush-end', 1)],
  },
  {
    name: 'fail-seq-after-write',
    rule: '§7 writeback reads `failSeq` before its write',
    breaks: [4, 5],
    changes: [
      change(
        PROTOCOL,
        'control.endWriteback(slot, failSeq);',
        'control.endWriteback(slot, kernel.fileWord(file, L.FILE_FAIL_SEQ));',
      ),
    ],
    found: [explored('failed-flush-end', 1)],
  },
  {
    name: 'error-untold',
    rule: '§7 errors: one from outside a round reaches each handle once',
    breaks: [5],
    changes: [change(WRITEBACK, 'atomic.add<i32>(at, 1, L.FILE_ERROR_SEQ);', '')],
    found: [tested('test/faults.test.ts')],
  },
  // -- size and truncate
  {
    name: 'write-past-end',
    rule: '§7 size: no byte past the end is written',
    breaks: [4],
    changes: [
      change(
        PROTOCOL,
        ': Math.min(run.length * geometry.pageSize, size - staged[first]!.index * geometry.pageSize);',
        ': (last - first + 1) * geometry.pageSize;',
      ),
    ],
    found: [explored('extend-writeback-cut', 0)],
  },
  {
    name: 'size-before-writeback',
    rule: '§7 size: sampled by writeback after WRITEBACK is set',
    breaks: [4],
    changes: [
      change(PROTOCOL, '  const size = kernel.size(file);\n  const cutting', '  const cutting'),
      change(
        PROTOCOL,
        '  batch: readonly Staged[],\n  written: Written,',
        '  batch: readonly Staged[],\n  written: Written,\n  size: number,',
      ),
      change(
        PROTOCOL,
        'yield* writeStaged(pool, file, area, staged, written);',
        'yield* writeStaged(pool, file, area, staged, written, sampled);',
      ),
      change(
        PROTOCOL,
        '    let next = 0;\n    while (next < pages.length) {',
        '    let next = 0;\n    const sampled = kernel.size(file);\n    while (next < pages.length) {',
      ),
    ],
    found: [explored('extend-writeback-cut', 1)],
  },
  {
    name: 'cut-written-off',
    rule: '§7 truncate: it may be refused; what lies beyond is given back, not written off',
    breaks: [4, 5],
    changes: [
      change(PROTOCOL, 'if (cutting && !isWritable(format, index, size, cutting)) {', 'if (index < 0) {'),
    ],
    found: [explored('refused-cut-sync', 1), explored('refused-cut-write', 1)],
  },
  {
    name: 'cut-not-rescanned',
    rule: '§7 fsync scans again if a truncate came under it',
    breaks: [5],
    changes: [
      change(
        FSYNC,
        'if (kernel.load(fileAt + L.FILE_CUT_SEQ) !== cutSeq && ++cuts',
        'if (kernel.load(fileAt + L.FILE_CUT_SEQ) < cutSeq && ++cuts',
      ),
    ],
    found: [explored('refused-cut-tail', 2)],
  },
  {
    name: 'cut-not-waited',
    rule: '§7 truncate: waits for writebacks at or beyond the new tail',
    breaks: [4],
    changes: [change(TRUNCATE, 'yield* waitForWriteback(pool, frame, endless);', '')],
    found: [explored('extend-writeback-cut', 1)],
  },
  {
    name: 'cut-two',
    rule: '§7 truncate: one at a time',
    breaks: [11],
    changes: [
      change(
        FILES,
        'if (atomic.cmpxchg<i32>(at, 0, me + 1, L.FILE_CUT_LOCK) != 0) return 0;',
        'atomic.store<i32>(at, me + 1, L.FILE_CUT_LOCK);',
      ),
    ],
    found: [explored('cut-cut', 1)],
  },
  {
    name: 'cut-tail-free',
    rule: '§7 truncate: takes the tail’s UPDATING',
    breaks: [4],
    changes: [
      change(TRUNCATE, 'return size % payload === 0 ? -1 : Math.floor(size / payload);', 'return -1;'),
    ],
    found: [explored('cut-tail', 0)],
  },
  {
    name: 'cut-tail-kept',
    rule: '§7 truncate: zeroes the tail',
    breaks: [4],
    changes: [change(TRUNCATE, 'if (zeroes && half) bytes.zero(frame, start);', '')],
    found: [explored('cut-tail', 0)],
  },
  {
    name: 'cut-refused-smaller',
    rule: '§7 truncate: refused: the old size comes back with every page',
    breaks: [4],
    changes: [
      change(TRUNCATE, 'if (result < 0) control.cutTakeBack(file);', 'if (result < 0) kernel.size(file);'),
    ],
    found: [explored('refused-cut-write', 0), explored('refused-cut-sync', 0)],
  },
  {
    name: 'cut-before-system',
    rule: '§7 truncate: nothing is dropped before the system has cut',
    breaks: [4],
    changes: [
      change(
        TRUNCATE,
        "const result = yield* io({ kind: 'resize', file, size: stored });",
        "for (const { index } of pagesFrom(pool, file, first)) control.cutOff(file, index | 0);\n  const result = yield* io({ kind: 'resize', file, size: stored });",
      ),
    ],
    found: [explored('refused-cut-sync', 1), explored('refused-cut-write', 1)],
  },
  {
    name: 'cut-leaves-pages',
    rule: '§7 truncate: the pages beyond leave the cache',
    breaks: [4, 10],
    changes: [
      change(
        TRUNCATE,
        'for (const { index } of pagesFrom(pool, file, first)) control.cutOff(file, index | 0);',
        '',
      ),
    ],
    found: [explored('extend-writeback-cut', 0)],
  },
  {
    name: 'cut-no-flush',
    rule: '§7 fsync flushes if the file was resized',
    breaks: [5],
    changes: [change(TRUNCATE, 'control.fileResized(file);', '')],
    found: [tested('test/kernel/truncate.test.ts')],
  },
  {
    name: 'gap-zeroed-once',
    rule: '§7 tail zeroing reads the size after it took UPDATING',
    breaks: [4],
    changes: [
      change(
        FILE,
        'if (this.#tailBefore(from) !== undefined) {\n        this.#undoExtension(frame);\n        continue;\n      }\n      const result = work(frame);\n      if (result !== REFUSED) return result;',
        'const result = work(frame);\n      if (result !== REFUSED) return result;',
      ),
    ],
    found: [tested('test/kernel/gap.test.ts')],
  },
  {
    name: 'gap-not-zeroed',
    rule: '§4 extension zeroes the old tail',
    breaks: [4],
    changes: [change(FILE, '      this.#zeroGapSync(from);\n', '')],
    found: [explored('cut-litter', 0)],
  },
  {
    name: 'fill-beyond',
    rule: '§7 truncate: CLAIMED fills beyond it are dropped',
    breaks: [4],
    changes: [change(FILL, 'if (start >= size && !extending) {', 'if (start < 0) {')],
    found: [explored('miss-reclaim-cut', 1)],
  },
  {
    name: 'cut-seq-late',
    rule: '§6 step 5: a truncate since UPDATING was taken refuses the raise: its sequence is read before that, not after',
    breaks: [4],
    changes: [
      change(
        'src/kernel/control/update.ts',
        '  takePinSlot(slotAt, frame, L.PIN_READ);\n  store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER); // plain: who copies reads it behind an odd useq, stored later\n  store<i32>(entry, slot + 1, L.UPDATE_SLOT);\n  store<i32>(entry, cutSeq, L.UPDATE_CUT_SEQ);',
        '  takePinSlot(slotAt, frame, L.PIN_READ);\n  store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER); // plain: who copies reads it behind an odd useq, stored later\n  store<i32>(entry, slot + 1, L.UPDATE_SLOT);\n  store<i32>(entry, atomic.load<i32>(fileAt(file), L.FILE_CUT_SEQ), L.UPDATE_CUT_SEQ);',
      ),
      change(
        'src/kernel/control/update.ts',
        '      store<i32>(entry, cutSeq, L.UPDATE_CUT_SEQ);',
        '      store<i32>(entry, atomic.load<i32>(fileRow, L.FILE_CUT_SEQ), L.UPDATE_CUT_SEQ);',
      ),
    ],
    found: [explored('cut-write', 2)],
  },
  {
    name: 'fill-beside-cut',
    rule: '§7 truncate: what a read beside it has missed does not come as zeros',
    breaks: [4],
    changes: [
      change(FILL, 'if (cut && start < size && length < geometry.pageSize) {', 'if (cut && start < 0) {'),
    ],
    found: [explored('miss-reclaim-cut', 2)],
  },
  {
    name: 'pin-past-end',
    rule: '§4 pin: past the last page is an error, also if a write has brought the page in to extend the file',
    breaks: [4, 5],
    changes: [
      change(
        'src/file.ts',
        'const status = pastEnd ? L.GONE :',
        'const status = pastEnd && index < 0 ? L.GONE :',
      ),
    ],
    found: [explored('orphan-reuse', 0, 'cutter'), tested('test/kernel/past-end.test.ts')],
  },
  {
    name: 'cut-beside-refused',
    rule: "§7 truncate: the size that another has published is not the file's, it may be refused",
    breaks: [4],
    changes: [change('src/file.ts', '(seq & 1) !== 0 || size <= this.size ||', 'size <= this.size ||')],
    found: [explored('refused-cut-cut', 2)],
  },
  {
    name: 'cut-size-unchecked',
    rule: '§7 truncate: the size was read while nobody published another',
    breaks: [4],
    changes: [
      change(
        'src/file.ts',
        'size <= this.size || kernel.fileWord(this.#id, L.FILE_CUT_SEQ) !== seq;',
        'size <= this.size;',
      ),
    ],
    found: [explored('refused-cut-cut', 2)],
  },
  {
    name: 'fill-beyond-unsettled',
    rule: '§7 truncate: a fill beyond it waits, since it may be refused',
    breaks: [4],
    changes: [
      change(
        FILL,
        'if (position < size || !cutting) return size;',
        'if (position < size || !cutting || cutting) return size;',
      ),
    ],
    found: [tested('test/kernel/truncate.test.ts')],
  },
  {
    name: 'claim-orphan-valid',
    rule: '§7 truncate: a fill that was cut off is dropped at its end',
    breaks: [1, 11],
    changes: [change(TABLE, 'const orphan = state != 0 ? s & L.ORPHAN : 0;', 'const orphan = 0;')],
    found: [explored('miss-reclaim-cut', 1)],
  },
  {
    name: 'orphan-in-table',
    rule: '§7 orphans are out of the table at once',
    breaks: [1],
    changes: [change(ORPHANS, 'atomic.store<i32>(from, value);\n      atomic.add', 'atomic.add')],
    found: [explored('orphan-reuse', 0)],
  },
  {
    name: 'orphan-dirty',
    rule: '§7 orphans: an orphan is not dirty',
    breaks: [10],
    changes: [change(ORPHANS, 'const after = s & ~(L.DIRTY | L.WAITERS);', 'const after = s & ~L.WAITERS;')],
    found: [tested('test/kernel/truncate.test.ts')],
  },
  {
    name: 'orphan-kept',
    rule: '§7 orphans are freed at the last unpin',
    breaks: [11],
    changes: [
      change(
        PINS,
        'if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN) freeOrphan(frame);',
        'if (s & L.WAITERS) wakeFrame(at);',
      ),
    ],
    found: [explored('orphan-reuse', 1)],
  },
  {
    name: 'orphan-early',
    rule: '§7 orphans are freed at the *last* unpin',
    breaks: [2, 6],
    changes: [change(ORPHANS, 'const HELD = L.PIN_MASK |', 'const HELD =')],
    found: [explored('orphan-reuse', 1)],
  },
  // -- limits
  {
    name: 'throttle-never',
    rule: '§7 throttle: above `dirtyRatio` a writer cleans a batch itself',
    breaks: [8],
    changes: [
      change(
        FILE,
        'return isPressed(attachment, this.#id, dirtyRatio) && this.#control.updateDepth() === 0;',
        'return false;',
      ),
    ],
    found: [tested('test/throttle.test.ts')],
  },
  {
    name: 'throttle-pinned',
    rule: '§5 dirty set: pinned-dirty pages are not counted as cleanable',
    breaks: [10],
    changes: [
      change(
        WORDS,
        'load<i32>(at, L.GAUGE_DIRTY) - load<i32>(at, L.GAUGE_PINNED_DIRTY);',
        'load<i32>(at, L.GAUGE_DIRTY);',
      ),
    ],
    found: [tested('test/throttle.test.ts')],
  },
  {
    name: 'throttle-nothing',
    rule: '§7 throttle: cleans',
    breaks: [8],
    changes: [
      change(
        THROTTLE,
        'const pages = cleanablePages(pool, file, geometry.stagingPages);',
        'const pages = cleanablePages(pool, file, 0 * geometry.stagingPages);',
      ),
    ],
    found: [tested('test/throttle.test.ts')],
  },
  {
    name: 'throttle-unflushed',
    rule: '§7 throttle: pages that wait for a flush can’t be reclaimed, so they count for a writer’s limit',
    breaks: [8],
    changes: [
      change(
        THROTTLE,
        'pool.kernel.control.cleanable() + unflushed(pool, file) >',
        'pool.kernel.control.cleanable() >',
      ),
    ],
    found: [tested('test/kernel/batches.test.ts')],
  },
  {
    name: 'throttle-flush-unasked',
    rule: '§7 throttle: a writer that flushes are behind asks for one',
    breaks: [8],
    changes: [change(THROTTLE, '    kernel.control.askFlush(file);\n', '')],
    found: [tested('test/kernel/batches.test.ts')],
  },
  {
    name: 'flush-asked-for-ever',
    rule: '§7 throttle: what was asked for is taken once',
    breaks: [8],
    changes: [
      change(
        ROWS,
        'atomic.xchg<i32>(0, 0, L.HEADER_FLUSH_ASKED) - 1',
        'atomic.load<i32>(0, L.HEADER_FLUSH_ASKED) - 1',
      ),
    ],
    found: [tested('test/kernel/batches.test.ts')],
  },
  {
    name: 'throttle-scattered',
    rule: '§7 gather: one write per run',
    breaks: [8],
    changes: [change(PROTOCOL, 'return pages.slice(best, best + most);', 'return pages.slice(0, most);')],
    found: [tested('test/kernel/batches.test.ts')],
  },
  {
    name: 'throttle-own-file-only',
    rule: '§7 throttle: of another file, if its own has nothing to clean',
    breaks: [8],
    changes: [change(FILES, 'atomic.load<i32>(summaryWordAt(file, group), L.FILE_SUMMARY) != 0', 'false')],
    found: [tested('test/kernel/batches.test.ts')],
  },
  {
    name: 'writeback-orphan',
    rule: '§7 truncate: a page that was cut off amid its writeback is not written, whatever the size is by now',
    breaks: [4, 5],
    changes: [change(PROTOCOL, 'if (!batch.some(isOrphan)) return batch;', 'return batch;')],
    found: [explored('cut-extend-writeback', 2)],
  },
];
