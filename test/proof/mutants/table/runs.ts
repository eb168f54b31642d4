// §5: pages that are read together, before they have frames.
import { change, explored, type Mutant, tested } from '../mutant.ts';

const RUN = 'src/protocol/run.ts';
const TEST = 'test/kernel/run.test.ts';

export const runs: readonly Mutant[] = [
  {
    name: 'run-stale',
    rule: '§5 run: what was staged is not used if a page of the file was written since',
    breaks: [4],
    changes: [
      change(RUN, '  if (kernel.fileWord(file, L.FILE_WRITES) !== staged.writes) return STALE;\n', ''),
    ],
    found: [explored('run-write-reclaim', 1)],
  },
  {
    name: 'run-stale-cut',
    rule: '§5 run: nor if the file was cut since, which moves the same word',
    breaks: [4],
    changes: [
      change(
        'src/kernel/control/files.ts',
        '  atomic.add<i32>(fileAt(file), 1, L.FILE_WRITES);\n}\n\n/** Puts the size',
        '}\n\n/** Puts the size',
      ),
    ],
    found: [explored('run-cut', 1), tested(TEST)],
  },
  {
    name: 'run-writes-late',
    rule: '§5 run: the count of writes is read before the store is',
    breaks: [4],
    changes: [
      change(
        RUN,
        '{ area, length, writes };',
        '{ area, length, writes: kernel.fileWord(file, L.FILE_WRITES) };',
      ),
    ],
    found: [explored('run-write-reclaim', 1)],
  },
  {
    name: 'run-early-look',
    rule: '§5 run: the count of writes is looked at again once the page has a frame',
    breaks: [4],
    changes: [
      change(RUN, '    for (let n = from; n < to && store !== null; n++) {\n', RUN_EARLY()),
      change(
        RUN,
        '  if (kernel.fileWord(file, L.FILE_WRITES) !== staged.writes) return STALE;\n',
        '  if (early !== staged.writes) return STALE;\n',
      ),
      change(RUN, '  slot: number,\n): number {', '  slot: number,\n  early: number,\n): number {'),
      change(RUN, '(n - from) * stride);', '(n - from) * stride, early);'),
    ],
    found: [explored('run-write-reclaim', 1)],
  },
  {
    name: 'run-beyond',
    rule: '§5 run: no page past the end of the file',
    breaks: [4],
    changes: [change(RUN, 'if (index * format.payload >= kernel.size(file)) {', 'if (index < 0) {')],
    found: [tested(TEST)],
  },
  {
    name: 'run-area',
    rule: '§3 staging: one area is kept for fsync',
    breaks: [8],
    changes: [change(RUN, 'control.claimStaging(1)', 'control.claimStaging(0)')],
    found: [tested(TEST)],
  },
  {
    name: 'run-area-kept',
    rule: '§3 staging: an area is given back',
    breaks: [11],
    changes: [change(RUN, 'if (area >= 0) control.releaseStaging(area);', '')],
    found: [explored('run-run', 0), tested(TEST)],
  },
];

/** The look is made before the page is looked for. */
function RUN_EARLY(): string {
  return (
    '    for (let n = from; n < to && store !== null; n++) {\n' +
    '      const early = kernel.fileWord(file, L.FILE_WRITES);\n'
  );
}
