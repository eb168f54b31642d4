// The report's format: its document, its JSON Schema, and the two validators, which must be of one opinion.
import fs from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { LATENCY } from '../bench/histogram.ts';
import { reportJsonSchema } from '../bench/json-schema.ts';
import { REPORT, REPORT_VERSION, validateReport } from '../bench/schema.ts';
import type { Shape } from '../bench/shape.ts';
import { reportIn, runBench } from './support/bench.ts';
import { benchReport, microRow } from './support/bench-report.ts';
import { testDirectory } from './support/directory.ts';
import { keepOrRedirtyCell } from './support/keep-or-redirty.ts';
import { root } from './support/root.ts';

/** Whatever a file may hold. */
type Loose = ReturnType<typeof JSON.parse>;

const read = (path: string) => fs.readFileSync(join(root, path), 'utf8');
const published: object = JSON.parse(read('docs/report.schema.json'));
const validates = new Ajv2020({ strict: true }).compile(published);

/** Problems as each of the two sees them. */
const opinions = (value: unknown) => ({ ours: validateReport(value).length === 0, schema: validates(value) });
const VALID = { ours: true, schema: true };
const INVALID = { ours: false, schema: false };

test('docs/report.schema.json is current (npm run schema)', () => {
  expect(published).toEqual(reportJsonSchema());
});

describe('a real report', () => {
  let real: string;

  beforeAll(async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'fsync,deadlock,mixed', '--hold', '1', '--seconds', '2'];
    const { stderr } = await runBench(directory, ...args);
    const report = reportIn(directory);
    expect(report.fsync.length, stderr).toBeGreaterThan(0);
    real = JSON.stringify(report);
  });

  test('is valid', () => {
    expect(opinions(JSON.parse(real))).toEqual(VALID);
    expect(validates.errors).toBeNull();
  });

  /** Broken in one place. */
  const broken = (breakIt: (report: Loose) => void): unknown => {
    const report = JSON.parse(real);
    breakIt(report);
    return report;
  };

  test.each<[string, (report: Loose) => void]>([
    ['a field is missing', (report) => delete report.startedAt],
    ['a field deep inside is missing', (report) => delete report.fsync[0].arms.none.latency.curve.us],
    ['there is one too many', (report) => Object.assign(report, { comment: 'hello' })],
    ['there is one too many deep inside', (report) => Object.assign(report.machine, { gpu: 'none' })],
    ['a number is text', (report) => Object.assign(report.fsync[0], { holdMs: '1' })],
    ['a number is null that may not be', (report) => Object.assign(report.fsync[0], { blocks: null })],
    ['a text is a number', (report) => Object.assign(report.machine, { node: 20 })],
    ['a flag is a number', (report) => Object.assign(report, { interrupted: 0 })],
    ['a word is none of those allowed', (report) => Object.assign(report.fsync[0], { policy: 'hope' })],
    ['a list is an object', (report) => Object.assign(report, { micro: {} })],
    ['an object is a list', (report) => Object.assign(report, { command: [] })],
    ['an object is null', (report) => Object.assign(report.mixed[0], { roles: null })],
    ['an item of a list is of another kind', (report) => report.failures.push(1)],
    ['it is of another version', (report) => Object.assign(report, { version: REPORT_VERSION + 1 })],
    ['it is of something else', (report) => Object.assign(report, { schema: 'other' })],
  ])('is refused by both where %s', (_, breakIt) => {
    expect(opinions(broken(breakIt))).toEqual(INVALID);
  });

  test.each([null, [], 'report', 1, {}])('%j is none to either', (value) => {
    expect(opinions(value)).toEqual(INVALID);
  });

  test('loses nothing, anywhere, that both would not miss', () => {
    // Every field of the first item of every list, taken away in turn.
    const paths = pathsOf(JSON.parse(real));
    expect(paths.length).toBeGreaterThan(200);
    for (const path of paths) {
      const without = broken((report) => {
        const holder = path.slice(0, -1).reduce((at, key) => at[key], report);
        delete holder[path.at(-1)!];
      });
      expect(opinions(without), path.join('.')).toEqual(INVALID);
    }
  });
});

test('reports of scenarios that a default run leaves out are valid to both as well', () => {
  const report = benchReport({
    keepOrRedirty: [keepOrRedirtyCell(0.6, 10, {})],
    micro: [microRow('a hit', 1.2)],
  });
  expect(opinions(report)).toEqual(VALID);
});

function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (Array.isArray(value)) return value.length === 0 ? [] : pathsOf(value[0], [...path, '0']);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [[...path, key], ...pathsOf(each, [...path, key])]);
}

describe('docs/report-format.md', () => {
  const text = read('docs/report-format.md');
  /** Sections by their heading's words, without backticks. */
  const sections = new Map(
    text
      .split(/^## /m)
      .map((section) => [section.slice(0, section.indexOf('\n')).replaceAll('`', ''), section]),
  );
  const named = (section: string, field: string) => sections.get(section)?.includes(`\`${field}\``) ?? false;

  test('is about this version', () => {
    expect(text).toContain(`**version ${REPORT_VERSION}**`);
  });

  if (typeof REPORT === 'string' || REPORT.is !== 'fields') throw new Error('a report has fields');
  test.each(Object.entries(REPORT.fields))('names every field of %s', (field, shape) => {
    const inside = fieldsOf(shape);
    const section = sections.has(field) ? field : 'The run';
    if (section === 'The run') expect(named(section, field), field).toBe(true);
    expect(inside.filter((each) => !named(section, each))).toEqual([]);
  });

  test('names every field of a latency', () => {
    if (LATENCY.is !== 'fields') throw new Error('a latency has fields');
    const inside = Object.entries(LATENCY.fields).flatMap(([field, shape]) => [field, ...fieldsOf(shape)]);
    expect(inside.filter((each) => !named('Latency', each))).toEqual([]);
  });
});

/** Names of all fields inside, but for those of a latency, which are told once. */
function fieldsOf(shape: Shape): string[] {
  if (typeof shape === 'string' || shape.is === 'one of' || shape === LATENCY) return [];
  if (shape.is !== 'fields') return fieldsOf(shape.shape);
  return Object.entries(shape.fields).flatMap(([field, each]) => [field, ...fieldsOf(each)]);
}
