// `npm run figures -- REPORT.json`: puts a report's tables into docs/keep-or-redirty.md and its charts beside it.
import fs from 'node:fs';
import path from 'node:path';
import { keepOrRedirtyDocument } from './document/keep-or-redirty';
import { withFigures } from './document/markdown';
import { readReport } from './report-file';

const NAME = 'keep-or-redirty';

function main([reportPath, docs = 'docs', ...others]: string[]): void {
  if (reportPath === undefined || others.length > 0) {
    throw new Error('usage: npm run figures -- REPORT.json [DOCS]');
  }
  const { markdown, charts } = keepOrRedirtyDocument(readReport(reportPath), NAME);
  const document = path.join(docs, `${NAME}.md`);
  fs.writeFileSync(document, withFigures(fs.readFileSync(document, 'utf8'), markdown));
  const folder = path.join(docs, NAME);
  fs.mkdirSync(folder, { recursive: true });
  for (const [file, svg] of charts) fs.writeFileSync(path.join(folder, file), svg);
  process.stdout.write(`${document}, and ${charts.size} charts in ${folder}\n`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`figures: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
