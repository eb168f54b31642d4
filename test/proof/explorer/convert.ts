// The library's sources as JavaScript that can be stepped through: bundled as they are, then each function that calls
// something made a generator that its callers run to its end, so that a step of the kernel below can stop all of them.
//
// Generators of the sources (protocols) stay values: calls of theirs are not run where they are made. Where nothing can stop
// (constructors, getters, callbacks of built-in methods) what is called runs through as one step.
import { build, type Plugin } from 'esbuild';
import { OPS } from './lower.ts';
import { atomicOf, calleeName, isNode, type Node, nameOf, partsOf, Rewriter } from './rewrite.ts';

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
/** Built-in methods that call what they are given, and can't be stopped meanwhile. */
const CALLING = new Set('map filter sort find findIndex some every forEach reduce flatMap from'.split(' '));
/** What has no effect on shared memory and never calls back. */
const PURE = new Set('Math Number Object Array BigInt String JSON Symbol Error'.split(' '));

/** One file of the bundle in the place of another: paths behind the root of the project. */
export type Replacements = Readonly<Record<string, { readonly contents: string }>>;

/** Bundles an entry of the sources, with some of the files changed: a function body that returns its exports. */
export async function bundle(root: string, entry: string, replaced: Replacements = {}): Promise<string> {
  const replacing: Plugin = {
    name: 'replace',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const found = Object.keys(replaced).find((name) => path === `${root}${name}`);
        return found ? { contents: replaced[found]!.contents, loader: 'ts' } : undefined;
      });
    },
  };
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    treeShaking: true,
    external: ['node:*'],
    plugins: [replacing],
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

const isFunction = (node: Node) => FUNCTIONS.has(node.type);

/** What a function is in the rewritten code. */
type Kind = 'steps' | 'generator' | 'through' | 'plain';

export interface Converted {
  /** Source of a function body over `X` (the machine), `imports` (modules by name) that returns the exports. */
  readonly source: string;
  readonly imports: readonly string[];
}

export function convert(source: string): Converted {
  const imports: string[] = [];
  const generators = new Set<string>();
  const getters = new Set<string>();
  const kinds = new Map<Node, Kind>();
  let inside: Kind = 'through'; // the top level runs once, when the code is loaded
  let temporaries = 0;

  const rewriter = new Rewriter(source, (self) => (node, parent) => {
    if (isFunction(node)) return functionOf(self, node, parent);
    switch (node.type) {
      case 'MethodDefinition':
        return methodOf(self, node);
      case 'Property':
        return node.method ? methodOf(self, node) : undefined;
      case 'ImportDeclaration':
        return importOf(self, node, imports);
      case 'ExportNamedDeclaration':
        return exportsOf(self, node);
      case 'ChainExpression':
        return (node.expression as Node).type === 'CallExpression'
          ? called(`(${self.renderParts(node.expression as Node)})`)
          : undefined;
      case 'CallExpression':
        return callOf(self, node, parent);
      case 'MemberExpression':
        return propertyOf(self, node, parent);
      case 'ForOfStatement':
        return forOf(self, node);
      case 'SpreadElement':
        if (!callsSomething(node.argument as Node) || inside === 'plain') return undefined;
        return inside === 'through'
          ? `...X$all(${self.render(node.argument as Node, node)})`
          : `...(yield* X$each(${self.render(node.argument as Node, node)}))`;
      default:
        return undefined;
    }
  });

  /** Runs what a call returns, if that is a function of ours under way. */
  function called(call: string): string {
    if (inside === 'plain') return call;
    if (inside === 'through') return `X$through(${call})`;
    return `(X$is(T$ = ${call}) ? yield* T$ : T$)`;
  }

  /** A getter that calls something is called by another name, as a function that can be stopped. */
  function propertyOf(self: Rewriter, node: Node, parent: Node | undefined): string | undefined {
    if (inside !== 'steps' && inside !== 'generator') return undefined;
    const name = node.computed ? undefined : nameOf(node.property);
    if (name === undefined || !getters.has(name)) return undefined;
    if (parent?.type === 'AssignmentExpression' && parent.left === node) return undefined;
    if (parent?.type === 'CallExpression' && parent.callee === node) return undefined;
    return called(`X$get(${self.render(node.object as Node, node)}, '${name}')`);
  }

  function callOf(self: Rewriter, node: Node, parent: Node | undefined): string | undefined {
    const atomic = atomicOf(node);
    if (atomic !== undefined) return atomicStep(self, node, atomic);
    const callee = node.callee as Node;
    if (callee.type === 'Super' || callee.type === 'Import') return undefined;
    const object = callee.type === 'MemberExpression' ? nameOf(callee.object) : undefined;
    if (object !== undefined && PURE.has(object)) return undefined;
    const name = calleeName(callee);
    const bytes = (name === 'set' || name === 'fill') && callee.type === 'MemberExpression';
    const known = calledAs(callee);
    if (!bytes && known !== undefined && generators.has(known)) return undefined; // a protocol: a value
    if (parent?.type === 'YieldExpression' && parent.delegate) return undefined;
    if (parent?.type === 'ChainExpression') return undefined;
    if (bytes && (inside === 'steps' || inside === 'generator')) {
      const target = self.render(callee.object as Node, callee);
      const args = (node.arguments as Node[]).map((part) => self.render(part, node));
      return `(yield* X$${name}(${[target, ...args].join(', ')}))`;
    }
    return called(self.renderParts(node));
  }

  function atomicStep(self: Rewriter, node: Node, op: string): string {
    const [, at, ...rest] = (node.arguments as Node[]).map((part) => self.render(part, node));
    if (op === 'notify') return `X$notify(${at})`;
    if (op === 'wait') {
      if (inside === 'through') return 'X$never()';
      return `(yield* X$wait(${[at, ...rest].join(', ')}))`;
    }
    const name = OPS[op];
    if (name === undefined) throw new Error(`Atomics.${op} is not understood here`);
    if (inside === 'through') return `${name}(${[at, ...rest].join(', ')})`;
    const index = `I$${temporaries++ % 8}`;
    return `(${index} = ${at}, X$P(${index}) && (yield X$S), ${name}(${[index, ...rest].join(', ')}))`;
  }

  /** A loop over a generator of ours, whose steps are not its values. */
  function forOf(self: Rewriter, node: Node): string | undefined {
    const over = node.right as Node;
    if (!callsSomething(over) || inside === 'plain') return undefined;
    const variable = `R$${temporaries++}`;
    const declaration = (node.left as Node).declarations as Node[];
    const left = self.render(declaration[0]!.id as Node);
    const body = node.body as Node;
    const inner =
      body.type === 'BlockStatement' ? self.renderParts(body).slice(1, -1) : self.render(body, node);
    const iterator = `X$open(${self.render(over, node)})`;
    const next = inside === 'through' ? `X$pull(${variable}.from)` : `yield* X$next(${variable}.from)`;
    return `for (let ${variable} = {from: ${iterator}}; !(${variable}.now = ${next}).done;) { const ${left} = ${variable}.now.value; ${inner} }`;
  }

  function functionOf(self: Rewriter, node: Node, parent: Node | undefined): string {
    const kind = kinds.get(node) ?? 'plain';
    const method =
      parent?.type === 'MethodDefinition' ||
      (parent?.type === 'Property' && (parent.method || parent.kind !== 'init'));
    const outer = inside;
    inside = kind;
    try {
      const { params, defaults } = paramsOf(self, node, kind);
      const body = node.body as Node;
      const block = body.type === 'BlockStatement';
      const inner = block
        ? self.renderParts(body).slice(1, -1)
        : `return ${parenthesized(self.render(body, node))};`;
      const locals = 'let T$, I$0, I$1, I$2, I$3, I$4, I$5, I$6, I$7;';
      const star = kind === 'steps' || kind === 'generator' ? '*' : '';
      const prefix = node.async ? 'async ' : '';
      const code = `{${kind === 'plain' ? '' : locals}${defaults}${inner}}`;
      if (method) return `(${params}) ${code}`; // its name and star are written by the method
      if (node.type === 'ArrowFunctionExpression') {
        if (star === '') return `${prefix}(${params}) => ${code}`;
        return `(function* (${params}) ${code}).bind(this)`;
      }
      return `${prefix}function${star} ${nameOf(node.id) ?? ''}(${params}) ${code}`;
    } finally {
      inside = outer;
    }
  }

  /** Defaults that may stop are not for a list of parameters. */
  function paramsOf(self: Rewriter, node: Node, kind: Kind): { params: string; defaults: string } {
    let defaults = '';
    const params = (node.params as Node[]).map((param) => {
      const steps = kind === 'steps' || kind === 'generator';
      if (!steps || param.type !== 'AssignmentPattern' || !callsSomething(param.right as Node))
        return self.render(param, node);
      const name = nameOf(param.left);
      if (name === undefined) throw new Error(`not understood: ${self.text(param)}`);
      defaults += `if (${name} === undefined) ${name} = ${self.render(param.right as Node, param)};`;
      return name;
    });
    return { params: params.join(', '), defaults };
  }

  function methodOf(self: Rewriter, node: Node): string {
    const value = node.value as Node;
    const kind = kinds.get(value) ?? 'plain';
    const star = kind === 'steps' || kind === 'generator' ? '*' : '';
    const key = node.computed ? `[${self.render(node.key as Node, node)}]` : self.text(node.key as Node);
    if (node.kind === 'get' && getters.has(key)) {
      const through = `get ${key}${self.render(value, node)}`;
      kinds.set(value, 'steps');
      const steps = `*X$get_${key}${self.render(value, node)}`;
      kinds.set(value, kind);
      return `${through}\n${steps}`;
    }
    const accessor = node.kind === 'get' || node.kind === 'set' ? `${node.kind} ` : '';
    const words = `${node.static ? 'static ' : ''}${value.async ? 'async ' : ''}${accessor}${star}${key}`;
    return `${words}${self.render(value, node)}`;
  }

  // First what each function is, and which names are protocols'; then the text.
  const stepping = new Set<string>();
  gettersIn(rewriter.tree, getters);
  classify(rewriter.tree, undefined, kinds, generators, stepping);
  for (const name of generators) {
    if (stepping.has(name)) throw new Error(`${name} is a generator here and a function there`);
  }
  const text = rewriter.render(rewriter.tree);
  return { source: text, imports };
}

const parenthesized = (text: string) => `(${text})`;

/** Whether evaluating the expression calls something, functions inside of it not counted. */
function callsSomething(node: Node): boolean {
  if (isFunction(node)) return false;
  if (node.type === 'CallExpression' || node.type === 'YieldExpression') return true;
  return partsOf(node).some(callsSomething);
}

/** Names of getters that call something. */
function gettersIn(node: Node, found: Set<string>): void {
  if (node.type === 'MethodDefinition' && node.kind === 'get' && callsInside(node.value as Node)) {
    const name = nameOf(node.key);
    if (name !== undefined && !name.startsWith('#')) found.add(name);
  }
  for (const part of partsOf(node)) gettersIn(part, found);
}

function classify(
  node: Node,
  parent: Node | undefined,
  kinds: Map<Node, Kind>,
  generators: Set<string>,
  stepping: Set<string>,
): void {
  if (isFunction(node)) {
    const kind = kindOf(node, parent);
    kinds.set(node, kind);
    const name = declaredAs(node, parent);
    if (name !== undefined && kind === 'generator') generators.add(name);
    if (name !== undefined && kind === 'steps') stepping.add(name);
  }
  for (const part of partsOf(node)) classify(part, node, kinds, generators, stepping);
}

/** By what name a function is called: `f`, or `.f` if by that of a method. */
function declaredAs(node: Node, parent: Node | undefined): string | undefined {
  const own = nameOf(node.id);
  if (own !== undefined) return own;
  if (parent?.type === 'VariableDeclarator') return nameOf(parent.id);
  const key = nameOf(parent?.key);
  return key === undefined ? undefined : `.${key}`;
}

/** The same of a call. */
function calledAs(callee: Node): string | undefined {
  const name = calleeName(callee);
  return name !== undefined && callee.type === 'MemberExpression' ? `.${name}` : name;
}

function kindOf(node: Node, parent: Node | undefined): Kind {
  if (node.async) return 'through';
  if (node.generator) return 'generator';
  if (parent?.type === 'MethodDefinition' && parent.kind !== 'method') return 'through';
  if (parent?.type === 'Property' && parent.kind !== 'init') return 'through';
  if (parent?.type === 'PropertyDefinition') return callsInside(node) ? 'steps' : 'plain';
  if (parent?.type === 'CallExpression' && (parent.arguments as Node[]).includes(node)) {
    const name = calleeName(parent.callee as Node);
    if (name !== undefined && CALLING.has(name)) return callsInside(node) ? 'through' : 'plain';
  }
  return callsInside(node) ? 'steps' : 'plain';
}

function callsInside(node: Node): boolean {
  const { body, params } = node as unknown as { body: Node; params: Node[] };
  return callsSomethingDeep(body) || params.some(callsSomething);
}

function callsSomethingDeep(node: Node): boolean {
  if (isFunction(node)) return false;
  if (node.type === 'CallExpression') return true;
  return partsOf(node).some(callsSomethingDeep);
}

function importOf(self: Rewriter, node: Node, imports: string[]): string {
  const from = (node.source as Node).value as string;
  if (!imports.includes(from)) imports.push(from);
  const names = (node.specifiers as Node[]).map((specifier) => {
    if (specifier.type === 'ImportDefaultSpecifier') return `default: ${nameOf(specifier.local)}`;
    if (specifier.type !== 'ImportSpecifier') throw new Error(`not understood: ${self.text(node)}`);
    return `${nameOf(specifier.imported)}: ${nameOf(specifier.local)}`;
  });
  return `const {${names.join(', ')}} = imports[${JSON.stringify(from)}];`;
}

function exportsOf(self: Rewriter, node: Node): string {
  if (isNode(node.declaration)) throw new Error(`not understood: ${self.text(node).slice(0, 80)}`);
  const names = (node.specifiers as Node[]).map(
    (specifier) => `${nameOf(specifier.exported)}: ${nameOf(specifier.local)}`,
  );
  return `return {${names.join(', ')}};`;
}
