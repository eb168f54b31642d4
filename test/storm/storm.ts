// The storm: workers do everything at once on shared files and are terminated at random; an oracle in each of them, and at
// the end one over everything.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CachedFile, PageCache } from 'pinfold';
import { createHarness, engineOf, type HarnessCache } from '#harness';
import { directObstacle } from '../support/direct.ts';
import { violationsWhenQuiet } from '../threads/invariants.ts';
import { Author } from './author.ts';
import { Board, type Op, slotState } from './board.ts';
import { Control } from './control.ts';
import {
  createDevices,
  createFiles,
  type Devices,
  type FileSpec,
  feedDevice,
  OWNED_PAGES,
  PAGE,
  readFileItself,
} from './files.ts';
import { Keeper, type KeeperData, type Plant } from './keeper.ts';
import { Look, Promised, Violation } from './oracle.ts';
import { Random } from './random.ts';
import { blockOf, isCutRecord, isDevices, keyOf } from './record.ts';
import type { WatchData } from './watch.ts';

export interface StormOptions {
  readonly seed: number;
  /** Terminations; 0: all workers end by themselves, for `seconds`. */
  readonly kills: number;
  readonly seconds: number;
  /** Workers that main starts, and that a thread of main's does. */
  readonly workers: number;
  readonly spawned: number;
  /** Service threads that are terminated. */
  readonly services: number;
  /** The store fails now and then. */
  readonly faults: boolean;
  /** How long a call may take, or what moves at the end may go on moving, ms. */
  readonly stallMs: number;
  readonly memory: number;
  readonly plant: Plant | undefined;
  readonly pinnedDirty: 'keep' | 'redirty';
}

export interface StormReport {
  readonly board: Board;
  readonly seconds: number;
  readonly servicesKilled: number;
  /** What the files have, at the end. */
  readonly dataBytes: number;
  /** What those who were terminated held when they had just ended; 'nothing', 'no row any more'. */
  readonly held: ReadonlyMap<string, number>;
  readonly stats: Readonly<Record<string, number>> | undefined;
}

const FAULT_EVERY_MS = 40;
const SERVICE_EVERY_MS = 400;
const SPAWNER_LIFE_MS = 2500;
const HOT = 6;
const EIO = 5;
const ENOSPC = 28;
/** An error from outside of a round is told by one fsync, one from before by another. */
const FSYNC_TRIES = 3;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the process has that a cache must give back: threads, and descriptors with what they are of. */
interface Census {
  readonly threads: number;
  readonly descriptors: readonly string[];
}

const listed = (path: string) => (fs.existsSync(path) ? fs.readdirSync(path) : []);
const descriptors = () =>
  listed('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${fs.readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // the list's own
    }
  });
const census = (): Census => ({ threads: listed('/proc/self/task').length, descriptors: descriptors() });

/** What the process starts once and keeps: the threads for asynchronous file calls, what the first Worker needs. */
async function warmUp(): Promise<void> {
  await fs.promises.stat('.');
  await new Promise((resolve) => new Worker('', { eval: true }).once('exit', resolve));
}

export async function runStorm(options: StormOptions): Promise<StormReport> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-storm-'));
  process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const choice = new Random(options.seed * 7919 + 1);
  const directly = directObstacle(directory) === undefined;
  const { files, areas } = createFiles(directory, () => choice.oneIn(2) && directly);
  const devices = createDevices(directory, pipe);
  await warmUp();
  const before = census();
  const random = new Random(options.seed);
  // Those of the cache itself among them: they have no other name.
  const workers = new Set<Worker>();
  process.on('worker', (worker) => {
    workers.add(worker);
    worker.once('exit', () => workers.delete(worker));
  });
  const harness = await createHarness({
    memory: options.memory,
    pinnedDirty: options.pinnedDirty,
    flushers: 1 + random.below(2),
    writebackIntervalMs: 10,
    dirtyExpireMs: 20,
    // Few, so that what is not given back is soon missed: main, and for each worker its row and that of the one before.
    maxThreads: 1 + 2 * (options.workers + options.spawned),
    maxFiles: files.length + 12,
  });
  const storm = new Storm(options, random, harness, workers, files, areas, devices);
  return await storm.run(before);
}

const openSync = (cache: PageCache, { path, direct }: FileSpec) => cache.openSync(path, { direct });

class Storm {
  readonly #options: StormOptions;
  readonly #random: Random;
  readonly #harness: HarnessCache;
  readonly #cache: PageCache;
  readonly #files: readonly FileSpec[];
  readonly #devices: Devices;
  readonly #board: Board;
  readonly #control: Control;
  readonly #author: Author;
  readonly #opened = new Map<FileSpec, CachedFile>();
  readonly #held = new Map<string, number>();
  readonly #mainSlot: number;
  /** Threads of this one's, and those of them that are not the cache's. */
  readonly #workers: ReadonlySet<Worker>;
  readonly #own = new Set<Worker>();
  #servicesKilled = 0;

  constructor(
    options: StormOptions,
    random: Random,
    harness: HarnessCache,
    workers: ReadonlySet<Worker>,
    files: readonly FileSpec[],
    areas: number,
    devices: Devices,
  ) {
    this.#options = options;
    this.#random = random;
    this.#harness = harness;
    this.#cache = harness.cache;
    this.#workers = workers;
    this.#files = files;
    this.#devices = devices;
    this.#mainSlot = options.workers + options.spawned;
    this.#board = Board.create(this.#mainSlot + 1, areas);
    this.#board.grow(OWNED_PAGES);
    this.#control = new Control(harness.cache.handle);
    this.#author = new Author(this.#board, random, this.#board.nextWorker());
  }

  async run(before: Census): Promise<StormReport> {
    const { kills, seconds } = this.#options;
    const board = this.#board;
    board.setState(this.#mainSlot, slotState.running, 1);
    const watch = this.#startWatch();
    const started = performance.now();
    let stats: StormReport['stats'];
    try {
      for (const file of this.#files) {
        if (file.kind !== 'small') this.#opened.set(file, openSync(this.#cache, file));
      }
      const timers = this.#startTrouble();
      if (kills === 0) setTimeout(() => board.stop(), seconds * 1000).unref();
      await Promise.race([this.#keepWorkers(), this.#whenHung()]);
      for (const timer of timers) clearInterval(timer);
      this.#harness.heal();
    } catch (error) {
      this.#failed(error);
    }
    const took = (performance.now() - started) / 1000;
    if (board.violations === 0) {
      try {
        await Promise.race([this.#judgeRest(), this.#whenHung()]);
        const { timings: _, ...counts } = this.#cache.stats();
        stats = counts;
        await Promise.race([this.#close(), this.#whenHung()]);
        await watch.end();
        await this.#judgeCensus(before);
      } catch (error) {
        this.#failed(error);
      }
    }
    if (board.violations > 0 && !board.hung) {
      for (const line of this.#control.describe()) process.stderr.write(`  ${line}\n`);
    }
    await watch.end();
    // A thread that hangs ends with the process, but not before what a device owes it has come.
    for (let block = 0; board.violations > 0 && feedDevice(this.#devices, block); ) block++;
    return {
      board,
      seconds: took,
      servicesKilled: this.#servicesKilled,
      dataBytes: this.#files.reduce((sum, { fd }) => sum + fs.fstatSync(fd).size, 0),
      held: this.#held,
      stats,
    };
  }

  #failed(error: unknown): void {
    if (this.#board.hung) return; // the watch has told what hangs
    const text = error instanceof Violation ? error.message : ((error as Error).stack ?? String(error));
    this.#board.violation(`main: ${text}`);
  }

  #startWatch(): { end(): Promise<void> } {
    const done = new Int32Array(new SharedArrayBuffer(4));
    const workerData: WatchData = {
      handle: this.#cache.handle,
      board: this.#board.memory,
      devices: this.#devices,
      stallMs: this.#options.stallMs,
      done,
    };
    const worker = new Worker(new URL('./watch.js', import.meta.url), { workerData });
    this.#own.add(worker);
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.on('error', (error) => this.#failed(error));
    return {
      end: async () => {
        Atomics.store(done, 0, 1);
        Atomics.notify(done, 0);
        await ended;
      },
    };
  }

  /** Rejects when the watch has found that something hangs: then nothing that is waited for may come. */
  async #whenHung(): Promise<never> {
    while (!this.#board.hung) await pause(50);
    throw new Error('see above what hangs');
  }

  // -- while it lasts ------------------------------------------------------------------------------------------------

  async #keepWorkers(): Promise<void> {
    const { workers, spawned, kills, seed, faults, plant } = this.#options;
    const data: KeeperData = {
      handle: this.#cache.handle,
      board: this.#board.memory,
      files: this.#files,
      devices: this.#devices,
      slots: workers + spawned,
      faults,
      plant,
      mine: Array.from({ length: workers }, (_, n) => n),
      seed,
      quota: kills,
    };
    const keeper = new Keeper(data, this.#board, {
      born: (worker) => this.#own.add(worker),
      killed: () => {
        if (this.#random.oneIn(4)) this.#block();
      },
      died: (threadId) => this.#noteHeld(threadId),
    });
    const theirs = Array.from({ length: spawned }, (_, n) => workers + n);
    await Promise.all([keeper.run(), ...(spawned > 0 ? [this.#keepSpawner({ ...data, mine: theirs })] : [])]);
  }

  /** A thread with workers of its own; it is terminated together with them, now and then. */
  async #keepSpawner(data: KeeperData): Promise<void> {
    const board = this.#board;
    for (let n = 1; !board.stopped; n++) {
      const workerData: KeeperData = { ...data, seed: data.seed + n * 104_729 };
      const spawner = new Worker(new URL('./spawner.js', import.meta.url), { workerData });
      this.#own.add(spawner);
      spawner.on('error', (error) => this.#failed(error));
      const ended = new Promise<true>((resolve) => spawner.once('exit', () => resolve(true)));
      const life = SPAWNER_LIFE_MS / 4 + this.#random.below(SPAWNER_LIFE_MS);
      const byItself = data.quota === 0 ? await ended : await Promise.race([ended, pause(life)]);
      if (byItself !== true && !board.stopped) {
        for (const slot of data.mine) {
          if (board.moveState(slot, [slotState.booting, slotState.running], slotState.dying))
            board.killed(slot);
        }
        void spawner.terminate();
        if (this.#random.oneIn(2)) this.#block();
      }
      await ended;
      for (const slot of data.mine) board.setState(slot, slotState.empty);
    }
  }

  /** A thread of this one's has just ended: what it holds, unless somebody has recovered it already. */
  #noteHeld(threadId: number): void {
    const add = (what: string) => this.#held.set(what, (this.#held.get(what) ?? 0) + 1);
    const owner = this.#control.rowOf(threadId);
    if (owner === undefined) {
      add('no row (any more)');
      return;
    }
    const held = this.#control.holds(owner);
    if (held.size === 0) add('nothing');
    for (const what of held.keys()) add(what);
  }

  #mark<T>(op: Op, call: () => T): T | undefined {
    this.#board.begin(this.#mainSlot, 0, op);
    try {
      return call();
    } catch (error) {
      const { code } = error as { code?: string };
      if (!this.#options.faults || code !== 'ERR_PINFOLD_IO') throw error;
      return undefined;
    } finally {
      this.#board.end(this.#mainSlot, 0);
    }
  }

  /** Blocks this thread, whose event loop would hear that a worker has ended, in a call that may need what that held. */
  #block(): void {
    const random = this.#random;
    try {
      const file = random.pick([...this.#opened.keys()].filter(({ kind }) => kind !== 'cut'));
      const handle = this.#opened.get(file)!;
      const page = random.below(HOT);
      const how = random.below(4);
      if (how === 0) {
        const promised = new Promised(
          this.#board,
          file,
          Array.from({ length: HOT }, (_, n) => n),
        );
        if (this.#mark('fsyncSync', () => handle.fsyncSync()) !== undefined)
          promised.judge("after main's fsync");
      } else if (how === 1 && file.kind !== 'owned') {
        this.#mark('updateSync', () => this.#author.updateSync(handle, this.#author.plan(file, page, 0)));
      } else if (how === 2) {
        const small = random.pick(this.#files.filter(({ kind }) => kind === 'small'));
        this.#mark('handles', () => openSync(this.#cache, small).closeSync());
      } else {
        const look = new Look(this.#board, file, page);
        if (this.#mark('viewSync', () => handle.viewSync(page, Look.at, look)))
          look.judge('viewSync by main');
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A store that fails, service threads that end. */
  #startTrouble(): NodeJS.Timeout[] {
    const random = this.#random;
    const timers: NodeJS.Timeout[] = [];
    if (this.#options.faults) {
      const fault = () => {
        const call = random.pick(['write', 'flush', 'flush', 'read'] as const);
        const errno = call === 'write' && random.oneIn(2) ? ENOSPC : EIO;
        const [after, times] = [random.below(20), 1 + random.below(3)];
        this.#harness.fail({ call, errno, after, times, yetDone: random.oneIn(2) });
      };
      timers.push(setInterval(fault, FAULT_EVERY_MS));
    }
    if (this.#options.services > 0) {
      const end = () => {
        const service = random.pick([...this.#workers].filter((worker) => !this.#own.has(worker)));
        if (service === undefined || this.#servicesKilled >= this.#options.services) return;
        this.#servicesKilled++;
        void service.terminate();
      };
      timers.push(setInterval(end, SERVICE_EVERY_MS));
    }
    return timers;
  }

  // -- when all workers have ended -----------------------------------------------------------------------------------

  async #judgeRest(): Promise<void> {
    const { plant } = this.#options;
    const cache = this.#cache;
    const [shared] = [...this.#opened.values()] as [CachedFile];
    if (plant === 'pin') shared.pinSync(0);
    if (plant === 'handle') openSync(cache, this.#files.at(-1)!);
    const opened = new Set([...this.#opened.values()].map((handle) => engineOf(handle).id as number));
    const left = await violationsWhenQuiet(shared, () => cache.stats(), {
      ms: this.#options.stallMs,
      opened,
    });
    if (left.length > 0) throw new Violation(`left behind: ${left.join('; ')}`);
    for (const file of this.#files) {
      const handle = this.#opened.get(file) ?? openSync(cache, file);
      this.#opened.set(file, handle);
      this.#board.begin(this.#mainSlot, 0, 'fsync');
      await this.#fsync(handle);
      this.#board.end(this.#mainSlot, 0);
      this.#judgeFile(file, handle);
      await this.#judgeUse(file, handle);
    }
    const now = new Set([...this.#opened.values()].map((handle) => engineOf(handle).id as number));
    const after = await violationsWhenQuiet(shared, () => cache.stats(), {
      ms: this.#options.stallMs,
      opened: now,
    });
    if (after.length > 0) throw new Violation(`left behind by main: ${after.join('; ')}`);
  }

  async #fsync(handle: CachedFile): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await handle.fsync();
        return;
      } catch (error) {
        // What failed while the store did is told once.
        if (!this.#options.faults || tries === FSYNC_TRIES) throw error;
      }
    }
  }

  /** Each page of the file: whole, not older than what was committed, and the same in the file itself. */
  #judgeFile(file: FileSpec, handle: CachedFile): void {
    const { size } = handle;
    const itself = fs.fstatSync(file.fd).size;
    if (itself !== size) {
      throw new Violation(`file ${file.number} has ${itself} bytes, in the cache ${size}`);
    }
    if (file.kind === 'owned' && size < this.#board.pagesGrown * PAGE) {
      throw new Violation(
        `${size} bytes of file ${file.number} are left, ${this.#board.pagesGrown} pages were written`,
      );
    }
    const bytes = new Uint8Array(PAGE);
    for (let page = 0; page * PAGE < size; page++) {
      const where = `at the end, page ${page} of file ${file.number} (${file.kind})`;
      bytes.fill(0);
      handle.readSync(bytes, page * PAGE);
      const look = new Look(this.#board, file, page);
      look.take(bytes);
      look.judge('at the end');
      if (file.device !== undefined) {
        const { offset, length } = file.device;
        const part = bytes.subarray(offset, offset + length);
        const right = file.kind === 'cut' ? isDevices(part) : blockOf(part) > -2;
        if (!right) throw new Violation(`${where}: bytes of several devices' blocks`);
      }
      const there = readFileItself(file, page, { offset: 0, length: PAGE });
      if (!there.equals(bytes)) throw new Violation(`${where}: the file itself has other bytes`);
      if (
        file.kind === 'cut' &&
        !isCutRecord(bytes.subarray(0, file.records[0]!.length), keyOf(file.number, page, 0))
      )
        throw new Violation(`${where}: no record`);
    }
  }

  /** The cache still does all that it did, on each file. */
  async #judgeUse(file: FileSpec, handle: CachedFile): Promise<void> {
    if (handle.size < PAGE) return;
    const author = this.#author;
    const promised = () => new Promised(this.#board, file, [0]);
    author.updateSync(handle, author.plan(file, 0, 0));
    const first = promised();
    handle.fsyncSync();
    first.judge('at the end, after fsyncSync');
    await author.update(handle, author.plan(file, 0, 0));
    const second = promised();
    await handle.fsync();
    second.judge('at the end, after fsync');
    const pin = await handle.pin(0, 'write');
    pin.unpin();
    const look = new Look(this.#board, file, 0);
    await handle.view(0, Look.at, look);
    look.judge('at the end');
    await handle.fsync();
  }

  async #close(): Promise<void> {
    this.#board.begin(this.#mainSlot, 0, 'close');
    for (const handle of this.#opened.values()) handle.closeSync();
    await this.#cache.close();
    this.#board.end(this.#mainSlot, 0);
  }

  /** The process has as many threads and descriptors as before there was a cache. */
  async #judgeCensus(before: Census): Promise<void> {
    const { plant, stallMs } = this.#options;
    if (plant === 'descriptor') fs.openSync(this.#files[0]!.path, 'r');
    if (plant === 'thread') new Worker('setInterval(() => {}, 1000)', { eval: true }).unref();
    const end = performance.now() + stallMs;
    for (;;) {
      const { threads, descriptors } = census();
      // Node reads modules asynchronously, and keeps the file open for ever if the thread is terminated at that moment.
      const extra = descriptors.filter((each) => !before.descriptors.includes(each) && !each.endsWith('.js'));
      if (threads === before.threads && extra.length === 0) return;
      if (performance.now() > end) {
        throw new Violation(
          `the process had ${before.threads} threads before the cache, ${threads} after it; ` +
            `descriptors that it did not have: ${extra.join(', ') || 'none'}`,
        );
      }
      await pause(10);
    }
  }
}
