// Figures of a report as a document has them: tables in Markdown, charts in SVG.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { keepOrRedirtyDocument } from '../bench/document/keep-or-redirty.ts';
import { markdownTable, withFigures } from '../bench/document/markdown.ts';
import { type Charts, lineCharts } from '../bench/document/svg.ts';
import { good } from '../bench/report/blocks.ts';
import { noResults, validateReport } from '../bench/schema.ts';
import { benchReport } from './support/bench-report.ts';
import { testDirectory } from './support/directory.ts';
import { keepOrRedirtyCell } from './support/keep-or-redirty.ts';

const BUILT = fileURLToPath(new URL('../bench/dist/document.js', import.meta.url));
const MARKS = ['<!-- figures: made by npm run figures -->', '<!-- end of figures -->'];

const report = benchReport({
  command: { ...benchReport().command, scenarios: ['keep-or-redirty'] },
  keepOrRedirty: [
    keepOrRedirtyCell(0, 0, {}),
    keepOrRedirtyCell(0.6, 10, { keep: { written: 2_000 } }),
    keepOrRedirtyCell(0.6, 100, { keep: { written: 3_000 }, redirty: { written: 1_500 } }),
  ],
});

describe('a chart', () => {
  const chart = (values: (number | null)[], scale: Charts['y']['scale'] = 'linear') =>
    lineCharts({
      title: 'Pages & more',
      description: 'a < b',
      panels: [{ title: 'one', lines: [{ name: 'first', style: 'first', values }] }],
      x: { label: 'hold, ms', ticks: values.map((_, n) => String(n)) },
      y: { label: 'pages/s', scale },
    });
  const heights = (svg: string) => [...svg.matchAll(/<circle class="mark first"[^>]*cy="([^"]+)"/g)];
  /** Heights of the marks, upward; the legend's is left out. */
  const marks = (svg: string) =>
    heights(svg)
      .slice(0, -1)
      .map(([, y]) => -Number(y));

  test('has axis labels, units, a title and a description, and its text is escaped', () => {
    const svg = chart([1, 2]);
    for (const text of [
      'Pages &amp; more',
      'a &lt; b',
      'hold, ms',
      'pages/s',
      '<title',
      '<desc',
      'role="img"',
    ])
      expect(svg).toContain(text);
    expect(svg).toContain('prefers-color-scheme: dark');
  });

  test('puts equal steps at equal distances', () => {
    const [a = 0, b = 0, c = 0] = marks(chart([10, 20, 30]));
    expect(b - a).toBeGreaterThan(0);
    expect(c - b).toBeCloseTo(b - a, 2);
  });

  test('puts equal ratios at equal distances where it is logarithmic, and zero at the lower end', () => {
    const [zero = 0, a = 0, b = 0, c = 0] = marks(chart([0, 1, 10, 100], 'log'));
    expect(a).toBe(zero);
    expect(c - b).toBeCloseTo(b - a, 2);
  });

  test('has room below zero, and nothing where a figure is missing', () => {
    const svg = chart([-50, null, 50]);
    expect(marks(svg)).toHaveLength(2);
    expect(svg).toContain('class="zero"');
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  test.each([[[0, 0]], [[null, null]], [[5]]])('of %j is one all the same', (values) => {
    for (const scale of ['linear', 'log'] as const) expect(chart(values, scale)).not.toMatch(/NaN|Infinity/);
  });
});

test('a table keeps its sides, and loses the tones of its cells', () => {
  const table = markdownTable([{ head: 'name', words: true }, { head: 'n' }], [['a|b', good('1')]]);
  expect(table).toBe('| name | n |\n|---|---:|\n| a\\|b | 1 |');
});

describe('figures in a document', () => {
  test('replace those that were there, and nothing else', () => {
    const before = `# Title\n\n${MARKS[0]}\n\nold\n\n${MARKS[1]}\n\nAfter.\n`;
    const once = withFigures(before, 'new\n');
    expect(once).toBe(`# Title\n\n${MARKS[0]}\n\nnew\n\n${MARKS[1]}\n\nAfter.\n`);
    expect(withFigures(once, 'new')).toBe(once);
  });

  test.each(['no place', `${MARKS[0]} only`, `${MARKS[1]}${MARKS[0]}`, `${MARKS.join('')}${MARKS.join('')}`])(
    'need one place: %s',
    (document) => {
      expect(() => withFigures(document, 'new')).toThrow('one place');
    },
  );
});

describe('the document of keep-or-redirty', () => {
  test('says where its figures come from, and shows each chart with a text in its place', () => {
    expect(validateReport(report)).toEqual([]);
    const { markdown, charts } = keepOrRedirtyDocument(report, 'folder');
    for (const text of ['--seconds 300', 'A CPU', 'Node 20.19.0', '2026-01-02'])
      expect(markdown).toContain(text);
    for (const file of charts.keys())
      expect(markdown).toMatch(new RegExp(`!\\[[^\\]]{40,}\\]\\(folder/${file}\\)`));
    expect(markdown).toContain('keep 2,000 to 3,000, redirty 100 to 1,500');
    expect(charts.get('written.svg')).toContain('60% pinned');
  });

  test('is refused for a report that has nothing of it', () => {
    expect(() => keepOrRedirtyDocument({ ...report, ...noResults() }, 'folder')).toThrow('keep-or-redirty');
  });

  test('is put in place by the command', async () => {
    const docs = testDirectory();
    const document = join(docs, 'keep-or-redirty.md');
    fs.writeFileSync(document, MARKS.join('\n'));
    fs.writeFileSync(join(docs, 'report.json'), JSON.stringify(report));
    await promisify(execFile)(process.execPath, [BUILT, join(docs, 'report.json'), docs]);
    expect(fs.readFileSync(document, 'utf8')).toContain('| 60% | 100 | 3,000 | 1,500 | 0.50 |');
    const { charts } = keepOrRedirtyDocument(report, 'keep-or-redirty');
    expect(fs.readdirSync(join(docs, 'keep-or-redirty')).sort()).toEqual([...charts.keys()].sort());
  });

  test('is not touched for a file that is no report', async () => {
    const docs = testDirectory();
    fs.writeFileSync(join(docs, 'report.json'), '{}');
    const refused = promisify(execFile)(process.execPath, [BUILT, join(docs, 'report.json'), docs]);
    await expect(refused).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('no report') });
  });
});
