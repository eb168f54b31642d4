// `pinfold-bench trend`: the history of gates as one HTML file.
import { readHistory } from '../gate/history';
import { type Output, refuseUnwritable, writeWhole } from '../output';
import { Refused } from '../refused';
import { trendHtml } from '../report/html/trend';
import { GATE_EXIT } from './gate';
import { isOwnHtml, marked } from './html';
import { print } from './print';

export interface TrendValues {
  html: string;
  force: boolean;
}

/** @throws Refused */
export function trend(file: string, { html, force }: TrendValues): number {
  const history = readHistory(file);
  if (history.length === 0) throw new Refused(`${file} has no gate yet`);
  const output: Output = { option: '--html', path: html, isOwn: isOwnHtml };
  refuseUnwritable(output, force);
  writeWhole(html, marked(trendHtml(history)));
  print(`${html}: ${history.length} gates\n`);
  return GATE_EXIT.pass;
}
