// The two tables of the scenario coldscan: how fast, and what is left of a hot set.
import type { HotRow, ScanRow } from '../scenarios/coldscan/shape';
import type { BenchReport } from '../schema';
import { type Block, bad, type Cell, doubtful, good, heading, reading, table } from './blocks';
import { count, digits, ratio } from './format';

export function coldScanTables({ coldScan }: BenchReport): Block[] {
  if (coldScan === null) return [];
  const { arms, hot, fileBytes, memoryBytes } = coldScan;
  const lines = [heading('cold scan')];
  if (arms.length > 0) {
    lines.push(
      reading(
        `A file of ${fileBytes >> 20} MiB, of which nothing is in memory, is read from end to end through a cache of ${memoryBytes >> 20} MiB, and by a plain loop of fs.readSync with 256 KiB, in turns.`,
      ),
      scanTable(arms),
      reading(
        '"÷ plain": speed divided by that of the plain passes of the same round: median and quartiles. Random, a control, reads nothing ahead. Each page is compared with what was written. "In OS cache": of the file, after a pass, by fincore: twice in memory, unless it was opened with direct.',
      ),
    );
  }
  if (hot.length > 0) {
    lines.push(
      hotTable(hot),
      reading(
        'Another thread uses pages of a second file at random, before and while the first is scanned: of its touches in that time, those that found their page.',
      ),
    );
  }
  return lines;
}

function scanTable(arms: ScanRow[]): Block {
  const columns = [
    { head: 'arm', words: true },
    { head: 'passes' },
    { head: 'MiB/s' },
    { head: '÷ plain' },
    { head: 'quartiles' },
    { head: 'bar' },
    { head: 'reached', words: true },
    { head: 'misses' },
    { head: 'read ahead' },
    { head: 'MiB in OS cache' },
    { head: 'wrong pages' },
  ];
  const rows = arms.map((row) => [
    row.arm,
    count(row.passes),
    digits(row.mibPerSecond),
    ratio(row.ratio),
    `${ratio(row.q1)}–${ratio(row.q3)}`,
    row.bar === null ? '' : `≥ ${row.bar}`,
    verdict(row),
    count(row.misses),
    count(row.readahead),
    row.leftBytes === null ? '–' : digits(row.leftBytes / 2 ** 20),
    row.wrong === 0 ? good('0') : bad(count(row.wrong)),
  ]);
  return table(columns, rows);
}

function verdict({ verdict }: ScanRow): Cell {
  if (verdict === 'none') return '';
  return verdict === 'ok' ? good('ok') : verdict === 'short' ? bad('short') : doubtful('no verdict');
}

function hotTable(hot: HotRow[]): Block {
  const columns = [
    { head: 'scan', words: true },
    { head: 'scans' },
    { head: 'hot pages' },
    { head: 'frames' },
    { head: 'touches' },
    { head: 'misses' },
    { head: 'hit ratio %' },
  ];
  const rows = hot.map(({ scan, scans, hotPages, frames, touches, misses }) => [
    scan === 'none' ? 'none (control)' : scan,
    count(scans),
    count(hotPages),
    count(frames),
    count(touches),
    count(misses),
    touches === 0 ? '–' : (100 * (1 - misses / touches)).toFixed(2),
  ]);
  return table(columns, rows);
}
