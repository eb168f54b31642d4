// The shipped kernel as JavaScript that can be stepped through: lowered by wasm2js, then each access to memory made a step of
// its thread, and each place where V8 may end a thread a place where it may die.
import binaryen from 'binaryen';
import { atomicOf, type Node, nameOf, partsOf, Rewriter } from './rewrite.ts';

/** How the machine's functions are called in rewritten code. */
export const OPS: Readonly<Record<string, string>> = {
  load: 'X$ld',
  store: 'X$st',
  add: 'X$add',
  sub: 'X$sub',
  and: 'X$and',
  or: 'X$or',
  exchange: 'X$xchg',
  compareExchange: 'X$cas',
};

export interface Lowered {
  /** Source of a function of the machine's functions that makes an instance. */
  readonly source: string;
  /** What each counted branch is: a function of the wasm, and where in its lowered text. */
  readonly branches: readonly string[];
}

/**
 * The binary as wasm2js has it: JavaScript without steps. Not optimized, or functions and loops would not be those of the
 * module; binaryen's levels are the process's, and a compiler may have set them.
 */
export function toJavaScript(wasm: Uint8Array): string {
  const levels = [binaryen.getOptimizeLevel(), binaryen.getShrinkLevel()] as const;
  binaryen.setOptimizeLevel(0);
  binaryen.setShrinkLevel(0);
  const module = binaryen.readBinary(wasm);
  try {
    module.setFeatures(binaryen.Features.Atomics | binaryen.Features.MutableGlobals);
    return module.emitAsmjs();
  } finally {
    binaryen.setOptimizeLevel(levels[0]);
    binaryen.setShrinkLevel(levels[1]);
    module.dispose();
  }
}

/**
 * What wasm2js made of the module as the source of `X => memory => instance`. `deaths`: with a place to die at every function
 * entry and loop header.
 */
export function lower(whole: string, deaths: boolean): Lowered {
  const start = whole.indexOf('function asmFunc');
  const end = whole.indexOf('var memasmFunc');
  if (start < 0 || end < 0) throw new Error('wasm2js writes another form of module than is understood here');
  const source = whole.slice(start, end);
  const branches: string[] = [];
  let temporaries = 0;
  let inside = '';
  const branch = (what: string) => {
    branches.push(`${inside}: ${what}`);
    return `X$branch[${branches.length - 1}]=1;`;
  };
  const arm = (what: string) => {
    branches.push(`${inside}: ${what}`);
    return `X$branch[${branches.length - 1}]=1`;
  };
  const temporary = () => `T$${temporaries++}`;
  const rewriter = new Rewriter(source, (self) => (node, parent) => {
    const atomic = atomicOf(node);
    if (atomic !== undefined) return atomicStep(self, node, atomic, temporary);
    switch (node.type) {
      case 'FunctionDeclaration':
        return functionOf(node);
      case 'CallExpression':
        return isStepping(node.callee as Node) ? `(yield* ${self.renderParts(node)})` : undefined;
      case 'MemberExpression':
        if (nameOf(node.object) !== 'HEAP32' || !node.computed) return undefined;
        if (parent?.type === 'AssignmentExpression' && parent.left === node) return undefined;
        return plainLoad(self, node, temporary);
      case 'AssignmentExpression':
        return plainStore(self, node, temporary);
      case 'IfStatement':
        return CARRY.test(self.text(node.test as Node)) ? undefined : ifOf(self, node, branch);
      case 'ConditionalExpression': {
        const test = self.text(node.test as Node);
        const then = `(${arm(`${test} ? …`)}, ${self.render(node.consequent as Node)})`;
        const other = `(${arm(`${test} : …`)}, ${self.render(node.alternate as Node)})`;
        return `(${self.render(node.test as Node)}) ? ${then} : ${other}`;
      }
      case 'WhileStatement': {
        const body = self.renderParts(node.body as Node).slice(1, -1);
        return `while (${self.render(node.test as Node)}) {${deaths ? 'if (X$D()) yield X$S;' : ''}${body}}`;
      }
      case 'SwitchStatement':
        throw new Error('a br_table is not understood here');
      default:
        return undefined;
    }
  });

  /** Functions of the kernel: `$0`, `$1`, …; those that wasm2js adds touch no memory. */
  function isStepping(callee: Node): boolean {
    return callee.type === 'Identifier' && /^\$\d+$/.test(callee.name as string);
  }

  function functionOf(node: Node): string | undefined {
    const name = nameOf(node.id)!;
    if (name === 'asmFunc') return undefined;
    if (!isStepping(node.id as Node)) return rewriter.text(node); // as it is
    inside = name;
    const first = temporaries;
    const params = (node.params as Node[]).map((param) => rewriter.text(param)).join(', ');
    const body = rewriter.renderParts(node.body as Node).slice(1, -1);
    const names = Array.from({ length: temporaries - first }, (_, n) => `T$${first + n}`);
    const locals = names.length > 0 ? `let ${names.join(', ')};` : '';
    return `function* ${name}(${params}) {${locals}${deaths ? 'if (X$D()) yield X$S;' : ''}${body}}`;
  }

  const asm = rewriter.render(rewriter.tree);
  const globals = globalsOf(rewriter.tree);
  const machine = ['P', 'S', 'D', 'notify', 'branch', ...Object.values(OPS).map((op) => op.slice(2))];
  return {
    source: `const {${machine.map((name) => `${name}: X$${name}`).join(', ')}} = X;
      const __wasm_memory_grow = () => { throw new Error('memory never grows'); };
      let bufferView;
      const wasm2js_trap = () => { throw new Error('an assertion of the kernel'); };
      ${asm.replace(
        /\n return \{/,
        `\n return { save: () => [${globals}], restore: (saved) => { [${globals}] = saved; },`,
      )}
      return (buffer) => asmFunc({ env: { memory: { buffer } } });`,
    branches,
  };
}

/** The module's mutable globals: an instance's own state. */
function globalsOf(tree: Node): string[] {
  const names: string[] = [];
  const visit = (node: Node) => {
    if (node.type === 'VariableDeclarator' && /^global\$\d+$/.test(nameOf(node.id) ?? ''))
      names.push(nameOf(node.id)!);
    for (const part of partsOf(node)) visit(part);
  };
  visit(tree);
  return names;
}

/** Of the carry of a 64-bit counter, which wasm2js writes as a branch that the kernel does not have. */
const CARRY = /^i64toi32_i32\$\d+ >>> 0 < i64toi32_i32\$\d+ >>> 0$/;

/** An access is a step only where threads may meet: the machine says at which words they do. */
function atomicStep(self: Rewriter, node: Node, op: string, temporary: () => string): string {
  const [, at, ...rest] = (node.arguments as Node[]).map((part) => self.render(part, node));
  if (op === 'notify') return `X$notify(${at}, ${rest[0]})`;
  const name = OPS[op];
  if (name === undefined) throw new Error(`Atomics.${op} is not understood here`);
  const index = temporary();
  const args = rest.map((value) => [temporary(), value] as const);
  const evaluated = [`${index} = ${at}`, ...args.map(([to, value]) => `${to} = ${value}`)].join(', ');
  const given = [index, ...args.map(([to]) => to)].join(', ');
  return `(${evaluated}, X$P(${index}) && (yield X$S), ${name}(${given}))`;
}

function plainLoad(self: Rewriter, node: Node, temporary: () => string): string {
  const index = temporary();
  return `(${index} = ${self.render(node.property as Node)}, X$P(${index}) && (yield X$S), X$ld(${index}))`;
}

function plainStore(self: Rewriter, node: Node, temporary: () => string): string | undefined {
  const left = node.left as Node;
  if (left.type !== 'MemberExpression' || nameOf(left.object) !== 'HEAP32') return undefined;
  if (node.operator !== '=') throw new Error('a compound assignment is not understood here');
  const [index, value] = [temporary(), temporary()];
  const evaluated = `${index} = ${self.render(left.property as Node)}, ${value} = ${self.render(node.right as Node)}`;
  return `(${evaluated}, X$P(${index}) && (yield X$S), X$st(${index}, ${value}))`;
}

function ifOf(self: Rewriter, node: Node, branch: (what: string) => string): string {
  const test = self.text(node.test as Node).replace(/\s+/g, ' ');
  const then = `${branch(`if (${test})`)}${self.render(node.consequent as Node)}`;
  const other = node.alternate ? self.render(node.alternate as Node) : '';
  return `if (${self.render(node.test as Node)}) {${then}} else {${branch(`not if (${test})`)}${other}}`;
}
