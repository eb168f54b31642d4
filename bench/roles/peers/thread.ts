// A thread of a peer's process: opens the store, and then does what it is asked for.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { NS_PER_MS, nowNs } from '../../clock';
import { createRandom } from '../../random';
import { answer, READY } from './calls';
import type {
  Checked,
  CommitsParams,
  CommitsResult,
  ReadsParams,
  ReadsResult,
  Ready,
  Request,
  ThreadData,
  ThreadTasks,
  VerifyParams,
} from './messages';
import {
  type Draws,
  fillPage,
  GRANULE,
  GRANULES,
  isPage,
  LAID_OUT,
  PAGE,
  pageOf,
  placeOf,
  plantedDraws,
  zipfDraws,
} from './pages';
import type { Store } from './stores/store';

/** A block's reads come to the clock this often. */
const CHUNK_NS = 0.2 * NS_PER_MS;
const CHUNK_GRANULES_MAX = 64;
/** Pages of which a check reads every byte. */
const CHECKED_WHOLE = 256;
/** Of /sys/dev/block/…/stat. */
const FLUSHES_FIELD = 15;

const data = workerData as ThreadData;

async function openStore(): Promise<Store> {
  // Each is imported by itself: a thread must not pay for another's library.
  switch (data.store) {
    case 'pinfold':
      return (await import('./stores/pinfold')).openPinfold(data);
    case 'fs':
      return (await import('./stores/fs')).openFs(data);
    case 'lru':
      return (await import('./stores/lru')).openLru(data);
    case 'lmdb':
      return (await import('./stores/lmdb')).openLmdb(data);
    case 'mmap':
      return (await import('./stores/mmap')).openMmap(data);
    case 'sqlite':
      return (await import('./stores/sqlite')).openSqlite(data);
    case 'none':
      return { eight: () => 0, whole: () => 0, bytes: () => new Uint8Array(0), close() {} };
  }
}

// Two loops each, written out: a process has one arm, so each has one function to call.

function sumOfEights(store: Store, { entries }: Draws, from: number): number | Promise<number> {
  if (data.mode === 'async') return sumOfAwaited(entries, from, (page, at) => store.eight(page, at));
  let sum = 0;
  for (let n = from; n < from + GRANULE; n++) {
    sum = (sum + (store.eight(pageOf(entries[n]), placeOf(entries[n])) as number)) | 0;
  }
  return sum;
}

function sumOfWholes(store: Store, { entries }: Draws, from: number): number | Promise<number> {
  if (data.mode === 'async') return sumOfAwaited(entries, from, (page, at) => store.whole(page, at));
  let sum = 0;
  for (let n = from; n < from + GRANULE; n++) {
    sum = (sum + (store.whole(pageOf(entries[n]), placeOf(entries[n])) as number)) | 0;
  }
  return sum;
}

async function sumOfAwaited(entries: Int32Array, from: number, read: Store['eight']): Promise<number> {
  let sum = 0;
  for (let n = from; n < from + GRANULE; n++) {
    sum = (sum + (await read(pageOf(entries[n]), placeOf(entries[n])))) | 0;
  }
  return sum;
}

/** Of all reads since the last check. */
const seen = { granules: 0, wrong: 0 };
const never = new Int32Array(new SharedArrayBuffer(4));

function sleepUntil(dueNs: number): void {
  for (let leftMs = (dueNs - nowNs()) / NS_PER_MS; leftMs > 0; leftMs = (dueNs - nowNs()) / NS_PER_MS) {
    Atomics.wait(never, 0, 0, leftMs);
  }
}

function tasksOf(store: Store): ThreadTasks {
  let draws: Draws | undefined;
  let granule = 0;
  let chunk = 1;

  /** Reads granule after granule, compares each, until `endNs`. */
  async function readUntil(endNs: number, { whole }: ReadsParams, { sums }: Draws): Promise<number> {
    const sumOf = whole ? sumOfWholes : sumOfEights;
    let reads = 0;
    // A thread that had no core in time reads once all the same.
    do {
      for (let n = 0; n < chunk; n++) {
        let sum = sumOf(store, draws!, granule * GRANULE);
        if (typeof sum !== 'number') sum = await sum;
        if (sum !== sums[granule]) seen.wrong++;
        seen.granules++;
        granule = (granule + 1) % GRANULES;
      }
      reads += chunk * GRANULE;
    } while (nowNs() < endNs);
    return reads;
  }

  return {
    async layOut({ store }) {
      if (store === 'lmdb') await (await import('./stores/lmdb')).layOutLmdb(data.path, data.pages);
      else if (store === 'sqlite') (await import('./stores/sqlite')).layOutSqlite(data.path, data.pages);
      else throw new Error(`'${store}' has plain files, which the bench lays out`);
      return null;
    },

    async fill() {
      for (let page = 0; page < data.pages; page++) await store.whole(page, 0);
      return null;
    },

    async draw({ seed }) {
      draws = zipfDraws(data.pages, seed);
      return null;
    },

    async reads(params: ReadsParams): Promise<ReadsResult> {
      if (draws === undefined) throw new Error('no reads have been drawn');
      granule = (params.thread * GRANULES) >>> 2;
      chunk = 1;
      const result: ReadsResult = { reads: [], elapsedNs: [] };
      for (const { startNs, endNs } of params.blocks) {
        sleepUntil(startNs);
        const beganNs = nowNs();
        const reads = await readUntil(endNs, params, draws);
        const elapsedNs = nowNs() - beganNs;
        result.reads.push(reads);
        result.elapsedNs.push(elapsedNs);
        const fitting = Math.round((CHUNK_NS * reads) / elapsedNs / GRANULE);
        chunk = Math.min(CHUNK_GRANULES_MAX, Math.max(1, fitting));
      }
      return result;
    },

    async check({ whole, seed }): Promise<Checked> {
      const planted = plantedDraws(data.pages);
      const sum = await (whole ? sumOfWholes : sumOfEights)(store, planted, 0);
      const random = createRandom(seed);
      let wrong = seen.wrong * GRANULE;
      for (let n = 0; n < CHECKED_WHOLE; n++) {
        const page = Math.floor(random() * data.pages);
        if (!isPage(await store.bytes(page), page, LAID_OUT)) wrong++;
      }
      const plantedSeen =
        sum !== planted.sums[0] && !isPage(await store.bytes(data.pages), data.pages, LAID_OUT);
      const checked = seen.granules * GRANULE + CHECKED_WHOLE;
      seen.granules = 0;
      seen.wrong = 0;
      return { checked, wrong, plantedSeen };
    },

    async commits({ blocks, firstCommit }: CommitsParams): Promise<CommitsResult> {
      const commit = store.commit!.bind(store);
      const written = new Int32Array(data.pages);
      const bytes = new Uint8Array(PAGE);
      const latenciesNs: number[][] = [];
      let flushes: number | null = 0;
      let number = firstCommit;
      for (const { startNs, endNs } of blocks) {
        sleepUntil(startNs);
        const before = flushesOf(data.path);
        const latencies: number[] = [];
        do {
          const page = number % data.pages;
          fillPage(bytes, page, number);
          const beganNs = nowNs();
          const done = commit(page, bytes);
          if (done !== undefined) await done;
          latencies.push(nowNs() - beganNs);
          written[page] = number++;
        } while (nowNs() < endNs);
        latenciesNs.push(latencies);
        const after = flushesOf(data.path);
        flushes = flushes === null || before === null || after === null ? null : flushes + after - before;
      }
      return { latenciesNs, flushes, written };
    },

    async verify({ written }: VerifyParams): Promise<Checked> {
      const wrongNow = async () => {
        let wrong = 0;
        for (const [page, commit] of written.entries()) {
          if (commit !== 0 && !isPage(await store.bytes(page), page, commit)) wrong++;
        }
        return wrong;
      };
      const wrong = await wrongNow();
      // The control: a page of an earlier commit in the place of the last one.
      const page = written.findIndex((commit) => commit !== 0);
      if (page < 0) return { checked: 0, wrong, plantedSeen: false };
      const bytes = new Uint8Array(PAGE);
      fillPage(bytes, page, written[page] - 1);
      const before = isPage(await store.bytes(page), page, written[page]) ? wrong : wrong - 1;
      await store.commit!(page, bytes);
      const plantedSeen = (await wrongNow()) === before + 1;
      return { checked: written.filter((commit) => commit !== 0).length, wrong, plantedSeen };
    },

    async close() {
      await store.close();
      return null;
    },
  };
}

/** How often the cache of the disk below `path` has been flushed; null where the system does not count that. */
function flushesOf(path: string): number | null {
  try {
    const { dev } = fs.statSync(path);
    const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
    const fields = fs.readFileSync(`/sys/dev/block/${major}:${minor}/stat`, 'utf8').trim().split(/\s+/);
    return fields[FLUSHES_FIELD] === undefined ? null : Number(fields[FLUSHES_FIELD]);
  } catch {
    return null;
  }
}

const port = parentPort!;
const store = await openStore();
const ready: Ready = data.readFirst
  ? { sum: await store.eight(0, 0), readyNs: nowNs() }
  : { sum: 0, readyNs: nowNs() };
const tasks = tasksOf(store);
port.on('message', (request: Request) => {
  const task = tasks[request.name as keyof ThreadTasks] as (params: unknown) => Promise<unknown>;
  void answer(request, task, (reply) => {
    port.postMessage(reply);
    if (request.name === 'close') port.close();
  });
});
port.postMessage({ id: READY, result: ready });
