// The two tables of the scenario stable: what the file had, and what a checksum costs.
import type { ChecksumRow, StableCell } from '../scenarios/stable/shape';
import type { BenchReport } from '../schema';
import { type Block, bad, type Cell, doubtful, good, heading, reading, table } from './blocks';
import { controlCell } from './control';
import { count, digits, rate, ratio } from './format';
import { verdictCell } from './verdict';

export function stableTables({ stable }: BenchReport): Block[] {
  if (stable === null) return [];
  const lines = [heading('stable pages')];
  if (stable.cells.length > 0) {
    lines.push(
      reading(
        'One thread stores word after word into every page of a file with checksums, and libuv reads into them, without a pause, while another calls fsync after fsync.',
      ),
      cellTable(stable.cells),
      reading(
        'After each fsync the pages are read by plain fs. "Failed": pages that are not what their checksum says. "Mixed": good pages that hold stores of more than one moment, which is allowed.',
        'Direct, a control, writes each page from where it is, with a checksum over what was there: it must be seen to fail. "Torn reads" were good when they were read again after a write had ended.',
        'MiB/s are of the fsyncs alone, their flushes included.',
      ),
    );
  }
  lines.push(
    checksumTable(stable.checksum),
    reading(
      "Pages in the processor's cache, one after another. A CRC's time divided by that of a copy of the page beside it: median and quartiles.",
    ),
  );
  return lines;
}

function cellTable(cells: StableCell[]): Block {
  const columns = [
    { head: 'pages of' },
    { head: 'written', words: true },
    { head: 'fsyncs/s' },
    { head: 'mean µs' },
    { head: 'MiB/s' },
    { head: 'pages' },
    { head: 'pinned' },
    { head: 'checked' },
    { head: 'failed' },
    { head: 'mixed' },
    { head: 'torn reads' },
    { head: 'GB stored' },
    { head: 'by libuv' },
  ];
  const rows = cells.map((cell) => [
    `${cell.pageSize >>> 10} KiB`,
    cell.arm === 'direct' ? 'direct (control)' : 'bounce',
    rate(cell.fsyncsPerSecond),
    digits(cell.fsyncUs),
    digits(cell.writtenMiBPerSecond),
    count(cell.written),
    count(cell.bounced),
    count(cell.truth.checked),
    failed(cell),
    count(cell.truth.mixed),
    count(cell.truth.passing),
    digits(cell.storedBytes / 1e9),
    digits(cell.readBytes / 1e9),
  ]);
  return table(columns, rows);
}

function failed({ arm, truth }: StableCell): Cell {
  if (truth.failed === 0) return arm === 'bounce' ? good('0') : bad('0');
  return arm === 'bounce' ? bad(count(truth.failed)) : doubtful(count(truth.failed));
}

function checksumTable(checksum: ChecksumRow[]): Block {
  const columns = [
    { head: 'crc32c of' },
    { head: 'GB/s' },
    { head: 'bar' },
    { head: 'A/A' },
    { head: 'reached', words: true },
    { head: 'memory.copy GB/s' },
    { head: 'crc ÷ copy' },
    { head: 'quartiles' },
  ];
  const rows = checksum.map((row) => [
    `${row.pageSize >>> 10} KiB`,
    digits(row.crcGBPerSecond),
    `≥ ${row.bar}`,
    controlCell(row.control),
    verdictCell(row.verdict),
    digits(row.copyGBPerSecond),
    ratio(row.ratio),
    `${ratio(row.q1)}–${ratio(row.q3)}`,
  ]);
  return table(columns, rows);
}
