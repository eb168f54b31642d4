// The report for people, as one HTML file.
import { htmlReport } from '../report/html';
import type { BenchReport } from '../schema';

/** The first bytes of every file that this makes: an earlier one may be replaced. */
const MARK = '<!doctype html>\n<!-- pinfold-bench -->\n';

export function htmlText(report: BenchReport): string {
  return marked(htmlReport(report));
}

export function marked(page: string): string {
  return page.replace(/^<!doctype html>\n/i, MARK);
}

export function isOwnHtml(text: string): boolean {
  return text.startsWith(MARK);
}
