// Rows of the table of bars.
import { uncertaintyOf, verdictOf } from '../arms';
import type { Verdict } from '../report/figure';
import { unusualOf } from '../report/fsync';
import type { ArmFigures, FsyncCell, MicroRow } from '../schema';
import { median, spreadOf } from '../statistics';
import type { GroupCommitCell, GroupCommitResult, RoundsRatio } from './group-commit/shape';
import type { HotPageResult } from './hot-page/shape';

interface Measured {
  name: string;
  /** One a round, of neighbours in time. */
  ratios: number[];
  /** The same between two identical arms (A/A). */
  controls: number[];
  direction: MicroRow['direction'];
  bar: number;
  parts: MicroRow['parts'];
  note?: string | null;
}

/** Figures of `over` ÷ figures of `under` at the same index: neighbours in time. */
export function ratios(over: number[], under: number[]): number[] {
  return over.slice(0, under.length).map((value, i) => value / under[i]);
}

export function microRow({ name, ratios, controls, direction, bar, parts, note }: Measured): MicroRow {
  if (ratios.length === 0) return unmeasured(name, direction, bar, 'too little time for one round');
  const spread = spreadOf(ratios);
  const { median: value, q1, q3 } = spread;
  const control = controls.length === 0 ? null : median(controls);
  return {
    name,
    value,
    q1,
    q3,
    bar,
    direction,
    control,
    verdict: verdictOf(
      { value, uncertainty: uncertaintyOf(spread), control: control ?? Number.NaN },
      bar,
      direction,
    ),
    parts,
    note: note ?? null,
  };
}

function unmeasured(name: string, direction: MicroRow['direction'], bar: number, note: string): MicroRow {
  return {
    name,
    value: null,
    q1: null,
    q3: null,
    bar,
    direction,
    control: null,
    verdict: 'not measured',
    parts: [],
    note,
  };
}

/** The bars of bounce, for each `pinnedDirty` at its worst hold, from the cells of the fsync scenario of this run. */
export function pinnedFsyncRows(cells: FsyncCell[]): MicroRow[] {
  const rows = (['keep', 'redirty'] as const).flatMap((pinnedDirty) => {
    const bounced = cells.filter((cell) => cell.policy === 'bounce' && cell.pinnedDirty === pinnedDirty);
    return bounced.length === 0 ? [] : [worstHold(bounced, 'p50'), worstHold(bounced, 'p99')];
  });
  if (rows.length > 0) return rows;
  return [unmeasured('fsync p50, pages pinned ÷ none', 'at most', 1.05, 'the fsync scenario did not run')];
}

/** The cell with the greatest ratio: none without a verdict may hide behind one that has one. */
function worstHold(cells: FsyncCell[], figure: 'p50' | 'p99'): MicroRow {
  const ratioOf = (cell: FsyncCell) => cell.ratios[figure].paired?.median ?? cell.ratios[figure].pooled ?? 0;
  const judged = cells.filter(({ ratios }) => ratios[figure].verdict !== 'no verdict');
  const worst = cells.reduce((a, b) => (ratioOf(b) > ratioOf(a) ? b : a));
  const { paired, control, verdict, bar } = worst.ratios[figure];
  const us = (arm: ArmFigures) => arm.latency[`${figure}Us`] ?? 0;
  const same = control.paired ?? control.pooled;
  const where = [`at ${worst.holdMs} ms`, ...unusualOf(worst)].join(', ');
  const judgedNote = `${where}; ${judged.length} of ${cells.length} cells have a verdict`;
  return {
    name: `fsync ${figure}, pages pinned ÷ none: ${worst.pinnedDirty}, worst hold`,
    value: ratioOf(worst),
    q1: paired?.q1 ?? null,
    q3: paired?.q3 ?? null,
    bar: bar ?? Number.NaN,
    direction: 'at most',
    control: same,
    verdict: verdict === 'none' ? 'no verdict' : verdict,
    parts: [
      { label: 'pinned', value: us(worst.arms.pinned), unit: 'µs' },
      { label: 'none', value: us(worst.arms.none), unit: 'µs' },
    ],
    note: judgedNote,
  };
}

interface Judged {
  ratio: RoundsRatio | null;
  verdict: Verdict;
}

/** A row of what another scenario of this run has found; `undefined`: it did not run. */
function rowOfScenario(
  name: string,
  scenario: string,
  bar: number,
  cell: Judged | undefined,
  control: number | null,
  parts: MicroRow['parts'],
): MicroRow {
  if (cell === undefined)
    return unmeasured(
      name,
      'at least',
      bar,
      `the scenario ${scenario} did not run, or not with so many threads`,
    );
  const { ratio, verdict } = cell;
  if (ratio === null) return unmeasured(name, 'at least', bar, 'too little time for one round');
  return {
    name,
    value: ratio.median,
    q1: ratio.q1,
    q3: ratio.q3,
    bar,
    direction: 'at least',
    control,
    verdict: verdict === 'none' ? 'no verdict' : verdict,
    parts,
    note: null,
  };
}

/** The bar of views of one page, from the scenario hot-page. */
export function hotPageRow(found: HotPageResult | null): MicroRow {
  const of = (threads: number) =>
    found?.cells.find((cell) => cell.operation === 'view' && cell.threads === threads);
  const two = of(2);
  const parts = [of(1), two].flatMap((cell) =>
    cell === undefined
      ? []
      : [
          {
            label: cell.threads === 1 ? '1 thread' : `${cell.threads} threads`,
            value: cell.millionsPerSecond,
            unit: 'M views/s',
          },
        ],
  );
  return rowOfScenario(
    'one hot page viewed by 2 threads ÷ 1',
    'hot-page',
    1.9,
    two,
    two?.control ?? null,
    parts,
  );
}

/** The bars of commits that come together, from the scenario group-commit. */
export function groupCommitRows(found: GroupCommitResult | null): MicroRow[] {
  const of = (threads: number, callers: number) =>
    found?.cells.find((cell) => cell.threads === threads && cell.callers === callers);
  const row = (name: string, label: string, cell: GroupCommitCell | undefined) => {
    const parts = [
      { label: '1 caller', of: of(1, 1) },
      { label, of: cell },
    ].flatMap((part) =>
      part.of === undefined
        ? []
        : [{ label: part.label, value: part.of.commitsPerSecond, unit: 'commits/s' }],
    );
    return rowOfScenario(name, 'group-commit', 4, cell, found?.control ?? null, parts);
  };
  return [
    row('8 async fsync callers in one thread ÷ 1', '8 callers', of(1, 8)),
    row('4 threads × 2 async fsync callers ÷ 1', '4 × 2', of(4, 8)),
  ];
}
