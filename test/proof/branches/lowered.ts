// The shipped kernel, lowered, in the place of any build of it: so that it is known which of its branches tests take.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../support/root.ts';
import type { Lowered } from '../explorer/lower.ts';

type Exports = Record<string, (...args: number[]) => unknown>;

/** The machine's functions where nobody is stopped: plain atomics. */
function plainOps(words: Int32Array, branch: Uint8Array): Record<string, unknown> {
  return {
    P: () => false,
    S: undefined,
    D: () => false,
    branch,
    notify: (i: number) => Atomics.notify(words, i),
    ld: (i: number) => Atomics.load(words, i),
    st: (i: number, value: number) => Atomics.store(words, i, value),
    add: (i: number, by: number) => Atomics.add(words, i, by),
    sub: (i: number, by: number) => Atomics.sub(words, i, by),
    and: (i: number, by: number) => Atomics.and(words, i, by),
    or: (i: number, by: number) => Atomics.or(words, i, by),
    xchg: (i: number, value: number) => Atomics.exchange(words, i, value),
    cas: (i: number, expected: number, value: number) => Atomics.compareExchange(words, i, expected, value),
  };
}

/** An instance whose branches are counted in `branch`. */
function instanceOf({ source }: Lowered, memory: WebAssembly.Memory, branch: Uint8Array): Exports {
  const words = new Int32Array(memory.buffer);
  const make = new Function('X', source)(plainOps(words, branch)) as (buffer: ArrayBufferLike) => Exports;
  const steps = make(memory.buffer);
  const exports: Exports = {};
  for (const [name, call] of Object.entries(steps)) {
    exports[name] = (...args) => {
      const { done, value } = (call(...args) as Generator).next();
      if (!done) throw new Error(`${name} has stopped`);
      return value;
    };
  }
  return exports;
}

/** Where the lowered module is kept between processes of one run. */
const fileIn = (directory: string) => join(directory, 'lowered.json');

export function keep(directory: string, lowered: Lowered): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(fileIn(directory), JSON.stringify(lowered));
}

/**
 * From here on every instance of the control kernel that this process makes, of the build with assertions or of the shipped
 * one, is the shipped one lowered. The answer leaves what was taken in the directory.
 */
export function countBranches(directory: string): () => void {
  const lowered = JSON.parse(readFileSync(fileIn(directory), 'utf8')) as Lowered;
  const branch = new Uint8Array(lowered.branches.length);
  const builds = ['control', 'control.debug'].map((name) =>
    readFileSync(join(root, `build/kernel/${name}.wasm`)),
  );
  const counted = new WeakSet<object>();
  const { Module, Instance } = WebAssembly;
  const counting = new Proxy(Module, {
    construct(target, [bytes]: [BufferSource]) {
      const module = new target(bytes);
      if (bytes instanceof Uint8Array && builds.some((build) => build.equals(bytes))) counted.add(module);
      return module;
    },
  });
  const lowering = new Proxy(Instance, {
    construct(target, [module, imports]: [WebAssembly.Module, { env: { memory: WebAssembly.Memory } }]) {
      if (!counted.has(module)) return new target(module, imports);
      return { exports: instanceOf(lowered, imports.env.memory, branch) };
    },
  });
  Object.assign(WebAssembly, { Module: counting, Instance: lowering });
  return () => writeFileSync(join(directory, `${randomUUID()}.taken`), branch);
}
