// A probe: a process that loads one build of the library and measures it whenever it is its turn, in threads of its own where the load asks
// for some. It ends with the gate, however that ends.
import { pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { PageCache as PageCacheClass, PageCacheHandle } from 'pinfold';
import { answer, Calls } from '../../roles/peers/calls';
import type { Request } from '../../roles/peers/messages';
import { LOADS, type Load } from './loads';
import type { Prepared, PrepareParams, ProbeCalls, TurnFigures } from './messages';

type Turn = (ms: number) => TurnFigures | Promise<TurnFigures>;

interface ThreadData {
  params: PrepareParams;
  handle: PageCacheHandle;
}

async function importLibrary(library: string): Promise<typeof PageCacheClass | undefined> {
  return ((await import(pathToFileURL(library).href)) as { PageCache?: typeof PageCacheClass }).PageCache;
}

const loadOf = ({ load: name }: PrepareParams): Load => {
  const load = LOADS[name];
  if (load === undefined) throw new Error(`there is no load '${name}'`);
  return load;
};

function open(
  cache: PageCacheClass,
  load: Load,
  { library, file: path, pages }: PrepareParams,
): Turn | { lacks: string } {
  const file = cache.openSync(path, { mode: 'r+', ...load.open });
  const lacking = load.needs.find((method) => typeof file[method] !== 'function');
  if (lacking !== undefined) return { lacks: `its files have no ${String(lacking)}` };
  return load.begin({ cache, file, path, pages, library });
}

/** What plays turns: this thread, or one of several. */
let players: Turn[] = [];
let next = 0;
let load: Load | undefined;

function threadOf(data: ThreadData): Turn {
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  worker.unref(); // the process ends when the gate says so
  const calls = new Calls((request) => worker.postMessage(request));
  worker.on('message', (reply) => calls.settle(reply));
  worker.on('error', (error) => calls.break(error));
  return (ms) => calls.call('turn', ms) as Promise<TurnFigures>;
}

const calls: ProbeCalls = {
  async prepare(params: PrepareParams): Promise<Prepared> {
    load = loadOf(params);
    const PageCache = await importLibrary(params.library);
    if (PageCache === undefined) return { lacks: 'its library exports no PageCache' };
    const cache = await PageCache.create(load.cache);
    const here = open(cache, load, params);
    if (typeof here !== 'function') return here;
    const { handle } = cache;
    players =
      load.threads === 1 ? [here] : Array.from({ length: load.threads }, () => threadOf({ params, handle }));
    return { lacks: null };
  },

  async turn({ warmUp }): Promise<TurnFigures> {
    if (load === undefined || players.length === 0) throw new Error('the probe is not prepared');
    if (!warmUp) return await players[next++ % players.length](load.turnMs);
    let figures: TurnFigures = {};
    for (const play of players) figures = await play(load.warmUpMs);
    return figures;
  },
};

if (isMainThread) {
  process.on('message', (request: Request) => {
    const call = calls[request.name as keyof ProbeCalls] as (params: unknown) => Promise<unknown>;
    void answer(request, call, (reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit());
  // A terminal's signal comes to this process too; the gate decides when it ends.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
} else {
  const { params, handle } = workerData as ThreadData;
  const opened = importLibrary(params.library).then((PageCache) => {
    const turn = open(PageCache!.attach(handle), loadOf(params), params);
    if (typeof turn !== 'function') throw new Error(turn.lacks);
    return turn;
  });
  opened.catch(() => {}); // the first call hears of it
  parentPort?.on('message', (request: Request) => {
    void answer(
      request,
      async (ms) => await (await opened)(ms as number),
      (reply) => parentPort?.postMessage(reply),
    );
  });
}
