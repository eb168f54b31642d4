// `pinfold-bench compare`: do two runs say the same?
import { compareReports } from '../compare';
import { comparisonBlocks, comparisonClosing } from '../report/compare';
import { coloured, inTerminal } from '../report/terminal';
import { readReport } from '../report-file';
import { FAILED, OK } from './exit';
import { print } from './print';

/** @throws Refused */
export function compare(fileA: string, fileB: string, { json }: { json: boolean }): number {
  const comparison = compareReports(fileA, readReport(fileA), fileB, readReport(fileB));
  if (json) print(`${JSON.stringify(comparison, null, 2)}\n`);
  else
    print(
      `${inTerminal(comparisonBlocks(comparison))}\n\n${comparisonClosing(comparison).map(coloured).join('\n')}\n`,
    );
  return comparison.agree ? OK : FAILED;
}
