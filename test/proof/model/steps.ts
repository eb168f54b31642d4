// What a sequence consists of, and what the oracle expects of each step: results, errors by their code, and effects.
import type { FileId } from '../../../src/kernel/kernel.ts';
import * as L from '../../../src/kernel/layout.ts';
import { flush } from '../../../src/protocol/flush.ts';
import { dirtyPages, writeBack } from '../../../src/protocol/writeback.ts';
import { type Cache, type Held, MAX_PINS, type Thread, type Updating, Wrong } from './cache.ts';

interface On {
  /** Which thread and which file, by number. */
  readonly t: number;
  readonly f: number;
}

/** Numbers are taken modulo what there is. */
export type Step =
  | (On & { readonly kind: 'read'; readonly at: number; readonly length: number })
  | (On & { readonly kind: 'view'; readonly page: number; readonly ends: Ending })
  | (On & UpdateStep)
  | (On & { readonly kind: 'write'; readonly at: number; readonly length: number })
  | (On & { readonly kind: 'truncate'; readonly size: number })
  | (On & { readonly kind: 'pin'; readonly page: number; readonly mode: 'read' | 'write' })
  | { readonly kind: 'dma'; readonly pin: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'unpin'; readonly pin: number; readonly dirty: boolean }
  | (On & { readonly kind: 'fsync'; readonly policy: 'bounce' | 'block' })
  | (On & { readonly kind: 'prefetch'; readonly page: number; readonly count: number })
  | (On & { readonly kind: 'writeback'; readonly flush: boolean })
  | { readonly kind: 'pressure'; readonly t: number }
  | { readonly kind: 'hog'; readonly t: number }
  | (On & { readonly kind: 'reopen' })
  | { readonly kind: 'fault'; readonly f: number; readonly call: 'write' | 'flush' | 'resize' | 'none' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'power cut' }
  | { readonly kind: 'die'; readonly steps: number; readonly second: number; readonly in: Step };

/** How a user's function ends. */
type Ending = 'returns' | 'throws' | 'promises';

export interface UpdateStep {
  readonly kind: 'update';
  readonly page: number;
  readonly offset: number;
  readonly length: number;
  readonly named: boolean;
  readonly ends: Ending;
  /** What happens inside of it. */
  readonly inside: readonly Step[];
}

type Of<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** Does a step and judges it; what does not apply just now is passed over. */
export function perform(cache: Cache, step: Step): void {
  const done = cache.under(step.kind, (faults) => DO[step.kind](cache, step as never, faults));
  cache.count(done ? step.kind : 'passed over');
  if (done) cache.judge();
}

type Does<K extends Step['kind']> = (cache: Cache, step: Of<K>, faults: () => number) => boolean;

class Thrown extends Error {}

interface Ended<T> {
  readonly value?: T;
  /** The error's code; 'thrown': the user's own. */
  readonly code?: string;
}

/**
 * Makes a call of the library, which is to commit these changes, the last one first. What it must never throw goes
 * through, and so does a death.
 */
function attempt<T>(
  { mortal, effects }: Thread,
  call: () => T,
  commits: readonly (() => void)[] = [],
): Ended<T> {
  const under = effects.length;
  effects.push(...commits);
  try {
    return { value: call() };
  } catch (error) {
    if (mortal.life.dead) throw error;
    const { code } = error as { code?: string };
    effects.length = under; // what was not committed does not happen
    if (error instanceof Thrown) return { code: 'thrown' };
    if (code?.startsWith('ERR_PINFOLD_')) return { code };
    throw error;
  }
}

/** Whether the call has come to what was expected; false if a call of a disk was refused, which may be why it has not. */
function judgeEnd(
  step: Step,
  { code }: Ended<unknown>,
  expected: string | undefined,
  faults: () => number,
): boolean {
  if (code === expected) return code === undefined;
  if (code === 'ERR_PINFOLD_IO' && faults() > 0) return false;
  throw new Wrong(`${tell(step)} ends with ${code ?? 'success'}, not with ${expected ?? 'success'}`);
}

const where = (cache: Cache, { t, f }: On) => {
  const thread = cache.threads[t % cache.threads.length]!;
  const file = f % cache.files.length;
  return { thread, file, model: cache.files[file]!, handle: thread.handles[file]! };
};

const same = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0;

/** Pins that the thread holds, those of its updates included. */
const pinsOf = (cache: Cache, thread: Thread) =>
  cache.pins.filter((held) => held.thread === thread).length + cache.updatesOf(thread).length;

const isMine = (update: Updating | undefined, thread: Thread) => update?.thread === thread;

/** What an ending makes of a function's result. */
function end<T>(how: Ending, value: T): T | Promise<T> {
  if (how === 'throws') throw new Thrown();
  return how === 'promises' ? Promise.resolve(value) : value;
}
const CODE_OF_ENDING = { returns: undefined, throws: 'thrown', promises: 'ERR_PINFOLD_CALLBACK' } as const;

// -- reading -----------------------------------------------------------------------------------------------------------

const read: Does<'read'> = (cache, step, faults) => {
  const { thread, file, model, handle } = where(cache, step);
  const at = step.at % (model.size + cache.pageSize);
  const target = new Uint8Array(step.length);
  const expected = Math.max(0, Math.min(step.length, model.size - at));
  const ended = attempt(thread, () => handle.readSync(target, at));
  let code: string | undefined;
  for (
    let position = at;
    position < at + expected;
    position += cache.pageSize - (position % cache.pageSize)
  ) {
    if (isMine(cache.updateOf(file, Math.floor(position / cache.pageSize)), thread))
      code = 'ERR_PINFOLD_REENTRANT';
  }
  if (!judgeEnd(step, ended, code, faults)) return true;
  if (ended.value !== expected) throw new Wrong(`${tell(step)} gets ${ended.value} bytes, not ${expected}`);
  if (!same(target.subarray(0, expected), model.bytes.subarray(at, at + expected))) {
    throw new Wrong(`${tell(step)} gets other bytes`);
  }
  return true;
};

const view: Does<'view'> = (cache, step, faults) => {
  const { thread, file, model, handle } = where(cache, step);
  const index = step.page % (model.pages + 1);
  let right = false;
  const look = (bytes: Uint8Array) => {
    const page = model.page(index);
    right = same(bytes.subarray(0, page.length), page);
    return end(step.ends, 0);
  };
  const ended = attempt(thread, () => handle.viewSync(index, look));
  const code =
    index >= model.pages
      ? 'ERR_PINFOLD_RANGE'
      : isMine(cache.updateOf(file, index), thread)
        ? 'ERR_PINFOLD_REENTRANT'
        : CODE_OF_ENDING[step.ends];
  judgeEnd(step, ended, code, faults);
  if (ended.code === CODE_OF_ENDING[step.ends] && !right) throw new Wrong(`${tell(step)} sees other bytes`);
  return true;
};

const prefetch: Does<'prefetch'> = (cache, step, faults) => {
  const { thread, model, handle } = where(cache, step);
  const index = step.page % (model.pages + 2);
  judgeEnd(
    step,
    attempt(thread, () => handle.prefetchSync(index, step.count)),
    undefined,
    faults,
  );
  return true;
};

/** More pages than there are frames. */
const pressure: Does<'pressure'> = (cache, step, faults) => {
  const thread = cache.threads[step.t % cache.threads.length]!;
  for (const [file, model] of cache.files.entries()) {
    for (let index = 0; index < model.pages; index++) {
      if (isMine(cache.updateOf(file, index), thread)) continue;
      const first = attempt(thread, () => thread.handles[file]!.viewSync(index, (bytes) => bytes[0]));
      if (!judgeEnd(step, first, undefined, faults)) continue;
      if (first.value !== model.page(index)[0])
        throw new Wrong(`${tell(step)} sees another page ${index} of f${file}`);
    }
  }
  return true;
};

// -- changing ----------------------------------------------------------------------------------------------------------

const update: Does<'update'> = (cache, step, faults) => {
  const { thread, file, model, handle } = where(cache, step);
  const index = step.page % (model.pages + 1);
  const offset = step.named ? step.offset % cache.pageSize : 0;
  const length = step.named ? Math.min(step.length, cache.pageSize - offset) : cache.pageSize;
  const under = cache.updateOf(file, index);
  const writePinned = cache.pins.some(
    (pin) => !pin.orphan && pin.mode === 'write' && pin.file === file && pin.index === index,
  );
  const code = (() => {
    if (index >= model.pages) return 'ERR_PINFOLD_RANGE';
    if (cache.updatesOf(thread).length === L.UPDATES) return 'ERR_PINFOLD_CALLBACK';
    if (pinsOf(cache, thread) >= MAX_PINS) return 'ERR_PINFOLD_PIN_LIMIT';
    if (isMine(under, thread)) return 'ERR_PINFOLD_REENTRANT';
    if (under) return 'ERR_PINFOLD_UPDATE_TIMEOUT';
    if (!step.named && writePinned) return 'ERR_PINFOLD_RANGE_REQUIRED';
    return CODE_OF_ENDING[step.ends];
  })();
  const range = step.named ? { offset, length, timeout: 0 } : { timeout: 0 };
  const bytes = cache.fresh(length);
  const one: Updating = { thread, file, index, offset, length, orphan: false };
  const commit = () => {
    // What did not return has no effect, whatever is committed.
    if (!one.orphan && step.ends === 'returns') cache.stored(file, index, offset, bytes);
    cache.updating = cache.updating.filter((other) => other !== one);
  };
  const change = (page: Uint8Array) => {
    if (page.length !== length) throw new Wrong(`${tell(step)} gets ${page.length} bytes`);
    const before = model.page(index).subarray(offset, offset + length);
    if (!same(page.subarray(0, before.length), before))
      throw new Wrong(`${tell(step)} begins with other bytes`);
    cache.updating.push(one);
    page.set(bytes.subarray(0, length >> 1));
    for (const inner of step.inside) perform(cache, inner);
    page.set(bytes.subarray(length >> 1), length >> 1);
    return end(step.ends, 0);
  };
  let ended: Ended<unknown>;
  try {
    ended = attempt(thread, () => handle.updateSync(index, change, undefined, range), [commit]);
  } finally {
    cache.updating = cache.updating.filter((other) => other !== one);
  }
  judgeEnd(step, ended, code, faults);
  return true;
};

/** A page that a change of several is made of, and what its commit makes of the file. */
interface Part {
  readonly index: number;
  readonly effect: () => void;
}

/** Before the file goes on at `position`, the rest of its last page becomes part of it: zeros. */
function gapBefore(cache: Cache, file: number, position: number): Part[] {
  const model = cache.files[file]!;
  const { pageSize } = cache;
  if (position <= model.size || model.size % pageSize === 0) return [];
  const index = Math.floor(model.size / pageSize);
  const size = Math.min(position, (index + 1) * pageSize);
  return [{ index, effect: () => model.resize(size) }];
}

/** The pages of a write in the order in which they are changed. */
function partsOf(cache: Cache, file: number, at: number, bytes: Uint8Array): Part[] {
  if (bytes.length === 0) return [];
  const model = cache.files[file]!;
  const parts = gapBefore(cache, file, at);
  for (let done = 0; done < bytes.length; ) {
    const position = at + done;
    const part = bytes.subarray(done, done + cache.pageSize - (position % cache.pageSize));
    parts.push({ index: Math.floor(position / cache.pageSize), effect: () => model.extend(position, part) });
    done += part.length;
  }
  return parts;
}

/** Makes a change of parts that are to be committed one by one; undefined if another thread's update stands in the way. */
function changeParts(
  cache: Cache,
  { thread, file }: { thread: Thread; file: number },
  parts: readonly Part[],
  call: () => unknown,
): { ended: Ended<unknown>; code: string | undefined } | undefined {
  let code: string | undefined;
  for (const { index } of parts) {
    const under = cache.updateOf(file, index);
    if (cache.updatesOf(thread).length === L.UPDATES) code = 'ERR_PINFOLD_CALLBACK';
    else if (pinsOf(cache, thread) >= MAX_PINS) code = 'ERR_PINFOLD_PIN_LIMIT';
    else if (isMine(under, thread)) code = 'ERR_PINFOLD_REENTRANT';
    else if (under) return undefined; // it would wait for ten seconds
    if (code) break;
  }
  const before = thread.effects.length;
  const ended = attempt(thread, call, parts.map(({ effect }) => effect).reverse());
  if (ended.code === undefined && thread.effects.length !== before) {
    throw new Wrong(`${thread.effects.length - before} of ${parts.length} changes were not committed`);
  }
  return { ended, code };
}

const write: Does<'write'> = (cache, step, faults) => {
  const on = where(cache, step);
  const most = cache.capacity * cache.pageSize;
  const at = step.at % Math.min(most, on.model.size + 2 * cache.pageSize);
  const bytes = cache.fresh(Math.min(step.length, most - at));
  const parts = partsOf(cache, on.file, at, bytes);
  const done = changeParts(cache, on, parts, () => on.handle.writeSync(bytes, at));
  if (done === undefined) return false;
  if (!judgeEnd(step, done.ended, done.code, faults)) return true;
  if (done.ended.value !== bytes.length) throw new Wrong(`${tell(step)} writes ${done.ended.value} bytes`);
  return true;
};

const truncate: Does<'truncate'> = (cache, step, faults) => {
  const on = where(cache, step);
  const { file, model, handle } = on;
  const size = step.size % (cache.capacity * cache.pageSize);
  const parts: Part[] = [];
  if (size > model.size) {
    const index = Math.floor((size - 1) / cache.pageSize);
    parts.push(...gapBefore(cache, file, size), {
      index,
      effect: () => model.size < size && model.resize(size),
    });
  } else if (size < model.size && size % cache.pageSize !== 0) {
    // A cut happens on the disk; what is committed is its last page's zeroed end.
    parts.push({ index: Math.floor(size / cache.pageSize), effect: () => {} });
  }
  const done = changeParts(cache, on, parts, () => handle.truncateSync(size));
  if (done === undefined) return false;
  if (judgeEnd(step, done.ended, done.code, faults) && model.size !== size) {
    throw new Wrong(`${tell(step)} leaves ${model.size} bytes`);
  }
  return true;
};

// -- pins --------------------------------------------------------------------------------------------------------------

const pin: Does<'pin'> = (cache, step, faults) => {
  const { thread, file, model, handle } = where(cache, step);
  const index = step.page % (model.pages + 1);
  const ended = attempt(thread, () => handle.pinSync(index, step.mode));
  const full = pinsOf(cache, thread) >= MAX_PINS;
  const past = index >= model.pages;
  // Which of the two is told where both hold is nobody's promise.
  const code =
    past && full ? ended.code : past ? 'ERR_PINFOLD_RANGE' : full ? 'ERR_PINFOLD_PIN_LIMIT' : undefined;
  if (past && full && ended.code === undefined) throw new Wrong(`${tell(step)} pins a page past the end`);
  if (!judgeEnd(step, ended, code, faults)) return true;
  const page = ended.value!;
  cache.pins.push({ thread, file, index, mode: step.mode, page, stored: [], orphan: false });
  const end = model.page(index).length;
  const clean = cache.isLittered(file, index) || cache.updateOf(file, index) !== undefined;
  if (!clean && page.bytes.subarray(end).some((byte) => byte !== 0)) {
    throw new Wrong(`${tell(step)}: something stands behind the file's end`);
  }
  return true;
};

const pinned = (cache: Cache, n: number, of: (held: Held) => boolean) => {
  const some = cache.pins.filter(of);
  return some[n % Math.max(1, some.length)];
};

const dma: Does<'dma'> = (cache, step) => {
  const held = pinned(cache, step.pin, ({ mode }) => mode === 'write');
  if (!held) return false;
  const offset = step.offset % cache.pageSize;
  const bytes = cache.fresh(Math.min(step.length, cache.pageSize - offset));
  const update = held.orphan ? undefined : cache.updateOf(held.file, held.index);
  // Into a range that an update owns: the user's own race.
  if (update && offset < update.offset + update.length && update.offset < offset + bytes.length) return false;
  held.page.bytes.set(bytes, offset);
  held.stored.push({ offset, length: bytes.length });
  if (!held.orphan) cache.stored(held.file, held.index, offset, bytes);
  return true;
};

const unpin: Does<'unpin'> = (cache, step) => {
  const held = pinned(cache, step.pin, () => true);
  if (!held) return false;
  const { thread, page } = held;
  const dirty = step.dirty || held.stored.length > 0; // else the promise would be false
  const ended = attempt(thread, () => page.unpin({ dirty }));
  judgeEnd(step, ended, undefined, () => 0);
  cache.pins = cache.pins.filter((other) => other !== held);
  judgeEnd(
    step,
    attempt(thread, () => page.unpin()),
    'ERR_PINFOLD_UNPINNED',
    () => 0,
  );
  judgeEnd(
    step,
    attempt(thread, () => page.bytes),
    'ERR_PINFOLD_UNPINNED',
    () => 0,
  );
  return true;
};

/** Pins until no more can be: by this thread, or of this cache. Then drops those pins. */
const hog: Does<'hog'> = (cache, step, faults) => {
  const thread = cache.threads[step.t % cache.threads.length]!;
  const model = cache.files[0]!;
  if (cache.updating.length > 0 || model.pages < cache.frames) return false;
  const mine = new Set(
    cache.pins.filter(({ orphan, file }) => !orphan && file === 0).map(({ index }) => index),
  );
  const room = cache.takable();
  const pins = pinsOf(cache, thread);
  const expected = Math.min(room, MAX_PINS - pins);
  const taken: { unpin(): void }[] = [];
  let index = 0;
  for (;;) {
    while (mine.has(index)) index++;
    const ended = attempt(thread, () => thread.handles[0]!.pinSync(index++));
    if (ended.value) taken.push(ended.value);
    if (ended.code === undefined) continue;
    const code = MAX_PINS - pins <= room ? 'ERR_PINFOLD_PIN_LIMIT' : 'ERR_PINFOLD_FULL';
    if (ended.code === 'ERR_PINFOLD_IO' && faults() > 0) break;
    // With both limits at hand, either is true.
    if (ended.code !== code && MAX_PINS - pins !== room)
      throw new Wrong(`${tell(step)} ends with ${ended.code}, not ${code}`);
    if (taken.length !== expected)
      throw new Wrong(`${tell(step)} pins ${taken.length} pages, ${expected} could be`);
    break;
  }
  for (const page of taken) page.unpin();
  return true;
};

// -- durability --------------------------------------------------------------------------------------------------------

const fsync: Does<'fsync'> = (cache, step, faults) => {
  const { thread, file, handle } = where(cache, step);
  const before = cache.dirty(file);
  const ended = attempt(thread, () => handle.fsyncSync({ policy: step.policy }));
  if (step.policy === 'block' && before.pinned > 0) {
    judgeEnd(step, ended, 'ERR_PINFOLD_PIN_TIMEOUT', () => 0);
    return true;
  }
  const owed = thread.owes[file]!;
  const failed = faults() > 0;
  if (ended.code === undefined ? failed || owed === 'yes' : !failed && owed === 'no') {
    throw new Wrong(
      `${tell(step)} ends with ${ended.code ?? 'success'}; ${faults()} calls of its own failed, others' that are untold: ${owed}`,
    );
  }
  if (ended.code !== undefined && ended.code !== 'ERR_PINFOLD_IO')
    throw new Wrong(`${tell(step)} ends with ${ended.code}`);
  thread.owes[file] = 'no';
  if (failed) return true;
  // What failed before in the background it has written all the same.
  cache.judgeSynced(file);
  cache.count('fsyncs that succeeded');
  const report = ended.value;
  if (report && (report.pages !== before.dirty || report.bounced !== before.pinned)) {
    throw new Wrong(
      `${tell(step)} wrote ${report.pages} pages, ${report.bounced} of them bounced; ${before.dirty} were dirty, ${before.pinned} pinned`,
    );
  }
  return true;
};

/** As a flusher does it. */
const writeback: Does<'writeback'> = (cache, step) => {
  const { thread, file } = where(cache, step);
  const { attachment, control } = thread.mortal;
  const id = file as FileId;
  const now = attachment.kernel.load(L.HEADER_CLOCK) + 600; // what rests because it failed rests no longer the time after next
  control.tick(now);
  thread.mortal.run(
    (function* () {
      let { errno } = yield* writeBack(attachment, id, dirtyPages(attachment, id), 'skip', 1);
      if (errno === 0 && step.flush && control.needsFlush(id) === 1) errno = yield* flush(attachment, id);
      if (errno !== 0) control.noteError(id, errno, now + 1000);
    })(),
  );
  return true;
};

const fault: Does<'fault'> = (cache, { f, call }) => {
  const disk = cache.disks[f % cache.disks.length]!;
  disk.failNextWrites = call === 'write' ? 1 : 0;
  disk.failNextFlushes = call === 'flush' ? 1 : 0;
  disk.failNextResizes = call === 'resize' ? 1 : 0;
  return true;
};

// -- ends --------------------------------------------------------------------------------------------------------------

const reopen: Does<'reopen'> = (cache, step) => {
  const { thread, file, handle } = where(cache, step);
  if (cache.updatesOf(thread).length > 0) return false;
  handle.closeSync();
  judgeEnd(
    step,
    attempt(thread, () => handle.readSync(new Uint8Array(1), 0)),
    'ERR_PINFOLD_CLOSED',
    () => 0,
  );
  judgeEnd(
    step,
    attempt(thread, () => handle.fsyncSync()),
    'ERR_PINFOLD_CLOSED',
    () => 0,
  );
  thread.handles[file] = thread.mortal.open(file as FileId);
  thread.owes[file] = 'no'; // what was before it was there is none of its business
  return true;
};

/** Everything is synced, then all of it begins again over the same files. */
const restart: Does<'restart'> = (cache, step) => {
  if (cache.updating.length > 0) return false;
  for (const held of cache.pins) held.page.unpin();
  cache.pins = [];
  const [thread] = cache.threads as [Thread];
  for (const [file, model] of cache.files.entries()) {
    fault(cache, { kind: 'fault', f: file, call: 'none' }, () => 0);
    const ended = attempt(thread, () => thread.handles[file]!.fsyncSync());
    const told = thread.owes[file] !== 'no' && ended.code === 'ERR_PINFOLD_IO';
    if (ended.code !== undefined && !told) throw new Wrong(`${tell(step)}: an fsync ends with ${ended.code}`);
    cache.judgeSynced(file);
    const { length } = cache.disks[file]!;
    if (length !== model.size)
      throw new Wrong(`${tell(step)}: f${file} has ${length} bytes on the disk, not ${model.size}`);
    for (let index = 0; index < model.pages; index++) {
      const page = model.page(index);
      const there =
        cache.disks[file]!.current.get(index)?.subarray(0, page.length) ?? new Uint8Array(page.length);
      if (!same(there, page))
        throw new Wrong(`${tell(step)}: page ${index} of f${file} is wrong on the disk`);
    }
  }
  cache.boot();
  return true;
};

const powerCut: Does<'power cut'> = (cache) => {
  if (cache.updating.length > 0) return false;
  cache.cutPower();
  return true;
};

/** A thread dies in the middle of a step, or right after it. */
const die: Does<'die'> = (cache, step) => {
  if (cache.updating.length > 0) return false;
  const inner = step.in;
  const thread = cache.threads['t' in inner ? inner.t % cache.threads.length : 0]!;
  thread.mortal.life.endAfter(step.steps);
  try {
    cache.under(inner.kind, (faults) => DO[inner.kind](cache, inner as never, faults));
    cache.count('deaths between two steps');
  } catch (error) {
    if (!thread.mortal.life.dead) throw error;
    if (error instanceof Wrong) throw error;
  }
  cache.bury(thread, step.second);
  return true;
};

const DO: { readonly [K in Step['kind']]: Does<K> } = {
  read,
  view,
  update,
  write,
  truncate,
  pin,
  dma,
  unpin,
  fsync,
  prefetch,
  writeback,
  pressure,
  hog,
  reopen,
  fault,
  restart,
  'power cut': powerCut,
  die,
};

// -- for people --------------------------------------------------------------------------------------------------------

/** A step in a line. */
export function tell(step: Step): string {
  const { kind, ...rest } = step;
  if (kind === 'die') {
    const { steps, second, in: inner } = step;
    return `die after ${steps} steps (its recoverer after ${second}) in ${tell(inner)}`;
  }
  const words = Object.entries(rest).map(([name, value]) => {
    if (name === 't' || name === 'f') return `${name}${value}`;
    if (name === 'inside') return `{ ${(value as Step[]).map(tell).join('; ')} }`;
    return `${name} ${value}`;
  });
  return [kind, ...words].join(' ');
}
