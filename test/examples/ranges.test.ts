import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { PageCache } from 'pinfold';
import { PMTiles, tileIdToZxy } from 'pmtiles';
import { expect, test } from 'vitest';
import { asyncBufferOf, sourceOf } from '../../examples/ranges/adapters.ts';
import {
  ROWS,
  rowAt,
  tileBytes,
  tilesUpTo,
  writeArchive,
  writeParquet,
} from '../../examples/ranges/archive.ts';
import { testDirectory } from '../support/directory.ts';
import { root } from '../support/root.ts';

const MAIN = join(root, 'examples/ranges/dist/main.js');
const LIMIT_MS = 80_000;
const ZOOM = 4;

test('hyparquet reads a file through the cache, larger than it', async () => {
  const path = join(testDirectory(), 'rows.parquet');
  writeParquet(path);
  const cache = await PageCache.create({ memory: 2 ** 18 });
  const file = await cache.open(path, { mode: 'r' });
  expect(fs.statSync(path).size).toBeGreaterThan(2 ** 18);
  const buffer = asyncBufferOf(file);
  const metadata = await parquetMetadataAsync(buffer);
  expect(Number(metadata.num_rows)).toBe(ROWS);
  for (const rowStart of [0, 990, 25_000, ROWS - 5]) {
    const rows = await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd: rowStart + 20 });
    const expected = Array.from({ length: Math.min(20, ROWS - rowStart) }, (_, n) => rowAt(rowStart + n));
    expect(rows).toEqual(expected);
  }
  // Its ranges are those of the file, also past its end.
  const bytes = fs.readFileSync(path);
  for (const [start, end] of [
    [0, 1],
    [4095, 4097],
    [bytes.length - 3, bytes.length + 9],
    [100, undefined],
  ] as const) {
    expect(Buffer.from(await buffer.slice(start, end)).equals(bytes.subarray(start, end))).toBe(true);
  }
  await cache.close();
});

test('pmtiles reads an archive through the cache', async () => {
  const path = join(testDirectory(), 'tiles.pmtiles');
  writeArchive(path, ZOOM);
  const cache = await PageCache.create({ memory: 2 ** 20 });
  const archive = new PMTiles(sourceOf(await cache.open(path, { mode: 'r' })));
  const header = await archive.getHeader();
  expect(header).toMatchObject({
    specVersion: 3,
    minZoom: 0,
    maxZoom: ZOOM,
    numAddressedTiles: tilesUpTo(ZOOM),
  });
  for (let id = 0; id < tilesUpTo(ZOOM); id++) {
    const tile = await archive.getZxy(...tileIdToZxy(id));
    expect(tileBytes(id).equals(new Uint8Array(tile!.data)), `tile ${id}`).toBe(true);
  }
  expect(await archive.getZxy(ZOOM + 1, 0, 0)).toBeUndefined();
  await cache.close();
});

test('the server answers right, whichever way it caches, and the comparison ends', {
  timeout: LIMIT_MS,
}, async () => {
  const args = [
    MAIN,
    '--threads',
    '2',
    '--rounds',
    '2',
    '--seconds',
    '0.5',
    '--rate',
    '80',
    '--memory',
    '2',
    '--zoom',
    '4',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS });
  expect(stdout).toContain('Every answer was what is in the files.');
  expect(stdout).toMatch(/one shared cache of 2\.0 MiB +\d+\.\d \[/);
  expect(stdout).toMatch(/a cache in each thread, 2\.0 MiB in all +\d+\.\d \[/);
  expect(stdout).toMatch(/a cache in each thread, 2\.0 MiB each +\d+\.\d \[/);
});

test('refuses an option that is out of range, and names it', async () => {
  const run = promisify(execFile)(process.execPath, [MAIN, '--threads', '0'], { timeout: LIMIT_MS });
  await expect(run).rejects.toThrow("--threads must be a number above 0, up to 64, got '0'");
});
