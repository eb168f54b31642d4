// A thread that is not attached and has workers of its own: their creator is not the thread that made the cache, and may
// be terminated with them.
import { workerData } from 'node:worker_threads';
import { Board } from './board.ts';
import { Keeper, type KeeperData } from './keeper.ts';

const data = workerData as KeeperData;
await new Keeper(data, new Board(data.board)).run();
