import { describe, expect, test } from 'vitest';
import { groupCommitFailures } from '../bench/scenarios/group-commit/index.ts';
import { groupCommitCharts, groupCommitFigures } from '../bench/scenarios/group-commit/report.ts';
import { GROUP_COMMIT, type GroupCommitResult } from '../bench/scenarios/group-commit/shape.ts';
import { groupCommitRows } from '../bench/scenarios/micro-rows.ts';
import type { BenchReport } from '../bench/schema.ts';
import { problemsOf } from '../bench/shape.ts';
import { groupCommitCell as cell, groupCommitResult as found } from './support/group-commit.ts';

const GOOD = found([cell(1, 1), cell(1, 8), cell(4, 8)]);
const reportOf = (groupCommit: GroupCommitResult | null) => ({ groupCommit }) as BenchReport;

test('what is found has the shape that the report is checked for', () => {
  expect(problemsOf(GOOD, GROUP_COMMIT, 'groupCommit')).toEqual([]);
});

describe('what fails a run', () => {
  test('nothing: truth, and a control that lies', () => {
    expect(groupCommitFailures(GOOD, false)).toEqual([]);
    expect(groupCommitFailures(null, false)).toEqual([]);
  });

  test('one lie, also of a run that was stopped', () => {
    const lied = found([cell(1, 1), cell(1, 8, 1)]);
    for (const interrupted of [false, true])
      expect(groupCommitFailures(lied, interrupted)).toEqual([expect.stringContaining('8 callers in 1')]);
  });

  test('a control that was never seen to lie, unless a signal cut it short', () => {
    const blind = found([cell(1, 1)], 0);
    expect(groupCommitFailures(blind, false)).toEqual([expect.stringContaining('check of group commit')]);
    expect(groupCommitFailures(blind, true)).toEqual([]);
  });
});

test('figures have names of their own', () => {
  const names = groupCommitFigures(reportOf(GOOD)).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('group commit, 8 callers in 4 threads ÷ 1');
  expect(groupCommitFigures(reportOf(null))).toEqual([]);
});

test('a chart has a value, or none, for each number of callers', () => {
  const [lines] = groupCommitCharts(reportOf(GOOD));
  expect(lines).toMatchObject({ kind: 'lines', x: { values: [1, 8] } });
  expect(lines.kind === 'lines' && lines.series.map(({ values }) => values)).toEqual([
    [100, 800],
    [null, 800],
    [120, 120],
  ]);
});

describe('bars in the table of micro-benchmarks', () => {
  test('are of this scenario', () => {
    const [oneThread, fourThreads] = groupCommitRows(GOOD);
    expect(oneThread).toMatchObject({ value: 8, q1: 7, q3: 9, bar: 4, verdict: 'ok', control: 1.01 });
    expect(fourThreads.parts.map(({ value }) => value)).toEqual([100, 800]);
  });

  test('are not measured without it, or without so many threads', () => {
    for (const row of groupCommitRows(null)) expect(row.verdict).toBe('not measured');
    expect(groupCommitRows(found([cell(1, 1), cell(1, 8)]))[1].verdict).toBe('not measured');
  });
});
