// What the report has of the scenario group-commit: a table, figures, charts.
import { type Block, bad, good, heading, reading, table } from '../../report/blocks';
import type { Chart } from '../../report/chart';
import type { Figure } from '../../report/figure';
import { count, ms, rate, ratio } from '../../report/format';
import { verdictCell } from '../../report/verdict';
import type { BenchReport } from '../../schema';
import type { GroupCommitCell, GroupCommitResult } from './shape';

export function groupCommitTable({ groupCommit }: BenchReport): Block[] {
  if (groupCommit === null) return [];
  const { windowMs, rounds, cells, control, floor, skip } = groupCommit;
  const columns = [
    { head: 'threads' },
    { head: 'callers' },
    { head: 'commits/s' },
    { head: '÷ 1 caller' },
    { head: 'quartiles' },
    { head: 'bar' },
    { head: 'reached', words: true },
    { head: 'p50 ms' },
    { head: 'p99' },
    { head: 'max' },
    { head: 'flushes/commit' },
    { head: 'checked' },
    { head: 'lies' },
  ];
  const rows = cells.map((cell) => [
    count(cell.threads),
    count(cell.callers),
    rate(Math.round(cell.commitsPerSecond)),
    ratio(cell.ratio?.median ?? null),
    cell.ratio === null ? ratio(null) : `${ratio(cell.ratio.q1)}–${ratio(cell.ratio.q3)}`,
    cell.bar === null ? '' : `≥ ${cell.bar}`,
    verdictCell(cell.verdict),
    ms(cell.latency.p50Us),
    ms(cell.latency.p99Us),
    ms(cell.latency.maxUs),
    ratio(cell.flushesPerCommit),
    count(cell.truth.checked),
    cell.truth.lies === 0 ? good('0') : bad(count(cell.truth.lies)),
  ]);
  return [
    heading('group commit'),
    reading(
      'Each caller writes a page of its own, awaits fsync, and begins again; those that come together share a flush.',
      `Windows of ${Math.round(windowMs)} ms, each number of callers once a round, ${rounds} rounds; "÷ 1 caller" is that of the same round. One caller once more (A/A): ${ratio(control)}.`,
      `Bare write + fdatasync of a page, in the same rounds: ${rate(Math.round(floor.commitsPerSecond))} a second, p50 ${ms(floor.latency.p50Us)} ms, p99 ${ms(floor.latency.p99Us)} ms.`,
    ),
    table(columns, rows),
    reading(
      'Latencies are of one commit, from before its write. The caller reads its page from the file itself once fsync has returned, after one commit in eight and after the last one of a window.',
      `Skip, the control whose fsync passes pages over, lied ${count(skip.lies)} times of ${count(skip.checked)}${skip.lies > 0 ? '; so the check does see it' : ''}.`,
    ),
  ];
}

const nameOf = ({ threads, callers }: GroupCommitCell): string =>
  `group commit, ${callers} callers in ${threads} threads`;

export function groupCommitFigures({ groupCommit }: BenchReport): Figure[] {
  if (groupCommit === null) return [];
  const { cells, control } = groupCommit;
  return cells.flatMap((cell): Figure[] => {
    const { ratio, bar, verdict, commitsPerSecond, latency } = cell;
    const bare = { spread: null, control: null, bar: null, verdict: 'none' } as const;
    const name = nameOf(cell);
    return [
      ...(ratio === null
        ? []
        : [
            {
              name: `${name} ÷ 1`,
              value: ratio.median,
              unit: '×',
              better: 'larger' as const,
              spread: { q1: ratio.q1, q3: ratio.q3 },
              control,
              bar,
              verdict,
            },
          ]),
      { ...bare, name, value: commitsPerSecond, unit: 'commits/s', better: 'larger' },
      { ...bare, name: `${name}, p50`, value: latency.p50Us, unit: 'µs', better: 'smaller' },
      { ...bare, name: `${name}, p99`, value: latency.p99Us, unit: 'µs', better: 'smaller' },
    ];
  });
}

export function groupCommitCharts({ groupCommit }: BenchReport): Chart[] {
  if (groupCommit === null || groupCommit.rounds === 0) return [];
  const { cells, floor } = groupCommit;
  const callers = [...new Set(cells.map((cell) => cell.callers))].sort((a, b) => a - b);
  const threads = [...new Set(cells.map((cell) => cell.threads))].sort((a, b) => a - b);
  const most = callers[callers.length - 1];
  const said = threads.map(
    (of) =>
      `${of === 1 ? '1 thread' : `${of} threads`}, ${most} callers ${rate(perSecond(groupCommit, of, most))} a second`,
  );
  const latencies = cells
    .filter((cell) => cell.threads === 1)
    .map(({ callers, latency }) => `${callers} callers ${ms(latency.p50Us)}, ${ms(latency.p99Us)}`);
  return [
    {
      kind: 'lines',
      title: 'Commits a second by callers of fsync',
      description: `${said.join('; ')}; one bare write + fdatasync after another ${rate(Math.round(floor.commitsPerSecond))} a second.`,
      x: { label: 'callers', scale: 'steps', values: callers },
      y: { label: 'commits/s', scale: 'linear' },
      series: [
        ...threads.map((of) => ({
          name: of === 1 ? '1 thread' : `${of} threads`,
          values: callers.map((n) => perSecond(groupCommit, of, n)),
        })),
        {
          name: 'bare write + fdatasync',
          control: true,
          values: callers.map(() => floor.commitsPerSecond),
        },
      ],
    },
    {
      kind: 'percentiles',
      title: 'Latency of a commit by callers of fsync in one thread',
      description: `From before its write until fsync has returned; p50 and p99 in ms: ${latencies.join('; ')}.`,
      series: [
        ...cells
          .filter((cell) => cell.threads === 1)
          .map((cell) => ({
            name: cell.callers === 1 ? '1 caller' : `${cell.callers} callers`,
            curve: cell.latency.curve,
          })),
        { name: 'bare write + fdatasync', control: true, curve: floor.latency.curve },
      ],
    },
  ];
}

function perSecond({ cells }: GroupCommitResult, threads: number, callers: number): number | null {
  return cells.find((cell) => cell.threads === threads && cell.callers === callers)?.commitsPerSecond ?? null;
}
