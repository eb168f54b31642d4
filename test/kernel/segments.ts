// Cuts a function into segments: what a thread runs between two points at which V8 may end it. Those points are
// function entries and loop headers; a call is one because of the entry behind it, and so is memory.atomic.wait.
// A segment is one path through straight-line code, so whatever it does is done as a whole.
//
// The paths are found by running the code on symbols: each branch on a value that is not known goes both ways, and a
// path remembers which way it went, so that it asks the same question once. A compare-and-swap either succeeds, and
// then returns the very value that it expected, or fails, and then does not: "seen == expected" needs no guess.
import type { Code, Instruction } from './code.ts';

export interface Event {
  readonly kind:
    | 'load'
    | 'store'
    | 'atomic.load'
    | 'atomic.store'
    | `atomic.${'add' | 'sub' | 'and' | 'or' | 'xor' | 'xchg'}`
    | 'cas'
    | 'notify'
    | 'global.set';
  /** The offset that names the field; −1: a global. */
  readonly field: number;
  /** Index of the instruction. */
  readonly at: number;
  /** Of a compare-and-swap: whether it succeeded. */
  readonly succeeded: boolean;
}

export interface Segment {
  readonly events: readonly Event[];
  readonly end: 'return' | 'loop header' | 'call' | 'wait' | 'trap';
  /** The function called, if the end is a call. */
  readonly callee: string;
  /** Index of the instruction that ends it. */
  readonly at: number;
}

/** More paths than this in a function would be a mistake of this analysis. */
const PATHS_MAX = 50_000;

/** All segments of the function. */
export function segmentsOf(code: Code): Segment[] {
  const walk = new Walk(code);
  walk.from(0, 0);
  code.instructions.forEach(({ op }, at) => {
    if (isStop(op)) walk.from(at + 1, code.heights[at]);
  });
  return walk.segments;
}

/** Which instructions can run after instruction `at`, if none of `walls` is passed. */
export function reachable(code: Code, at: number, walls: ReadonlySet<number>): Set<number> {
  const seen = new Set<number>();
  const todo = [at + 1];
  while (todo.length > 0) {
    const next = todo.pop()!;
    if (next >= code.instructions.length || seen.has(next) || walls.has(next)) continue;
    seen.add(next);
    todo.push(...successors(code.instructions[next], next));
  }
  return seen;
}

function successors(instruction: Instruction, at: number): number[] {
  switch (instruction.op) {
    case 'return':
    case 'trap':
      return [];
    case 'jump':
      return [instruction.to];
    case 'jump-if':
    case 'jump-if-not':
      return [instruction.to, at + 1];
    case 'switch':
      return instruction.targets.map(({ to }) => to);
    default:
      return [at + 1];
  }
}

function isStop(op: Instruction['op']): boolean {
  return op === 'loop' || op === 'call' || op === 'wait';
}

/** A value: a constant, an operation on values, or something unknown. Equal terms are one object. */
interface Term {
  readonly id: number;
  readonly op: string;
  readonly parts: readonly Term[];
  readonly value: number;
}

interface Path {
  at: number;
  readonly stack: Term[];
  readonly locals: Map<number, Term>;
  readonly globals: Map<string, Term>;
  /** Which way the path went on a condition, by the condition's term. */
  readonly decided: Map<Term, boolean>;
  readonly events: Event[];
}

class Walk {
  readonly segments: Segment[] = [];
  readonly #code: Code;
  readonly #terms = new Map<string, Term>();
  #unknowns = 0;

  constructor(code: Code) {
    this.#code = code;
  }

  /** Follows all paths from instruction `at`, where the operand stack is `height` high, to where they may stop. */
  from(at: number, height: number): void {
    const stack = Array.from({ length: height }, () => this.#unknown());
    const paths: Path[] = [
      { at, stack, locals: new Map(), globals: new Map(), decided: new Map(), events: [] },
    ];
    while (paths.length > 0) {
      this.#follow(paths.pop()!, paths);
      if (this.segments.length > PATHS_MAX) throw new Error(`${this.#code.name}: too many paths`);
    }
  }

  #follow(path: Path, others: Path[]): void {
    const { stack, locals, globals, events } = path;
    const { instructions } = this.#code;
    const pop = () => {
      const term = stack.pop();
      if (!term) throw new Error(`${this.#code.name}: nothing on the stack at ${path.at}`);
      return term;
    };
    const end = (how: Segment['end'], callee = '') => {
      this.segments.push({ events, end: how, callee, at: path.at });
    };
    const jump = ({ to, height, keep = 0 }: { to: number; height: number; keep?: number }) => {
      const kept = keep > 0 ? stack.slice(-keep) : [];
      stack.length = height;
      stack.push(...kept);
      path.at = to;
    };
    while (path.at < instructions.length) {
      const at = path.at++;
      const note = (kind: Event['kind'], field: number, succeeded = true) => {
        events.push({ kind, field, at, succeeded });
      };
      const instruction = instructions[at];
      switch (instruction.op) {
        case 'const':
          stack.push(this.#constant(instruction.value));
          break;
        case 'unknown':
          stack.push(this.#unknown());
          break;
        case 'local.get':
          stack.push(this.#known(locals, instruction.index));
          break;
        case 'local.set':
          locals.set(instruction.index, pop());
          break;
        case 'local.tee':
          locals.set(instruction.index, stack[stack.length - 1]);
          break;
        case 'global.get':
          stack.push(this.#known(globals, instruction.name));
          break;
        case 'global.set':
          globals.set(instruction.name, pop());
          note('global.set', -1);
          break;
        case 'unary':
          stack.push(this.#operation(instruction.name, pop()));
          break;
        case 'binary': {
          const right = pop();
          stack.push(this.#operation(instruction.name, pop(), right));
          break;
        }
        case 'select': {
          const condition = pop();
          const otherwise = pop();
          const then = pop();
          const decided = this.#decided(path, condition);
          if (decided === undefined) stack.push(this.#operation('select', then, otherwise, condition));
          else stack.push(decided ? then : otherwise);
          break;
        }
        case 'drop':
          pop();
          break;
        case 'load':
          note(instruction.atomic ? 'atomic.load' : 'load', fieldOf(pop(), instruction.offset));
          stack.push(this.#unknown());
          break;
        case 'store':
          pop();
          note(instruction.atomic ? 'atomic.store' : 'store', fieldOf(pop(), instruction.offset));
          break;
        case 'rmw':
          pop();
          note(`atomic.${instruction.name}`, fieldOf(pop(), instruction.offset));
          stack.push(this.#unknown());
          break;
        case 'cas': {
          pop();
          const expected = pop();
          const field = fieldOf(pop(), instruction.offset);
          const failed = this.#copy(path);
          failed.events.push({ kind: 'cas', field, at, succeeded: false });
          const seen = this.#unknown();
          failed.stack.push(seen);
          this.#decide(failed, this.#operation('eq', seen, expected), false);
          others.push(failed);
          note('cas', field);
          stack.push(expected);
          break;
        }
        case 'notify':
          pop();
          note('notify', fieldOf(pop(), 0));
          stack.push(this.#unknown());
          break;
        case 'jump':
          jump(instruction);
          break;
        case 'jump-if':
        case 'jump-if-not': {
          const condition = pop();
          let truth = this.#decided(path, condition);
          if (truth === undefined) {
            const other = this.#copy(path);
            this.#decide(other, condition, false);
            this.#decide(path, condition, true);
            truth = true;
            // The other way is taken up at this very instruction, where the answer is known by then.
            other.at = at;
            other.stack.push(condition);
            others.push(other);
          }
          if (truth === (instruction.op === 'jump-if')) jump(instruction);
          break;
        }
        case 'switch': {
          pop();
          const targets = new Map(instruction.targets.map((target) => [target.to, target]));
          const [first, ...rest] = targets.values();
          for (const target of rest) {
            const other = this.#copy(path);
            other.stack.length = target.height;
            other.at = target.to;
            others.push(other);
          }
          jump(first);
          break;
        }
        case 'return':
        case 'trap':
        case 'loop':
        case 'wait':
        case 'call': {
          path.at = at;
          if (instruction.op === 'call') end('call', instruction.target);
          else if (instruction.op === 'loop') end('loop header');
          else end(instruction.op);
          return;
        }
      }
    }
    end('return');
  }

  #copy(path: Path): Path {
    return {
      at: path.at,
      stack: [...path.stack],
      locals: new Map(path.locals),
      globals: new Map(path.globals),
      decided: new Map(path.decided),
      events: [...path.events],
    };
  }

  #known<K>(values: Map<K, Term>, key: K): Term {
    let term = values.get(key);
    if (!term) {
      term = this.#unknown();
      values.set(key, term);
    }
    return term;
  }

  #term(op: string, parts: readonly Term[], value: number): Term {
    const key = `${op} ${value} ${parts.map(({ id }) => id).join(' ')}`;
    let term = this.#terms.get(key);
    if (!term) {
      term = { id: this.#terms.size, op, parts, value };
      this.#terms.set(key, term);
    }
    return term;
  }

  #unknown(): Term {
    return this.#term('unknown', [], this.#unknowns++);
  }

  #constant(value: number): Term {
    return this.#term('const', [], value | 0);
  }

  #operation(name: string, ...parts: Term[]): Term {
    const [a, b] = parts;
    const same = a === b;
    const constants = parts.length === 2 && a.op === 'const' && b.op === 'const';
    if (name === 'eqz') return this.#operation('eq', a, this.#constant(0));
    if (name === 'eq' && (same || constants)) return this.#constant(same ? 1 : 0);
    if (name === 'ne' && (same || constants)) return this.#constant(same ? 0 : 1);
    if ((name === 'sub' || name === 'xor') && same) return this.#constant(0);
    const unordered = ['eq', 'ne', 'add', 'and', 'or', 'xor', 'mul'].includes(name);
    return this.#term(name, unordered && a.id > b.id ? [b, a] : parts, 0);
  }

  /** The one term that stands for a condition and for its opposite, and whether it is the opposite. */
  #condition(term: Term, opposite = false): { term: Term; opposite: boolean } {
    if (term.op === 'ne') return this.#condition(this.#operation('eq', ...term.parts), !opposite);
    if (term.op === 'xor' || term.op === 'sub') {
      return this.#condition(this.#operation('eq', ...term.parts), !opposite);
    }
    if (term.op === 'eq') {
      const value = term.parts.find((part) => part.op !== 'const');
      const zero = term.parts.some((part) => part.op === 'const' && part.value === 0);
      if (value && zero) return this.#condition(value, !opposite);
    }
    return { term, opposite };
  }

  #decide(path: Path, condition: Term, truth: boolean): void {
    const { term, opposite } = this.#condition(condition);
    path.decided.set(term, truth !== opposite);
  }

  #decided(path: Path, condition: Term): boolean | undefined {
    const { term, opposite } = this.#condition(condition);
    const truth = term.op === 'const' ? term.value !== 0 : path.decided.get(term);
    return truth === undefined ? undefined : truth !== opposite;
  }
}

/** A field is named by the instruction's immediate; by the constant added to the pointer where there is none. */
function fieldOf(pointer: Term, offset: number): number {
  if (pointer.op === 'const') return pointer.value + offset;
  const added = pointer.op === 'add' ? pointer.parts.find(({ op }) => op === 'const') : undefined;
  return added && added.value > 0 && offset === 0 ? added.value : offset;
}
