// A thread of the server: answers GET /Z/X/Y with a tile, GET /rows/N with ten rows of the parquet file.
import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { PageCache, type PageCacheHandle } from 'pinfold';
import { PMTiles, type Source, tileIdToZxy } from 'pmtiles';
import { asyncBufferOf, sourceOf } from './adapters.ts';
import { tileOfRank, tilesUpTo } from './archive.ts';
import { plainBuffer, plainSource, rangesOf } from './plain.ts';

export interface WorkerData {
  readonly tiles: string;
  readonly rows: string;
  /** The archive has all tiles up to this one. */
  readonly zoom: number;
  /** The shared cache, or how many bytes this thread caches for itself. */
  readonly cache: PageCacheHandle | number;
}

const ROWS_AT_ONCE = 10;

interface Files {
  readonly tiles: Source;
  readonly rows: AsyncBuffer;
}

async function openFiles({ tiles, rows, cache }: WorkerData): Promise<Files> {
  if (typeof cache !== 'number') {
    const shared = PageCache.attach(cache);
    const open = (path: string) => shared.open(path, { mode: 'r', access: 'random' });
    return { tiles: sourceOf(await open(tiles)), rows: asyncBufferOf(await open(rows)) };
  }
  // The parquet file is small: it gets a part, and the tiles the rest.
  const [tileFile, rowFile] = [await fs.open(tiles), await fs.open(rows)];
  const [{ size: tileSize }, { size: rowSize }] = [await tileFile.stat(), await rowFile.stat()];
  return {
    tiles: plainSource(tiles, rangesOf(tileFile, tileSize, Math.floor(cache * 0.9))),
    rows: plainBuffer(rowSize, rangesOf(rowFile, rowSize, Math.floor(cache * 0.1))),
  };
}

const files = await openFiles(workerData as WorkerData);
const archive = new PMTiles(files.tiles);
let metadata: Promise<FileMetaData> | undefined;

async function answer(url: string): Promise<Uint8Array | string | undefined> {
  const numbers = url.split('/').slice(1);
  if (numbers[0] === 'rows') {
    const rowStart = Number(numbers[1]);
    metadata ??= parquetMetadataAsync(files.rows);
    const rowEnd = rowStart + ROWS_AT_ONCE;
    return JSON.stringify(
      await parquetReadObjects({ file: files.rows, metadata: await metadata, rowStart, rowEnd }),
    );
  }
  const [z, x, y] = numbers.map(Number);
  const tile = await archive.getZxy(z, x, y);
  return tile && new Uint8Array(tile.data);
}

const server = http.createServer((request, response) => {
  answer(request.url ?? '/').then(
    (body) => response.writeHead(body === undefined ? 404 : 200).end(body),
    (error: Error) => response.writeHead(500).end(error.message),
  );
});
// As after a long time: the popular tiles were asked for last. Otherwise what is measured is how caches fill.
const { zoom } = workerData as WorkerData;
for (let rank = tilesUpTo(zoom) - 1; rank >= 0; rank--) {
  const [z, x, y] = tileIdToZxy(tileOfRank(rank, tilesUpTo(zoom)));
  await archive.getZxy(z, x, y);
}
parentPort!.on('message', () => {
  globalThis.gc!();
  parentPort!.postMessage('collected');
});
server.listen(0, '127.0.0.1', () => parentPort!.postMessage((server.address() as AddressInfo).port));
