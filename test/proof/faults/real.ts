// The same over real caches: real files, worker threads and service threads, and the harness's store, whose nth call of a
// kind fails in whatever thread makes it.
import fs from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CachedFile, CacheOptions, OpenOptions } from 'pinfold';
import { createHarness, engineOf, type Fault, type HarnessCache } from '#harness';
import { directObstacle } from '../../support/direct.ts';
import { violations } from '../../support/invariants.ts';
import { inThread } from '../../support/thread.ts';
import { until } from '../../support/until.ts';

const PAGE = 4096;
const { EIO, ENOSPC, EDQUOT, EINTR } = constants.errno;
/** How long any one call may take. */
const LIMIT_MS = 15_000;

/** A fault without its place. */
export type RealFault = Omit<Fault, 'after'>;

/** Every way in which a real call is made to fail: once, and until it is healed. */
const realFaults: readonly RealFault[] = [
  ...[EIO, ENOSPC, EDQUOT].flatMap((errno) => ways({ call: 'write', errno })),
  ...ways({ call: 'write', errno: EIO, yetDone: true }),
  ...ways({ call: 'write', errno: 0 }),
  { call: 'write', errno: EINTR, times: 1 },
  ...[EIO, EINTR].flatMap((errno) => ways({ call: 'flush', errno })),
  ...ways({ call: 'flush', errno: EIO, yetDone: true }),
  ...ways({ call: 'read', errno: EIO }),
  ...ways({ call: 'read', errno: 0 }),
  { call: 'read', errno: EINTR, times: 1 },
  ...ways({ call: 'resize', errno: EIO }),
  ...ways({ call: 'resize', errno: EIO, yetDone: true }),
  ...ways({ call: 'syncDirectory', errno: EIO }),
];

/** Those that a workload is swept with. */
export function faultsOf({ slow }: RealWorkload): readonly RealFault[] {
  const plain = ({ errno, yetDone }: RealFault) => errno === EIO && !yetDone;
  return slow ? realFaults.filter(plain) : realFaults;
}

function ways(fault: RealFault): RealFault[] {
  return [{ ...fault, times: 1 }, fault];
}

export const describeFault = ({ call, errno, after = 0, times, yetDone }: Fault) =>
  `${call} ${after} ${errno === 0 ? 'is cut short' : `fails with errno ${errno}`}` +
  `${yetDone ? ', yet done' : ''}${times === undefined ? ', and all after it' : ''}`;

export interface RealWorkload {
  readonly name: string;
  readonly options?: CacheOptions;
  /** The file's size in pages. */
  readonly pages: number;
  /** Each run has a cache of its own, which it closes. */
  readonly own?: boolean;
  /** A run takes long: the plainest faults only. */
  readonly slow?: boolean;
  prepare(run: Run): Promise<void>;
  work(run: Run): Promise<void>;
}

const QUIET: CacheOptions = { writebackIntervalMs: 2 ** 30, dirtyBackgroundRatio: 1, dirtyRatio: 1 };

/** One run of a workload: a file in a cache, and what it should hold. */
class Run {
  readonly harness: HarnessCache;
  readonly path: string;
  readonly file: CachedFile;
  readonly other: CachedFile;
  model: Buffer;
  heard = 0;
  fsyncs = 0;
  /** The errno that calls are made to fail with. */
  readonly #errno: number;

  constructor(
    harness: HarnessCache,
    path: string,
    [file, other]: readonly [CachedFile, CachedFile],
    errno: number,
  ) {
    this.harness = harness;
    this.path = path;
    this.file = file;
    this.other = other;
    this.model = fs.readFileSync(path);
    this.#errno = errno;
  }

  /** Awaits a call: whether it came to its end. An error has to be the system's, in the library's form. */
  async call(what: string, does: () => unknown): Promise<boolean> {
    try {
      await within(what, (async () => await does())());
      return true;
    } catch (error) {
      this.#checkError(what, error as NodeJS.ErrnoException);
      this.heard++;
      return false;
    }
  }

  #checkError(what: string, error: NodeJS.ErrnoException): void {
    const cause = error.cause as NodeJS.ErrnoException | undefined;
    if (error.code !== 'ERR_PINFOLD_IO') throw new Error(`${what} ends with ${error.stack}`);
    if (cause?.errno !== -this.#errno)
      throw new Error(`${what} fails with ${cause?.code}, which nothing reported`);
  }

  /** Writes within a page, until that comes through if it must. */
  async write(file: CachedFile, position: number, value: number): Promise<void> {
    const bytes = Buffer.alloc(9, value);
    if (!(await this.call('write', () => file.write(bytes, position)))) return;
    this.#grow(position + bytes.length);
    bytes.copy(this.model, position);
  }

  #grow(size: number): void {
    if (size <= this.model.length) return;
    this.model = Buffer.concat([this.model, Buffer.alloc(size - this.model.length)]);
  }

  async truncate(file: CachedFile, size: number): Promise<void> {
    if (!(await this.call('truncate', () => file.truncate(size)))) return;
    this.model = this.model.subarray(0, size);
    this.#grow(size);
  }

  /** An fsync; if it resolves, the file has everything. */
  async fsync(file: CachedFile, inPlace = false): Promise<boolean> {
    this.fsyncs++;
    const done = await this.call('fsync', () => (inPlace ? file.fsyncSync() : file.fsync()));
    if (done) this.checkFile('after fsync');
    return done;
  }

  checkFile(when: string): void {
    const bytes = fs.readFileSync(this.path);
    if (bytes.equals(this.model)) return;
    const at = bytes.findIndex((byte, n) => byte !== this.model[n]);
    throw new Error(
      `${when} the file has ${bytes.length} bytes (${this.model.length}), others from ${at} on`,
    );
  }

  /** The store works again: two fsyncs are enough, and everything is there and in order. */
  async settle(): Promise<void> {
    this.harness.heal();
    for (const file of [this.file, this.other]) {
      if (!(await this.fsync(file)) && !(await this.fsync(file)))
        throw new Error('fsync fails over a store that works');
    }
    const { cache } = this.harness;
    const bytes = Buffer.alloc(this.model.length);
    this.file.readSync(bytes, 0);
    if (!bytes.equals(this.model)) throw new Error('the cache has other bytes than were written');
    const { kernel } = engineOf(this.file).attachment;
    let wrong: string[] = [];
    await until(
      'the cache is in order',
      () => {
        wrong = violations(kernel, PAGE, cache.stats());
        return wrong.length === 0;
      },
      3000,
    ).catch(() => {
      throw new Error(wrong.join('; '));
    });
  }
}

async function within<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), LIMIT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const dirty = async (run: Run, value: number, ...pages: number[]) => {
  for (const page of pages) await run.write(run.file, page * PAGE + 11, value + page);
};

export const realWorkloads: readonly RealWorkload[] = [
  {
    name: 'fsync of many pages, some pinned',
    pages: 8,
    options: QUIET,
    prepare: (run) => dirty(run, 100, 0, 1, 2, 5, 7),
    async work(run) {
      const page = run.file.pinSync(1, 'write');
      page.bytes[0] = 201;
      run.model[PAGE] = 201;
      try {
        await run.fsync(run.file);
        await dirty(run, 120, 1, 3);
        await run.fsync(run.other, true);
      } finally {
        page.unpin();
      }
      await run.fsync(run.file);
    },
  },
  {
    name: 'writeback in the background',
    pages: 8,
    options: { dirtyExpireMs: 0, writebackIntervalMs: 2 },
    prepare: async () => {},
    async work(run) {
      await dirty(run, 100, 0, 1, 3);
      const { cache, struck } = run.harness;
      const before = struck('write');
      await until(
        'the flusher has been there',
        () => cache.stats().dirty === 0 || struck('write') > before,
        5000,
      );
      await dirty(run, 130, 3, 4);
      await run.fsync(run.file);
      await run.fsync(run.other);
    },
  },
  {
    name: 'misses in a pool of dirty pages',
    pages: 90,
    slow: true,
    options: { ...QUIET, memory: 256 * 1024 },
    prepare: (run) => dirty(run, 20, ...Array.from({ length: 56 }, (_, n) => n)),
    async work(run) {
      await run.call('view', () => run.file.view(60, () => 0));
      await run.call('viewSync', () => run.other.viewSync(63, () => 0));
      await dirty(run, 30, 66, 70, 75);
      await run.fsync(run.file);
    },
  },
  {
    name: 'truncates and extensions',
    pages: 9,
    options: QUIET,
    prepare: (run) => dirty(run, 100, 2, 5, 8),
    async work(run) {
      await run.truncate(run.file, 5 * PAGE + 50);
      await run.fsync(run.other);
      await run.truncate(run.file, 8 * PAGE + 5);
      await dirty(run, 140, 6);
      await run.fsync(run.file, true);
      await run.truncate(run.other, 3 * PAGE);
      await run.fsync(run.other);
    },
  },
  {
    name: 'reads, prefetches, updates',
    pages: 20,
    options: QUIET,
    prepare: async () => {},
    async work(run) {
      await run.call('prefetch', () => run.file.prefetch(3, 5));
      for (const page of [1, 4, 12]) {
        const change = (bytes: Uint8Array) => bytes.fill(77, 5, 9);
        if (await run.call('update', () => run.file.update(page, change)))
          run.model.fill(77, page * PAGE + 5, page * PAGE + 9);
      }
      const target = Buffer.alloc(3 * PAGE);
      if (await run.call('read', () => run.other.read(target, 15 * PAGE - 7))) {
        if (!target.equals(run.model.subarray(15 * PAGE - 7, 18 * PAGE - 7)))
          throw new Error('read gives other bytes');
      }
      await run.fsync(run.file);
    },
  },
  {
    name: 'callers of fsync in several threads',
    pages: 12,
    slow: true,
    options: QUIET,
    async prepare(run) {
      run.file.prefetchSync(0, 12);
      await dirty(run, 100, 0, 1, 2);
    },
    async work(run) {
      const threads = [4, 8].map((page) =>
        inThread(run.harness.cache.handle, { path: run.path, direct: run.file.direct, page }, syncingThread),
      );
      const mine = await Promise.allSettled([run.file, run.other, run.file].map((file) => run.fsync(file)));
      const ends = await within('a thread', Promise.all(threads));
      for (const [n, values] of ends.entries()) {
        const start = [4, 8][n]! * PAGE;
        for (const [at, value] of values.entries()) run.model[start + at * PAGE] = value;
      }
      for (const end of mine) if (end.status === 'rejected' && !isEarlyLook(end.reason)) throw end.reason;
    },
  },
  {
    name: 'a throttled writer',
    pages: 40,
    options: { memory: 256 * 1024, dirtyRatio: 0.1, dirtyBackgroundRatio: 0.05 },
    prepare: async () => {},
    async work(run) {
      await dirty(run, 60, ...Array.from({ length: 24 }, (_, n) => n));
      await run.fsync(run.other);
    },
  },
  {
    name: 'a file created, closed and opened again',
    pages: 0,
    options: QUIET,
    prepare: async () => {},
    async work(run) {
      await run.write(run.file, 0, 101);
      await run.fsync(run.file);
      await run.write(run.other, PAGE + 5, 102);
      const again = await run.harness.cache.open(run.path, { direct: run.file.direct });
      await run.fsync(again);
      await again.close();
    },
  },
  {
    name: 'closing the cache with dirty pages',
    pages: 8,
    own: true,
    slow: true,
    options: QUIET,
    prepare: (run) => dirty(run, 100, 0, 3, 6),
    async work(run) {
      await run.file.close();
      for (let n = 0; n < 3 && !(await run.call('close', () => run.harness.cache.close())); n++);
      run.harness.heal();
      await within('close', run.harness.cache.close());
      run.checkFile('after close');
    },
  },
];

/** While other threads write, what the file must hold is known only once they have told. */
const isEarlyLook = (error: unknown) => (error as Error).message.startsWith('after fsync the file has');

/** Stores into four pages, all of them in the cache, and fsyncs: what they begin with then. Runs in a thread, as source. */
async function syncingThread(
  cache: { openSync(path: string, options: OpenOptions): CachedFile },
  { path, direct, page }: { path: string; direct: boolean; page: number },
): Promise<number[]> {
  const file = cache.openSync(path, { direct });
  const values = [0, 0, 0, 0].map((_, n) => {
    const was = new Uint8Array(1);
    file.readSync(was, (page + n) * 4096);
    return was[0]!;
  });
  const tryIt = (does: () => void) => {
    try {
      does();
      return true;
    } catch (error) {
      if ((error as { code: string }).code !== 'ERR_PINFOLD_IO') throw error;
      return false;
    }
  };
  for (let n = 0; n < 4; n++) {
    if (tryIt(() => file.writeSync(Uint8Array.of(page * 16 + n), (page + n) * 4096)))
      values[n] = page * 16 + n;
    tryIt(() => file.fsyncSync());
  }
  return values;
}

export interface RealSums {
  runs: number;
  calls: number;
  raised: number;
  heard: number;
  fsyncs: number;
}

/** Caches of a workload, one after the other, and the directory of their files. */
export class RealRunner {
  readonly #workload: RealWorkload;
  readonly #directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-faults-'));
  /** Every second workload's files are open for direct I/O. */
  readonly #direct: boolean;
  #harness: HarnessCache | undefined;
  #files = 0;

  constructor(workload: RealWorkload) {
    this.#workload = workload;
    const turn = realWorkloads.indexOf(workload) % 2 === 1;
    this.#direct = turn && directObstacle(this.#directory) === undefined;
  }

  async end(): Promise<void> {
    this.#harness?.heal();
    await this.#harness?.cache.close();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The nth call fails, for each n that is reached: throws what is wrong, with the fault. */
  async sweep(fault: RealFault, sums: RealSums): Promise<void> {
    for (let after = 0; ; after++) {
      const strikes = await this.run({ ...fault, after }, sums);
      if (strikes === 0) return;
      sums.calls++;
    }
  }

  /** One run: how many calls failed. */
  async run(fault: Fault, sums: RealSums): Promise<number> {
    const { own, options, pages } = this.#workload;
    this.#harness ??= await createHarness({ memory: 1 << 20, flushers: 1, ...options });
    const harness = this.#harness;
    if (own) this.#harness = undefined;
    const path = join(this.#directory, `${this.#files++}`);
    if (pages > 0)
      fs.writeFileSync(
        path,
        Uint8Array.from({ length: pages * PAGE }, (_, at) => (at % 251) + 1),
      );
    const { cache } = harness;
    const direct = this.#direct;
    const files = [
      await cache.open(path, { create: pages === 0, direct }),
      await cache.open(path, { direct }),
    ] as const;
    const run = new Run(harness, path, files, fault.errno);
    await this.#workload.prepare(run);
    const before = harness.struck(fault.call);
    harness.fail(fault);
    await this.#workload.work(run);
    if (!own) {
      await run.settle();
      for (const file of files) await file.close();
    }
    fs.rmSync(path);
    const strikes = harness.struck(fault.call) - before;
    sums.runs++;
    sums.raised += strikes;
    sums.heard += run.heard;
    sums.fsyncs += run.fsyncs;
    return strikes;
  }
}
