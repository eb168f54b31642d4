// What stands above and below the tables.
import { SCENARIOS } from '../scenarios';
import type { BenchReport } from '../schema';
import { heading, reading } from './blocks';
import type { Verdict } from './figure';
import { findings } from './findings';
import { doubts, outcome } from './notices';
import { coloured, inTerminal } from './terminal';

export function opening(report: BenchReport, dataFile: string): string {
  const { cpu, cores, memoryBytes, platform, kernel, arch, node, v8, fileSystem, device } = report.machine;
  return [
    `${cpu} · ${cores} cores · ${Math.round(memoryBytes / 2 ** 30)} GiB · ${platform} ${kernel} ${arch}`,
    `Node ${node} (V8 ${v8}) · ${fileSystem} on ${device} · ${dataFile}`,
    ...doubts(report).map(coloured),
  ].join('\n');
}

/** The answers, how the figures stand to their bars, and what became of the promises. */
export function closing(report: BenchReport): string {
  const said = [...findings(report), ...standing(report)].map((sentence) => reading(sentence));
  const short = said.length === 0 ? [] : [inTerminal([heading('in short'), ...said])];
  return [...short, '', ...outcome(report).map(coloured)].join('\n');
}

function standing(report: BenchReport): string[] {
  const verdicts = SCENARIOS.flatMap((scenario) => scenario.figures(report)).map(({ verdict }) => verdict);
  const of = (which: Verdict) => verdicts.filter((verdict) => verdict === which).length;
  const [ok, short, open] = [of('ok'), of('short'), of('no verdict')];
  if (ok + short + open === 0) return [];
  return [
    `Of ${ok + short + open} figures that have a bar, ${ok} reach it, ${short} fall short, ${open} have no verdict.`,
  ];
}
