// A PMTiles archive (version 3) and a parquet file with contents that follow from their numbers, so that whoever reads can tell.
// https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md
import fs from 'node:fs';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { tileIdToZxy } from 'pmtiles';

const HEADER_BYTES = 127;
/** Entries of a leaf directory: with so many all leaves fit into a root of less than 16 KiB. */
const LEAF_ENTRIES = 512;
const TILE_BYTES = { least: 1000, more: 12_000 };
const NONE = 1; // no compression
export const ROWS = 50_000;

interface Entry {
  readonly id: number;
  readonly offset: number;
  readonly length: number;
  /** Tiles from this one on that are the same; 0: the entry is of a leaf directory. */
  readonly run: number;
}

export const tilesUpTo = (zoom: number): number => (4 ** (zoom + 1) - 1) / 3;

/** The tile that is the n-th most popular of `tiles`: popular ones are anywhere in the archive. */
export const tileOfRank = (rank: number, tiles: number): number => (rank * 2_654_435_761) % tiles;

/** What the tile holds. */
export function tileBytes(id: number): Buffer {
  const bytes = Buffer.alloc(TILE_BYTES.least + ((id * 7919) % TILE_BYTES.more));
  for (let at = 0, word = id + 1; at + 4 <= bytes.length; at += 4) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
    bytes.writeInt32LE(word, at);
  }
  return bytes;
}

export function pathOfTile(id: number): string {
  return `/${tileIdToZxy(id).join('/')}`;
}

/** What row `n` holds. */
export const rowAt = (n: number) => ({ id: n, name: `row ${n}`, value: (n * 7919) % 1009 });

export function writeParquet(path: string): void {
  const rows = Array.from({ length: ROWS }, (_, n) => rowAt(n));
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: rows.map(({ id }) => id), type: 'INT32' },
      { name: 'name', data: rows.map(({ name }) => name), type: 'STRING' },
      { name: 'value', data: rows.map(({ value }) => value), type: 'INT32' },
    ],
    rowGroupSize: 1000,
  });
  fs.writeFileSync(path, new Uint8Array(buffer));
}

/** Writes an archive of all tiles up to a zoom level. */
export function writeArchive(path: string, zoom: number): void {
  const entries: Entry[] = [];
  const tiles: Buffer[] = [];
  let offset = 0;
  for (let id = 0; id < tilesUpTo(zoom); id++) {
    const bytes = tileBytes(id);
    tiles.push(bytes);
    entries.push({ id, offset, length: bytes.length, run: 1 });
    offset += bytes.length;
  }
  const leaves: Buffer[] = [];
  const leafEntries: Entry[] = [];
  let leafOffset = 0;
  for (let n = 0; n < entries.length; n += LEAF_ENTRIES) {
    const leaf = directory(entries.slice(n, n + LEAF_ENTRIES));
    leaves.push(leaf);
    leafEntries.push({ id: entries[n].id, offset: leafOffset, length: leaf.length, run: 0 });
    leafOffset += leaf.length;
  }
  const root = directory(leafEntries);
  const metadata = Buffer.from('{}');
  const metadataAt = HEADER_BYTES + root.length;
  const leavesAt = metadataAt + metadata.length;
  const tilesAt = leavesAt + leafOffset;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('PMTiles');
  header[7] = 3;
  const places = [
    [HEADER_BYTES, root.length],
    [metadataAt, metadata.length],
    [leavesAt, leafOffset],
    [tilesAt, offset],
    [entries.length, entries.length],
  ].flat();
  for (const [n, place] of [...places, entries.length].entries())
    header.writeBigUInt64LE(BigInt(place), 8 + 8 * n);
  header.set([1, NONE, NONE, 0, 0, zoom], 96); // clustered, compressions, type of tiles, zoom levels
  fs.writeFileSync(path, Buffer.concat([header, root, metadata, ...leaves, ...tiles]));
}

/** Columns of varints: how many; differences of ids; runs; lengths; offsets, 0 for "right behind the one before". */
function directory(entries: readonly Entry[]): Buffer {
  const numbers = [
    entries.length,
    ...entries.map(({ id }, n) => id - (n === 0 ? 0 : entries[n - 1].id)),
    ...entries.map(({ run }) => run),
    ...entries.map(({ length }) => length),
    ...entries.map(({ offset }, n) => {
      const isNext = n > 0 && offset === entries[n - 1].offset + entries[n - 1].length;
      return isNext ? 0 : offset + 1;
    }),
  ];
  return Buffer.from(numbers.flatMap(varint));
}

function varint(number: number): number[] {
  const bytes: number[] = [];
  let rest = number;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
