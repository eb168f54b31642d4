// A probe: a process that loads one build of the library and measures it whenever it is its turn. It ends with the gate, however that ends.
import { pathToFileURL } from 'node:url';
import type { PageCache as PageCacheClass } from 'pinfold';
import { answer } from '../../roles/peers/calls';
import type { Request } from '../../roles/peers/messages';
import { LOADS, type Load } from './loads';
import type { Prepared, PrepareParams, ProbeCalls, TurnFigures } from './messages';

let load: Load | undefined;
let turn: ((ms: number) => TurnFigures | Promise<TurnFigures>) | undefined;

const calls: ProbeCalls = {
  async prepare({ library, load: name, file: path, pages }: PrepareParams): Promise<Prepared> {
    load = LOADS[name];
    if (load === undefined) throw new Error(`there is no load '${name}'`);
    const { PageCache } = (await import(pathToFileURL(library).href)) as {
      PageCache?: typeof PageCacheClass;
    };
    if (PageCache === undefined) return { lacks: 'its library exports no PageCache' };
    const cache = await PageCache.create(load.cache);
    const file = cache.openSync(path, { mode: 'r+', ...load.open });
    const lacking = load.needs.find((method) => typeof file[method] !== 'function');
    if (lacking !== undefined) return { lacks: `its files have no ${lacking}` };
    turn = load.begin({ cache, file, path, pages, library });
    return { lacks: null };
  },

  async turn({ warmUp }): Promise<TurnFigures> {
    if (turn === undefined || load === undefined) throw new Error('the probe is not prepared');
    return await turn(warmUp ? load.warmUpMs : load.turnMs);
  },
};

process.on('message', (request: Request) => {
  const call = calls[request.name as keyof ProbeCalls] as (params: unknown) => Promise<unknown>;
  void answer(request, call, (reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
// A terminal's signal comes to this process too; the gate decides when it ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
