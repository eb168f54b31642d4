// The HTML report without a browser: what is in it, and that nothing gets out of its place. test/browser/ opens it.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { textOf } from '../bench/report/blocks.ts';
import { htmlReport } from '../bench/report/html/index.ts';
import { SCENARIOS } from '../bench/scenarios/index.ts';
import { type BenchReport, validateReport } from '../bench/schema.ts';
import { benchReport } from './support/bench-report.ts';
import { fullReport } from './support/report.ts';

const full = fullReport();
const page = htmlReport(full);

/** What stands in the elements `name`. */
const elements = (html: string, name: string): string[] =>
  [...html.matchAll(new RegExp(`<${name}(?: [^>]*)?>(.*?)</${name}>`, 'gs'))].map(
    ([, inside]) => inside ?? '',
  );

const unescaped = (html: string): string =>
  html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

const embedded = (html: string): BenchReport =>
  JSON.parse(/<script type="application\/json" id="report">(.*?)<\/script>/s.exec(html)?.[1] ?? '');

test('the sample has something of every scenario, each figure a name of its own, and is a report', () => {
  expect(validateReport(full)).toEqual([]);
  const names = SCENARIOS.flatMap(({ figures }) => figures(full)).map(({ name }) => name);
  expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  for (const { name, blocks, figures, charts } of SCENARIOS) {
    expect(blocks(full), name).not.toEqual([]);
    expect(figures(full), name).not.toEqual([]);
    expect(charts(full), name).not.toEqual([]);
  }
});

describe('a report of everything', () => {
  const text = unescaped(page);

  test.each(SCENARIOS)(
    'has what $name says, each figure and each chart',
    ({ name, blocks, figures, charts }) => {
      const report = full;
      expect(page).toContain(`<section id="${name}"`);
      expect(page).toContain(`href="#${name}"`);
      for (const block of blocks(report)) {
        if (block.kind !== 'table') {
          expect(text).toContain(block.text);
          continue;
        }
        for (const cell of [...block.columns.map(({ head }) => head), ...block.rows.flat()])
          expect(text).toContain(textOf(cell));
      }
      for (const figure of figures(report)) expect(text).toContain(figure.name);
      for (const { title, description } of charts(report)) {
        expect(text).toContain(title);
        expect(text).toContain(description);
      }
    },
  );

  test('has the machine, the command, CPU time, and how it was measured', () => {
    for (const part of ['A CPU', 'ext4 on /dev/sda', 'npx pinfold-bench run --scenario fsync', '58.2', 'A/A'])
      expect(text).toContain(part);
  });

  test('tells good from bad by more than a colour', () => {
    for (const [tone, sign, word] of [
      ['good', '✓', 'good'],
      ['bad', '✗', 'bad'],
      ['doubtful', '?', 'doubtful'],
    ]) {
      const of = new RegExp(
        `class="tone ${tone}"><span class="sign" aria-hidden="true">\\${sign}</span>[^<]*<span class="unseen"> \\(${word}\\)`,
      );
      expect(page).toMatch(of);
    }
  });

  test('leads only to places that it has', () => {
    const places = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...page.matchAll(/ href="([^"]*)"/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(SCENARIOS.length);
    for (const link of links) expect(places).toContain(link?.replace(/^#/, ''));
    for (const [, ids] of page.matchAll(/ aria-(?:labelledby|describedby)="([^"]+)"/g))
      expect(places).toContain(ids);
  });

  test('holds the report itself', () => {
    expect(embedded(page)).toEqual(JSON.parse(JSON.stringify(full)));
  });
});

describe('one file', () => {
  test('asks for nothing from elsewhere', () => {
    const [markup] = page.split('<script');
    expect(markup).not.toMatch(/<(?:link|img|iframe|object|embed|base)\b/);
    expect(page).not.toMatch(/ src=/);
    expect(page).not.toMatch(/@import|url\((?!['"]?data:)/);
    expect(page).not.toMatch(/\b(?:fetch|XMLHttpRequest|WebSocket|importScripts)\b\(/);
  });

  test('lets in its own script and style sheet, by their hashes, and nothing else', () => {
    const policy = unescaped(/http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '');
    const hash = (source: string) => `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
    const script = elements(page, 'script').at(-1) ?? '';
    const [style] = elements(page, 'style');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src ${hash(script)}`);
    expect(policy).toContain(`style-src ${hash(style ?? '')}`);
    expect(policy).not.toContain('unsafe');
    expect(page).not.toMatch(/ (?:style|on\w+)="/);
  });
});

describe('what comes from outside', () => {
  const evil = `</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp;\u2028\u2029<!--`;

  test('stays text wherever it is shown', () => {
    const report = full;
    const { command, machine } = report;
    const outside: BenchReport = {
      ...report,
      startedAt: evil,
      failures: [evil],
      command: { ...command, file: evil, trace: evil },
      machine: { ...machine, cpu: evil, device: evil, fileSystem: evil, kernel: evil },
      deadlock: report.deadlock.map((cell) => ({ ...cell, message: evil })),
      micro: report.micro.map((row) => ({ ...row, name: evil, note: evil })),
    };
    const html = htmlReport(outside);
    expect(html).not.toContain('<img');
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<!--');
    expect(elements(html, 'script')).toHaveLength(elements(page, 'script').length);
    expect(unescaped(html)).toContain(evil);
    expect(embedded(html)).toEqual(JSON.parse(JSON.stringify(outside)));
    const data = elements(html, 'script').slice(0, -1).join('');
    expect(data).not.toMatch(/[<\u2028\u2029]/);
  });

  test('is one word of the command', () => {
    const report = benchReport();
    const html = htmlReport({ ...report, command: { ...report.command, file: "it's here/a b" } });
    expect(unescaped(html)).toContain(`--file 'it'\\''s here/a b'`);
  });
});

describe('a run that came to little', () => {
  test('is a page all the same, which says that it was interrupted', () => {
    const html = htmlReport(benchReport({ interrupted: true }));
    expect(unescaped(html)).toContain('Interrupted');
    expect(html).not.toContain('Every promise');
    for (const { name } of SCENARIOS) expect(html).not.toContain(`<section id="${name}"`);
  });

  test('shows what it has where some of a scenario is missing', () => {
    const report = full;
    const nothing = {
      count: 0,
      p50Us: null,
      p90Us: null,
      p99Us: null,
      p999Us: null,
      maxUs: null,
      curve: { percentiles: [], us: [] },
    };
    const cut: BenchReport = {
      ...report,
      interrupted: true,
      fsync: report.fsync.slice(0, 1).map((cell) => ({
        ...cell,
        arms: { ...cell.arms, pinned: { ...cell.arms.pinned, latency: nothing } },
      })),
      portraits: report.portraits.map((portrait) => ({
        ...portrait,
        fsyncs: [],
        holds: [],
        looks: { atMs: [], pages: 0, states: [] },
      })),
      deadlock: report.deadlock.map((cell) => ({ ...cell, rounds: 0, latency: nothing })),
      micro: report.micro.map((row) => ({
        ...row,
        value: null,
        q1: null,
        q3: null,
        verdict: 'not measured',
      })),
      memory: { pools: [], files: null },
      stable: { cells: [], checksum: [] },
      coldScan: { fileBytes: 0, memoryBytes: 0, arms: [], hot: [] },
      replacement: { seed: 1, cells: [], threads: [], control: [] },
      keepOrRedirty: report.keepOrRedirty.slice(0, 1),
      pressure: [],
    };
    expect(validateReport(cut)).toEqual([]);
    const html = htmlReport(cut);
    expect(unescaped(html)).toContain('fsync under pins');
    expect(html).not.toMatch(/>(?:NaN|Infinity|undefined|null)</);
  });

  test('shouts when a promise did not hold', () => {
    const html = htmlReport(benchReport({ failures: ['fsync lied 3 times of 40'] }));
    expect(html).toContain('class="notice bad"');
    expect(unescaped(html)).toContain('FAILED: fsync lied 3 times of 40');
  });
});
