// Rule 2 of the control kernel: what a dead thread must not leave half done stands in one straight-line section. The
// compiler may break what the source keeps (a function not inlined, a store moved), so the shipped module is checked.
import { expect, test } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import { assemble, type Instruction, isPlain, lower, readCode, sectionIds } from './code.ts';
import { builtKernel, type Change, compileControl, controlSources } from './compile.ts';
import { lones, sections } from './section-table.ts';
import {
  add,
  cas,
  checkSections,
  compareMarks,
  fieldOffsets,
  markedSections,
  maybe,
  notify,
  type Section,
  store,
} from './sections.ts';

const isMark = (line: string | undefined) => line !== undefined && markedSections('', line).length > 0;
const shipped = builtKernel('control');
const code = readCode(shipped); // refuses what the kernel must not contain

function marks(): string[] {
  return [...controlSources()].flatMap(([file, source]) => markedSections(file, source));
}

/** The number of times that the sources, without their comments, call a builtin. */
function calls(builtin: string): number {
  const text = [...controlSources().values()].join('\n').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  return text.split(`${builtin}(`).length - 1;
}

function countOf(functions: typeof code, op: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, instructions } of functions) {
    const n = instructions.filter((instruction) => instruction.op === op).length;
    if (n > 0) counts[name] = n;
  }
  return counts;
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

// -- The shipped module ----------------------------------------------------------------------------------------------

test('the sources compile to the shipped module', async () => {
  // Else the build is older than the sources, or compile.ts has other flags than scripts/build-kernel.mjs.
  expect(Buffer.compare(await compileControl(), shipped), 'run npm run build:kernel').toBe(0);
});

test('each section runs in one straight line', () => {
  expect(checkSections(code, sections, lones)).toEqual([]);
});

test('each section that the sources mark is in the table', () => {
  expect(compareMarks(marks(), sections)).toEqual([]);
});

test('each field has an offset of its own', () => {
  const fields = new Map<number, string>();
  const twice: string[] = [];
  for (const [name, offset] of fieldOffsets()) {
    const other = fields.get(offset);
    if (other) twice.push(`${name} and ${other} at ${offset}`);
    fields.set(offset, name);
  }
  expect(twice).toEqual([]);
});

test('the memory is the only import', () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(new Uint8Array(shipped)));
  expect(imports).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
});

test('there is no table, no start function, no data', () => {
  const [table, start, elements, data, dataCount] = [4, 8, 9, 11, 12];
  const ids = sectionIds(shipped);
  expect(ids.filter((id) => [table, start, elements, data, dataCount].includes(id))).toEqual([]);
});

test('it needs nothing of WebAssembly but version 1 and threads', () => {
  expect(isPlain(shipped)).toBe(true);
});

test('no function waits', () => {
  expect(countOf(code, 'wait')).toEqual({});
});

test('the release carries no assertion', () => {
  // In detachClaimOf, whose name is not in the shipped module: it alone of the internal functions moves the claim's stage.
  const movesStage = (i: Instruction) => i.op === 'store' && i.offset === L.ROW_CLAIM_STAGE;
  const moving = code.filter(({ exported, instructions }) => !exported && instructions.some(movesStage));
  expect(moving).toHaveLength(1);
  expect(countOf(code, 'trap')).toEqual({ [moving[0].name]: calls('unreachable') });
  const debug = sum(countOf(readCode(builtKernel('control.debug')), 'trap'));
  expect(debug).toBeGreaterThanOrEqual(calls('assert') + calls('unreachable'));
});

test('assertions stand outside of the sections', () => {
  expect(checkSections(readCode(builtKernel('control.debug')), sections, lones)).toEqual([]);
});

test('wasm2js lowers it, each atomic operation to one of JavaScript', () => {
  const lowered = new Map<string, number>();
  for (const [, method] of lower(shipped).matchAll(/\bAtomics\.(\w+)\(/g)) {
    lowered.set(method, (lowered.get(method) ?? 0) + 1);
  }
  const compiled = new Map<string, number>();
  for (const instruction of code.flatMap(({ instructions }) => instructions)) {
    const method = atomicMethod(instruction);
    if (method) compiled.set(method, (compiled.get(method) ?? 0) + 1);
  }
  expect(lowered).toEqual(compiled);
});

function atomicMethod(instruction: Instruction): string | undefined {
  switch (instruction.op) {
    case 'load':
    case 'store':
      return instruction.atomic ? instruction.op : undefined;
    case 'rmw':
      return instruction.name === 'xchg' ? 'exchange' : instruction.name;
    case 'cas':
      return 'compareExchange';
    case 'notify':
      return 'notify';
    default:
      return undefined;
  }
}

// -- The check can fail: bugs planted in the kernel ------------------------------------------------------------------

const loop = 'while (atomic.load<i32>(0, L.HEADER_LIFE) < 0) {}';

async function sectionsBrokenBy(changes: readonly Change[]): Promise<string[]> {
  const problems = checkSections(readCode(await compileControl(changes)), sections, lones);
  return [...new Set(problems.map(({ section }) => section))].sort();
}

test('a loop planted in every marked section breaks every one', async () => {
  // The loop goes behind the decision, which stands before the mark or in the line behind it.
  const decides = (line: string | undefined, { steps: [{ text }] }: Section) => {
    const [kind, field] = text.split(' ');
    return line?.trim().startsWith(`${kind}<`) && line.includes(`L.${field})`);
  };
  const changes = [...controlSources()].map(([file, source]): Change => {
    const to = source.split('\n').map((line, i, lines) => {
      const marked = markedSections(file, lines.slice(0, i + 1).join('\n'));
      const [mark] = marked.slice(-1);
      const nth = marked.filter((other) => other === mark).length - 1;
      const section = sections.filter(({ source }) => source === mark)[nth];
      if (!section) return line;
      const behind = decides(line, section)
        ? lines[i - 1]
        : decides(lines[i + 1], section)
          ? undefined
          : line;
      return isMark(behind) ? `${line}\n${loop}` : line;
    });
    return { file, from: source, to: to.join('\n') };
  });
  expect(await sectionsBrokenBy(changes)).toEqual(sections.map(({ name }) => name).sort());
});

const planted: [bug: string, sections: string | string[], changes: Change[]][] = [
  [
    'a call between the CAS and the slot',
    'pin',
    [
      {
        file: 'pins.ts',
        from: 'takePinSlot(slotAt, frame, L.PIN_READ);',
        to: 'unpin(slot, 1);\ntakePinSlot(slotAt, frame, L.PIN_READ);',
      },
    ],
  ],
  [
    'a wait between the CAS and the journal',
    'flushTry',
    [
      {
        file: 'writeback.ts',
        from: 'atomic.store<i32>(row, file + 1, L.ROW_FLUSH);',
        to: 'atomic.wait<i32>(at, 0, 0);\natomic.store<i32>(row, file + 1, L.ROW_FLUSH);',
      },
    ],
  ],
  [
    'a store moved out, before the CAS',
    'take',
    [
      { file: 'rows.ts', from: 'atomic.store<i32>(request, me + 1, L.REQUEST_SERVER);', to: '' },
      {
        file: 'rows.ts',
        from: 'if (atomic.cmpxchg<i32>(request, mine, L.REQUEST_RUNNING',
        to: 'atomic.store<i32>(request, me + 1, L.REQUEST_SERVER);\nif (atomic.cmpxchg<i32>(request, mine, L.REQUEST_RUNNING',
      },
    ],
  ],
  [
    'the sequence even before the second word is stored',
    'commitRaising',
    [
      { file: 'update.ts', from: 'atomic.store<i32>(fileRow, hi, L.FILE_SIZE_HI);\n', to: '' },
      {
        file: 'update.ts',
        from: 'atomic.store<i32>(fileRow, seq + 2, L.FILE_SIZE_SEQ);',
        to: 'atomic.store<i32>(fileRow, seq + 2, L.FILE_SIZE_SEQ);\natomic.store<i32>(fileRow, hi, L.FILE_SIZE_HI);',
      },
    ],
  ],
  [
    'the odd useq before the before-image is told of',
    'updatePublish',
    [
      { file: 'update.ts', from: 'store<i32>(entry, range, L.UPDATE_RANGE);', to: '' },
      {
        file: 'update.ts',
        from: 'store<i32>(entry, 2, L.UPDATE_STAGE);\n  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);',
        to: 'store<i32>(entry, 2, L.UPDATE_STAGE);\n  atomic.store<i32>(at, useq + 1, L.FRAME_USEQ);\nstore<i32>(entry, range, L.UPDATE_RANGE);',
      },
    ],
  ],
  [
    'the undo frame not journaled before the claim is dropped',
    'keepUndoFrame',
    [
      { file: 'update.ts', from: 'store<i32>(entryAt(level), claim, L.UPDATE_UNDO);', to: '' },
      {
        file: 'update.ts',
        from: 'atomic.store<i32>(row, 0, L.ROW_CLAIM);',
        to: 'atomic.store<i32>(row, 0, L.ROW_CLAIM);\nstore<i32>(entryAt(level), claim, L.UPDATE_UNDO);',
      },
    ],
  ],
  [
    'a loop before the wake, on some paths only',
    'endWriteback',
    [
      {
        file: 'writeback.ts',
        from: 'if (held & 1) count(L.COUNT_BOUNCED);',
        to: `if (held & 1) count(L.COUNT_BOUNCED);\nif (s & L.HOLD) ${loop}`,
      },
    ],
  ],
  [
    'one journal store of two left out',
    'tryClaim',
    [{ file: 'table.ts', from: 'atomic.store<i32>(at, me + 1, L.FRAME_CLAIMER);', to: '' }],
  ],
  [
    'the loop over the pin slots before the thread id', // which frees the row, where it stands alone
    ['attach', 'freeRow'],
    [
      { file: 'rows.ts', from: '    clearPins();\n', to: '' },
      {
        file: 'rows.ts',
        from: 'atomic.store<i32>(at, tid, L.ROW_TID);',
        to: 'clearPins();\natomic.store<i32>(at, tid, L.ROW_TID);',
      },
    ],
  ],
  [
    'an orphan marked after the bucket is at rest without it',
    'cutOff',
    [
      { file: 'orphans.ts', from: 'atomic.or<i32>(at, L.ORPHAN, L.FRAME_STATE);', to: '' },
      {
        file: 'orphans.ts',
        from: 'atomic.store<i32>(bucket, seq + 2, L.BUCKET_SEQ);',
        to: 'atomic.store<i32>(bucket, seq + 2, L.BUCKET_SEQ);\natomic.or<i32>(at, L.ORPHAN, L.FRAME_STATE);',
      },
    ],
  ],
  [
    'the dirty bit of an orphan cleared after a reclaimer is let in',
    'freeOrphan',
    [
      {
        file: 'orphans.ts',
        from: '      atomic.and<i32>(dirtyWordAt(frame), ~bit, L.DIRTY_BITS);',
        to: '',
      },
      {
        file: 'orphans.ts',
        from: 'const last = atomic.xchg<i32>(at, 0, L.FRAME_STATE);',
        to: 'const last = atomic.xchg<i32>(at, 0, L.FRAME_STATE);\natomic.and<i32>(dirtyWordAt(frame), ~bit, L.DIRTY_BITS);',
      },
    ],
  ],
  [
    'the smaller size before it is told that a truncate runs',
    'cutPublish',
    [
      { file: 'files.ts', from: 'atomic.add<i32>(at, 1, L.FILE_CUT_SEQ);\n      atomic', to: 'atomic' },
      {
        file: 'files.ts',
        from: 'atomic.store<i32>(at, seq + 2, L.FILE_SIZE_SEQ);\n      return;\n    }\n  }\n}\n\n/** The store',
        to: 'atomic.store<i32>(at, seq + 2, L.FILE_SIZE_SEQ);\natomic.add<i32>(at, 1, L.FILE_CUT_SEQ);\nreturn;}}}\n/** The store',
      },
    ],
  ],
  [
    'a dead owner’s update forgotten while it still owns UPDATING',
    'recoverUpdate',
    [
      { file: 'recovery.ts', from: 'store<i32>(entry, 0, L.UPDATE_STAGE);', to: '' },
      {
        file: 'recovery.ts',
        from: 'if (stage == 0) return;',
        to: 'if (stage == 0) return;\nstore<i32>(entry, 0, L.UPDATE_STAGE);',
      },
    ],
  ],
  [
    'the bit of a file after the request that had the reference is free',
    'collect',
    [
      { file: 'rows.ts', from: 'store<i32>(word, held | bit, L.ROW_FILES);', to: '' },
      {
        file: 'rows.ts',
        from: 'atomic.sub<i32>(at, surplus, L.FILE_REFS);\n  atomic.store<i32>(request, L.REQUEST_FREE, L.REQUEST_STATE);',
        to: 'atomic.sub<i32>(at, surplus, L.FILE_REFS);\natomic.store<i32>(request, L.REQUEST_FREE, L.REQUEST_STATE);\nstore<i32>(word, held | bit, L.ROW_FILES);',
      },
    ],
  ],
  [
    'an orphan freed by a call before the pin’s slot is free',
    'dropPinOf',
    [
      {
        file: 'recovery.ts',
        from: 'store<i32>(slotAt, -1, L.ROW_PINS);',
        to: 'if (s & L.ORPHAN) freeOrphan(frame);\nstore<i32>(slotAt, -1, L.ROW_PINS);',
      },
    ],
  ],
];

test.each(planted)('planted: %s', async (_, broken, changes) => {
  expect(await sectionsBrokenBy(changes)).toEqual([broken].flat());
});

test('planted: a decision that nobody declared', async () => {
  const from = 'return atomic.add<i32>(fileAt(file), 1, L.FILE_ROUND_OPEN);';
  const to = 'return atomic.cmpxchg<i32>(fileAt(file), 0, 1, L.FILE_ROUND_OPEN);';
  expect(await sectionsBrokenBy([{ file: 'writeback.ts', from, to }])).toEqual(['roundClose']);
});

test('planted: one more decision than declared', async () => {
  const from = 'const state = atomic.load<i32>(request, L.REQUEST_STATE);';
  const more = 'atomic.cmpxchg<i32>(request, L.REQUEST_RUNNING, L.REQUEST_FREE, L.REQUEST_STATE);';
  const change = { file: 'rows.ts', from, to: `${from}\n${more}` };
  expect(await sectionsBrokenBy([change])).toEqual(['attach', 'recoverRequests']);
});

test('planted: a mark without an entry, an entry without a mark', () => {
  const source = 'export function fresh(): void {\n  // Section: it decides.\n}\n';
  expect(compareMarks([...marks(), ...markedSections('pins.ts', source)], sections)).toEqual([
    'pins.ts:fresh marks a section that the table does not have',
  ]);
  const withoutPin = marks().filter((mark) => mark !== 'pins.ts:pin');
  expect(compareMarks(withoutPin, sections)).toEqual(['pin: pins.ts:pin does not mark it']);
});

// -- The check itself, on code made for it -----------------------------------------------------------------------------

const small: Section = {
  name: 'small',
  source: '',
  functions: ['f'],
  steps: [cas('FRAME_STATE'), store('ROW_CLAIM'), maybe(add('FRAME_WAKE'), notify('FRAME_WAKE'))],
};
const swap = '(i32.atomic.rmw.cmpxchg (local.get $at) (local.get $s) (i32.const 1))';
const read = '(local.set $s (i32.atomic.load (local.get $at)))';
const retry = `(loop $again ${read} (br_if $again (i32.ne (local.get $s) ${swap})))`;
const journal = '(i32.atomic.store offset=164 (local.get $row) (i32.const 0))';
const waiters = '(i32.and (local.get $s) (i32.const 32))';
const wakes = `(drop (i32.atomic.rmw.add offset=8 (local.get $at) (i32.const 1)))
  (drop (memory.atomic.notify (i32.add (local.get $at) (i32.const 8)) (i32.const -1)))`;
const wake = `(if ${waiters} (then ${wakes}))`;

function assembled(body: string): Uint8Array {
  return assemble(`(module
    (import "env" "memory" (memory 1 2 shared))
    (table 1 funcref)
    (func $other (loop $l (br_if $l (i32.load (i32.const 0)))))
    (func (export "f") (param $at i32) (param $row i32) (local $s i32) (local $seen i32) ${body}))`);
}

test.each([
  ['a retry loop', `${retry} ${journal} ${wake}`],
  [
    'inside the loop',
    `(loop $l ${read} (if (i32.eq ${swap} (local.get $s)) (then ${journal} ${wake} (return))) (br $l))`,
  ],
  ['no retry', `${read} (if (i32.eqz (i32.sub ${swap} (local.get $s))) (then ${journal} ${wake}))`],
  [
    'what was seen, kept',
    `${read} (local.set $seen ${swap})
    (block $no (br_if $no (i32.xor (local.get $seen) (local.get $s))) ${journal} ${wake})`,
  ],
  [
    'one condition of two',
    `${read} (if (if (result i32) (local.get $row) (then (i32.const 1))
    (else (i32.ne ${swap} (local.get $s)))) (then (return))) ${journal} ${wake}`,
  ],
  ['a call behind it all', `${retry} ${journal} ${wake} (call $other)`],
])('whole: %s', (_, body) => {
  expect(checkSections(readCode(assembled(body)), [small], [])).toEqual([]);
});

const where = 'after cas FRAME_STATE: ';
const due = ' where atomic.store ROW_CLAIM must follow in a straight line';
const late = ' may come as late as after a ';
test.each([
  ['a call', `${retry} (call $other) ${journal} ${wake}`, `${where}a call of internal 0${due}`],
  ['a loop that runs once', `${retry} (loop ${journal}) ${wake}`, `${where}a loop header${due}`],
  ['the end', `${retry} ${wake}`, `${where}atomic.add FRAME_WAKE${due}`],
  ['a path without the store', `${retry} (if (local.get $row) (then ${journal}))`, `${where}a return${due}`],
  [
    'a store that is not declared',
    `${retry} (i32.store offset=36 (local.get $at) (i32.const 0)) ${journal} ${wake}`,
    `${where}store FRAME_DIRTIED_AT${due}`,
  ],
  [
    'never a wake',
    `${retry} ${journal}`,
    `${where}no path does atomic.add FRAME_WAKE, notify FRAME_WAKE in a straight line`,
  ],
  [
    'a wait before some wakes',
    `${retry} ${journal} (if (local.get $row)
    (then (drop (memory.atomic.wait32 (local.get $at) (i32.const 0) (i64.const -1))))) ${wake}`,
    `${where}atomic.add FRAME_WAKE${late}wait`,
  ],
  ['another function', '', 'is not in its code'],
])('broken: %s', (_, body, text) => {
  expect(checkSections(readCode(assembled(body)), [small], [])).toEqual([
    { section: 'small', function: 'f', text },
  ]);
});

test.each([
  ['64-bit atomics', '(i64.atomic.store (local.get $at) (i64.const 0))'],
  ['8-bit atomics', '(i32.atomic.store8 (local.get $at) (i32.const 0))'],
  ['SIMD', '(v128.store (local.get $at) (v128.const i32x4 0 0 0 0))'],
  ['bulk memory', '(memory.fill (local.get $at) (i32.const 0) (i32.const 8))'],
  ['growing', '(drop (memory.grow (i32.const 1)))'],
  ['an indirect call', '(call_indirect (local.get $at))'],
])('refused: %s', (_, body) => {
  expect(() => readCode(assembled(body))).toThrow();
});
