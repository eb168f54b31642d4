// §5: control words. Which page is in which frame, who may take a frame, what is counted.
import { change, explored, type Mutant, sections, tested } from '../mutant.ts';

const PINS = 'src/kernel/control/pins.ts';
const TABLE = 'src/kernel/control/table.ts';
const WORDS = 'src/kernel/control/words.ts';
const DIRTY = 'src/kernel/control/dirty.ts';
const WRITEBACK = 'src/kernel/control/writeback.ts';
const ROWS = 'src/kernel/control/rows.ts';
const FILL = 'src/protocol/fill.ts';

const NOT_CLAIMABLE =
  'const NOT_CLAIMABLE = L.DIRTY | L.WRITEBACK | L.CLAIMED | L.UPDATING | L.ORPHAN | L.PIN_MASK;';
const claimable = (what: string) => change(TABLE, NOT_CLAIMABLE, NOT_CLAIMABLE.replace(what, '0'));

export const pages: readonly Mutant[] = [
  // -- pin, unpin
  {
    name: 'pin-identity',
    rule: '§5 pin: the identity is checked under the pin',
    breaks: [2],
    changes: [change(PINS, 'if (isPage(at, file, index)) {\n      assert(', 'if (true) {\n      assert(')],
    found: [explored('pin-reclaim', 1)],
  },
  {
    name: 'pin-claimed',
    rule: '§5 pin: needs a frame that nobody has CLAIMED',
    breaks: [2],
    changes: [
      change(
        PINS,
        'while ((s & (L.VALID | L.CLAIMED | L.ORPHAN)) == L.VALID',
        'while ((s & (L.VALID | L.ORPHAN)) == L.VALID',
      ),
    ],
    found: [explored('pin-reclaim', 1)],
  },
  {
    name: 'pin-carry',
    rule: '§5 pin: a full counter is an error, never a carry',
    breaks: [6],
    changes: [change(PINS, ' == L.VALID && (s & L.READ_MASK) != L.READ_MASK) {', ' == L.VALID) {')],
    found: [tested('test/kernel/pins.test.ts')],
  },
  {
    name: 'touch-carry',
    rule: '§5 touch: the use count is raised only below its cap',
    breaks: [6],
    changes: [
      change(
        'src/kernel/control/policy.ts',
        'return (s & L.USE_MASK) < L.USE_FULL && touchCounts(at) ?',
        'return touchCounts(at) ?',
      ),
    ],
    found: [tested('test/kernel/pins.test.ts')],
  },
  {
    name: 'pin-slot-late',
    rule: '§5 rows: a pin and its slot are one straight-line section',
    breaks: [6, 11],
    changes: [
      change(
        PINS,
        'takePinSlot(slotAt, frame, L.PIN_READ);\n        pinned = true;\n        break;',
        'pinned = true;\n        break;',
      ),
      change(
        PINS,
        '    if (isPage(at, file, index)) {\n      assert(',
        '    while (atomic.load<i32>(0, L.HEADER_LIFE) < 0) {}\n    takePinSlot(slotAt, frame, L.PIN_READ);\n    if (isPage(at, file, index)) {\n      assert(',
      ),
    ],
    found: [sections, explored('pin-reclaim', 0, 'pinner')],
  },
  {
    name: 'write-pin-slot',
    rule: '§5 pin: the slot says which count it stands for',
    breaks: [6],
    changes: [change(PINS, 'store<i32>(slotAt, (frame << 2) | L.PIN_WRITE, L.ROW_PINS);', '')],
    found: [explored('dma-bounce-keep', 0)],
  },
  {
    name: 'write-pin-keep-clean',
    rule: '§5 pin: under `keep` a write pin makes the page dirty',
    breaks: [4],
    changes: [change(PINS, '| (keep ? L.DIRTY : 0);', ';')],
    found: [tested('test/kernel/pins.test.ts')],
  },
  {
    name: 'unpin-version',
    rule: '§5 unpin: the version moves',
    breaks: [9],
    changes: [change(PINS, '  atomic.add<i32>(at, 1, L.FRAME_VERSION);\n', '')],
    found: [explored('view-unpin', 2)],
  },
  {
    name: 'unpin-version-late',
    rule: '§5 unpin: the version moves before the CAS that drops the pin',
    breaks: [9],
    changes: [
      change(PINS, '  atomic.add<i32>(at, 1, L.FRAME_VERSION);\n', ''),
      change(
        PINS,
        'if (dirties) noteDirtied(at, frame, file, s);\n      if (s & L.WAITERS) wakeFrame(at);',
        'atomic.add<i32>(at, 1, L.FRAME_VERSION);\n      if (dirties) noteDirtied(at, frame, file, s);\n      if (s & L.WAITERS) wakeFrame(at);',
      ),
    ],
    found: [explored('view-unpin', 2)],
  },
  {
    name: 'unpin-clean',
    rule: '§5 unpin: a dirty write pin sets DIRTY',
    breaks: [4, 5],
    changes: [change(PINS, 'const dirties = dirty != 0 && (s & L.ORPHAN) == 0;', 'const dirties = false;')],
    found: [explored('dma-bounce-redirty', 1)],
  },
  {
    name: 'unpin-no-bit',
    rule: '§7 dirty bits: the bit is set in the section of the DIRTY CAS',
    breaks: [4, 5],
    changes: [
      change(
        PINS,
        'if (dirties) noteDirtied(at, frame, file, s);\n      if (s & L.WAITERS)',
        'if (s & L.WAITERS)',
      ),
    ],
    found: [explored('dma-bounce-redirty', 1)],
  },
  // -- claim
  {
    name: 'claim-pinned',
    rule: '§5 claim: needs no pins',
    breaks: [2, 6],
    changes: [claimable('L.PIN_MASK')],
    found: [explored('pins-full', 1)],
  },
  {
    name: 'claim-dirty',
    rule: '§5 claim: needs no DIRTY',
    breaks: [4, 7],
    changes: [claimable('L.DIRTY')],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'claim-writeback',
    rule: '§5 claim: needs no WRITEBACK',
    breaks: [3, 7],
    changes: [claimable('L.WRITEBACK')],
    found: [explored('dirty-miss', 1)],
  },
  {
    name: 'claim-claimed',
    rule: '§5 claim: one at a time',
    breaks: [1],
    changes: [claimable('L.CLAIMED')],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'claim-updating',
    rule: '§5 claim: needs no UPDATING',
    breaks: [2],
    changes: [claimable('L.UPDATING')],
    found: [],
    equivalent:
      'who holds UPDATING holds a read pin until the CAS that drops both, its recoverer included; pins are looked at too',
  },
  {
    name: 'claim-unstable',
    rule: '§5 claim: an unstable page is given back',
    breaks: [7],
    changes: [change(TABLE, 'if (!stable(at, its)) {\n      endClaimOf(row, at, L.VALID);', 'if (false) {')],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'unclaim-free',
    rule: '§5 claim: un-claim gives the page its frame back',
    breaks: [1, 4],
    changes: [
      change(
        TABLE,
        'endClaimOf(row, at, L.VALID);\n      readmit(',
        'endClaimOf(row, at, 0);\n      readmit(',
      ),
    ],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'stable-always',
    rule: '§7 stable: a flush with a greater number succeeded',
    breaks: [7],
    changes: [change(WORDS, 'return cover == 0 || reached(', 'return cover != 0 || reached(')],
    found: [explored('dirty-miss', 0)],
  },
  {
    name: 'evict-unstable',
    rule: '§5 claim: also whoever closes takes no unstable page',
    breaks: [7],
    changes: [change(TABLE, 'if (!stable(at, atomic.load<i32>(at, L.FRAME_FILE))) {', 'if (false) {')],
    found: [tested('test/kernel/table.test.ts')],
  },
  {
    name: 'sweep-claim-lost',
    rule: '§5 replacement: a sweep fails only after a pass found every frame pinned, claimed or unwritable, not changed since the look',
    breaks: [8],
    changes: [
      change(TABLE, 'readmit(frame, whence);\n      busy++;', 'readmit(frame, whence);\n      idle++;'),
    ],
    found: [explored('cut-reuse', 2)],
  },
  {
    name: 'sweep-freed-page',
    rule: '§5 replacement: a page that is gone since the look is no frame that can not be had',
    breaks: [8],
    changes: [
      change(
        TABLE,
        'else if (its >= 0 || s & L.ORPHAN || (s & L.CLAIMED) == 0) {',
        'else if (its >= 0 || s & L.ORPHAN) {',
      ),
    ],
    found: [explored('cut-reuse', 2)],
  },
  {
    name: 'sweep-endless',
    rule: '§5 replacement: a bounded sweep',
    breaks: [8],
    changes: [change(TABLE, 'if (alone >= 0) break;', '')],
    found: [explored('failed-flush-reclaim', 0)],
  },
  // -- fill, table
  {
    name: 'install-unconfirmed',
    rule: '§5 lookup: a miss is confirmed under the bucket lock',
    breaks: [1],
    changes: [
      change(
        TABLE,
        'if (other >= 0) {\n      out(0, other);',
        'if (other >= 1000000) {\n      out(0, other);',
      ),
    ],
    found: [explored('miss-miss', 1)],
  },
  {
    name: 'install-unlocked',
    rule: '§5 lookup: the bucket stood still since the miss',
    breaks: [1],
    changes: [
      change(
        TABLE,
        'if (atomic.cmpxchg<i32>(bucket, seq, seq + 1, L.BUCKET_SEQ) == seq) {\n      // Section: the sequence stood',
        'atomic.store<i32>(bucket, seq + 1, L.BUCKET_SEQ);\n    if (true) {\n      // Section: the sequence stood',
      ),
    ],
    found: [explored('miss-miss', 1), sections],
  },
  {
    name: 'miss-unconfirmed',
    rule: '§5 lookup: a miss is told only of a bucket that stood still',
    breaks: [1],
    changes: [
      change(
        TABLE,
        'if (frame >= 0 || ((seq & 1) == 0 && atomic.load<i32>(bucket, L.BUCKET_SEQ) == seq)) return frame;',
        'return frame + (seq & 0);',
      ),
    ],
    found: [tested('test/kernel/windows.test.ts')],
  },
  {
    name: 'fill-zeroes-late',
    rule: '§5 fill: bytes, also the zeros behind the end, then VALID',
    breaks: [2],
    changes: [
      change(
        FILL,
        'if (length < geometry.pageSize) bytes.zero(frame, length);',
        'kernel.control.fillDone();\n  if (length < geometry.pageSize) bytes.zero(frame, length);\n  if (!format.checksummed) return 0;',
      ),
    ],
    found: [explored('tail-miss', 1)],
  },
  {
    name: 'fill-before-read',
    rule: '§5 fill: bytes, then VALID',
    breaks: [2],
    changes: [
      change(FILL, '  kernel.control.fillDone();\n  return 0;', '  return 0;'),
      change(
        FILL,
        '  const start = index * format.payload;\n',
        '  const start = index * format.payload;\n  control.fillDone();\n',
      ),
    ],
    found: [explored('miss-miss', 1)],
  },
  {
    name: 'fill-error-valid',
    rule: '§5 fill: on an error the frame is freed',
    breaks: [4],
    changes: [
      change(
        FILL,
        'if (length < 0) {\n      control.abandonClaim();',
        'if (length < 0) {\n      control.fillDone();',
      ),
    ],
    found: [explored('failed-read', 0)],
  },
  {
    name: 'fill-closed',
    rule: '§5 fill: life is looked at after the install',
    breaks: [11],
    changes: [
      change(
        FILL,
        'if (kernel.load(L.HEADER_LIFE) !== L.LIFE_OPEN) {\n    control.abandonClaim();',
        'if (false) {\n    control.abandonClaim();',
      ),
    ],
    found: [explored('close-pin', 1)],
  },
  {
    name: 'taken-free',
    rule: '§5 claims are journaled with their stage',
    breaks: [1, 11],
    changes: [change(TABLE, 's & L.VALID ? L.STAGE_TAKEN : L.STAGE_DETACHED', 'L.STAGE_DETACHED')],
    found: [explored('pin-reclaim', 0, 'misser')],
  },
  // -- start of writeback, dirty set
  {
    name: 'start-keeps-dirty',
    rule: '§5 start writeback: clears DIRTY, before the copy',
    breaks: [4, 5],
    changes: [
      change(WRITEBACK, '    if ((pinned & keep) == 0) after &= ~L.DIRTY;\n', ''),
      change(
        WRITEBACK,
        'const after = (s & ~(L.WRITEBACK | L.WAITERS | L.HOLD)) | (dirties ? L.DIRTY : 0);',
        'const after = (s & ~(L.DIRTY | L.WRITEBACK | L.WAITERS | L.HOLD)) | (dirties ? L.DIRTY : 0);',
      ),
    ],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'start-clears-pinned',
    rule: '§5 start writeback: DIRTY stays under `keep` while write-pinned',
    breaks: [4],
    changes: [change(WRITEBACK, 'if ((pinned & keep) == 0) after &= ~L.DIRTY;', 'after &= ~L.DIRTY;')],
    found: [tested('test/kernel/pins.test.ts')],
  },
  {
    name: 'start-twice',
    rule: '§5 start writeback: needs no WRITEBACK',
    breaks: [3],
    changes: [change(WRITEBACK, 'if (s & L.WRITEBACK) {\n      // Before', 'if (false) {\n      // Before')],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'start-clean-first',
    rule: '§7 a page whose writeback is about to end badly is not clean',
    breaks: [4, 5],
    changes: [
      change(
        WRITEBACK,
        'if (s & L.WRITEBACK) {\n      // Before',
        'if ((s & L.DIRTY) == 0) return L.CLEAN;\n    if (s & L.WRITEBACK) {\n      // Before',
      ),
    ],
    found: [explored('failed-write', 1), tested('test/kernel/flush-failure.test.ts')],
  },
  {
    name: 'start-skips-nothing',
    rule: '§5 start writeback: `skip` needs no write pins',
    breaks: [10],
    changes: [change(WRITEBACK, 'if (pinned & skipPinned) {', 'if (false) {')],
    found: [tested('test/kernel/pins.test.ts'), tested('test/pin.test.ts')],
  },
  {
    name: 'start-any-file',
    rule: '§5 start writeback: the identity is read once WRITEBACK holds',
    breaks: [4],
    changes: [change(WRITEBACK, 'if (owned != file) {', 'if (false) {')],
    found: [tested('test/kernel/dirty.test.ts')],
  },
  {
    name: 'index-of-scan',
    rule: '§5 start writeback: the identity is read only after it holds, not in the scan',
    breaks: [2, 4],
    changes: [
      change(
        'src/protocol/writeback.ts',
        'const index = kernel.frameWord(page.frame, L.FRAME_INDEX) >>> 0;\n        copyFor',
        'const index = page.index;\n        copyFor',
      ),
    ],
    found: [explored('scan-reuse', 1)],
  },
  {
    name: 'bit-not-again',
    rule: '§7 dirty bits: start-writeback clears it, then sets it again if DIRTY',
    breaks: [4, 5],
    changes: [
      change(WRITEBACK, 'if (atomic.load<i32>(at, L.FRAME_STATE) & L.DIRTY) setDirtyBits(frame, owned);', ''),
    ],
    found: [explored('write-flush-sync', 1)],
  },
  {
    name: 'bit-only-if-clean',
    rule: '§7 dirty bits: a dirtying operation makes sure of the bit even if DIRTY was set',
    breaks: [4, 5],
    changes: [
      change(
        WORDS,
        '  setDirtyBits(frame, file);\n  if ((before & L.DIRTY) == 0) {',
        '  if ((before & L.DIRTY) == 0) {\n    setDirtyBits(frame, file);',
      ),
    ],
    found: [explored('write-write-sync', 1)],
  },
  {
    name: 'forget-once',
    rule: '§5 dirty set: who forgets a group looks again behind the cleared bit',
    breaks: [4],
    changes: [change(DIRTY, '(now & ~seen) != 0 || ', '')],
    found: [explored('scan-scan', 2)],
  },
  {
    name: 'install-epoch',
    rule: '§5 dirty set: a claim moves the epoch of its group',
    breaks: [4],
    changes: [change(TABLE, 'atomic.add<i32>(epoch, 1, L.GROUP_EPOCH);', '')],
    found: [tested('test/kernel/windows.test.ts')],
  },
  {
    name: 'scan-odd',
    rule: '§5 dirty set: a scan takes no word that it read while a bit was off for a moment',
    breaks: [4],
    changes: [change(DIRTY, 'if (atomic.load<i32>(fileRow, L.FILE_CLEAR_SEQ) != seq) continue;', '')],
    found: [explored('scan-scan', 3)],
  },
  // -- counters
  {
    name: 'gauge-dirty',
    rule: '§5 counters: every transition is counted',
    breaks: [10],
    changes: [change(WORDS, ' + ((after >>> 1) & 1) - ((before >>> 1) & 1)', ' + ((after >>> 1) & 1)')],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'gauge-writeback',
    rule: '§5 counters: writebacks begun are counted',
    breaks: [10],
    changes: [change(WRITEBACK, 'account(s, after);\n      break;', 'break;')],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'gauge-resident',
    rule: '§5 counters: a page that leaves is counted',
    breaks: [10],
    changes: [change(TABLE, 'store<i32>(row, load<i32>(row, L.GAUGE_RESIDENT) - 1, L.GAUGE_RESIDENT);', '')],
    found: [explored('pin-reclaim', 0)],
  },
  {
    name: 'gauge-recovery',
    rule: '§5 counters: what a recoverer does is counted',
    breaks: [10],
    changes: [
      change(
        'src/kernel/control/recovery.ts',
        'store<i32>(entry, 0, L.UPDATE_STAGE);\n      account(s, after);',
        'store<i32>(entry, 0, L.UPDATE_STAGE);',
      ),
    ],
    found: [explored('update-update', 0, 'one')],
  },
  // -- memory
  {
    name: 'memory-growable',
    rule: '§3 memory: what was asked for is all there is, for good',
    breaks: [12],
    changes: [
      change('src/cache.ts', 'initial: pages, maximum: pages,', 'initial: pages, maximum: pages + 1,'),
    ],
    found: [tested('test/memory.test.ts')],
  },
  {
    name: 'memory-staging-beside',
    rule: '§3 memory: staging is inside the memory asked for',
    breaks: [12],
    changes: [
      change(
        'src/kernel/geometry.ts',
        'Math.floor((memory - stagingAreas * areaBytes) / pageSize)',
        'Math.floor(memory / pageSize)',
      ),
    ],
    found: [tested('test/memory.test.ts')],
  },
  {
    name: 'memory-grows',
    rule: '§3 memory: the kernel never grows it',
    breaks: [12],
    changes: [change(ROWS, '  readPolicy();\n  for', '  readPolicy();\n  memory.grow(1);\n  for')],
    found: [sections],
  },
];
