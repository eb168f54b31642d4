// `npm run picture -- REPORT.json [PICTURE.png]`: the top of a report's page as Chromium shows it, for the README.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { htmlReport } from '../bench/report/html';
import { type BenchReport, validateReport } from '../bench/schema';
import { launchChromium } from './chromium';

const DEFAULT_PICTURE = 'docs/report.png';
const SIZE = { width: 1_160, height: 1_790 };
/** A README is not as wide as a window, and has to load. */
const SCALE = 0.8;

async function main([reportPath, picture = DEFAULT_PICTURE, ...others]: string[]): Promise<void> {
  if (reportPath === undefined || others.length > 0)
    throw new Error('usage: npm run picture -- REPORT.json [PICTURE.png]');
  const report: unknown = JSON.parse(fs.readFileSync(reportPath, 'utf8'));
  const problems = validateReport(report);
  if (problems.length > 0)
    throw new Error(`${reportPath} is no report of this bench: ${problems.slice(0, 3).join('; ')}`);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pinfold-picture-'));
  try {
    const page = path.join(directory, 'report.html');
    fs.writeFileSync(page, htmlReport(report as BenchReport));
    await photograph(pathToFileURL(page).href, picture);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  process.stdout.write(`${picture}: ${Math.round(fs.statSync(picture).size / 1024)} KiB\n`);
}

async function photograph(url: string, picture: string): Promise<void> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({
      viewport: SIZE,
      deviceScaleFactor: SCALE,
      colorScheme: 'light',
      reducedMotion: 'reduce',
    });
    await page.goto(url);
    await page.locator('.plot canvas').first().waitFor();
    await page.screenshot({ path: picture });
  } finally {
    await browser.close();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`picture: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
