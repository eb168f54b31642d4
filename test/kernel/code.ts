// Reads a WebAssembly module and lays the functions out as linear code for a stack machine: expressions become
// instructions in the order in which they run, blocks become jumps. Only what the control kernel may consist of is
// known here: anything else (atomics of other than 32 bits, SIMD, bulk memory, indirect calls, growing) is an error.
import binaryen from 'binaryen';

type Ref = number;

type Rmw = 'add' | 'sub' | 'and' | 'or' | 'xor' | 'xchg';

export type Instruction =
  | { op: 'const'; value: number }
  | { op: 'unknown' }
  | { op: 'local.get' | 'local.set' | 'local.tee'; index: number }
  | { op: 'global.get' | 'global.set'; name: string }
  | { op: 'unary' | 'binary'; name: string }
  | { op: 'select' | 'drop' | 'return' | 'trap' }
  | { op: 'load' | 'store'; atomic: boolean; offset: number }
  | { op: 'rmw'; name: Rmw; offset: number }
  | { op: 'cas'; offset: number }
  | { op: 'notify' | 'wait' }
  | { op: 'call'; target: string; operands: number; results: number }
  /** Takes the stack down to `height`, but for its `keep` top values, and goes on at `to`. */
  | { op: 'jump' | 'jump-if' | 'jump-if-not'; to: number; height: number; keep: number }
  | { op: 'switch'; targets: { to: number; height: number }[] }
  /** A loop header: V8 looks here, at each pass, whether its thread is to end. */
  | { op: 'loop' };

export interface Code {
  /** The export's name, or `internal N`. */
  readonly name: string;
  readonly exported: boolean;
  readonly instructions: readonly Instruction[];
  /** The height of the operand stack behind each instruction. */
  readonly heights: readonly number[];
}

/** The binary operations whose meaning the analysis uses; any other is just a function of its operands. */
const binaries = new Map<number, string>([
  [binaryen.EqInt32, 'eq'],
  [binaryen.NeInt32, 'ne'],
  [binaryen.AddInt32, 'add'],
  [binaryen.SubInt32, 'sub'],
  [binaryen.MulInt32, 'mul'],
  [binaryen.AndInt32, 'and'],
  [binaryen.OrInt32, 'or'],
  [binaryen.XorInt32, 'xor'],
]);
const rmws = new Map<number, Rmw>([
  [binaryen.AtomicRMWAdd, 'add'],
  [binaryen.AtomicRMWSub, 'sub'],
  [binaryen.AtomicRMWAnd, 'and'],
  [binaryen.AtomicRMWOr, 'or'],
  [binaryen.AtomicRMWXor, 'xor'],
  [binaryen.AtomicRMWXchg, 'xchg'],
]);

/** The module of a text, as the compiler would have written it. */
export function assemble(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  try {
    module.setFeatures(binaryen.Features.All);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** Whether the module needs no more of WebAssembly than version 1 and threads. */
export function isPlain(bytes: Uint8Array): boolean {
  const module = binaryen.readBinary(bytes);
  try {
    module.setFeatures(binaryen.Features.Atomics);
    return module.validate() === 1;
  } finally {
    module.dispose();
  }
}

/** The code of all functions. */
export function readCode(bytes: Uint8Array): Code[] {
  const module = binaryen.readBinary(bytes);
  try {
    const exports = new Map<string, string>();
    for (let i = 0; i < module.getNumExports(); i++) {
      const { kind, name, value } = binaryen.getExportInfo(module.getExportByIndex(i));
      if (kind === binaryen.ExternalFunction) exports.set(value, name);
    }
    const functions: Code[] = [];
    for (let i = 0; i < module.getNumFunctions(); i++) {
      const info = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
      if (info.module) throw new Error(`imports the function ${info.module}.${info.base}`);
      const exported = exports.get(info.name);
      const name = exported ?? `internal ${info.name}`;
      const layout = new Layout(name, (target) => exports.get(target) ?? `internal ${target}`);
      layout.emit(info.body);
      functions.push({ name, exported: exported !== undefined, ...layout });
    }
    return functions;
  } finally {
    module.dispose();
  }
}

/** The module as JavaScript: what the explorer runs. */
export function lower(bytes: Uint8Array): string {
  const module = binaryen.readBinary(bytes);
  try {
    module.setFeatures(binaryen.Features.Atomics);
    return module.emitAsmjs();
  } finally {
    module.dispose();
  }
}

/** Ids of the sections of a module's binary form: an id byte, a LEB128 length, the body. */
export function sectionIds(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8; // after the magic number and the version
  while (at < bytes.length) {
    ids.push(bytes[at++]);
    let length = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[at++];
      length |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    at += length;
  }
  return ids;
}

interface Label {
  height: number;
  /** Where a loop's header is; a block's end is not known before it is reached. */
  at?: number;
  waiting: { to: number }[];
}

/** Lays one function out. */
class Layout {
  readonly instructions: Instruction[] = [];
  readonly heights: number[] = [];
  #height = 0;
  readonly #labels = new Map<string, Label>();
  readonly #function: string;
  readonly #nameOf: (target: string) => string;

  constructor(name: string, nameOf: (target: string) => string) {
    this.#function = name;
    this.#nameOf = nameOf;
  }

  #push(instruction: Instruction, change: number): void {
    this.#height += change;
    this.instructions.push(instruction);
    this.heights.push(this.#height);
  }

  #refuse(what: string): never {
    throw new Error(`${this.#function}: ${what}`);
  }

  /** A jump whose target is set as soon as it is known. */
  #target(name: string): { to: number; height: number } {
    const label = this.#labels.get(name) ?? this.#refuse(`no label ${name}`);
    const target = { to: label.at ?? -1, height: label.height };
    if (label.at === undefined) label.waiting.push(target);
    return target;
  }

  #jump(op: 'jump' | 'jump-if' | 'jump-if-not', keep: number): { to: number } {
    const jump: Instruction = { op, to: -1, height: this.#height - (op === 'jump' ? keep : 1), keep };
    this.#push(jump, op === 'jump' ? -keep : -1);
    return jump;
  }

  #here(jump: { to: number }): void {
    jump.to = this.instructions.length;
  }

  emit(ref: Ref): void {
    const before = this.#height;
    const type = binaryen.getExpressionType(ref);
    const value = type === binaryen.i32 || type === binaryen.i64;
    if (!value && type !== binaryen.none && type !== binaryen.unreachable) {
      this.#refuse('a value that is neither an i32 nor an i64');
    }
    this.#emit(ref);
    this.#height = before + (value ? 1 : 0); // what stands behind a jump starts as high as its block says
  }

  #emit(ref: Ref): void {
    const id = binaryen.getExpressionId(ref);
    if (id === binaryen.UnreachableId) {
      this.#push({ op: 'trap' }, 0); // getExpressionInfo does not know it
      return;
    }
    const info = binaryen.getExpressionInfo(ref);
    switch (id) {
      case binaryen.NopId:
        return;
      case binaryen.BlockId: {
        const { name, children } = info as binaryen.BlockInfo;
        const label: Label = { height: this.#height, waiting: [] };
        if (name) this.#labels.set(name, label);
        for (const child of children) this.emit(child);
        for (const target of label.waiting) this.#here(target);
        return;
      }
      case binaryen.LoopId: {
        const { name, body } = info as binaryen.LoopInfo;
        if (name) this.#labels.set(name, { height: this.#height, at: this.instructions.length, waiting: [] });
        this.#push({ op: 'loop' }, 0);
        this.emit(body);
        return;
      }
      case binaryen.IfId: {
        const { condition, ifTrue, ifFalse } = info as binaryen.IfInfo;
        this.emit(condition);
        const otherwise = this.#jump('jump-if-not', 0);
        const height = this.#height;
        this.emit(ifTrue);
        if (!ifFalse) {
          this.#here(otherwise);
          return;
        }
        const keep = this.#height - height;
        const end = this.#jump('jump', keep);
        this.#here(otherwise);
        this.#height = height;
        this.emit(ifFalse);
        this.#here(end);
        return;
      }
      case binaryen.BreakId: {
        const { name, condition, value } = info as binaryen.BreakInfo;
        if (value) this.emit(value);
        if (condition) this.emit(condition);
        const op = condition ? 'jump-if' : 'jump';
        const jump = Object.assign(this.#target(name), { op, keep: value ? 1 : 0 }) as Instruction;
        this.#push(jump, condition ? -1 : 0);
        return;
      }
      case binaryen.SwitchId: {
        const { names, defaultName, condition, value } = info as binaryen.SwitchInfo;
        if (value) this.#refuse('a switch with a value');
        this.emit(condition);
        const targets = [...names, defaultName!].map((name) => this.#target(name));
        this.#push({ op: 'switch', targets }, -1);
        return;
      }
      case binaryen.CallId: {
        const { target, operands, isReturn, type } = info as binaryen.CallInfo;
        if (isReturn) this.#refuse('a tail call');
        for (const operand of operands) this.emit(operand);
        const results = type === binaryen.none || type === binaryen.unreachable ? 0 : 1;
        const call = { target: this.#nameOf(target), operands: operands.length, results };
        this.#push({ op: 'call', ...call }, results - operands.length);
        return;
      }
      case binaryen.LocalGetId:
        this.#push({ op: 'local.get', index: (info as binaryen.LocalGetInfo).index }, 1);
        return;
      case binaryen.LocalSetId: {
        const { index, isTee, value } = info as binaryen.LocalSetInfo;
        this.emit(value);
        this.#push({ op: isTee ? 'local.tee' : 'local.set', index }, isTee ? 0 : -1);
        return;
      }
      case binaryen.GlobalGetId:
        this.#push({ op: 'global.get', name: (info as binaryen.GlobalGetInfo).name }, 1);
        return;
      case binaryen.GlobalSetId: {
        const { name, value } = info as binaryen.GlobalSetInfo;
        this.emit(value);
        this.#push({ op: 'global.set', name }, -1);
        return;
      }
      case binaryen.LoadId: {
        const { ptr, offset, bytes, isAtomic } = info as binaryen.LoadInfo;
        if (bytes !== 4 && (isAtomic || bytes !== 8)) this.#refuse(`a load of ${bytes} bytes`);
        this.emit(ptr);
        this.#push({ op: 'load', atomic: isAtomic, offset }, 0);
        return;
      }
      case binaryen.StoreId: {
        const { ptr, value, offset, bytes, isAtomic } = info as binaryen.StoreInfo;
        if (bytes !== 4 && (isAtomic || bytes !== 8)) this.#refuse(`a store of ${bytes} bytes`);
        this.emit(ptr);
        this.emit(value);
        this.#push({ op: 'store', atomic: isAtomic, offset }, -2);
        return;
      }
      case binaryen.ConstId: {
        const { value } = info as binaryen.ConstInfo;
        this.#push(typeof value === 'number' ? { op: 'const', value } : { op: 'unknown' }, 1);
        return;
      }
      case binaryen.UnaryId: {
        const { op, value } = info as binaryen.UnaryInfo;
        this.emit(value);
        this.#push({ op: 'unary', name: op === binaryen.EqZInt32 ? 'eqz' : `unary ${op}` }, 0);
        return;
      }
      case binaryen.BinaryId: {
        const { op, left, right } = info as binaryen.BinaryInfo;
        this.emit(left);
        this.emit(right);
        this.#push({ op: 'binary', name: binaries.get(op) ?? `binary ${op}` }, -1);
        return;
      }
      case binaryen.SelectId: {
        const { ifTrue, ifFalse, condition } = info as binaryen.SelectInfo;
        this.emit(ifTrue);
        this.emit(ifFalse);
        this.emit(condition);
        this.#push({ op: 'select' }, -2);
        return;
      }
      case binaryen.DropId:
        this.emit((info as binaryen.DropInfo).value);
        this.#push({ op: 'drop' }, -1);
        return;
      case binaryen.ReturnId: {
        const { value } = info as binaryen.ReturnInfo;
        if (value) this.emit(value);
        this.#push({ op: 'return' }, 0);
        return;
      }
      case binaryen.AtomicRMWId: {
        const { op, ptr, value, offset, bytes } = info as binaryen.AtomicRMWInfo;
        if (bytes !== 4) this.#refuse(`a read-modify-write of ${bytes} bytes`);
        this.emit(ptr);
        this.emit(value);
        this.#push({ op: 'rmw', name: rmws.get(op) ?? this.#refuse(`operation ${op}`), offset }, -1);
        return;
      }
      case binaryen.AtomicCmpxchgId: {
        const { ptr, expected, replacement, offset, bytes } = info as binaryen.AtomicCmpxchgInfo;
        if (bytes !== 4) this.#refuse(`a compare-and-swap of ${bytes} bytes`);
        this.emit(ptr);
        this.emit(expected);
        this.emit(replacement);
        this.#push({ op: 'cas', offset }, -2);
        return;
      }
      case binaryen.AtomicNotifyId: {
        const { ptr, notifyCount } = info as binaryen.AtomicNotifyInfo;
        this.emit(ptr);
        this.emit(notifyCount);
        this.#push({ op: 'notify' }, -1);
        return;
      }
      case binaryen.AtomicWaitId: {
        const { ptr, expected, timeout, expectedType } = info as binaryen.AtomicWaitInfo;
        if (expectedType !== binaryen.i32) this.#refuse('a wait for 64 bits');
        this.emit(ptr);
        this.emit(expected);
        this.emit(timeout);
        this.#push({ op: 'wait' }, -2);
        return;
      }
      default:
        this.#refuse(`an instruction the control kernel must not contain (binaryen's expression ${id})`);
    }
  }
}
