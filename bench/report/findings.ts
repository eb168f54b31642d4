// The answers that the bench is there for, in a few sentences.
import type { BenchReport } from '../schema';
import { count } from './format';
import { fsyncFindings } from './fsync';

export function findings(report: BenchReport): string[] {
  return [...fsyncFindings(report), ...deadlockFindings(report), ...mixedFindings(report)].filter(
    (sentence) => sentence !== '',
  );
}

function deadlockFindings({ deadlock }: BenchReport): string[] {
  const said = deadlock
    .filter(({ rounds }) => rounds > 0)
    .map(
      ({ policy, through, rounds }) => `${policy} got through ${count(through)} of ${count(rounds)} times`,
    );
  return said.length === 0
    ? []
    : [
        `Where the holder of the pin waits for fsync's caller, ${said.join(', ')}; what did not, ended by a timeout.`,
      ];
}

function mixedFindings({ mixed }: BenchReport): string[] {
  const cells = mixed.filter(({ arm }) => arm === 'updates');
  if (cells.length === 0) return [];
  const sum = (of: (truth: (typeof cells)[number]['truth']) => number) =>
    count(cells.reduce((total, { truth }) => total + of(truth), 0));
  return [
    `Everything at once over the same pages: ${sum((truth) => truth.halvesInViews)} half updates in ${sum((truth) => truth.viewsChecked)} views, ${sum((truth) => truth.lies)} lies in ${sum((truth) => truth.fsyncsChecked)} fsyncs.`,
  ];
}
