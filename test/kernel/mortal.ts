// A thread that dies. What it does is counted in steps: each point of the kernel where V8 may end it, each copy of bytes,
// each I/O (before it, and after it but before its result is seen), and what its program calls a step. At the step that
// its life does not reach it stops, for good: whatever runs on the way out (`finally`, `catch`) has no effect any more.
import type { Attachment, HandleParts, OwnerKind } from '../../src/attachment.ts';
import type { CachedFile } from '../../src/file.ts';
import { type Control, type FileId, Kernel } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import type { Protocol } from '../../src/protocol/effects.ts';
import type { Store } from '../../src/store/store.ts';
import { type Disk, inPlace } from './disk.ts';
import { FUEL } from './points.ts';

/** The code under test: the sources, or a mutant of them. */
export interface Engine {
  readonly Attachment: typeof Attachment;
  readonly CachedFile: typeof CachedFile;
  readonly recover: typeof import('../../src/protocol/recovery.ts').recover;
}

/** Calls that are slow anyway look around if nobody did for so long; sleepers much more often. */
const SLOW_LOOK_MS = 1000;
const FOR_EVER = 2 ** 31 - 2;

class Death extends Error {}

export class Life {
  taken = 0;
  dead = false;
  /** What was about to be done when it ended. */
  last = '';
  #limit: number;

  constructor(limit = FOR_EVER) {
    this.#limit = limit;
  }

  /** It ends before its `steps`-th step from now. */
  endAfter(steps: number): void {
    this.#limit = this.taken + steps;
  }

  /** Takes a step, or dies before it. */
  step(what: string): void {
    if (this.dead) throw new Death();
    this.last = what;
    if (this.taken >= this.#limit) this.end();
    this.taken++;
  }

  end(): never {
    this.dead = true;
    throw new Death(this.last);
  }

  /** A call of the kernel, whose points are steps. */
  call(what: string, fuel: WebAssembly.Global, call: () => number): number {
    if (this.dead) throw new Death();
    this.last = what;
    const left = this.#limit - this.taken + 1;
    fuel.value = left;
    try {
      return call();
    } catch (error) {
      if (fuel.value === 0) this.end();
      throw error; // an assertion of the kernel
    } finally {
      this.taken += left - fuel.value;
    }
  }
}

/** The disk behind each descriptor, where a world has several files. */
export type Disks = (fd: number) => Disk;

/** The disk as this thread's system calls see it: they land even if the thread is gone before it hears of it. */
class SteppedStore implements Store {
  /** Which of its next calls the system refuses. */
  readonly refused = new Set<'write' | 'flush' | 'resize'>();
  readonly #disks: Disks;
  readonly #life: Life;

  constructor(disks: Disks, life: Life) {
    this.#disks = disks;
    this.#life = life;
  }

  #io(what: string, fd: number, does: (disk: Disk) => number): number {
    this.#life.step(what);
    const disk = this.#disks(fd);
    if (this.refused.delete(what as 'write')) {
      if (what === 'write') disk.failNextWrites = 1;
      else if (what === 'flush') disk.failNextFlushes = 1;
      else disk.failNextResizes = 1;
    }
    const result = does(disk);
    this.#life.step(`${what}, done`);
    return result;
  }

  read(fd: number, bytes: Uint8Array, position: number): number {
    return this.#io('read', fd, (disk) => disk.read(bytes, position));
  }
  write(fd: number, bytes: Uint8Array, position: number): number {
    return this.#io('write', fd, (disk) => disk.write(bytes, position));
  }
  flush(fd: number): number {
    return this.#io('flush', fd, (disk) => disk.flush()());
  }
  resize(fd: number, size: number): number {
    return this.#io('resize', fd, (disk) => disk.resize(size));
  }
  identity(): undefined {
    return undefined;
  }
  syncDirectory(fd: number): number {
    return this.#io('syncDirectory', fd, () => 0);
  }
}

export interface Mortal {
  readonly life: Life;
  readonly attachment: Attachment;
  readonly control: Control;
  readonly store: SteppedStore;
  /** Opens a file that is open in the cache: a handle with a reference. */
  open(file: FileId): CachedFile;
  /** Runs a protocol to its end. `others`: what happens while it sleeps; false if nobody is left to do anything. */
  run<T>(protocol: Protocol<T>, others?: () => boolean): T;
  /** Ends the attachment as a thread does that leaves. */
  leave(): void;
}

type Called = (name: string, result: number) => void;

/** From here on each call of the thread's kernel is a step of its life. */
function count(kernel: Kernel, life: Life, called: Called): void {
  const exports = kernel.control as unknown as Record<string, (...args: number[]) => number>;
  const fuel = (kernel.control as unknown as Record<string, WebAssembly.Global>)[FUEL]!;
  const control: Record<string, (...args: number[]) => number> = {};
  for (const [name, call] of Object.entries(exports)) {
    if (typeof call !== 'function') continue;
    control[name] = (...args) => {
      const result = life.call(name, fuel, () => call(...args));
      called(name, result);
      return result;
    };
  }
  Object.assign(kernel, { control });
}

/** A kernel that has no row yet, and whose steps are counted. */
export function mortalKernel({ modules, control }: HandleParts, life: Life): Kernel {
  const kernel = new Kernel(modules.control, control);
  count(kernel, life, () => {});
  return kernel;
}

/** Attaches a thread whose steps are counted. `called`: told of each kernel call that returned. */
export function attachMortal(
  engine: Engine,
  handle: HandleParts,
  disk: Disk | Disks,
  life: Life,
  kind: OwnerKind,
  called: Called,
): Mortal {
  const store = new SteppedStore(typeof disk === 'function' ? disk : () => disk, life);
  const attachment = new engine.Attachment(handle, store, kind);
  const { kernel, bytes, references } = attachment;
  count(kernel, life, called);
  for (const name of ['copyRange', 'stage', 'zero'] as const) {
    const copy = (bytes[name] as (...args: unknown[]) => void).bind(bytes);
    bytes[name] = (...args: unknown[]) => {
      life.step(name);
      copy(...args);
    };
  }
  // Who looks around because it sleeps would do so for ever; that time has passed is nothing to count on.
  attachment.look = (gapMs) => {
    if (gapMs < SLOW_LOOK_MS) throw new Error(`it waits for somebody, before ${life.last}`);
  };
  const files: CachedFile[] = [];
  const fd = ({ file }: { file: FileId }) => kernel.fileWord(file, L.FILE_FD_WRITE) - 1;
  return {
    life,
    attachment,
    control: kernel.control,
    store,
    run(protocol, others = () => false) {
      const whole = inPlace(protocol);
      let step = whole.next();
      while (!step.done) {
        const effect = step.value;
        let result = 0;
        if (effect.kind === 'wait') {
          life.step('wait');
          while (kernel.load(effect.at) === effect.seq) {
            if (!others()) throw new Error(`it waits for somebody, before ${life.last}`);
          }
        } else if (effect.kind === 'read') result = store.read(fd(effect), effect.bytes, effect.position);
        else if (effect.kind === 'write') result = store.write(fd(effect), effect.bytes, effect.position);
        else if (effect.kind === 'flush') result = store.flush(fd(effect));
        else if (effect.kind === 'resize') result = store.resize(fd(effect), effect.size);
        else if (effect.kind === 'syncDirectory') result = store.syncDirectory(fd(effect));
        // A thread that dies in an effect does not come back: its generator is left where it stands.
        step = whole.next(result as never);
      }
      return step.value;
    },
    open(file) {
      references.retain(file);
      const context = { attachment, driver: undefined as never, rounds: new Map() };
      const handles = { ...context, isClosed: () => false, onClose: () => {} };
      const opened = new engine.CachedFile(handles, file, 'file', {
        mode: 'r+',
        create: false,
        direct: false,
        checksum: 'none',
        access: 'random',
      });
      files.push(opened);
      return opened;
    },
    leave() {
      for (const file of files) file.closeSync();
      kernel.control.dropUndoFrames(kernel.owner);
      kernel.dropReadPins();
      if (kernel.holdsPins) kernel.control.leave();
      else kernel.control.detach();
    },
  };
}
