// What single operations cost, each as a ratio to something everybody knows, measured in the same run.
import { isStopped, NS_PER_MS, nowNs } from '../clock';
import { DATA_PAGES } from '../files';
import { type CacheOptions, type Run, withCache, withCrew } from '../run';
import type { MicroRow } from '../schema';
import { median } from '../statistics';
import type { HitResult, HitRow, HitVariant, StreamTask } from '../tasks';
import { groupCommitRows, hotPageRow, microRow, pinnedFsyncRows, ratios } from './micro-rows';

const GRACE_MS = 20_000;
const MIB = 1 << 20;
/** Every hot page stays resident. */
const HOT_CACHE: CacheOptions = { memory: 16 * MIB, flushers: 1 };
/** Its pages stay dirty: what is measured is an update, not the writeback that it causes in time. */
const UPDATED_CACHE: CacheOptions = {
  ...HOT_CACHE,
  dirtyBackgroundRatio: 1,
  dirtyRatio: 1,
  dirtyExpireMs: 2 ** 30,
};
/** Threads that measure a hit, at most; what each has to have at least, and of that what it takes to start it, ms. */
const HIT_THREADS_MAX = 7;
const HIT_THREAD_MIN_MS = 280;
const HIT_THREAD_START_MS = 80;

/** A row's share of the scenario's time. */
const SHARE = {
  kernel: 2,
  view: 2,
  pin: 2,
  update: 2,
  read: 2,
  commitCost: 3,
  writeback: 4,
};
const SHARES = Object.values(SHARE).reduce((sum, share) => sum + share, 0);

export async function micro(run: Run, durationMs: number): Promise<void> {
  const ms = (row: keyof typeof SHARE) => (durationMs * SHARE[row]) / SHARES;
  const add = async (label: string, measure: () => Promise<MicroRow[]>): Promise<void> => {
    if (isStopped(run.stop)) return;
    run.progress.begin(`micro · ${label}`);
    const rows = await measure();
    // A row that a signal cut short is no figure.
    if (!isStopped(run.stop)) run.report.micro.push(...rows);
  };
  await add('kernel pin', () => hitRow(run, 'kernel', ms('kernel')));
  await add('viewSync', () => hitRow(run, 'view', ms('view')));
  await add('pinSync', () => hitRow(run, 'pin', ms('pin')));
  await add('updateSync', () => hitRow(run, 'update', ms('update')));
  await add('one hot page', async () => [hotPageRow(run.report.hotPage)]);
  await add('readSync', () => hitRow(run, 'read', ms('read')));
  await add('fsync under pins', async () => pinnedFsyncRows(run.report.fsync));
  await add('group commit', async () => groupCommitRows(run.report.groupCommit));
  await add('one commit', () => commitCost(run, ms('commitCost')));
  await add('writeback', () => writeback(run, ms('writeback')));
}

interface HitBar {
  name: string;
  over: HitVariant;
  under: HitVariant;
  direction: MicroRow['direction'];
  bar: number;
}

const HIT_BARS: Record<HitRow, HitBar> = {
  kernel: {
    name: 'kernel read pin + unpin ÷ Map.get, 1,024 hot pages',
    over: 'kernel pin + unpin',
    under: 'Map.get',
    direction: 'at most',
    bar: 1.2,
  },
  view: {
    name: 'viewSync of 8 bytes ÷ Map.get',
    over: 'viewSync',
    under: 'Map.get',
    direction: 'at most',
    bar: 1.6,
  },
  pin: {
    name: 'pinSync + unpin ÷ Map.get',
    over: 'pinSync + unpin',
    under: 'Map.get',
    direction: 'at most',
    bar: 2,
  },
  update: {
    name: 'updateSync of 64 bytes ÷ pinSync + unpin',
    over: 'updateSync',
    under: 'pinSync + unpin',
    direction: 'at most',
    bar: 3,
  },
  read: {
    name: 'fs.readSync ÷ readSync of 4 KiB, both from memory',
    over: 'fs.readSync',
    under: 'readSync',
    direction: 'at least',
    bar: 3,
  },
};

/**
 * In several threads one after the other, each new with a cache of its own: what the compiler makes of a loop, and where memory lies, differs
 * from one to the next by more than any of them measures. A figure is then the median of the threads'.
 */
async function hitRow(run: Run, row: HitRow, durationMs: number): Promise<MicroRow[]> {
  const { name, over, under, direction, bar } = HIT_BARS[row];
  const threads = Math.max(1, Math.min(HIT_THREADS_MAX, Math.floor(durationMs / HIT_THREAD_MIN_MS)));
  const found: HitResult[] = [];
  for (let thread = 0; thread < threads && !isStopped(run.stop); thread++) {
    found.push(await hitsOf(run, row, over, durationMs / threads - HIT_THREAD_START_MS));
  }
  const each = found.map(({ rounds, again }) => {
    const first = rounds[over] ?? [];
    return { ratios: ratios(first, rounds[under] ?? []), controls: ratios(again, first) };
  });
  const perThread = (figures: number[][]) => (threads < 3 ? figures.flat() : figures.map(median));
  const variants = Object.keys(found[0]?.rounds ?? {}) as HitVariant[];
  return [
    microRow({
      name,
      ratios: perThread(each.map(({ ratios }) => ratios)),
      controls: each.flatMap(({ controls }) => controls),
      direction,
      bar,
      parts: variants.map((label) => ({
        label,
        value: median(found.flatMap(({ rounds }) => rounds[label] ?? [])),
        unit: 'ns',
      })),
      note: threads < 3 ? null : `${threads} threads`,
    }),
  ];
}

function hitsOf(run: Run, row: HitRow, second: HitVariant, durationMs: number): Promise<HitResult> {
  const task = { stop: run.stop, row, second, dataPath: run.files.paths.data, pages: DATA_PAGES, durationMs };
  return withCache(row === 'update' ? UPDATED_CACHE : HOT_CACHE, ({ handle }) =>
    withCrew(1, (crew) => crew.play('hits', { ...task, handle }, durationMs + GRACE_MS)),
  );
}

async function commitCost(run: Run, durationMs: number): Promise<MicroRow[]> {
  const { data: dataPath, bare: barePath } = run.files.paths;
  const { cachedUs, cachedAgainUs, bareUs } = await withCache(HOT_CACHE, ({ handle }) =>
    withCrew(1, (crew) =>
      crew.play(
        'commitCost',
        { handle, stop: run.stop, dataPath, barePath, durationMs },
        durationMs + GRACE_MS,
      ),
    ),
  );
  return [
    microRow({
      name: 'writeSync + fsyncSync of a page ÷ bare writeSync + fdatasyncSync',
      ratios: ratios(cachedUs, bareUs),
      controls: ratios(cachedAgainUs, cachedUs),
      direction: 'at most',
      bar: 1.15,
      parts: [
        { label: 'pinfold', value: median(cachedUs), unit: 'µs' },
        { label: 'bare', value: median(bareUs), unit: 'µs' },
      ],
    }),
  ];
}

/** Memory of the cache that a pass streams through, by the pass's bytes: holding all of it, and half. */
const STREAM_MEMORY = [
  { share: 1.25, name: 'it holds' },
  { share: 0.5, name: 'half its size' },
];

async function writeback(run: Run, durationMs: number): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  for (const { share, name } of STREAM_MEMORY) {
    if (isStopped(run.stop)) break;
    rows.push(await streamRow(run, durationMs / STREAM_MEMORY.length, share, name));
  }
  return rows;
}

async function streamRow(run: Run, durationMs: number, share: number, name: string): Promise<MicroRow> {
  const bytes = run.options.streamBytes;
  const path = run.files.extra('stream.bin', bytes);
  const cached: number[] = [];
  const bare: number[] = [];
  const bareAgain: number[] = [];
  let fullStops = 0;
  await withCache({ memory: bytes * share, flushers: 1 }, ({ handle }) =>
    withCrew(1, async (crew) => {
      const mibPerSecond = async (through: StreamTask['handle']): Promise<number> => {
        const task = { handle: through, stop: run.stop, path, bytes };
        const passed = await crew.play('stream', task, GRACE_MS + bytes / 1e4);
        fullStops += passed.fullStops;
        return bytes / MIB / (passed.elapsedMs / 1e3);
      };
      const endNs = nowNs() + durationMs * NS_PER_MS;
      await mibPerSecond(handle); // touches every frame for the first time, and compiles
      while (!isStopped(run.stop) && (cached.length < 2 || nowNs() < endNs)) {
        cached.push(await mibPerSecond(handle));
        bare.push(await mibPerSecond(null));
        bareAgain.push(await mibPerSecond(null));
      }
    }),
  );
  const size = `${bytes / MIB} MiB a pass${bytes < 1024 * MIB ? ' (--full: 1 GiB)' : ''}`;
  const stops = fullStops > 0 ? `, ${fullStops} fsyncs to make room in a full cache` : '';
  return microRow({
    name: `stream + background writeback, a cache ${name} ÷ bare stream`,
    ratios: ratios(cached, bare),
    controls: ratios(bareAgain, bare),
    direction: 'at least',
    bar: 0.75,
    parts: [
      { label: 'pinfold', value: median(cached), unit: 'MiB/s' },
      { label: 'bare', value: median(bare), unit: 'MiB/s' },
    ],
    note: size + stops,
  });
}
