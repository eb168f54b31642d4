// The HTML report as a reader meets it: opened from a file, in Chromium. `npm run test:browser`
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { htmlReport } from '../../bench/report/html/index.ts';
import type { BenchReport } from '../../bench/schema.ts';
import { CHROMIUM, launchChromium } from '../../scripts/chromium.ts';
import { benchReport } from '../support/bench-report.ts';
import { testDirectory } from '../support/directory.ts';
import { fullReport } from '../support/report.ts';
import { root } from '../support/root.ts';

const DESK = { width: 1_280, height: 900 };
const PHONE = { width: 360, height: 740 };
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const full = fullReport();
const missing = !fs.existsSync(CHROMIUM);
// In CI it is installed beforehand: there a skip would be a test that nobody runs.
if (missing) console.warn(`SKIPPED: there is no ${CHROMIUM}`);
if (missing && process.env.CI) throw new Error(`there is no ${CHROMIUM}`);

describe.skipIf(missing)(
  `the report in Chromium${missing ? `: SKIPPED, there is no ${CHROMIUM}` : ''}`,
  () => {
    let browser: Browser;
    let troubles: string[] = [];

    beforeAll(async () => {
      browser = await launchChromium();
    });
    afterAll(() => browser?.close());
    beforeEach(() => {
      troubles = [];
    });
    afterEach(async () => {
      for (const context of browser.contexts()) await context.close();
      expect(troubles).toEqual([]);
    });

    /** Whatever the page complains of, or asks for beyond itself, fails the test. */
    async function opened(options: BrowserContextOptions = {}, report: BenchReport = full): Promise<Page> {
      const file = join(testDirectory(), 'report.html');
      fs.writeFileSync(file, htmlReport(report));
      const context = await browser.newContext({ viewport: DESK, reducedMotion: 'reduce', ...options });
      const page = await context.newPage();
      const url = pathToFileURL(file).href;
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
      });
      page.on('pageerror', (error) => troubles.push(error.message));
      page.on('request', (request) => {
        if (request.url() !== url) troubles.push(`asked for ${request.url()}`);
      });
      await page.goto(url);
      return page;
    }

    test('is drawn: each chart has a canvas of more than one colour, each bar a length', async () => {
      const page = await opened();
      const charts = page.locator('[data-chart]');
      expect(await charts.count()).toBeGreaterThan(20);
      for (const chart of await charts.all()) {
        const canvases = await chart.locator('canvas').all();
        expect(canvases.length, (await chart.getAttribute('id')) ?? '').toBeGreaterThan(0);
        for (const canvas of canvases) expect(await coloursOf(canvas)).toBeGreaterThan(3);
      }
      const bars = page.locator('.bars-chart');
      expect(await bars.count()).toBeGreaterThan(5);
      for (const chart of await bars.all()) {
        const widths = await chart
          .locator('rect')
          .evaluateAll((rects) => rects.map((rect) => rect.getBoundingClientRect().width));
        expect(Math.max(...widths)).toBeGreaterThan(20);
      }
    });

    test('of an interrupted run that came to nothing is a page all the same', async () => {
      const page = await opened({}, benchReport({ interrupted: true }));
      await expect(page.locator('.notice.doubtful').textContent()).resolves.toContain('Interrupted');
    });

    test('of parts without a figure is drawn as well', async () => {
      const report = full;
      const nothing = { percentiles: [], us: [] };
      await opened(
        {},
        {
          ...report,
          fsync: report.fsync.map((cell) => ({
            ...cell,
            arms: {
              ...cell.arms,
              pinned: {
                ...cell.arms.pinned,
                latency: { ...cell.arms.pinned.latency, curve: nothing, p50Us: null, p99Us: null },
              },
            },
          })),
          floors: [],
          portraits: report.portraits.map((portrait) => ({
            ...portrait,
            fsyncs: [],
            holds: [],
            looks: { atMs: [], pages: 0, states: [] },
          })),
        },
      );
    });

    test.each(['percentiles', 'lines', 'portrait'])('a legend of %s shows and hides', async (kind) => {
      const page = await opened();
      const chart = page.locator(`.chart.${kind}`).first();
      const canvases = await chart.locator('canvas').all();
      const pictures = () => Promise.all(canvases.map(pixelsOf)).then((all) => all.join());
      const before = await pictures();
      for (const button of await chart.locator('.legend button').all()) {
        expect(await button.getAttribute('aria-pressed')).toBe('true');
        await button.click();
        expect(await button.getAttribute('aria-pressed')).toBe('false');
        await page.mouse.move(0, 0);
        await expect.poll(pictures).not.toBe(before);
        await button.click();
        expect(await button.getAttribute('aria-pressed')).toBe('true');
        await page.mouse.move(0, 0);
        await expect.poll(pictures).toBe(before);
      }
    });

    test.each(['light', 'dark'] as const)(
      'follows a %s system, and the button turns it',
      async (colorScheme) => {
        const page = await opened({ colorScheme });
        const button = page.getByRole('button', { name: 'Dark' });
        const canvas = page.locator('.chart canvas').first();
        const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const [pixels, colour] = [await pixelsOf(canvas), await background()];
        expect(await button.getAttribute('aria-pressed')).toBe(String(colorScheme === 'dark'));
        await button.click();
        expect(await button.getAttribute('aria-pressed')).toBe(String(colorScheme !== 'dark'));
        expect(await background()).not.toBe(colour);
        await expect.poll(() => pixelsOf(canvas)).not.toBe(pixels);
        await button.click();
        expect(await background()).toBe(colour);
        await expect.poll(() => pixelsOf(canvas)).toBe(pixels);
      },
    );

    test('a portrait can be looked at closely, both its parts at once', async () => {
      const page = await opened();
      const portrait = page.locator('.chart.portrait').first();
      const [upper, lower] = await portrait.locator('canvas').all();
      const before = [await pixelsOf(upper!), await pixelsOf(lower!)];
      await portrait.getByRole('button', { name: 'Less of it' }).click();
      await expect.poll(() => pixelsOf(upper!)).not.toBe(before[0]);
      await expect.poll(() => pixelsOf(lower!)).not.toBe(before[1]);
      await portrait.getByRole('button', { name: 'All of it' }).click();
      await expect.poll(() => pixelsOf(upper!)).toBe(before[0]);
      await expect.poll(() => pixelsOf(lower!)).toBe(before[1]);
    });

    test('fits a phone: only tables scroll sideways, inside their boxes', async () => {
      const page = await opened({ viewport: PHONE, isMobile: true, hasTouch: true });
      const sizes = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
        Math.max(
          ...[...document.querySelectorAll('canvas')].map((canvas) => canvas.getBoundingClientRect().right),
        ),
      ]);
      expect(sizes[0]).toBeLessThanOrEqual(PHONE.width);
      expect(sizes[1]).toBe(PHONE.width);
      expect(sizes[2]).toBeLessThanOrEqual(PHONE.width);
    });

    test('charts follow the width of the window', async () => {
      const page = await opened();
      const canvas = page.locator('.chart.portrait canvas').first();
      const width = () => canvas.evaluate((element) => element.getBoundingClientRect().width);
      const before = await width();
      await page.setViewportSize(PHONE);
      await expect.poll(width).toBeLessThan(before);
    });

    test('the keyboard goes from the skip link to a legend, and works it', async () => {
      const page = await opened();
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.className)).toBe('skip');
      await page.keyboard.press('Enter');
      const inLegend = () => page.evaluate(() => document.activeElement?.closest('.legend') !== null);
      for (let n = 0; n < 60 && !(await inLegend()); n++) await page.keyboard.press('Tab');
      expect(await inLegend()).toBe(true);
      const focused = page.locator(':focus');
      expect(await focused.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe('solid');
      await page.keyboard.press('Space');
      expect(await focused.getAttribute('aria-pressed')).toBe('false');
    });

    test.each([
      ['light', DESK],
      ['dark', PHONE],
    ] as const)('has nothing that axe objects to: %s, %j', async (colorScheme, viewport) => {
      // Its policy keeps scripts of others out, and so axe.
      const page = await opened({ colorScheme, viewport, bypassCSP: true });
      for (const details of await page.locator('details').all())
        await details.evaluate((element) => element.setAttribute('open', ''));
      await page.addScriptTag({ path: AXE });
      const violations = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: typeof import('axe-core') };
        const { violations: found } = await axe.run();
        return found.map(({ id, impact, nodes }) => ({
          id,
          impact,
          at: nodes.slice(0, 3).map(({ html }) => html),
        }));
      });
      expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
    });

    test('gives the report back as JSON', async () => {
      const page = await opened({ acceptDownloads: true });
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save as JSON' }).click(),
      ]);
      troubles = troubles.filter((trouble) => !trouble.startsWith('asked for blob:'));
      expect(JSON.parse(fs.readFileSync(await download.path(), 'utf8'))).toEqual(
        JSON.parse(JSON.stringify(full)),
      );
    });
  },
);

describe.skipIf(missing)('npm run picture', () => {
  const picture = (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(root, 'bench/dist/picture.js'), ...args]);

  test('makes a picture of a report', async () => {
    const directory = testDirectory();
    const [report, image] = [join(directory, 'report.json'), join(directory, 'report.png')];
    fs.writeFileSync(report, JSON.stringify(full));
    await picture(report, image);
    expect(fs.readFileSync(image).subarray(1, 4).toString()).toBe('PNG');
  });

  test('refuses a file that is no report', async () => {
    const file = join(testDirectory(), 'report.json');
    fs.writeFileSync(file, '{}');
    await expect(picture(file)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no report'),
    });
  });
});

/** A canvas's own picture, as a text that is the same for the same pixels. */
function pixelsOf(canvas: Locator): Promise<string> {
  return canvas.evaluate((element) => (element as HTMLCanvasElement).toDataURL());
}

function coloursOf(canvas: Locator): Promise<number> {
  return canvas.evaluate((element) => {
    const { width, height } = element as HTMLCanvasElement;
    const context = (element as HTMLCanvasElement).getContext('2d');
    if (context === null || width === 0 || height === 0) return 0;
    return new Set(new Uint32Array(context.getImageData(0, 0, width, height).data.buffer)).size;
  });
}
