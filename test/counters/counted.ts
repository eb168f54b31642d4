// What the library does while it works, counted: the kernel's atomics, bytes copied, calls of the store. The kernel is the shipped one,
// lowered to JavaScript as the explorer has it, so that each of its atomic operations is a call that can be counted.
import fs from 'node:fs';
import { join } from 'node:path';
import { toJavaScript } from '../proof/explorer/lower.ts';
import { root } from '../support/root.ts';

export interface Counts {
  /** Of the control kernel, in this thread. */
  atomicLoads: number;
  /** Stores, read-modify-writes and compare-exchanges: what makes a cache line this core's own. */
  atomicWrites: number;
  copiedBytes: number;
  ioCalls: number;
  ioBytes: number;
  flushes: number;
}

export const none = (): Counts => ({
  atomicLoads: 0,
  atomicWrites: 0,
  copiedBytes: 0,
  ioCalls: 0,
  ioBytes: 0,
  flushes: 0,
});

type Exports = Record<string, (...args: number[]) => number>;

/** The lowered kernel over `memory`, whose atomics are counted. */
function countedKernel(source: string, memory: WebAssembly.Memory, counts: Counts): Exports {
  const counting = new Proxy(Atomics, {
    get(target, name: keyof Atomics) {
      const operation = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (name === 'load') counts.atomicLoads++;
        else if (name !== 'notify') counts.atomicWrites++;
        return operation.apply(target, args);
      };
    },
  });
  return new Function('Atomics', 'memory', source)(counting, { buffer: memory.buffer }) as Exports;
}

function loweredSource(): string {
  const whole = toJavaScript(fs.readFileSync(join(root, 'build/kernel/control.wasm')));
  const start = whole.indexOf('function asmFunc');
  const end = whole.indexOf('var memasmFunc');
  if (start < 0 || end < 0) throw new Error('wasm2js writes another form of module than is understood here');
  return `const __wasm_memory_grow = () => { throw new Error('memory never grows'); };
    let bufferView;
    const wasm2js_trap = () => { throw new Error('an assertion of the kernel'); };
    ${whole.slice(start, end)}
    return asmFunc({ env: { memory } });`;
}

/** Whether a module is the control kernel, or the one that copies. */
function kindOf(module: WebAssembly.Module): 'control' | 'bytes' | undefined {
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  if (names.includes('viewOpen')) return 'control';
  return names.includes('copy') && names.includes('zero') ? 'bytes' : undefined;
}

/** The module that copies, its copies counted. */
function countedBytes(exports: Exports, counts: Counts): Exports {
  const copy = (to: number, from: number, length: number): number => {
    counts.copiedBytes += length;
    return exports.copy(to, from, length);
  };
  return { ...exports, copy };
}

/**
 * Counts, from here on, what instances of the library do that this thread makes until `stop`. Before the library is imported: it keeps
 * functions that are replaced.
 */
export function count(): { counts: Counts; stop(): void } {
  const counts = none();
  const source = loweredSource();
  const { Instance } = WebAssembly;
  let made = 0;
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module, imports]: [WebAssembly.Module, { env: { memory: WebAssembly.Memory } }]) {
      const kind = kindOf(module);
      if (kind === undefined) throw new Error('the library has a module that is not known here');
      made++;
      if (kind === 'control') return { exports: countedKernel(source, imports.env.memory, counts) };
      return { exports: countedBytes(new target(module, imports).exports as unknown as Exports, counts) };
    },
  });
  countCopies(counts);
  countCalls(counts);
  const stop = (): void => {
    WebAssembly.Instance = Instance;
    if (made < 2) throw new Error('the library has made no instances that were counted');
  };
  return { counts, stop };
}

/** Copies out of shared memory and into it by JavaScript. */
function countCopies(counts: Counts): void {
  const { fill } = Buffer.prototype;
  Buffer.prototype.fill = function (this: Buffer, value: unknown, from?: number, to?: number) {
    if (value instanceof Uint8Array) counts.copiedBytes += (to ?? this.length) - (from ?? 0);
    return (fill as (...args: unknown[]) => Buffer).call(this, value, from, to);
  } as typeof fill;
  const { set } = Uint8Array.prototype;
  Uint8Array.prototype.set = function (this: Uint8Array, source: ArrayLike<number>, offset?: number) {
    counts.copiedBytes += source.length;
    set.call(this, source, offset);
  };
}

function countCalls(counts: Counts): void {
  const { readSync, writeSync, fdatasyncSync, fsyncSync } = fs;
  const transfer =
    <T extends (...args: never[]) => number>(call: T) =>
    (...args: Parameters<T>): number => {
      const bytes = call(...args);
      counts.ioCalls++;
      counts.ioBytes += bytes;
      return bytes;
    };
  const flush =
    (call: (fd: number) => void) =>
    (fd: number): void => {
      call(fd);
      counts.flushes++;
    };
  Object.assign(fs, {
    readSync: transfer(readSync),
    writeSync: transfer(writeSync),
    fdatasyncSync: flush(fdatasyncSync),
    fsyncSync: flush(fsyncSync),
  });
}
