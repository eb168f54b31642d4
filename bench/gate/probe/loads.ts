// What a probe does to a build of the library: each load is a process of its own. Through the public interface alone, which an older build
// has too, and for a turn at a time.
import { Worker } from 'node:worker_threads';
import type { CachedFile, PageCache } from 'pinfold';
import { PAGE_BYTES } from '../../files';
import { createRandom } from '../../random';
import { type HitCost, type HotPages, pinSync, readSync, updateSync, viewSync } from '../../roles/hit-loops';
import { median, quantile } from '../../statistics';
import { permutation, zipfRanks } from '../../zipf';
import type { TurnFigures } from './messages';

type CacheOptions = NonNullable<Parameters<typeof PageCache.create>[0]>;

interface Opened {
  cache: PageCache;
  file: CachedFile;
  /** Of the file. */
  path: string;
  pages: number;
  /** Where the build is. */
  library: string;
}

export interface Load {
  /** Methods of an open file without which it can't be measured. */
  needs: readonly (keyof CachedFile)[];
  cache: CacheOptions;
  open?: { access: 'random' };
  /**
   * It is measured in so many threads of the process, in turns. What the compiler makes of a loop, and where it puts it, has modes that are
   * 15% apart from thread to thread; of a few threads one is in the best.
   */
  threads: number;
  turnMs: number;
  warmUpMs: number;
  /** Makes what runs a turn of so many milliseconds. */
  begin(opened: Opened): (ms: number) => TurnFigures | Promise<TurnFigures>;
}

const MIB = 1 << 20;
/** Nothing is written back before it is asked for. */
const QUIET = {
  flushers: 1,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
  dirtyExpireMs: 2 ** 30,
} satisfies CacheOptions;
/** All pages stay in it. */
const HOT: CacheOptions = { memory: 16 * MIB, ...QUIET };
/** A quarter of the file's pages fit. */
const SMALL: CacheOptions = { memory: MIB, flushers: 1 };
const SEED = 7;
const US_PER_MS = 1e3;
const NS_PER_MS = 1e6;

const hit = (
  name: string,
  needs: Load['needs'],
  make: (file: CachedFile, hot: HotPages) => HitCost,
): Load => ({
  needs,
  cache: HOT,
  threads: 4,
  turnMs: 3,
  warmUpMs: 50,
  begin({ file, pages }) {
    for (let page = 0; page < pages; page++) file.pinSync(page).unpin();
    const { run, operations } = make(file, { pages });
    let kept = 0;
    return (ms) => {
      const each = timed(ms, () => {
        kept = (kept + run()) | 0;
      });
      return { [name]: (quantile(each, 0.1) * NS_PER_MS) / operations };
    };
  },
});

/** How long each of the calls took that fit into `ms`, in milliseconds: one at least. */
function timed(ms: number, call: (n: number) => void): number[] {
  const each: number[] = [];
  const endMs = performance.now() + ms;
  for (let now = performance.now(); now < endMs || each.length === 0; ) {
    call(each.length);
    const then = performance.now();
    each.push(then - now);
    now = then;
  }
  return each;
}

/** A page written and made durable. */
function commitLoad(): Load {
  return {
    needs: ['writeSync', 'fsyncSync'],
    cache: HOT,
    threads: 1,
    turnMs: 16,
    warmUpMs: 60,
    begin({ file, pages }) {
      const bytes = new Uint8Array(PAGE_BYTES);
      return (ms) => {
        const each = timed(ms, (n) => {
          bytes.fill(n);
          file.writeSync(bytes, (n % pages) * PAGE_BYTES);
          file.fsyncSync();
        });
        return { commit: quantile(each, 0.25) * US_PER_MS, 'commit p95': quantile(each, 0.95) * US_PER_MS };
      };
    },
  };
}

/** Callers of a closed loop each, in one thread. */
const CALLERS = 8;

function groupLoad(): Load {
  return {
    needs: ['write', 'fsync'],
    cache: HOT,
    threads: 1,
    turnMs: 20,
    warmUpMs: 80,
    begin({ file }) {
      const bytes = new Uint8Array(PAGE_BYTES).fill(3);
      return async (ms) => {
        const startMs = performance.now();
        let commits = 0;
        const caller = async (page: number): Promise<void> => {
          do {
            await file.write(bytes, page * PAGE_BYTES);
            await file.fsync();
            commits++;
          } while (performance.now() < startMs + ms);
        };
        await Promise.all(Array.from({ length: CALLERS }, (_, page) => caller(page)));
        return { 'group commit': ((performance.now() - startMs) / commits) * US_PER_MS };
      };
    },
  };
}

const MISSES = 64;

function missLoad(): Load {
  return {
    needs: ['readSync'],
    cache: SMALL,
    open: { access: 'random' },
    threads: 1,
    turnMs: 8,
    warmUpMs: 60,
    begin({ file, pages }) {
      const target = Buffer.alloc(PAGE_BYTES);
      // Each page comes again when all others have been read: none is found.
      const order = permutation(pages, createRandom(SEED));
      let at = 0;
      return (ms) => {
        const each = timed(ms, () => {
          for (let n = 0; n < MISSES; n++) file.readSync(target, order[at++ % pages] * PAGE_BYTES);
        });
        return { miss: (median(each) * US_PER_MS) / MISSES };
      };
    },
  };
}

const CHUNK_BYTES = 256 << 10;

function streamLoad(): Load {
  return {
    needs: ['writeSync', 'fsyncSync'],
    cache: SMALL,
    threads: 1,
    turnMs: 20,
    warmUpMs: 60,
    begin({ file, pages }) {
      const chunk = new Uint8Array(CHUNK_BYTES).fill(5);
      const pass = (): void => {
        for (let at = 0; at < pages * PAGE_BYTES; at += CHUNK_BYTES) file.writeSync(chunk, at);
        file.fsyncSync();
      };
      return (ms) => ({ stream: median(timed(ms, pass)) });
    },
  };
}

const CONTENDED_PINS = 4_096;
/** The thread that pins beside: asleep on its word between turns. */
const RIVAL = `const { parentPort, workerData } = require('node:worker_threads');
import(workerData.library).then(({ PageCache }) => {
  const word = new Int32Array(workerData.word);
  const cache = PageCache.attach(workerData.handle);
  const file = cache.openSync(workerData.path, { mode: 'r+' });
  for (;;) {
    Atomics.wait(word, 0, 0);
    if (Atomics.load(word, 0) < 0) break;
    file.pinSync(0).unpin();
  }
  file.closeSync();
  cache.detach();
});`;

function contendedLoad(): Load {
  return {
    needs: ['pinSync'],
    cache: HOT,
    threads: 1,
    turnMs: 20,
    warmUpMs: 80,
    begin({ cache, file, path, library }) {
      const word = new Int32Array(new SharedArrayBuffer(4));
      const rival = new Worker(RIVAL, {
        eval: true,
        workerData: { library, word: word.buffer, handle: cache.handle, path },
      });
      rival.unref(); // it ends with the process, which the gate ends
      const online = new Promise<void>((resolve, reject) => {
        rival.once('online', resolve);
        rival.once('error', reject);
      });
      return async (ms) => {
        await online;
        Atomics.store(word, 0, 1);
        Atomics.notify(word, 0);
        const each = timed(ms, () => {
          for (let n = 0; n < CONTENDED_PINS; n++) file.pinSync(0).unpin();
        });
        Atomics.store(word, 0, 0);
        return { 'contended pin': (median(each) * NS_PER_MS) / CONTENDED_PINS };
      };
    },
  };
}

const OPERATIONS = 256;
const MIXED_RANGE = { offset: 0, length: 64 };
const firstByte = (bytes: Uint8Array): number => bytes[0];
const storeByte = (bytes: Uint8Array, value: number): number => {
  bytes[0] = value;
  return value;
};

function mixedLoad(): Load {
  return {
    needs: ['viewSync', 'updateSync', 'readSync', 'fsyncSync'],
    cache: SMALL,
    open: { access: 'random' },
    threads: 1,
    turnMs: 20,
    warmUpMs: 80,
    begin({ file, pages }) {
      const random = createRandom(SEED);
      const rank = zipfRanks(pages, 0.9, random);
      const popular = permutation(pages, random);
      const accesses = Uint32Array.from({ length: OPERATIONS * 16 }, () => popular[rank()]);
      const target = Buffer.alloc(PAGE_BYTES);
      let at = 0;
      const batch = (): void => {
        for (let n = 0; n < OPERATIONS; n++) {
          const page = accesses[at++ % accesses.length];
          if (n % 8 === 3) file.updateSync(page, storeByte, n & 0xff, MIXED_RANGE);
          else if (n % 8 === 6) file.readSync(target, page * PAGE_BYTES);
          else file.viewSync(page, firstByte);
        }
        file.fsyncSync();
      };
      return (ms) => ({ mixed: (median(timed(ms, batch)) * US_PER_MS) / OPERATIONS });
    },
  };
}

export const LOADS: Readonly<Record<string, Load>> = {
  view: hit('view', ['viewSync', 'pinSync'], viewSync),
  pin: hit('pin', ['pinSync'], pinSync),
  update: hit('update', ['updateSync', 'pinSync'], updateSync),
  read: hit('read', ['readSync', 'pinSync'], readSync),
  commit: commitLoad(),
  group: groupLoad(),
  miss: missLoad(),
  stream: streamLoad(),
  contended: contendedLoad(),
  mixed: mixedLoad(),
};
