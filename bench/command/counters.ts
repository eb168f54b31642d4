// `pinfold-bench counters`: exact figures beside a baseline that is kept with the code.
import fs from 'node:fs';
import { baselineOf, compareCounters, countersTable, readBaseline, writeBaseline } from '../gate/counters';
import { parseSample } from '../gate/sample';
import { runShell } from '../gate/shell';
import { inTerminal } from '../report/terminal';
import { GATE_EXIT } from './gate';
import { print } from './print';

const LIMIT_MS = 300_000;

export interface CountersValues {
  baseline: string;
  command: string;
  update: boolean;
  all: boolean;
}

/** @throws Refused */
export async function counters({ baseline: file, command, update, all }: CountersValues): Promise<number> {
  const before = update && !fs.existsSync(file) ? undefined : readBaseline(file);
  const { stdout } = await runShell(command, { cwd: process.cwd(), limitMs: LIMIT_MS, what: 'the counters' });
  const sample = parseSample(stdout, `\`${command}\``);
  if (update) {
    writeBaseline(file, baselineOf(sample, before));
    print(`${file}: ${sample.metrics.length} counters\n`);
    return GATE_EXIT.pass;
  }
  const compared = compareCounters(before!, sample);
  const changed = compared.filter(({ standing }) => standing !== 'same');
  const shown = all ? compared : changed;
  if (shown.length > 0) print(`${inTerminal([countersTable(shown)])}\n\n`);
  const has = (...standings: string[]) =>
    changed.filter(({ standing }) => standings.includes(standing)).length;
  const unknown = has('new', 'gone');
  print(
    `${compared.length} counters: ${compared.length - changed.length} the same, ${has('moved')} within their slack, ${has('better')} better, ${has('worse')} worse, ${unknown} only in one of the two.\n`,
  );
  if (changed.length > has('moved')) print('If that is as it should be: --update makes this the baseline.\n');
  if (has('worse') > 0) return GATE_EXIT.regression;
  return unknown > 0 ? GATE_EXIT.error : GATE_EXIT.pass;
}
