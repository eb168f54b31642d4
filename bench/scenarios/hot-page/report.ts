// What the report has of the scenario hot-page: tables, figures, a chart.
import { type Block, bad, doubtful, good, heading, reading, table } from '../../report/blocks';
import type { Chart } from '../../report/chart';
import { controlCell } from '../../report/control';
import type { Figure } from '../../report/figure';
import { count, digits, ratio } from '../../report/format';
import { verdictCell } from '../../report/verdict';
import type { BenchReport } from '../../schema';
import { HOT_OPERATIONS, type HotOperation, type HotPageCell, type HotPageTruth } from './shape';

const NAME: Record<HotOperation, string> = {
  view: 'viewSync of a byte',
  pin: 'pinSync + unpin',
  update: 'updateSync of 64 bytes',
  read: 'readSync of 4 KiB',
};

export function hotPageTables({ hotPage }: BenchReport): Block[] {
  if (hotPage === null || hotPage.cells.length === 0) return [];
  const { cores, windowMs, rounds, cells, updates, stores } = hotPage;
  const columns = [
    { head: 'one hot page', words: true },
    { head: 'threads' },
    { head: 'M/s' },
    { head: '÷ 1 thread' },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'bar' },
    { head: 'reached', words: true },
  ];
  const rows = cells.map((cell) => [
    cell.threads === 1 ? NAME[cell.operation] : '',
    cell.threads > cores ? doubtful(count(cell.threads)) : count(cell.threads),
    digits(cell.millionsPerSecond),
    ratio(cell.ratio?.median ?? null),
    cell.ratio === null ? ratio(null) : `${ratio(cell.ratio.q1)}–${ratio(cell.ratio.q3)}`,
    cell.ratio === null ? '' : controlCell(cell.control),
    cell.bar === null ? '' : `≥ ${cell.bar}`,
    verdictCell(cell.verdict),
  ]);
  return [
    heading('hot page'),
    reading(
      `All threads on the same page, as fast as they can, in windows of ${Math.round(windowMs)} ms; each number of threads once a round, ${rounds} rounds. "÷ 1 thread" is that of the same round, A/A one thread once more ÷ one thread.`,
      `There are ${cores} cores: what more threads than that do is shown and not judged.`,
    ),
    table(columns, rows),
    table(
      [
        { head: 'a record changed by', words: true },
        { head: 'changes' },
        { head: 'views beside it' },
        { head: 'half changes in views' },
        { head: 'older' },
      ],
      [truthRow('update', updates, true), truthRow('stores through a pin (control)', stores, false)],
    ),
    reading(
      'One thread changes the record of the page in two halves, the others view it. A view must show it whole, and as new as the last change that had returned.',
    ),
  ];
}

function truthRow(name: string, { changes, views, torn, older }: HotPageTruth, promised: boolean) {
  const seen = (figure: number) => (promised ? bad(count(figure)) : doubtful(count(figure)));
  return [
    name,
    count(changes),
    count(views),
    torn === 0 ? (promised ? good('0') : bad('0')) : seen(torn),
    older === 0 ? '0' : seen(older),
  ];
}

export function hotPageFigures({ hotPage }: BenchReport): Figure[] {
  if (hotPage === null) return [];
  return hotPage.cells.flatMap((cell): Figure[] => {
    const { operation, threads, millionsPerSecond, ratio, control, bar, verdict } = cell;
    const name = `hot page, ${operation}, ${threads} threads`;
    const bare = { spread: null, control: null, bar: null, verdict: 'none' } as const;
    const speed: Figure = { ...bare, name, value: millionsPerSecond, unit: 'M/s', better: 'larger' };
    if (ratio === null) return [speed];
    return [
      {
        name: `${name} ÷ 1`,
        value: ratio.median,
        unit: '×',
        better: 'larger',
        spread: { q1: ratio.q1, q3: ratio.q3 },
        control,
        bar,
        verdict,
      },
      speed,
    ];
  });
}

export function hotPageCharts({ hotPage }: BenchReport): Chart[] {
  if (hotPage === null || hotPage.cells.length === 0) return [];
  const threads = [...new Set(hotPage.cells.map((cell) => cell.threads))];
  const of = (operation: HotOperation, n: number, figure: (cell: HotPageCell) => number | null) => {
    const cell = hotPage.cells.find((each) => each.operation === operation && each.threads === n);
    return cell === undefined ? null : figure(cell);
  };
  const most = threads[threads.length - 1];
  const said = HOT_OPERATIONS.map(
    (operation) => `${NAME[operation]} ${ratio(of(operation, most, (cell) => cell.ratio?.median ?? null))}`,
  );
  const alone = HOT_OPERATIONS.map(
    (operation) => `${NAME[operation]} ${digits(of(operation, 1, (cell) => cell.millionsPerSecond))}`,
  );
  return [
    {
      kind: 'lines',
      title: 'One hot page by threads, relative to one thread',
      description: `On ${hotPage.cores} cores, ${most} threads ÷ 1: ${said.join('; ')}.`,
      x: { label: 'threads', scale: 'steps', values: threads },
      y: { label: '÷ 1 thread', scale: 'linear' },
      series: HOT_OPERATIONS.map((operation) => ({
        name: NAME[operation],
        values: threads.map((n) => (n === 1 ? 1 : of(operation, n, (cell) => cell.ratio?.median ?? null))),
      })),
    },
    {
      kind: 'lines',
      title: 'One hot page by threads',
      description: `Millions of operations a second of all threads together, on ${hotPage.cores} cores; by one thread: ${alone.join('; ')}.`,
      x: { label: 'threads', scale: 'steps', values: threads },
      y: { label: 'M/s', scale: 'log' },
      series: HOT_OPERATIONS.map((operation) => ({
        name: NAME[operation],
        values: threads.map((n) => of(operation, n, (cell) => cell.millionsPerSecond)),
      })),
    },
  ];
}
