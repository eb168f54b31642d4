// Rewriting JavaScript by its syntax tree: what has no rule of its own stays as it is, with its parts rewritten.
import { parse } from 'acorn';

export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** The node's parts in the order of the source. */
export function partsOf(node: Node): Node[] {
  const parts: Node[] = [];
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) parts.push(...value.filter(isNode));
    else if (isNode(value)) parts.push(value);
  }
  return parts.sort((a, b) => a.start - b.start);
}

/** The text that takes a node's place; undefined: it stays, with its parts rewritten. */
type Rule = (node: Node, parent: Node | undefined) => string | undefined;

export class Rewriter {
  readonly source: string;
  readonly tree: Node;
  readonly #rule: Rule;

  constructor(source: string, rule: (rewriter: Rewriter) => Rule) {
    this.source = source;
    this.tree = parse(source, { ecmaVersion: 2024, sourceType: 'module' }) as unknown as Node;
    this.#rule = rule(this);
  }

  /** The node's text as it was. */
  text(node: Node): string {
    return this.source.slice(node.start, node.end);
  }

  /** The node's text, rewritten. */
  render(node: Node, parent?: Node): string {
    return this.#rule(node, parent) ?? this.renderParts(node);
  }

  /** The node's own text with its parts rewritten. */
  renderParts(node: Node): string {
    let out = '';
    let at = node.start;
    let last: Node | undefined;
    for (const part of partsOf(node)) {
      if (last && part.start === last.start && part.end === last.end) continue; // `{ a }` has a as key and as value
      out += this.source.slice(at, part.start) + this.render(part, node);
      at = part.end;
      last = part;
    }
    return out + this.source.slice(at, node.end);
  }
}

/** The name of an identifier or a private name, else undefined. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return node.name as string;
  if (node.type === 'PrivateIdentifier') return `#${node.name}`;
  return undefined;
}

/** The name of what is called: `f(…)`, `x.f(…)`, `x.#f(…)`. */
export function calleeName(callee: Node): string | undefined {
  return callee.type === 'MemberExpression'
    ? callee.computed
      ? undefined
      : nameOf(callee.property)
    : nameOf(callee);
}

/** `Atomics.add(…)` → 'add'. */
export function atomicOf(node: Node): string | undefined {
  if (node.type !== 'CallExpression') return undefined;
  const callee = node.callee as Node;
  if (callee.type !== 'MemberExpression' || nameOf(callee.object) !== 'Atomics') return undefined;
  return nameOf(callee.property);
}
