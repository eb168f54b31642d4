// `pinfold-bench report`: a report that a run has left, shown again, or turned into something else.
import { type Output, refuseUnwritable, writeWhole } from '../output';
import { Refused } from '../refused';
import type { Figure } from '../report/figure';
import { closing, opening } from '../report/frame';
import { actionEntries } from '../report/github-action-benchmark';
import { blocksOf } from '../report/scenario';
import { inTerminal } from '../report/terminal';
import { readReport } from '../report-file';
import { SCENARIOS } from '../scenarios';
import { type BenchReport, REPORT_VERSION } from '../schema';
import { FAILED, OK } from './exit';
import { htmlText, isOwnHtml } from './html';
import { print } from './print';

export const REPORT_FORMATS = ['text', 'github-action-benchmark'] as const;
export const BETTER = ['smaller', 'larger'] as const;

export interface ReportValues {
  format: (typeof REPORT_FORMATS)[number];
  better?: Figure['better'];
  html?: string;
  check: boolean;
  force: boolean;
}

/** @throws Refused */
export function showReport(file: string, { format, better, html, check, force }: ReportValues): number {
  const asAction = format === 'github-action-benchmark';
  if (asAction && better === undefined)
    throw new Refused(
      '--format github-action-benchmark needs --better smaller or --better larger: a file for each',
    );
  if (!asAction && better !== undefined)
    throw new Refused('--better goes with --format github-action-benchmark');
  if (check && (asAction || html !== undefined)) throw new Refused('--check goes alone');
  const report = readReport(file);
  if (check) {
    print(`${file} is a valid report, version ${REPORT_VERSION}\n`);
    return OK;
  }
  if (html !== undefined) return writeHtml(report, html, force);
  if (better !== undefined) {
    const figures = SCENARIOS.flatMap((scenario) => scenario.figures(report));
    print(`${JSON.stringify(actionEntries(figures, better), null, 2)}\n`);
  } else {
    const tables = SCENARIOS.map((scenario) => blocksOf(scenario, report)).filter(({ length }) => length > 0);
    const parts = [
      opening(report, report.command.file ?? 'a temporary file'),
      ...tables.map(inTerminal),
      closing(report),
    ];
    print(`${parts.join('\n')}\n`);
  }
  return OK;
}

function writeHtml(report: BenchReport, path: string, force: boolean): number {
  const output: Output = { option: '--html', path, isOwn: isOwnHtml };
  refuseUnwritable(output, force);
  try {
    writeWhole(path, htmlText(report));
  } catch (error) {
    process.stderr.write(`pinfold-bench: ${path} could not be written: ${(error as Error).message}\n`);
    return FAILED;
  }
  print(`${path}\n`);
  return OK;
}
