// §5: replacement. These break no invariant: they make the cache forget what it should keep, or keep what it should forget.
import { change, explored, type Mutant, tested } from '../mutant.ts';

const POLICY = 'src/kernel/control/policy.ts';
const TABLE = 'src/kernel/control/table.ts';
const found = [tested('test/kernel/replacement.test.ts')];

export const replacement: readonly Mutant[] = [
  {
    name: 'policy-window',
    rule: '§5 replacement: touches in the correlation window do not count',
    breaks: [],
    changes: [
      change(
        POLICY,
        'atomic.load<i32>(0, L.HEADER_ADMITTED)) > window;',
        'atomic.load<i32>(0, L.HEADER_ADMITTED)) >= 0;',
      ),
    ],
    found,
  },
  {
    name: 'policy-once-counts',
    rule: '§5 replacement: touches of pages that are read once do not count',
    breaks: [],
    changes: [change(POLICY, 'return (queue & L.PLACE_ONCE) == 0 && behind(', 'return behind(')],
    found,
  },
  {
    name: 'policy-once-stay',
    rule: '§5 replacement: pages that are read once go before others',
    breaks: [],
    changes: [change(POLICY, '  if (once) {\n    admitOnce(frame);', '  if (once) {\n    admit(frame);')],
    found,
  },
  {
    name: 'policy-no-promotion',
    rule: '§5 replacement: a page that was used on probation is main’s',
    breaks: [],
    changes: [change(TABLE, 'if (whence == FROM_PROBATION) promote(at);', '')],
    found,
  },
  {
    name: 'policy-no-ghosts',
    rule: '§5 replacement: a page that comes back soon is main’s at once',
    breaks: [],
    changes: [change(POLICY, '    if (isMains(ghost)) {', '    if (isMains(ghost) && once != 0) {')],
    found,
  },
  {
    name: 'policy-late-ghosts',
    rule: '§5 replacement: a page that main had is on probation when it comes back',
    breaks: [],
    changes: [change(POLICY, 'return (ghost & LATE) == 0;', 'return true;')],
    found,
  },
  {
    name: 'policy-too-old',
    rule: '§5 replacement: a page that stays away for longer than main would keep it is on probation again',
    breaks: [],
    changes: [change(POLICY, 'return <u32>age <= (revolution / 10) * tenths;', 'return revolution >= 0;')],
    found,
  },
  {
    name: 'policy-fresh',
    rule: '§5 replacement: the lookup that a page was brought in for does not count, also in main',
    breaks: [],
    changes: [change(POLICY, 'L.PLACE_FRESH, L.FRAME_QUEUE);', 'L.PLACE_MAIN, L.FRAME_QUEUE);')],
    found,
  },
  {
    name: 'policy-ghost-ageless',
    rule: '§5 replacement: a ghost is forgotten in time',
    breaks: [],
    changes: [change(POLICY, '    if (((now - ghost) & TIME_MASK) > ghostAge) continue;\n', '')],
    found,
  },
  {
    name: 'policy-ghost-stays',
    rule: '§5 replacement: a ghost is good for one return',
    breaks: [],
    changes: [change(POLICY, '    atomic.store<i32>(ghostAt, 0, L.GHOSTS);\n', '')],
    found,
  },
  {
    name: 'policy-target-fixed',
    rule: '§5 replacement: probation grows with what comes back to it',
    breaks: [],
    changes: [change(POLICY, '  let by = 16;\n', '  let by = 0;\n')],
    found,
  },
  {
    name: 'policy-target-grows',
    rule: '§5 replacement: probation shrinks with what comes back to main',
    breaks: [],
    changes: [change(POLICY, 'by = -min<i32>(ratio, STEP_MOST);', 'by = min<i32>(ratio, 0);')],
    found,
  },
  {
    name: 'policy-learns-late',
    rule: '§5 replacement: what comes back after a long time moves no share',
    breaks: [],
    changes: [
      change(
        POLICY,
        'if (!isWithin(ghost, GROWTH_TENTHS)) return;',
        'if (isEarly(ghost) && !isWithin(ghost, GROWTH_TENTHS)) return;',
      ),
    ],
    found,
  },
  {
    name: 'policy-main-room',
    rule: '§5 replacement: a page that belongs to main takes its frame from main',
    breaks: [],
    changes: [change(POLICY, 'oldestAbove(target() - i32(!toMain))', 'oldestAbove(target() - 1)')],
    found,
  },
  {
    name: 'policy-no-readmission',
    rule: '§5 replacement: a page that can not be taken has another time on probation',
    breaks: [],
    changes: [change(POLICY, 'if (whence == FROM_PROBATION) admit(frame);\n  else if', 'if')],
    found,
  },
  {
    name: 'policy-ring-dirty',
    rule: '§5 replacement: a sweep that meets dirty pages on probation goes on with the hand',
    breaks: [],
    changes: [change(TABLE, 'dirtyFile = its;\n          held++;', 'dirtyFile = its;')],
    found,
  },
  {
    name: 'policy-ring-unstable',
    rule: '§5 replacement: a sweep that meets unstable pages on probation goes on with the hand',
    breaks: [],
    changes: [change(TABLE, 'unstableFile = its;\n      held++;', 'unstableFile = its;')],
    found,
  },
  {
    name: 'policy-free-unsought',
    rule: '§5 replacement: free frames before pages',
    breaks: [],
    changes: [
      change(POLICY, 'if (atomic.load<i32>(frameAt(free), L.FRAME_STATE) == 0) {', 'if (free < 0) {'),
    ],
    found,
  },
  {
    name: 'policy-stale-entry',
    rule: '§5 replacement: an entry of a ring counts if the frame says so',
    breaks: [],
    changes: [
      change(
        POLICY,
        'if (frame < 0 || atomic.load<i32>(frameAt(frame), L.FRAME_QUEUE) != ((number << 2) | place)) continue;',
        'if (frame < 0) continue;',
      ),
    ],
    found,
  },
  {
    name: 'policy-hand-everywhere',
    rule: '§5 replacement: the hand passes over probation',
    breaks: [],
    changes: [
      change(POLICY, 'return behind(left, queue >>> 2) >= 0;', 'return behind(left, queue >>> 2) > 1 << 28;'),
    ],
    found,
  },
  {
    name: 'policy-hints-alone',
    rule: '§5 replacement: a sweep fails only after a pass over all frames',
    breaks: [8],
    changes: [change(TABLE, 'if (alone >= 0) break;\n      alone = 0;', 'break;')],
    found: [explored('queues', 1), ...found],
  },
];
