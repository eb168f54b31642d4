// What the scenario peers has to say: its tables.
import {
  type Block,
  bad,
  type Cell,
  type Column,
  doubtful,
  good,
  heading,
  reading,
  table,
} from '../../report/blocks';
import { controlCell } from '../../report/control';
import { count, digits, ratio } from '../../report/format';
import type { BenchReport } from '../../schema';
import { inThreads } from './plan';
import type { PeerRow, PeersResult } from './shape';

const MIB = 2 ** 20;
const NONE = '–';

export function peersTables({ peers }: BenchReport): Block[] {
  if (peers === null) return [];
  return [
    heading('peers'),
    reading(
      'Each arm is a process of its own, and their blocks alternate. "÷": what it needs divided by what pinfold needs beside it, the median; then who needs less, if by more than 5%. A/A is pinfold beside itself: where that moved by more than 5%, there is no verdict.',
      librariesOf(peers),
    ),
    ...reads(peers),
    ...commits(peers),
    ...memory(peers),
    ...start(peers),
  ];
}

function librariesOf({ libraries }: PeersResult): string {
  const said = libraries.map(({ name, version, missing }) =>
    missing === null ? `${name} ${version}` : `${name} ${version}, left out: ${missing}`,
  );
  return `${said.join('; ')}.`;
}

/** Divided by pinfold, and who needs less. */
function compared({ arm, ratio: value, verdict }: PeerRow): Cell {
  if (value === null) return '';
  const figure = ratio(value);
  switch (verdict) {
    case 'pinfold':
      return good(`${figure} pinfold`);
    case 'peer':
      return bad(`${figure} ${arm}`);
    case 'level':
      return `${figure} level`;
    case 'no verdict':
      return doubtful(`${figure} no verdict`);
    case 'none':
      return controlCell(value);
  }
}

const wrongOr = ({ truth: { wrong } }: PeerRow, text: string): Cell =>
  wrong > 0 ? bad(`${text}, ${count(wrong)} WRONG`) : text;

const quartiles = ({ q1, q3 }: PeerRow): string => (q1 === null ? '' : `${ratio(q1)}–${ratio(q3)}`);

interface Part {
  threads: number;
  rows: PeerRow[];
}

/** The same arms by number of threads, side by side. */
function byThreads(title: string, parts: Part[], show: (value: number) => string): Block[] {
  const [first] = parts;
  if (first === undefined) return [];
  const columns: Column[] = [
    { head: 'arm', words: true },
    { head: 'by', words: true },
    ...parts.flatMap(({ threads }) => [{ head: inThreads(threads) }, { head: '÷' }]),
  ];
  const rows = first.rows.map(({ arm, name, calls }) => [
    name,
    calls,
    ...parts.flatMap(({ rows }): Cell[] => {
      const row = rows.find((other) => other.arm === arm);
      if (row?.value == null) return [NONE, ''];
      return [wrongOr(row, show(row.value)), compared(row)];
    }),
  ]);
  return [table(columns, rows, title)];
}

function reads({ reads: cells, fileBytes }: PeersResult): Block[] {
  if (cells.length === 0) return [];
  const of = (bytes: number) => cells.filter((cell) => cell.bytes === bytes);
  return [
    ...byThreads('Cached read of 8 bytes, ns', of(8), digits),
    ...byThreads('Cached read of 4 KiB, ns', of(4096), digits),
    reading(
      `A read in each thread, of pages that zipf (0.99) draws from a file of ${fileBytes / MIB} MiB that is in memory. 8 bytes are read where they are, if the calls allow that; of 4 KiB the caller has a copy, or the buffer that the calls return.`,
    ),
  ];
}

function commits({ commits: rows }: PeersResult): Block[] {
  if (rows.length === 0) return [];
  const columns: Column[] = [
    { head: 'arm', words: true },
    { head: 'by', words: true },
    { head: 'p50' },
    { head: '÷' },
    { head: 'quartiles' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'writes' },
    { head: 'flushes' },
  ];
  const shown = rows.map((row): Cell[] => [
    row.name,
    row.calls,
    wrongOr(row, digits(row.latency?.p50Us ?? null)),
    compared(row),
    quartiles(row),
    digits(row.latency?.p99Us ?? null),
    digits(row.latency?.maxUs ?? null),
    count(row.latency?.count ?? 0),
    ratio(row.flushes),
  ]);
  shown.push(['lru-cache', 'keeps nothing', NONE, '', '', NONE, NONE, NONE, NONE]);
  return [
    table(columns, shown, 'Durable write of one page, µs'),
    reading(
      'One thread, page after page; calls that block are compared with calls of pinfold that block, promises with promises. fs is the machine\'s own floor. "Flushes": of the disk\'s own cache, a write; with fewer than one nothing is durable. Afterwards each store is opened anew and the last write of each page looked for in it.',
    ),
  ];
}

function memory({ memory: cells, memoryFileBytes }: PeersResult): Block[] {
  if (cells.length === 0) return [];
  return [
    ...byThreads('Memory, MiB', cells, (value) => digits(value / MIB)),
    reading(
      `What a process of its own has more once each of its threads has read all of a file of ${memoryFileBytes / MIB} MiB. What it maps more than once counts once (Pss). What the system's own cache has of the file counts only where it is mapped (lmdb, mmap-io): it is there for every arm.`,
    ),
  ];
}

function start({ start: rows }: PeersResult): Block[] {
  if (rows.length === 0) return [];
  const columns: Column[] = [
    { head: 'arm', words: true },
    { head: 'by', words: true },
    { head: 'median' },
    { head: '÷' },
    { head: 'quartiles' },
  ];
  const shown = rows.map((row): Cell[] => [
    row.name,
    row.calls,
    wrongOr(row, digits(row.value)),
    compared(row),
    quartiles(row),
  ]);
  return [
    table(columns, shown, 'Start-up of a thread, ms'),
    reading(
      "From new Worker until the thread has read its first page, in a process whose first thread has read them all. lru-cache begins with nothing in it, so that read is a miss; the bare worker reads nothing: it is the machine's floor.",
    ),
  ];
}
