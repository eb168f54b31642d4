// §6: updates, views, copies.
import { change, explored, type Mutant, sections, tested } from '../mutant.ts';

const UPDATE = 'src/kernel/control/update.ts';
const PINS = 'src/kernel/control/pins.ts';
const COPY = 'src/protocol/copy.ts';
const FILE = 'src/file.ts';
const ATTACHMENT = 'src/attachment.ts';

const endOfCommit = 'if (dirties) noteDirtied(at, frame, file, s);\n      freePinSlot(slot);';
const closing = (from: string) => change(PINS, from, '');

export const updates: readonly Mutant[] = [
  // -- begin: 1–3
  {
    name: 'begin-updating',
    rule: '§6 step 1: needs not UPDATING',
    breaks: [9, 14],
    changes: [change(UPDATE, 'if (s & (L.UPDATING | L.HOLD)) {', 'if (s & L.HOLD) {')],
    found: [explored('update-update', 1)],
  },
  {
    name: 'open-updating',
    rule: '§6 step 1: needs not UPDATING, also for a hit',
    breaks: [9, 14],
    changes: [change(UPDATE, 'const NOT_UPDATABLE = L.UPDATING |', 'const NOT_UPDATABLE =')],
    found: [explored('update-hits', 2)],
  },
  {
    name: 'begin-hold',
    rule: '§6 step 1: needs not HOLD',
    breaks: [9],
    changes: [
      change(UPDATE, 'if (s & (L.UPDATING | L.HOLD)) {', 'if (s & L.UPDATING) {'),
      change(UPDATE, 'const NOT_UPDATABLE = L.UPDATING | L.HOLD |', 'const NOT_UPDATABLE = L.UPDATING |'),
    ],
    found: [explored('hold-update', 1)],
  },
  {
    name: 'begin-orphan',
    rule: '§6 step 1: needs not ORPHAN',
    breaks: [4],
    changes: [change(UPDATE, 'if (s & L.ORPHAN) return L.GONE;', '')],
    found: [tested('test/kernel/truncate.test.ts')],
  },
  {
    name: 'begin-identity',
    rule: '§6 a hit: the identity is checked under the pin',
    breaks: [2],
    changes: [
      change(
        UPDATE,
        'if (!isPage(at, file, index)) {\n    updateAbort();',
        'if (false) {\n    updateAbort();',
      ),
    ],
    found: [explored('update-reclaim', 1)],
  },
  {
    name: 'updater-other-depth',
    rule: '§6 step 1: `updater` names owner and depth',
    breaks: [9],
    changes: [
      change(
        UPDATE,
        'store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER); // plain',
        'store<i32>(at, (me + 1) << 3, L.FRAME_UPDATER); // plain',
      ),
      change(
        UPDATE,
        '      store<i32>(at, ((me + 1) << 3) | level, L.FRAME_UPDATER);',
        '      store<i32>(at, (me + 1) << 3, L.FRAME_UPDATER);',
      ),
    ],
    found: [explored('update-nested', 1)],
  },
  {
    name: 'undo-after-publish',
    rule: '§6 step 2: the before-image is there before it is published',
    breaks: [9, 14],
    changes: [
      change(
        FILE,
        'bytes.copyRange(frame, this.#undoFrame(), offset, length);\n      control.updatePublish(packed, 0, 0);',
        'control.updatePublish(packed, 0, 0);\n      bytes.copyRange(frame, this.#undoFrame(), offset, length);',
      ),
    ],
    found: [explored('update-view-copy', 1), explored('update-view-copy', 0, 'updater')],
  },
  {
    name: 'range-after-odd',
    rule: '§6 step 3: range and stage, then useq',
    breaks: [9, 14],
    changes: [
      change(UPDATE, '  store<i32>(entry, range, L.UPDATE_RANGE);\n', ''),
      change(
        UPDATE,
        'return atomic.load<i32>(at, L.FRAME_USEQ); //',
        'store<i32>(entry, range, L.UPDATE_RANGE);\n  return atomic.load<i32>(at, L.FRAME_USEQ); //',
      ),
    ],
    found: [sections, explored('update-view-copy', 2)],
  },
  {
    name: 'fn-before-publish',
    rule: '§6 step 3: only now `fn`',
    breaks: [9],
    changes: [
      change(
        FILE,
        'control.updatePublish(packed, 0, 0);\n      result = fn(bytes.part(frame, packed), arg);',
        'result = fn(bytes.part(frame, packed), arg);\n      control.updatePublish(packed, 0, 0);',
      ),
    ],
    found: [explored('update-view-copy', 1)],
  },
  // -- commit: 4–6
  {
    name: 'commit-late',
    rule: '§6 step 4: the even useq is the commit; DIRTY never before it',
    breaks: [9, 14],
    changes: [
      change(
        UPDATE,
        'if ((lo | hi) == 0) atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);',
        'if ((lo | hi) == 0) {}',
      ),
      change(
        UPDATE,
        endOfCommit,
        `if ((lo | hi) == 0) atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);\n      ${endOfCommit}`,
      ),
    ],
    found: [explored('update-view-copy', 0)],
  },
  {
    name: 'size-shrinks',
    rule: '§6 step 5: the size is raised to the maximum',
    breaks: [4],
    changes: [change(UPDATE, 'const more = <u32>hi', 'const more = true || <u32>hi')],
    found: [explored('refused-cut-write', 1), explored('extend-writeback-cut', 0)],
  },
  {
    name: 'commit-over-cut',
    rule: '§6 step 5: the truncate epoch is checked again',
    breaks: [4],
    changes: [change(UPDATE, 'if ((cut & 1) != 0 || cut != cutSeq) return false;', '')],
    found: [explored('refused-cut-extend', 2)],
  },
  {
    name: 'commit-clean',
    rule: '§6 step 6: the CAS sets DIRTY',
    breaks: [4, 5],
    changes: [
      change(
        UPDATE,
        'const after = ((s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS)) | (dirties ? L.DIRTY : 0);',
        'const after = (s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS);',
      ),
    ],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'commit-no-bit',
    rule: '§6 step 6: dirty bits in the same section',
    breaks: [4, 5],
    changes: [change(UPDATE, endOfCommit, 'freePinSlot(slot);')],
    found: [explored('write-flush-sync', 0)],
  },
  {
    name: 'commit-stage',
    rule: '§6 step 6: `stage` is cleared in the same section',
    breaks: [11],
    changes: [change(UPDATE, `${endOfCommit}\n      store<i32>(entry, 0, L.UPDATE_STAGE);`, endOfCommit)],
    found: [explored('update-update', 0)],
  },
  // -- throw: 7
  {
    name: 'throw-keeps',
    rule: '§6 step 7: the before-image is laid back',
    breaks: [9],
    changes: [
      change(
        ATTACHMENT,
        'this.bytes.copyRange(kernel.control.undoFrame(level), frame, range >>> 16, (range & 0xffff) + 1);',
        '',
      ),
    ],
    found: [explored('undo-copy-view', 0)],
  },
  {
    name: 'throw-even-first',
    rule: '§6 step 7: laid back at an odd useq, under UPDATING',
    breaks: [9, 14],
    changes: [
      change(
        ATTACHMENT,
        'const entry = kernel.rowAt(kernel.owner) + level * L.UPDATE_BYTES;\n    if',
        'const entry = kernel.rowAt(kernel.owner) + level * L.UPDATE_BYTES;\n    const published = kernel.load(entry + L.UPDATE_STAGE) === 2;\n    const held = kernel.frameOfUpdate(level);\n    kernel.control.updateAbort();\n    if',
      ),
      change(ATTACHMENT, 'if (kernel.load(entry + L.UPDATE_STAGE) === 2) {', 'if (published) {'),
      change(ATTACHMENT, 'const frame = kernel.frameOfUpdate(level);', 'const frame = held;'),
      change(ATTACHMENT, '    }\n    kernel.control.updateAbort();', '    }'),
    ],
    found: [explored('undo-copy-view', 1)],
  },
  {
    name: 'throw-dirty',
    rule: '§6 step 7: no DIRTY',
    breaks: [4],
    changes: [
      change(
        UPDATE,
        'const after = (s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS);',
        'const after = ((s - L.READ_ONE) & ~(L.UPDATING | L.WAITERS)) | L.DIRTY;',
      ),
    ],
    found: [explored('undo-copy-view', 0)],
  },
  {
    name: 'throw-odd',
    rule: '§6 step 7: useq is even again',
    breaks: [9],
    changes: [
      change(
        UPDATE,
        'store<i32>(entry, 1, L.UPDATE_STAGE);\n    atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);',
        'store<i32>(entry, 1, L.UPDATE_STAGE);',
      ),
    ],
    found: [explored('undo-copy-view', 0)],
  },
  // -- copy: 9, 10
  {
    name: 'copy-no-image',
    rule: '§6 step 9: if useq is odd, the published range is laid over the copy',
    breaks: [9],
    changes: [change(COPY, 'if (useq & 1) {', 'if (false) {')],
    found: [explored('update-view-copy', 1)],
  },
  {
    name: 'copy-unchecked',
    rule: '§6 step 9: useq is loaded last, and equal',
    breaks: [9],
    changes: [change(COPY, 'return kernel.frameWord(frame, L.FRAME_USEQ) === useq;', 'return true;')],
    found: [explored('update-view-copy', 1)],
  },
  {
    name: 'copy-useq-late',
    rule: '§6 step 9: useq is loaded before the copy',
    breaks: [9],
    changes: [
      change(
        COPY,
        'const useq = kernel.frameWord(frame, L.FRAME_USEQ);\n  part(frame, 0, pool.geometry.pageSize);',
        'part(frame, 0, pool.geometry.pageSize);\n  const useq = kernel.frameWord(frame, L.FRAME_USEQ);',
      ),
    ],
    found: [explored('update-view-copy', 1)],
  },
  {
    name: 'copy-before-start',
    rule: '§6 step 9: the copy is made once WRITEBACK is held and DIRTY cleared',
    breaks: [4, 5],
    changes: [
      change(
        'src/protocol/writeback.ts',
        "const status = control.startWriteback(page.frame, file, slot, pinned === 'skip' ? 1 : 0);",
        "copyForWriteback(pool, page.frame, (from, offset, length) => pool.bytes.stage(from, area, slot, offset, length));\n        const status = control.startWriteback(page.frame, file, slot, pinned === 'skip' ? 1 : 0);",
      ),
      change(
        'src/protocol/writeback.ts',
        'copyForWriteback(pool, page.frame, (from, offset, length) =>\n          pool.bytes.stage(from, area, slot, offset, length),\n        );',
        '',
      ),
      change(
        'src/protocol/copy.ts',
        'for (let n = 0; n < FREE_TRIES; n++)',
        'for (let n = 0; n < 1000; n++)',
      ),
    ],
    found: [explored('write-flush-sync', 1)],
  },
  // -- view: 11, 12
  {
    name: 'view-identity',
    rule: '§6 step 11: the identity, after the version',
    breaks: [2],
    changes: [
      change(
        PINS,
        'if (!isPage(at, file, index)) {\n      frame = -1;\n      continue;\n    }\n    const after = touched(',
        'const after = touched(',
      ),
    ],
    found: [explored('view-reclaim', 1)],
  },
  {
    name: 'view-claimed',
    rule: '§6 step 11: open needs not CLAIMED',
    breaks: [2],
    changes: [
      change(
        PINS,
        'const VIEWABLE = L.VALID | L.CLAIMED | L.UPDATING | L.ORPHAN;',
        'const VIEWABLE = L.VALID | L.UPDATING | L.ORPHAN;',
      ),
    ],
    found: [explored('miss-view', 1)],
  },
  {
    name: 'view-updating',
    rule: '§6 a view inside an update of the page is ERR_PINFOLD_REENTRANT',
    breaks: [9],
    changes: [
      change(
        PINS,
        'const VIEWABLE = L.VALID | L.CLAIMED | L.UPDATING | L.ORPHAN;',
        'const VIEWABLE = L.VALID | L.CLAIMED | L.ORPHAN;',
      ),
    ],
    found: [explored('reentrant', 0)],
  },
  {
    name: 'view-state',
    rule: '§6 step 11: close looks at the state',
    breaks: [2],
    changes: [closing('((atomic.load<i32>(at, L.FRAME_STATE) & VIEWABLE) ^ L.VALID) |\n    ')],
    found: [explored('view-reclaim', 2)],
  },
  {
    name: 'view-useq',
    rule: '§6 step 11: close: useq unchanged',
    breaks: [9],
    changes: [closing('(atomic.load<i32>(at, L.FRAME_USEQ) ^ viewUseq) |\n    ')],
    found: [explored('update-view-copy', 1)],
  },
  {
    name: 'view-version',
    rule: '§6 step 11: close: version unchanged',
    breaks: [2],
    changes: [change(PINS, ' |\n    (atomic.load<i32>(at, L.FRAME_VERSION) ^ viewVersion);', ';')],
    found: [explored('view-reclaim', 1)],
  },
  {
    name: 'view-state-last',
    rule: '§6 step 11: close: the state, then useq and version',
    breaks: [2],
    changes: [
      closing('((atomic.load<i32>(at, L.FRAME_STATE) & VIEWABLE) ^ L.VALID) |\n    '),
      change(
        PINS,
        ' ^ viewVersion);',
        ' ^ viewVersion) | ((atomic.load<i32>(at, L.FRAME_STATE) & VIEWABLE) ^ L.VALID);',
      ),
    ],
    found: [explored('view-reclaim', 3)],
  },
  {
    name: 'view-odd',
    rule: '§6 step 11: open: an even useq',
    breaks: [9],
    changes: [closing('(viewUseq & 1) |\n    ')],
    found: [],
    equivalent:
      'an odd useq is read only if an update began after the look at the state; at the close it either holds UPDATING still, or has moved useq: both are looked at',
  },
  {
    name: 'view-torn-copy',
    rule: '§6 step 12: a view that lost too often gets a whole copy',
    breaks: [9],
    changes: [
      change(
        FILE,
        'if (copyWhole(this.#attachment, frame, part)) break;',
        'part(frame, 0, this.pageSize);\n      break;',
      ),
    ],
    found: [explored('update-view-copy', 1)],
  },
  {
    name: 'reentrant',
    rule: '§6 updates of the same page inside one another are refused',
    breaks: [8],
    changes: [change(UPDATE, 'if (updates(frame)) return L.REENTRANT;', '')],
    found: [explored('reentrant', 0)],
  },
];
