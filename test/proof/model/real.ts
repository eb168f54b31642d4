// The same on a whole cache: real files, real service threads, calls in place and on an event loop, some of them at once.
// Two attachments of one thread take turns. What a flusher does meanwhile is not chosen, and must not be seen.
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CachedFile, OpenOptions, Page, PageCache } from 'pinfold';
import { attachHarness, createHarness, engineOf, fsyncSyncWith, type HarnessCache } from '#harness';
import { directObstacle } from '../../support/direct.ts';
import { violationsWhenQuiet } from '../../threads/invariants.ts';
import { type Config, Wrong } from './cache.ts';
import { FileModel, type Range, type Stable } from './oracle.ts';

const FRAMES = 64;
const CAPACITY = 90;
const FILES = 2;
const EIO = 5;

interface On {
  readonly kind: string;
  /** Which attachment and which file. */
  readonly t: number;
  readonly f: number;
  /** In place, or on the event loop. */
  readonly sync: boolean;
}

/** What may happen at once, each on pages of its own. */
export type RealCall =
  | (On & { readonly kind: 'read'; readonly at: number; readonly length: number })
  | (On & { readonly kind: 'view'; readonly page: number })
  | (On & {
      readonly kind: 'update';
      readonly page: number;
      readonly offset: number;
      readonly length: number;
      readonly ends: 'returns' | 'throws' | 'promises';
    })
  | (On & { readonly kind: 'write'; readonly at: number; readonly length: number })
  | (On & { readonly kind: 'prefetch'; readonly page: number; readonly count: number })
  | (On & { readonly kind: 'fsync'; readonly policy: 'bounce' | 'block' });

export type RealStep =
  | RealCall
  | (On & { readonly kind: 'truncate'; readonly size: number })
  | (On & { readonly kind: 'pin'; readonly page: number; readonly mode: 'read' | 'write' })
  | { readonly kind: 'dma'; readonly pin: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'unpin'; readonly pin: number; readonly dirty: boolean }
  | (On & { readonly kind: 'reopen' })
  | { readonly kind: 'pressure'; readonly t: number }
  | { readonly kind: 'fault'; readonly call: 'write' | 'flush' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'at once'; readonly calls: readonly RealCall[] };

interface Held {
  readonly file: number;
  readonly index: number;
  readonly page: Page;
  readonly write: boolean;
  readonly stored: Range[];
}

class Thrown extends Error {}

/** One cache for many sequences; each has new files. */
export class RealCache {
  readonly counts = new Map<string, number>();
  readonly #config: Config;
  readonly #directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-model-'));
  readonly #directly = directObstacle(this.#directory) === undefined;
  #harness!: HarnessCache;
  #attached!: PageCache;
  #paths: string[] = [];
  #models: FileModel[] = [];
  #handles: CachedFile[][] = [];
  #pins: Held[] = [];
  /** Whether a handle may have to tell of an error from outside of its rounds. */
  #mayOwe = new Set<CachedFile>();
  #faulty = false;
  #stamp = 0;
  #sequence = 0;

  readonly #skips: boolean;

  private constructor(config: Config, skips: boolean) {
    this.#config = config;
    this.#skips = skips;
  }

  /** `skips`: fsync passes write-pinned pages over, which the oracle must notice. */
  static async start(config: Config, skips = false): Promise<RealCache> {
    const cache = new RealCache(config, skips);
    await cache.#create();
    return cache;
  }

  async #create(): Promise<void> {
    const { pageSize, pinnedDirty } = this.#config;
    const limits = { memory: FRAMES * pageSize, blockTimeoutMs: 1, dirtyExpireMs: 5, writebackIntervalMs: 5 };
    this.#harness = await createHarness({ ...limits, pageSize, pinnedDirty });
    this.#attached = attachHarness(this.#harness.cache.handle);
  }

  get #caches(): readonly [PageCache, PageCache] {
    return [this.#harness.cache, this.#attached];
  }

  /** New files for a sequence; the one before is over, however it ended. */
  async begin(): Promise<void> {
    await this.#leave();
    const { pageSize } = this.#config;
    const name = `${this.#sequence++}`;
    this.#models = [CAPACITY - 10, 5.3].map((pages) => {
      const model = new FileModel(pageSize, CAPACITY);
      model.resize(Math.floor(pages * pageSize));
      model.store(0, this.#fresh(model.size));
      return model;
    });
    this.#paths = this.#models.map((model, n) => {
      const path = join(this.#directory, `${name}-${n}`);
      fs.writeFileSync(path, model.bytes.subarray(0, model.size));
      return path;
    });
    this.#open();
  }

  /** Drops whatever a sequence that failed has left. */
  async #leave(): Promise<void> {
    this.#heal();
    for (const { page } of this.#pins.splice(0)) page[Symbol.dispose]();
    for (const handle of this.#handles.flat()) {
      await handle.fsync().catch(() => {});
      handle.closeSync();
    }
    for (const path of this.#paths) fs.rmSync(path, { force: true });
    this.#handles = [];
    this.#paths = [];
  }

  #open(): void {
    this.#handles = this.#caches.map((cache) =>
      this.#paths.map((path, n) => cache.openSync(path, this.#how(n))),
    );
    this.#mayOwe.clear();
  }

  /** One of the two files goes past the system's cache, with each setting the other one. */
  #how(file: number): OpenOptions {
    return { direct: this.#directly && (file === 0) === (this.#config.pinnedDirty === 'keep') };
  }

  async end(): Promise<void> {
    await this.#leave();
    this.#attached.detach();
    await this.#harness.cache.close();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  #heal(): void {
    this.#harness.heal();
    this.#faulty = false;
  }

  #fresh(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let n = 0, value = ++this.#stamp * 41; n < length; n++) bytes[n] = (value++ % 255) + 1;
    return bytes;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  // -- steps ---------------------------------------------------------------------------------------------------------

  async perform(step: RealStep): Promise<void> {
    this.#count(step.kind);
    if (step.kind === 'at once') await this.#atOnce(step.calls);
    else if (step.kind === 'truncate') await this.#truncate(step);
    else if (step.kind === 'pin') await this.#pin(step);
    else if (step.kind === 'dma') this.#dma(step.pin, step.offset, step.length);
    else if (step.kind === 'unpin') this.#unpin(step.pin, step.dirty);
    else if (step.kind === 'reopen') this.#reopen(step);
    else if (step.kind === 'pressure') this.#pressure(step.t);
    else if (step.kind === 'restart') await this.#restart();
    else if (step.kind === 'fault') {
      this.#harness.fail({ call: step.call, errno: EIO, times: 1 });
      this.#faulty = true;
      for (const handle of this.#handles.flat()) this.#mayOwe.add(handle);
    } else await this.#call(step, true);
  }

  /** What a call comes to; an error that is not the library's goes through. */
  async #attempt<T>(call: () => T | Promise<T>): Promise<{ value?: T; code?: string | undefined }> {
    try {
      return { value: await call() };
    } catch (error) {
      if (error instanceof Thrown) return { code: 'thrown' };
      const { code } = error as { code?: string };
      if (code?.startsWith('ERR_PINFOLD_')) return { code };
      throw error;
    }
  }

  /** Whether the call came to what was expected, success mostly; false if the store may have failed under it. */
  #judge(step: { kind: string }, code: string | undefined, expected?: string): boolean {
    if (code === expected) return true;
    if (code === 'ERR_PINFOLD_IO' && this.#faulty) return false;
    throw new Wrong(
      `${JSON.stringify(step)} ends with ${code ?? 'success'}, not with ${expected ?? 'success'}`,
    );
  }

  #where({ t, f }: { t: number; f: number }) {
    const file = f % FILES;
    return { file, handle: this.#handles[t % 2]![file]!, model: this.#models[file]! };
  }

  /** `alone`: nothing else happens meanwhile. */
  async #call(step: RealCall, alone: boolean): Promise<void> {
    if (step.kind === 'read') await this.#read(step);
    else if (step.kind === 'view') await this.#view(step);
    else if (step.kind === 'update') await this.#update(step);
    else if (step.kind === 'write') await this.#write(step);
    else if (step.kind === 'fsync') await this.#fsync(step, alone);
    else {
      const { handle } = this.#where(step);
      const { page, count } = step;
      const { code } = await this.#attempt(() =>
        step.sync ? handle.prefetchSync(page, count) : handle.prefetch(page, count),
      );
      this.#judge(step, code);
    }
  }

  async #read(step: RealCall & { kind: 'read' }): Promise<void> {
    const { handle, model } = this.#where(step);
    const at = step.at % (model.size + 100);
    const target = new Uint8Array(step.length);
    const n = Math.max(0, Math.min(step.length, model.size - at));
    const ended = await this.#attempt(() =>
      step.sync ? handle.readSync(target, at) : handle.read(target, at),
    );
    if (!this.#judge(step, ended.code)) return;
    const same = Buffer.compare(target.subarray(0, n), model.bytes.subarray(at, at + n)) === 0;
    if (ended.value !== n || !same)
      throw new Wrong(`${JSON.stringify(step)} gets ${ended.value} bytes, or others`);
  }

  async #view(step: RealCall & { kind: 'view' }): Promise<void> {
    const { handle, model } = this.#where(step);
    const index = step.page % (model.pages + 1);
    const look = (bytes: Uint8Array) => {
      const page = model.page(index);
      return Buffer.compare(bytes.subarray(0, page.length), page) === 0;
    };
    const past = index >= model.pages;
    const ended = await this.#attempt(() =>
      step.sync ? handle.viewSync(index, look) : handle.view(index, look),
    );
    if (!this.#judge(step, ended.code, past ? 'ERR_PINFOLD_RANGE' : undefined)) return;
    if (!past && ended.value !== true) throw new Wrong(`${JSON.stringify(step)} sees other bytes`);
  }

  async #update(step: RealCall & { kind: 'update' }): Promise<void> {
    const { handle, model } = this.#where(step);
    const index = step.page % (model.pages + 1);
    const { pageSize } = this.#config;
    const offset = step.offset % pageSize;
    const range = { offset, length: Math.min(step.length, pageSize - offset) };
    const bytes = this.#fresh(range.length);
    const change = (page: Uint8Array) => {
      page.set(bytes);
      if (step.ends === 'throws') throw new Thrown();
      return step.ends === 'promises' ? Promise.resolve() : undefined;
    };
    const call = () =>
      step.sync
        ? handle.updateSync(index, change, undefined, range)
        : handle.update(index, change, undefined, range);
    const codes = { returns: undefined, throws: 'thrown', promises: 'ERR_PINFOLD_CALLBACK' };
    const { code } = await this.#attempt<unknown>(call);
    const expected = index >= model.pages ? 'ERR_PINFOLD_RANGE' : codes[step.ends];
    if (this.#judge(step, code, expected) && code === undefined)
      model.store(index * pageSize + offset, bytes);
  }

  async #write(step: RealCall & { kind: 'write' }): Promise<void> {
    const { handle, model } = this.#where(step);
    const most = CAPACITY * this.#config.pageSize;
    const at = step.at % Math.min(most, model.size + 2 * this.#config.pageSize);
    const bytes = this.#fresh(Math.min(step.length, most - at));
    const { code } = await this.#attempt(() =>
      step.sync ? handle.writeSync(bytes, at) : handle.write(bytes, at),
    );
    // Part of it may have come through: then the file is as it is.
    if (this.#judge(step, code)) {
      if (bytes.length > 0) model.extend(at, bytes);
    } else this.#retake(handle, model);
  }

  /** After a write that failed half way: what is there is taken as it is. */
  #retake(handle: CachedFile, model: FileModel): void {
    this.#heal();
    model.resize(handle.size);
    const bytes = new Uint8Array(handle.size);
    handle.readSync(bytes, 0);
    model.store(0, bytes);
  }

  async #truncate(step: RealStep & { kind: 'truncate' }): Promise<void> {
    const { file, handle, model } = this.#where(step);
    const size = step.size % (CAPACITY * this.#config.pageSize);
    const { code } = await this.#attempt(() =>
      step.sync ? handle.truncateSync(size) : handle.truncate(size),
    );
    if (!this.#judge(step, code)) {
      this.#retake(handle, model);
      return;
    }
    model.resize(size);
    const cut = this.#pins.filter((held) => held.file === file && held.index * this.#config.pageSize >= size);
    for (const held of cut) held.page.unpin(); // of no file any more
    this.#pins = this.#pins.filter((held) => !cut.includes(held));
  }

  // -- pins ----------------------------------------------------------------------------------------------------------

  async #pin(step: RealStep & { kind: 'pin' }): Promise<void> {
    const { file, handle, model } = this.#where(step);
    const index = step.page % (model.pages + 1);
    const ended = await this.#attempt(() =>
      step.sync ? handle.pinSync(index, step.mode) : handle.pin(index, step.mode),
    );
    const expected = index >= model.pages ? 'ERR_PINFOLD_RANGE' : undefined;
    if (!this.#judge(step, ended.code, expected) || ended.value === undefined) return;
    this.#pins.push({ file, index, page: ended.value, write: step.mode === 'write', stored: [] });
    const page = model.page(index);
    if (Buffer.compare(ended.value.bytes.subarray(0, page.length), page) !== 0)
      throw new Wrong(`${JSON.stringify(step)}: other bytes`);
  }

  #dma(pin: number, offset: number, length: number): void {
    const writing = this.#pins.filter(({ write }) => write);
    const held = writing[pin % Math.max(1, writing.length)];
    if (!held) return;
    const at = offset % this.#config.pageSize;
    const bytes = this.#fresh(Math.min(length, this.#config.pageSize - at));
    held.page.bytes.set(bytes, at);
    held.stored.push({ offset: at, length: bytes.length });
    this.#models[held.file]!.store(held.index * this.#config.pageSize + at, bytes);
  }

  #unpin(pin: number, dirty: boolean): void {
    const [held] = this.#pins.splice(pin % Math.max(1, this.#pins.length), 1);
    held?.page.unpin({ dirty: dirty || held.stored.length > 0 });
  }

  // -- durability, ends ----------------------------------------------------------------------------------------------

  async #fsync(step: RealCall & { kind: 'fsync' }, alone: boolean): Promise<void> {
    const { file, handle } = this.#where(step);
    const { policy } = step;
    const { code } = await this.#attempt(() => {
      if (this.#skips) return fsyncSyncWith(handle, { policy: 'skip' });
      return step.sync ? handle.fsyncSync({ policy }) : handle.fsync({ policy });
    });
    const pinned = this.#pins.some((held) => held.file === file && held.write);
    if (policy === 'block' && pinned && code === 'ERR_PINFOLD_PIN_TIMEOUT') return;
    const may = this.#mayOwe.has(handle);
    if (code !== undefined && !(code === 'ERR_PINFOLD_IO' && may))
      throw new Wrong(`${JSON.stringify(step)} ends with ${code}`);
    if (code !== undefined) return;
    if (!this.#faulty) this.#mayOwe.delete(handle);
    if (alone) this.#judgeSynced(file);
  }

  /** The file itself, by plain reads, after an fsync that succeeded. */
  #judgeSynced(file: number): void {
    const { pageSize } = this.#config;
    const itself = fs.readFileSync(this.#paths[file]!);
    const get = (index: number) => {
      const page = new Uint8Array(pageSize);
      page.set(itself.subarray(index * pageSize, (index + 1) * pageSize));
      return page;
    };
    const stable: Stable = { pageSize, stableLength: itself.length, stable: { get } };
    const loose = new Map<number, Range[]>();
    for (const held of this.#pins) {
      if (held.file !== file || held.stored.length === 0) continue;
      loose.set(held.index, [...(loose.get(held.index) ?? []), ...held.stored]);
    }
    const [first] = this.#models[file]!.synced(stable, loose);
    if (first !== undefined) throw new Wrong(`file ${file} after an fsync: ${first}`);
    this.#count('fsyncs judged by plain reads');
  }

  #reopen(step: On): void {
    const { file, handle } = this.#where(step);
    handle.closeSync();
    this.#handles[step.t % 2]![file] = this.#caches[step.t % 2]!.openSync(
      this.#paths[file]!,
      this.#how(file),
    );
    if (this.#faulty) this.#mayOwe.add(this.#handles[step.t % 2]![file]!);
  }

  #pressure(t: number): void {
    for (const [file, model] of this.#models.entries()) {
      for (let index = 0; index < model.pages; index++) {
        let first: number | undefined;
        try {
          first = this.#handles[t % 2]![file]!.viewSync(index, (bytes) => bytes[0]);
        } catch (error) {
          this.#judge({ kind: 'pressure' }, (error as { code?: string }).code);
          continue;
        }
        if (first !== model.page(index)[0])
          throw new Wrong(`page ${index} of file ${file} is another under pressure`);
      }
    }
  }

  /** Calls that are under way together, each on a page of its own. */
  async #atOnce(calls: readonly RealCall[]): Promise<void> {
    const taken = new Set<string>();
    const { pageSize } = this.#config;
    const apart = calls.flatMap((call): RealCall[] => {
      if (call.kind === 'prefetch' || call.kind === 'fsync') return [{ ...call, sync: false }];
      const { file, model } = this.#where(call);
      if (model.pages < 2) return [];
      const page = ('page' in call ? call.page : Math.floor(call.at / pageSize)) % (model.pages - 1);
      if (taken.has(`${file}:${page}`)) return [];
      taken.add(`${file}:${page}`);
      if ('page' in call) return [{ ...call, page, sync: false }];
      const within = call.at % pageSize;
      return [
        {
          ...call,
          at: page * pageSize + within,
          length: Math.min(call.length, pageSize - within),
          sync: false,
        },
      ];
    });
    const ends = await Promise.allSettled(apart.map((call) => this.#call(call, false)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** The cache is closed, which live pins prevent, and another begins over the files. */
  async #restart(): Promise<void> {
    this.#heal();
    const { cache } = this.#harness;
    if (this.#pins.length > 0) {
      const { code } = await this.#attempt(() => cache.close());
      if (code !== 'ERR_PINFOLD_BUSY')
        throw new Wrong(`a close over live pins ends with ${code ?? 'success'}`);
    }
    for (const { page } of this.#pins.splice(0)) page.unpin();
    for (const handle of this.#handles.flat()) handle.closeSync();
    this.#attached.detach();
    await cache.close();
    for (const file of this.#models.keys()) this.#judgeSynced(file);
    await this.#create();
    this.#open();
  }

  /** When all is over: pins are dropped, and each file is as the oracle says, in the cache and by plain reads. */
  async finish(): Promise<void> {
    this.#heal();
    for (const { page } of this.#pins.splice(0)) page.unpin();
    for (const handle of this.#handles.flat()) {
      const { code } = await this.#attempt(() => handle.fsync());
      if (code !== undefined && !this.#mayOwe.has(handle))
        throw new Wrong(`the last fsync ends with ${code}`);
      if (code !== undefined) await handle.fsync();
      this.#mayOwe.delete(handle);
    }
    for (const [file, model] of this.#models.entries()) {
      this.#judgeSynced(file);
      for (const handles of this.#handles) {
        const bytes = new Uint8Array(model.size);
        handles[file]!.readSync(bytes, 0);
        if (Buffer.compare(bytes, model.bytes.subarray(0, model.size)) !== 0)
          throw new Wrong(`file ${file} is wrong in the cache`);
      }
    }
    const [file] = this.#handles[0] as [CachedFile];
    engineOf(file).attachment.look(0);
    const left = await violationsWhenQuiet(file, () => this.#harness.cache.stats());
    if (left.length > 0) throw new Wrong(left.join('\n'));
  }
}
