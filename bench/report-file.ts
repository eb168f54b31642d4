// A report in a file: what this version reads, and why not.
import fs from 'node:fs';
import { Refused } from './refused';
import { type BenchReport, REPORT_SCHEMA, REPORT_VERSION, validateReport } from './schema';

/** Of a file with many problems, those that are shown. */
const PROBLEMS_SHOWN = 10;

/** Whether `text` is a report of any version. */
export function isReport(text: string): boolean {
  try {
    return (JSON.parse(text) as { schema?: unknown } | null)?.schema === REPORT_SCHEMA;
  } catch {
    return false;
  }
}

export const reportText = (report: BenchReport): string => `${JSON.stringify(report, null, 2)}\n`;

/** @throws Refused, with what is wrong with the file */
export function readReport(file: string): BenchReport {
  const value = parsed(file);
  const { schema, version } = (value ?? {}) as { schema?: unknown; version?: unknown };
  if (schema !== REPORT_SCHEMA) throw new Refused(`${file} is no report of this bench`);
  if (version !== REPORT_VERSION) {
    throw new Refused(
      `${file} is a report of version ${JSON.stringify(version)}; this pinfold-bench reads version ${REPORT_VERSION}: run it again, or use the release that wrote it`,
    );
  }
  const problems = validateReport(value);
  if (problems.length > 0) {
    const more = problems.length - PROBLEMS_SHOWN;
    const shown = [...problems.slice(0, PROBLEMS_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
    throw new Refused(`${file} is no valid report:\n${shown.map((problem) => `  ${problem}`).join('\n')}`);
  }
  return value as BenchReport;
}

function parsed(file: string): unknown {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Refused(`cannot read ${file}: ${(cause as Error).message}`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Refused(`${file} is no JSON: ${(cause as Error).message}`);
  }
}
