// The two tables of the mixed scenario: how long each role took, and what was seen that must not be.
import { type BenchReport, MIXED_ROLES, type MixedCell, type MixedRole } from '../schema';
import { type Block, bad, doubtful, good, heading, reading, table } from './blocks';
import { count, digits, rate } from './format';

export const ROLE_NAME: Record<MixedRole, string> = {
  update: 'update, write',
  view: 'view, read',
  dma: 'pin + DMA',
  fsync: 'fsync',
};

export function mixedTables({ mixed }: BenchReport): Block[] {
  if (mixed.length === 0) return [];
  return [
    heading('mixed'),
    reading(
      `Two threads update, two view, two pin pages for DMA and two call fsync, all at once over one file, at fixed times, whatever became of the one before.`,
      `Pages are drawn by a zipf distribution (0.99) over ${count(mixed[0].pages)} pages, of which the cache holds ${count(mixed[0].frames)}: the popular ones are where all meet, the others come and go.`,
      'A record is changed in two halves. One update in four stops for 1 ms in between, and so does one view in 16.',
    ),
    // A control measures nothing but the check.
    latencyTable(mixed.filter(({ arm }) => arm === 'updates')),
    reading(
      'Latencies are from the moment each operation was due, of both threads together; those of DMA end when all four reads have landed.',
      '"Given up": operations never begun because the thread was too far behind.',
    ),
    truthTable(mixed),
    reading(...truthReading(mixed)),
  ];
}

function cellName({ arm, pinnedDirty }: MixedCell): string {
  switch (arm) {
    case 'updates':
      return `bounce, ${pinnedDirty}`;
    case 'stores':
      return 'stores (control)';
    case 'skip':
      return 'skip (control)';
  }
}

function latencyTable(cells: MixedCell[]): Block {
  const columns = [
    { head: 'cell', words: true },
    { head: 'role', words: true },
    { head: 'due/s' },
    { head: 'done/s' },
    { head: 'p50 µs' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'count' },
    { head: 'given up' },
    { head: 'hits %' },
  ];
  const rows = cells.flatMap((cell) =>
    MIXED_ROLES.map((role, i) => {
      const { duePerSecond, perSecond, latency, givenUp } = cell.roles[role];
      return [
        i === 0 ? cellName(cell) : '',
        ROLE_NAME[role],
        rate(duePerSecond),
        rate(perSecond),
        digits(latency.p50Us),
        digits(latency.p99Us),
        digits(latency.maxUs),
        count(latency.count),
        count(givenUp),
        i === 0 ? digits(cell.hitRatio === null ? null : 100 * cell.hitRatio) : '',
      ];
    }),
  );
  return table(columns, rows);
}

function truthTable(cells: MixedCell[]): Block {
  const columns = [
    { head: 'cell', words: true },
    { head: 'views' },
    { head: 'half updates in views' },
    { head: 'older' },
    { head: 'fsyncs' },
    { head: 'half updates in the file' },
    { head: 'lies' },
    { head: 'torn reads' },
  ];
  const rows = cells.map((cell) => {
    const { arm, truth } = cell;
    const of = (figure: number, promised: boolean) => {
      if (figure === 0) return good('0');
      return promised ? bad(count(figure)) : doubtful(count(figure));
    };
    return [
      cellName(cell),
      count(truth.viewsChecked),
      of(truth.halvesInViews, arm !== 'stores'),
      of(truth.viewsOlder, arm !== 'stores'),
      count(truth.fsyncsChecked),
      of(truth.halvesInFile, arm !== 'stores'),
      of(truth.lies, arm === 'updates'),
      count(truth.passing),
    ];
  });
  return table(columns, rows);
}

function truthReading(cells: MixedCell[]): string[] {
  const sentences = [
    'Each view, and after each fsync the file itself, read by plain fs, is searched for records made of two updates. An older record than one that had returned before the call, or older bytes of DMA whose pin had dropped, is a lie.',
  ];
  const shown = cells.filter(
    ({ arm, truth }) => arm === 'stores' && truth.halvesInViews + truth.halvesInFile > 0,
  );
  if (shown.length > 0) {
    sentences.push(
      'Stores, the control that changes the records through write pins instead of by update, is seen by halves; so the check does see them.',
    );
  }
  if (cells.some(({ arm, truth }) => arm === 'skip' && truth.lies > 0))
    sentences.push('Skip, the control that leaves pinned pages out of fsync, is seen to lie.');
  sentences.push(
    '"Torn reads": records in pieces that were whole when they were read again, once no write was under way; a read beside a write is not atomic.',
  );
  return sentences;
}
