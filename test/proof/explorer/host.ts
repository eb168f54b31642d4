// Puts a scenario on the machine: the shipped kernel lowered, the library's sources converted, one memory under both.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Geometry, geometryOf } from '../../../src/kernel/geometry.ts';
import { type FileId, type FrameId, Kernel } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import { checkCacheOptions } from '../../../src/options.ts';
import { countsOf } from '../../../src/stats.ts';
import { violations } from '../../support/invariants.ts';
import { bundle, convert, type Replacements } from './convert.ts';
import { type Lowered, lower, toJavaScript } from './lower.ts';
import { type Bounds, type Count, Machine, type Program, type ThreadPlan, Violated } from './machine.ts';
import type * as Subject from './subject/index.ts';
import type { Scenario, World } from './subject/world.ts';

const ENTRY = 'test/proof/explorer/subject/index.ts';

/** Everything that is the same for all scenarios: the code under test. */
export interface Code {
  readonly wasm: Uint8Array;
  readonly lowered: { readonly plain: Lowered; readonly mortal: Lowered };
  readonly subject: string;
  readonly imports: Readonly<Record<string, unknown>>;
}

/** Loads what is shipped, or mistakes planted in it. `root` ends with a slash. */
export async function load(
  root: string,
  { wasm, replaced }: { wasm?: Uint8Array; replaced?: Replacements } = {},
): Promise<Code> {
  const binary = wasm ?? readFileSync(join(root, 'build/kernel/control.wasm'));
  const { source, imports } = convert(await bundle(root, ENTRY, replaced));
  const modules = await Promise.all(imports.map(async (name) => [name, await import(name)] as const));
  const script = toJavaScript(binary);
  return {
    wasm: binary,
    lowered: { plain: lower(script, false), mortal: lower(script, true) },
    subject: source,
    imports: Object.fromEntries(modules),
  };
}

/** The scenarios there are. */
export async function scenariosOf(root: string): Promise<readonly Scenario[]> {
  const { source, imports } = convert(await bundle(root, ENTRY));
  const modules = await Promise.all(imports.map(async (name) => [name, await import(name)] as const));
  return evaluate(source, Object.fromEntries(modules)).scenarios;
}

type Exports = typeof Subject;
type Ops = Machine['ops'];

type Instantiate = (buffer: SharedArrayBuffer) => unknown;

/** Runs the bundle's top level: what it exports. Without a machine only to look at its constants. */
function evaluate(
  subject: string,
  imports: Code['imports'],
  machine = new Machine(new Int32Array(1), 0),
  instantiate?: Instantiate,
): Exports {
  const { ops, words } = machine;
  const wasm = {
    Instance: class {
      readonly exports = instantiate?.(words.buffer as SharedArrayBuffer);
    },
    Memory: WebAssembly.Memory,
    Module: WebAssembly.Module,
  };
  const names = Object.keys(ops).map((name) => `${name}: X$${name}`);
  const body = `const {${names.join(', ')}} = X;\n${subject}`;
  const run = new Function('X', 'machine', 'imports', 'WebAssembly', 'performance', body);
  return run(ops, { ...ops, words }, imports, wasm, { now: ops.now }) as Exports;
}

const WASM_PAGE = 65_536;
const FRAME_FIELDS = [L.FRAME_STATE, L.FRAME_FILE, L.FRAME_INDEX, L.FRAME_USEQ];

function geometryFor(
  scenario: Scenario,
  pageSize: number,
): { geometry: Geometry; options: ReturnType<typeof checkCacheOptions> } {
  const options = checkCacheOptions({
    memory: 256 * 1024,
    maxThreads: 10,
    maxPinsPerThread: 4,
    maxFiles: 2,
    dirtyBackgroundRatio: 1,
    dirtyRatio: 1,
  });
  const frames = scenario.frames ?? 4;
  const stagingPages = scenario.stagingPages ?? 2;
  const stagingAreas = 2;
  const stagingAt = frames * pageSize;
  const bytes = stagingAt + stagingAreas * stagingPages * pageSize;
  const whole = geometryOf(options);
  const geometry = {
    ...whole,
    pageSize,
    frames,
    framesPerMemory: frames,
    dataBytes: [bytes],
    stagingAreas,
    stagingPages,
    stagingAt,
  };
  return { geometry, options };
}

/** Who may die: an actor of the scenario, and whoever recovers it first. */
export interface Mortals {
  readonly actor?: string;
  readonly undertaker?: boolean;
}

export class Stage {
  readonly scenario: Scenario;
  readonly machine: Machine;
  readonly #world: World;
  readonly #exports: Exports;
  readonly #ops: Ops;
  readonly #memory: WebAssembly.Memory;
  readonly #module: WebAssembly.Module;
  readonly #geometry: Geometry;
  readonly #looking: Kernel;
  /** The word at which the disk's stable pages begin. */
  readonly #stableAt: number;
  /** Frames that were orphans until a moment ago: their page is no file's any more. */
  readonly #orphans = new Set<FrameId>();
  readonly #fields = new Map<number, { frame: FrameId; field: number }>();

  /** With who may die, on the lowered kernel in which threads can. */
  constructor(code: Code, name: string, mortals: Mortals = {}) {
    const deaths = mortals.actor !== undefined;
    const lowered = deaths ? code.lowered.mortal : code.lowered.plain;
    this.#module = new WebAssembly.Module(code.wasm as BufferSource);
    const first = evaluate(code.subject, code.imports);
    const scenario = first.scenarios.find((one) => one.name === name);
    if (!scenario)
      throw new Error(
        `no scenario '${name}': there are ${first.scenarios.map((one) => one.name).join(', ')}`,
      );
    const { geometry, options } = geometryFor(scenario, first.PAGE);
    this.#geometry = geometry;
    const diskWords = 8 + first.DISK_PAGES * ((first.PAGE / 4) * 2 + 1);
    const pagesAt = geometry.controlBytes;
    const diskAt = (pagesAt + geometry.dataBytes[0]!) >> 2;
    const notesAt = diskAt + diskWords;
    this.#stableAt = diskAt + 8 + first.DISK_PAGES * (first.PAGE / 4);
    const pages = Math.ceil(((notesAt + first.NOTES) * 4) / WASM_PAGE);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.machine = new Machine(new Int32Array(this.#memory.buffer), lowered.branches.length);
    this.#ops = this.machine.ops;
    const instantiate = new Function('X', lowered.source)(this.#ops) as Instantiate;
    this.#exports = evaluate(code.subject, code.imports, this.machine, instantiate);
    this.scenario = this.#exports.scenarios.find((one) => one.name === name)!;
    const places = {
      geometry,
      options,
      module: this.#module,
      memory: this.#memory,
      pagesAt,
      diskAt,
      notesAt,
    };
    this.#world = this.#through(() => this.#exports.prepare(places, this.scenario));
    this.#looking = new Kernel(this.#module, this.#memory);
    for (let frame = 0; frame < geometry.frames; frame++) {
      for (const field of FRAME_FIELDS) {
        const index = (this.#looking.frameAt(frame as FrameId) + field) >> 2;
        this.#fields.set(index, { frame: frame as FrameId, field });
        this.machine.watch(index);
      }
    }
    this.machine.start({
      threads: this.#plans(mortals),
      restore: () => {
        this.#orphans.clear();
        this.#through(() => this.#exports.restore(this.#world));
      },
      check: () => this.#check(),
      stored: (index, old, value) => this.#stored(index, old, value),
    });
  }

  #through<T>(does: () => T): T {
    return (this.#ops.through as (value: unknown) => T)(does());
  }

  #plans(mortals: Mortals): ThreadPlan[] {
    const world = this.#world;
    const { act, bury } = this.#exports;
    const died = (owner: number) => () => {
      (this.#ops.st as (i: number, value: number) => void)(world.places.notesAt + 40 + owner, 1);
    };
    const plans: ThreadPlan[] = [];
    for (const [name, actor] of Object.entries(this.scenario.actors)) {
      const me = world.threads.get(name)!;
      plans.push({
        name,
        start: () => act(world, me, actor) as unknown as Program,
        mortal: name === mortals.actor,
        died: died(me.kernel.owner),
      });
    }
    for (const [n, me] of world.undertakers.entries()) {
      plans.push({
        name: `undertaker ${n + 1}`,
        start: () => bury(world, me) as unknown as Program,
        undertaker: true,
        racing: (this.scenario.undertakers ?? 1) > 1,
        mortal: n === 0 && mortals.undertaker === true,
        died: died(me.kernel.owner),
      });
    }
    return plans;
  }

  /** What is true of every cache in which nothing moves, and what the scenario says. The shipped module looks, not the lowered one. */
  #check(): void {
    this.#through(() => this.#exports.lookAgain(this.#world));
    const kernel = new Kernel(this.#module, this.#memory);
    kernel.attach(this.#geometry.serviceRows, this.#geometry.rows, L.KIND_USER, { tid: 0, start: 0n }, 98);
    const wrong = this.scenario.leavesPins
      ? []
      : violations(kernel, this.#geometry.pageSize, countsOf(kernel));
    kernel.control.detach();
    if (wrong.length > 0) throw new Violated(wrong.join('; '));
    this.#through(() => this.#exports.check(this.#world));
  }

  /** Rules about single stores. */
  #stored(index: number, old: number, value: number): void {
    const { frame, field } = this.#fields.get(index)!;
    const { words } = this.machine;
    const at = this.#looking.frameAt(frame) >> 2;
    const state = words[at + (L.FRAME_STATE >> 2)]!;
    if (field === L.FRAME_FILE || field === L.FRAME_INDEX) {
      if ((state & L.CLAIMED) === 0)
        throw new Violated(`frame ${frame} gets another identity unclaimed (I2)`);
      const cutOff = (state & L.ORPHAN) !== 0 || this.#orphans.delete(frame);
      if (field === L.FRAME_FILE && old >= 0 && (state & L.VALID) !== 0 && !cutOff) this.#leaves(frame, old);
      if (state >>> 20 !== 0 || (state & L.WRITE_MASK) !== 0)
        throw new Violated(`frame ${frame} gets another identity while it is pinned (I2)`);
    }
    if (field === L.FRAME_USEQ && (state & L.UPDATING) === 0)
      throw new Violated(`frame ${frame}: useq moves without UPDATING (I14)`);
    if (field === L.FRAME_STATE) {
      if ((old & L.ORPHAN) !== 0 && (value & L.ORPHAN) === 0) this.#orphans.add(frame);
      if (
        (value & (L.VALID | L.CLAIMED | L.ORPHAN)) === L.VALID && // an orphan is in no table
        ((old & L.VALID) === 0 || (old & L.CLAIMED) !== 0)
      ) {
        this.#alone(frame);
      }
      if ((value & L.CLAIMED) !== 0 && (old & L.CLAIMED) === 0) {
        if ((old & (L.DIRTY | L.WRITEBACK | L.UPDATING | L.HOLD)) !== 0 && (old & L.ORPHAN) === 0)
          throw new Violated(`frame ${frame} is claimed in state ${old}`);
      }
    }
  }

  /** I4, I7: a page that leaves the cache is on the disk, and stable there; unless the file was cut off before it. */
  #leaves(frame: FrameId, file: number): void {
    const { words } = this.machine;
    const { pageSize } = this.#geometry;
    const size = this.#looking.fileWord(file as never, L.FILE_SIZE_LO);
    const index = words[(this.#looking.frameAt(frame) + L.FRAME_INDEX) >> 2]!;
    if (this.#isBeingFilled(frame)) return;
    const { pagesAt } = this.#world.places;
    for (let word = 0; word < pageSize / 4 && index * pageSize + word * 4 < size; word++) {
      const held = words[((pagesAt + frame * pageSize) >> 2) + word]!;
      const stable = words[this.#stableAt + index * (pageSize / 4) + word]!;
      if (held !== stable)
        throw new Violated(
          `page ${index} leaves the cache with ${held} at word ${word}, ${stable} is stable (I7)`,
        );
    }
  }

  /** Whether its bytes are not there yet: a fill that is given up, by itself or by who recovers its thread. */
  #isBeingFilled(frame: FrameId): boolean {
    for (let row = 0; row < this.#geometry.rows; row++) {
      if (this.#looking.rowWord(row, L.ROW_CLAIM) !== frame + 1) continue;
      if (this.#looking.rowWord(row, L.ROW_CLAIM_STAGE) === L.STAGE_FILLING) return true;
    }
    return false;
  }

  /** I1: no other frame holds the frame's page. */
  #alone(frame: FrameId): void {
    const { words } = this.machine;
    const word = (of: number, field: number) => words[(this.#looking.frameAt(of as FrameId) + field) >> 2]!;
    for (let other = 0; other < this.#geometry.frames; other++) {
      const state = word(other, L.FRAME_STATE);
      if (other === frame || (state & L.VALID) === 0 || (state & L.ORPHAN) !== 0) continue;
      if (word(other, L.FRAME_FILE) < 0 || word(other, L.FRAME_FILE) !== word(frame, L.FRAME_FILE)) continue;
      if (word(other, L.FRAME_INDEX) === word(frame, L.FRAME_INDEX))
        throw new Violated(`frames ${frame} and ${other} hold the same page (I1)`);
    }
  }

  get count(): Count {
    return this.machine.count;
  }

  explore(bounds: Bounds, until: number): ReturnType<Machine['explore']> {
    return this.machine.explore(bounds, until);
  }

  /** What a word of the memory is, for people. */
  describe(index: number): string {
    const byte = index * 4;
    const { pagesAt, diskAt, notesAt } = this.#world.places;
    const geometry = this.#geometry;
    const looking = this.#looking;
    if (index >= notesAt) return `note ${index - notesAt}`;
    if (index >= diskAt) return `disk word ${index - diskAt}`;
    if (byte >= pagesAt) {
      const frame = Math.floor((byte - pagesAt) / geometry.pageSize);
      const word = ((byte - pagesAt) % geometry.pageSize) / 4;
      return frame < geometry.frames ? `frame ${frame}, bytes ${word * 4}…` : `staging word ${index}`;
    }
    const named = (prefix: string, field: number) =>
      Object.entries(L).find(([name, value]) => name.startsWith(prefix) && value === field)?.[0] ??
      `${prefix}+${field}`;
    for (let frame = 0; frame < geometry.frames; frame++) {
      const field = byte - looking.frameAt(frame as FrameId);
      if (field >= 0 && field < L.FRAME_BYTES) return `frame ${frame} ${named('FRAME_', field)}`;
    }
    for (let file = 0; file < geometry.files; file++) {
      const field = byte - looking.fileAt(file as FileId);
      if (field >= L.FILE_BIAS && field < L.FILE_BIAS + L.FILE_BYTES)
        return `file ${file} ${named('FILE_', field)}`;
    }
    for (let row = 0; row < geometry.rows; row++) {
      const field = byte - looking.rowAt(row);
      if (field < L.ROW_BIAS || field >= L.ROW_BIAS + geometry.rowBytes) continue;
      return `row ${row} ${field >= L.ROW_PINS ? `pins+${field - L.ROW_PINS}` : named('', field)}`;
    }
    return byte < 16_384 ? named('HEADER_', byte) : `word ${index}`;
  }
}
