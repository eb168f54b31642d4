// One worker of the storm: lanes of random calls on the shared files, with the oracle, until it is terminated or ends.
import fs from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { CachedFile, Page, PageCache } from 'pinfold';
import { attachHarness, engineOf, fsyncSyncWith } from '#harness';
import { Author } from './author.ts';
import { Board, LANES, type Op, slotState } from './board.ts';
import { DEVICE, type FileSpec, ownerOf, PAGE } from './files.ts';
import { PLANNED, type WorkerData } from './keeper.ts';
import { halfRecord, judgeBlock, Look, Promised, sleep, Violation } from './oracle.ts';
import { Random } from './random.ts';
import { blockOf, deviceBlock, fillRecord, inspectRecord, keyOf } from './record.ts';

const data = workerData as WorkerData;
const { slot, worker, slots, files, devices, faults, plant } = data;
const board = new Board(data.board);
const random = new Random(data.seed);
const author = new Author(board, random, worker);

const HOT = 6;
const LINGER_MS = 8;
const HELD_MAX = 2;
const NEST_MAX = 3;
const SAMPLES = 16;
const BLOCK_TIMEOUT_MS = 30;
/** Rows and file rows of those who were terminated come back within this, ms. */
const RETURN_MS = 10_000;
/** A dead thread's pins are dropped within this, as a rule, ms. */
const DROPPED_MS = 1500;
/** One attachment in so many is given back and made anew. */
const REATTACH_STEPS = 300;
const PLANT_EVERY = 40;

const RANGE = 'ERR_PINFOLD_RANGE';
const BLOCKED = ['ERR_PINFOLD_PIN_TIMEOUT', 'ERR_PINFOLD_TIMEOUT'];
const undone = new Error('undo this');

type Cuttable = CachedFile & { truncate?(size: number): Promise<void>; truncateSync?(size: number): void };

const codeOf = (error: unknown) => (error as { code?: string }).code ?? '';
const turn = () => new Promise((resolve) => setImmediate(resolve));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tries again as long as the call fails with this code: what a dead thread had comes back in time. */
async function patiently<T>(code: string, call: () => T | Promise<T>): Promise<T> {
  const end = performance.now() + RETURN_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (codeOf(error) !== code || performance.now() > end) throw error;
      await pause(5);
    }
  }
}

const kinds = {
  shared: files.find(({ kind }) => kind === 'shared')!,
  devices: files.find(({ kind }) => kind === 'devices')!,
  owned: files.find(({ kind }) => kind === 'owned')!,
  cut: files.find(({ kind }) => kind === 'cut')!,
};
const smalls = files.filter(({ kind }) => kind === 'small');

let cache: PageCache;
let opened: Map<FileSpec, CachedFile>;
/** Owned pages that a lane is at: others leave them alone. */
const taken = new Set<FileSpec | string>();
/** Pages of the devices' file on which a device's block has settled, by this worker. */
const settled = new Map<number, { block: number }>();
async function attach(): Promise<void> {
  cache = await patiently('ERR_PINFOLD_THREADS', () => attachHarness(data.handle));
  opened = new Map();
  for (const file of Object.values(kinds)) opened.set(file, await open(file.path, { direct: file.direct }));
}

/** An fsync that timed out goes on for a while, and is under way till then. */
const detach = () => patiently('ERR_PINFOLD_BUSY', () => cache.detach());

const open = (path: string, options = {}) =>
  patiently('ERR_PINFOLD_FILES', () =>
    random.oneIn(2) ? cache.openSync(path, options) : cache.open(path, options),
  );

function linger(): void {
  const ms = random.below(LINGER_MS * 1000) / 1000;
  if (random.oneIn(2)) sleep(ms);
  else for (const end = performance.now() + ms; performance.now() < end; );
}

interface Target {
  readonly file: FileSpec;
  readonly handle: CachedFile;
  readonly page: number;
}

class Lane {
  readonly #lane: number;
  readonly #held: Page[] = [];

  constructor(lane: number) {
    this.#lane = lane;
  }

  /** One call, known to the board while it lasts. Errors with these codes may come. */
  async #do(op: Op, call: () => unknown, ...allowed: string[]): Promise<void> {
    board.begin(slot, this.#lane, op);
    try {
      await call();
      board.end(slot, this.#lane);
    } catch (error) {
      const code = codeOf(error);
      if (!allowed.includes(code) && !(faults && code === 'ERR_PINFOLD_IO')) {
        throw new Error(`${op}: ${(error as Error).message}`, { cause: error });
      }
      board.end(slot, this.#lane, true);
    }
  }

  // -- what is worked on ---------------------------------------------------------------------------------------------

  #page(file: FileSpec): number {
    const pages = file.kind === 'owned' ? board.pagesGrown : file.pages;
    return random.oneIn(3) ? random.below(Math.min(HOT, pages)) : random.below(pages);
  }

  /** A file whose records are known, and a page of it. */
  #target(): Target {
    const file = random.pick([kinds.shared, kinds.shared, kinds.devices, kinds.owned]);
    return { file, handle: opened.get(file)!, page: this.#page(file) };
  }

  /** A page that any worker may update. */
  #updatable(): Target {
    const file = random.pick([kinds.shared, kinds.shared, kinds.devices]);
    return { file, handle: opened.get(file)!, page: this.#page(file) };
  }

  /** A page that is this worker's. */
  #ownPage(from: number, to: number): number {
    for (;;) {
      const page = from + random.below(to - from);
      if (ownerOf(page, slots) === slot) return page;
    }
  }

  /** Does `work` unless another lane is at these pages. */
  async #alone(file: FileSpec, pages: number[], work: () => Promise<void>): Promise<void> {
    const names = pages.map((page) => `${file.number}:${page}`);
    if (names.some((name) => taken.has(name))) return;
    for (const name of names) taken.add(name);
    try {
      await work();
    } finally {
      for (const name of names) taken.delete(name);
    }
  }

  // -- calls ---------------------------------------------------------------------------------------------------------

  #look(file: FileSpec, handle: CachedFile, page: number, how: string): readonly number[] {
    const look = new Look(board, file, page);
    handle.viewSync(page, Look.at, look);
    return look.judge(how);
  }

  async #update(): Promise<void> {
    const { file, handle, page } = this.#updatable();
    const change = author.plan(file, page, 0);
    if (random.oneIn(3)) await this.#do('update', () => author.update(handle, change));
    else await this.#do('updateSync', () => author.updateSync(handle, change));
  }

  async #longUpdate(): Promise<void> {
    const { file, handle, page } = this.#updatable();
    const change = author.plan(file, page, 0, linger);
    await this.#do('long update', () =>
      random.oneIn(2) ? author.updateSync(handle, change) : author.update(handle, change),
    );
  }

  async #throwing(): Promise<void> {
    const { file, handle, page } = this.#updatable();
    await this.#do('update that throws', async () => {
      const fail = () => {
        if (random.oneIn(2)) linger();
        throw undone;
      };
      const change = author.plan(file, page, 0, fail);
      try {
        if (random.oneIn(2)) author.updateSync(handle, change);
        else await author.update(handle, change);
      } catch (error) {
        if (error !== undone) throw error;
      }
      this.#look(file, handle, page, 'after an update that threw');
    });
  }

  /** Updates inside updates, always in one order, so that no two workers wait for each other. */
  async #nested(): Promise<void> {
    const targets = new Map<string, Target>();
    for (let n = 2 + random.below(NEST_MAX - 1); n > 0; n--) {
      const target = this.#updatable();
      targets.set(`${target.file.number}:${target.page}`, target);
    }
    const chain = [...targets.values()].sort((a, b) => a.file.number - b.file.number || a.page - b.page);
    const failsAt = random.oneIn(3) ? random.below(chain.length) : -1;
    const other = this.#target();
    const looks = !targets.has(`${other.file.number}:${other.page}`);
    const inside = (depth: number): void => {
      const next = chain[depth];
      if (next === undefined) {
        if (random.oneIn(4)) linger();
        // A page that is being updated is written all the same, as it was before.
        if (random.oneIn(16)) other.handle.fsyncSync();
        else if (looks) this.#look(other.file, other.handle, other.page, 'view in an update');
        return;
      }
      const fails = depth === failsAt;
      const halfway = () => {
        inside(depth + 1);
        if (fails) throw undone;
      };
      author.updateSync(next.handle, author.plan(next.file, next.page, 0, halfway));
    };
    await this.#do('nested update', () => {
      try {
        inside(0);
      } catch (error) {
        if (error !== undone) throw error;
        for (const { file, handle, page } of chain) this.#look(file, handle, page, 'after nested updates');
      }
    });
  }

  /** Records into pages of this worker's own: pages as a whole, or from the back of one to the front of the next. */
  async #write(op: 'writeSync' | 'write' | 'extend'): Promise<void> {
    const file = kinds.owned;
    const handle = opened.get(file)!;
    const grown = board.pagesGrown;
    if (op === 'extend' && grown + 8 * slots >= file.pages) return;
    // Behind the end, and not always right behind it: a gap reads as zeros.
    const first = op === 'extend' ? this.#ownPage(grown, grown + 8 * slots) : this.#ownPage(0, grown);
    const room = 4 - (first % 4);
    const spans = room > 1 && random.oneIn(2);
    const pages = Array.from({ length: spans ? 2 : 1 + random.below(room) }, (_, n) => first + n);
    const parts = pages.flatMap((page) => [0, 1].map((record) => ({ page, record })));
    if (spans) {
      parts.shift();
      parts.pop();
    }
    const areas = parts.map((part) => file.records[part.record]!);
    const position = first * PAGE + areas[0]!.offset;
    await this.#alone(file, pages, () =>
      this.#do(op, async () => {
        const source = new Uint8Array(areas.reduce((sum, { length }) => sum + length, 0));
        const seqs: number[] = [];
        let at = 0;
        for (const [n, { page, record }] of parts.entries()) {
          const there =
            (page + 1) * PAGE <= handle.size ? this.#look(file, handle, page, 'before a write') : undefined;
          // A page that ends the file as yet has been seen by its owner alone, so what it committed is what is there.
          const seq = 1 + (there?.[record] ?? this.#partial(file, handle, page, record));
          seqs.push(seq);
          const { length } = areas[n]!;
          fillRecord(source.subarray(at, at + length), keyOf(file.number, page, record), worker, seq);
          at += length;
        }
        const async = op === 'write' || (op === 'extend' && random.oneIn(2));
        const n = async ? await handle.write(source, position) : handle.writeSync(source, position);
        if (n !== source.length) throw new Violation(`${n} of ${source.length} bytes written`);
        for (const [n, { page, record }] of parts.entries()) author.committed(file, page, record, seqs[n]!);
        board.grow(Math.floor((position + source.length) / PAGE));
      }),
    );
  }

  /** The number of a record in a page that the file has not got as a whole: 0 if it has nothing of it. */
  #partial(file: FileSpec, handle: CachedFile, page: number, record: number): number {
    const { offset, length } = file.records[record]!;
    const bytes = new Uint8Array(length);
    if (handle.readSync(bytes, page * PAGE + offset) === 0) return 0;
    const seq = inspectRecord(bytes, keyOf(file.number, page, record));
    if (seq < 0) throw new Violation(`before a write: ${halfRecord(file, page, record, bytes)}`);
    return seq;
  }

  async #view(): Promise<void> {
    const { file, handle, page } = this.#target();
    const look = new Look(board, file, page);
    if (random.oneIn(3)) {
      await this.#do('view', async () => {
        await handle.view(page, Look.at, look);
        look.judge('view');
      });
    } else {
      await this.#do('viewSync', () => {
        handle.viewSync(page, Look.at, look);
        look.judge('viewSync');
      });
    }
  }

  async #read(): Promise<void> {
    const { file, handle, page } = this.#target();
    const look = new Look(board, file, page);
    const bytes = new Uint8Array(PAGE);
    const async = random.oneIn(3);
    await this.#do(async ? 'read' : 'readSync', async () => {
      const n = async ? await handle.read(bytes, page * PAGE) : handle.readSync(bytes, page * PAGE);
      if (n !== PAGE) throw new Violation(`${n} bytes of page ${page} read`);
      look.take(bytes);
      look.judge(async ? 'read' : 'readSync');
    });
  }

  /** A device stores into a pinned page; it may be at it when this worker is terminated. */
  async #device(op: 'DMA' | 'slow DMA'): Promise<void> {
    const cut = random.oneIn(4);
    const file = cut ? kinds.cut : kinds.devices;
    const handle = opened.get(file)!;
    const page = this.#ownPage(0, file.pages);
    await this.#alone(file, [page], () =>
      this.#do(
        op,
        async () => {
          const pin = random.oneIn(2) ? await handle.pin(page, 'write') : handle.pinSync(page, 'write');
          if (!cut) {
            settled.delete(page);
            board.setDevicePage(slot, this.#lane, page);
          }
          const block = random.below(devices.blocks);
          try {
            await transfer(pin.bytes, op === 'slow DMA' ? undefined : block);
            const there = blockOf(pin.bytes.subarray(DEVICE.offset));
            if (!cut && (there < 0 || (op === 'DMA' && there !== block))) {
              throw new Violation(`under a pin of page ${page}: device's block ${there}, asked for ${block}`);
            }
            if (!cut) settled.set(page, { block: there });
          } finally {
            pin.unpin();
            if (!cut) board.setDevicePage(slot, this.#lane, undefined);
          }
        },
        RANGE,
      ),
    );
  }

  async #pin(): Promise<void> {
    const file = random.pick([kinds.shared, kinds.devices, kinds.owned, kinds.cut]);
    const handle = opened.get(file)!;
    const page = file.kind === 'cut' ? random.below(file.pages) : this.#page(file);
    const mode = file.device !== undefined && random.oneIn(2) ? 'write' : 'read';
    const hold = (pin: Page | undefined) => {
      if (pin === undefined) return;
      // An update may have it half changed, but where it stands does not change.
      for (const [record, { offset }] of file.records.entries()) {
        const key = new Int32Array(pin.bytes.buffer, pin.bytes.byteOffset + offset, 3)[2];
        if (key === 0 || key === keyOf(file.number, page, record)) continue;
        throw new Violation(`under a pin of page ${page} of file ${file.number}: another page`);
      }
      this.#held.push(pin);
      while (this.#held.length > random.below(HELD_MAX + 1)) this.#drop();
    };
    const how = random.below(3);
    if (how === 0) await this.#do('pin', async () => hold(await handle.pin(page, mode)), RANGE);
    else if (how === 1) await this.#do('pin', () => hold(handle.pinSync(page, mode)), RANGE);
    else await this.#do('tryPin', () => hold(handle.tryPin(page, mode)), RANGE);
  }

  #drop(): void {
    const pin = this.#held.splice(random.below(this.#held.length), 1)[0]!;
    if (random.oneIn(3)) pin.unpin({ dirty: false });
    else pin.unpin();
  }

  dropAll(): void {
    while (this.#held.length > 0) this.#drop();
  }

  async #prefetch(): Promise<void> {
    const { handle, page } = this.#target();
    const count = random.below(8);
    if (random.oneIn(2)) await this.#do('prefetch', () => handle.prefetch(page, count));
    else await this.#do('prefetchSync', () => handle.prefetchSync(page, count));
  }

  #samples(file: FileSpec): number[] {
    const pages = Array.from({ length: SAMPLES }, () => this.#page(file));
    return [...pages, ...author.recent(file)];
  }

  async #fsync(): Promise<void> {
    const file = random.pick([kinds.shared, kinds.devices, kinds.owned, kinds.cut]);
    const handle = opened.get(file)!;
    const how = random.pick(['fsyncSync', 'fsyncSync', 'fsync', 'fsync', 'fsync block'] as const);
    await this.#do(
      how,
      async () => {
        const promised = new Promised(board, file, this.#samples(file));
        const blocks = file === kinds.devices ? [...settled] : [];
        const timeout = BLOCK_TIMEOUT_MS;
        if (how === 'fsyncSync') handle.fsyncSync();
        else if (how === 'fsync') await handle.fsync();
        else if (random.oneIn(2)) handle.fsyncSync({ policy: 'block', timeout });
        else await handle.fsync({ policy: 'block', timeout });
        promised.judge(`after ${how}`);
        for (const [page, block] of blocks)
          if (settled.get(page) === block) judgeBlock(file, page, block.block);
      },
      ...(how === 'fsync block' ? BLOCKED : []),
    );
  }

  /** Another handle of a file that is open. */
  async #handles(): Promise<void> {
    const { file, page } = this.#target();
    await this.#do('handles', async () => {
      const { direct } = file;
      const handle = await open(file.path, random.oneIn(2) ? { mode: 'r', direct } : { direct });
      this.#look(file, handle, page, 'by another handle');
      handle.closeSync();
    });
  }

  /** A file that nobody keeps open: its row and descriptors come and go. */
  async #small(): Promise<void> {
    const file = random.pick(smalls);
    await this.#do('small files', async () => {
      const { direct } = file;
      const handle = await open(file.path, { direct });
      for (let n = random.below(4); n > 0; n--) {
        const page = random.below(file.pages);
        if (random.oneIn(2)) author.updateSync(handle, author.plan(file, page, 0));
        else this.#look(file, handle, page, 'view of a small file');
      }
      if (random.oneIn(3)) {
        const promised = new Promised(
          board,
          file,
          Array.from({ length: file.pages }, (_, n) => n),
        );
        if (random.oneIn(2)) handle.fsyncSync();
        else await handle.fsync();
        promised.judge('after fsync of a small file');
      }
      handle.closeSync();
    });
  }

  /** A file that the cache creates. */
  async #newFile(): Promise<void> {
    const path = `${kinds.shared.path}-by-${worker}-${this.#lane}-${random.below(1e6)}`;
    await this.#do('new file', async () => {
      const direct = random.oneIn(2) && files.some((file) => file.direct);
      const handle = await open(path, { create: true, direct });
      const bytes = deviceBlock(worker, 100 + random.below(3 * PAGE));
      handle.writeSync(bytes, 0);
      const synced = random.oneIn(2);
      if (synced) {
        handle.fsyncSync();
        if (!fs.readFileSync(path).equals(bytes)) throw new Violation(`${path} is not what was written`);
      }
      handle.closeSync();
      fs.unlinkSync(path);
    });
  }

  async #truncate(): Promise<void> {
    const file = kinds.cut;
    const handle: Cuttable = opened.get(file)!;
    if (handle.truncateSync === undefined) return;
    const size = random.below(file.pages) * PAGE + random.below(PAGE / 4) * 4;
    await this.#do('truncate', async () => {
      if (random.oneIn(2) || handle.truncate === undefined) handle.truncateSync?.(size);
      else await handle.truncate(size);
    });
  }

  /** Anything on the file that is cut: only the form of its pages is known. */
  async #cutFile(): Promise<void> {
    const file = kinds.cut;
    const handle = opened.get(file)!;
    const page = random.below(file.pages);
    const front = file.records[0]!;
    await this.#do(
      'cut file',
      async () => {
        const how = random.below(6);
        if (how === 0) this.#look(file, handle, page, 'view of the cut file');
        else if (how === 1) {
          const look = new Look(board, file, page);
          await handle.view(page, Look.at, look);
          look.judge('view of the cut file');
        } else if (how === 2) {
          const look = new Look(board, file, page);
          const bytes = new Uint8Array(PAGE); // what is past the end stays zero
          handle.readSync(bytes, page * PAGE);
          look.take(bytes);
          look.judge('read of the cut file');
        } else if (how === 3) {
          const change = author.plan(file, page, 0, random.oneIn(3) ? linger : undefined);
          if (random.oneIn(2)) author.updateSync(handle, change);
          else await author.update(handle, change);
        } else {
          const source = new Uint8Array(front.length);
          fillRecord(source, keyOf(file.number, page, 0), worker, 1);
          if (random.oneIn(2)) handle.writeSync(source, page * PAGE);
          else await handle.write(source, page * PAGE);
        }
      },
      RANGE,
    );
  }

  async #see(): Promise<void> {
    await this.#do('look', () => {
      const { owned } = kinds;
      const grown = board.pagesGrown;
      const { size } = opened.get(owned)!;
      if (size < grown * PAGE)
        throw new Violation(`the size is ${size}, ${grown} pages were there before the look`);
      const { readPins, writePins, owners } = cache.stats();
      if (readPins < 0 || writePins < 0 || owners < 1)
        throw new Violation('stats() has pins or owners below 0');
      if (random.oneIn(8))
        for (const { index } of cache.pages()) if (index < 0) throw new Violation('pages()');
    });
  }

  async step(): Promise<void> {
    const at = random.below(100);
    if (at < 18) await this.#update();
    else if (at < 22) await this.#longUpdate();
    else if (at < 26) await this.#throwing();
    else if (at < 31) await this.#nested();
    else if (at < 38) await this.#write('writeSync');
    else if (at < 43) await this.#write('write');
    else if (at < 45) await this.#write('extend');
    else if (at < 55) await this.#view();
    else if (at < 62) await this.#read();
    else if (at < 67) await this.#device('DMA');
    else if (at < 70) await this.#device('slow DMA');
    else if (at < 76) await this.#pin();
    else if (at < 79) await this.#prefetch();
    else if (at < 86) await this.#fsync();
    else if (at < 87) await this.#handles();
    else if (at < 90) await this.#small();
    else if (at < 91) await this.#newFile();
    else if (at < 93) await this.#truncate();
    else if (at < 98) await this.#cutFile();
    else await this.#see();
  }
}

/** A device's transfer into the last part of a page: of a block, or of what comes by and by. */
function transfer(page: Uint8Array, block: number | undefined): Promise<void> {
  const { offset, length } = DEVICE;
  if (block === undefined) board.askDevice();
  const [fd, position] = block === undefined ? [devices.slowFd, null] : [devices.fd, block * length];
  return new Promise((resolve, reject) =>
    fs.read(fd, page, offset, length, position, (error, n) =>
      error || n !== length ? reject(error ?? new Error(`the device stored ${n} bytes`)) : resolve(),
    ),
  );
}

// -- What is broken on purpose, to see that the oracle notices ---------------------------------------------------------

function breakSomething(): void {
  const file = kinds.devices;
  const handle = opened.get(file)!;
  const page = random.below(HOT);
  const { length } = file.records[0]!;
  const key = keyOf(file.number, page, 0);
  if (plant === 'half' || plant === 'foreign') {
    const pin = handle.pinSync(page, 'write');
    if (plant === 'half') fillRecord(pin.bytes.subarray(0, length), key, worker, 1_000_000, 0, length >> 3);
    else pin.bytes.fill(0xff, DEVICE.offset + 100, DEVICE.offset + 110);
    pin.unpin();
  } else if (plant === 'stale') {
    handle.updateSync(page, (bytes) => fillRecord(bytes, key, worker, 1), undefined, file.records[0]);
  } else if (plant === 'fsync') {
    // An fsync that passes pinned pages over, and says that all is stable.
    const pin = handle.pinSync(page, 'write');
    author.updateSync(handle, author.plan(file, page, 0));
    const promised = new Promised(board, file, [page]);
    fsyncSyncWith(handle, { policy: 'skip' });
    promised.judge('after an fsync that skips');
    pin.unpin();
  } else if (plant === 'hang') {
    const { attachment, id } = engineOf(handle);
    attachment.kernel.control.flushTry(id); // and never give it back
    board.begin(slot, 0, 'fsyncSync');
    author.updateSync(handle, author.plan(file, page, 0));
    handle.fsyncSync();
  }
}

// -- The worker's life -------------------------------------------------------------------------------------------------

let steps = 0;
const isOver = () => board.stopped || steps >= data.steps;

/**
 * What devices stored for this slot's last worker: it came before that thread was gone, and once its pin has dropped the
 * next fsync must store it. Nobody lets devices store there but this slot's workers.
 */
async function inherit(): Promise<void> {
  const file = kinds.devices;
  const pages = new Set(board.takeDevicePages(slot));
  if (pages.size === 0) return;
  const path = fs.realpathSync(file.path);
  const pinned = () =>
    [...cache.pages()].filter(
      (page) => page.file === path && pages.has(page.index) && page.pins.some(({ mode }) => mode === 'write'),
    );
  const end = performance.now() + DROPPED_MS;
  while (pinned().length > 0 && performance.now() < end) await pause(5);
  for (const { index } of pinned()) pages.delete(index); // by others too, who store nothing, but then nothing is known
  for (const page of pages) {
    const block = throughFaults(() =>
      opened.get(file)!.viewSync(page, (bytes) => blockOf(bytes.subarray(DEVICE.offset))),
    );
    if (block < -1) throw new Violation(`page ${page}: a device's block is there in part`);
    settled.set(page, { block });
  }
}

/** Does a call that has to come through, though the store may be made to fail now and then. */
function throughFaults<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!faults || codeOf(error) !== 'ERR_PINFOLD_IO') throw error;
    }
  }
}

/** One attachment: until the worker's end, or for some steps. */
async function attachment(): Promise<void> {
  board.begin(slot, 0, 'attach');
  await attach();
  board.end(slot, 0);
  board.moveState(slot, [slotState.booting], slotState.running);
  await inherit();
  const until = steps + random.below(REATTACH_STEPS);
  const lanes = Array.from({ length: LANES }, (_, lane) => new Lane(lane));
  await Promise.all(
    lanes.map(async (lane) => {
      while (!isOver() && steps < until) {
        steps++;
        await lane.step();
        if (plant !== undefined && slot === 0 && steps % PLANT_EVERY === 0) breakSomething();
        if (random.oneIn(6)) await turn();
      }
      if (!isOver() || data.end === 'detach') lane.dropAll();
    }),
  );
}

async function live(): Promise<void> {
  for (;;) {
    await attachment();
    if (isOver()) break;
    board.begin(slot, 0, 'detach');
    for (const handle of opened.values()) if (random.oneIn(2)) handle.closeSync();
    await detach();
    board.end(slot, 0);
  }
  board.moveState(slot, [slotState.running, slotState.booting], slotState.ended);
  if (data.end === 'detach') await detach();
  // A device is at work when the thread ends: its pin drops when the thread is gone.
  else if (random.oneIn(2)) {
    const page = random.below(kinds.devices.pages);
    if (ownerOf(page, slots) === slot) {
      board.setDevicePage(slot, 0, page);
      const { bytes } = throughFaults(() => opened.get(kinds.devices)!.pinSync(page, 'write'));
      transfer(bytes, random.below(devices.blocks)).catch(() => {});
    }
  }
  if (data.end === 'exit') process.exit();
  if (data.end === 'exit in an update') {
    const change = author.plan(kinds.shared, random.below(kinds.shared.pages), 0, () => process.exit());
    throughFaults(() => author.updateSync(opened.get(kinds.shared)!, change));
  }
  if (data.end === 'throw')
    setImmediate(() => {
      throw new Error(PLANNED);
    });
}

try {
  await live();
} catch (error) {
  let text = '';
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    text += `${text ? '  because of ' : ''}${codeOf(at)} ${at instanceof Violation ? at.message : at.stack}\n`;
  }
  board.violation(`worker ${worker} in slot ${slot}: ${text}`);
}
