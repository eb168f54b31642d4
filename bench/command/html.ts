// The report for people, as one HTML file.
import { stripVTControlCharacters } from 'node:util';
import { blocksOf } from '../report/scenario';
import { inTerminal } from '../report/terminal';
import { SCENARIOS } from '../scenarios';
import type { BenchReport } from '../schema';

/** The first bytes of every file that this makes: an earlier one may be replaced. */
const MARK = '<!-- pinfold-bench -->\n';

export function htmlText(report: BenchReport): string {
  return MARK + rendered(report);
}

export function isOwnHtml(text: string): boolean {
  return text.startsWith(MARK);
}

/** The tables as the terminal has them. */
function rendered(report: BenchReport): string {
  const tables = SCENARIOS.map((scenario) => inTerminal(blocksOf(scenario, report))).join('\n');
  const text = stripVTControlCharacters(tables).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<!doctype html>\n<meta charset="utf-8">\n<title>pinfold-bench</title>\n<pre>${text}</pre>\n`;
}
